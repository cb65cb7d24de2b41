import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rlax_like as rlax

FLOATS = st.floats(-1e4, 1e4, width=32)


def test_l2_loss_by_hand():
    np.testing.assert_allclose(rlax.l2_loss(jnp.array([-3.0, 0.5])), [4.5, 0.125])
    np.testing.assert_allclose(rlax.l2_loss(jnp.array([-3.0, 0.5]), jnp.array([1.0, 0.5])), [8.0, 0.0])
    assert rlax.l2_loss(3, 1) == 2.0


@given(FLOATS, FLOATS)
def test_the_derivative_of_l2_loss_is_the_error(prediction, target):
    gradients = jax.grad(rlax.l2_loss, (0, 1))(prediction, target)
    error = np.float32(prediction) - np.float32(target)
    np.testing.assert_allclose(gradients, [error, -error], rtol=1e-6)


def test_huber_loss_by_hand():
    # Huber (1964): x² / 2 up to delta, then delta |x| - delta² / 2.
    np.testing.assert_allclose(rlax.huber_loss(jnp.array([-3.0, -1.0, -0.5, 0.0, 2.0])), [2.5, 0.5, 0.125, 0.0, 1.5])
    np.testing.assert_allclose(rlax.huber_loss(jnp.array([-3.0, 1.0]), 2.0), [4.0, 0.5])


@given(FLOATS, st.floats(0.0078125, 100, width=32))
def test_huber_loss_agrees_with_numpy(x, delta):
    a, d = abs(np.float64(x)), np.float64(delta)
    expected = a**2 / 2 if a <= d else d * (a - d / 2)
    np.testing.assert_allclose(rlax.huber_loss(x, delta), expected, rtol=1e-5, atol=1e-30)


@pytest.mark.parametrize(("x", "slope"), [(-3.0, -2.0), (-2.0, -2.0), (-1.0, -1.0), (0.0, 0.0), (2.0, 2.0), (9.0, 2.0)])
def test_the_slope_of_huber_loss_is_cut_at_delta(x, slope):
    assert jax.grad(rlax.huber_loss)(x, 2.0) == slope


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.float16])
def test_the_dtype_stays(dtype):
    x = jnp.ones(3, dtype)
    assert rlax.l2_loss(x).dtype == rlax.l2_loss(x, 1.0).dtype == rlax.huber_loss(x).dtype == dtype


def test_integers_are_taken():
    assert rlax.l2_loss(jnp.array([2])).dtype == jnp.float32
    np.testing.assert_allclose(rlax.huber_loss(jnp.array([3, 0])), [2.5, 0.0])


def test_under_jit_and_vmap():
    x = jnp.linspace(-3, 3, 12).reshape(3, 4)
    for loss in (rlax.l2_loss, rlax.huber_loss):
        np.testing.assert_allclose(jax.jit(loss)(x), loss(x))
        np.testing.assert_allclose(jax.vmap(loss)(x), loss(x))
    np.testing.assert_allclose(jax.jit(rlax.huber_loss)(x, 2.0), rlax.huber_loss(x, 2.0))


def test_broadcasting_needs_as_many_axes():
    assert rlax.l2_loss(jnp.ones([3, 1]), jnp.ones([1, 4])).shape == (3, 4)
    message = (
        "l2_loss: targets has shape (3,), expected as many axes as predictions of shape (3, 1), or a number. Add an"
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        rlax.l2_loss(jnp.ones([3, 1]), jnp.ones(3))


@pytest.mark.parametrize("delta", [0.0, -1.0, np.array([1.0, 0.0])])
def test_delta_must_be_positive(delta):
    with pytest.raises(ValueError, match=r"huber_loss: delta is .*, expected a positive number"):
        rlax.huber_loss(jnp.ones(2), delta)


def test_delta_is_checked_under_jit_where_it_is_known():
    with pytest.raises(ValueError, match=r"huber_loss: delta is -1.0"):
        jax.jit(lambda x: rlax.huber_loss(x, -1.0))(1.0)


def test_what_is_no_number_is_refused():
    for call in (lambda: rlax.l2_loss("a"), lambda: rlax.l2_loss(1.0, "a"), lambda: rlax.huber_loss("a")):
        with pytest.raises(TypeError, match=r"(l2|huber)_loss: \w+ must be an array or a number, got 'a' of type str"):
            call()


def test_likelihood_and_log_loss_by_hand():
    p, y = jnp.array([0.2, 0.9, 0.25]), jnp.array([1, 0, 1])
    np.testing.assert_allclose(rlax.likelihood(p, y), [0.2, 0.1, 0.25], rtol=1e-6)
    np.testing.assert_allclose(rlax.log_loss(p, y), -np.log([0.2, 0.1, 0.25]), rtol=1e-6)
    np.testing.assert_allclose(rlax.likelihood(0.9, 0.25), 0.9**0.25 * 0.1**0.75, rtol=1e-6)


def test_a_certain_prediction():
    p, y = jnp.array([0.0, 1.0, 0.0, 1.0]), jnp.array([0.0, 1.0, 1.0, 0.0])
    np.testing.assert_array_equal(rlax.likelihood(p, y), [1.0, 1.0, 0.0, 0.0])
    np.testing.assert_array_equal(rlax.log_loss(p, y), [0.0, 0.0, np.inf, np.inf])
    # Right and certain: the slope towards the inside.
    np.testing.assert_array_equal(jax.vmap(jax.grad(rlax.log_loss))(p[:2], y[:2]), [1.0, -1.0])


def test_log_loss_keeps_its_precision_near_certainty():
    np.testing.assert_allclose(rlax.log_loss(1e-30, 1.0), 30 * np.log(10), rtol=1e-6)


def test_expectile_loss_by_hand():
    out = rlax.expectile_loss(jnp.array([1.0, 3.0, 2.0]), jnp.array([2.0, 1.0, 2.0]), 0.75)
    np.testing.assert_allclose(out, [0.75 * 1, 0.25 * 4, 0.0])
    own = rlax.expectile_loss(jnp.array([1.0, 3.0]), jnp.array([2.0, 1.0]), jnp.array([0.5, 0.0]))
    np.testing.assert_allclose(own, [0.5, 4.0])


def test_the_minimum_of_expectile_loss():
    # Of 0 and 1 alike, the expectile e balances e (1 - x) = (1 - e) x: it is e itself.
    samples, x = jnp.array([0.0, 1.0]), jnp.zeros(())
    gradient = jax.jit(jax.grad(lambda x: rlax.expectile_loss(jnp.broadcast_to(x, 2), samples, 0.8).mean()))
    for _ in range(100):
        x = x - 0.5 * gradient(x)
    np.testing.assert_allclose(x, 0.8, atol=1e-5)


@pytest.mark.parametrize("expectile", [-0.1, 1.1, float("nan")])
def test_an_expectile_is_a_level(expectile):
    with pytest.raises(ValueError, match=r"expectile_loss: expectile is .*, expected a number in \[0, 1\]"):
        rlax.expectile_loss(0.0, 1.0, expectile)


def test_predictions_and_targets_have_one_shape():
    for loss in (rlax.likelihood, rlax.log_loss, lambda p, y: rlax.expectile_loss(p, y, 0.5)):
        with pytest.raises(ValueError, match=re.escape("targets has shape (3,), expected (2,) like predictions")):
            loss(jnp.ones(2), jnp.ones(3))
    with pytest.raises(
        ValueError, match=re.escape("expectile has shape (3,), expected (2,) or a number like predictions")
    ):
        rlax.expectile_loss(jnp.ones(2), jnp.ones(2), jnp.full(3, 0.5))
