"""Averages over the replicas of a mapped axis: under `jax.vmap`, `jax.pmap` and `jax.shard_map` alike."""

from collections.abc import Hashable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def mean(where: str, x: jax.Array, axis_name: Hashable, groups: Sequence[Sequence[int]] | None = None) -> jax.Array:
    """Returns the mean of `x` over the replicas of an axis, or over those of each group.

    `where` is the module of which `axis_name` is the argument `cross_replica_axis`.
    """
    size = axis_size(where, axis_name)
    if groups is None:
        return jax.lax.pmean(x, axis_name)
    # Not psum's axis_index_groups, which jax.vmap and a checked shard_map refuse: each group sums in a row of its own.
    group_of = _group_of_each(where, groups, size)
    mine = jnp.asarray(group_of)[jax.lax.axis_index(axis_name)]
    rows = jnp.arange(len(groups)).reshape((-1,) + (1,) * x.ndim)
    sums = jax.lax.psum(jnp.where(rows == mine, x[None], 0), axis_name)
    counts = jnp.asarray(np.bincount(group_of), x.dtype)
    return jax.lax.dynamic_index_in_dim(sums, mine, keepdims=False) / counts[mine]


def total(where: str, x: jax.Array, axis_name: Hashable) -> jax.Array:
    """Returns the sum of `x` over the replicas of an axis."""
    axis_size(where, axis_name)
    return jax.lax.psum(x, axis_name)


def axis_size(where: str, axis_name: Any) -> int:
    """Returns the number of replicas; raises where no transform names the axis."""
    try:
        return jax.lax.psum(1, axis_name)
    except NameError:
        raise ValueError(
            f"{where}: cross_replica_axis is {axis_name!r}, expected the name of an axis that a transform around this "
            f"call maps. Run init and apply under jax.pmap, jax.vmap or jax.shard_map with axis_name={axis_name!r}, or "
            f"build the module with cross_replica_axis=None."
        ) from None


def _group_of_each(where: str, groups: Sequence[Sequence[int]], size: int) -> np.ndarray:
    members = [int(replica) for group in groups for replica in group]
    if sorted(members) != list(range(size)) or not all(len(group) for group in groups):
        raise ValueError(
            f"{where}: cross_replica_axis_index_groups is {groups}, expected each replica from 0 to {size - 1} in one "
            f"group, since the axis has {size} replicas. For two halves pass [[0, ..., n/2 - 1], [n/2, ..., n - 1]]."
        )
    group_of = np.empty(size, np.int32)
    for i, group in enumerate(groups):
        group_of[np.asarray(group)] = i
    return group_of
