import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rlax_like as rlax

MU, SIGMA = jnp.array([0.5, -1.0]), jnp.array([0.5, 2.0])
POLICY = rlax.gaussian_diagonal()


def test_by_hand():
    # Bishop (2006), eq. 2.42, for one dimension after the other.
    action = jnp.array([1.0, 1.0])
    density = np.prod([np.exp(-0.5) / (0.5 * np.sqrt(2 * np.pi)), np.exp(-0.5) / (2 * np.sqrt(2 * np.pi))])
    np.testing.assert_allclose(POLICY.prob(action, MU, SIGMA), density, rtol=1e-5)
    np.testing.assert_allclose(POLICY.logprob(action, MU, SIGMA), np.log(density), rtol=1e-5)
    entropy = np.log(2 * np.pi * np.e) + np.log(0.5) + np.log(2.0)
    np.testing.assert_allclose(POLICY.entropy(MU, SIGMA), entropy, rtol=1e-5)
    kl = np.log(2) + (0.25 + 0.25) / 2 - 0.5 + np.log(0.5) + (4.0 + 1.0) / 2 - 0.5 + np.log(1.0)
    expected = -np.log(0.5) + (0.25 + 0.25) / 2 - 0.5 - np.log(2.0) + (4.0 + 1.0) / 2 - 0.5
    assert np.isclose(kl, expected)
    np.testing.assert_allclose(POLICY.kl_to_standard_normal(MU, SIGMA), expected, rtol=1e-5)
    np.testing.assert_allclose(POLICY.kl(MU, SIGMA, jnp.zeros(2), 1.0), expected, rtol=1e-5)
    np.testing.assert_allclose(
        rlax.multivariate_normal_kl_divergence(MU, SIGMA, jnp.zeros(2), jnp.ones(2)), expected, rtol=1e-5
    )
    assert rlax.multivariate_normal_kl_divergence(MU, SIGMA, MU, SIGMA) == 0.0


def test_samples_have_the_moments():
    mu = jnp.broadcast_to(MU, (20_000, 2))
    samples = POLICY.sample(jax.random.key(0), mu, SIGMA)
    np.testing.assert_allclose(samples.mean(0), MU, atol=0.05)
    np.testing.assert_allclose(samples.std(0), SIGMA, rtol=0.03)
    np.testing.assert_allclose(-POLICY.logprob(samples, mu, SIGMA).mean(), POLICY.entropy(MU, SIGMA), rtol=0.01)


def test_sigma_given_once_or_with_the_call():
    once = rlax.gaussian_diagonal(0.5)
    half = jnp.full(2, 0.5)
    np.testing.assert_array_equal(once.entropy(MU), POLICY.entropy(MU, half))
    np.testing.assert_array_equal(once.entropy(MU, SIGMA), POLICY.entropy(MU, SIGMA))
    np.testing.assert_array_equal(once.sample(jax.random.key(0), MU), POLICY.sample(jax.random.key(0), MU, half))
    np.testing.assert_array_equal(rlax.gaussian_diagonal(0.0).sample(jax.random.key(0), MU), MU)
    traced = jax.jit(lambda s: rlax.gaussian_diagonal(s).entropy(MU))(0.5)
    np.testing.assert_allclose(traced, once.entropy(MU), rtol=1e-6)


def test_the_gradient_of_the_log_probability():
    action = jnp.array([1.0, 1.0])
    gradient = jax.grad(POLICY.logprob, (1, 2))(action, MU, SIGMA)
    z = (action - MU) / SIGMA
    np.testing.assert_allclose(gradient[0], z / SIGMA, rtol=1e-5)
    np.testing.assert_allclose(gradient[1], (z**2 - 1) / SIGMA, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: POLICY.entropy(MU), "gaussian_diagonal().entropy: sigma is None, expected a deviation. Pass it to"),
        (lambda: rlax.gaussian_diagonal(-1.0), "gaussian_diagonal: sigma is -1.0, expected a positive deviation"),
        (lambda: rlax.gaussian_diagonal(0.0).entropy(MU), "entropy: sigma is 0.0, expected a positive deviation"),
        (lambda: POLICY.entropy(MU, jnp.ones(3)), "sigma has shape (3,), expected a number or a shape that broadcasts"),
        (lambda: POLICY.logprob(jnp.ones(3), MU, 1.0), "logprob: sample has shape (3,), expected (2,) like mu"),
        (lambda: POLICY.entropy(0.5, 1.0), "gaussian_diagonal().entropy: mu has shape (), expected [*B, D]"),
        (lambda: POLICY.kl(MU, 1.0, MU, 0.0), "gaussian_diagonal().kl: sigma_1 is 0.0, expected a positive deviation"),
        (
            lambda: rlax.multivariate_normal_kl_divergence(MU, jnp.eye(2), MU, 1.0),
            "multivariate_normal_kl_divergence: sigma_0 ",
        ),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()
