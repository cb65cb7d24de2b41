"""What convolutions, pools and paddings are told once for all spatial axes, or once for each."""

import operator
from collections.abc import Iterable, Sequence
from typing import Any

Pairs = tuple[tuple[int, int], ...]


def integers(value: Any) -> tuple[int, ...] | None:
    """Returns one integer or several as a tuple, or None for anything else."""
    if isinstance(value, (bool, str)):
        return None
    try:
        return (operator.index(value),)
    except TypeError:
        pass
    try:
        return tuple(map(operator.index, value))
    except TypeError:
        return None


def per_axis(where: str, name: str, value: Any, count: int, minimum: int = 1) -> tuple[int, ...]:
    """Returns `count` integers, given one for all axes or a sequence of one for each."""
    sizes = integers(value)
    expected = f"expected an integer or a sequence of {count}, one for each spatial axis"
    if sizes is None:
        raise TypeError(f"{where}: {name} is {value!r} of type {type(value).__name__}, {expected}.")
    if len(sizes) not in (1, count):
        raise ValueError(f"{where}: {name} is {value!r}, {expected}.")
    if min(sizes, default=minimum) < minimum:
        raise ValueError(f"{where}: {name} is {value!r}, expected {minimum} or more along each axis.")
    return sizes * count if len(sizes) == 1 else sizes


def is_pad_function(padding: Any) -> bool:
    """Whether a padding is a function of the kernel's size, or a sequence of such functions."""
    return callable(padding) or (isinstance(padding, Sequence) and len(padding) > 0 and callable(padding[0]))


def pairs_from_functions(where: str, padding: Any, kernel: Sequence[int], rate: Sequence[int]) -> Pairs:
    """Returns what one function for all axes, or one for each, gives for a kernel spread by the rate."""
    functions = (padding,) if callable(padding) else tuple(padding) if isinstance(padding, Iterable) else ()
    if len(functions) not in (1, len(kernel)) or not all(map(callable, functions)):
        raise ValueError(
            f"{where}: padding is {padding!r}, expected a function such as hk.pad.same, or a sequence of "
            f"{len(kernel)}, one for each spatial axis."
        )
    return tuple(
        _pair_from_function(where, function, (size - 1) * step + 1)
        for function, size, step in zip(functions * (len(kernel) // len(functions)), kernel, rate, strict=True)
    )


def pairs(where: str, padding: Any, count: int, or_else: str = "") -> Pairs:
    """Returns `count` pairs, given one for all axes or a sequence of one for each.

    `or_else` tells the user what else the caller takes, such as `"'SAME', "`.
    """
    entries = tuple(padding) if isinstance(padding, Iterable) else ()
    if not any(isinstance(entry, Iterable) for entry in entries):
        entries = (padding,)
    found = tuple(pair for entry in entries if (pair := _pair(entry)) is not None)
    if len(found) != len(entries) or len(found) not in (1, count):
        raise ValueError(
            f"{where}: padding is {padding!r}, expected {or_else}a pair of integers, how much to pad before and "
            f"after, or a sequence of {count} such pairs, one for each spatial axis."
        )
    return found * count if len(found) == 1 else found


def pad_name(where: str, padding: str, names: Sequence[str]) -> str:
    """Returns the name of a padding in capitals."""
    if padding.upper() not in names:
        raise ValueError(f"{where}: padding is {padding!r}, expected one of {', '.join(map(repr, names))}.")
    return padding.upper()


def _pair_from_function(where: str, function: Any, effective_kernel_size: int) -> tuple[int, int]:
    returned = function(effective_kernel_size)
    pair = _pair(returned)
    if pair is None:
        raise TypeError(
            f"{where}: padding {getattr(function, '__name__', function)} returned {returned!r} for a kernel of size "
            f"{effective_kernel_size}, expected a pair of integers, how much to pad before and after."
        )
    return pair


def _pair(value: Any) -> tuple[int, int] | None:
    ends = integers(value)
    return (ends[0], ends[1]) if ends is not None and len(ends) == 2 else None
