import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rlax_like as rlax
from rlax_like import quantile


def regression(src, tau, target, huber):
    """Dabney et al. (2018), eq. 10, pair by pair."""
    total = 0.0
    for s, t in zip(src, tau, strict=True):
        losses = []
        for y in target:
            error = y - s
            size = abs(error)
            loss = size if huber == 0 else error**2 / 2 if size <= huber else huber * (size - huber / 2)
            losses.append(abs(t - (error < 0)) * loss)
        total += np.mean(losses)
    return total


def case(seed=0, n=4, m=5, actions=3):
    random = np.random.default_rng(seed)
    return {
        "q_tm1": random.normal(size=(n, actions)),
        "tau": random.uniform(size=n),
        "q_t": random.normal(size=(m, actions)),
        "selector": random.normal(size=(2, actions)),
        "probs": random.dirichlet(np.ones(actions)),
    }


def test_by_hand():
    # Errors -1 and 4 at the level 0.25: 0.75 * 1 and 0.25 * 4.
    loss = rlax.quantile_regression_loss
    args = jnp.array([1.0]), jnp.array([0.25]), jnp.array([0.0, 5.0])
    assert loss(*args) == (0.75 * 1 + 0.25 * 4) / 2
    # With a parabola up to 2: 0.75 * 1 / 2 and 0.25 * 2 * (4 - 1).
    assert loss(*args, 2.0) == (0.75 * 0.5 + 0.25 * 6) / 2


@pytest.mark.parametrize("huber", [0.0, 0.5])
def test_agreement_with_numpy(huber):
    c, r, d, a = case(), 0.4, 0.9, 1
    src = c["q_tm1"][:, a]
    out = rlax.quantile_regression_loss(src, c["tau"], c["q_t"][:, 0], huber)
    np.testing.assert_allclose(out, regression(src, c["tau"], c["q_t"][:, 0], huber), rtol=1e-5)
    out = rlax.quantile_q_learning(c["q_tm1"], c["tau"], a, r, d, c["selector"], c["q_t"], huber)
    best = np.argmax(c["selector"].mean(0))
    np.testing.assert_allclose(out, regression(src, c["tau"], r + d * c["q_t"][:, best], huber), rtol=1e-5)
    out = rlax.quantile_expected_sarsa(c["q_tm1"], c["tau"], a, r, d, c["q_t"], c["probs"], huber)
    expected = sum(p * regression(src, c["tau"], r + d * q, huber) for p, q in zip(c["probs"], c["q_t"].T, strict=True))
    np.testing.assert_allclose(out, expected, rtol=1e-5)


@pytest.mark.parametrize("threshold", [0.0, 0.5])
@pytest.mark.parametrize("is_weighted", [False, True])
def test_target_by_target_and_all_pairs_agree(threshold, is_weighted):
    random = np.random.default_rng(0)
    src, tau = random.normal(size=(2, 3, 4)), random.uniform(size=(2, 3, 4))
    target, weights = random.normal(size=(2, 3, 6)), random.uniform(size=(2, 3, 6))
    args = tuple(jnp.asarray(x, jnp.float32) for x in (src, tau, target, threshold, weights))
    args = args if is_weighted else (*args[:4], None)
    cotangent = jnp.asarray(random.normal(size=(2, 3, 4)), jnp.float32)
    (out, vjp), (expected, expected_vjp) = (
        jax.vjp(by, *args) for by in (quantile._target_by_target, quantile._all_pairs)
    )
    np.testing.assert_allclose(out, expected, rtol=1e-5)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, 1e-5, 1e-5), vjp(cotangent), expected_vjp(cotangent))


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="elsewhere, pairs are fused into their sum")
def test_no_pair_is_kept_for_the_gradient():
    n = 256
    src = jnp.zeros([8, n])
    gradient = jax.jit(jax.grad(lambda s, t: rlax.quantile_regression_loss(s, t, t, 1.0).sum(), (0, 1)))
    memory = gradient.lower(src, src).compile().memory_analysis()
    assert memory.temp_size_in_bytes < 16 * src.nbytes < n * src.nbytes


def test_the_minimum_are_the_quantiles():
    samples = jnp.linspace(0.0, 1.0, 201)
    levels = jnp.array([0.1, 0.5, 0.8])
    loss = jax.jit(jax.grad(rlax.quantile_regression_loss))
    quantiles = jnp.zeros(3)
    for _ in range(300):
        quantiles = quantiles - 0.05 * loss(quantiles, levels, samples)
    np.testing.assert_allclose(quantiles, levels, atol=0.01)


def test_the_expected_target_is_a_mixture():
    # Of two actions of equal probability, one gives 0 and the other 10: the quantiles are 0 and 10, not 5.
    q_t, probs = jnp.array([[0.0, 10.0]]), jnp.array([0.5, 0.5])
    loss = jax.jit(jax.grad(lambda q: rlax.quantile_expected_sarsa(q, jnp.array([0.2, 0.8]), 0, 0.0, 1.0, q_t, probs)))
    q = jnp.full([2, 1], 5.0)
    for _ in range(100):
        q = q - 0.3 * loss(jnp.concatenate([q, q], -1))[:, :1]
    np.testing.assert_allclose(q[:, 0], [0.0, 10.0], atol=0.3)


@pytest.mark.parametrize("name", ["regression", "q_learning", "expected_sarsa"])
def test_gradients_reach_the_target_only_where_asked(name):
    c = {k: jnp.float32(v) for k, v in case().items()}

    def loss(q_tm1, q_t, probs, stop):
        if name == "regression":
            return rlax.quantile_regression_loss(q_tm1[:, 1], c["tau"], q_t[:, 0] * probs[0], 0.5, stop)
        if name == "q_learning":
            return rlax.quantile_q_learning(q_tm1, c["tau"], 1, probs[0], 0.9, q_t, q_t, 0.5, stop)
        return rlax.quantile_expected_sarsa(q_tm1, c["tau"], 1, 0.4, 0.9, q_t, probs, 0.5, stop)

    args = c["q_tm1"], c["q_t"], c["probs"]
    stopped, flowing = (jax.grad(loss, (0, 1, 2))(*args, stop) for stop in (True, False))
    np.testing.assert_array_equal(stopped[0], flowing[0])
    for s, f in zip(stopped[1:], flowing[1:], strict=True):
        assert not np.any(np.asarray(s))
        assert np.any(np.asarray(f))


def test_the_slope_at_an_error_of_0_is_the_level():
    assert jax.grad(rlax.quantile_regression_loss)(jnp.zeros(1), jnp.array([0.25]), jnp.zeros(1))[0] == -0.25
    assert jax.grad(rlax.quantile_regression_loss)(jnp.zeros(1), jnp.array([0.25]), jnp.zeros(1), 1.0)[0] == 0.0


def test_an_impossible_action_may_have_infinite_values():
    q_t, probs = jnp.array([[1.0, -jnp.inf]]), jnp.array([1.0, 0.0])
    args = jnp.zeros([1, 2]), jnp.array([0.5]), 0, 0.0
    assert rlax.quantile_expected_sarsa(*args, 1.0, q_t, probs) == 0.5
    assert rlax.quantile_expected_sarsa(*args, 0.0, q_t, probs) == 0.0
    assert rlax.quantile_q_learning(*args, 1.0, q_t, q_t) == 0.5


def test_levels_may_be_shared_and_huber_param_traced():
    c = case()
    batch = np.stack([c["q_tm1"], c["q_tm1"] + 1])
    out = jax.jit(rlax.quantile_regression_loss)(batch[..., 0], c["tau"], batch[..., 1], 0.5)
    one = [rlax.quantile_regression_loss(q[:, 0], c["tau"], q[:, 1], 0.5) for q in batch]
    np.testing.assert_allclose(out, one, rtol=1e-5)


def test_errors():
    q = jnp.zeros([4, 3])
    with pytest.raises(
        ValueError, match=r"quantile_regression_loss: huber_param is -1.0, expected 0 or a positive number"
    ):
        rlax.quantile_regression_loss(jnp.zeros(2), jnp.zeros(2), jnp.zeros(2), -1.0)
    with pytest.raises(ValueError, match=re.escape("tau_q_tm1 has shape (3,), expected (4,) like dist_q_tm1")):
        rlax.quantile_q_learning(q, jnp.zeros(3), 0, 0.0, 0.9, q, q)
    with pytest.raises(ValueError, match=re.escape("dist_q_t_selector has shape (4, 2), expected (K, 3)")):
        rlax.quantile_q_learning(q, jnp.zeros(4), 0, 0.0, 0.9, q[:, :2], q)
    with pytest.raises(ValueError, match=re.escape("probs_a_t has shape (2,), expected (3,)")):
        rlax.quantile_expected_sarsa(q, jnp.zeros(4), 0, 0.0, 0.9, q, jnp.ones(2))
    with pytest.raises(TypeError, match="quantile_q_learning: a_tm1 must be an integer array"):
        rlax.quantile_q_learning(q, jnp.zeros(4), 0.0, 0.0, 0.9, q, q)
