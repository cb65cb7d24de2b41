import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rlax_like as rlax


def test_by_hand():
    out = rlax.transform_to_2hot(jnp.array([-1.0, -0.25, 0.0, 0.5, 1.0]), -1.0, 1.0, 3)
    np.testing.assert_array_equal(out, [[1, 0, 0], [0.25, 0.75, 0], [0, 1, 0], [0, 0.5, 0.5], [0, 0, 1]])
    out = rlax.transform_from_2hot(jnp.array([[0.5, 0.25, 0.25], [0.0, 0.0, 1.0]]), -1.0, 1.0, 3)
    np.testing.assert_array_equal(out, [-0.25, 1.0])


def test_numbers_outside_are_those_nearest_inside():
    out = rlax.transform_to_2hot(jnp.array([-7.0, 7.0, -jnp.inf, jnp.inf]), -1, 1, 3)
    np.testing.assert_array_equal(out, [[1, 0, 0], [0, 0, 1], [1, 0, 0], [0, 0, 1]])
    assert np.any(np.isnan(rlax.transform_to_2hot(jnp.nan, -1, 1, 3)))


@given(
    bins=st.sampled_from([(-1.0, 1.0, 2), (-300.0, 300.0, 601), (-10.0, 37.0, 51), (0.0, 1e-3, 21)]),
    at=st.lists(st.floats(0, 1, width=32), min_size=3, max_size=3),
)
def test_the_probabilities_are_exact(bins, at):
    low, high, num_bins = bins
    scalar = np.clip(np.float32(low + (high - low) * np.array(at)), np.float32(low), np.float32(high))
    probs = np.asarray(rlax.transform_to_2hot(scalar, *bins))
    assert probs.shape == (3, num_bins)
    assert np.all(probs >= 0)
    np.testing.assert_allclose(np.sum(np.float64(probs), -1), 1, atol=1e-7)
    assert np.all(np.sum(probs > 0, -1) <= 2)
    mean = np.sum(np.float64(probs) * np.linspace(low, high, num_bins), -1)
    np.testing.assert_allclose(mean, scalar, atol=1e-7 * max(abs(low), abs(high)))
    np.testing.assert_allclose(rlax.transform_from_2hot(probs, *bins), scalar, atol=2e-7 * max(abs(low), abs(high)))


def test_small_numbers_near_a_bin_are_not_lost():
    # Among bins up to 300, as float32 has them, 300 + 1e-6 is 300.
    probs = rlax.transform_to_2hot(jnp.array([1e-6, -1e-6]), -300, 300, 601)
    np.testing.assert_allclose(rlax.transform_from_2hot(probs, -300, 300, 601), [1e-6, -1e-6], rtol=1e-5)


def test_each_bin_is_itself():
    bins = jnp.linspace(-10, 37, 51)
    np.testing.assert_allclose(rlax.transform_to_2hot(bins, -10, 37, 51), np.eye(51), atol=1e-5)


@pytest.mark.parametrize("shape", [(), (0,), (2, 3)])
def test_any_batch(shape):
    scalar = np.random.default_rng(0).uniform(-1, 1, size=shape).astype(np.float32)
    probs = rlax.transform_to_2hot(scalar, -1, 1, 5)
    assert probs.shape == (*shape, 5)
    back = rlax.transform_from_2hot(probs, -1, 1, 5)
    assert back.shape == shape
    np.testing.assert_allclose(back, scalar, atol=1e-6)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_half_precision_stays(dtype):
    scalar = jnp.array([-0.3, 0.9], dtype)
    probs = rlax.transform_to_2hot(scalar, -1, 1, 5)
    back = rlax.transform_from_2hot(probs, -1, 1, 5)
    assert (probs.dtype, back.dtype) == (dtype, dtype)
    np.testing.assert_allclose(np.float32(back), np.float32(scalar), atol=2e-2)


def test_derivatives():
    def around(x):
        return rlax.transform_from_2hot(rlax.transform_to_2hot(x, -1.0, 1.0, 5), -1.0, 1.0, 5)

    for x in (-0.7, -0.5, 0.0, 0.3):  # At bins, too.
        np.testing.assert_allclose(jax.grad(around)(x), 1.0, rtol=1e-6)
    assert jax.grad(around)(3.0) == 0.0


def test_bounds_may_be_traced():
    function = jax.jit(lambda x, low, high: rlax.transform_to_2hot(x, low, high, 3))
    np.testing.assert_array_equal(function(-0.25, -1.0, 1.0), [0.25, 0.75, 0])


def test_jit_and_vmap_change_nothing():
    scalar = jnp.linspace(-2, 2, 12).reshape(3, 4)
    expected = rlax.transform_to_2hot(scalar, -1, 1, 5)
    out = jax.jit(jax.vmap(jax.vmap(lambda x: rlax.transform_to_2hot(x, -1, 1, 5))))(scalar)
    np.testing.assert_allclose(out, expected, atol=1e-6)


@pytest.mark.parametrize("name", ["transform_to_2hot", "transform_from_2hot"])
@pytest.mark.parametrize(
    ("bins", "message"),
    [
        ((-1.0, 1.0, 1), "num_bins is 1, expected at least 2."),
        ((1.0, -1.0, 3), "min_value is 1.0, expected less than max_value, which is -1.0."),
        ((1.0, 1.0, 3), "min_value is 1.0, expected less than max_value, which is 1.0."),
    ],
)
def test_wrong_bins_are_named(name, bins, message):
    with pytest.raises(ValueError, match=re.escape(f"{name}: {message}")):
        getattr(rlax, name)(jnp.ones(3), *bins)


def test_another_number_of_probabilities_is_named():
    message = (
        "transform_from_2hot: probs has shape (2, 4), expected [*B, 3]: the last axis has one probability per bin."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        rlax.transform_from_2hot(jnp.ones((2, 4)), -1, 1, 3)
