"""The one linear recurrence over time under every return and advantage: x_t = b_t + a_t x_{t+1}.

Operators call `solve` and give the coefficients as a function of one step's inputs, and what they want besides the
states as another. A loop over time then forms both on the way, where whole arrays would cost more passes over memory,
each as long as the loop itself.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from rlax_like import _shapes
from rlax_like._precision import wide_reals, widen

if TYPE_CHECKING:
    from jaxtyping import Array, ArrayLike, Float, Real

Coefficients = Callable[..., tuple[jax.Array, jax.Array]]
Emit = Callable[..., Any]

# On CPU a loop runs at the speed of a copy, and log-depth passes take some ten times as long. On an accelerator each
# step of a loop waits for a few kernels to start, as does each of the 2 log2(T) passes: for few steps that is the same.
_FEW_STEPS = 32


def linear_recurrence(
    a: "Real[ArrayLike, 'T *B']",
    b: "Real[ArrayLike, 'T *B']",
    init: "Real[ArrayLike, '*B']" = 0.0,
    *,
    axis: int = 0,
    reverse: bool = True,
    method: Literal["auto", "scan", "associative"] = "auto",
) -> "Float[Array, 'T *B']":
    """Returns the solution of `x_t = b_t + a_t x_{t+1}`, from `x_T = init` back to the first step.

    Forwards, with `reverse=False`, `x_t = b_t + a_t x_{t-1}` from `x_{-1} = init`. Nothing is ever divided, so products
    of coefficients may underflow. A derivative, forward or backward and of any order, costs one more recurrence.
    Blelloch (1990), "Prefix sums and their applications", section 1.4.

    Args:
      a: Coefficients: a number, `[T]`, or of the shape of `b`.
      b: Increments, `[T, *B]`.
      init: The state from which the first step is taken, a number or `[*B]`.
      axis: The axis of `b` that is time.
      reverse: Whether the last step is taken first.
      method: "scan" takes one step after another. "associative" composes steps pairwise, in 2 log2(T) passes. "auto"
        is "scan" on CPU and for few steps, else "associative"; it looks at the platform that it is compiled for.

    Returns:
      The shape of `b` and its dtype; if it is not floating, the dtype that the floating arguments promote to.
      Half precision is accumulated in float32.

    Raises:
      TypeError: an argument is not real.
      ValueError: the shapes do not fit, `b` has no such axis, or there is no such method.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> rlax.linear_recurrence(0.5, jnp.array([1.0, 2.0, 4.0]))
      Array([3., 4., 4.], dtype=float32)
    """
    name = "linear_recurrence"
    if method not in ("auto", "scan", "associative"):
        raise ValueError(f"{name}: method is {method!r}, expected 'auto', 'scan' or 'associative'.")
    dtype, (a, wide_b, init) = wide_reals(name, a=a, b=b, init=init)
    if jnp.issubdtype(jnp.result_type(b), jnp.floating):
        dtype = jnp.result_type(b)
    if not -wide_b.ndim <= axis < wide_b.ndim:
        raise ValueError(f"{name}: axis is {axis}, expected an axis of b, which has shape {wide_b.shape}.")
    b = jnp.moveaxis(wide_b, axis, 0)
    a = jnp.moveaxis(a, axis, 0) if a.ndim > 1 and a.ndim == b.ndim else a
    _shapes.fit(name, b=(b, "T *B"), a=(a, "T *B|T|"), init=(init, "*B|"))
    x = solve(given, (along_time(a, b.ndim), b), init, reverse=reverse, method=method)
    return jnp.moveaxis(x, 0, axis).astype(dtype)


def along_time(x: jax.Array, ndim: int) -> jax.Array:
    """Returns `[T]` as `[T, 1, ...]` of `ndim` axes, which broadcasts against `[T, *B]`; a number as it is."""
    return x.reshape(*x.shape, *[1] * (ndim - x.ndim)) if x.ndim else x


@functools.partial(jax.tree_util.register_dataclass, data_fields=["array"], meta_fields=["start"])
@dataclasses.dataclass(frozen=True)
class Shifted:
    """An input of which step t takes the element `t + start`, or the last one that there is.

    For an array that has a step more or less: a slice of it, or a longer copy, would be one more pass over memory.
    """

    array: jax.Array
    start: int = 0

    def at(self, step: jax.Array) -> jax.Array:
        """Returns what one step takes."""
        return jax.lax.dynamic_index_in_dim(self.array, step + self.start, keepdims=False)

    def at_all(self, steps: int) -> jax.Array:
        """Returns what all steps take, `[T, *B]`."""
        taken = self.array[self.start : self.start + steps]
        missing = steps - len(taken)
        return jnp.concatenate([taken, *[self.array[-1:]] * missing]) if missing else taken


def solve(
    coefficients: Coefficients,
    inputs: Any,
    init: "ArrayLike" = 0.0,
    *,
    emit: Emit | None = None,
    emit_inputs: Any = (),
    reverse: bool = True,
    method: str = "auto",
) -> Any:
    """Returns the solution `[T, *B]` of the recurrence whose coefficients are a function of each step's inputs.

    Args:
      coefficients: Given the inputs of one step, or of all steps at once, returns `(a, b)`. It is elementwise, and
        compiled once for each function that it is, so let it be one of a module, not one made at each call.
      inputs: A tuple with, for each argument of `coefficients`, `[T, *B]`, `[T, 1, ...]`, a number, None or `Shifted`;
        one of them at least is not shifted. Half precision becomes float32 step by step.
      init: The state from which the first step is taken, a number or `[*B]`.
      emit: Such a function too. Given the state after a step, the one before it and the step's `emit_inputs`, returns
        what takes the place of the state in the result: an array `[*B]` or a tree of them. None for the state.
      emit_inputs: A tuple like `inputs`.
      reverse: Whether the last step is taken first.
      method: See `linear_recurrence`.
    """
    return _states_and_emitted(coefficients, emit, inputs, emit_inputs, init, reverse, method)[emit is not None]


def given(a: jax.Array, b: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Returns the coefficients, where they are the inputs themselves."""
    return a, b


@functools.partial(jax.jit, static_argnums=(0, 1, 5, 6), inline=True)
def _states_and_emitted(
    coefficients: Coefficients,
    emit: Emit | None,
    inputs: Any,
    emit_inputs: Any,
    init: "ArrayLike",
    reverse: bool,
    method: str,
) -> tuple[jax.Array, Any]:
    batch = _shape(inputs, jnp.shape(init))[1:]
    dtype = jnp.result_type(*(leaf for leaf in jax.tree.leaves(inputs) if leaf.dtype != jnp.bool_), jnp.float32)
    init = jnp.broadcast_to(jnp.asarray(init, dtype), batch)
    return _solve(coefficients, emit, inputs, emit_inputs, init, reverse, method)


@functools.partial(jax.custom_jvp, nondiff_argnums=(0, 1, 5, 6))
def _solve(
    coefficients: Coefficients,
    emit: Emit | None,
    inputs: Any,
    emit_inputs: Any,
    init: jax.Array,
    reverse: bool,
    method: str,
) -> tuple[jax.Array, Any]:
    scan, associative = (
        functools.partial(by, coefficients, emit, reverse=reverse) for by in (_one_by_one, _composing_pairs)
    )
    if method == "auto" and _shape(inputs, init.shape)[0] >= _FEW_STEPS:
        return jax.lax.platform_dependent(inputs, emit_inputs, init, cpu=scan, default=associative)
    return (associative if method == "associative" else scan)(inputs, emit_inputs, init)


@_solve.defjvp
def _solve_jvp(
    coefficients: Coefficients, emit: Emit | None, reverse: bool, method: str, primals: Any, tangents: Any
) -> tuple[Any, Any]:
    """The derivative of x_t = b_t + a_t x_{t+1} is the same recurrence: x'_t = (b'_t + a'_t x_{t+1}) + a_t x'_{t+1}."""
    (inputs, emit_inputs, init), (d_inputs, d_emit_inputs, d_init) = primals, tangents
    x, emitted = _solve(coefficients, emit, inputs, emit_inputs, init, reverse, method)
    at_all = functools.partial(_at_all_steps, steps=len(x))
    (a, _), (d_a, d_b) = jax.jvp(coefficients, at_all(inputs), at_all(d_inputs))
    before = _previous(x, init, reverse)
    a, b = _of_each_step(a, d_b + d_a * before, x.shape)
    d_x = _linear(a, _start_from(d_init, a, b, reverse), reverse, method)
    if emit is None:
        return (x, None), (d_x, None)
    d_before = _previous(d_x, d_init, reverse)
    _, d_emitted = jax.jvp(emit, (x, before, *at_all(emit_inputs)), (d_x, d_before, *at_all(d_emit_inputs)))
    return (x, emitted), (d_x, d_emitted)


def _linear(a: jax.Array, b: jax.Array, reverse: bool, method: str) -> jax.Array:
    """The recurrence from 0 as the linear system (1 - a S) x = b, with S the shift: JAX derives it, and transposes it.

    The transpose is the recurrence y_t = b_t + a_{t-1} y_{t-1}, which runs the other way.
    """
    zero = jnp.zeros_like(b[0])
    a_before = _previous(a, jnp.zeros_like(a[0]), not reverse)
    return jax.lax.custom_linear_solve(
        lambda x: x - a * _previous(x, zero, reverse),
        b,
        solve=lambda _, b: _solve(given, None, (a, b), (), zero, reverse, method)[0],
        transpose_solve=lambda _, b: _solve(given, None, (a_before, b), (), zero, not reverse, method)[0],
    )


def _shape(inputs: Any, batch: tuple[int, ...]) -> tuple[Any, ...]:
    """The shape `[T, *B]` of the solution."""
    leaves = jax.tree.leaves(inputs, is_leaf=_is_shifted)
    shapes = [(1, *leaf.array.shape[1:]) if _is_shifted(leaf) else leaf.shape for leaf in leaves]
    return jnp.broadcast_shapes(*shapes, (1, *batch))


def _is_shifted(x: Any) -> bool:
    return isinstance(x, Shifted)


def _at_all_steps(inputs: Any, steps: int) -> Any:
    return jax.tree.map(lambda x: _wide(x.at_all(steps) if _is_shifted(x) else x), inputs, is_leaf=_is_shifted)


def _wide(x: jax.Array) -> jax.Array:
    """Floating inputs as steps take them. Before the loop, this would be one more pass over memory for each."""
    return widen(x) if jnp.issubdtype(x.dtype, jnp.floating) else x


def _of_each_step(a: jax.Array, b: jax.Array, shape: tuple[int, ...]) -> tuple[jax.Array, jax.Array]:
    """Coefficients of all steps at once: `[T, *B]`, but `[T, 1, ...]` is enough for `a`."""
    a = a if a.ndim else a.reshape([1] * len(shape))
    return jnp.broadcast_to(a, (shape[0], *a.shape[1:])), jnp.broadcast_to(b, shape)


def _start_from(init: jax.Array, a: jax.Array, b: jax.Array, reverse: bool) -> jax.Array:
    """The increments with which the recurrence from 0 is that from `init`."""
    return b.at[-1 if reverse else 0].add(a[-1 if reverse else 0] * init) if len(b) else b


def _previous(x: jax.Array, init: jax.Array, reverse: bool) -> jax.Array:
    """The states from which the steps to `x` were taken."""
    return jnp.concatenate([x[1:], init[None]] if reverse else [init[None], x[:-1]])


def _one_by_one(
    coefficients: Coefficients, emit: Emit | None, inputs: Any, emit_inputs: Any, init: jax.Array, *, reverse: bool
) -> tuple[jax.Array, Any]:
    leaves, structure = jax.tree.flatten((inputs, emit_inputs), is_leaf=_is_shifted)
    moves = [not _is_shifted(leaf) and leaf.ndim > 0 for leaf in leaves]

    def step(before: jax.Array, index_and_moving: tuple[Any, list[jax.Array]]) -> tuple[jax.Array, Any]:
        index, moving = index_and_moving
        next_of = iter(moving)
        of_step = [
            _wide(next(next_of) if moves_on else leaf.at(index) if _is_shifted(leaf) else leaf)
            for leaf, moves_on in zip(leaves, moves, strict=True)
        ]
        inputs, emit_inputs = jax.tree.unflatten(structure, of_step)
        a, b = coefficients(*inputs)
        x = jnp.broadcast_to(b + a * before, before.shape)
        return x, (x, emit(x, before, *emit_inputs) if emit else None)

    moving = [leaf for leaf, moves_on in zip(leaves, moves, strict=True) if moves_on]
    steps = moving[0].shape[0]
    index = np.arange(steps) if any(map(_is_shifted, leaves)) else None
    if steps:
        # Within shard_map, the state must be as device-varying as what the steps make of it; the value does not change.
        after, _ = step(init, (0, [leaf[0] for leaf in moving]))
        init = jnp.where(after < init, init, init)
    return jax.lax.scan(step, init, (index, moving), reverse=reverse)[1]


def _composing_pairs(
    coefficients: Coefficients, emit: Emit | None, inputs: Any, emit_inputs: Any, init: jax.Array, *, reverse: bool
) -> tuple[jax.Array, Any]:
    shape = _shape(inputs, init.shape)
    inputs, emit_inputs = (_at_all_steps(x, shape[0]) for x in (inputs, emit_inputs))
    a, b = _of_each_step(*coefficients(*inputs), shape)
    b = _start_from(init, a, b, reverse)
    x = jax.lax.associative_scan(_compose, (a, b), reverse=reverse)[1] if len(b) else b
    return x, emit(x, _previous(x, init, reverse), *emit_inputs) if emit else None


def _compose(first: tuple[jax.Array, jax.Array], second: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
    """Returns the step that is as good as two: each `(a, b)` stands for `x -> b + a x`."""
    return second[0] * first[0], second[1] + second[0] * first[1]
