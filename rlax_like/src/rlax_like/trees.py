"""Trees of arrays: choosing, mapping, splitting, transposing."""

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from rlax_like import _checks

if TYPE_CHECKING:
    from jaxtyping import ArrayLike, Bool


def tree_select(pred: "Bool[ArrayLike, '']", on_true: Any, on_false: Any) -> Any:
    """Returns one of two trees: `on_true` if `pred` holds, else `on_false`.

    Args:
      pred: One boolean, or a number that is true unless it is 0; it may be traced.
      on_true: A tree of arrays.
      on_false: A tree of the same structure, with arrays of the same shapes and dtypes.

    Returns:
      A tree of that structure.

    Raises:
      ValueError: `pred` is not a single value, or the trees differ in structure, shapes or dtypes.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> rlax.tree_select(True, {"w": jnp.array([1.0])}, {"w": jnp.array([2.0])})
      {'w': Array([1.], dtype=float32)}
    """
    return _select("tree_select", {"pred": pred}, {"on_true": on_true}, {"on_false": on_false})


def conditional_update(new_tensors: Any, old_tensors: Any, is_time: "Bool[ArrayLike, '']") -> Any:
    """Returns the new tree if it is time to update, else the old one.

    Args:
      new_tensors: A tree of arrays, such as the parameters of an online network.
      old_tensors: A tree of the same structure, with arrays of the same shapes and dtypes, such as those of a target
        network.
      is_time: One boolean; it may be traced.

    Returns:
      A tree of that structure.

    Raises:
      ValueError: `is_time` is not a single value, or the trees differ in structure, shapes or dtypes.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> rlax.conditional_update(jnp.array([1.0]), jnp.array([0.0]), is_time=False)
      Array([0.], dtype=float32)
    """
    trees = {"new_tensors": new_tensors}, {"old_tensors": old_tensors}
    return _select("conditional_update", {"is_time": is_time}, *trees)


def periodic_update(
    new_tensors: Any, old_tensors: Any, steps: "int | ArrayLike", update_period: "int | ArrayLike"
) -> Any:
    """Returns the new tree each `update_period` steps, from step 0 on, else the old one.

    Mnih et al. (2015), "Human-level control through deep reinforcement learning", for the target network.

    Args:
      new_tensors: A tree of arrays, such as the parameters of an online network.
      old_tensors: A tree of the same structure, with arrays of the same shapes and dtypes, such as those of a target
        network.
      steps: The number of the step; it may be traced.
      update_period: 1 or more. A traced one is not checked.

    Returns:
      A tree of that structure.

    Raises:
      ValueError: `update_period` is less than 1, `steps` is not a single number, or the trees differ in structure,
        shapes or dtypes.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> new, old = jnp.array(1.0), jnp.array(0.0)
      >>> [float(rlax.periodic_update(new, old, step, update_period=2)) for step in range(4)]
      [1.0, 0.0, 1.0, 0.0]
    """
    name = "periodic_update"
    _checks.within(name, lambda p: p >= 1, "1 or more", update_period=update_period)
    if jnp.shape(steps) or jnp.shape(update_period):
        raise ValueError(
            f"{name}: steps and update_period have the shapes {jnp.shape(steps)} and {jnp.shape(update_period)}, "
            f"expected a number each."
        )
    is_time = jnp.mod(jnp.asarray(steps), jnp.asarray(update_period)) == 0
    return _select(name, {"steps": is_time}, {"new_tensors": new_tensors}, {"old_tensors": old_tensors})


def tree_map_zipped(fn: Callable[..., Any], nests: Sequence[Any]) -> Any:
    """Returns the tree of `fn(leaf of the first, leaf of the second, ...)`, over trees of one structure.

    Args:
      fn: A function of as many leaves as there are trees.
      nests: The trees.

    Returns:
      A tree of the same structure; `nests` itself if it is empty.

    Raises:
      ValueError: the trees differ in structure.

    Example:
      >>> import rlax_like as rlax
      >>> rlax.tree_map_zipped(lambda x, y: x + y, [{"a": 1, "b": 2}, {"a": 10, "b": 20}])
      {'a': 11, 'b': 22}
    """
    if not nests:
        return nests
    for i, nest in enumerate(nests):
        _same_structure("tree_map_zipped", "nests[0]", nests[0], f"nests[{i}]", nest)
    return jax.tree.map(fn, *nests)


def tree_split_key(rng_key: jax.Array, tree_like: Any) -> tuple[jax.Array, Any]:
    """Returns a new key, and a tree with a key for each leaf of `tree_like`, all different.

    Args:
      rng_key: A key of `jax.random`, not to be used again.
      tree_like: A tree of the structure wanted.

    Returns:
      The key to go on with, and the tree of keys.

    Example:
      >>> import jax, rlax_like as rlax
      >>> key, keys = rlax.tree_split_key(jax.random.key(0), {"a": 0, "b": 0})
      >>> sorted(keys)
      ['a', 'b']
    """
    leaves, structure = jax.tree.flatten(tree_like)
    key, *keys = jax.random.split(rng_key, len(leaves) + 1)
    return key, structure.unflatten(keys)


def tree_split_leaves(tree_like: Any, axis: int = 0, keepdim: bool = False) -> tuple[Any, ...]:
    """Returns a tree for each position of an axis that all arrays of a tree have in common.

    Args:
      tree_like: A tree of arrays.
      axis: The axis, of the same size in each array.
      keepdim: Whether the axis stays, with size 1.

    Returns:
      Trees of the structure of `tree_like`; none if that has no leaves.

    Raises:
      ValueError: an array has no such axis, or the sizes differ.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> rlax.tree_split_leaves({"a": jnp.array([1, 2])})
      ({'a': Array(1, dtype=int32)}, {'a': Array(2, dtype=int32)})
    """
    name = "tree_split_leaves"
    leaves, structure = jax.tree.flatten(tree_like)
    leaves = [jnp.asarray(leaf) for leaf in leaves]
    sizes = {_size(name, leaf, axis) for leaf in leaves}
    if not leaves:
        return ()
    if len(sizes) > 1:
        raise ValueError(f"{name}: axis {axis} has the sizes {sorted(sizes)} in the arrays of tree_like, expected one.")
    take = functools.partial(jax.lax.index_in_dim, axis=axis, keepdims=keepdim)
    return tuple(structure.unflatten([take(leaf, i) for leaf in leaves]) for i in range(*sizes))


def tree_fn(fn: Callable[..., Any], **unmapped_kwargs: Any) -> Callable[..., Any]:
    """Returns `fn` as a function of trees: it is called for each leaf, and gives a tree.

    Args:
      fn: A function of leaves.
      unmapped_kwargs: Keyword arguments that each call gets as they are.

    Returns:
      A function of one or more trees of the same structure.

    Raises:
      ValueError: from the function, if the trees differ in structure.

    Example:
      >>> import rlax_like as rlax
      >>> add = rlax.tree_fn(lambda x, y, scale: scale * (x + y), scale=10)
      >>> add({"a": 1, "b": 2}, {"a": 3, "b": 4})
      {'a': 40, 'b': 60}
    """

    def mapped(tree: Any, *trees: Any) -> Any:
        for i, other in enumerate(trees):
            _same_structure("tree_fn", "the first tree", tree, f"tree {i + 2}", other)
        return jax.tree.map(functools.partial(fn, **unmapped_kwargs), tree, *trees)

    return mapped


def transpose_last_axis_to_first(tree: Any) -> Any:
    """Returns the tree with the last axis of each array moved to the front: `[*B, N]` becomes `[N, *B]`.

    Args:
      tree: A tree of arrays of one axis or more.

    Returns:
      A tree of the same structure.

    Raises:
      ValueError: an array has no axis.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> rlax.transpose_last_axis_to_first(jnp.zeros([2, 3, 4])).shape
      (4, 2, 3)
    """
    return _move("transpose_last_axis_to_first", tree, -1, 0)


def transpose_first_axis_to_last(tree: Any) -> Any:
    """Returns the tree with the first axis of each array moved to the end: `[N, *B]` becomes `[*B, N]`.

    Args:
      tree: A tree of arrays of one axis or more.

    Returns:
      A tree of the same structure.

    Raises:
      ValueError: an array has no axis.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> rlax.transpose_first_axis_to_last(jnp.zeros([4, 2, 3])).shape
      (2, 3, 4)
    """
    return _move("transpose_first_axis_to_last", tree, 0, -1)


def _move(name: str, tree: Any, source: int, destination: int) -> Any:
    def move(leaf: Any) -> jax.Array:
        _size(name, leaf, source)
        return jnp.moveaxis(leaf, source, destination)

    return jax.tree.map(move, tree)


def _size(name: str, leaf: Any, axis: int) -> int:
    shape = jnp.shape(leaf)
    if not -len(shape) <= axis < len(shape):
        raise ValueError(f"{name}: an array of the tree has shape {shape}, expected one with an axis {axis}.")
    return shape[axis]


def _select(name: str, which: dict[str, Any], on_true: dict[str, Any], on_false: dict[str, Any]) -> Any:
    """Each argument is given with its name, for the errors."""
    ((flag, condition),), ((first, chosen),), ((second, otherwise),) = (d.items() for d in (which, on_true, on_false))
    if jnp.shape(condition):
        raise ValueError(
            f"{name}: {flag} has shape {jnp.shape(condition)}, expected a single value. To choose element by element, "
            f"use jnp.where or tree_replace_masked."
        )
    _same_structure(name, first, chosen, second, otherwise)
    chosen, otherwise = (jax.tree.map(jnp.asarray, tree) for tree in (chosen, otherwise))
    for x, y in zip(jax.tree.leaves(chosen), jax.tree.leaves(otherwise), strict=True):
        if (x.shape, x.dtype) != (y.shape, y.dtype):
            raise ValueError(
                f"{name}: an array of {second} has shape {y.shape} and dtype {y.dtype}, expected {x.shape} and "
                f"{x.dtype} like that of {first}. Cast it, or reshape it."
            )
    condition = jnp.asarray(condition).astype(bool)
    return jax.tree.map(lambda x, y: jax.lax.select(condition, x, y), chosen, otherwise)


def _same_structure(name: str, like: str, expected: Any, argument: str, tree: Any) -> None:
    if jax.tree.structure(tree) != jax.tree.structure(expected):
        raise ValueError(
            f"{name}: {argument} has the structure {jax.tree.structure(tree)}, expected that of {like}, "
            f"{jax.tree.structure(expected)}."
        )
