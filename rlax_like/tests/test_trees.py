import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rlax_like as rlax

X = {"a": jnp.array([1.0, 2.0]), "b": (jnp.array([3, 4]), None)}
Y = jax.tree.map(lambda x: -x, X)


def assert_same(actual, expected):
    assert jax.tree.structure(actual) == jax.tree.structure(expected)
    for a, b in zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("flag", [True, False, 1, 0, np.bool_(True), jnp.array(False)])
def test_choosing(flag):
    expected = X if flag else Y
    assert_same(rlax.tree_select(flag, X, Y), expected)
    assert_same(jax.jit(rlax.tree_select)(flag, X, Y), expected)
    assert_same(rlax.conditional_update(X, Y, flag), expected)


def test_keys_may_be_chosen():
    a, b = jax.random.key(0), jax.random.key(1)
    assert jax.random.key_data(rlax.tree_select(True, a, b)).tolist() == jax.random.key_data(a).tolist()


def test_periodic_update():
    update = jax.jit(rlax.periodic_update)
    for step in range(7):
        assert_same(update(X, Y, step, 3), X if step % 3 == 0 else Y)
        assert_same(rlax.periodic_update(X, Y, jnp.array(step), 3), X if step % 3 == 0 else Y)


def test_mapping():
    assert rlax.tree_map_zipped(lambda x, y, z: x + y * z, [{"a": 1}, {"a": 2}, {"a": 3}]) == {"a": 7}
    assert rlax.tree_map_zipped(lambda x: x, []) == []
    shifted = rlax.tree_fn(lambda x, y, by: x + y + by, by=10)
    assert shifted({"a": 1, "b": [2]}, {"a": 3, "b": [4]}) == {"a": 14, "b": [16]}


def test_splitting_keys():
    key, keys = rlax.tree_split_key(jax.random.PRNGKey(0), X)
    assert jax.tree.structure(keys) == jax.tree.structure(X)
    everything = np.stack([key, *jax.tree.leaves(keys)])
    np.testing.assert_array_equal(everything, jax.random.split(jax.random.PRNGKey(0), 3))
    new, _ = rlax.tree_split_key(jax.random.key(0), X)
    assert jnp.issubdtype(new.dtype, jax.dtypes.prng_key)


def test_splitting_leaves():
    tree = {"a": jnp.arange(6).reshape(2, 3), "b": jnp.arange(2.0)}
    first, second = rlax.tree_split_leaves(tree)
    assert_same(second, {"a": jnp.array([3, 4, 5]), "b": jnp.float32(1.0)})
    assert_same(rlax.tree_split_leaves(tree, keepdim=True)[0], {"a": tree["a"][:1], "b": tree["b"][:1]})
    assert_same(rlax.tree_split_leaves({"a": tree["a"]}, axis=-1)[2], {"a": jnp.array([2, 5])})
    assert rlax.tree_split_leaves({}) == ()
    stacked = rlax.tree_map_zipped(lambda *x: jnp.stack(x), [first, second])
    assert_same(stacked, tree)


def test_transposing():
    tree = {"a": jnp.arange(24).reshape(2, 3, 4), "b": jnp.arange(2)}
    last = rlax.transpose_last_axis_to_first(tree)
    assert jax.tree.map(jnp.shape, last) == {"a": (4, 2, 3), "b": (2,)}
    assert_same(rlax.transpose_first_axis_to_last(last), tree)


ONE, TWO = {"a": jnp.ones(2)}, {"a": jnp.ones(3)}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: rlax.tree_select(jnp.array([True, False]), ONE, ONE),
            "pred has shape (2,), expected a single value. To",
        ),
        (
            lambda: rlax.tree_select(True, ONE, TWO),
            "an array of on_false has shape (3,) and dtype float32, expected (2,)",
        ),
        (lambda: rlax.conditional_update(ONE, {"b": 1}, True), "conditional_update: old_tensors has the structure"),
        (
            lambda: rlax.conditional_update(ONE, {"a": jnp.ones(2, int)}, True),
            "conditional_update: an array of old_tensors has shape (2,) and dtype int32",
        ),
        (lambda: rlax.periodic_update(ONE, ONE, 3, 0), "periodic_update: update_period is 0, expected 1 or more"),
        (lambda: rlax.periodic_update(ONE, ONE, jnp.ones(2), 1), "steps and update_period have the shapes (2,) and ()"),
        (lambda: rlax.tree_map_zipped(max, [{"a": 1}, {"b": 1}]), "tree_map_zipped: nests[1] has the structure"),
        (lambda: rlax.tree_fn(max)({"a": 1}, {"b": 1}), "tree_fn: tree 2 has the structure"),
        (
            lambda: rlax.tree_split_leaves({"a": jnp.ones(2), "b": jnp.ones(3)}),
            "axis 0 has the sizes [2, 3] in the arrays",
        ),
        (lambda: rlax.tree_split_leaves({"a": 1.0}), "an array of the tree has shape (), expected one with an axis 0"),
        (
            lambda: rlax.transpose_last_axis_to_first(1.0),
            "transpose_last_axis_to_first: an array of the tree has shape ()",
        ),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()
