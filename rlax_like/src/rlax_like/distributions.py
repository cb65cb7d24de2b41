"""Distributions over discrete actions, each a set of pure functions of preferences."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp

from rlax_like import _checks
from rlax_like._precision import wide_reals
from rlax_like._shapes import fit
from rlax_like._weights import weighted_sum
from rlax_like.categorical import _check_temperature, _divergence, _scaled
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
      ValueError: `temperature` is not positive. A function raises it if `temperature` does not broadcast to its logits.

    Example:
      >>> import jax, jax.numpy as jnp, rlax_like as rlax
      >>> rlax.softmax().probs(jnp.array([0.0, 0.0]))
      Array([0.5, 0.5], dtype=float32)
      >>> action = rlax.softmax(temperature=0.1).sample(jax.random.key(0), jnp.array([1.0, 2.0]))
    """
    return _boltzmann("softmax", temperature)


def clipped_entropy_softmax(temperature: "ArrayLike" = 1.0, entropy_clip: "ArrayLike" = 1.0) -> DiscreteDistribution:
    """Returns `softmax(temperature)` whose entropy is cut at a share of the largest possible one.

    `entropy = min(H, entropy_clip log A)`: an entropy bonus no longer pushes a policy that is random enough, where its
    gradient is 0.

    Args:
      temperature: As for `softmax`.
      entropy_clip: The share, a number that is not negative. A traced one is not checked.

    Returns:
      Functions of `logits` of shape `[*B, A]`, see `DiscreteDistribution`. `sample`, `probs` and `logprob` ignore an
      argument `action_spec`, so that they can be called like those of `squashed_gaussian`.

    Raises:
      ValueError: `temperature` is not positive, or `entropy_clip` is negative.

    Example:
      >>> import jax, jax.numpy as jnp, rlax_like as rlax
      >>> policy, logits = rlax.clipped_entropy_softmax(entropy_clip=0.5), jnp.array([0.0, 0.1])
      >>> policy.entropy(logits), jax.grad(policy.entropy)(logits)
      (Array(0.3465736, dtype=float32), Array([0., 0.], dtype=float32))
    """
    name = "clipped_entropy_softmax"
    _checks.within(name, lambda c: c >= 0, "0 or more, a share of log(actions)", entropy_clip=entropy_clip)
    base = _boltzmann(name, temperature)

    def sample(key: jax.Array, logits: "ArrayLike", action_spec: Any = None) -> jax.Array:
        return base.sample(key, logits)

    def probs(logits: "ArrayLike", action_spec: Any = None) -> jax.Array:
        return base.probs(logits)

    def logprob(sample: "ArrayLike", logits: "ArrayLike", action_spec: Any = None) -> jax.Array:
        return base.logprob(sample, logits)

    def entropy(logits: "ArrayLike") -> jax.Array:
        function = f"{name}().entropy"
        dtype, (unclipped, share) = wide_reals(function, entropy=base.entropy(logits), entropy_clip=entropy_clip)
        fit(function, entropy_clip=(share, ""))
        return jnp.minimum(unclipped, share * math.log(jnp.shape(logits)[-1])).astype(dtype)

    return DiscreteDistribution(sample, probs, logprob, entropy, base.kl)


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
    ) -> tuple[Any, jax.Array]:
        function = f"epsilon_greedy().{function}"
        if epsilon is None:
            raise ValueError(
                f"{function}: epsilon is None, expected a number in [0, 1]. Pass it to epsilon_greedy(epsilon) or to "
                f"this function."
            )
        _check_epsilon(epsilon)
        dtype, (preferences, epsilon) = wide_reals(function, **{argument: preferences, "epsilon": epsilon})
        best = _share_of_best(function, argument, preferences)
        batch, like = preferences.shape[:-1], f"the batch of {argument}"
        _checks.same_shape(function, batch, like, scalars=True, epsilon=epsilon.shape)
        epsilon = epsilon[..., None] if epsilon.ndim else epsilon
        return dtype, (1 - epsilon) * best + epsilon / preferences.shape[-1]

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

    def probabilities(function: str, argument: str, preferences: Any) -> tuple[Any, jax.Array]:
        function = f"greedy().{function}"
        dtype, (preferences,) = wide_reals(function, **{argument: preferences})
        return dtype, _share_of_best(function, argument, preferences)

    return _from_probabilities(probabilities)


def _boltzmann(name: str, temperature: Any) -> DiscreteDistribution:
    _check_temperature(name, temperature, "; for the limit of temperature 0 use greedy()")

    def scaled(function: str, argument: str, logits: Any) -> tuple[Any, jax.Array]:
        return _scaled(f"{name}().{function}", argument, logits, temperature)

    def sample(key: jax.Array, logits: "ArrayLike") -> jax.Array:
        dtype, logits = scaled("sample", "logits", logits)
        return jax.random.categorical(key, logits.astype(dtype))

    def probs(logits: "ArrayLike") -> jax.Array:
        dtype, logits = scaled("probs", "logits", logits)
        return jax.nn.softmax(logits).astype(dtype)

    def logprob(sample: "ArrayLike", logits: "ArrayLike") -> jax.Array:
        dtype, logits = scaled("logprob", "logits", logits)
        return _of_action(f"{name}().logprob", jax.nn.log_softmax(logits), sample).astype(dtype)

    def entropy(logits: "ArrayLike") -> jax.Array:
        dtype, logits = scaled("entropy", "logits", logits)
        logprobs = jax.nn.log_softmax(logits)
        return -weighted_sum(jnp.exp(logprobs), logprobs).astype(dtype)

    def kl(p_logits: "ArrayLike", q_logits: "ArrayLike") -> jax.Array:
        dtype, p_logits = scaled("kl", "p_logits", p_logits)
        _, q_logits = scaled("kl", "q_logits", q_logits)
        _checks.same_shape(f"{name}().kl", p_logits.shape, "p_logits", q_logits=q_logits.shape)
        return _divergence(jax.nn.log_softmax(p_logits), jax.nn.log_softmax(q_logits)).astype(dtype)

    return DiscreteDistribution(sample, probs, logprob, entropy, kl)


def _share_of_best(function: str, argument: str, preferences: jax.Array) -> jax.Array:
    """Returns 1 divided by the number of best actions, for those, and 0 for the others; NaN for all if one is NaN."""
    _checks.per_action(function, None, "", **{argument: preferences})
    maximum = jnp.max(preferences, axis=-1, keepdims=True)
    is_best = preferences == maximum
    share = 1 / jnp.sum(is_best, axis=-1, keepdims=True, dtype=preferences.dtype)
    return jnp.where(is_best, share, jnp.where(jnp.isnan(maximum), maximum, 0))


def _from_probabilities(probabilities: Callable[..., tuple[Any, jax.Array]]) -> DiscreteDistribution:
    """The distribution of `probabilities(function, argument, preferences, **options)`; the names are for its errors.

    They come with the dtype that the results should have.
    """

    def sample(key: jax.Array, preferences: "ArrayLike", *args: Any, **options: Any) -> jax.Array:
        dtype, p = probabilities("sample", "preferences", preferences, *args, **options)
        return jax.random.categorical(key, jnp.log(p.astype(dtype)))

    def probs(preferences: "ArrayLike", *args: Any, **options: Any) -> jax.Array:
        dtype, p = probabilities("probs", "preferences", preferences, *args, **options)
        return p.astype(dtype)

    def logprob(sample: "ArrayLike", preferences: "ArrayLike", *args: Any, **options: Any) -> jax.Array:
        dtype, p = probabilities("logprob", "preferences", preferences, *args, **options)
        return _of_action("logprob", jnp.log(p), sample).astype(dtype)

    def entropy(preferences: "ArrayLike", *args: Any, **options: Any) -> jax.Array:
        dtype, p = probabilities("entropy", "preferences", preferences, *args, **options)
        return -weighted_sum(p, jnp.log(p)).astype(dtype)

    def kl(p_preferences: "ArrayLike", q_preferences: "ArrayLike", *args: Any, **options: Any) -> jax.Array:
        dtype, p = probabilities("kl", "p_preferences", p_preferences, *args, **options)
        _, q = probabilities("kl", "q_preferences", q_preferences, *args, **options)
        _checks.same_shape("kl", p.shape, "p_preferences", q_preferences=q.shape)
        return _divergence(jnp.log(p), jnp.log(q)).astype(dtype)

    return DiscreteDistribution(sample, probs, logprob, entropy, kl)


def _check_epsilon(epsilon: Any) -> None:
    if epsilon is not None and not _checks.holds(lambda e: (e >= 0) & (e <= 1), epsilon):
        raise ValueError(f"epsilon_greedy: epsilon is {epsilon}, expected a probability in [0, 1].")


def _of_action(function: str, logprobs: jax.Array, sample: Any) -> jax.Array:
    (sample,) = _checks.integers(function, sample=sample)
    _checks.same_shape(function, logprobs.shape[:-1], "the batch of preferences", sample=sample.shape)
    return _pick(logprobs, sample)
