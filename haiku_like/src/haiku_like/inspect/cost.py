"""What an operation costs: floating-point operations, and bytes that it reads and writes.

For matrix products, convolutions and sums the counts are those of XLA's own cost analysis: a product and a sum are
two operations, and a product with padding is none. Elsewhere each element that arithmetic makes counts as one, be it a
sum or a logarithm, and moving, comparing, converting and integer arithmetic are free.
"""

import math
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from haiku_like._jax_compat import is_literal

_ARITHMETIC = frozenset({
    "abs", "acos", "acosh", "add", "add_any", "asin", "asinh", "atan", "atan2", "atanh", "bessel_i0e",
    "bessel_i1e", "cbrt", "ceil", "clamp", "cos", "cosh", "digamma", "div", "erf", "erf_inv", "erfc", "exp",
    "exp2", "expm1", "floor", "igamma", "igamma_grad_a", "igammac", "integer_pow", "lgamma", "log", "log1p",
    "log2", "logistic", "max", "min", "mul", "neg", "nextafter", "one_minus_square", "pow", "polygamma",
    "regularized_incomplete_beta", "rem", "round", "rsqrt", "sign", "sin", "sinh", "sqrt", "square", "sub",
    "tan", "tanh", "zeta",
})  # fmt: skip
_FREE = frozenset({
    "all_gather", "all_to_all", "bitcast_convert_type", "broadcast_in_dim", "complex", "concatenate", "conj",
    "convert_element_type", "copy", "copy_p", "device_put", "dynamic_slice", "dynamic_update_slice", "empty2",
    "expand_dims", "gather", "get", "imag", "iota", "name", "optimization_barrier", "pad", "pbroadcast",
    "ppermute", "pvary", "real", "reduce_precision", "reshape", "rev", "scatter", "select_n",
    "sharding_constraint", "slice", "sort", "split", "squeeze", "stack", "stop_gradient", "swap", "top_k",
    "transpose", "unstack", "zeros_like",
})  # fmt: skip


def count_flops(equation: Any) -> int | None:
    """Returns the floating-point operations of an equation that runs no other program, or None for an unknown one."""
    name = equation.primitive.name
    if name in _COUNTS:
        return _COUNTS[name](equation)
    if name in _FREE or not any(_is_floating(out) for out in equation.outvars):
        return 0
    if name in _ARITHMETIC:
        return _elements(equation.outvars[0])
    return None


def count_bytes(equation: Any) -> int:
    """Returns the bytes that an equation reads and writes if nothing of it is fused with its neighbours."""
    read = {operand for operand in equation.invars if not is_literal(operand)}
    return sum(_bytes(variable) for variable in (*read, *equation.outvars))


def _shape(variable: Any) -> tuple[int, ...]:
    return getattr(variable.aval, "shape", ())


def _elements(variable: Any) -> int:
    return math.prod(_shape(variable))


def _bytes(variable: Any) -> int:
    return _elements(variable) * getattr(getattr(variable.aval, "dtype", None), "itemsize", 0)


def _is_floating(variable: Any) -> bool:
    dtype = getattr(variable.aval, "dtype", None)
    return dtype is not None and jnp.issubdtype(dtype, jnp.inexact)


def _dot_general(equation: Any) -> int:
    (contracted, _), _ = equation.params["dimension_numbers"]
    lhs = _shape(equation.invars[0])
    return 2 * _elements(equation.outvars[0]) * math.prod(lhs[axis] for axis in contracted)


def _conv_general_dilated(equation: Any) -> int:
    params = equation.params
    lhs, rhs, out = (_shape(variable) for variable in (*equation.invars[:2], equation.outvars[0]))
    numbers = params["dimension_numbers"]
    pairs = 1  # Of a position of the output with a tap of the kernel that meets an element of the input.
    for i, (low, _) in enumerate(params["padding"]):
        size, taps, places = (s[spec[2 + i]] for s, spec in zip((lhs, rhs, out), numbers, strict=True))
        stride, spread, gap = (params[key][i] for key in ("window_strides", "rhs_dilation", "lhs_dilation"))
        met = np.add.outer(np.arange(places) * stride, np.arange(taps) * spread) - low
        pairs *= int(np.sum((met >= 0) & (met <= (size - 1) * gap) & (met % gap == 0)))
    inputs_per_group = rhs[numbers[1][1]]
    return 2 * pairs * out[numbers[2][0]] * out[numbers[2][1]] * inputs_per_group


def _reduction(equation: Any) -> int:
    operand, out = equation.invars[0], equation.outvars[0]
    return _elements(operand) - _elements(out) if _is_floating(operand) else 0


def _reduce_window(equation: Any) -> int:
    return _elements(equation.outvars[0]) * (math.prod(equation.params["window_dimensions"]) - 1)


def _of_input(equation: Any) -> int:
    return sum(_elements(variable) for variable in equation.invars if _is_floating(variable))


def _of_updates(equation: Any) -> int:
    updates = equation.invars[2]
    return _elements(updates) if _is_floating(updates) else 0


def _select_and_scatter_add(equation: Any) -> int:
    return _elements(equation.invars[0]) * math.prod(equation.params["window_dimensions"])


_COUNTS: dict[str, Callable[[Any], int]] = {
    "dot_general": _dot_general,
    "conv_general_dilated": _conv_general_dilated,
    "select_and_scatter_add": _select_and_scatter_add,
    **dict.fromkeys(("reduce_max", "reduce_min", "reduce_prod", "reduce_sum"), _reduction),
    **dict.fromkeys(("cumlogsumexp", "cummax", "cummin", "cumprod", "cumsum"), _of_input),
    **dict.fromkeys(("pmax", "pmin", "psum", "psum_invariant"), _of_input),
    **dict.fromkeys(("reduce_window_max", "reduce_window_min", "reduce_window_sum"), _reduce_window),
    **dict.fromkeys(("scatter-add", "scatter-max", "scatter-min", "scatter-mul", "scatter-sub"), _of_updates),
}
