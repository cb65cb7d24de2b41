import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import rlax_like as rlax

VALUES = jnp.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])


@given(st.sampled_from([(1,), (4,), (3, 2), (2, 1, 3, 4)]), st.data())
def test_batched_index_agrees_with_a_loop(shape, data):
    values = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    indices = data.draw(hnp.arrays(np.int32, shape[:-1], elements=st.integers(-shape[-1], shape[-1] - 1)))
    expected = np.empty(shape[:-1], np.float32)
    for at in np.ndindex(*shape[:-1]):
        expected[at] = values[at][indices[at]]
    np.testing.assert_array_equal(rlax.batched_index(values, indices), expected)
    np.testing.assert_array_equal(rlax.batched_index(values, indices, keepdims=True), expected[..., None])


def test_an_index_off_the_axis_gives_nan_and_no_gradient():
    picked, gradient = jax.value_and_grad(lambda v: rlax.batched_index(v, jnp.array([1, 3]))[0])(VALUES)
    assert picked == 2.0
    np.testing.assert_array_equal(gradient, [[0, 1, 0], [0, 0, 0]])
    for index in (3, -4):
        assert jnp.isnan(rlax.batched_index(VALUES[0], index))


def test_the_gradient_goes_to_the_picked_value():
    gradient = jax.grad(lambda v: rlax.batched_index(v, jnp.array([0, 2])).sum())(VALUES)
    np.testing.assert_array_equal(gradient, [[1, 0, 0], [0, 0, 1]])


def test_infinite_values_elsewhere_do_no_harm():
    values = jnp.array([1.0, -jnp.inf])
    assert jax.value_and_grad(rlax.batched_index)(values, 0)[0] == 1.0
    np.testing.assert_array_equal(jax.grad(rlax.batched_index)(values, 0), [1.0, 0.0])


def test_batched_index_under_jit_and_vmap():
    indices = jnp.array([2, 0])
    expected = rlax.batched_index(VALUES, indices)
    np.testing.assert_array_equal(jax.jit(rlax.batched_index)(VALUES, indices), expected)
    np.testing.assert_array_equal(jax.vmap(rlax.batched_index)(VALUES, indices), expected)


def test_batched_index_refuses_bad_input():
    with pytest.raises(TypeError, match=r"batched_index: indices must be an integer array, got float32\[2\]"):
        rlax.batched_index(VALUES, jnp.array([0.0, 1.0]))
    message = "batched_index: indices has shape (3,), expected (2,) like the batch of values"
    with pytest.raises(ValueError, match=re.escape(message)):
        rlax.batched_index(VALUES, jnp.array([0, 1, 2]))
    with pytest.raises(ValueError, match=re.escape("batched_index: values has shape (), expected [*B, A]")):
        rlax.batched_index(1.0, 0)


def test_one_hot_by_hand():
    np.testing.assert_array_equal(rlax.one_hot(jnp.array([[0, 2]]), 3), [[[1, 0, 0], [0, 0, 1]]])
    np.testing.assert_array_equal(rlax.one_hot(1, 2), [0, 1])
    np.testing.assert_array_equal(rlax.one_hot(jnp.array([-1, 3]), 3), np.zeros([2, 3]))


def test_one_hot_dtype():
    assert rlax.one_hot(0, 2).dtype == jnp.float32
    assert rlax.one_hot(0, 2, jnp.int32).dtype == jnp.int32


def test_one_hot_under_jit_and_vmap():
    indices = jnp.array([2, 0])
    expected = rlax.one_hot(indices, 3)
    np.testing.assert_array_equal(jax.jit(rlax.one_hot, static_argnums=1)(indices, 3), expected)
    np.testing.assert_array_equal(jax.vmap(lambda i: rlax.one_hot(i, 3))(indices), expected)


def test_one_hot_refuses_bad_input():
    with pytest.raises(TypeError, match=r"one_hot: indices must be an integer array, got float32\[\]"):
        rlax.one_hot(1.5, 3)
    with pytest.raises(ValueError, match=r"one_hot: num_classes is -1, expected 0 or more"):
        rlax.one_hot(1, -1)
