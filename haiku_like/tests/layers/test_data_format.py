import re

import pytest

import haiku_like as hk

LAST = ["channels_last", "NWC", "NHWC", "NDHWC", "N...C", "NTHWC", "BTD", "BTHWD", "TBD", "TBHWD"]
FIRST = ["channels_first", "NC", "NCW", "NCHW", "NCDHW", "NC..."]


def test_where_the_channels_are():
    assert [hk.get_channel_index(name) for name in LAST] == [-1] * len(LAST)
    assert [hk.get_channel_index(name) for name in FIRST] == [1] * len(FIRST)


@pytest.mark.parametrize("name", ["", "HWC", "NHCW", "NWCC", "nhwc", "Channels_Last", "BTC", "DBT", None, 1])
def test_unknown_formats_are_refused(name):
    message = f"get_channel_index: data_format is {name!r}, expected 'channels_last', 'channels_first', or the letters"
    with pytest.raises(ValueError, match=re.escape(message)):
        hk.get_channel_index(name)
