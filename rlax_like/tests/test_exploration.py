import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rlax_like as rlax

KEY = jax.random.key(0)
ACTION = jnp.array([1.0, -1.0])


def test_gaussian_noise_has_the_deviation():
    action = jnp.broadcast_to(ACTION, (10_000, 2))
    noise = rlax.add_gaussian_noise(KEY, action, jnp.array([0.5, 2.0])) - action
    np.testing.assert_allclose(noise.mean(0), [0.0, 0.0], atol=0.1)
    np.testing.assert_allclose(noise.std(0), [0.5, 2.0], rtol=0.05)
    np.testing.assert_array_equal(rlax.add_gaussian_noise(KEY, jnp.array([1, 2]), 0.0), [1.0, 2.0])


def test_ornstein_uhlenbeck_by_hand():
    noise = jnp.array([0.5, -2.0])
    still = rlax.add_ornstein_uhlenbeck_noise(KEY, ACTION, noise, 0.25, 0.0)
    np.testing.assert_allclose(still, [1.375, -2.5])
    # Undamped noise of deviation 1 is that of a standard normal, added to the old.
    moved = rlax.add_ornstein_uhlenbeck_noise(KEY, ACTION, noise, 0.0, 1.0)
    np.testing.assert_allclose(moved, ACTION + noise + jax.random.normal(KEY, (2,)), rtol=1e-6)


def test_ornstein_uhlenbeck_comes_to_rest():
    def step(noise, key):
        zero = jnp.zeros_like(noise)
        noise = rlax.add_ornstein_uhlenbeck_noise(key, zero, noise, 0.5, 1.0)
        return noise, noise

    _, noise = jax.lax.scan(step, jnp.zeros(500), jax.random.split(KEY, 50))
    # An autoregression with factor 1/2 has the variance 1 / (1 - 1/4).
    np.testing.assert_allclose(noise[20:].var(), 4 / 3, rtol=0.05)


def test_dirichlet_noise():
    prior = jnp.broadcast_to(jnp.array([0.5, 0.5, 0.0]), (4000, 3))
    out = rlax.add_dirichlet_noise(KEY, prior, 0.3, 0.25)
    np.testing.assert_allclose(out.sum(-1), np.ones(4000), rtol=1e-5)
    assert np.all(out >= 0)
    np.testing.assert_allclose(out.mean(0), 0.75 * np.array([0.5, 0.5, 0.0]) + 0.25 / 3, atol=0.01)
    np.testing.assert_array_equal(rlax.add_dirichlet_noise(KEY, prior, 0.3, 0.0), prior)
    assert rlax.add_dirichlet_noise(KEY, jnp.array([0.5, 0.5]), 0.3, 0.25).shape == (2,)


def test_under_jit_and_in_half_precision():
    out = jax.jit(rlax.add_dirichlet_noise)(KEY, jnp.array([0.5, 0.5]), 0.3, 0.25)
    np.testing.assert_allclose(out, rlax.add_dirichlet_noise(KEY, jnp.array([0.5, 0.5]), 0.3, 0.25), rtol=1e-5)
    half = ACTION.astype(jnp.bfloat16)
    assert rlax.add_gaussian_noise(KEY, half, 0.1).dtype == jnp.bfloat16
    assert rlax.add_ornstein_uhlenbeck_noise(KEY, half, half, 0.1, 0.1).dtype == jnp.bfloat16
    assert rlax.add_dirichlet_noise(KEY, jnp.ones(2, jnp.bfloat16) / 2, 0.3, 0.1).dtype == jnp.bfloat16


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: rlax.add_gaussian_noise(KEY, ACTION, -1.0), "add_gaussian_noise: stddev is -1.0, expected 0 or more"),
        (lambda: rlax.add_gaussian_noise(KEY, ACTION, jnp.ones(3)), "stddev has shape (3,), expected a number or a"),
        (
            lambda: rlax.add_ornstein_uhlenbeck_noise(KEY, ACTION, ACTION, 1.5, 1.0),
            "add_ornstein_uhlenbeck_noise: damping is 1.5, expected a number in [0, 1]",
        ),
        (
            lambda: rlax.add_ornstein_uhlenbeck_noise(KEY, ACTION, jnp.ones(3), 0.5, 1.0),
            "noise_tm1 has shape (3,), expected (2,) like action",
        ),
        (lambda: rlax.add_dirichlet_noise(KEY, ACTION, 0.0, 0.5), "dirichlet_alpha is 0.0, expected a positive number"),
        (lambda: rlax.add_dirichlet_noise(KEY, ACTION, 0.3, 1.5), "dirichlet_fraction is 1.5, expected a number in"),
        (lambda: rlax.add_dirichlet_noise(KEY, 0.5, 0.3, 0.5), "prior has shape (), expected [*B, A]"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()


def test_what_is_no_number_is_named():
    with pytest.raises(TypeError, match="add_gaussian_noise: stddev must be an array or a number, got 'x'"):
        rlax.add_gaussian_noise(KEY, ACTION, "x")
