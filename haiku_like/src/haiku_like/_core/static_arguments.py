"""Arguments that are Python values, kept out of the way of a JAX transform."""

import inspect
import operator
from collections.abc import Callable, Sequence
from typing import Any


def split_arguments(
    wrapper: str,
    fun: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    static_argnums: int | Sequence[int] = (),
    static_argnames: str | Sequence[str] = (),
) -> tuple[tuple[list[Any], dict[str, Any]], Callable[..., Any]]:
    """Returns the arguments that are traced, and a function of them that calls `fun` with the others too.

    Raises:
      ValueError: `static_argnums` names an argument that was not passed.
    """
    numbers = [static_argnums] if isinstance(static_argnums, int) else [*static_argnums]
    names = {static_argnames} if isinstance(static_argnames, str) else {*static_argnames}
    static = set()
    for number in map(operator.index, numbers):
        if not -len(args) <= number < len(args):
            raise ValueError(
                f"{wrapper}: static_argnums has {number}, expected the position of an argument; {len(args)} were "
                f"passed by position."
            )
        static.add(number % len(args))
    if names:
        positions = list(inspect.signature(fun).parameters)
        static |= {i for i in range(len(args)) if i < len(positions) and positions[i] in names}
    traced = [arg for i, arg in enumerate(args) if i not in static]
    traced_kwargs = {name: value for name, value in kwargs.items() if name not in names}

    def call(arguments: tuple[list[Any], dict[str, Any]]) -> Any:
        rest = iter(arguments[0])
        merged = [args[i] if i in static else next(rest) for i in range(len(args))]
        return fun(*merged, **{name: value for name, value in kwargs.items() if name in names}, **arguments[1])

    return (traced, traced_kwargs), call
