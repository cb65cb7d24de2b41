import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import haiku_like as hk

KEY = jax.random.key(0)


def test_classes_come_as_often_as_they_should():
    logits = jnp.array([[0.0, 1.0, -1.0], [5.0, 5.0, -jnp.inf]])
    samples = np.asarray(hk.multinomial(KEY, logits, 20_000))
    frequencies = np.stack([(samples == c).mean(-1) for c in range(3)], -1)
    expected = np.exp([[0.0, 1.0, -1.0], [0.0, 0.0, -np.inf]])
    np.testing.assert_allclose(frequencies, expected / expected.sum(-1, keepdims=True), atol=0.015)


def test_draws_are_independent():
    samples = hk.multinomial(KEY, jnp.zeros([2, 2]), 20_000)
    np.testing.assert_allclose(jnp.mean(samples[0] == samples[1]), 0.5, atol=0.015)
    np.testing.assert_allclose(jnp.mean(samples[:, 1:] == samples[:, :-1]), 0.5, atol=0.015)


@pytest.mark.parametrize("shape", [(4,), (3, 4), (2, 0, 4)])
@pytest.mark.parametrize("num_samples", [0, 5])
def test_shapes(shape, num_samples):
    samples = hk.multinomial(KEY, jnp.zeros(shape, jnp.bfloat16), num_samples)
    assert samples.shape == (*shape[:-1], num_samples)
    assert samples.dtype == jnp.int32


def test_jit_and_vmap():
    logits, keys = jnp.arange(12.0).reshape(3, 4), jax.random.split(KEY, 3)
    batch = jax.jit(jax.vmap(lambda k, x: hk.multinomial(k, x, 6)))(keys, logits)
    np.testing.assert_array_equal(
        batch, jnp.stack([hk.multinomial(k, x, 6) for k, x in zip(keys, logits, strict=True)])
    )


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="multinomial: num_samples is -1, expected 0 or more"):
        hk.multinomial(KEY, jnp.zeros(3), -1)
    with pytest.raises(TypeError, match=r"multinomial: num_samples is \(2, 5\) of type tuple, expected an integer"):
        hk.multinomial(KEY, jnp.zeros(3), (2, 5))
    for shape in ((), (3, 0)):
        with pytest.raises(
            ValueError, match=re.escape(f"multinomial: logits has shape {shape}, expected [*batch, cla")
        ):
            hk.multinomial(KEY, jnp.zeros(shape), 2)
    with pytest.raises(TypeError, match=r"multinomial: logits has dtype int32, expected floats.*astype\(jnp.float32"):
        hk.multinomial(KEY, jnp.arange(3), 2)
    with pytest.raises(TypeError, match="multinomial: logits is of type list, expected an array of numbers"):
        hk.multinomial(KEY, [0.0, 1.0], 2)
