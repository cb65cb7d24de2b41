import re
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rlax_like as rlax

LOW, HIGH = np.float32([-1.0, 0.0]), np.float32([1.0, 10.0])
SPEC = types.SimpleNamespace(minimum=LOW, maximum=HIGH)
UNIT = types.SimpleNamespace(minimum=-1.0, maximum=1.0)
POLICY = rlax.squashed_gaussian(sigma_min=-2.0, sigma_max=0.5)
MU, SIGMA = jnp.array([0.5, -1.0]), jnp.array([-1.0, 0.5])


def deviation(sigma, low=-2.0, high=0.5):
    return np.exp(low + (high - low) * (np.tanh(np.float64(sigma)) + 1) / 2)


def test_the_log_probability_by_change_of_variables():
    action = jnp.array([0.3, 8.0])
    u, s = np.arctanh([0.3, 0.6]), deviation(SIGMA)
    normal = -0.5 * ((u - MU) / s) ** 2 - np.log(s) - 0.5 * np.log(2 * np.pi)
    expected = np.sum(normal - np.log(1 - np.tanh(u) ** 2) - np.log([1.0, 5.0]))
    np.testing.assert_allclose(POLICY.logprob(action, MU, SIGMA, SPEC), expected, rtol=1e-4)
    np.testing.assert_allclose(POLICY.prob(action, MU, SIGMA, SPEC), np.exp(expected), rtol=1e-3)


def test_the_density_integrates_to_1():
    grid = (jnp.arange(2000) + 0.5)[:, None] / 1000 - 1
    for mu in (0.0, 1.0):
        p = POLICY.prob(grid, jnp.full([2000, 1], mu), jnp.zeros([2000, 1]), UNIT)
        np.testing.assert_allclose(p.mean() * 2, 1.0, atol=2e-3)


def test_samples():
    key, batch = jax.random.key(0), (4000, 2)
    mu, sigma = jnp.broadcast_to(MU, batch), jnp.broadcast_to(SIGMA, batch)
    samples = POLICY.sample(key, mu, sigma, SPEC)
    assert np.all((np.asarray(samples) >= LOW) & (np.asarray(samples) <= HIGH))
    # The mean is squashed once: the median of tanh(u) is tanh(mu).
    np.testing.assert_allclose(jnp.median(samples, 0), [np.tanh(0.5), 5 + 5 * np.tanh(-1.0)], atol=0.1)
    # The entropy is the mean of minus the log-probability.
    estimate = -POLICY.logprob(samples, mu, sigma, SPEC).mean()
    np.testing.assert_allclose(POLICY.entropy(MU, SIGMA, SPEC), estimate, atol=0.05)
    np.testing.assert_allclose(POLICY.entropy(MU, SIGMA, SPEC) - POLICY.entropy(MU, SIGMA), np.log(5.0), rtol=1e-5)


@pytest.mark.parametrize("wide", [-3.0, 0.0, np.log(2.0)])
def test_the_entropy_agrees_with_a_fine_sum(wide):
    z = np.linspace(-10, 10, 20_001)
    w = np.exp(-0.5 * z**2) / np.sum(np.exp(-0.5 * z**2))
    for mu in (0.0, 1.5, -6.0):
        u = mu + np.exp(wide) * z
        slope = 2 * (np.log(2) - np.abs(u) - np.log1p(np.exp(-2 * np.abs(u))))
        expected = 0.5 * np.log(2 * np.pi * np.e) + wide + np.sum(w * slope)
        out = rlax.squashed_gaussian(wide, wide).entropy(jnp.array([mu]), jnp.array([0.0]))
        np.testing.assert_allclose(out, expected, atol=1e-5)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.float16])
def test_at_the_bounds_it_is_finite(dtype):
    mu, sigma = jnp.zeros([2, 2], dtype), jnp.zeros([2, 2], dtype)
    actions = jnp.stack([LOW, HIGH]).astype(dtype)
    value, gradients = jax.value_and_grad(lambda *x: POLICY.logprob(*x, SPEC).sum(), (0, 1, 2))(actions, mu, sigma)
    assert np.isfinite(np.float32(value))
    for gradient in gradients:
        assert np.all(np.isfinite(np.float32(gradient)))
    # Saturated samples lie at the bound, and have a log-probability.
    far = POLICY.sample(jax.random.key(0), mu + 30, sigma, SPEC)
    np.testing.assert_array_equal(far, jnp.stack([HIGH, HIGH]).astype(dtype))
    assert np.all(np.isfinite(np.float32(POLICY.logprob(far, mu + 5, sigma, SPEC))))


def test_beyond_the_bounds_it_is_impossible():
    actions = jnp.array([[1.1, 5.0], [0.0, -0.5], [0.0, 5.0]])
    out = POLICY.logprob(actions, jnp.zeros([3, 2]), jnp.zeros([3, 2]), SPEC)
    np.testing.assert_array_equal(np.isneginf(out), [True, True, False])
    gradient = jax.grad(lambda a: POLICY.prob(a, jnp.zeros(2), jnp.zeros(2), SPEC))(actions[0])
    assert np.all(np.isfinite(gradient))
    assert np.isnan(POLICY.logprob(jnp.array([jnp.nan, 1.0]), MU, SIGMA, SPEC))


def test_divergences_are_those_of_the_normal_variables():
    mu, sigma = jnp.array([0.0, 0.2]), jnp.array([0.3, -0.3])
    args = MU, deviation(SIGMA), mu, deviation(sigma)
    expected = rlax.multivariate_normal_kl_divergence(*map(jnp.float32, args))
    np.testing.assert_allclose(POLICY.kl(MU, SIGMA, mu, sigma), expected, rtol=1e-5)
    expected = rlax.gaussian_diagonal().kl_to_standard_normal(MU, jnp.float32(deviation(SIGMA)))
    np.testing.assert_allclose(POLICY.kl_to_standard_normal(MU, SIGMA), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: rlax.squashed_gaussian(1.0, 0.0), ValueError, "sigma_min is 1.0, expected at most sigma_max = 0.0"),
        (lambda: POLICY.logprob(MU, MU, MU, None), TypeError, "action_spec is None, expected an object with minimum"),
        (
            lambda: POLICY.sample(jax.random.key(0), MU, MU, types.SimpleNamespace(minimum=0.0, maximum=np.inf)),
            ValueError, "squashed_gaussian().sample: action_spec has the bounds 0.0 and inf, expected finite ones",
        ),
        (
            lambda: POLICY.sample(jax.random.key(0), MU, MU, types.SimpleNamespace(minimum=np.zeros(3), maximum=1.0)),
            ValueError, "action_spec.minimum has shape (3,), expected a number or (2,) like mu",
        ),
        (lambda: POLICY.entropy(MU, MU[:1]), ValueError, "entropy: sigma has shape (1,), expected (2,) like mu"),
        (lambda: POLICY.kl(MU, MU, MU, MU[:1]), ValueError, "kl: sigma_1 has shape (1,), expected (2,) like mu_0"),
    ],
)  # fmt: skip
def test_errors(call, error, message):
    with pytest.raises(error, match=re.escape(message)):
        call()
