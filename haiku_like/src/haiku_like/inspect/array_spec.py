"""`ArraySpec`: the shape and the dtype of an array, in the short form `f32[8,3]`."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import jax
import numpy as np


@dataclasses.dataclass(frozen=True)
class ArraySpec:
    """The shape and the dtype of an array; it shows as `f32[8,3]`.

    Attributes:
      shape: The shape.
      dtype: The dtype.

    Example:
      >>> import haiku_like as hk, jax.numpy as jnp
      >>> hk.experimental.ArraySpec((8, 3), jnp.dtype("bfloat16"))
      bf16[8,3]
    """

    shape: tuple[int, ...]
    dtype: Any

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """The number of bytes that the elements take."""
        return self.size * getattr(self.dtype, "itemsize", 0)

    def __repr__(self) -> str:
        return f"{short_dtype(self.dtype)}[{','.join(map(str, self.shape))}]"


# An unsigned or a signed integer, and a floating number, by how the names of their dtypes begin.
_SHORTER = (("uint", "u"), ("int", "s"), ("bfloat", "bf"), ("float", "f"), ("complex", "c"))


def short_dtype(dtype: Any) -> str:
    """Returns a dtype's name as XLA writes it, such as `f32`."""
    name = getattr(dtype, "name", str(dtype))
    for long, short in _SHORTER:
        if name.startswith(long):
            return short + name.removeprefix(long)
    return name


def type_text(operand: Any) -> str:
    """Returns the shape and the dtype of an operand of an equation, such as `f32[8,3]`."""
    aval = operand.aval
    return repr(ArraySpec(aval.shape, aval.dtype)) if hasattr(aval, "shape") else str(aval)


def is_array(leaf: Any) -> bool:
    """Whether JAX can compute with a value by its shape and dtype alone: an array of JAX or numpy, or a struct."""
    if isinstance(leaf, (np.ndarray, np.generic)):
        return leaf.dtype.kind not in "OSUMm"  # Not objects, text and times.
    return isinstance(leaf, (jax.Array, jax.ShapeDtypeStruct))


def specs(tree: Any) -> Any:
    """Returns the tree with an `ArraySpec` for each array; other leaves stay."""
    return jax.tree.map(lambda leaf: ArraySpec(leaf.shape, leaf.dtype) if is_array(leaf) else leaf, tree)


def split_arrays(args: Any, kwargs: Any) -> tuple[list[Any], Callable[[list[Any]], tuple[Any, Any]]]:
    """Splits arguments into arrays, which may be traced, and all else, which stays as Python has it.

    Returns:
      The arrays, and a function that returns `(args, kwargs)` with other arrays in their places.
    """
    leaves, tree = jax.tree.flatten((args, kwargs))
    places = [i for i, leaf in enumerate(leaves) if is_array(leaf)]

    def rebuilt(arrays: list[Any]) -> tuple[Any, Any]:
        filled = list(leaves)
        for i, array in zip(places, arrays, strict=True):
            filled[i] = array
        return jax.tree.unflatten(tree, filled)

    return [leaves[i] for i in places], rebuilt
