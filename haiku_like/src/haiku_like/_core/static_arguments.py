"""Arguments that are Python values, kept out of the way of a JAX transform."""

import inspect
import operator
from collections.abc import Callable, Sequence
from typing import Any

from haiku_like import _checks

_ANYTHING = inspect.signature(lambda *args, **kwargs: None)


def split_arguments(
    wrapper: str,
    fun: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    static_argnums: int | Sequence[int] = (),
    static_argnames: str | Sequence[str] = (),
) -> tuple[tuple[list[Any], dict[str, Any]], Callable[..., Any]]:
    """Returns the arguments that are traced, and a function of them that calls `fun` with the others too.

    A static argument may be passed by position, by name or not at all.

    Raises:
      TypeError: `static_argnums` or `static_argnames` is of another type.
      ValueError: one of them names an argument that the function does not have.
    """
    try:
        signature = inspect.signature(fun)
    except (TypeError, ValueError):  # Some callables have no signature.
        signature = _ANYTHING
    by_position = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    kinds = {parameter.kind for parameter in signature.parameters.values()}
    positional = [name for name, parameter in signature.parameters.items() if parameter.kind in by_position]
    count = len(args) if inspect.Parameter.VAR_POSITIONAL in kinds else len(positional)

    several = [static_argnames] if isinstance(static_argnames, str) else static_argnames
    names = {*_checks.sequence(wrapper, "static_argnames", several, "('training',)")}
    for name in names if inspect.Parameter.VAR_KEYWORD not in kinds else ():
        if name not in signature.parameters:
            raise ValueError(
                f"{wrapper}: static_argnames has {name!r}, expected the name of an argument of the function: one of "
                f"{list(signature.parameters)}."
            )
    static = {i for i, name in enumerate(positional) if name in names}
    for number in _numbers(wrapper, static_argnums):
        if not -count <= number < count:
            raise ValueError(
                f"{wrapper}: static_argnums has {number}, expected the position of an argument; there are {count}."
            )
        static.add(number % count)
    names |= {name for i, name in enumerate(positional) if i in static}

    traced = [arg for i, arg in enumerate(args) if i not in static]
    traced_kwargs = {name: value for name, value in kwargs.items() if name not in names}

    def call(arguments: tuple[list[Any], dict[str, Any]]) -> Any:
        rest = iter(arguments[0])
        merged = [args[i] if i in static else next(rest) for i in range(len(args))]
        return fun(*merged, **{name: value for name, value in kwargs.items() if name in names}, **arguments[1])

    return (traced, traced_kwargs), call


def _numbers(wrapper: str, static_argnums: Any) -> list[int]:
    try:
        several = [static_argnums] if hasattr(static_argnums, "__index__") else static_argnums
        return [operator.index(number) for number in several]
    except TypeError:
        raise TypeError(
            f"{wrapper}: static_argnums is {static_argnums!r}, expected an integer or a sequence of integers, such as "
            f"(1, 2)."
        ) from None
