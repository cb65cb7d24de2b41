"""Convolutions over one, two, three or more spatial axes."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp

from haiku_like import _checks, _spatial
from haiku_like._core.module import Module
from haiku_like.layers import _convolution
from haiku_like.layers.data_format import channel_index

if TYPE_CHECKING:
    from jax.typing import ArrayLike
    from jaxtyping import Array, Float

    from haiku_like.pad import PadFn
    from haiku_like.typing import Initializer


class ConvND(Module):
    """Slides a kernel over the spatial axes: `y[i, o] = b[o] + sum over k, c of w[k, c, o] x[i stride + k rate, c]`.

    `i` and `k` run over all spatial axes, and `x` is padded before. Parameters: `w` of shape `[*kernel_shape, input
    channels / feature_group_count, output_channels]`, and `b` of shape `[output_channels]`, with channels first
    `[output_channels, 1, ...]`.

    Args:
      num_spatial_dims: The number of spatial axes.
      output_channels: The number of output channels.
      kernel_shape: The size of the kernel along each spatial axis, or one for all.
      stride: How far the kernel moves from one output to the next, along each axis or all.
      rate: How far apart the kernel's elements lie, along each axis or all: above 1 the kernel has holes.
      padding: `SAME` for `ceil(size / stride)` outputs, of an odd sum of padding the greater half after;
        `SAME_LOWER` for the greater half before; `VALID` for none; a pair of integers, how much to pad before and
        after; a function of the kernel's effective size, such as `hk.pad.causal`; or a sequence of such pairs or
        functions, one for each spatial axis.
      with_bias: Whether to add `b`.
      w_init: Makes `w`; by default a normal with deviation `1 / sqrt(fan-in)`, cut at two deviations, where the fan-in
        is the product of all sizes of `w` but the last.
      b_init: Makes `b`; zeros by default.
      data_format: Where the channels are, see `hk.get_channel_index`.
      mask: Multiplies `w`, of the same shape.
      feature_group_count: In how many groups the channels are split; an output sees the inputs of its own group.
      name: The module's name.

    Raises:
      TypeError: a size is no integer.
      ValueError: a size, `stride` or `rate` is not positive, or there is neither one for all axes nor one for each;
        `padding` or `data_format` is unknown; or `output_channels` does not split into groups.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> forward = hk.transform(lambda x: hk.ConvND(4, output_channels=2, kernel_shape=3)(x))
      >>> params = forward.init(jax.random.key(0), jnp.ones([1, 4, 4, 4, 4, 1]))
      >>> jax.tree.map(jnp.shape, params)
      {'conv_nd': {'b': (2,), 'w': (3, 3, 3, 3, 1, 2)}}
    """

    def __init__(
        self,
        num_spatial_dims: int,
        output_channels: int,
        kernel_shape: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        rate: int | Sequence[int] = 1,
        padding: "str | tuple[int, int] | Sequence[tuple[int, int]] | PadFn | Sequence[PadFn]" = "SAME",
        with_bias: bool = True,
        w_init: "Initializer | None" = None,
        b_init: "Initializer | None" = None,
        data_format: str = "channels_last",
        mask: "ArrayLike | None" = None,
        feature_group_count: int = 1,
        name: str | None = None,
    ):
        super().__init__(name=name)
        where = type(self).__name__
        n = _checks.size(where, "num_spatial_dims", num_spatial_dims, minimum=1)
        self.num_spatial_dims = n
        self.output_channels = _checks.size(where, "output_channels", output_channels)
        self.kernel_shape = _spatial.per_axis(where, "kernel_shape", kernel_shape, n)
        self.stride = _spatial.per_axis(where, "stride", stride, n)
        self.kernel_dilation = _spatial.per_axis(where, "rate", rate, n)
        self.lhs_dilation = (1,) * n
        self.padding = _convolution.padding(where, padding, self.kernel_shape, self.kernel_dilation)
        self.with_bias = with_bias
        self.w_init = w_init
        self.b_init = b_init or jnp.zeros
        self.data_format = data_format
        self.channel_index = channel_index(where, data_format)
        self.dimension_numbers = _convolution.dimension_numbers(n, self.channel_index)
        self.mask = mask
        self.feature_group_count = _checks.size(where, "feature_group_count", feature_group_count, minimum=1)
        if self.output_channels % self.feature_group_count:
            raise ValueError(
                f"{where}: output_channels is {output_channels}, expected a multiple of "
                f"feature_group_count={feature_group_count}, so that each group has as many."
            )

    def __call__(
        self,
        inputs: "Float[Array, '...']",
        *,
        precision: "jax.lax.PrecisionLike" = None,
    ) -> "Float[Array, '...']":
        """Returns the convolution.

        Args:
          inputs: Of shape `[batch, *spatial, channels]`, or with channels first `[batch, channels, *spatial]`; the
            batch axis may be absent. The parameters are created in their dtype.
          precision: The precision of the products, as for `jax.lax.conv_general_dilated`.

        Returns:
          An array with `output_channels` channels, other spatial sizes, and as many axes as `inputs`.

        Raises:
          TypeError: `inputs` is no array of numbers.
          ValueError: `inputs` has another number of axes; its channels do not split into groups; the spatial sizes
            are too small for the kernel; or `mask` does not have the shape of the weights.
        """
        inputs, has_batch = _convolution.with_batch(self, inputs, self.num_spatial_dims)
        channels = inputs.shape[self.channel_index]
        if channels % self.feature_group_count:
            raise ValueError(
                f"{type(self).__name__}: inputs of module {self.module_name!r} has {channels} channels, expected a "
                f"multiple of feature_group_count={self.feature_group_count}. With data_format={self.data_format!r} "
                f"the channels are axis {self.channel_index}."
            )
        w_shape = (*self.kernel_shape, channels // self.feature_group_count, self.output_channels)
        w = _convolution.weights(
            self, w_shape, inputs.dtype, init=self.w_init, fan_in=math.prod(w_shape[:-1]), mask=self.mask
        )
        out = _convolution.convolve(
            self,
            inputs,
            w,
            window_strides=self.stride,
            padding=self.padding,
            lhs_dilation=self.lhs_dilation,
            rhs_dilation=self.kernel_dilation,
            dimension_numbers=self.dimension_numbers,
            feature_group_count=self.feature_group_count,
            precision=precision,
        )
        if self.with_bias:
            out = _convolution.add_bias(out, inputs.dtype, self.channel_index, self.b_init)
        return out if has_batch else out[0]


class Conv1D(ConvND):
    """Slides a kernel over one spatial axis, such as time.

    Args:
      output_channels: The number of output channels.
      kernel_shape: The size of the kernel.
      stride: How far the kernel moves from one output to the next.
      rate: How far apart the kernel's elements lie.
      padding: A name, numbers or functions, as for `hk.ConvND`.
      with_bias: Whether to add `b`.
      w_init: Makes `w`, as for `hk.ConvND`.
      b_init: Makes `b`; zeros by default.
      data_format: `NWC` for `[batch, width, channels]`, or `NCW`.
      mask: Multiplies `w`, of the same shape.
      feature_group_count: In how many groups the channels are split.
      name: The module's name.

    Raises:
      TypeError: as for `hk.ConvND`.
      ValueError: as for `hk.ConvND`.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> forward = hk.transform(lambda x: hk.Conv1D(8, kernel_shape=3, rate=2, padding=hk.pad.causal)(x))
      >>> params = forward.init(jax.random.key(0), jnp.ones([2, 10, 4]))
      >>> forward.apply(params, jnp.ones([2, 10, 4])).shape
      (2, 10, 8)
    """

    def __init__(
        self,
        output_channels: int,
        kernel_shape: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        rate: int | Sequence[int] = 1,
        padding: "str | tuple[int, int] | Sequence[tuple[int, int]] | PadFn | Sequence[PadFn]" = "SAME",
        with_bias: bool = True,
        w_init: "Initializer | None" = None,
        b_init: "Initializer | None" = None,
        data_format: str = "NWC",
        mask: "ArrayLike | None" = None,
        feature_group_count: int = 1,
        name: str | None = None,
    ):
        super().__init__(
            1, output_channels, kernel_shape, stride, rate, padding, with_bias, w_init, b_init, data_format, mask,
            feature_group_count, name,
        )  # fmt: skip


class Conv2D(ConvND):
    """Slides a kernel over two spatial axes, those of an image.

    Args:
      output_channels: The number of output channels.
      kernel_shape: The height and width of the kernel, or one size for both.
      stride: How far the kernel moves from one output to the next.
      rate: How far apart the kernel's elements lie.
      padding: A name, numbers or functions, as for `hk.ConvND`.
      with_bias: Whether to add `b`.
      w_init: Makes `w`, as for `hk.ConvND`.
      b_init: Makes `b`; zeros by default.
      data_format: `NHWC` for `[batch, height, width, channels]`, or `NCHW`.
      mask: Multiplies `w`, of the same shape.
      feature_group_count: In how many groups the channels are split.
      name: The module's name.

    Raises:
      TypeError: as for `hk.ConvND`.
      ValueError: as for `hk.ConvND`.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> forward = hk.transform(lambda x: hk.Conv2D(16, kernel_shape=3, stride=2)(x))
      >>> params = forward.init(jax.random.key(0), jnp.ones([2, 28, 28, 1]))
      >>> jax.tree.map(jnp.shape, params)
      {'conv2_d': {'b': (16,), 'w': (3, 3, 1, 16)}}
      >>> forward.apply(params, jnp.ones([2, 28, 28, 1])).shape
      (2, 14, 14, 16)
    """

    def __init__(
        self,
        output_channels: int,
        kernel_shape: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        rate: int | Sequence[int] = 1,
        padding: "str | tuple[int, int] | Sequence[tuple[int, int]] | PadFn | Sequence[PadFn]" = "SAME",
        with_bias: bool = True,
        w_init: "Initializer | None" = None,
        b_init: "Initializer | None" = None,
        data_format: str = "NHWC",
        mask: "ArrayLike | None" = None,
        feature_group_count: int = 1,
        name: str | None = None,
    ):
        super().__init__(
            2, output_channels, kernel_shape, stride, rate, padding, with_bias, w_init, b_init, data_format, mask,
            feature_group_count, name,
        )  # fmt: skip


class Conv3D(ConvND):
    """Slides a kernel over three spatial axes, those of a volume or of a video.

    Args:
      output_channels: The number of output channels.
      kernel_shape: The size of the kernel along each axis, or one for all.
      stride: How far the kernel moves from one output to the next.
      rate: How far apart the kernel's elements lie.
      padding: A name, numbers or functions, as for `hk.ConvND`.
      with_bias: Whether to add `b`.
      w_init: Makes `w`, as for `hk.ConvND`.
      b_init: Makes `b`; zeros by default.
      data_format: `NDHWC` for `[batch, depth, height, width, channels]`, or `NCDHW`.
      mask: Multiplies `w`, of the same shape.
      feature_group_count: In how many groups the channels are split.
      name: The module's name.

    Raises:
      TypeError: as for `hk.ConvND`.
      ValueError: as for `hk.ConvND`.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> forward = hk.transform(lambda x: hk.Conv3D(4, kernel_shape=(1, 3, 3), padding="VALID")(x))
      >>> params = forward.init(jax.random.key(0), jnp.ones([1, 5, 6, 6, 1]))
      >>> forward.apply(params, jnp.ones([1, 5, 6, 6, 1])).shape
      (1, 5, 4, 4, 4)
    """

    def __init__(
        self,
        output_channels: int,
        kernel_shape: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        rate: int | Sequence[int] = 1,
        padding: "str | tuple[int, int] | Sequence[tuple[int, int]] | PadFn | Sequence[PadFn]" = "SAME",
        with_bias: bool = True,
        w_init: "Initializer | None" = None,
        b_init: "Initializer | None" = None,
        data_format: str = "NDHWC",
        mask: "ArrayLike | None" = None,
        feature_group_count: int = 1,
        name: str | None = None,
    ):
        super().__init__(
            3, output_channels, kernel_shape, stride, rate, padding, with_bias, w_init, b_init, data_format, mask,
            feature_group_count, name,
        )  # fmt: skip
