"""Replacing elements where a mask of fewer axes says so."""

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

if TYPE_CHECKING:
    from jaxtyping import Array, ArrayLike, Shaped


def lhs_broadcast(source: "Shaped[ArrayLike, '*B']", target: "Shaped[ArrayLike, '*B *E']") -> "Shaped[Array, '*B ...']":
    """Returns `source` with axes of size 1 appended, so that it broadcasts to `target` from the left.

    Args:
      source: An array whose axes are the first ones of `target`, or of size 1.
      target: An array of as many axes or more.

    Returns:
      `source` with the number of axes of `target`.

    Raises:
      ValueError: the shapes do not fit.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> rlax.lhs_broadcast(jnp.array([1.0, 2.0]), jnp.zeros([2, 3])).shape
      (2, 1)
    """
    return _lhs_broadcast("lhs_broadcast", {"source": source}, {"target": target})


def replace_masked(
    data: "Shaped[ArrayLike, '*B *E']",
    replacement: "Shaped[ArrayLike, '*B *E'] | None",
    mask: "Shaped[ArrayLike, '*B']",
) -> "Shaped[Array, '*B *E']":
    """Returns `data`, with `replacement` in its place where `mask` holds.

    Args:
      data: Any array.
      replacement: An array of the same shape or one that broadcasts to it, or None for 0.
      mask: Booleans, or numbers that are true unless they are 0; its axes are the first ones of `data`.

    Returns:
      The shape of `data`, in the dtype that `data` and `replacement` promote to.

    Raises:
      ValueError: the shapes do not fit.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> rlax.replace_masked(jnp.array([[1, 2], [3, 4]]), None, jnp.array([True, False]))
      Array([[0, 0],
             [3, 4]], dtype=int32)
    """
    return _replace("replace_masked", data, replacement, mask)


def tree_replace_masked(tree_data: Any, tree_replacement: Any, mask: "Shaped[ArrayLike, '*B']") -> Any:
    """Returns a tree of arrays, with those of `tree_replacement` in their place where `mask` holds.

    Args:
      tree_data: A tree of arrays.
      tree_replacement: A tree of the same structure, as for `replace_masked`, or None for 0.
      mask: Booleans, or numbers that are true unless they are 0; its axes are the first ones of each array.

    Returns:
      A tree of that structure.

    Raises:
      ValueError: the structures or shapes do not fit.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> rlax.tree_replace_masked({"a": jnp.array([1, 2])}, None, jnp.array([True, False]))
      {'a': Array([0, 2], dtype=int32)}
    """
    name = "tree_replace_masked"
    if tree_replacement is None:
        return jax.tree.map(lambda data: _replace(name, data, None, mask), tree_data)
    if jax.tree.structure(tree_replacement) != jax.tree.structure(tree_data):
        raise ValueError(
            f"{name}: tree_replacement has the structure {jax.tree.structure(tree_replacement)}, expected that of "
            f"tree_data, {jax.tree.structure(tree_data)}, or None for 0."
        )
    return jax.tree.map(lambda data, new: _replace(name, data, new, mask), tree_data, tree_replacement)


def _replace(name: str, data: Any, replacement: Any, mask: Any) -> jax.Array:
    data = jnp.asarray(data)
    replacement = jnp.zeros((), data.dtype) if replacement is None else jnp.asarray(replacement)
    where = _lhs_broadcast(name, {"mask": mask}, {"data": data}).astype(bool)
    try:
        replacement = jnp.broadcast_to(replacement, data.shape)
    except ValueError:
        raise ValueError(
            f"{name}: replacement has shape {replacement.shape}, expected {data.shape} like data, or one that "
            f"broadcasts to it."
        ) from None
    return jnp.where(jnp.broadcast_to(where, data.shape), replacement, data)


def _lhs_broadcast(name: str, source: dict[str, Any], target: dict[str, Any]) -> jax.Array:
    """Each argument is given with its name, for the errors."""
    ((argument, x),), ((like, y),) = source.items(), target.items()
    x, shape = jnp.asarray(x), jnp.shape(y)
    if x.ndim > len(shape) or any(n not in (1, m) for n, m in zip(x.shape, shape, strict=False)):
        raise ValueError(
            f"{name}: {argument} has shape {x.shape}, expected the first axes of {like}, which has shape {shape}, or "
            f"size 1 in their place."
        )
    return x.reshape(x.shape + (1,) * (len(shape) - x.ndim))
