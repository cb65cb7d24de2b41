"""Checks of arguments: each error names the module or function, the argument, what was expected and what came."""

import operator
from collections.abc import Iterable
from typing import Any

import jax


def size(where: str, name: str, value: Any) -> int:
    """Returns a size as an int; raises unless it is an integer that is not negative."""
    try:
        checked = operator.index(value)
    except TypeError:
        checked = None
    if checked is None or isinstance(value, bool):
        raise TypeError(f"{where}: {name} is {value!r} of type {type(value).__name__}, expected an integer.")
    if checked < 0:
        raise ValueError(f"{where}: {name} is {checked}, expected 0 or more.")
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
    """Returns an array of numbers as one of jax; raises for anything else, lists and keys included."""
    if not isinstance(value, (jax.Array, np.ndarray)) or jnp.issubdtype(value.dtype, jax.dtypes.extended):
        kind = getattr(value, "dtype", type(value).__name__)
        raise TypeError(
            f"{where}: {name} is of type {kind}, expected an array of numbers. Convert it with jnp.asarray."
        )
    return jnp.asarray(value)
