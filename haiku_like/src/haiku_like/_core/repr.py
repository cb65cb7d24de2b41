"""How a module shows itself: as the call that built it."""

import inspect
from collections.abc import Callable
from typing import Any


def repr_of_call(name: str, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """Returns `name(argument=value, ...)` without the first argument, and without those that have their default.

    On one line where it fits, else a line for each argument.
    """
    signature = inspect.signature(function)
    try:
        bound = signature.bind(*args, **kwargs).arguments
    except TypeError:
        return f"{name}(...)"
    shown = []
    for argument, value in list(bound.items())[1:]:
        parameter = signature.parameters[argument]
        if parameter.kind is parameter.VAR_POSITIONAL:
            shown += map(repr, value)
        elif parameter.kind is parameter.VAR_KEYWORD:
            shown += [f"{key}={item!r}" for key, item in value.items()]
        elif not _is_default(value, parameter.default):
            shown.append(f"{argument}={value!r}")
    line = f"{name}({', '.join(shown)})"
    if len(line) <= 88 and "\n" not in line:
        return line
    indented = ("    " + text.replace("\n", "\n    ") + ",\n" for text in shown)
    return f"{name}(\n{''.join(indented)})"


def _is_default(value: Any, default: Any) -> bool:
    if value is default:
        return True
    if type(value) is not type(default):
        return False
    if isinstance(value, tuple):
        return len(value) == len(default) and all(map(_is_default, value, default))
    return isinstance(value, (int, float, str)) and value == default  # Comparing arrays would run a computation.
