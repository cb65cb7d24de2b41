"""Distributions over discrete actions, each a set of pure functions of preferences."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp

from rlax_like import _checks
from rlax_like.indexing import _pick

if TYPE_CHECKING:
    from jaxtyping import ArrayLike


class DiscreteDistribution(NamedTuple):
    """The functions of a distribution over `A` actions that depends on preferences of shape `[*B, A]`.

    Attributes:
      sample: `sample(key, preferences)` draws actions, integers `[*B]`.
      probs: `probs(preferences)` gives the probability of each action, `[*B, A]`.
      logprob: `logprob(sample, preferences)` gives the logarithm of the probability of given actions `[*B]`.
      entropy: `entropy(preferences)` gives the entropy, `[*B]`, in nats.
      kl: `kl(p_preferences, q_preferences)` gives the Kullback-Leibler divergence from q to p, `[*B]`, in nats.
    """

    sample: Callable[..., jax.Array]
    probs: Callable[..., jax.Array]
    logprob: Callable[..., jax.Array]
    entropy: Callable[..., jax.Array]
    kl: Callable[..., jax.Array]


def softmax(temperature: "ArrayLike" = 1.0) -> DiscreteDistribution:
    """Returns the softmax (Boltzmann) distribution: `p(a) = exp(x_a / temperature) / Σ_b exp(x_b / temperature)`.

    Sutton and Barto (2018), eq. 13.2. An action whose logit is -inf has probability 0, adds nothing to entropy and
    divergence, and gets no gradient.

    Args:
      temperature: Positive; the lower, the greedier. A number, or an array that broadcasts to `[*B, A]`. A traced
        one is not checked.

    Returns:
      Functions of `logits` of shape `[*B, A]`, see `DiscreteDistribution`.

    Raises:
      ValueError: `temperature` is not positive.

    Example:
      >>> import jax, jax.numpy as jnp, rlax_like as rlax
      >>> rlax.softmax().probs(jnp.array([0.0, 0.0]))
      Array([0.5, 0.5], dtype=float32)
      >>> action = rlax.softmax(temperature=0.1).sample(jax.random.key(0), jnp.array([1.0, 2.0]))
    """
    if not _checks.holds(lambda t: t > 0, temperature):
        raise ValueError(
            f"softmax: temperature is {temperature}, expected positive. For the limit of temperature 0 use greedy()."
        )

    def scaled(function: str, argument: str, logits: Any) -> jax.Array:
        logits, divisor = _checks.reals(f"softmax().{function}", **{argument: logits, "temperature": temperature})
        _checks.per_action(f"softmax().{function}", None, "", **{argument: logits})
        return logits / divisor

    def sample(key: jax.Array, logits: "ArrayLike") -> jax.Array:
        return jax.random.categorical(key, scaled("sample", "logits", logits))

    def probs(logits: "ArrayLike") -> jax.Array:
        return jax.nn.softmax(scaled("probs", "logits", logits))

    def logprob(sample: "ArrayLike", logits: "ArrayLike") -> jax.Array:
        logprobs = jax.nn.log_softmax(scaled("logprob", "logits", logits))
        return _of_action("softmax().logprob", logprobs, sample)

    def entropy(logits: "ArrayLike") -> jax.Array:
        logprobs = jax.nn.log_softmax(scaled("entropy", "logits", logits))
        return -_expectation(jnp.exp(logprobs), logprobs)

    def kl(p_logits: "ArrayLike", q_logits: "ArrayLike") -> jax.Array:
        p_logprobs = jax.nn.log_softmax(scaled("kl", "p_logits", p_logits))
        q_logprobs = jax.nn.log_softmax(scaled("kl", "q_logits", q_logits))
        _checks.same_shape("softmax().kl", p_logprobs.shape, "p_logits", q_logits=q_logprobs.shape)
        return _divergence(p_logprobs, q_logprobs)

    return DiscreteDistribution(sample, probs, logprob, entropy, kl)


def epsilon_greedy(epsilon: "ArrayLike | None" = None) -> DiscreteDistribution:
    """Returns the policy that picks a best action, or with probability `epsilon` any action.

    `p(a) = epsilon / A + (1 - epsilon) / (number of best actions)` for the best actions, which share alike, and
    `epsilon / A` for the others. Sutton and Barto (2018), section 2.2.

    Args:
      epsilon: In [0, 1]: a number, or an array `[*B]`. A traced one is not checked. None if each function gets its
        own as last argument, `epsilon=`, which takes precedence in any case.

    Returns:
      Functions of `preferences` of shape `[*B, A]`, such as action values, see `DiscreteDistribution`.

    Raises:
      ValueError: `epsilon` is outside [0, 1], or given neither here nor to the function.

    Example:
      >>> import jax, jax.numpy as jnp, rlax_like as rlax
      >>> policy = rlax.epsilon_greedy(0.5)
      >>> policy.probs(jnp.array([1.0, 2.0]))
      Array([0.25, 0.75], dtype=float32)
      >>> action = policy.sample(jax.random.key(0), jnp.array([1.0, 2.0]))
    """
    _check_epsilon(epsilon)

    def probabilities(
        function: str, argument: str, preferences: Any, epsilon: "ArrayLike | None" = epsilon
    ) -> jax.Array:
        function = f"epsilon_greedy().{function}"
        if epsilon is None:
            raise ValueError(
                f"{function}: epsilon is None, expected a number in [0, 1]. Pass it to epsilon_greedy(epsilon) or to "
                f"this function."
            )
        _check_epsilon(epsilon)
        preferences, epsilon = _checks.reals(function, **{argument: preferences, "epsilon": epsilon})
        best = _share_of_best(function, argument, preferences)
        batch, like = preferences.shape[:-1], f"the batch of {argument}"
        _checks.same_shape(function, batch, like, scalars=True, epsilon=epsilon.shape)
        epsilon = epsilon[..., None] if epsilon.ndim else epsilon
        return (1 - epsilon) * best + epsilon / preferences.shape[-1]

    return _from_probabilities(probabilities)


def greedy() -> DiscreteDistribution:
    """Returns the policy that picks a best action; several best ones share alike.

    Returns:
      Functions of `preferences` of shape `[*B, A]`, such as action values, see `DiscreteDistribution`.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> rlax.greedy().probs(jnp.array([1.0, 2.0, 2.0]))
      Array([0. , 0.5, 0.5], dtype=float32)
    """

    def probabilities(function: str, argument: str, preferences: Any) -> jax.Array:
        function = f"greedy().{function}"
        (preferences,) = _checks.reals(function, **{argument: preferences})
        return _share_of_best(function, argument, preferences)

    return _from_probabilities(probabilities)


def _share_of_best(function: str, argument: str, preferences: jax.Array) -> jax.Array:
    """Returns 1 divided by the number of best actions, for those, and 0 for the others; NaN for all if one is NaN."""
    _checks.per_action(function, None, "", **{argument: preferences})
    maximum = jnp.max(preferences, axis=-1, keepdims=True)
    is_best = preferences == maximum
    share = 1 / jnp.sum(is_best, axis=-1, keepdims=True, dtype=preferences.dtype)
    return jnp.where(is_best, share, jnp.where(jnp.isnan(maximum), maximum, 0))


def _from_probabilities(probabilities: Callable[..., jax.Array]) -> DiscreteDistribution:
    """The distribution of `probabilities(function, argument, preferences, **options)`; the names are for its errors."""

    def sample(key: jax.Array, preferences: "ArrayLike", *args: Any, **options: Any) -> jax.Array:
        p = probabilities("sample", "preferences", preferences, *args, **options)
        return jax.random.categorical(key, jnp.log(p))

    def probs(preferences: "ArrayLike", *args: Any, **options: Any) -> jax.Array:
        return probabilities("probs", "preferences", preferences, *args, **options)

    def logprob(sample: "ArrayLike", preferences: "ArrayLike", *args: Any, **options: Any) -> jax.Array:
        p = probabilities("logprob", "preferences", preferences, *args, **options)
        return _of_action("logprob", jnp.log(p), sample)

    def entropy(preferences: "ArrayLike", *args: Any, **options: Any) -> jax.Array:
        p = probabilities("entropy", "preferences", preferences, *args, **options)
        return -_expectation(p, jnp.log(p))

    def kl(p_preferences: "ArrayLike", q_preferences: "ArrayLike", *args: Any, **options: Any) -> jax.Array:
        p = probabilities("kl", "p_preferences", p_preferences, *args, **options)
        q = probabilities("kl", "q_preferences", q_preferences, *args, **options)
        _checks.same_shape("kl", p.shape, "p_preferences", q_preferences=q.shape)
        return _divergence(jnp.log(p), jnp.log(q))

    return DiscreteDistribution(sample, probs, logprob, entropy, kl)


def _check_epsilon(epsilon: Any) -> None:
    if epsilon is not None and not _checks.holds(lambda e: (e >= 0) & (e <= 1), epsilon):
        raise ValueError(f"epsilon_greedy: epsilon is {epsilon}, expected a probability in [0, 1].")


def _of_action(function: str, logprobs: jax.Array, sample: Any) -> jax.Array:
    (sample,) = _checks.integers(function, sample=sample)
    _checks.same_shape(function, logprobs.shape[:-1], "the batch of preferences", sample=sample.shape)
    return _pick(logprobs, sample)


def _expectation(probs: jax.Array, values: jax.Array) -> jax.Array:
    """Returns `Σ_a probs[a] values[a]`, where an action of probability 0 counts 0 and gets no gradient."""
    possible = probs > 0
    return jnp.sum(jnp.where(possible, probs * jnp.where(possible, values, 0), 0), axis=-1)


def _divergence(p_logprobs: jax.Array, q_logprobs: jax.Array) -> jax.Array:
    possible = jnp.isfinite(p_logprobs)
    difference = jnp.where(possible, p_logprobs, 0) - jnp.where(possible, q_logprobs, 0)
    return _expectation(jnp.exp(p_logprobs), difference)
