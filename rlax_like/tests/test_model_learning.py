import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rlax_like as rlax

TRAJECTORIES = jnp.arange(48.0).reshape(6, 2, 4)
STARTS = jnp.array([[0, 3, 1], [2, 2, 3]])


def test_agreement_with_a_loop():
    out = rlax.extract_subsequences(TRAJECTORIES, STARTS, 3)
    assert out.shape == (3, 2, 3, 4)
    for step, b, n in np.ndindex(3, 2, 3):
        np.testing.assert_array_equal(out[step, b, n], TRAJECTORIES[STARTS[b, n] + step, b])


def test_a_tree_and_any_batch():
    tree = {"x": TRAJECTORIES, "y": TRAJECTORIES[..., 0].astype(jnp.int32)}
    out = rlax.extract_subsequences(tree, STARTS, 2)
    assert {k: (v.shape, v.dtype.name) for k, v in out.items()} == {
        "x": ((2, 2, 3, 4), "float32"),
        "y": ((2, 2, 3), "int32"),
    }
    np.testing.assert_array_equal(out["y"], out["x"][..., 0])
    # No batch, and one of two axes.
    one = rlax.extract_subsequences(TRAJECTORIES[:, 0], STARTS[0], 2)
    np.testing.assert_array_equal(one, out["x"][:, 0])
    two = rlax.extract_subsequences(TRAJECTORIES[:, None], STARTS[None], 2)
    np.testing.assert_array_equal(two, out["x"][:, None])


def test_traced_starts_beyond_the_end_repeat_the_last_step():
    extract = jax.jit(lambda starts: rlax.extract_subsequences(TRAJECTORIES, starts, 3))
    np.testing.assert_array_equal(extract(STARTS), rlax.extract_subsequences(TRAJECTORIES, STARTS, 3))
    np.testing.assert_array_equal(extract(STARTS + 2)[:, 0, 1], TRAJECTORIES[jnp.array([5, 5, 5]), 0])
    assert rlax.extract_subsequences(TRAJECTORIES, STARTS, 0).shape == (0, 2, 3, 4)


def test_starts_are_different_and_equally_likely():
    starts = rlax.sample_start_indices(jax.random.key(0), 3000, 3, 4)
    assert starts.shape == (3000, 3)
    assert all(len(set(row)) == 3 for row in np.asarray(starts).tolist())
    for column in np.asarray(starts).T:
        np.testing.assert_allclose(np.bincount(column, minlength=5) / 3000, np.full(5, 0.2), atol=0.03)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: rlax.extract_subsequences(TRAJECTORIES, STARTS, 4), "start_indices has elements outside 0 to 2"),
        (lambda: rlax.extract_subsequences(TRAJECTORIES, STARTS - 1, 1), "start_indices has elements outside 0 to 5"),
        (lambda: rlax.extract_subsequences(TRAJECTORIES, STARTS, 2, 5), "max_valid_start_idx is 5, expected at most 4"),
        (lambda: rlax.extract_subsequences(TRAJECTORIES, STARTS, -1), "subsequence_len is -1, expected 0 or more"),
        (
            lambda: rlax.extract_subsequences(TRAJECTORIES, STARTS[:1]),
            "an array of trajectories has shape (6, 2, 4), expected [T, *B, ...] with *B = (1,)",
        ),
        (
            lambda: rlax.sample_start_indices(jax.random.key(0), 2, 4, 2),
            "sample_start_indices: num_start_indices is 4, expected at most 3",
        ),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()


def test_starts_are_integers():
    with pytest.raises(TypeError, match="extract_subsequences: start_indices must be an integer array"):
        rlax.extract_subsequences(TRAJECTORIES, jnp.ones([2, 3]))
