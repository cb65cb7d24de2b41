"""How much to pad each spatial axis, as functions of the kernel's size.

`hk.Conv2D(..., padding=hk.pad.causal)` and its kin call such a function once for each spatial axis, with the effective
size of the kernel along it: `(size - 1) * rate + 1`, the span of a kernel whose elements lie `rate` apart.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from haiku_like import _spatial

__all__ = [
    "PadFn",
    "causal",
    "create",
    "create_from_padfn",
    "create_from_tuple",
    "full",
    "is_padfn",
    "reverse_causal",
    "same",
    "valid",
]

PadFn: TypeAlias = Callable[[int], tuple[int, int]]
"""A function of the effective kernel size that returns how much to pad before and after."""


def valid(effective_kernel_size: int) -> tuple[int, int]:
    """Pads nothing: the kernel stays within the input, and `size - 1` outputs are lost.

    Example:
      >>> import haiku_like as hk
      >>> hk.pad.valid(3)
      (0, 0)
    """
    del effective_kernel_size
    return (0, 0)


def same(effective_kernel_size: int) -> tuple[int, int]:
    """Pads both sides alike, so that with stride 1 the output has the size of the input.

    Of an odd sum of padding, the greater half comes after.

    Example:
      >>> import haiku_like as hk
      >>> hk.pad.same(3), hk.pad.same(4)
      ((1, 1), (1, 2))
    """
    return ((effective_kernel_size - 1) // 2, effective_kernel_size // 2)


def full(effective_kernel_size: int) -> tuple[int, int]:
    """Pads so that each output whose kernel meets any input is kept: `size - 1` on both sides.

    Example:
      >>> import haiku_like as hk
      >>> hk.pad.full(3)
      (2, 2)
    """
    return (effective_kernel_size - 1, effective_kernel_size - 1)


def causal(effective_kernel_size: int) -> tuple[int, int]:
    """Pads before, so that an output depends on its own place and the `size - 1` before it alone.

    Example:
      >>> import haiku_like as hk
      >>> hk.pad.causal(3)
      (2, 0)
    """
    return (effective_kernel_size - 1, 0)


def reverse_causal(effective_kernel_size: int) -> tuple[int, int]:
    """Pads after, so that an output depends on its own place and the `size - 1` after it alone.

    Example:
      >>> import haiku_like as hk
      >>> hk.pad.reverse_causal(3)
      (0, 2)
    """
    return (0, effective_kernel_size - 1)


def is_padfn(padding: Any) -> bool:
    """Whether `padding` is a function, or a sequence that begins with one.

    Example:
      >>> import haiku_like as hk
      >>> hk.pad.is_padfn([hk.pad.same, hk.pad.causal]), hk.pad.is_padfn((1, 1))
      (True, False)
    """
    return _spatial.is_pad_function(padding)


def create(
    padding: PadFn | Sequence[PadFn] | tuple[int, int] | Sequence[tuple[int, int]],
    kernel: int | Sequence[int],
    rate: int | Sequence[int],
    n: int,
) -> tuple[tuple[int, int], ...]:
    """Returns how much to pad each of `n` axes, given functions or numbers.

    Args:
      padding: As for `create_from_padfn` or for `create_from_tuple`.
      kernel: The kernel's size along each axis, or one for all.
      rate: How far apart the kernel's elements lie along each axis, or one for all.
      n: The number of spatial axes.

    Raises:
      TypeError: `kernel` or `rate` holds other things than integers, or a function returns no pair of them.
      ValueError: `padding`, `kernel` or `rate` is neither one for all axes nor one for each.

    Example:
      >>> import haiku_like as hk
      >>> hk.pad.create([hk.pad.causal, hk.pad.same], kernel=3, rate=(2, 1), n=2)
      ((4, 0), (1, 1))
      >>> hk.pad.create((1, 2), kernel=3, rate=1, n=2)
      ((1, 2), (1, 2))
    """
    if is_padfn(padding):
        return _create_from_padfn("pad.create", padding, kernel, rate, n)
    return _spatial.pairs("pad.create", padding, n)


def create_from_padfn(
    padding: PadFn | Sequence[PadFn], kernel: int | Sequence[int], rate: int | Sequence[int], n: int
) -> tuple[tuple[int, int], ...]:
    """Returns how much to pad each of `n` axes, by functions of the effective kernel size.

    Args:
      padding: A function for all axes, or a sequence of one for each.
      kernel: The kernel's size along each axis, or one for all.
      rate: How far apart the kernel's elements lie along each axis, or one for all.
      n: The number of spatial axes.

    Raises:
      TypeError: `kernel` or `rate` holds other things than integers, or a function returns no pair of them.
      ValueError: `padding`, `kernel` or `rate` is neither one for all axes nor one for each.

    Example:
      >>> import haiku_like as hk
      >>> hk.pad.create_from_padfn(hk.pad.same, kernel=(3, 5), rate=1, n=2)
      ((1, 1), (2, 2))
    """
    return _create_from_padfn("pad.create_from_padfn", padding, kernel, rate, n)


def create_from_tuple(padding: tuple[int, int] | Sequence[tuple[int, int]], n: int) -> tuple[tuple[int, int], ...]:
    """Returns how much to pad each of `n` axes, given one pair for all or one for each.

    Raises:
      ValueError: `padding` is neither a pair of integers nor a sequence of one or `n` such pairs.

    Example:
      >>> import haiku_like as hk
      >>> hk.pad.create_from_tuple((1, 2), 2), hk.pad.create_from_tuple([(1, 2), (3, 4)], 2)
      (((1, 2), (1, 2)), ((1, 2), (3, 4)))
    """
    return _spatial.pairs("pad.create_from_tuple", padding, n)


def _create_from_padfn(where: str, padding: Any, kernel: Any, rate: Any, n: int) -> tuple[tuple[int, int], ...]:
    kernel = _spatial.per_axis(where, "kernel", kernel, n)
    rate = _spatial.per_axis(where, "rate", rate, n)
    return _spatial.pairs_from_functions(where, padding, kernel, rate)
