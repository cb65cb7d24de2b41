import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rlax_like as rlax

KEY = jax.random.key(0)


class Categorical:
    """A distribution as those of distrax are."""

    def __init__(self, logits):
        self.logits = logits

    @property
    def batch_shape(self):
        return self.logits.shape[:-1]

    def sample(self, *, seed, sample_shape):
        return jax.random.categorical(seed, self.logits, shape=(*sample_shape, *self.batch_shape))

    def log_prob(self, value):
        logits = jnp.broadcast_to(self.logits, (*value.shape, self.logits.shape[-1]))
        return rlax.softmax().logprob(value, logits)


LOGITS = jnp.array([[0.0, 1.0, -1.0], [2.0, 0.0, 0.0]])
TARGETS = rlax.PolicyTarget(actions=jnp.array([[0, 1], [2, 0]]), weights=jnp.array([[1.0, 0.5], [0.25, 2.0]]))


def test_the_loss_by_hand():
    p = np.exp(LOGITS) / np.exp(LOGITS).sum(-1, keepdims=True)
    terms = [np.log(p[0, 0]), 0.5 * np.log(p[1, 1]), 0.25 * np.log(p[0, 2]), 2 * np.log(p[1, 0])]
    out = rlax.sampled_policy_distillation_loss(Categorical(LOGITS), TARGETS)
    np.testing.assert_allclose(out, -np.mean(terms), rtol=1e-6)


def test_constant_and_zero_targets():
    constant = rlax.constant_policy_targets(Categorical(LOGITS), KEY, 5, weights_scale=2.0)
    zero = rlax.zero_policy_targets(Categorical(LOGITS), KEY, 5)
    np.testing.assert_array_equal(constant.actions, Categorical(LOGITS).sample(seed=KEY, sample_shape=(5,)))
    np.testing.assert_array_equal(zero.actions, constant.actions)
    np.testing.assert_array_equal(constant.weights, np.full((5, 2), 2.0))
    np.testing.assert_array_equal(zero.weights, np.zeros((5, 2)))
    assert rlax.sampled_policy_distillation_loss(Categorical(LOGITS), zero) == 0.0
    with pytest.raises(TypeError, match="positional"):
        rlax.zero_policy_targets(Categorical(LOGITS), KEY, 5, 1.0)


def test_targets_are_those_of_rlax_by_default():
    assert rlax.constant_policy_targets(Categorical(LOGITS), KEY, 1).weights.tolist() == [[1.0, 1.0]]


def test_the_flag():
    def loss(weights, stop):
        return rlax.sampled_policy_distillation_loss(Categorical(LOGITS), TARGETS.replace(weights=weights), stop)

    assert not np.any(jax.grad(loss)(TARGETS.weights, True))
    logprobs = Categorical(LOGITS).log_prob(TARGETS.actions)
    np.testing.assert_allclose(jax.grad(loss)(TARGETS.weights, False), -logprobs / 4, rtol=1e-6)
    # Real actions are stopped as well.
    normal = types.SimpleNamespace(batch_shape=(), sample=None, log_prob=lambda x: -0.5 * x**2)
    gradient = jax.grad(
        lambda x, stop: rlax.sampled_policy_distillation_loss(normal, rlax.PolicyTarget(x, x * 0 + 1), stop)
    )
    np.testing.assert_array_equal(gradient(jnp.ones(2), True), [0.0, 0.0])
    np.testing.assert_array_equal(gradient(jnp.ones(2), False), [0.5, 0.5])


def test_an_impossible_action_of_weight_0_does_not_count():
    logits = jnp.array([[0.0, 0.0, -jnp.inf]])
    targets = rlax.PolicyTarget(jnp.array([[0], [2]]), jnp.array([[1.0], [0.0]]))
    loss = lambda x: rlax.sampled_policy_distillation_loss(Categorical(x), targets)  # noqa: E731
    np.testing.assert_allclose(loss(logits), np.log(2) / 2, rtol=1e-6)
    assert np.all(np.isfinite(jax.grad(loss)(logits)))


def test_errors():
    with pytest.raises(
        TypeError, match="constant_policy_targets: distribution is a int without sample and log_prob and"
    ):
        rlax.constant_policy_targets(3, KEY, 1)
    with pytest.raises(TypeError, match=r"sampled_policy_distillation_loss: distribution is a .* without batch_shape"):
        rlax.sampled_policy_distillation_loss(types.SimpleNamespace(sample=None, log_prob=None), TARGETS)
    with pytest.raises(ValueError, match="zero_policy_targets: num_samples is 0, expected 1 or more"):
        rlax.zero_policy_targets(Categorical(LOGITS), KEY, 0)
    with pytest.raises(ValueError, match=r"weights has shape \(2,\), expected \(2, 2\) like log_prob"):
        rlax.sampled_policy_distillation_loss(Categorical(LOGITS), TARGETS.replace(weights=jnp.ones(2)))
