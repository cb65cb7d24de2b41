import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import rlax_like as rlax

Q = jnp.array([1.0, 3.0, 3.0, 0.0])
BATCH = jnp.stack([Q, Q[::-1] * 2])
MASKED = jnp.array([1.0, -jnp.inf, 2.0])
POLICIES = {
    "epsilon_greedy": rlax.epsilon_greedy(0.2),
    "greedy": rlax.greedy(),
    "softmax": rlax.softmax(),
    "softmax_cold": rlax.softmax(0.1),
    "softmax_clipped": rlax.clipped_entropy_softmax(),
}
PREFERENCES = hnp.arrays(
    np.float32, st.sampled_from([(1,), (4,), (3, 2), (2, 1, 3)]), elements=st.integers(-3, 3).map(np.float32)
)
each_policy = pytest.mark.parametrize("name", POLICIES)


def probs_by_loop(name, x):
    """The probabilities of each policy in float64, from their definitions."""
    x = np.asarray(x, np.float64)
    out = np.empty_like(x)
    for at in np.ndindex(*x.shape[:-1]):
        row = x[at]
        if name.startswith("softmax"):
            weights = np.exp((row - row.max()) / (0.1 if name == "softmax_cold" else 1.0))
            out[at] = weights / weights.sum()
        else:
            epsilon = 0.2 if name == "epsilon_greedy" else 0.0
            best = [i for i, v in enumerate(row) if v == row.max()]
            out[at] = [epsilon / len(row) + (1 - epsilon) / len(best) * (i in best) for i in range(len(row))]
    return out


def test_probabilities_by_hand():
    np.testing.assert_allclose(rlax.greedy().probs(Q), [0, 0.5, 0.5, 0])
    np.testing.assert_allclose(rlax.epsilon_greedy(0.2).probs(Q), [0.05, 0.45, 0.45, 0.05], rtol=1e-6)
    np.testing.assert_allclose(rlax.softmax(2.0).probs(jnp.array([0.0, 2 * np.log(3)])), [0.25, 0.75], rtol=1e-6)


@each_policy
@given(preferences=PREFERENCES)
def test_all_functions_agree_with_a_loop(name, preferences):
    policy, p = POLICIES[name], probs_by_loop(name, preferences)
    np.testing.assert_allclose(policy.probs(preferences), p, rtol=1e-5, atol=1e-7)
    entropy = -np.sum(np.where(p > 0, p * np.log(np.where(p > 0, p, 1)), 0), -1)
    np.testing.assert_allclose(policy.entropy(preferences), entropy, rtol=1e-4, atol=1e-5)
    actions = np.argmin(preferences, -1)
    with np.errstate(divide="ignore"):
        expected = np.log(np.take_along_axis(p, actions[..., None], -1)[..., 0])
    np.testing.assert_allclose(policy.logprob(actions, preferences), expected, rtol=1e-4, atol=1e-4)


@each_policy
def test_samples_come_at_their_probabilities(name):
    keys = jax.random.split(jax.random.key(0), 20_000)
    actions = jax.vmap(POLICIES[name].sample, (0, None))(keys, Q)
    frequencies = np.bincount(actions, minlength=4) / len(keys)
    np.testing.assert_allclose(frequencies, probs_by_loop(name, Q), atol=0.015)


@each_policy
def test_a_batch_of_samples(name):
    actions = POLICIES[name].sample(jax.random.key(0), jnp.broadcast_to(Q, (5000, 4)))
    assert actions.shape == (5000,)
    assert jnp.issubdtype(actions.dtype, jnp.integer)
    np.testing.assert_allclose(np.bincount(actions, minlength=4) / 5000, probs_by_loop(name, Q), atol=0.03)


@each_policy
def test_divergence(name):
    policy = POLICIES[name]
    np.testing.assert_allclose(policy.kl(BATCH, BATCH), [0.0, 0.0], atol=1e-7)
    if name != "greedy":
        p, q = probs_by_loop(name, BATCH), probs_by_loop(name, BATCH[::-1])
        np.testing.assert_allclose(policy.kl(BATCH, BATCH[::-1]), np.sum(p * np.log(p / q), -1), rtol=1e-3, atol=1e-6)


def test_divergence_is_infinite_where_an_action_becomes_impossible():
    assert rlax.greedy().kl(jnp.array([1.0, 0.0]), jnp.array([0.0, 1.0])) == jnp.inf
    assert rlax.softmax().kl(jnp.array([1.0, 0.0]), jnp.array([1.0, -jnp.inf])) == jnp.inf
    np.testing.assert_allclose(
        rlax.softmax().kl(jnp.array([1.0, -jnp.inf]), jnp.array([1.0, 1.0])), np.log(2), rtol=1e-6
    )


@each_policy
def test_jit_and_vmap_change_nothing(name):
    policy = POLICIES[name]
    actions = jnp.array([1, 2])
    for function in (
        policy.probs,
        policy.entropy,
        lambda x: policy.logprob(actions[: x.ndim], x) if x.ndim > 1 else policy.logprob(1, x),
    ):
        np.testing.assert_allclose(jax.jit(function)(BATCH), function(BATCH), rtol=1e-6)
    np.testing.assert_allclose(jax.vmap(policy.logprob)(actions, BATCH), policy.logprob(actions, BATCH), rtol=1e-6)
    np.testing.assert_allclose(jax.vmap(policy.kl)(BATCH, BATCH), policy.kl(BATCH, BATCH), atol=1e-7)
    key = jax.random.key(1)
    np.testing.assert_array_equal(jax.jit(policy.sample)(key, BATCH), policy.sample(key, BATCH))


@each_policy
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.float16])
def test_the_dtype_stays(name, dtype):
    policy = POLICIES[name]
    x = BATCH.astype(dtype)
    assert policy.probs(x).dtype == policy.entropy(x).dtype == policy.kl(x, x).dtype == dtype
    assert policy.logprob(jnp.array([1, 1]), x).dtype == dtype
    np.testing.assert_allclose(
        np.asarray(policy.probs(x)).astype(np.float32), probs_by_loop(name, x), rtol=2e-2, atol=1e-3
    )


def test_integer_preferences_are_taken():
    np.testing.assert_allclose(rlax.greedy().probs(jnp.array([1, 2])), [0.0, 1.0])


@pytest.mark.parametrize("name", ["softmax", "softmax_cold", "softmax_clipped"])
def test_masked_actions_give_no_nan(name):
    policy = POLICIES[name]
    assert float(policy.probs(MASKED)[1]) == 0.0
    two = MASKED[jnp.array([0, 2])]
    np.testing.assert_allclose(policy.entropy(MASKED), policy.entropy(two), rtol=1e-6)
    for function in (
        policy.entropy,
        lambda x: policy.logprob(0, x),
        lambda x: policy.kl(x, MASKED + 1.0),
        lambda x: policy.kl(MASKED * 2, x),
    ):
        gradient = jax.grad(function)(MASKED)
        assert np.all(np.isfinite(gradient)), gradient
        assert float(gradient[1]) == 0.0


def test_the_gradient_of_softmax_entropy():
    # dH/dx_i = -p_i (log p_i + H).
    p = probs_by_loop("softmax", Q)
    expected = -p * (np.log(p) - np.sum(p * np.log(p)))
    np.testing.assert_allclose(jax.grad(rlax.softmax().entropy)(Q), expected, rtol=1e-4, atol=1e-6)


def test_large_logits_do_not_overflow():
    np.testing.assert_allclose(rlax.softmax().probs(jnp.array([1e4, 1e4])), [0.5, 0.5])
    np.testing.assert_allclose(rlax.softmax(1e-3).probs(jnp.array([100.0, 0.0])), [1.0, 0.0])


def test_epsilon_may_come_with_the_call():
    late, early = rlax.epsilon_greedy(), rlax.epsilon_greedy(0.9)
    key, actions = jax.random.key(0), jnp.array([0, 1])
    expected = rlax.epsilon_greedy(0.2)
    for policy in (late, early):
        for args in ((0.2,), ()):
            kwargs = {} if args else {"epsilon": 0.2}
            np.testing.assert_allclose(policy.probs(BATCH, *args, **kwargs), expected.probs(BATCH))
            np.testing.assert_allclose(policy.entropy(BATCH, *args, **kwargs), expected.entropy(BATCH))
            np.testing.assert_allclose(
                policy.logprob(actions, BATCH, *args, **kwargs), expected.logprob(actions, BATCH)
            )
            np.testing.assert_allclose(policy.kl(BATCH, BATCH, *args, **kwargs), expected.kl(BATCH, BATCH))
            np.testing.assert_array_equal(policy.sample(key, BATCH, *args, **kwargs), expected.sample(key, BATCH))


def test_epsilon_may_differ_within_a_batch():
    probs = rlax.epsilon_greedy(jnp.array([0.2, 1.0])).probs(jnp.stack([Q, Q]))
    np.testing.assert_allclose(probs, [[0.05, 0.45, 0.45, 0.05], [0.25] * 4], rtol=1e-6)


def test_epsilon_and_temperature_may_be_traced():
    np.testing.assert_allclose(
        jax.jit(lambda e: rlax.epsilon_greedy(e).probs(Q))(0.2), POLICIES["epsilon_greedy"].probs(Q)
    )
    np.testing.assert_allclose(
        jax.jit(lambda t: rlax.softmax(t).probs(Q))(0.1), POLICIES["softmax_cold"].probs(Q), rtol=1e-6
    )


def test_a_nan_preference_is_not_hidden():
    assert np.all(np.isnan(rlax.greedy().probs(jnp.array([1.0, jnp.nan]))))


@pytest.mark.parametrize("epsilon", [-0.1, 1.1, float("nan"), np.array([0.5, 2.0])])
def test_epsilon_must_be_a_probability(epsilon):
    message = r"epsilon_greedy: epsilon is .*, expected a probability in \[0, 1\]"
    with pytest.raises(ValueError, match=message):
        rlax.epsilon_greedy(epsilon)
    with pytest.raises(ValueError, match=message):
        rlax.epsilon_greedy().probs(BATCH, epsilon)
    with pytest.raises(ValueError, match=message):
        jax.jit(lambda x: rlax.epsilon_greedy(epsilon).probs(x))(Q)


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
def test_temperature_must_be_positive(temperature):
    with pytest.raises(ValueError, match=r"softmax: temperature is .*, expected positive.*use greedy\(\)"):
        rlax.softmax(temperature)


def test_a_missing_epsilon_names_the_remedy():
    with pytest.raises(
        ValueError, match=r"epsilon_greedy\(\).sample: epsilon is None, expected a number in \[0, 1\]. Pass"
    ):
        rlax.epsilon_greedy().sample(jax.random.key(0), Q)


def test_greedy_takes_no_epsilon():
    with pytest.raises(TypeError, match="epsilon"):
        rlax.greedy().probs(Q, epsilon=0.1)


@each_policy
def test_bad_shapes_and_dtypes_are_refused(name):
    policy = POLICIES[name]
    with pytest.raises(ValueError, match=re.escape(".probs: ") + r"\w+ has shape \(\), expected \[\*B, A\]"):
        policy.probs(1.0)
    with pytest.raises(TypeError, match=r"sample must be an integer array, got float32\[\]"):
        policy.logprob(1.0, Q)
    with pytest.raises(
        ValueError, match=re.escape("sample has shape (3,), expected (2,) like the batch of preferences")
    ):
        policy.logprob(jnp.array([0, 1, 2]), BATCH)
    with pytest.raises(ValueError, match=r"has shape \(4,\), expected \(2, 4\) like p_"):
        policy.kl(BATCH, Q)


def test_an_epsilon_of_another_batch_is_refused():
    with pytest.raises(
        ValueError, match=re.escape("epsilon has shape (3,), expected (2,) like the batch of preferences or")
    ):
        rlax.epsilon_greedy(np.array([0.1, 0.2, 0.3])).probs(BATCH)


def test_a_temperature_for_each_of_a_batch():
    probs = rlax.softmax(jnp.array([[1.0], [0.1]])).probs(jnp.stack([Q, Q]))
    expected = [probs_by_loop("softmax", Q), probs_by_loop("softmax_cold", Q)]
    np.testing.assert_allclose(probs, expected, rtol=1e-5, atol=1e-7)
    per_action = rlax.softmax(jnp.full(4, 0.1)).probs(BATCH)
    np.testing.assert_allclose(per_action, POLICIES["softmax_cold"].probs(BATCH), rtol=1e-6)


@pytest.mark.parametrize("shape", [(2,), (3, 4), (1, 2, 4)])
def test_a_temperature_that_does_not_broadcast_is_refused(shape):
    message = f"temperature has shape {shape}, expected a number or a shape that broadcasts to (2, 4), that of logits"
    for make in (rlax.softmax, rlax.clipped_entropy_softmax):
        policy = make(jnp.ones(shape))
        for call in (policy.probs, policy.entropy, lambda x, p=policy: p.sample(jax.random.key(0), x)):
            with pytest.raises(ValueError, match=re.escape(message)):
                call(BATCH)


def test_the_entropy_is_clipped():
    policy, free = rlax.clipped_entropy_softmax(0.7, 0.5), rlax.softmax(0.7)
    logits = jnp.array([[0.0, 0.1, 0.0, 0.0], [9.0, 0.0, 0.0, 0.0]])
    np.testing.assert_allclose(policy.entropy(logits), [0.5 * np.log(4), free.entropy(logits)[1]], rtol=1e-5)
    gradient = jax.grad(lambda x: policy.entropy(x).sum())(logits)
    np.testing.assert_array_equal(gradient[0], np.zeros(4))
    np.testing.assert_allclose(gradient[1], jax.grad(free.entropy)(logits[1]), rtol=1e-5, atol=1e-8)
    for name in ("probs", "kl"):
        args = (logits, logits[::-1])[: 1 + (name == "kl")]
        np.testing.assert_array_equal(getattr(policy, name)(*args), getattr(free, name)(*args))
    # The others take, and ignore, what continuous distributions need.
    np.testing.assert_array_equal(policy.probs(logits, action_spec=None), policy.probs(logits))
    with pytest.raises(ValueError, match=r"clipped_entropy_softmax: entropy_clip is -0.5, expected 0 or more"):
        rlax.clipped_entropy_softmax(1.0, -0.5)


def test_many_best_actions_in_half_precision():
    # 300 is no bfloat16.
    policy = rlax.greedy()
    np.testing.assert_allclose(policy.entropy(jnp.zeros(300, jnp.bfloat16)), np.log(300), rtol=4e-3)
