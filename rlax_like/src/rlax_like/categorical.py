"""Categorical distributions over `A` classes, given by their logits or probabilities in the last axis."""

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from rlax_like import _checks
from rlax_like._precision import wide_reals
from rlax_like._shapes import broadcast
from rlax_like._weights import weighted_sum
from rlax_like.indexing import _pick

if TYPE_CHECKING:
    from jaxtyping import Array, ArrayLike, Float, Int, Real


def categorical_sample(key: jax.Array, probs: "Real[ArrayLike, '*B A']") -> "Int[Array, '*B']":
    """Returns a class for each distribution of a batch, drawn at its probability.

    Args:
      key: A key of `jax.random`.
      probs: Probabilities, `[*B, A]`; they need not sum to 1.

    Returns:
      Integers, `[*B]`. A class of probability 0 is never drawn.

    Raises:
      TypeError: `probs` is not real.
      ValueError: `probs` has no axis of classes.

    Example:
      >>> import jax, jax.numpy as jnp, rlax_like as rlax
      >>> rlax.categorical_sample(jax.random.key(0), jnp.array([[0.0, 1.0], [1.0, 0.0]]))
      Array([1, 0], dtype=int32)
    """
    (probs,) = _checks.reals("categorical_sample", probs=probs)
    _checks.per_action("categorical_sample", probs=probs)
    return jax.random.categorical(key, jnp.log(probs))


def categorical_cross_entropy(
    labels: "Real[ArrayLike, '*B A']", logits: "Real[ArrayLike, '*B A']"
) -> "Float[Array, '*B']":
    """Returns the cross-entropy of target probabilities and a softmax: `-Σ_a labels[a] log softmax(logits)[a]`.

    In nats. Cover and Thomas (2006), "Elements of information theory", section 2.3. A class of label 0 does not count,
    even if its logit is -inf.

    Args:
      labels: The probability that each class should have, `[*B, A]`; they are divided by their sum, unless it is 0.
      logits: Of the same shape.

    Returns:
      `[*B]`, in the dtype that the floating arguments promote to.

    Raises:
      TypeError: an argument is not real.
      ValueError: the shapes do not fit.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> rlax.categorical_cross_entropy(jnp.array([1.0, 0.0]), jnp.array([0.0, -jnp.inf])) + 0.0
      Array(0., dtype=float32)
    """
    name = "categorical_cross_entropy"
    dtype, (labels, logits) = wide_reals(name, labels=labels, logits=logits)
    _checks.per_action(name, labels=labels)
    _checks.same_shape(name, labels.shape, "labels", logits=logits.shape)
    total = jnp.sum(labels, axis=-1, keepdims=True)
    return _cross_entropy(labels / jnp.where(total == 0, 1, total), logits).astype(dtype)


def categorical_kl_divergence(
    p_logits: "Real[ArrayLike, '*B A']",
    q_logits: "Real[ArrayLike, '*B A']",
    temperature: "Real[ArrayLike, '*B']" = 1.0,
) -> "Float[Array, '*B']":
    """Returns the Kullback-Leibler divergence of two softmax distributions, in nats: `Σ_a p[a] log(p[a] / q[a])`.

    Kullback and Leibler (1951), "On information and sufficiency". A class that p never draws does not count; one that
    only q never draws makes the divergence infinite.

    Args:
      p_logits: Logits of p, `[*B, A]`.
      q_logits: Logits of q, of the same shape.
      temperature: Divides the logits of both: a positive number, or an array that broadcasts to `[*B, A]`. A traced one
        is not checked.

    Returns:
      `[*B]`, in the dtype that the floating arguments promote to.

    Raises:
      TypeError: an argument is not real.
      ValueError: the shapes do not fit, or `temperature` is not positive.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> rlax.categorical_kl_divergence(jnp.array([0.0, -jnp.inf]), jnp.array([1.0, 1.0])).round(2)
      Array(0.69, dtype=float32)
    """
    name = "categorical_kl_divergence"
    _check_temperature(name, temperature)
    dtype, p_logprobs = _logprobs(name, "p_logits", p_logits, temperature)
    _, q_logprobs = _logprobs(name, "q_logits", q_logits, temperature)
    _checks.same_shape(name, p_logprobs.shape, "p_logits", q_logits=q_logprobs.shape)
    return _divergence(p_logprobs, q_logprobs).astype(dtype)


def categorical_importance_sampling_ratios(
    pi_logits_t: "Real[ArrayLike, '*B A']", mu_logits_t: "Real[ArrayLike, '*B A']", a_t: "Int[ArrayLike, '*B']"
) -> "Float[Array, '*B']":
    """Returns how much likelier the action is for one policy than for the one that drew it: `pi(a_t) / mu(a_t)`.

    Sutton and Barto (2018), eq. 5.3. An action that `pi` never takes has the ratio 0, also where `mu` never takes it
    either, and one that only `mu` never takes has an infinite ratio; neither gets a gradient.

    Args:
      pi_logits_t: Logits of the policy to learn about, `[*B, A]`.
      mu_logits_t: Logits of the policy that acted, of the same shape.
      a_t: Actions taken, integers `[*B]`; one outside the `A` actions gives NaN.

    Returns:
      `[*B]`, in the dtype that the floating arguments promote to.

    Raises:
      TypeError: an action is not an integer, or another argument not real.
      ValueError: the shapes do not fit.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> pi, mu = jnp.array([[0.0, 0.0], [0.0, -jnp.inf]]), jnp.array([[0.0, -jnp.inf], [0.0, -jnp.inf]])
      >>> rlax.categorical_importance_sampling_ratios(pi, mu, jnp.array([0, 1]))
      Array([0.5, 0. ], dtype=float32)
    """
    name = "categorical_importance_sampling_ratios"
    dtype, (pi_logits, mu_logits) = wide_reals(name, pi_logits_t=pi_logits_t, mu_logits_t=mu_logits_t)
    (a_t,) = _checks.integers(name, a_t=a_t)
    _checks.per_action(name, pi_logits_t=pi_logits)
    _checks.same_shape(name, pi_logits.shape, "pi_logits_t", mu_logits_t=mu_logits.shape)
    _checks.same_shape(name, pi_logits.shape[:-1], "the batch of pi_logits_t", a_t=a_t.shape)
    pi, mu = (_pick(jax.nn.log_softmax(logits), a_t) for logits in (pi_logits, mu_logits))
    never_pi, never_mu = jnp.isneginf(pi), jnp.isneginf(mu)
    log_ratio = jnp.where(never_pi | never_mu, 0, pi) - jnp.where(never_pi | never_mu, 0, mu)
    return jnp.where(never_pi, 0, jnp.where(never_mu, jnp.inf, jnp.exp(log_ratio))).astype(dtype)


def _check_temperature(name: str, temperature: Any, remedy: str = "") -> None:
    _checks.within(name, lambda t: t > 0, f"positive{remedy}", temperature=temperature)


def _logprobs(name: str, argument: str, logits: Any, temperature: Any = 1.0) -> tuple[Any, jax.Array]:
    """The dtype that the result should have, and `log softmax(logits / temperature)`, at least in float32."""
    dtype, scaled = _scaled(name, argument, logits, temperature)
    return dtype, jax.nn.log_softmax(scaled)


def _scaled(name: str, argument: str, logits: Any, temperature: Any) -> tuple[Any, jax.Array]:
    dtype, (logits, divisor) = wide_reals(name, **{argument: logits, "temperature": temperature})
    _checks.per_action(name, None, "", **{argument: logits})
    return dtype, logits / broadcast(name, "temperature", divisor, argument, logits.shape)


def _cross_entropy(labels: jax.Array, logits: jax.Array) -> jax.Array:
    return -weighted_sum(labels, jax.nn.log_softmax(logits))


def _divergence(p_logprobs: jax.Array, q_logprobs: jax.Array) -> jax.Array:
    possible = jnp.isfinite(p_logprobs)
    difference = jnp.where(possible, p_logprobs, 0) - jnp.where(possible, q_logprobs, 0)
    return weighted_sum(jnp.exp(p_logprobs), difference)
