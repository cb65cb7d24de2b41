"""What all convolutions share: axes, padding, and how weights and biases are made and used."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from haiku_like import _checks, _spatial
from haiku_like._core.module import Module
from haiku_like._core.variables import get_parameter
from haiku_like._traced_once import traced_once
from haiku_like.initializers import TruncatedNormal

if TYPE_CHECKING:
    from jax.typing import ArrayLike

    from haiku_like.typing import Initializer

_PAD_NAMES = ("SAME", "VALID", "SAME_LOWER")


def dimension_numbers(num_spatial_dims: int, channel_index: int) -> jax.lax.ConvDimensionNumbers:
    """Returns where batch, channels and spatial axes are; in the weights inputs come last but one, outputs last."""
    n = num_spatial_dims
    image = (0, n + 1, *range(1, n + 1)) if channel_index == -1 else tuple(range(n + 2))
    return jax.lax.ConvDimensionNumbers(image, (n + 1, n, *range(n)), image)


def padding(where: str, value: Any, kernel_shape: Sequence[int], rate: Sequence[int]) -> str | _spatial.Pairs:
    """Returns a padding by name, or as numbers for each spatial axis."""
    if isinstance(value, str):
        return _spatial.pad_name(where, value, _PAD_NAMES)
    if _spatial.is_pad_function(value):
        return _spatial.pairs_from_functions(where, value, kernel_shape, rate)
    names = ", ".join(map(repr, _PAD_NAMES))
    return _spatial.pairs(where, value, len(kernel_shape), f"{names}, a function such as hk.pad.causal, ")


def with_batch(module: Module, inputs: Any, num_spatial_dims: int) -> tuple[jax.Array, bool]:
    """Returns inputs with a batch axis, and whether they had one; raises if the number of axes does not fit."""
    where = type(module).__name__
    inputs = _checks.numbers(where, f"inputs of module {module.module_name!r}", inputs)
    if inputs.ndim == num_spatial_dims + 1:
        return inputs[None], False
    if inputs.ndim == num_spatial_dims + 2:
        return inputs, True
    raise ValueError(
        f"{where}: inputs of module {module.module_name!r} has shape {inputs.shape}, expected {num_spatial_dims + 2} "
        f"axes: batch, {num_spatial_dims} spatial, channels; or {num_spatial_dims + 1} without the batch. Several "
        f"batch axes can be joined by hk.BatchApply or mapped by hk.vmap."
    )


def weights(
    module: Module,
    shape: Sequence[int],
    dtype: Any,
    *,
    init: "Initializer | None",
    fan_in: int,
    mask: "ArrayLike | None" = None,
) -> jax.Array:
    """Returns the parameter `w`, by default a normal with deviation `1 / sqrt(fan_in)`, cut at two, times the mask."""
    if init is None:
        init = TruncatedNormal(stddev=1 / np.sqrt(max(1, fan_in)))
    w = get_parameter("w", shape, dtype, init=init)
    if mask is None:
        return w
    if jnp.shape(mask) != w.shape:
        raise ValueError(
            f"{type(module).__name__}: mask of module {module.module_name!r} has shape {jnp.shape(mask)}, expected the "
            f"shape of the weights, {w.shape}. Broadcast it with jnp.broadcast_to."
        )
    return w * jnp.asarray(mask, w.dtype)


def convolve(
    module: Module,
    inputs: jax.Array,
    w: jax.Array,
    *,
    window_strides: Sequence[int],
    padding: str | _spatial.Pairs,
    lhs_dilation: Sequence[int],
    rhs_dilation: Sequence[int],
    dimension_numbers: jax.lax.ConvDimensionNumbers,
    feature_group_count: int = 1,
    precision: "jax.lax.PrecisionLike" = None,
) -> jax.Array:
    """Returns the convolution, in the wider dtype of inputs and weights; raises if nothing is left of the inputs."""
    _check_not_empty(module, inputs, w, padding, lhs_dilation, rhs_dilation, dimension_numbers.lhs_spec[2:])
    return _convolved(
        inputs,
        w,
        window_strides=tuple(window_strides),
        padding=padding if isinstance(padding, str) else tuple(map(tuple, padding)),
        lhs_dilation=tuple(lhs_dilation),
        rhs_dilation=tuple(rhs_dilation),
        dimension_numbers=dimension_numbers,
        feature_group_count=feature_group_count,
        precision=precision,
    )


_SETTINGS = (
    "window_strides",
    "padding",
    "lhs_dilation",
    "rhs_dilation",
    "dimension_numbers",
    "feature_group_count",
    "precision",
)


@traced_once(*_SETTINGS)
def _convolved(inputs: jax.Array, w: jax.Array, **settings: Any) -> jax.Array:
    dtype = jnp.promote_types(inputs.dtype, w.dtype)
    return jax.lax.conv_general_dilated(inputs.astype(dtype), w.astype(dtype), **settings)


def add_bias(out: jax.Array, dtype: Any, channel_index: int, init: "Initializer") -> jax.Array:
    """Returns `out` plus the parameter `b`, one number for each channel."""
    # With channels first, b has an axis of size 1 for each spatial one, as checkpoints have it.
    b_shape = [out.shape[channel_index]] + [1] * (0 if channel_index == -1 else out.ndim - 2)
    b = get_parameter("b", b_shape, dtype, init=init)
    return _plus(out, b)


@traced_once()
def _plus(out: jax.Array, b: jax.Array) -> jax.Array:
    return out + jnp.broadcast_to(b, out.shape)


def _check_not_empty(
    module: Module,
    inputs: jax.Array,
    w: jax.Array,
    padding: str | _spatial.Pairs,
    lhs_dilation: Sequence[int],
    rhs_dilation: Sequence[int],
    axes: Sequence[int],
) -> None:
    """Raises if the kernel fits nowhere, or if more is cut off than there is."""
    if padding in ("SAME", "SAME_LOWER"):
        return
    sizes = tuple(inputs.shape[axis] for axis in axes)
    pairs = [(0, 0)] * len(sizes) if isinstance(padding, str) else padding
    for size, spread, kernel, rate, pads in zip(sizes, lhs_dilation, w.shape, rhs_dilation, pairs, strict=False):
        fits = (size - 1) * spread + 1 + sum(pads) >= (kernel - 1) * rate + 1
        if size > 0 and not (fits and size + min(pads) >= 0):
            raise ValueError(
                f"{type(module).__name__}: inputs of module {module.module_name!r} has the spatial sizes {sizes}, of "
                f"which a kernel of shape {w.shape[: len(sizes)]} with rate {tuple(rhs_dilation)} and padding "
                f"{padding!r} leaves nothing, expected larger inputs. Use a smaller kernel or rate, or padding='SAME'."
            )
