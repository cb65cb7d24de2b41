"""Checks of arguments: each error names the module or function, the argument, what was expected and what came."""

import operator
from collections.abc import Iterable
from typing import Any


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
