import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rlax_like as rlax

ROOT = rlax.TxPair(jnp.sqrt, jnp.square)
MAKERS = {
    "twohot_pair": lambda *bins: rlax.twohot_pair(*bins),
    "muzero_pair": lambda *bins: rlax.muzero_pair(*bins, rlax.SIGNED_HYPERBOLIC_PAIR),
    "unbiased_transform_pair": lambda *bins: rlax.unbiased_transform_pair(*bins, rlax.SIGNED_HYPERBOLIC_PAIR),
}
each_maker = pytest.mark.parametrize("name", MAKERS)


def test_pairs_by_hand():
    assert rlax.IDENTITY_PAIR.apply(3.0) == rlax.IDENTITY_PAIR.apply_inv(3.0) == 3.0
    np.testing.assert_allclose(rlax.SIGNED_HYPERBOLIC_PAIR.apply(-8.0), -2.008, rtol=1e-6)
    np.testing.assert_allclose(rlax.SIGNED_LOGP1_PAIR.apply(-1.0), -np.log(2), rtol=1e-6)
    np.testing.assert_allclose(rlax.HYPERBOLIC_SIN_PAIR.apply(0.75), np.log(2), rtol=1e-6)
    np.testing.assert_allclose(rlax.DISCOUNT_TRANSFORM_PAIR.apply(0.75), np.log(4), rtol=1e-6)


@pytest.mark.parametrize(
    "name", ["IDENTITY", "SIGNED_HYPERBOLIC", "SIGNED_LOGP1", "HYPERBOLIC_SIN", "DISCOUNT_TRANSFORM"]
)
def test_inverses(name):
    pair = getattr(rlax, f"{name}_PAIR")
    x = jnp.array([-3.0, -1e-6, 0.0, 1e-6, 0.99])
    np.testing.assert_allclose(pair.apply_inv(pair.apply(x)), x, rtol=1e-5)
    assert pair.apply(x.astype(jnp.bfloat16)).dtype == jnp.bfloat16


def test_discounts_near_1_are_told_apart():
    gamma = np.float32([1e-6, 0.5, 0.999])
    out = rlax.DISCOUNT_TRANSFORM_PAIR.apply(gamma)
    np.testing.assert_allclose(out, -np.log1p(-np.float64(gamma)), rtol=1e-5)


def test_compose():
    pair = rlax.compose_tx(ROOT, rlax.TxPair(lambda x: x + 1, lambda y: y - 1))
    assert pair.apply(jnp.array(9.0)) == 4.0
    assert pair.apply_inv(jnp.array(4.0)) == 9.0
    assert rlax.compose_tx().apply(3.0) == rlax.compose_tx().apply_inv(3.0) == 3.0


@each_maker
@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_distributions_of_any_batch(name, shape):
    pair = MAKERS[name](-10.0, 10.0, 21)
    x = np.random.default_rng(0).uniform(-9, 9, size=shape).astype(np.float32)
    probs = pair.apply(x)
    assert probs.shape == (*shape, 21)
    assert np.all(np.asarray(probs) >= 0)
    np.testing.assert_allclose(np.sum(probs, -1), np.ones(shape), rtol=1e-6)
    assert pair.apply_inv(probs).shape == shape
    np.testing.assert_allclose(pair.apply_inv(probs), x, rtol=1e-4, atol=1e-4)


def test_the_mean_of_what_was_transformed_is_biased_but_for_the_unbiased_pair():
    bins = -4.0, 4.0, 9
    values = np.float32([1.0, 20.0])
    biased, unbiased = (MAKERS[name](*bins) for name in ("muzero_pair", "unbiased_transform_pair"))
    np.testing.assert_allclose(unbiased.apply_inv(unbiased.apply(values).mean(0)), values.mean(), rtol=1e-5)
    assert abs(biased.apply_inv(biased.apply(values).mean(0)) - values.mean()) > 1


def test_bins_of_the_unbiased_pair_are_themselves():
    pair = rlax.unbiased_transform_pair(-10.0, 10.0, 21, rlax.SIGNED_HYPERBOLIC_PAIR)
    bins = rlax.signed_parabolic(jnp.linspace(-10, 10, 21))
    np.testing.assert_allclose(pair.apply(bins), np.eye(21), atol=1e-5)
    np.testing.assert_allclose(pair.apply_inv(np.eye(21, dtype=np.float32)), bins, rtol=1e-6)


@each_maker
def test_under_jit_and_in_half_precision(name):
    pair = MAKERS[name](-10.0, 10.0, 21)
    x = jnp.array([-3.0, 0.1, 4.0])
    np.testing.assert_allclose(jax.jit(pair.apply)(x), pair.apply(x), atol=1e-6)
    probs = pair.apply(x.astype(jnp.bfloat16))
    assert (probs.dtype, pair.apply_inv(probs).dtype) == (jnp.bfloat16, jnp.bfloat16)


@each_maker
def test_wrong_bins_are_named(name):
    for bins, message in (
        ((-1.0, 1.0, 1), "num_bins is 1, expected at least 2."),
        ((1.0, 0.0, 3), "min_value is 1.0, expected less than max_value, which is 0.0."),
    ):
        with pytest.raises(ValueError, match=re.escape(f"{name}: {message}")):
            MAKERS[name](*bins)


def test_another_number_of_probabilities_is_named():
    pair = rlax.unbiased_transform_pair(-1.0, 1.0, 3, rlax.IDENTITY_PAIR)
    with pytest.raises(
        ValueError, match=re.escape("unbiased_transform_pair.apply_inv: probs has shape (4,), expected")
    ):
        pair.apply_inv(jnp.ones(4))
