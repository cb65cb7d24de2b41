import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rlax_like as rlax

rewards_of = functools.partial(rlax.episodic_memory_intrinsic_rewards, num_neighbors=2, reward_scale=0.5)


def points(*shape, seed=0):
    return jnp.float32(np.random.default_rng(seed).normal(size=shape))


def by_loop(embeddings, memory, total, count, k=2, scale=0.5, constant=1e-3, epsilon=1e-4, cluster=8e-3, largest=8.0):
    """Badia et al. (2020), algorithm 1, with the mean over all distances so far."""
    squares = [sorted(np.sum((np.float64(m) - np.float64(x)) ** 2) for m in memory)[:k] for x in embeddings]
    total, count = total + np.sum(squares), count + sum(map(len, squares))
    out = []
    for row in squares:
        kernel = [epsilon / (max(d / (total / count) - cluster, 0) + epsilon) for d in row]
        similarity = np.sqrt(np.sum(kernel)) + constant
        out.append(0.0 if similarity > largest else scale / similarity)
    return out, total, count


def test_neighbors():
    data, queries = points(7, 3), points(2, 2, 3, seed=1)
    found = rlax.knn_query(data, queries, 3)
    distances = np.sum((np.float64(queries)[:, :, None] - np.float64(data)) ** 2, -1)
    np.testing.assert_array_equal(found.neighbor_indices, np.argsort(distances, -1)[..., :3])
    np.testing.assert_allclose(-found.neighbor_neg_distances, np.sort(distances, -1)[..., :3], rtol=1e-5)
    np.testing.assert_array_equal(found.neighbors, np.asarray(data)[found.neighbor_indices])
    assert rlax.knn_query(data, queries, 99).neighbor_indices.shape == (2, 2, 7)
    by_sum = rlax.knn_query(data, queries, 3, metric=lambda x, y: jnp.sum(jnp.abs(x - y)))
    distances = np.sum(np.abs(np.float64(queries)[:, :, None] - np.float64(data)), -1)
    np.testing.assert_array_equal(by_sum.neighbor_indices, np.argsort(distances, -1)[..., :3])


def test_distances_far_from_the_origin_do_not_cancel():
    data = jnp.array([[10_000.0], [10_001.0]])
    np.testing.assert_array_equal(rlax.knn_query(data, data[:1], 2).neighbor_neg_distances, [[0.0, -1.0]])


def test_agreement_with_a_loop():
    first, second, third = points(3, 2), points(4, 2, seed=1), points(2, 2, seed=2)
    out, state = rewards_of(first, max_memory_size=20)
    expected, total, count = by_loop(first, np.zeros([2, 2]), 0.0, 0)
    np.testing.assert_allclose(out, expected, rtol=1e-4)
    memory = [*first]
    for embeddings in (second, third):
        out, state = rewards_of(embeddings, intrinsic_reward_state=state)
        expected, total, count = by_loop(embeddings, memory, total, count)
        np.testing.assert_allclose(out, expected, rtol=1e-4)
        memory += [*embeddings]
    np.testing.assert_allclose(state.distance_sum, total, rtol=1e-5)
    assert state.distance_sum > 0
    assert (int(state.distance_count), int(state.next_memory_index)) == (count, 9)
    np.testing.assert_array_equal(state.memory[:9], jnp.stack(memory))
    assert np.all(np.isposinf(state.memory[9:]))


def test_fewer_in_memory_than_neighbors():
    _, state = rewards_of(points(1, 2), max_memory_size=5)
    out, new = rewards_of(points(2, 2, seed=1), num_neighbors=3, intrinsic_reward_state=state)
    assert np.all(np.isfinite(out))
    assert np.isfinite(new.distance_sum)
    # One neighbour for each of two.
    assert int(new.distance_count - state.distance_count) == 2


def test_what_is_known_gives_less_than_what_is_new():
    seen = points(10, 2)
    _, state = rewards_of(seen, max_memory_size=20)
    out, _ = rewards_of(jnp.concatenate([seen[:1], seen[:1] + 5]), intrinsic_reward_state=state)
    assert 10 * out[0] < out[1]
    same, _ = rewards_of(jnp.ones([1, 2]), intrinsic_reward_state=rewards_of(jnp.ones([9, 2]), max_memory_size=9)[1])
    np.testing.assert_allclose(same, 0.5 / (np.sqrt(2) + 1e-3), rtol=1e-5)
    none, _ = rewards_of(seen[:1], intrinsic_reward_state=state, max_similarity=0.5)
    assert none[0] == 0.0
    # All distances 0, which have no mean to be divided by.
    zero, _ = rewards_of(jnp.zeros([3, 2]), constant=0.0)
    np.testing.assert_allclose(zero, np.full(3, 0.5 / np.sqrt(2)), rtol=1e-6)


def test_a_full_memory_forgets_the_oldest():
    x = points(7, 2)
    _, state = rewards_of(x[:2], max_memory_size=3)
    _, state = rewards_of(x[2:4], intrinsic_reward_state=state)
    np.testing.assert_array_equal(state.memory, x[jnp.array([3, 1, 2])])
    # More at once than it holds: the last ones stay.
    _, state = rewards_of(x, max_memory_size=3)
    np.testing.assert_array_equal(jnp.sort(state.memory, 0), jnp.sort(x[4:], 0))
    assert int(state.next_memory_index) == 1


def test_under_scan_and_vmap():
    x = points(2, 5, 3, 2)  # batch, calls, steps, size
    _, state = rewards_of(x[0, 0], max_memory_size=8)

    def episode(calls):
        return jax.lax.scan(lambda s, e: rewards_of(e, intrinsic_reward_state=s)[::-1], state, calls)[1]

    out = jax.jit(jax.vmap(episode))(x)
    for b in range(2):
        s = state
        for i in range(5):
            one, s = rewards_of(x[b, i], intrinsic_reward_state=s)
            np.testing.assert_allclose(out[b, i], one, rtol=1e-4)


def test_errors():
    with pytest.raises(ValueError, match=re.escape("knn_query: query_points has shape (3,), expected [*Q, 2]")):
        rlax.knn_query(jnp.ones([4, 2]), jnp.ones(3), 1)
    with pytest.raises(ValueError, match="knn_query: num_neighbors is -1, expected 0 or more"):
        rlax.knn_query(jnp.ones([4, 2]), jnp.ones(2), -1)
    with pytest.raises(ValueError, match="num_neighbors is 0, expected 1 or more"):
        rewards_of(jnp.ones([4, 2]), num_neighbors=0)
    with pytest.raises(ValueError, match=re.escape("embeddings has shape (2,), expected (T, D)")):
        rewards_of(jnp.ones(2))
    _, state = rewards_of(jnp.ones([4, 2]), max_memory_size=5)
    message = "intrinsic_reward_state.memory has shape (5, 2), expected (M, 3) like embeddings"
    with pytest.raises(ValueError, match=re.escape(message)):
        rewards_of(jnp.ones([4, 3]), intrinsic_reward_state=state)
