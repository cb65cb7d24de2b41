"""Normalization of groups of channels."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import jax.numpy as jnp

from haiku_like import _checks
from haiku_like._core.module import Module
from haiku_like.layers._normalize import (
    array_of_floats,
    axis_argument,
    check_init,
    mean_and_variance,
    normalize,
    normalized_axes,
    result_dtype,
    scale_or_offset,
    with_axes,
)
from haiku_like.layers.data_format import channel_index

if TYPE_CHECKING:
    from jaxtyping import Array, ArrayLike, Float

    from haiku_like.typing import Initializer


class GroupNorm(Module):
    """Gives each group of channels of each example mean 0 and variance 1, then scales and shifts each channel.

    `(x - mean) / sqrt(var + eps) * scale + offset`, with `mean` and `var = E[(x - mean)^2]` those of a group, worked
    out in float32 at least. Group `i` holds the channels from `i channels / groups` on. From Wu and He (2018), "Group
    normalization", https://arxiv.org/abs/1803.08494, section 3.1.

    Parameters: `scale` and `offset`, if created, of shape `[channels]`, or `[channels, 1, ...]` where the channels come
    first.

    Args:
      groups: How many groups; divides the number of channels.
      axis: The axes of the inputs to normalize along; by default all but the first. Without the channels' axis each
        channel is normalized by itself.
      create_scale: Whether there is a parameter `scale`.
      create_offset: Whether there is a parameter `offset`.
      eps: Added to the variance.
      scale_init: Makes `scale`; ones by default.
      offset_init: Makes `offset`; zeros by default.
      data_format: Where the channels are: `channels_last` or `channels_first`, or the letters of the axes, such as
        `NHWC` or `NCHW`.
      name: The module's name.

    Raises:
      TypeError: `groups` is no integer, or `axis` is of another type.
      ValueError: `groups` is not positive; `data_format` is unknown; or an initializer is given for a parameter that
        is not created.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> forward = hk.transform(lambda x: hk.GroupNorm(groups=2)(x))
      >>> images = jax.random.uniform(jax.random.key(0), [2, 8, 8, 6])
      >>> params = forward.init(None, images)
      >>> jax.tree.map(jnp.shape, params)
      {'group_norm': {'offset': (6,), 'scale': (6,)}}
      >>> bool(jnp.allclose(forward.apply(params, images)[..., :3].mean((1, 2, 3)), 0, atol=1e-5))
      True
    """

    def __init__(
        self,
        groups: int,
        axis: int | slice | Sequence[int] = slice(1, None),
        create_scale: bool = True,
        create_offset: bool = True,
        eps: "ArrayLike" = 1e-5,
        scale_init: "Initializer | None" = None,
        offset_init: "Initializer | None" = None,
        data_format: str = "channels_last",
        name: str | None = None,
    ):
        super().__init__(name=name)
        groups = _checks.size("GroupNorm", "groups", groups)
        if groups == 0:
            raise ValueError("GroupNorm: groups is 0, expected 1 or more. For one group of all channels pass 1.")
        check_init("GroupNorm", "scale", create_scale, scale_init)
        check_init("GroupNorm", "offset", create_offset, offset_init)
        self.groups = groups
        self.axis = axis_argument("GroupNorm", "axis", axis)
        self.create_scale = create_scale
        self.create_offset = create_offset
        self.eps = eps
        self.scale_init = scale_init or jnp.ones
        self.offset_init = offset_init or jnp.zeros
        self.data_format = data_format
        self.channel_index = channel_index("GroupNorm", data_format)

    def __call__(
        self,
        x: "Float[Array, '...']",
        scale: "ArrayLike | None" = None,
        offset: "ArrayLike | None" = None,
    ) -> "Float[Array, '...']":
        """Returns the normalized inputs.

        Args:
          x: Such as `[N, H, W, C]`.
          scale: Takes the place of the parameter, if `create_scale` is false; of a shape that broadcasts to that of
            `x`.
          offset: Likewise.

        Raises:
          TypeError: `x` is no array of floats.
          ValueError: `groups` does not divide the channels of `x`; `axis` does not fit `x`, names no axis of it, or
            names one of size 0; or a scale or offset is given that is a parameter or does not fit.
        """
        x = array_of_floats("GroupNorm", self.module_name, "x", x, 2)
        channel = self.channel_index % x.ndim
        channels = x.shape[channel]
        if channels % self.groups:
            raise ValueError(
                f"GroupNorm: groups of module {self.module_name!r} is {self.groups}, expected a divisor of {channels}, "
                f"the number of channels of x, which has shape {x.shape} with the channels along axis {channel}."
            )
        axes = normalized_axes("GroupNorm", self.module_name, "x", self.axis, x.shape)

        def grouped(values: "Float[Array, '...']") -> "Float[Array, '...']":
            """Splits the channels' axis into the groups and the channels of each."""
            if values.ndim == 0:
                return values
            groups = self.groups if values.shape[channel] == channels else 1
            split = (groups, values.shape[channel] // groups)
            return values.reshape(values.shape[:channel] + split + values.shape[channel + 1 :])

        shape = (channels,) + (1,) * (x.ndim - 1 - channel)
        scale = scale_or_offset("GroupNorm", "scale", self.create_scale, scale, self.scale_init, shape, x)
        offset = scale_or_offset("GroupNorm", "offset", self.create_offset, offset, self.offset_init, shape, x)
        values = grouped(x)
        mean, var = mean_and_variance(values, tuple(axis + (axis >= channel) for axis in axes))
        dtype = result_dtype(x, scale, offset)
        scale, offset = (None if v is None else grouped(with_axes(v, x.ndim)) for v in (scale, offset))
        return normalize(values, mean, var, self.eps, scale, offset, dtype).reshape(x.shape)
