"""Rewards for what is new within an episode, from a memory of what was seen in it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from rlax_like import _checks
from rlax_like._precision import wide_reals, widen
from rlax_like._records import Record, record
from rlax_like._shapes import fit

if TYPE_CHECKING:
    from jaxtyping import Array, ArrayLike, Float, Int, Real, Shaped


@record
class KNNQueryResult(Record):
    """The nearest neighbours of some points, the nearest first.

    Attributes:
      neighbors: The neighbours, `[*Q, k, D]`.
      neighbor_indices: Their rows in the data, `[*Q, k]`.
      neighbor_neg_distances: Minus their distances, `[*Q, k]`.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> rlax.knn_query(jnp.array([[0.0], [3.0]]), jnp.array([[1.0]]), num_neighbors=1).neighbor_indices
      Array([[0]], dtype=int32)
    """

    neighbors: "Shaped[Array, '*Q k D']"
    neighbor_indices: "Int[Array, '*Q k']"
    neighbor_neg_distances: "Float[Array, '*Q k']"


@record
class IntrinsicRewardState(Record):
    """What `episodic_memory_intrinsic_rewards` remembers.

    Attributes:
      memory: Embeddings seen, `[max_memory_size, D]`; rows not yet used are infinite.
      next_memory_index: The row that the next embedding goes to.
      distance_sum: The sum of the squared distances to neighbours.
      distance_count: How many there were.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> _, state = rlax.episodic_memory_intrinsic_rewards(jnp.ones([2, 3]), 1, 1.0, max_memory_size=5)
      >>> state.memory.shape, int(state.next_memory_index)
      ((5, 3), 2)
    """

    memory: "Float[Array, 'M D']"
    next_memory_index: "Int[ArrayLike, '']"
    distance_sum: "Float[Array, '']"
    distance_count: "Int[ArrayLike, '']"


def _sqeuclidian(x: jax.Array, y: jax.Array) -> jax.Array:
    return jnp.sum(jnp.square(x - y))


def knn_query(
    data: "Real[ArrayLike, 'N D']",
    query_points: "Real[ArrayLike, '*Q D']",
    num_neighbors: int,
    metric: Callable[[jax.Array, jax.Array], jax.Array] = _sqeuclidian,
) -> KNNQueryResult:
    """Returns the rows of `data` that are nearest to each point, by comparing it with all of them.

    Args:
      data: Points, `[N, D]`.
      query_points: Points, `[*Q, D]`.
      num_neighbors: How many neighbours, 0 or more; no more than `N` are found.
      metric: The distance of two points, of the shape `[D]` each; the squared Euclidean one by default.

    Returns:
      The neighbours, the nearest first; of equal ones, the lower row.

    Raises:
      TypeError: an argument is not real.
      ValueError: the shapes do not fit, or `num_neighbors` is negative.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> found = rlax.knn_query(jnp.array([[0.0], [3.0], [10.0]]), jnp.array([2.0]), num_neighbors=2)
      >>> found.neighbor_indices, found.neighbor_neg_distances
      (Array([1, 0], dtype=int32), Array([-1., -4.], dtype=float32))
    """
    name = "knn_query"
    data, query_points = _checks.reals(name, data=data, query_points=query_points)
    fit(name, data=(data, "N D"), query_points=(query_points, "*Q D"))
    if num_neighbors < 0:
        raise ValueError(f"{name}: num_neighbors is {num_neighbors}, expected 0 or more.")
    queries = query_points.reshape(-1, query_points.shape[-1])
    distances = jax.vmap(lambda query: jax.vmap(lambda row: metric(widen(row), widen(query)))(data))(queries)
    negative, rows = jax.lax.top_k(-distances, min(num_neighbors, data.shape[0]))
    shape = (*query_points.shape[:-1], rows.shape[-1])
    rows = rows.reshape(shape)
    return KNNQueryResult(
        neighbors=data[rows], neighbor_indices=rows, neighbor_neg_distances=negative.reshape(shape).astype(data.dtype)
    )


def episodic_memory_intrinsic_rewards(
    embeddings: "Real[ArrayLike, 'T D']",
    num_neighbors: int,
    reward_scale: "Real[ArrayLike, '']",
    intrinsic_reward_state: IntrinsicRewardState | None = None,
    constant: "Real[ArrayLike, '']" = 1e-3,
    epsilon: "Real[ArrayLike, '']" = 1e-4,
    cluster_distance: "Real[ArrayLike, '']" = 8e-3,
    max_similarity: "Real[ArrayLike, '']" = 8.0,
    max_memory_size: int = 30_000,
) -> "tuple[Float[Array, 'T'], IntrinsicRewardState]":
    """Returns rewards for embeddings that are far from those in memory, and the memory with them.

    With the squared distances `d_k` of an embedding to its nearest neighbours in memory, and their mean `m` over all
    embeddings so far: `similarity = sqrt(Σ_k K(d_k / m)) + constant`, `K(d) = ε / (max(d - cluster_distance, 0) + ε)`,
    and the reward is `reward_scale / similarity`, or 0 above `max_similarity`. Embeddings of one call are not compared
    with each other. Badia et al. (2020), "Never give up", arXiv:2002.06038, algorithm 1.

    Args:
      embeddings: Embeddings of `T` steps, `[T, D]`.
      num_neighbors: How many neighbours count, 1 or more; of a memory that holds fewer, all.
      reward_scale: A factor of the rewards, a number.
      intrinsic_reward_state: The memory, or None for a new one, at the start of an episode. A first call compares with
        the origin instead.
      constant: Keeps the reward finite where nothing is similar, a number.
      epsilon: `ε`, a number.
      cluster_distance: The normalised distance below which points are the same, a number.
      max_similarity: The similarity above which there is no reward, a number.
      max_memory_size: How many embeddings a new memory holds; then the oldest are replaced.

    Returns:
      Rewards `[T]`, in the dtype that the floating arguments promote to, and the memory with the embeddings.

    Raises:
      TypeError: an argument is not real.
      ValueError: the shapes do not fit, or a count is less than 1.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> seen, new = jnp.array([[1.0, 0.0], [0.0, 1.0]]), jnp.array([[1.0, 0.0], [5.0, 5.0]])
      >>> _, state = rlax.episodic_memory_intrinsic_rewards(seen, 1, 1.0)
      >>> rewards, state = rlax.episodic_memory_intrinsic_rewards(new, 1, 1.0, state)
      >>> bool(rewards[0] < rewards[1])
      True
    """
    name = "episodic_memory_intrinsic_rewards"
    for argument, value in (("num_neighbors", num_neighbors), ("max_memory_size", max_memory_size)):
        if value < 1:
            raise ValueError(f"{name}: {argument} is {value}, expected 1 or more.")
    numbers = {"reward_scale": reward_scale, "constant": constant, "epsilon": epsilon}
    numbers |= {"cluster_distance": cluster_distance, "max_similarity": max_similarity}
    dtype, (points, *settings) = wide_reals(name, embeddings=embeddings, **numbers)
    fit(name, embeddings=(points, "T D"), **{n: (x, "") for n, x in zip(numbers, settings, strict=True)})
    scale, constant, epsilon, cluster_distance, max_similarity = settings
    size = points.shape[-1]
    if intrinsic_reward_state is None:
        known = jnp.zeros((num_neighbors, size), points.dtype)
        state = IntrinsicRewardState(
            memory=jnp.full((max_memory_size, size), jnp.inf, points.dtype),
            next_memory_index=jnp.zeros((), jnp.int32),
            distance_sum=jnp.zeros((), points.dtype),
            distance_count=jnp.zeros((), jnp.int32),
        )
    else:
        state = intrinsic_reward_state
        known = jnp.asarray(state.memory)
        fit(name, embeddings=(points, "T D"), **{"intrinsic_reward_state.memory": (known, "M D")})
    distances = -knn_query(known.astype(points.dtype), points, num_neighbors).neighbor_neg_distances
    is_used = jnp.isfinite(distances)
    distance_sum = state.distance_sum + jnp.sum(jnp.where(is_used, distances, 0))
    distance_count = state.distance_count + jnp.sum(is_used, dtype=jnp.int32)
    # If all distances were 0, so are the normalised ones.
    normalized = jnp.where(is_used, distances, 0) * distance_count / jnp.where(distance_sum > 0, distance_sum, 1)
    kernel = jnp.where(is_used, epsilon / (jnp.maximum(normalized - cluster_distance, 0) + epsilon), 0)
    similarity = jnp.sqrt(jnp.sum(kernel, axis=-1)) + constant
    rewards = jnp.where(similarity > max_similarity, 0, scale / similarity)
    return rewards.astype(dtype), _insert(state, points, distance_sum, distance_count)


def _insert(
    state: IntrinsicRewardState, points: jax.Array, distance_sum: Any, distance_count: Any
) -> IntrinsicRewardState:
    memory = jnp.asarray(state.memory)
    capacity, number, next_index = memory.shape[0], points.shape[0], jnp.asarray(state.next_memory_index)
    # More than it holds would write to a row twice, in an order that nothing determines.
    kept = points[max(0, number - capacity) :]
    rows = (next_index + number - kept.shape[0] + jnp.arange(kept.shape[0])) % capacity
    return IntrinsicRewardState(
        memory=memory.at[rows].set(kept.astype(memory.dtype)),
        next_memory_index=jnp.asarray((next_index + number) % capacity, jnp.int32),
        distance_sum=distance_sum,
        distance_count=distance_count,
    )
