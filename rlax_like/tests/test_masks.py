import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rlax_like as rlax

DATA, MASK = jnp.arange(6.0).reshape(2, 3), jnp.array([True, False])


def test_broadcasting_from_the_left():
    assert rlax.lhs_broadcast(MASK, DATA).shape == (2, 1)
    assert rlax.lhs_broadcast(1.0, DATA).shape == (1, 1)
    assert rlax.lhs_broadcast(jnp.ones([1, 3]), DATA).shape == (1, 3)
    assert rlax.lhs_broadcast(DATA, DATA).shape == (2, 3)


@pytest.mark.parametrize("mask", [MASK, jnp.array([1, 0]), np.array([-2.0, 0.0])])
def test_replacing(mask):
    np.testing.assert_array_equal(rlax.replace_masked(DATA, -DATA, mask), [[0, -1, -2], [3, 4, 5]])
    np.testing.assert_array_equal(rlax.replace_masked(DATA, None, mask), [[0, 0, 0], [3, 4, 5]])
    np.testing.assert_array_equal(rlax.replace_masked(DATA, 7, mask), [[7, 7, 7], [3, 4, 5]])
    np.testing.assert_array_equal(rlax.replace_masked(DATA, jnp.ones(3), mask), [[1, 1, 1], [3, 4, 5]])
    np.testing.assert_array_equal(jax.jit(rlax.replace_masked)(DATA, -DATA, mask), [[0, -1, -2], [3, 4, 5]])


def test_what_is_replaced_leaves_no_trace():
    data = DATA.at[0].set(jnp.nan)
    np.testing.assert_array_equal(rlax.replace_masked(data, None, MASK), [[0, 0, 0], [3, 4, 5]])
    gradient = jax.grad(lambda x: jnp.sum(rlax.replace_masked(x, None, MASK) ** 2))(data)
    np.testing.assert_array_equal(gradient, [[0, 0, 0], [6, 8, 10]])


def test_trees():
    tree = {"a": DATA, "b": jnp.array([1, 2])}
    out = rlax.tree_replace_masked(tree, {"a": -DATA, "b": jnp.array([8, 9])}, MASK)
    np.testing.assert_array_equal(out["a"], [[0, -1, -2], [3, 4, 5]])
    np.testing.assert_array_equal(out["b"], [8, 2])
    zeros = rlax.tree_replace_masked(tree, None, MASK)
    np.testing.assert_array_equal(zeros["b"], [0, 2])
    assert zeros["b"].dtype == jnp.int32


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: rlax.lhs_broadcast(jnp.ones(3), DATA), "source has shape (3,), expected the first axes of target"),
        (lambda: rlax.lhs_broadcast(DATA, MASK), "source has shape (2, 3), expected the first axes of target"),
        (
            lambda: rlax.replace_masked(DATA, None, jnp.ones(3)),
            "replace_masked: mask has shape (3,), expected the first",
        ),
        (lambda: rlax.replace_masked(DATA, jnp.ones(2), MASK), "replacement has shape (2,), expected (2, 3) like data"),
        (lambda: rlax.replace_masked(1.0, 2.0, MASK), "mask has shape (2,), expected the first axes of data"),
        (
            lambda: rlax.tree_replace_masked({"a": DATA}, 0, MASK),
            "tree_replace_masked: tree_replacement has the struct",
        ),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()
