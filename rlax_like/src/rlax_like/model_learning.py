"""Pieces of trajectories, from which a model of the environment learns."""

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from rlax_like import _checks
from rlax_like._shapes import fit

if TYPE_CHECKING:
    from jaxtyping import Array, ArrayLike, Int


def extract_subsequences(
    trajectories: Any,
    start_indices: "Int[ArrayLike, '*B N']",
    subsequence_len: int = 1,
    max_valid_start_idx: int | None = None,
) -> Any:
    """Returns pieces of trajectories: `out[l, b, n] = trajectories[start_indices[b, n] + l, b]`.

    Args:
      trajectories: A tree of arrays, `[T, *B, ...]` each.
      start_indices: Where pieces start, integers `[*B, N]`, at most `T - subsequence_len`. A traced one is not checked:
        a piece that goes beyond the end repeats the last step.
      subsequence_len: The number `L` of steps in each piece, 0 or more.
      max_valid_start_idx: The largest possible start, so that traced ones can be checked to be safe; None if unknown.

    Returns:
      A tree of the same structure, `[L, *B, N, ...]` each.

    Raises:
      TypeError: `start_indices` is not of an integer dtype.
      ValueError: the shapes do not fit, or a piece goes beyond the end.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> trajectories = jnp.array([[0.0], [1.0], [2.0], [3.0]])  # [T, B]
      >>> rlax.extract_subsequences(trajectories, jnp.array([[0, 2]]), subsequence_len=2)
      Array([[[0., 2.]],
             [[1., 3.]]], dtype=float32)
    """
    name = "extract_subsequences"
    (starts,) = _checks.integers(name, start_indices=start_indices)
    fit(name, start_indices=(starts, "*B N"))
    if subsequence_len < 0:
        raise ValueError(f"{name}: subsequence_len is {subsequence_len}, expected 0 or more.")
    batch = starts.shape[:-1]
    steps = jnp.arange(subsequence_len).reshape(-1, 1, 1)
    # One axis of batch, whatever it was.
    indices = starts.reshape(1, -1, starts.shape[-1]) + steps

    def extract(leaf: Any) -> jax.Array:
        leaf = jnp.asarray(leaf)
        if leaf.shape[1 : 1 + len(batch)] != batch or leaf.ndim < 1 + len(batch):
            raise ValueError(
                f"{name}: an array of trajectories has shape {leaf.shape}, expected [T, *B, ...] with *B = {batch}, "
                f"the batch of start_indices of shape {starts.shape}."
            )
        largest = leaf.shape[0] - subsequence_len
        if max_valid_start_idx is not None and max_valid_start_idx > largest:
            raise ValueError(
                f"{name}: max_valid_start_idx is {max_valid_start_idx}, expected at most {largest}: pieces of "
                f"{subsequence_len} steps from trajectories of {leaf.shape[0]}."
            )
        if not _checks.holds(lambda s: (s >= 0) & (s <= largest), start_indices):
            raise ValueError(
                f"{name}: start_indices has elements outside 0 to {largest}, the starts of pieces of {subsequence_len} "
                f"steps in trajectories of {leaf.shape[0]}."
            )
        flat = leaf.reshape(leaf.shape[0], -1, *leaf.shape[1 + len(batch) :])
        pieces = jax.vmap(lambda x, i: x.at[i].get(mode="clip"), in_axes=(1, 1), out_axes=1)(flat, indices)
        return pieces.reshape(subsequence_len, *starts.shape, *flat.shape[2:])

    return jax.tree.map(extract, trajectories)


def sample_start_indices(
    rng_key: jax.Array, batch_size: int, num_start_indices: int, max_valid_start_idx: int
) -> "Int[Array, 'B N']":
    """Returns for each trajectory of a batch where pieces start, all different and equally likely.

    Args:
      rng_key: A key of `jax.random`.
      batch_size: The number `B` of trajectories.
      num_start_indices: The number `N` of pieces of each.
      max_valid_start_idx: The largest start; there are one more to choose from.

    Returns:
      Integers from 0 to `max_valid_start_idx`, `[B, N]`.

    Raises:
      ValueError: there are fewer starts than pieces.

    Example:
      >>> import jax, rlax_like as rlax
      >>> starts = rlax.sample_start_indices(jax.random.key(0), 2, 3, max_valid_start_idx=2)
      >>> starts.sort()
      Array([[0, 1, 2],
             [0, 1, 2]], dtype=int32)
    """
    name = "sample_start_indices"
    if num_start_indices > max_valid_start_idx + 1:
        raise ValueError(
            f"{name}: num_start_indices is {num_start_indices}, expected at most {max_valid_start_idx + 1}, the number "
            f"of different starts from 0 to max_valid_start_idx = {max_valid_start_idx}."
        )
    shape = (num_start_indices,)
    keys = jax.random.split(rng_key, batch_size)
    return jax.vmap(lambda key: jax.random.choice(key, max_valid_start_idx + 1, shape, replace=False))(keys)
