"""Where the channels are: the names of data formats."""

import re
from typing import Any

_CHANNELS_LAST = re.compile(r"channels_last|N[^C]+C|(BT|TB).*D")
_CHANNELS_FIRST = re.compile(r"channels_first|NC[^C]*")


def get_channel_index(data_format: str) -> int:
    """Returns the axis of the channels, -1 or 1.

    Args:
      data_format: `channels_last`, `channels_first`, or a letter for each axis: `N` first and `C` last as in `NHWC`,
        `N` and `C` first as in `NCHW`, or a sequence such as `BTD` or `TBHWD`, in which `D` is the channels' axis.

    Raises:
      ValueError: `data_format` is none of these.

    Example:
      >>> import haiku_like as hk
      >>> hk.get_channel_index("NHWC"), hk.get_channel_index("NCHW")
      (-1, 1)
    """
    return channel_index("get_channel_index", data_format)


def channel_index(where: str, data_format: Any) -> int:
    """Returns the axis of the channels; what is raised names the module or function `where`."""
    if isinstance(data_format, str):
        if _CHANNELS_LAST.fullmatch(data_format):
            return -1
        if _CHANNELS_FIRST.fullmatch(data_format):
            return 1
    raise ValueError(
        f"{where}: data_format is {data_format!r}, expected 'channels_last', 'channels_first', or the letters of the "
        f"axes: N first and C last as in 'NHWC', N and C first as in 'NCHW', or a sequence such as 'BTD'."
    )
