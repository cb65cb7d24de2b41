"""Pools: the mean or the maximum of each window that slides over the spatial axes."""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from haiku_like import _checks, _spatial
from haiku_like._core.module import Module

_PAD_NAMES = ("SAME", "VALID")


def avg_pool(
    value: jax.Array,
    window_shape: int | Sequence[int],
    strides: int | Sequence[int],
    padding: str,
    channel_axis: int | None = -1,
) -> jax.Array:
    """Returns the mean of each window; padding does not count.

    Args:
      value: Of shape `[batch, *spatial, channels]`, or with the channels on another axis.
      window_shape: The window's size: an integer for all axes but the first and the channels, or a sequence whose last
        size belongs to the last axis, the channels included; axes before those it names have size 1.
      strides: How far the window moves, given like `window_shape`.
      padding: `SAME` for `ceil(size / stride)` windows along each axis, or `VALID` for the windows that lie inside.
      channel_axis: The axis of the channels, over which an integer does not pool; None if there is none.

    Returns:
      An array of the dtype of `value`, or of floats where it holds integers. An integer takes the first axis for the
      batch: under `jax.vmap`, which hides it, give a sequence.

    Raises:
      TypeError: `value` is no array of numbers, or a size is no integer.
      ValueError: a size is not positive; there are more sizes than axes; `padding` is unknown; `value` has no axis
        `channel_axis`; or the window is larger than `value` and `padding` is `VALID`.

    Example:
      >>> import haiku_like as hk, jax.numpy as jnp
      >>> x = jnp.arange(6.0).reshape(1, 6, 1)
      >>> hk.avg_pool(x, window_shape=3, strides=2, padding="SAME")[0, :, 0]
      Array([1. , 3. , 4.5], dtype=float32)
    """
    return _avg_pool("avg_pool", value, window_shape, strides, padding, channel_axis)


def max_pool(
    value: jax.Array,
    window_shape: int | Sequence[int],
    strides: int | Sequence[int],
    padding: str,
    channel_axis: int | None = -1,
) -> jax.Array:
    """Returns the maximum of each window; padding does not count.

    Args:
      value: Of shape `[batch, *spatial, channels]`, or with the channels on another axis.
      window_shape: The window's size, as for `hk.avg_pool`.
      strides: How far the window moves, given like `window_shape`.
      padding: `SAME` for `ceil(size / stride)` windows along each axis, or `VALID` for the windows that lie inside.
      channel_axis: The axis of the channels, over which an integer does not pool; None if there is none.

    Returns:
      An array of the dtype of `value`. An integer takes the first axis for the batch: under `jax.vmap`, which hides
      it, give a sequence.

    Raises:
      TypeError: `value` is no array of numbers, or a size is no integer.
      ValueError: a size is not positive; there are more sizes than axes; `padding` is unknown; `value` has no axis
        `channel_axis`; or the window is larger than `value` and `padding` is `VALID`.

    Example:
      >>> import haiku_like as hk, jax.numpy as jnp
      >>> x = jnp.arange(6.0).reshape(1, 6, 1)
      >>> hk.max_pool(x, window_shape=3, strides=2, padding="SAME")[0, :, 0]
      Array([2., 4., 5.], dtype=float32)
    """
    return _max_pool("max_pool", value, window_shape, strides, padding, channel_axis)


class _Pool(Module):
    """The settings of a pool."""

    def __init__(
        self,
        window_shape: int | Sequence[int],
        strides: int | Sequence[int],
        padding: str,
        channel_axis: int | None = -1,
        name: str | None = None,
    ):
        super().__init__(name=name)
        self.window_shape = window_shape
        self.strides = strides
        self.padding = padding
        self.channel_axis = channel_axis


class AvgPool(_Pool):
    """Takes the mean of each window, see `hk.avg_pool`.

    Args:
      window_shape: The window's size, as for `hk.avg_pool`.
      strides: How far the window moves, given like `window_shape`.
      padding: `SAME` or `VALID`.
      channel_axis: The axis of the channels, over which an integer does not pool; None if there is none.
      name: The module's name.

    Example:
      >>> import haiku_like as hk, jax.numpy as jnp
      >>> pool = hk.transform(lambda x: hk.AvgPool(window_shape=2, strides=2, padding="VALID")(x))
      >>> pool.apply({}, jnp.ones([2, 8, 8, 3])).shape
      (2, 4, 4, 3)
    """

    def __call__(self, value: jax.Array) -> jax.Array:
        """Returns the mean of each window; raises as `hk.avg_pool` does."""
        return _avg_pool("AvgPool", value, self.window_shape, self.strides, self.padding, self.channel_axis)


class MaxPool(_Pool):
    """Takes the maximum of each window, see `hk.max_pool`.

    Args:
      window_shape: The window's size, as for `hk.avg_pool`.
      strides: How far the window moves, given like `window_shape`.
      padding: `SAME` or `VALID`.
      channel_axis: The axis of the channels, over which an integer does not pool; None if there is none.
      name: The module's name.

    Example:
      >>> import haiku_like as hk, jax.numpy as jnp
      >>> pool = hk.transform(lambda x: hk.MaxPool(window_shape=3, strides=2, padding="SAME")(x))
      >>> pool.apply({}, jnp.ones([2, 8, 8, 3])).shape
      (2, 4, 4, 3)
    """

    def __call__(self, value: jax.Array) -> jax.Array:
        """Returns the maximum of each window; raises as `hk.max_pool` does."""
        return _max_pool("MaxPool", value, self.window_shape, self.strides, self.padding, self.channel_axis)


class _Windows(NamedTuple):
    """Where the windows lie, along every axis."""

    sizes: tuple[int, ...]
    strides: tuple[int, ...]
    pads: tuple[tuple[int, int], ...]

    def reduce(self, value: jax.Array, start: Any, operation: Callable[..., Any]) -> jax.Array:
        """Returns the windows, each reduced to a number from `start` on."""
        # The start must be a constant: for the known pairs of start and operation there is a gradient.
        return jax.lax.reduce_window(
            value, np.asarray(start, value.dtype), operation, self.sizes, self.strides, self.pads
        )

    def counts(self, shape: Sequence[int]) -> np.ndarray:
        """Returns how many elements of an array of `shape` each window holds, with size 1 along other axes."""
        counts = np.ones([1] * len(shape), np.int64)
        for axis, (size, window, stride, (before, after)) in enumerate(zip(shape, *self, strict=True)):
            if window > 1:
                starts = np.arange((size + before + after - window) // stride + 1) * stride - before
                along = np.minimum(starts + window, size) - np.maximum(starts, 0)
                counts = counts * np.expand_dims(along, [a for a in range(len(shape)) if a != axis])
        return counts


def _avg_pool(where: str, value: Any, window_shape: Any, strides: Any, padding: Any, channel_axis: Any) -> jax.Array:
    value = _checks.numbers(where, "value", value)
    if value.dtype == jnp.bool:
        raise TypeError(f"{where}: value has dtype bool, expected numbers. Convert it with value.astype(jnp.float32).")
    windows = _windows(where, value.shape, window_shape, strides, padding, channel_axis)
    # A window of float16 may sum to infinity, and bfloat16 has two digits.
    is_half = jnp.issubdtype(value.dtype, jnp.floating) and jnp.finfo(value.dtype).bits < 32
    sums = windows.reduce(value.astype(jnp.float32) if is_half else value, 0, jax.lax.add)
    counts = math.prod(windows.sizes) if padding == "VALID" else windows.counts(value.shape)
    means = sums / jnp.asarray(counts, sums.dtype)
    return means.astype(value.dtype) if is_half else means


def _max_pool(where: str, value: Any, window_shape: Any, strides: Any, padding: Any, channel_axis: Any) -> jax.Array:
    value = _checks.numbers(where, "value", value)
    if jnp.issubdtype(value.dtype, jnp.complexfloating):
        raise TypeError(f"{where}: value has dtype {value.dtype}, expected real numbers, which have an order.")
    windows = _windows(where, value.shape, window_shape, strides, padding, channel_axis)
    if value.dtype == jnp.bool:
        least = False
    elif jnp.issubdtype(value.dtype, jnp.floating):
        least = -np.inf
    else:
        least = jnp.iinfo(value.dtype).min
    return windows.reduce(value, least, jax.lax.max)


def _windows(
    where: str, shape: Sequence[int], window_shape: Any, strides: Any, padding: Any, channel_axis: Any
) -> _Windows:
    """Returns where the windows of an array of `shape` lie."""
    if not isinstance(padding, str) or padding not in _PAD_NAMES:
        raise ValueError(f"{where}: padding is {padding!r}, expected 'SAME' or 'VALID'. For others, jnp.pad before.")
    if channel_axis is not None:
        axes = _spatial.integers(channel_axis)
        if axes is None or len(axes) != 1 or not -len(shape) <= axes[0] < max(1, len(shape)):
            raise ValueError(
                f"{where}: channel_axis is {channel_axis!r}, expected None or an axis of value of shape {shape}."
            )
        channel_axis = axes[0] % max(1, len(shape))
    sizes = _along_all_axes(where, "window_shape", window_shape, shape, channel_axis)
    steps = _along_all_axes(where, "strides", strides, shape, channel_axis)
    pads = []
    for axis, (size, window, stride) in enumerate(zip(shape, sizes, steps, strict=True)):
        if padding == "SAME":
            total = max((math.ceil(size / stride) - 1) * stride + window - size, 0)
            pads.append((total // 2, total - total // 2))
        elif 0 < size < window:
            raise ValueError(
                f"{where}: window_shape is {window_shape}, expected sizes of at most those of value, whose shape is "
                f"{shape}: along axis {axis} no window of {window} lies inside. Use padding='SAME' or a smaller one."
            )
        else:
            pads.append((0, 0))
    return _Windows(sizes, steps, tuple(pads))


def _along_all_axes(
    where: str, name: str, given: Any, shape: Sequence[int], channel_axis: int | None
) -> tuple[int, ...]:
    """Returns a size for every axis, 1 for those that `given` leaves out."""
    sizes = _spatial.integers(given)
    if sizes is None:
        raise TypeError(
            f"{where}: {name} is {given!r} of type {type(given).__name__}, expected an integer or a sequence of them."
        )
    if min(sizes, default=1) < 1:
        raise ValueError(f"{where}: {name} is {given!r}, expected 1 or more along each axis.")
    if np.ndim(given) == 0:
        (size,) = sizes
        if size > 1 and len(shape) < 2:
            raise ValueError(
                f"{where}: {name} is {size} and value has shape {shape}, expected at least two axes, since an integer "
                f"leaves the first, the batch, as it is. Give a sequence instead: ({size},)."
            )
        return tuple(1 if axis in (0, channel_axis) else size for axis in range(len(shape)))
    if len(sizes) > len(shape):
        raise ValueError(
            f"{where}: {name} is {given!r}, expected at most {len(shape)} sizes, one for each axis of value, whose "
            f"shape is {shape}."
        )
    return (1,) * (len(shape) - len(sizes)) + sizes
