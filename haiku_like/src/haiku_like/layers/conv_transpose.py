"""Transposed convolutions, which undo the shrinking of a convolution with a stride."""

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

    from haiku_like.typing import Initializer

_PAD_NAMES = ("SAME", "VALID")


class ConvNDTranspose(Module):
    """Slides a kernel over inputs that are spread by a stride: `y[i, o] = b[o] + sum_kc w[k, o, c] z[i + k, c]`.

    `i` and `k` run over all spatial axes. `z` is `x` with `stride - 1` zeros put between neighbours, and padded so that
    `y` has the shape that a convolution of this kernel, stride and padding makes that of `x` from. Parameters: `w` of
    shape `[*kernel_shape, output_channels, input channels]`, and `b` of shape `[output_channels]`, with channels first
    `[output_channels, 1, ...]`.

    Also known as a deconvolution (Zeiler et al., 2010, "Deconvolutional networks") or, after its arithmetic, a
    fractionally strided convolution (Dumoulin and Visin, 2016, arXiv:1603.07285, chapter 4).

    Args:
      num_spatial_dims: The number of spatial axes.
      output_channels: The number of output channels.
      kernel_shape: The size of the kernel along each spatial axis, or one for all.
      stride: How far inputs are spread, along each axis or all.
      output_shape: The spatial sizes of the output, along each axis or all. Where several sizes shrink to the same
        one, None takes the greatest with `SAME`, and with `VALID` the least that is not below `size * stride`.
      padding: `SAME` or `VALID`, the padding of the convolution that is transposed; or how much to pad `z`, a pair of
        integers or a sequence of one for each spatial axis.
      with_bias: Whether to add `b`.
      w_init: Makes `w`; by default a normal with deviation `1 / sqrt(fan-in)`, cut at two deviations, where the fan-in
        is the product of the kernel's sizes and the input channels.
      b_init: Makes `b`; zeros by default.
      data_format: Where the channels are, see `hk.get_channel_index`.
      mask: Multiplies `w`, of the same shape.
      name: The module's name.

    Raises:
      TypeError: a size is no integer.
      ValueError: a size or `stride` is not positive, or there is neither one for all axes nor one for each; `padding`
        or `data_format` is unknown; or `output_shape` is given with a padding by numbers.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> forward = hk.transform(lambda x: hk.ConvNDTranspose(1, output_channels=2, kernel_shape=3, stride=2)(x))
      >>> params = forward.init(jax.random.key(0), jnp.ones([1, 4, 5]))
      >>> jax.tree.map(jnp.shape, params)
      {'conv_nd_transpose': {'b': (2,), 'w': (3, 2, 5)}}
    """

    def __init__(
        self,
        num_spatial_dims: int,
        output_channels: int,
        kernel_shape: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        output_shape: int | Sequence[int] | None = None,
        padding: str | tuple[int, int] | Sequence[tuple[int, int]] = "SAME",
        with_bias: bool = True,
        w_init: "Initializer | None" = None,
        b_init: "Initializer | None" = None,
        data_format: str = "channels_last",
        mask: "ArrayLike | None" = None,
        name: str | None = None,
    ):
        super().__init__(name=name)
        where = type(self).__name__
        n = _checks.size(where, "num_spatial_dims", num_spatial_dims, minimum=1)
        self.num_spatial_dims = n
        self.output_channels = _checks.size(where, "output_channels", output_channels)
        self.kernel_shape = _spatial.per_axis(where, "kernel_shape", kernel_shape, n)
        self.stride = _spatial.per_axis(where, "stride", stride, n)
        self.output_shape = None
        if output_shape is not None:
            self.output_shape = _spatial.per_axis(where, "output_shape", output_shape, n)
        if isinstance(padding, str):
            self.padding = _spatial.pad_name(where, padding, _PAD_NAMES)
        elif output_shape is not None:
            raise ValueError(
                f"{where}: padding is {padding!r} and output_shape is given, expected 'SAME' or 'VALID' with it, since "
                f"numbers say how large the output is. Drop one of the two."
            )
        else:
            self.padding = _spatial.pairs(where, padding, n, "'SAME', 'VALID', ")
        self.with_bias = with_bias
        self.w_init = w_init
        self.b_init = b_init or jnp.zeros
        self.data_format = data_format
        self.channel_index = channel_index(where, data_format)
        # The weights have outputs before inputs, like those of the convolution that is transposed.
        lhs, rhs, out = _convolution.dimension_numbers(n, self.channel_index)
        self.dimension_numbers = jax.lax.ConvDimensionNumbers(lhs, (n, n + 1, *rhs[2:]), out)
        self.mask = mask

    def __call__(
        self,
        inputs: "Float[Array, '...']",
        *,
        precision: "jax.lax.PrecisionLike" = None,
    ) -> "Float[Array, '...']":
        """Returns the transposed convolution.

        Args:
          inputs: Of shape `[batch, *spatial, channels]`, or with channels first `[batch, channels, *spatial]`; the
            batch axis may be absent. The parameters are created in their dtype.
          precision: The precision of the products, as for `jax.lax.conv_general_dilated`.

        Returns:
          An array with `output_channels` channels and as many axes as `inputs`. Its spatial sizes are `output_shape`,
          or `size * stride` with padding `SAME`, `(size - 1) * stride + max(kernel, stride)` with `VALID`.

        Raises:
          TypeError: `inputs` is no array of numbers.
          ValueError: `inputs` has another number of axes; no convolution makes its spatial sizes from `output_shape`;
            nothing is left of it; or `mask` does not have the shape of the weights.
        """
        inputs, has_batch = _convolution.with_batch(self, inputs, self.num_spatial_dims)
        channels = inputs.shape[self.channel_index]
        padding = self.padding
        if isinstance(padding, str):
            padding = self._pairs([inputs.shape[axis] for axis in self.dimension_numbers.lhs_spec[2:]])
        w = _convolution.weights(
            self,
            (*self.kernel_shape, self.output_channels, channels),
            inputs.dtype,
            init=self.w_init,
            fan_in=math.prod(self.kernel_shape) * channels,
            mask=self.mask,
        )
        out = _convolution.convolve(
            self,
            inputs,
            w,
            window_strides=(1,) * self.num_spatial_dims,
            padding=padding,
            lhs_dilation=self.stride,
            rhs_dilation=(1,) * self.num_spatial_dims,
            dimension_numbers=self.dimension_numbers,
            precision=precision,
        )
        if self.with_bias:
            out = _convolution.add_bias(out, inputs.dtype, self.channel_index, self.b_init)
        return out if has_batch else out[0]

    def _pairs(self, sizes: Sequence[int]) -> _spatial.Pairs:
        """Returns how much to pad the inputs, once spread, along each spatial axis."""
        same = self.padding == "SAME"
        pairs = []
        for axis, (size, kernel, stride) in enumerate(zip(sizes, self.kernel_shape, self.stride, strict=True)):
            if self.output_shape is None:
                target = size * stride if same else (size - 1) * stride + max(kernel, stride)
            else:
                target = self.output_shape[axis]
                # The sizes from which the convolution makes `size`.
                least = (size - 1) * stride + (1 if same else kernel)
                if not least <= target < least + stride:
                    raise ValueError(
                        f"{type(self).__name__}: output_shape of module {self.module_name!r} is {self.output_shape}, "
                        f"expected between {least} and {least + stride - 1} along spatial axis {axis}: the sizes of "
                        f"which padding {self.padding!r}, a kernel of size {kernel} and stride {stride} leave {size}, "
                        f"the size of the inputs there."
                    )
            spread = max(0, (size - 1) * stride + 1)
            before = kernel - 1 - (max(spread - 1 + kernel - target, 0) // 2 if same else 0)
            pairs.append((before, target + kernel - 1 - spread - before))
        return tuple(pairs)


class Conv1DTranspose(ConvNDTranspose):
    """Slides a kernel over one spatial axis, such as time, that is spread by a stride.

    Args:
      output_channels: The number of output channels.
      kernel_shape: The size of the kernel.
      stride: How far inputs are spread.
      output_shape: The spatial size of the output, or None for one that suits `padding`.
      padding: `SAME`, `VALID` or numbers, as for `hk.ConvNDTranspose`.
      with_bias: Whether to add `b`.
      w_init: Makes `w`, as for `hk.ConvNDTranspose`.
      b_init: Makes `b`; zeros by default.
      data_format: `NWC` for `[batch, width, channels]`, or `NCW`.
      mask: Multiplies `w`, of the same shape.
      name: The module's name.

    Raises:
      TypeError: as for `hk.ConvNDTranspose`.
      ValueError: as for `hk.ConvNDTranspose`.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> forward = hk.transform(lambda x: hk.Conv1DTranspose(8, kernel_shape=3, stride=2, padding="VALID")(x))
      >>> params = forward.init(jax.random.key(0), jnp.ones([2, 10, 4]))
      >>> forward.apply(params, jnp.ones([2, 10, 4])).shape
      (2, 21, 8)
    """

    def __init__(
        self,
        output_channels: int,
        kernel_shape: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        output_shape: int | Sequence[int] | None = None,
        padding: str | tuple[int, int] | Sequence[tuple[int, int]] = "SAME",
        with_bias: bool = True,
        w_init: "Initializer | None" = None,
        b_init: "Initializer | None" = None,
        data_format: str = "NWC",
        mask: "ArrayLike | None" = None,
        name: str | None = None,
    ):
        super().__init__(
            1, output_channels, kernel_shape, stride, output_shape, padding, with_bias, w_init, b_init, data_format,
            mask, name,
        )  # fmt: skip


class Conv2DTranspose(ConvNDTranspose):
    """Slides a kernel over two spatial axes, those of an image, that are spread by a stride.

    Args:
      output_channels: The number of output channels.
      kernel_shape: The height and width of the kernel, or one size for both.
      stride: How far inputs are spread.
      output_shape: The height and width of the output, or None for sizes that suit `padding`.
      padding: `SAME`, `VALID` or numbers, as for `hk.ConvNDTranspose`.
      with_bias: Whether to add `b`.
      w_init: Makes `w`, as for `hk.ConvNDTranspose`.
      b_init: Makes `b`; zeros by default.
      data_format: `NHWC` for `[batch, height, width, channels]`, or `NCHW`.
      mask: Multiplies `w`, of the same shape.
      name: The module's name.

    Raises:
      TypeError: as for `hk.ConvNDTranspose`.
      ValueError: as for `hk.ConvNDTranspose`.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> forward = hk.transform(lambda x: hk.Conv2DTranspose(3, kernel_shape=4, stride=2)(x))
      >>> params = forward.init(jax.random.key(0), jnp.ones([2, 14, 14, 16]))
      >>> forward.apply(params, jnp.ones([2, 14, 14, 16])).shape
      (2, 28, 28, 3)
    """

    def __init__(
        self,
        output_channels: int,
        kernel_shape: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        output_shape: int | Sequence[int] | None = None,
        padding: str | tuple[int, int] | Sequence[tuple[int, int]] = "SAME",
        with_bias: bool = True,
        w_init: "Initializer | None" = None,
        b_init: "Initializer | None" = None,
        data_format: str = "NHWC",
        mask: "ArrayLike | None" = None,
        name: str | None = None,
    ):
        super().__init__(
            2, output_channels, kernel_shape, stride, output_shape, padding, with_bias, w_init, b_init, data_format,
            mask, name,
        )  # fmt: skip


class Conv3DTranspose(ConvNDTranspose):
    """Slides a kernel over three spatial axes, those of a volume or of a video, that are spread by a stride.

    Args:
      output_channels: The number of output channels.
      kernel_shape: The size of the kernel along each axis, or one for all.
      stride: How far inputs are spread.
      output_shape: The spatial sizes of the output, or None for sizes that suit `padding`.
      padding: `SAME`, `VALID` or numbers, as for `hk.ConvNDTranspose`.
      with_bias: Whether to add `b`.
      w_init: Makes `w`, as for `hk.ConvNDTranspose`.
      b_init: Makes `b`; zeros by default.
      data_format: `NDHWC` for `[batch, depth, height, width, channels]`, or `NCDHW`.
      mask: Multiplies `w`, of the same shape.
      name: The module's name.

    Raises:
      TypeError: as for `hk.ConvNDTranspose`.
      ValueError: as for `hk.ConvNDTranspose`.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> forward = hk.transform(lambda x: hk.Conv3DTranspose(2, kernel_shape=3, stride=(1, 2, 2))(x))
      >>> params = forward.init(jax.random.key(0), jnp.ones([1, 3, 4, 4, 5]))
      >>> forward.apply(params, jnp.ones([1, 3, 4, 4, 5])).shape
      (1, 3, 8, 8, 2)
    """

    def __init__(
        self,
        output_channels: int,
        kernel_shape: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        output_shape: int | Sequence[int] | None = None,
        padding: str | tuple[int, int] | Sequence[tuple[int, int]] = "SAME",
        with_bias: bool = True,
        w_init: "Initializer | None" = None,
        b_init: "Initializer | None" = None,
        data_format: str = "NDHWC",
        mask: "ArrayLike | None" = None,
        name: str | None = None,
    ):
        super().__init__(
            3, output_channels, kernel_shape, stride, output_shape, padding, with_bias, w_init, b_init, data_format,
            mask, name,
        )  # fmt: skip
