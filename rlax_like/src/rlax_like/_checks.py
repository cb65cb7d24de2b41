"""Checks of arguments: each error names the function, the argument, what was expected, what came, and a remedy."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer


def reals(function: str, **arguments: Any) -> tuple[jax.Array, ...]:
    """Returns the arguments as arrays of one floating dtype, the one that JAX promotes the floating ones to.

    Integers and booleans are converted, and have no say in the dtype.
    """
    dtypes = {name: _dtype(function, name, value) for name, value in arguments.items()}
    for name, dtype in dtypes.items():
        if not (jnp.issubdtype(dtype, jnp.floating) or jnp.issubdtype(dtype, jnp.integer) or dtype == jnp.bool_):
            raise TypeError(
                f"{function}: {name} must be a real array, got {_describe(arguments[name])}. Cast it, for example with "
                f"{name}.astype(jnp.float32)."
            )
    floating = [value for name, value in arguments.items() if jnp.issubdtype(dtypes[name], jnp.floating)]
    dtype = jnp.result_type(*floating) if floating else jnp.result_type(float)
    return tuple(jnp.asarray(value, dtype) for value in arguments.values())


def integers(function: str, **arguments: Any) -> tuple[jax.Array, ...]:
    """Returns the arguments, which must be integers, as arrays."""
    for name, value in arguments.items():
        if not jnp.issubdtype(_dtype(function, name, value), jnp.integer):
            raise TypeError(
                f"{function}: {name} must be an integer array, got {_describe(value)}. An action is an index: cast it "
                f"with {name}.astype(jnp.int32)."
            )
    return tuple(jnp.asarray(value) for value in arguments.values())


def per_action(function: str, batch: tuple[int, ...] | None = None, like: str = "", **arguments: jax.Array) -> None:
    """Raises unless each argument has the shape `[*B, A]`, with `*B` the given batch, that of the argument `like`."""
    for name, array in arguments.items():
        if array.ndim == 0:
            raise ValueError(
                f"{function}: {name} has shape (), expected [*B, A]: one value per action in the last axis, after any "
                f"batch."
            )
        if batch is not None and array.shape[:-1] != batch:
            expected = ", ".join([*map(str, batch), "A"])
            raise ValueError(
                f"{function}: {name} has shape {array.shape}, expected ({expected}) like {like}. Leading axes are a "
                f"batch, and all arguments have the same."
            )


def same_shape(
    function: str, expected: tuple[int, ...], like: str, *, scalars: bool = False, **shapes: tuple[int, ...]
) -> None:
    """Raises unless each shape is `expected`, that of the argument `like`, or () if `scalars`."""
    for name, shape in shapes.items():
        if shape != expected and not (scalars and shape == ()):
            alternative = " or a number" if scalars and expected else ""
            raise ValueError(
                f"{function}: {name} has shape {shape}, expected {expected} like {like}{alternative}. Leading axes are "
                f"a batch, and all arguments have the same."
            )


def is_traced(value: Any) -> bool:
    """Whether the value is known only when the compiled function runs, so that it cannot be checked now."""
    return isinstance(value, Tracer)


def holds(condition: Callable[[Any], Any], value: Any) -> bool:
    """Whether the condition holds for each element of `value`, as far as it is known: a traced value passes.

    NumPy evaluates it, since under `jax.jit` any operation of JAX gives a traced value.
    """
    return is_traced(value) or bool(np.all(condition(np.asarray(value))))


def within(function: str, condition: Callable[[Any], Any], expected: str, **arguments: Any) -> None:
    """Raises unless the arguments are real and the condition holds for each of their elements, as far as it is known.

    `expected` says in words what the condition is, such as "a positive number".
    """
    for name, value in arguments.items():
        reals(function, **{name: value})
        if not holds(condition, value):
            raise ValueError(f"{function}: {name} is {value}, expected {expected}.")


def share(function: str, **arguments: Any) -> None:
    """Raises unless each element of the arguments is in [0, 1], as far as it is known."""
    within(function, lambda x: (x >= 0) & (x <= 1), "a number in [0, 1]", **arguments)


def _dtype(function: str, name: str, value: Any) -> Any:
    if not isinstance(value, (jax.Array, np.ndarray, np.generic, bool, int, float, complex)):
        raise TypeError(
            f"{function}: {name} must be an array or a number, got {value!r} of type {type(value).__name__}. Convert "
            f"it with jnp.asarray."
        )
    return jnp.result_type(value)


def _describe(value: Any) -> str:
    return f"{jnp.result_type(value)}{list(jnp.shape(value))}"
