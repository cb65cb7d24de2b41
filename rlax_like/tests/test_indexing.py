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
# As many as are looked at one by one, and more.
SIZES = pytest.mark.parametrize("size", [3, 9])


@given(st.sampled_from([(1,), (4,), (7,), (3, 2), (2, 1, 3, 4), (3, 9)]), st.data())
def test_batched_index_agrees_with_a_loop(shape, data):
    values = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    indices = data.draw(hnp.arrays(np.int32, shape[:-1], elements=st.integers(-shape[-1], shape[-1] - 1)))
    expected = np.empty(shape[:-1], np.float32)
    for at in np.ndindex(*shape[:-1]):
        expected[at] = values[at][indices[at]]
    np.testing.assert_array_equal(rlax.batched_index(values, indices), expected)
    np.testing.assert_array_equal(rlax.batched_index(values, indices, keepdims=True), expected[..., None])


@SIZES
def test_an_index_off_the_axis_gives_nan_and_no_gradient(size):
    values = jnp.arange(2.0 * size).reshape(2, size)
    picked, gradient = jax.value_and_grad(lambda v: rlax.batched_index(v, jnp.array([1, size]))[0])(values)
    assert picked == 1.0
    np.testing.assert_array_equal(gradient, np.zeros([2, size]) + (np.arange(2 * size).reshape(2, size) == 1))
    for index in (size, -size - 1, 2**31 - 1, -(2**31)):
        picked, gradient = jax.value_and_grad(rlax.batched_index)(values[0], index)
        assert jnp.isnan(picked)
        np.testing.assert_array_equal(gradient, np.zeros(size))


@SIZES
def test_the_gradient_goes_to_the_picked_value(size):
    gradient = jax.grad(lambda v: rlax.batched_index(v, jnp.array([0, -1])).sum())(jnp.ones([2, size]))
    np.testing.assert_array_equal(gradient, np.eye(size)[[0, -1]])


@SIZES
@pytest.mark.parametrize("elsewhere", [jnp.inf, -jnp.inf, jnp.nan])
def test_infinite_values_elsewhere_do_no_harm(size, elsewhere):
    values = jnp.full(size, elsewhere).at[0].set(1.0)
    picked, gradient = jax.value_and_grad(rlax.batched_index)(values, 0)
    assert picked == 1.0
    np.testing.assert_array_equal(gradient, np.eye(size)[0])


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
