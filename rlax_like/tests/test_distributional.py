import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rlax_like as rlax

LOSSES = [rlax.categorical_td_learning, rlax.categorical_q_learning, rlax.categorical_double_q_learning]


def project_by_loop(z_p, probs, z_q):
    """Each atom's mass goes to its neighbours among the distinct values, from there in equal parts to equal atoms."""
    z_p, probs, z_q = (np.asarray(x, np.float64) for x in (z_p, probs, z_q))
    values, out = sorted(set(z_q)), np.zeros(len(z_q))
    for z, p in zip(z_p, probs, strict=True):
        z = min(max(z, values[0]), values[-1])
        above = min(v for v in values if v >= z)
        below = max(v for v in values if v <= z)
        share = 1.0 if above == below else (above - z) / (above - below)
        for value, mass in ((below, p * share), (above, p * (1 - share))):
            out[z_q == value] += mass / np.sum(z_q == value)
    return out


ATOMS = st.lists(st.integers(-6, 6).map(lambda i: i / 2), min_size=5, max_size=5)
project = jax.jit(rlax.categorical_l2_project)


@given(z_p=st.lists(st.floats(-4, 4, width=32), min_size=3, max_size=3), z_q=ATOMS, seed=st.integers(0, 99))
def test_projection_agrees_with_a_loop_and_keeps_mass_on_any_support(z_p, z_q, seed):
    probs = np.random.default_rng(seed).dirichlet(np.ones(3)).astype(np.float32)
    out = project(np.float32(z_p), probs, np.float32(z_q))
    np.testing.assert_allclose(out, project_by_loop(z_p, probs, z_q), atol=1e-6)
    np.testing.assert_allclose(jnp.sum(out), 1.0, atol=1e-6)


def test_projection_by_hand():
    np.testing.assert_allclose(project(jnp.array([0.25]), jnp.ones(1), jnp.array([0.0, 1.0])), [0.75, 0.25])
    np.testing.assert_allclose(project(jnp.array([0.25]), jnp.ones(1), jnp.array([1.0, 0.0])), [0.25, 0.75])
    np.testing.assert_allclose(
        project(jnp.array([-5.0, 0.5, 7.0]), jnp.array([0.25, 0.25, 0.5]), jnp.array([0.0, 1.0, 1.0])),
        [0.375, 0.3125, 0.3125],
    )
    np.testing.assert_allclose(project(jnp.array([0.3]), jnp.ones(1), jnp.array([2.0])), [1.0])
    # The mean stays, within the support.
    z_p, probs, z_q = jnp.array([-0.7, 0.1, 0.4]), jnp.array([0.2, 0.3, 0.5]), jnp.array([-1.0, 0.0, 3.0])
    np.testing.assert_allclose(jnp.sum(project(z_p, probs, z_q) * z_q), jnp.sum(z_p * probs), rtol=1e-5)


def test_atoms_may_be_shared_by_a_batch():
    random = np.random.default_rng(0)
    probs, z_q = random.dirichlet(np.ones(4), size=(2, 3)), np.linspace(-1, 1, 5)
    z_p = random.normal(size=4)
    shared = rlax.categorical_l2_project(z_p, probs, z_q)
    own = rlax.categorical_l2_project(np.broadcast_to(z_p, (2, 3, 4)), probs, np.broadcast_to(z_q, (2, 3, 5)))
    np.testing.assert_allclose(shared, own, rtol=1e-6)
    logits = jnp.float32(random.normal(size=(2, 3, 4)))
    rewards = jnp.ones([2, 3])
    out = rlax.categorical_td_learning(z_q[:4], logits, rewards, 0.5, z_p, logits)
    np.testing.assert_allclose(
        out, rlax.categorical_td_learning(jnp.broadcast_to(z_q[:4], (2, 3, 4)), logits, rewards, 0.5, z_p, logits)
    )


def softmax(x):
    return np.exp(x) / np.sum(np.exp(x))


def test_the_losses_agree_with_numpy():
    random = np.random.default_rng(1)
    atoms, atoms_t = np.linspace(-2, 2, 5), np.linspace(-1, 1, 4)
    logits, logits_t = random.normal(size=(3, 5)), random.normal(size=(3, 4))
    selector, r, d, a = np.array([0.0, 1.0, 0.5]), 0.3, 0.9, 2

    def loss(logits, logits_t):
        target = project_by_loop(r + d * atoms_t, softmax(logits_t), atoms)
        return -np.sum(target * np.log(softmax(logits)))

    out = rlax.categorical_td_learning(atoms, logits[0], r, d, atoms_t, logits_t[0])
    np.testing.assert_allclose(out, loss(logits[0], logits_t[0]), rtol=1e-5)
    best = np.argmax([np.sum(softmax(x) * atoms_t) for x in logits_t])
    out = rlax.categorical_q_learning(atoms, logits, a, r, d, atoms_t, logits_t)
    np.testing.assert_allclose(out, loss(logits[a], logits_t[best]), rtol=1e-5)
    out = rlax.categorical_double_q_learning(atoms, logits, a, r, d, atoms_t, logits_t, selector)
    np.testing.assert_allclose(out, loss(logits[a], logits_t[1]), rtol=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
def test_gradients_reach_the_target_only_where_asked(loss):
    random = np.random.default_rng(2)
    logits, logits_t = (jnp.float32(random.normal(size=(3, 5))) for _ in range(2))
    atoms = jnp.linspace(-2.0, 2.0, 5)
    selector = (jnp.arange(3.0),) if loss is rlax.categorical_double_q_learning else ()
    is_td = loss is rlax.categorical_td_learning

    def total(atoms_tm1, logits, r, d, atoms_t, logits_t, stop):
        if is_td:
            return loss(atoms_tm1, logits[0], r, d, atoms_t, logits_t[0], stop)
        return loss(atoms_tm1, logits, 1, r, d, atoms_t, logits_t, *selector, stop)

    args = atoms, logits, 0.3, 0.9, atoms, logits_t
    stopped, flowing = (jax.grad(total, range(6))(*args, stop) for stop in (True, False))
    for i, (s, f) in enumerate(zip(stopped, flowing, strict=True)):
        assert np.all(np.isfinite(f)), i
        assert np.any(np.asarray(f) != 0), i
        assert np.any(np.asarray(s) != 0) == (i == 1), i
    np.testing.assert_array_equal(stopped[1], flowing[1])


def test_an_action_that_does_not_exist_gives_nan():
    atoms, logits = jnp.arange(4.0), jnp.zeros([2, 3, 4])
    out = rlax.categorical_q_learning(atoms, logits, jnp.array([1, 3]), jnp.zeros(2), 0.9, atoms, logits)
    np.testing.assert_array_equal(np.isnan(out), [False, True])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"q_atoms_tm1": np.zeros(3)}, "q_atoms_tm1 has shape (3,), expected (4,) or (2, 4) like q_logits_tm1"),
        ({"q_logits_t": np.zeros([3, 4])}, "q_logits_t has shape (3, 4), expected (2, A_t, M) like q_logits_tm1"),
        ({"a_tm1": np.zeros(3, int)}, "a_tm1 has shape (3,), expected (2,) like q_logits_tm1"),
        ({"r_t": np.zeros(3)}, "r_t has shape (3,), expected (2,) like q_logits_tm1"),
        ({"discount_t": np.zeros(3)}, "discount_t has shape (3,), expected (2,) or a number like q_logits_tm1"),
        ({"q_atoms_t": np.zeros([3, 4])}, "q_atoms_t has shape (3, 4), expected (4,) or (2, 4)"),
        ({"q_t_selector": np.zeros([2, 2])}, "q_t_selector has shape (2, 2), expected (2, 3) like q_logits_t"),
    ],
)
def test_errors_name_the_argument(change, message):
    args = {
        "q_atoms_tm1": np.arange(4.0), "q_logits_tm1": np.zeros([2, 3, 4]), "a_tm1": np.array([0, 1]),
        "r_t": np.zeros(2), "discount_t": 0.9, "q_atoms_t": np.arange(4.0), "q_logits_t": np.zeros([2, 3, 4]),
        "q_t_selector": np.zeros([2, 3]),
    }  # fmt: skip
    with pytest.raises(ValueError, match=re.escape(f"categorical_double_q_learning: {message}")):
        rlax.categorical_double_q_learning(**{**args, **change})
    with pytest.raises(TypeError, match="a_tm1 must be an integer array"):
        rlax.categorical_double_q_learning(**{**args, "a_tm1": np.zeros(2)})
