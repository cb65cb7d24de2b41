"""Checks of arguments: each error names the module or function, the argument, what was expected and what came."""

import operator
from collections.abc import Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def size(where: str, name: str, value: Any, minimum: int = 0) -> int:
    """Returns a size as an int; raises unless it is an integer and not less than `minimum`."""
    try:
        checked = operator.index(value)
    except TypeError:
        checked = None
    if checked is None or isinstance(value, bool):
        raise TypeError(f"{where}: {name} is {value!r} of type {type(value).__name__}, expected an integer.")
    if checked < minimum:
        raise ValueError(f"{where}: {name} is {checked}, expected {minimum} or more.")
    return checked


def sequence(where: str, name: str, value: Any, example: str) -> tuple[Any, ...]:
    """Returns what a list, tuple or other iterable holds; raises for anything else."""
    if not isinstance(value, Iterable):
        raise TypeError(
            f"{where}: {name} is {value!r} of type {type(value).__name__}, expected a sequence, such as {example}."
        )
    return tuple(value)


def function(where: str, name: str, value: Any, example: str) -> None:
    """Raises unless the value can be called."""
    if not callable(value):
        raise TypeError(
            f"{where}: {name} is {value!r} of type {type(value).__name__}, expected a function, such as {example}."
        )


def flag(where: str, name: str, value: Any) -> bool:
    """Returns a choice that Python makes as a bool; raises for a traced value."""
    try:
        return bool(value)
    except jax.errors.TracerBoolConversionError:
        raise TypeError(
            f"{where}: {name} is traced, expected True or False. Mark it static, as in jax.jit(f, "
            f"static_argnames={name!r}), or choose between two calls of the model with jax.lax.cond."
        ) from None


def numbers(where: str, name: str, value: Any) -> jax.Array:
    """Returns an array of numbers or booleans as one of jax; raises for anything else, such as lists and keys."""
    if isinstance(value, (jax.Array, np.ndarray)) and (
        jnp.issubdtype(value.dtype, jnp.number) or jnp.issubdtype(value.dtype, jnp.bool)
    ):
        return jnp.asarray(value)
    kind = getattr(value, "dtype", type(value).__name__)
    raise TypeError(f"{where}: {name} is of type {kind}, expected an array of numbers. Convert it with jnp.asarray.")


def broadcasts(shape: Sequence[int], to: Sequence[int]) -> bool:
    """Whether an array of `shape` broadcasts to the shape `to`."""
    return len(shape) <= len(to) and all(n in (1, m) for n, m in zip(shape[::-1], to[::-1], strict=False))


def alike(before: Any, after: Any) -> bool:
    """Whether what a body of a loop returns has the structure, shapes and dtypes of what it got."""

    def same(x: Any, y: Any) -> bool:
        # JAX gives a Python number the dtype that the body returns.
        is_weak = getattr(x, "weak_type", isinstance(x, (int, float, complex)))
        return jnp.shape(x) == jnp.shape(y) and (is_weak or jnp.result_type(x) == jnp.result_type(y))

    same_structure = jax.tree.structure(before) == jax.tree.structure(after)
    return same_structure and all(map(same, jax.tree.leaves(before), jax.tree.leaves(after)))


def described(tree: Any) -> Any:
    """Returns the tree with the dtype and the shape of each array, such as `float32[3]`."""
    return jax.tree.map(lambda x: f"{jnp.result_type(x)}{list(jnp.shape(x))}", tree)
