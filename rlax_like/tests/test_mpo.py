import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rlax_like as rlax

N, B, D = 5, 3, 2
CLIP = functools.partial(jnp.clip, min=1e-3)


def arrays(seed=0):
    random = np.random.default_rng(seed)
    return (jnp.float32(random.normal(size=shape)) for shape in ((N, B), (N, B), (B,), (B, D)))


def bounds(kl, kl_per_dimension, alpha=0.5, alphas=(0.1, 0.2)):
    return [
        (kl, rlax.LagrangePenalty(alpha, 0.05)),
        (kl_per_dimension, rlax.LagrangePenalty(jnp.asarray(alphas), 0.02, per_dimension=True)),
    ]


def by_loop(log_probs, q, kl, kl_d, temperature, epsilon):
    """Abdolmaleki et al. (2018), state by state, in float64."""
    parts = []
    for b in range(B):
        z = np.exp(np.asarray(q[:, b], np.float64) / temperature)
        w = z / z.sum()
        policy = -sum(w[i] * float(log_probs[i, b]) for i in range(N))
        dual = temperature * (epsilon + np.log(z.mean()))
        penalty = 0.5 * float(kl[b]) + 0.1 * float(kl_d[b, 0]) + 0.2 * float(kl_d[b, 1])
        alpha = 0.5 * (0.05 - float(kl[b])) + sum(
            a * (0.02 - float(k)) for a, k in zip((0.1, 0.2), kl_d[b], strict=True)
        )
        parts.append((dual, policy, penalty, alpha))
    return np.array(parts).T


def test_agreement_with_a_loop():
    log_probs, q, kl, kl_d = arrays()
    constraint = rlax.LagrangePenalty(0.7, 0.1)
    loss, parts = rlax.mpo_loss(log_probs, q, constraint, bounds(kl, kl_d))
    expected = by_loop(log_probs, q, kl, kl_d, 0.7, 0.1)
    for name, value in zip(("temperature_loss", "policy_loss", "kl_loss", "alpha_loss"), expected, strict=True):
        np.testing.assert_allclose(getattr(parts, name), value, rtol=1e-5, atol=1e-6, err_msg=name)
    np.testing.assert_allclose(loss, expected.sum(0), rtol=1e-5)
    np.testing.assert_allclose(parts.normalized_weights.sum(0), np.ones(B), rtol=1e-6)
    assert parts.num_samples == N
    weighted, _ = rlax.mpo_loss(log_probs, q, constraint, bounds(kl, kl_d), CLIP, 2.0, 3.0, 5.0, 7.0)
    np.testing.assert_allclose(weighted, np.array([3.0, 2.0, 5.0, 7.0]) @ expected, rtol=1e-5)
    moved, _ = rlax.mpo_loss(log_probs.T, q.T, constraint, bounds(kl, kl_d), sample_axis=1)
    np.testing.assert_allclose(moved, loss, rtol=1e-6)


def test_without_a_bound():
    log_probs, q, *_ = arrays()
    loss, parts = rlax.mpo_loss(log_probs, q, rlax.LagrangePenalty(0.7, 0.1), [])
    np.testing.assert_array_equal(parts.kl_loss, np.zeros(B))
    np.testing.assert_allclose(loss, parts.policy_loss + parts.temperature_loss, rtol=1e-6)
    penalty, dual = rlax.compute_parametric_kl_penalty_and_dual_loss([], CLIP)
    assert penalty == dual == 0.0


def test_the_least_temperature_loss_bounds_the_divergence():
    _, q, *_ = arrays()
    q, epsilon = q[:, 0], 0.3
    loss = jax.jit(
        jax.grad(lambda t: rlax.mpo_compute_weights_and_temperature_loss(q, rlax.LagrangePenalty(t, epsilon), CLIP)[0])
    )
    temperature = jnp.array(1.0)
    for _ in range(500):
        temperature = temperature - 0.05 * loss(temperature)
    w = rlax.mpo_compute_weights_and_temperature_loss(q, rlax.LagrangePenalty(temperature, epsilon), CLIP)[1]
    np.testing.assert_allclose(jnp.sum(w * jnp.log(w * N)), epsilon, rtol=1e-3)


def test_a_temperature_near_0_neither_overflows_nor_cancels():
    q = jnp.array([[100.0], [101.0], [-5.0]])

    def dual(temperature):
        return rlax.mpo_compute_weights_and_temperature_loss(q, rlax.LagrangePenalty(temperature, 0.1), lambda x: x)

    for temperature in (1e-3, 1e-8, 1e-10):
        loss, weights, _ = dual(temperature)
        np.testing.assert_allclose(weights[:, 0], [0.0, 1.0, 0.0], atol=1e-6)
        np.testing.assert_allclose(loss, [101.0], rtol=1e-4)
        # The divergence of all weight on one sample is log N.
        np.testing.assert_allclose(jax.grad(lambda t: dual(t)[0][0])(temperature), 0.1 - np.log(3), rtol=1e-5)


def test_the_gradient_of_a_clipped_dual_variable():
    _, q, kl, _ = arrays()
    at_the_bound = jax.grad(lambda t: rlax.mpo_compute_weights_and_temperature_loss(
        q, rlax.LagrangePenalty(t, 0.1), lambda x: x)[0].sum())(1e-3)  # fmt: skip
    below = jax.grad(lambda t: rlax.mpo_compute_weights_and_temperature_loss(
        q, rlax.LagrangePenalty(t, 0.1), CLIP)[0].sum())(-0.5)  # fmt: skip
    assert at_the_bound < 0
    np.testing.assert_allclose(below, at_the_bound, rtol=1e-5)
    alpha = jax.grad(
        lambda a: rlax.compute_parametric_kl_penalty_and_dual_loss([(kl, rlax.LagrangePenalty(a, 0.05))], CLIP)[1].sum()
    )
    np.testing.assert_allclose(alpha(-0.5), jnp.sum(0.05 - kl), rtol=1e-5)
    # Gradient descent comes back.
    temperature = jnp.array(-0.5)
    for _ in range(50):
        temperature = temperature - 0.05 * jax.grad(lambda t: rlax.mpo_compute_weights_and_temperature_loss(
            q, rlax.LagrangePenalty(t, 0.1), CLIP)[0].mean())(temperature)  # fmt: skip
    assert temperature > 0.1


def test_a_projection_with_a_slope_keeps_it():
    _, _, kl, _ = arrays()
    gradient = jax.grad(lambda a: rlax.compute_parametric_kl_penalty_and_dual_loss(
        [(kl, rlax.LagrangePenalty(a, 0.05))], jax.nn.softplus)[1].sum())(-2.0)  # fmt: skip
    np.testing.assert_allclose(gradient, jax.nn.sigmoid(-2.0) * jnp.sum(0.05 - kl), rtol=1e-5)


@pytest.mark.parametrize("stop", [True, False])
def test_flags(stop):
    log_probs, q, kl, kl_d = arrays()

    def part(q, kl, temperature, alpha, name):
        constraint = rlax.LagrangePenalty(temperature, 0.1)
        out = rlax.mpo_loss(log_probs, q, constraint, bounds(kl, kl_d, alpha), use_stop_gradient=stop)[1]
        return getattr(out, name).sum()

    expected = {  # Whether a gradient flows to q, kl, temperature, alpha.
        "temperature_loss": (True, False, True, False),
        "policy_loss": (not stop, False, not stop, False),
        "kl_loss": (False, True, False, not stop),
        "alpha_loss": (False, not stop, False, True),
    }
    for name, flows in expected.items():
        gradients = jax.grad(part, (0, 1, 2, 3))(q, kl, 0.7, 0.5, name)
        assert tuple(bool(np.any(np.asarray(g) != 0)) for g in gradients) == flows, name


def test_an_excluded_sample_has_no_weight():
    log_probs, q, kl, kl_d = arrays()
    q_masked, log_masked = q.at[0, 0].set(-jnp.inf), log_probs.at[0, 0].set(-jnp.inf)

    def total(q, log_probs, temperature):
        return rlax.mpo_loss(log_probs, q, rlax.LagrangePenalty(temperature, 0.1), bounds(kl, kl_d))[0].sum()

    value, gradients = jax.value_and_grad(total, (0, 1, 2))(q_masked, log_masked, 0.7)
    assert np.isfinite(value)
    for gradient in gradients:
        assert np.all(np.isfinite(gradient))
    parts = rlax.mpo_loss(log_masked, q_masked, rlax.LagrangePenalty(0.7, 0.1), [])[1]
    alone = rlax.mpo_loss(log_probs[1:, 0], q[1:, 0], rlax.LagrangePenalty(0.7, 0.1), [])[1]
    np.testing.assert_allclose(parts.policy_loss[0], alone.policy_loss, rtol=1e-5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda x, p: rlax.mpo_loss(x, x[0], p, []),
            "sample_q_values has shape (3,), expected (5, 3) like sample_log_probs",
        ),
        (
            lambda x, p: rlax.mpo_loss(x, x, p, [], sample_axis=2),
            "sample_axis is 2, expected an axis of sample_q_values",
        ),
        (
            lambda x, p: rlax.mpo_loss(x, x, p._replace(alpha=jnp.ones(2)), []),
            "temperature_constraint.alpha has shape (2,), expected a number or a shape that broadcasts to (3,), that",
        ),
        (
            lambda x, p: rlax.mpo_loss(x, x, p, [(x[0], p), (x.T, p)]),
            "mpo_loss: kl_constraints[1][0] has shape (3, 5), expected [*B] with *B = (3,), one divergence for each",
        ),
        (
            lambda x, p: rlax.mpo_loss(x, x, p, [(x[0], p._replace(epsilon=jnp.ones(2)))]),
            "kl_constraints[0][1].epsilon has shape (2,), expected a number or a shape that broadcasts to (3,)",
        ),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call(jnp.zeros([N, B]), rlax.LagrangePenalty(1.0, 0.1))


def test_wrong_types_are_named():
    with pytest.raises(TypeError, match=r"kl_constraints\[0\]\[0\] must be an array or a number, got 'x' of type str"):
        rlax.mpo_loss(
            jnp.zeros([N, B]),
            jnp.zeros([N, B]),
            rlax.LagrangePenalty(1.0, 0.1),
            [("x", rlax.LagrangePenalty(1.0, 0.1))],
        )
