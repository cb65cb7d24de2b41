import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rlax_like as rlax

P_LOGITS, Q_LOGITS = np.log([0.5, 0.25, 0.25]), np.log([0.25, 0.25, 0.5])
P_LOGITS, Q_LOGITS = jnp.float32(P_LOGITS) + 3, jnp.float32(Q_LOGITS) - 1


def test_samples_come_at_their_probabilities():
    samples = rlax.categorical_sample(jax.random.key(0), jnp.broadcast_to(jnp.array([1.0, 0.0, 3.0]), (8000, 3)))
    assert samples.dtype == jnp.int32
    np.testing.assert_allclose(np.bincount(samples) / 8000, [0.25, 0.0, 0.75], atol=0.02)


def test_cross_entropy_by_hand():
    out = rlax.categorical_cross_entropy(jnp.array([0.5, 0.5, 0.0]), P_LOGITS)
    np.testing.assert_allclose(out, -0.5 * np.log(0.5) - 0.5 * np.log(0.25), rtol=1e-6)
    # Labels are divided by their sum; none at all cost nothing.
    np.testing.assert_allclose(rlax.categorical_cross_entropy(jnp.array([2, 2, 0]), P_LOGITS), out, rtol=1e-6)
    assert rlax.categorical_cross_entropy(jnp.zeros(3), P_LOGITS) == 0.0
    assert rlax.categorical_cross_entropy(jnp.array([0.5, 0.5]), jnp.array([0.0, -jnp.inf])) == jnp.inf


def test_the_gradient_of_cross_entropy_is_the_difference_of_probabilities():
    labels = jnp.array([0.2, 0.3, 0.5])
    gradient = jax.grad(rlax.categorical_cross_entropy, 1)(labels, P_LOGITS)
    np.testing.assert_allclose(gradient, np.array([0.5, 0.25, 0.25]) - labels, atol=1e-6)


def test_divergence_by_hand():
    expected = 0.5 * np.log(2) + 0.25 * np.log(0.5)
    np.testing.assert_allclose(rlax.categorical_kl_divergence(P_LOGITS, Q_LOGITS), expected, rtol=1e-5)
    same = rlax.softmax(0.3).kl(P_LOGITS, Q_LOGITS)
    np.testing.assert_allclose(rlax.categorical_kl_divergence(P_LOGITS, Q_LOGITS, 0.3), same, rtol=1e-6)
    # A temperature for each of a batch.
    logits = jnp.stack([P_LOGITS, P_LOGITS]), jnp.stack([Q_LOGITS, Q_LOGITS])
    both = rlax.categorical_kl_divergence(*logits, jnp.array([[1.0], [0.3]]))
    np.testing.assert_allclose(both, [expected, same], rtol=1e-5)


def test_importance_ratios_by_hand():
    ratios = rlax.categorical_importance_sampling_ratios
    logits = jnp.stack([P_LOGITS] * 3), jnp.stack([Q_LOGITS] * 3)
    np.testing.assert_allclose(ratios(*logits, jnp.arange(3)), [2.0, 1.0, 0.5], rtol=1e-5)
    assert np.isnan(ratios(P_LOGITS, Q_LOGITS, 3))


def test_ratios_of_masked_actions():
    ratio = rlax.categorical_importance_sampling_ratios
    possible, masked = jnp.array([0.0, 0.0]), jnp.array([0.0, -jnp.inf])
    for pi, mu, expected in ((masked, masked, 0.0), (masked, possible, 0.0), (possible, masked, jnp.inf)):
        assert ratio(pi, mu, 1) == expected
        for gradient in jax.grad(ratio, (0, 1))(pi, mu, 1):
            np.testing.assert_array_equal(gradient, [0.0, 0.0])
    assert ratio(masked, masked, 0) == 1.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: rlax.categorical_sample(jax.random.key(0), 1.0), "categorical_sample: probs has shape ()"),
        (
            lambda: rlax.categorical_cross_entropy(jnp.ones(3), jnp.ones([2, 3])),
            "categorical_cross_entropy: logits has shape (2, 3), expected (3,) like labels",
        ),
        (
            lambda: rlax.categorical_kl_divergence(jnp.ones(3), jnp.ones(2)),
            "categorical_kl_divergence: q_logits has shape (2,), expected (3,) like p_logits",
        ),
        (
            lambda: rlax.categorical_kl_divergence(jnp.ones(3), jnp.ones(3), 0.0),
            "categorical_kl_divergence: temperature is 0.0, expected positive",
        ),
        (
            lambda: rlax.categorical_kl_divergence(jnp.ones([2, 3]), jnp.ones([2, 3]), jnp.ones(2)),
            "temperature has shape (2,), expected a number or a shape that broadcasts to (2, 3), that of p_logits",
        ),
        (
            lambda: rlax.categorical_importance_sampling_ratios(jnp.ones(3), jnp.ones(3), jnp.array([0, 1])),
            "a_t has shape (2,), expected () like the batch of pi_logits_t",
        ),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()


def test_actions_must_be_integers():
    with pytest.raises(TypeError, match="a_t must be an integer array, got float32"):
        rlax.categorical_importance_sampling_ratios(jnp.ones(3), jnp.ones(3), jnp.float32(1))
