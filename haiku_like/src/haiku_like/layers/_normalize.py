"""What the normalization layers share: checks, precision, and `(x - mean) / sqrt(var + eps) * scale + offset`."""

import operator
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from haiku_like._core.variables import get_parameter
from haiku_like._traced_once import traced_once

if TYPE_CHECKING:
    from haiku_like.typing import Initializer


def check_init(where: str, name: str, create: bool, init: Any) -> None:
    """Raises if an initializer is given for a parameter that is not created."""
    if init is not None and not create:
        raise ValueError(f"{where}: {name}_init is given with create_{name}=False, expected None. Drop one of the two.")


def axis_argument(where: str, name: str, axis: Any) -> slice | tuple[int, ...]:
    """Returns a slice of axes or a tuple of axes; raises for anything but these, a list or one axis."""
    if isinstance(axis, slice):
        return axis
    try:
        return tuple(operator.index(a) for a in (axis if isinstance(axis, Iterable) else [axis]))
    except TypeError:
        raise TypeError(
            f"{where}: {name} is {axis!r} of type {type(axis).__name__}, expected an axis, a sequence of axes or a "
            f"slice, such as -1, [1, 2] or slice(1, None)."
        ) from None


def axes_of(where: str, name: str, axis: slice | tuple[int, ...], ndim: int) -> tuple[int, ...]:
    """Returns axes counted from the front, in ascending order; raises if one is out of range or there twice."""
    if isinstance(axis, slice):
        return tuple(range(ndim))[axis]
    counted = sorted(a + ndim if a < 0 else a for a in axis)
    if not all(0 <= a < ndim for a in counted):
        raise ValueError(
            f"{where}: {name} is {axis}, expected axes from {-ndim} to {ndim - 1}, since the input has {ndim} axes."
        )
    if len(set(counted)) < len(counted):
        raise ValueError(f"{where}: {name} is {axis}, expected each of the input's {ndim} axes at most once.")
    return tuple(counted)


def parameter_shape(where: str, param_axis: slice | tuple[int, ...], shape: tuple[int, ...]) -> tuple[int, ...]:
    """Returns the shape of a parameter that differs along some axes: all of them, the others 1; or the last alone."""
    axes = axes_of(where, "param_axis", param_axis, len(shape))
    if axes == (len(shape) - 1,):
        return shape[-1:]
    return tuple(size if i in axes else 1 for i, size in enumerate(shape))


def array_of_floats(where: str, module_name: str, name: str, value: Any, min_ndim: int = 1) -> jax.Array:
    """Returns `value` as an array; raises unless it holds real floats and has enough axes."""
    if not isinstance(value, (jax.Array, np.ndarray)) or not jnp.issubdtype(value.dtype, jnp.floating):
        kind = getattr(value, "dtype", type(value).__name__)
        raise TypeError(
            f"{where}: {name} of module {module_name!r} is of type {kind}, expected an array of floats. Convert it "
            f"with jnp.asarray({name}, jnp.float32)."
        )
    if value.ndim < min_ndim:
        raise ValueError(
            f"{where}: {name} of module {module_name!r} has shape {value.shape}, expected at least {min_ndim} "
            f"{'axis' if min_ndim == 1 else 'axes'}. Add what is missing with {name}[None]."
        )
    return value if isinstance(value, jax.Array) else jnp.asarray(value)


def check_not_empty(where: str, module_name: str, name: str, shape: tuple[int, ...], axes: Sequence[int]) -> None:
    """Raises if there is nothing to average over, which would give NaN."""
    if any(shape[a] == 0 for a in axes):
        raise ValueError(
            f"{where}: {name} of module {module_name!r} has shape {shape}, expected at least one value along the axes "
            f"{tuple(axes)}, over which the mean is taken. Skip what is empty."
        )


def normalized_axes(
    where: str, module_name: str, name: str, axis: slice | tuple[int, ...], shape: tuple[int, ...]
) -> tuple[int, ...]:
    """Returns the axes to normalize along; raises unless there are some, each with values."""
    axes = axes_of(where, "axis", axis, len(shape))
    if not axes:
        raise ValueError(
            f"{where}: {name} of module {module_name!r} has shape {shape}, none of whose axes is axis={axis}, expected "
            f"at least one to normalize along. A value that is normalized by itself says nothing."
        )
    check_not_empty(where, module_name, name, shape, axes)
    return axes


def at_least_float32(x: jax.Array) -> jax.Array:
    """Returns `x` in the precision of its statistics: squares overflow float16, and bfloat16 has three digits."""
    return x.astype(jnp.float32) if jnp.finfo(x.dtype).bits < 32 else x


def narrowed(x: jax.Array, dtype: Any) -> jax.Array:
    """Returns `x` in a dtype that may be narrower; what does not fit becomes the largest number, not infinity."""
    limit = jnp.asarray(jnp.finfo(dtype).max, dtype).astype(x.dtype)
    return x if x.dtype == dtype else jnp.clip(x, -limit, limit).astype(dtype)


@traced_once()
def fast_variance(mean: jax.Array, mean_of_squares: jax.Array) -> jax.Array:
    """Returns `E[x^2] - E[x]^2`, which rounding must not make negative."""
    return jnp.maximum(mean_of_squares - jnp.square(mean), 0)


def scale_or_offset(
    where: str,
    name: str,
    create: bool,
    given: Any,
    init: "Initializer",
    shape: Sequence[int],
    inputs: jax.Array,
) -> jax.Array | None:
    """Returns the parameter `scale` or `offset`, or the one passed to the call, or None for none."""
    if create:
        if given is not None:
            raise ValueError(
                f"{where}: {name} is given and create_{name} is True, expected one of the two. Leave it out, or build "
                f"the module with create_{name}=False."
            )
        value = get_parameter(name, shape, inputs.dtype, init=init)
    elif given is None:
        return None
    else:
        value = jnp.asarray(given)
    fits = value.ndim <= inputs.ndim and all(
        size in (1, of_input) for size, of_input in zip(value.shape[::-1], inputs.shape[::-1], strict=False)
    )
    if not fits:
        raise ValueError(
            f"{where}: {name} has shape {value.shape}, expected one that broadcasts to the shape {inputs.shape} of the "
            f"input. For channels in the middle add axes at the end: {name}[:, None, None]."
        )
    return value


def with_axes(value: jax.Array, ndim: int) -> jax.Array:
    """Returns what is no scalar with axes of size 1 in front, so that it has `ndim` of them."""
    return jnp.expand_dims(value, tuple(range(ndim - value.ndim))) if value.ndim else value


def result_dtype(*arrays: jax.Array | None) -> Any:
    """Returns the dtype to which the arrays that are not None promote."""
    return jnp.result_type(*(x for x in arrays if x is not None))


@traced_once("axes")
def moments(x: jax.Array, axes: tuple[int, ...]) -> tuple[jax.Array, jax.Array]:
    """Returns the means of `x` and of its squares, in float32 or better."""
    values = at_least_float32(x)
    return jnp.mean(values, axes, keepdims=True), jnp.mean(jnp.square(values), axes, keepdims=True)


@traced_once("axes")
def mean_and_fast_variance(x: jax.Array, axes: tuple[int, ...]) -> tuple[jax.Array, jax.Array]:
    """Returns the mean of `x`, and `E[x^2] - E[x]^2`, in float32 or better."""
    mean, mean_of_squares = moments(x, axes)
    return mean, fast_variance(mean, mean_of_squares)


@traced_once("axes")
def mean_and_variance(x: jax.Array, axes: tuple[int, ...]) -> tuple[jax.Array, jax.Array]:
    """Returns the mean of `x`, and that of the squared distances from it, in float32 or better."""
    values = at_least_float32(x)
    return jnp.mean(values, axes, keepdims=True), jnp.var(values, axes, keepdims=True)


@traced_once("dtype")
def normalize(
    x: jax.Array,
    mean: jax.Array | None,
    var: jax.Array,
    eps: Any,
    scale: jax.Array | None,
    offset: jax.Array | None,
    dtype: Any,
) -> jax.Array:
    """Returns `(x - mean) * (scale / sqrt(var + eps)) + offset`, worked out in float32 or better, in `dtype`."""
    precision = at_least_float32(jnp.zeros([], dtype)).dtype
    inverse = jax.lax.rsqrt(var.astype(precision) + jnp.asarray(eps, precision))
    if scale is not None:
        inverse = with_axes(scale, x.ndim).astype(precision) * inverse
    out = x.astype(precision)
    if mean is not None:
        out = out - mean.astype(precision)
    out = out * inverse
    if offset is not None:
        out = out + with_axes(offset, x.ndim).astype(precision)
    return out.astype(dtype)
