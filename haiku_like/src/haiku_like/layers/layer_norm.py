"""Normalization within each example: over any axes, and over the spatial axes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import jax.numpy as jnp

from haiku_like import _checks
from haiku_like._core.module import Module
from haiku_like.layers._normalize import (
    array_of_floats,
    axis_argument,
    check_init,
    mean_and_fast_variance,
    mean_and_variance,
    normalize,
    normalized_axes,
    parameter_shape,
    result_dtype,
    scale_or_offset,
)
from haiku_like.layers.data_format import channel_index

if TYPE_CHECKING:
    from jaxtyping import Array, ArrayLike, Float

    from haiku_like.typing import Initializer


class LayerNorm(Module):
    """Gives mean 0 and variance 1 along some axes of each example: `(x - mean) / sqrt(var + eps) * scale + offset`.

    The moments are worked out in float32 at least. From Ba, Kiros and Hinton (2016), "Layer normalization",
    https://arxiv.org/abs/1607.06450, equation 4.

    Parameters: `scale` and `offset`, if created, of shape `[size of the last axis]`; with another `param_axis` of the
    shape of the inputs with 1 for every other axis.

    Args:
      axis: The axes to normalize along: an integer, a slice or a sequence.
      create_scale: Whether there is a parameter `scale`.
      create_offset: Whether there is a parameter `offset`.
      eps: Added to the variance.
      scale_init: Makes `scale`; ones by default.
      offset_init: Makes `offset`; zeros by default.
      use_fast_variance: Whether to compute the variance as `E[x^2] - E[x]^2`, in one pass; it is inexact where the
        mean is large beside the deviation. By default it is `E[(x - E[x])^2]`.
      name: The module's name.
      param_axis: The axes along which `scale` and `offset` differ; the last one by default.

    Raises:
      TypeError: `axis` or `param_axis` is of another type.
      ValueError: an initializer is given for a parameter that is not created.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> forward = hk.transform(lambda x: hk.LayerNorm(axis=-1, create_scale=True, create_offset=True)(x))
      >>> x = jnp.array([[1.0, 2.0, 3.0], [10.0, 20.0, 30.0]])
      >>> params = forward.init(None, x)
      >>> jax.tree.map(jnp.shape, params)
      {'layer_norm': {'offset': (3,), 'scale': (3,)}}
      >>> out = forward.apply(params, x)
      >>> jnp.allclose(out, jnp.array([-1.2247, 0.0, 1.2247]), atol=1e-3).item()
      True
    """

    def __init__(
        self,
        axis: int | slice | Sequence[int],
        create_scale: bool,
        create_offset: bool,
        eps: "ArrayLike" = 1e-5,
        scale_init: "Initializer | None" = None,
        offset_init: "Initializer | None" = None,
        use_fast_variance: bool = False,
        name: str | None = None,
        *,
        param_axis: int | slice | Sequence[int] | None = None,
    ):
        super().__init__(name=name)
        where = type(self).__name__
        check_init(where, "scale", create_scale, scale_init)
        check_init(where, "offset", create_offset, offset_init)
        self.axis = axis_argument(where, "axis", axis)
        self.eps = eps
        self.create_scale = create_scale
        self.create_offset = create_offset
        self.scale_init = scale_init or jnp.ones
        self.offset_init = offset_init or jnp.zeros
        self.use_fast_variance = _checks.flag(where, "use_fast_variance", use_fast_variance)
        self.param_axis = (-1,) if param_axis is None else axis_argument(where, "param_axis", param_axis)

    def __call__(
        self,
        inputs: "Float[Array, '...']",
        scale: "ArrayLike | None" = None,
        offset: "ArrayLike | None" = None,
    ) -> "Float[Array, '...']":
        """Returns the normalized inputs.

        Args:
          inputs: An array with all the axes of `axis`.
          scale: Takes the place of the parameter, if `create_scale` is false; of a shape that broadcasts to that of
            `inputs`.
          offset: Likewise.

        Raises:
          TypeError: `inputs` is no array of floats.
          ValueError: `axis` or `param_axis` does not fit `inputs`, names no axis of it, or names one of size 0; or a
            scale or offset is given that is a parameter or does not fit.
        """
        where = type(self).__name__
        inputs = array_of_floats(where, self.module_name, "inputs", inputs)
        axes = normalized_axes(where, self.module_name, "inputs", self.axis, inputs.shape)
        statistics = mean_and_fast_variance if self.use_fast_variance else mean_and_variance
        mean, var = statistics(inputs, axes)
        shape = parameter_shape(where, self.param_axis, inputs.shape)
        scale = scale_or_offset(where, "scale", self.create_scale, scale, self.scale_init, shape, inputs)
        offset = scale_or_offset(where, "offset", self.create_offset, offset, self.offset_init, shape, inputs)
        return normalize(inputs, mean, var, self.eps, scale, offset, result_dtype(inputs, scale, offset))


class InstanceNorm(LayerNorm):
    """Gives each channel of each example mean 0 and variance 1 over the spatial axes.

    It is `hk.LayerNorm` over all axes but the first and the channels', with a `scale` and `offset` for each channel.
    From Ulyanov, Vedaldi and Lempitsky (2016), "Instance normalization", https://arxiv.org/abs/1607.08022.

    Parameters: `scale` and `offset`, if created, of shape `[channels]`, or `[1, channels, 1, ...]` where the channels
    come first.

    Args:
      create_scale: Whether there is a parameter `scale`.
      create_offset: Whether there is a parameter `offset`.
      eps: Added to the variance.
      scale_init: Makes `scale`; ones by default.
      offset_init: Makes `offset`; zeros by default.
      data_format: Where the channels are: `channels_last` or `channels_first`, or the letters of the axes, such as
        `NHWC` or `NCHW`.
      name: The module's name.

    Raises:
      ValueError: `data_format` is unknown, or an initializer is given for a parameter that is not created; and, when
        it is called, as for `hk.LayerNorm`.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> forward = hk.transform(lambda x: hk.InstanceNorm(create_scale=True, create_offset=False)(x))
      >>> images = jax.random.uniform(jax.random.key(0), [2, 8, 8, 3])
      >>> params = forward.init(None, images)
      >>> bool(jnp.allclose(forward.apply(params, images).mean((1, 2)), 0, atol=1e-5))
      True
    """

    def __init__(
        self,
        create_scale: bool,
        create_offset: bool,
        eps: "ArrayLike" = 1e-5,
        scale_init: "Initializer | None" = None,
        offset_init: "Initializer | None" = None,
        data_format: str = "channels_last",
        name: str | None = None,
    ):
        channel = channel_index("InstanceNorm", data_format)
        super().__init__(
            slice(1, -1) if channel == -1 else slice(2, None),
            create_scale,
            create_offset,
            eps,
            scale_init,
            offset_init,
            param_axis=channel,
            name=name,
        )
