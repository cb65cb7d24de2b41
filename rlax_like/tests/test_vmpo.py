import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rlax_like as rlax

CLIP = functools.partial(jnp.clip, min=1e-3)
PENALTY = rlax.LagrangePenalty(0.7, 0.1)


def arrays(shape=(4, 3), seed=0):
    random = np.random.default_rng(seed)
    restarting = jnp.float32(random.uniform(size=shape) > 0.3)
    return jnp.float32(random.normal(size=shape)), restarting, jnp.float32(random.uniform(0.1, 2.0, size=shape))


def weights(advantages, restarting, importance, fraction=0.5, penalty=PENALTY, **options):
    return rlax.vmpo_compute_weights_and_temperature_loss(
        advantages, restarting, importance, penalty, CLIP, fraction, **options
    )


def by_sorting(advantages, restarting, importance, fraction=0.5):
    """Song et al. (2020), eqs. 3 and 4, over the steps that do not restart."""
    steps = [
        (a, i, rho)
        for i, (a, r, rho) in enumerate(
            zip(*(np.float64(x).ravel() for x in (advantages, restarting, importance)), strict=True)
        )
        if r
    ]
    best = sorted(steps, reverse=True)[: int(fraction * advantages.size)]
    out = np.zeros(advantages.size)
    for a, i, rho in best:
        out[i] = rho * np.exp(a / 0.7)
    loss = 0.7 * (0.1 + np.log(out.sum() / len(best)))
    return loss, (out / out.sum()).reshape(advantages.shape), len(best)


@pytest.mark.parametrize("fraction", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("seed", [0, 1])
def test_agreement_with_sorting(fraction, seed):
    args = arrays(seed=seed)
    for out, expected in zip(weights(*args, fraction), by_sorting(*args, fraction), strict=True):
        np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-7)


def test_the_policy_part_means_to_the_weighted_sum():
    adv, restarting, importance = arrays()
    log_probs = adv[::-1]
    kl = jnp.abs(adv)
    loss, parts = rlax.vmpo_loss(
        log_probs, adv, PENALTY, [(kl, rlax.LagrangePenalty(0.5, 0.05))], CLIP, restarting, importance
    )
    _, w, number = by_sorting(adv, restarting, importance)
    np.testing.assert_allclose(parts.policy_loss.mean(), -np.sum(w * log_probs), rtol=1e-5)
    np.testing.assert_allclose(parts.kl_loss, 0.5 * kl, rtol=1e-6)
    np.testing.assert_allclose(parts.alpha_loss, 0.5 * (0.05 - kl), rtol=1e-5)
    assert parts.num_samples == number
    np.testing.assert_allclose(loss, sum(parts[:4]), rtol=1e-5)
    # Weights of 1 by default.
    by_default = rlax.vmpo_loss(log_probs, adv, PENALTY, [])[1]
    np.testing.assert_allclose(by_default.normalized_weights, by_sorting(adv, adv * 0 + 1, adv * 0 + 1)[1], rtol=1e-5)


def test_a_restarting_step_may_have_any_advantage():
    adv, restarting, importance = arrays()
    restarting = restarting.at[0, 0].set(0.0)
    expected = by_sorting(adv, restarting, importance)
    for value in (1e30, jnp.inf, -jnp.inf):
        wild = adv.at[0, 0].set(value)
        for out, right in zip(weights(wild, restarting, importance), expected, strict=True):
            np.testing.assert_allclose(out, right, rtol=1e-5, atol=1e-7)
        gradient = jax.grad(lambda a: weights(a, restarting, importance)[0])(wild)
        assert np.all(np.isfinite(gradient))
        assert gradient[0, 0] == 0.0


def test_no_step_at_all():
    adv, restarting, importance = arrays()
    loss, w, number = weights(adv, 0 * restarting, importance)
    np.testing.assert_allclose(loss, 0.07, rtol=1e-6)
    assert not np.any(w)
    assert number == 0.0
    assert np.all(np.isfinite(jax.grad(lambda a: weights(a, 0 * restarting, importance)[0])(adv)))


def test_a_low_temperature_neither_overflows_nor_cancels():
    adv, restarting, importance = arrays()
    for t in (1e-3, 1e-6):
        loss, w, _ = weights(100 * adv, restarting, importance, penalty=rlax.LagrangePenalty(t, 0.1), fraction=0.4)
        assert np.isfinite(loss)
        np.testing.assert_allclose(jnp.max(w), 1.0, rtol=1e-6)


def test_flags():
    adv, restarting, importance = arrays()

    def function(temperature, adv, importance, which, stop):
        out = weights(
            adv, restarting, importance, penalty=rlax.LagrangePenalty(temperature, 0.1), use_stop_gradient=stop
        )
        return jnp.sum(out[which] * adv[::-1])

    # Whether a gradient flows from the loss, or the weights, to temperature and importance weights.
    expected = {(0, True): (True, False), (0, False): (True, True), (1, True): (False, False), (1, False): (True, True)}
    for (which, stop), flows in expected.items():
        gradients = jax.grad(function, (0, 2))(0.7, adv, importance, which, stop)
        assert tuple(bool(np.any(np.asarray(g) != 0)) for g in gradients) == flows, (which, stop)


def test_split_over_devices_it_is_the_same():
    adv, restarting, importance = arrays((8, 3))
    whole = weights(adv, restarting, importance)
    split = jax.pmap(functools.partial(weights, axis_name="i"), axis_name="i")(adv, restarting, importance)
    np.testing.assert_allclose(split[0], np.full(8, whole[0]), rtol=1e-5)
    np.testing.assert_allclose(split[1], whole[1], rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(split[2], np.full(8, whole[2]))
    loss, _ = rlax.vmpo_loss(adv, adv, PENALTY, [])
    mapped = jax.vmap(lambda x: rlax.vmpo_loss(x, x, PENALTY, [], axis_name="i")[0], axis_name="i")(adv)
    np.testing.assert_allclose(mapped, loss, rtol=1e-5)


@pytest.mark.parametrize("fraction", [0.0, -0.5, 1.5, float("nan")])
def test_the_fraction_is_one(fraction):
    with pytest.raises(ValueError, match=r"top_k_fraction is .*, expected a known number in \(0, 1\]"):
        weights(*arrays(), fraction)


def test_errors():
    adv, restarting, importance = arrays()
    with pytest.raises(ValueError, match=r"less than 1 of the 12 steps. Raise it to at least 0.0833"):
        weights(adv, restarting, importance, 0.05)
    with pytest.raises(ValueError, match="expected a known number"):
        jax.jit(lambda f: weights(adv, restarting, importance, f))(0.5)
    with pytest.raises(
        ValueError, match=re.escape("restarting_weights has shape (3,), expected (4, 3) like advantages")
    ):
        weights(adv, restarting[0], importance)
    with pytest.raises(ValueError, match=re.escape("temperature_constraint.alpha has shape (3,), expected a number")):
        weights(adv, restarting, importance, penalty=rlax.LagrangePenalty(jnp.ones(3), 0.1))
    with pytest.raises(
        ValueError, match=re.escape("vmpo_loss: kl_constraints[0][0] has shape (3,), expected [*B] with")
    ):
        rlax.vmpo_loss(adv, adv, PENALTY, [(adv[0], PENALTY)])
    with pytest.raises(
        ValueError, match=re.escape("vmpo_loss: advantages has shape (3,), expected (4, 3) like sample")
    ):
        rlax.vmpo_loss(adv, adv[0], PENALTY, [])
