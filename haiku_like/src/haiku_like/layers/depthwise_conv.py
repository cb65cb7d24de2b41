"""Convolutions in which each channel has kernels of its own and channels do not mix."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import jax.numpy as jnp

from haiku_like import _checks, _spatial
from haiku_like._core.module import Module
from haiku_like.layers import _convolution
from haiku_like.layers.data_format import channel_index

if TYPE_CHECKING:
    from jaxtyping import Array, Float

    from haiku_like.pad import PadFn
    from haiku_like.typing import Initializer


class DepthwiseConvND(Module):
    """Slides `channel_multiplier` kernels over each channel: what the public depthwise convolutions have in common."""

    def __init__(
        self,
        num_spatial_dims: int,
        channel_multiplier: int,
        kernel_shape: int | Sequence[int],
        stride: int | Sequence[int],
        rate: int | Sequence[int],
        padding: "str | tuple[int, int] | Sequence[tuple[int, int]] | PadFn | Sequence[PadFn]",
        with_bias: bool,
        w_init: "Initializer | None",
        b_init: "Initializer | None",
        data_format: str,
        name: str | None,
    ):
        super().__init__(name=name)
        where = type(self).__name__
        self.num_spatial_dims = n = num_spatial_dims
        self.channel_multiplier = _checks.size(where, "channel_multiplier", channel_multiplier)
        self.kernel_shape = _spatial.per_axis(where, "kernel_shape", kernel_shape, n)
        self.stride = _spatial.per_axis(where, "stride", stride, n)
        self.rhs_dilation = _spatial.per_axis(where, "rate", rate, n)
        self.lhs_dilation = (1,) * n
        self.padding = _convolution.padding(where, padding, self.kernel_shape, self.rhs_dilation)
        self.with_bias = with_bias
        self.w_init = w_init
        self.b_init = b_init or jnp.zeros
        self.data_format = data_format
        self.channel_index = channel_index(where, data_format)
        self.dimension_numbers = _convolution.dimension_numbers(n, self.channel_index)

    def __call__(self, inputs: "Float[Array, '...']") -> "Float[Array, '...']":
        """Returns the convolution.

        Args:
          inputs: Of shape `[batch, *spatial, channels]`, or with channels first `[batch, channels, *spatial]`; the
            batch axis may be absent. The parameters are created in their dtype.

        Returns:
          An array with `channel_multiplier` times as many channels, those of the first input channel first.

        Raises:
          TypeError: `inputs` is no array of numbers.
          ValueError: `inputs` has another number of axes, or its spatial sizes are too small for the kernel.
        """
        inputs, has_batch = _convolution.with_batch(self, inputs, self.num_spatial_dims)
        channels = inputs.shape[self.channel_index]
        w_shape = (*self.kernel_shape, 1, channels * self.channel_multiplier)
        w = _convolution.weights(self, w_shape, inputs.dtype, init=self.w_init, fan_in=math.prod(self.kernel_shape))
        out = _convolution.convolve(
            self,
            inputs,
            w,
            window_strides=self.stride,
            padding=self.padding,
            lhs_dilation=self.lhs_dilation,
            rhs_dilation=self.rhs_dilation,
            dimension_numbers=self.dimension_numbers,
            feature_group_count=channels,
        )
        if self.with_bias:
            out = _convolution.add_bias(out, inputs.dtype, self.channel_index, self.b_init)
        return out if has_batch else out[0]


class DepthwiseConv1D(DepthwiseConvND):
    """Slides `channel_multiplier` kernels over each channel of one spatial axis, such as time.

    Parameters: `w` of shape `[kernel, 1, channels * channel_multiplier]`, and `b` of shape
    `[channels * channel_multiplier]`, with channels first `[channels * channel_multiplier, 1]`.

    Args:
      channel_multiplier: The number of output channels for each input channel.
      kernel_shape: The size of the kernel.
      stride: How far the kernel moves from one output to the next.
      rate: How far apart the kernel's elements lie.
      padding: A name, numbers or functions, as for `hk.ConvND`.
      with_bias: Whether to add `b`.
      w_init: Makes `w`; by default a normal with deviation `1 / sqrt(kernel)`, cut at two deviations.
      b_init: Makes `b`; zeros by default.
      data_format: `NWC` for `[batch, width, channels]`, or `NCW`.
      name: The module's name.

    Raises:
      TypeError: a size is no integer.
      ValueError: a size, `stride` or `rate` is not positive, or `padding` or `data_format` is unknown.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> forward = hk.transform(lambda x: hk.DepthwiseConv1D(1, kernel_shape=4, padding=hk.pad.causal)(x))
      >>> params = forward.init(jax.random.key(0), jnp.ones([2, 10, 3]))
      >>> jax.tree.map(jnp.shape, params)
      {'depthwise_conv1_d': {'b': (3,), 'w': (4, 1, 3)}}
    """

    def __init__(
        self,
        channel_multiplier: int,
        kernel_shape: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        rate: int | Sequence[int] = 1,
        padding: "str | tuple[int, int] | Sequence[tuple[int, int]] | PadFn | Sequence[PadFn]" = "SAME",
        with_bias: bool = True,
        w_init: "Initializer | None" = None,
        b_init: "Initializer | None" = None,
        data_format: str = "NWC",
        name: str | None = None,
    ):
        super().__init__(
            1, channel_multiplier, kernel_shape, stride, rate, padding, with_bias, w_init, b_init, data_format, name
        )


class DepthwiseConv2D(DepthwiseConvND):
    """Slides `channel_multiplier` kernels over each channel of two spatial axes, those of an image.

    Parameters: `w` of shape `[height, width, 1, channels * channel_multiplier]`, and `b` of shape
    `[channels * channel_multiplier]`, with channels first `[channels * channel_multiplier, 1, 1]`.

    Args:
      channel_multiplier: The number of output channels for each input channel.
      kernel_shape: The height and width of the kernel, or one size for both.
      stride: How far the kernel moves from one output to the next.
      rate: How far apart the kernel's elements lie.
      padding: A name, numbers or functions, as for `hk.ConvND`.
      with_bias: Whether to add `b`.
      w_init: Makes `w`; by default a normal with deviation `1 / sqrt(height * width)`, cut at two deviations.
      b_init: Makes `b`; zeros by default.
      data_format: `NHWC` for `[batch, height, width, channels]`, or `NCHW`.
      name: The module's name.

    Raises:
      TypeError: a size is no integer.
      ValueError: a size, `stride` or `rate` is not positive, or `padding` or `data_format` is unknown.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> forward = hk.transform(lambda x: hk.DepthwiseConv2D(2, kernel_shape=3)(x))
      >>> params = forward.init(jax.random.key(0), jnp.ones([2, 8, 8, 5]))
      >>> jax.tree.map(jnp.shape, params)
      {'depthwise_conv2_d': {'b': (10,), 'w': (3, 3, 1, 10)}}
    """

    def __init__(
        self,
        channel_multiplier: int,
        kernel_shape: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        rate: int | Sequence[int] = 1,
        padding: "str | tuple[int, int] | Sequence[tuple[int, int]] | PadFn | Sequence[PadFn]" = "SAME",
        with_bias: bool = True,
        w_init: "Initializer | None" = None,
        b_init: "Initializer | None" = None,
        data_format: str = "NHWC",
        name: str | None = None,
    ):
        super().__init__(
            2, channel_multiplier, kernel_shape, stride, rate, padding, with_bias, w_init, b_init, data_format, name
        )


class DepthwiseConv3D(DepthwiseConvND):
    """Slides `channel_multiplier` kernels over each channel of three spatial axes, those of a volume or of a video.

    Parameters: `w` of shape `[*kernel_shape, 1, channels * channel_multiplier]`, and `b` of shape
    `[channels * channel_multiplier]`, with channels first `[channels * channel_multiplier, 1, 1, 1]`.

    Args:
      channel_multiplier: The number of output channels for each input channel.
      kernel_shape: The size of the kernel along each axis, or one for all.
      stride: How far the kernel moves from one output to the next.
      rate: How far apart the kernel's elements lie.
      padding: A name, numbers or functions, as for `hk.ConvND`.
      with_bias: Whether to add `b`.
      w_init: Makes `w`; by default a normal with deviation `1 / sqrt(kernel)`, cut at two deviations, where `kernel` is
        the product of the kernel's sizes.
      b_init: Makes `b`; zeros by default.
      data_format: `NDHWC` for `[batch, depth, height, width, channels]`, or `NCDHW`.
      name: The module's name.

    Raises:
      TypeError: a size is no integer.
      ValueError: a size, `stride` or `rate` is not positive, or `padding` or `data_format` is unknown.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> forward = hk.transform(lambda x: hk.DepthwiseConv3D(1, kernel_shape=(1, 3, 3))(x))
      >>> params = forward.init(jax.random.key(0), jnp.ones([1, 4, 5, 5, 2]))
      >>> forward.apply(params, jnp.ones([1, 4, 5, 5, 2])).shape
      (1, 4, 5, 5, 2)
    """

    def __init__(
        self,
        channel_multiplier: int,
        kernel_shape: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        rate: int | Sequence[int] = 1,
        padding: "str | tuple[int, int] | Sequence[tuple[int, int]] | PadFn | Sequence[PadFn]" = "SAME",
        with_bias: bool = True,
        w_init: "Initializer | None" = None,
        b_init: "Initializer | None" = None,
        data_format: str = "NDHWC",
        name: str | None = None,
    ):
        super().__init__(
            3, channel_multiplier, kernel_shape, stride, rate, padding, with_bias, w_init, b_init, data_format, name
        )


class SeparableDepthwiseConv2D(Module):
    """Slides column kernels over each channel of an image, then a row kernel over each of the results.

    A kernel that is the outer product of a column and a row, at the cost of `height + width` products instead of
    `height * width`. Both are a `hk.DepthwiseConv2D`; the first takes the strides and has no bias.

    Args:
      channel_multiplier: The number of output channels for each input channel.
      kernel_shape: The height of the columns and the width of the rows, or one size for both.
      stride: How far the kernels move from one output to the next.
      padding: A name, numbers or functions, as for `hk.ConvND`; numbers are padded before the columns and before the
        rows.
      with_bias: Whether to add a bias after the rows.
      w_init: Makes both kernels, as for `hk.DepthwiseConv2D`.
      b_init: Makes the bias; zeros by default.
      data_format: `NHWC` for `[batch, height, width, channels]`, or `NCHW`.
      name: The module's name.

    Raises:
      TypeError: a size is no integer.
      ValueError: a size or `stride` is not positive, or `padding` or `data_format` is unknown.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> forward = hk.transform(lambda x: hk.SeparableDepthwiseConv2D(1, kernel_shape=(5, 7), with_bias=False)(x))
      >>> params = forward.init(jax.random.key(0), jnp.ones([2, 8, 8, 3]))
      >>> [w.shape for w in jax.tree.leaves(params)]
      [(5, 1, 1, 3), (1, 7, 1, 3)]
    """

    def __init__(
        self,
        channel_multiplier: int,
        kernel_shape: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        padding: "str | tuple[int, int] | Sequence[tuple[int, int]] | PadFn | Sequence[PadFn]" = "SAME",
        with_bias: bool = True,
        w_init: "Initializer | None" = None,
        b_init: "Initializer | None" = None,
        data_format: str = "NHWC",
        name: str | None = None,
    ):
        super().__init__(name=name)
        height, width = _spatial.per_axis("SeparableDepthwiseConv2D", "kernel_shape", kernel_shape, 2)
        self.columns = DepthwiseConv2D(
            channel_multiplier, (height, 1), stride, 1, padding, False, w_init, None, data_format
        )
        self.rows = DepthwiseConv2D(1, (1, width), 1, 1, padding, with_bias, w_init, b_init, data_format)

    def __call__(self, inputs: "Float[Array, '...']") -> "Float[Array, '...']":
        """Returns the convolution of `inputs`, as `hk.DepthwiseConv2D` does."""
        return self.rows(self.columns(inputs))
