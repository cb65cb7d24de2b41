import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rlax_like as rlax

ALL_ACTIONS = {"qpg": rlax.qpg_loss, "rm": rlax.rm_loss, "rpg": rlax.rpg_loss}
MASKED = jnp.array([[0.5, -jnp.inf, 0.0]])


def arrays(shape=(4,), actions=3, seed=0):
    random = np.random.default_rng(seed)
    make = lambda *extra: jnp.float32(random.normal(size=(*shape, *extra)))  # noqa: E731
    return make(actions), jnp.asarray(random.integers(actions, size=shape)), make(), make(), make(actions)


def softmax(x):
    e = np.exp(np.asarray(x, np.float64))
    return e / e.sum(-1, keepdims=True)


def test_policy_gradient_loss():
    logits, a, adv, w, _ = arrays()
    pi = softmax(logits)
    expected = -np.mean([w[t] * adv[t] * np.log(pi[t, a[t]]) for t in range(4)])
    np.testing.assert_allclose(rlax.policy_gradient_loss(logits, a, adv, w), expected, rtol=1e-5)
    # Williams (1992): -w adv (1[a] - π) / T.
    gradient = jax.grad(rlax.policy_gradient_loss)(logits, a, adv, w)
    weight = np.asarray(w * adv)[:, None]
    np.testing.assert_allclose(gradient, -weight * (np.eye(3)[a] - pi) / 4, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(
        rlax.policy_gradient_loss(logits, a, adv, 0.5), rlax.policy_gradient_loss(logits, a, adv, jnp.full(4, 0.5))
    )


def test_entropy_loss():
    logits, _, _, w, _ = arrays()
    pi = softmax(logits)
    np.testing.assert_allclose(rlax.entropy_loss(logits, w), np.mean(w * np.sum(pi * np.log(pi), -1)), rtol=1e-5)


def test_losses_of_all_actions():
    logits, *_, q = arrays()
    pi = softmax(logits)
    adv = np.asarray(q, np.float64) - np.sum(pi * q, -1, keepdims=True)
    np.testing.assert_allclose(rlax.qpg_loss(logits, q), 0.0, atol=1e-6)
    np.testing.assert_allclose(rlax.rm_loss(logits, q), -np.mean(np.sum(pi * np.maximum(adv, 0), -1)), rtol=1e-5)
    np.testing.assert_allclose(rlax.rpg_loss(logits, q), np.mean(np.sum(np.maximum(adv, 0), -1)), rtol=1e-5)
    # The all-actions policy gradient: -π (q - v).
    np.testing.assert_allclose(jax.grad(rlax.qpg_loss)(logits, q), -pi * adv / 4, rtol=1e-4, atol=1e-6)


def test_clipped_surrogate_by_hand():
    # Above the margin a good action gains no more; a bad one loses all the same.
    ratios, adv = jnp.array([1.5, 1.5, 0.5, 0.5, 1.1]), jnp.array([1.0, -1.0, 1.0, -1.0, 2.0])
    terms = [1.2, -1.5, 0.5, -0.8, 2.2]
    np.testing.assert_allclose(rlax.clipped_surrogate_pg_loss(ratios, adv, 0.2), -np.mean(terms), rtol=1e-6)
    gradient = jax.grad(rlax.clipped_surrogate_pg_loss)(ratios, adv, 0.2)
    np.testing.assert_allclose(gradient, -np.array([0.0, -1.0, 1.0, 0.0, 2.0]) / 5, rtol=1e-6)


def test_dpg_loss():
    a, dqda = jnp.array([[0.1, 0.2], [0.3, 0.4]]), jnp.array([[3.0, 4.0], [0.3, 0.4]])
    np.testing.assert_allclose(rlax.dpg_loss(a, dqda), [[4.5, 8.0], [0.045, 0.08]], rtol=1e-5)
    total = lambda a, dqda, clip, stop=True: rlax.dpg_loss(a, dqda, clip, stop).sum()  # noqa: E731
    np.testing.assert_allclose(jax.grad(total)(a, dqda, None), -dqda, rtol=1e-5)
    # The first has the length 5, the second 0.5.
    np.testing.assert_allclose(jax.grad(total)(a, dqda, 1.0), [[-0.6, -0.8], [-0.3, -0.4]], rtol=1e-5)
    assert np.all(np.isfinite(jax.grad(total, 1)(a, 0 * dqda, 1.0, False)))
    np.testing.assert_allclose(jax.jit(rlax.dpg_loss)(a, dqda, 1.0), rlax.dpg_loss(a, dqda, 1.0), rtol=1e-6)


def test_flags():
    logits, a, adv, w, q = arrays()
    cases = {
        "policy_gradient_loss": (lambda x, s: rlax.policy_gradient_loss(logits, a, x, w, s), adv),
        "clipped_surrogate_pg_loss": (lambda x, s: rlax.clipped_surrogate_pg_loss(1 + w, x, 0.2, s), adv),
        "dpg_loss": (lambda x, s: rlax.dpg_loss(logits, x, None, s).sum(), q),
        "rm_loss": (lambda x, s: rlax.rm_loss(logits, x, s), q),
        "rpg_loss": (lambda x, s: rlax.rpg_loss(logits, x, s), q),
    }
    for name, (loss, x) in cases.items():
        assert not np.any(np.asarray(jax.grad(loss)(x, True))), name
        assert np.any(np.asarray(jax.grad(loss)(x, False))), name
        for flag in (True, False):  # A flag may be traced.
            traced = jax.jit(jax.grad(loss))(x, flag)
            np.testing.assert_allclose(traced, jax.grad(loss)(x, flag), rtol=1e-5, atol=1e-7, err_msg=name)
    # The loss of all actions is always 0, and without a stop so is its gradient; with one it improves the policy.
    np.testing.assert_allclose(jax.grad(rlax.qpg_loss)(logits, q, False), np.zeros([4, 3]), atol=1e-6)
    assert np.any(np.abs(jax.grad(rlax.qpg_loss)(logits, q, True)) > 1e-3)
    # Through the baseline too, the loss of regret matching has another gradient.
    assert not np.allclose(jax.grad(rlax.rm_loss)(logits, q, False), jax.grad(rlax.rm_loss)(logits, q, True))


@pytest.mark.parametrize("name", ALL_ACTIONS)
@pytest.mark.parametrize("value", [-jnp.inf, jnp.inf, jnp.nan, 7.0])
def test_what_an_impossible_action_is_worth_does_not_count(name, value):
    q = jnp.array([[1.0, value, 2.0]])
    possible = ALL_ACTIONS[name](MASKED[:, ::2], q[:, ::2])
    np.testing.assert_allclose(ALL_ACTIONS[name](MASKED, q), possible, atol=1e-6)
    gradient = jax.grad(ALL_ACTIONS[name])(MASKED, q)
    np.testing.assert_allclose(gradient[:, ::2], jax.grad(ALL_ACTIONS[name])(MASKED[:, ::2], q[:, ::2]), atol=1e-6)
    assert gradient[0, 1] == 0.0


@pytest.mark.parametrize("name", ALL_ACTIONS)
@pytest.mark.parametrize("stop", [True, False])
def test_many_impossible_actions_count_nothing_among_many_regrets(name, stop):
    logits, _, _, _, q = arrays((1,), actions=40)
    impossible = np.arange(40) % 2 == 1
    few = lambda x: x[:, ::2]  # noqa: E731
    loss = lambda logits, q: ALL_ACTIONS[name](logits, 1e4 * q, stop)  # noqa: E731
    value, gradients = jax.value_and_grad(loss, (0, 1))(jnp.where(impossible, -jnp.inf, logits), q)
    expected, expected_gradients = jax.value_and_grad(loss, (0, 1))(few(logits), few(q))
    np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-2)
    for gradient, of_few in zip(gradients, expected_gradients, strict=True):
        np.testing.assert_allclose(few(gradient), of_few, rtol=1e-4, atol=1e-2)
        assert not np.any(gradient[:, impossible])


def test_a_step_of_weight_0_may_have_an_impossible_action():
    logits, a = jnp.concatenate([MASKED, MASKED]), jnp.array([0, 1])
    value, gradient = jax.value_and_grad(rlax.policy_gradient_loss)(logits, a, jnp.ones(2), jnp.array([1.0, 0.0]))
    assert np.isfinite(value)
    assert np.all(np.isfinite(gradient))
    assert rlax.policy_gradient_loss(logits, a, jnp.ones(2), jnp.ones(2)) == jnp.inf


def test_a_batch_after_time():
    logits, a, adv, w, q = arrays((4, 2, 3))
    for loss, args in (
        (rlax.policy_gradient_loss, (logits, a, adv, w)),
        (rlax.entropy_loss, (logits, w)),
        (rlax.qpg_loss, (logits, q)),
        (lambda r, adv: rlax.clipped_surrogate_pg_loss(r, adv, 0.2), (w, adv)),
    ):
        out = loss(*args)
        assert out.shape == (2, 3)
        np.testing.assert_allclose(jax.vmap(loss, in_axes=1)(*args), out, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: rlax.policy_gradient_loss(x, jnp.zeros(3, int), x[:, 0], 1.0), "a_t has shape (3,), expected (4,)"),
        (lambda x: rlax.policy_gradient_loss(x, jnp.zeros(4, int), x, 1.0), "adv_t has shape (4, 2), expected (4,)"),
        (lambda x: rlax.policy_gradient_loss(x[0], 0, 1.0, 1.0), "logits_t has shape (2,), expected [T, *B, A]. Time"),
        (lambda x: rlax.entropy_loss(x, x), "entropy_loss: w_t has shape (4, 2), expected (4,) or a number like"),
        (lambda x: rlax.qpg_loss(x, x[0]), "qpg_loss: q_t has shape (2,), expected (4, 2) like logits_t"),
        (lambda x: rlax.rm_loss(x, x[0]), "rm_loss: q_t has shape (2,), expected (4, 2) like logits_t"),
        (lambda x: rlax.rpg_loss(x, x[0]), "rpg_loss: q_t has shape (2,), expected (4, 2) like logits_t"),
        (lambda x: rlax.dpg_loss(x, x[0]), "dpg_loss: dqda_t has shape (2,), expected (4, 2) like a_t"),
        (lambda x: rlax.dpg_loss(x, x, -1.0), "dpg_loss: dqda_clipping is -1.0, expected a positive length"),
        (lambda x: rlax.clipped_surrogate_pg_loss(x, x, -0.1), "epsilon is -0.1, expected 0 or more"),
        (lambda x: rlax.clipped_surrogate_pg_loss(x, x[0], 0.1), "adv_t has shape (2,), expected (4, 2) like prob_"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call(jnp.zeros([4, 2]))


def test_large_action_values_do_not_blur_their_differences():
    logits, q = jnp.array([[0.3, -1.0, 0.5]]), jnp.array([[1.0, 2.0, -0.5]])
    expected, shifted = (jax.grad(rlax.qpg_loss)(logits, values) for values in (q, q + 2.0**20))
    np.testing.assert_allclose(shifted, expected, rtol=1e-4)
    assert np.abs(expected).max() > 0.1
