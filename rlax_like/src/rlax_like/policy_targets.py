"""Distilling a policy from weighted samples of another one.

A distribution here is an object with the methods `sample(seed=..., sample_shape=...)` and `log_prob(actions)`, and the
attribute `batch_shape`, as those of distrax and TensorFlow Probability have.
"""

from typing import TYPE_CHECKING, Any, Protocol

import jax
import jax.numpy as jnp

from rlax_like import _checks
from rlax_like._gradients import stop_gradient_if
from rlax_like._precision import wide_reals
from rlax_like._records import Record, record
from rlax_like._shapes import fit
from rlax_like._weights import weighted

if TYPE_CHECKING:
    from jaxtyping import Array, ArrayLike, Float, Real, Shaped


class Distribution(Protocol):
    """What the functions ask of a distribution."""

    @property
    def batch_shape(self) -> tuple[int, ...]:
        """The shape of a batch of distributions."""
        ...

    def sample(self, *, seed: jax.Array, sample_shape: tuple[int, ...]) -> jax.Array:
        """Draws samples, `[*sample_shape, *batch_shape, ...]`."""
        ...

    def log_prob(self, value: Any) -> jax.Array:
        """Gives the logarithm of the probability or density of samples."""
        ...


@record
class PolicyTarget(Record):
    """Weighted actions that a policy should take.

    Attributes:
      actions: `[num_samples, *B, ...]`.
      weights: `[num_samples, *B]`.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> target = rlax.PolicyTarget(actions=jnp.array([0, 1]), weights=jnp.array([0.5, 1.0]))
      >>> target.replace(weights=1.0)["weights"]
      1.0
    """

    actions: "Shaped[Array, 'N *B ...']"
    weights: "Float[Array, 'N *B']"


def constant_policy_targets(
    distribution: Distribution, rng_key: jax.Array, num_samples: int, weights_scale: "Real[ArrayLike, '']" = 1.0
) -> PolicyTarget:
    """Returns samples of a distribution that all have the same weight.

    Args:
      distribution: What to sample from: an object with `sample(seed=, sample_shape=)`, `log_prob(actions)` and
        `batch_shape`, such as a distribution of distrax.
      rng_key: A key of `jax.random`.
      num_samples: How many samples, 1 or more.
      weights_scale: The weight, a number.

    Returns:
      Actions `[num_samples, *B, ...]` and weights `[num_samples, *B]`.

    Raises:
      TypeError: `distribution` lacks a method, or `weights_scale` is not real.
      ValueError: `num_samples` is less than 1, or `weights_scale` not a number.

    Example:
      >>> import jax, jax.numpy as jnp, rlax_like as rlax
      >>> class Uniform:
      ...     batch_shape = (2,)
      ...     def sample(self, seed, sample_shape):
      ...         return jax.random.uniform(seed, (*sample_shape, 2))
      ...     def log_prob(self, value):
      ...         return jnp.zeros(value.shape)
      >>> rlax.constant_policy_targets(Uniform(), jax.random.key(0), 1, weights_scale=0.5).weights
      Array([[0.5, 0.5]], dtype=float32)
    """
    return _targets("constant_policy_targets", distribution, rng_key, num_samples, weights_scale)


def zero_policy_targets(
    distribution: Distribution, rng_key: jax.Array, num_samples: int, *, weights_scale: "Real[ArrayLike, '']" = 0.0
) -> PolicyTarget:
    """Returns samples of a distribution whose weight is 0: targets of the right shapes that teach nothing.

    Args:
      distribution: What to sample from: an object with `sample(seed=, sample_shape=)`, `log_prob(actions)` and
        `batch_shape`, such as a distribution of distrax.
      rng_key: A key of `jax.random`.
      num_samples: How many samples, 1 or more.
      weights_scale: The weight, a number.

    Returns:
      Actions `[num_samples, *B, ...]` and weights `[num_samples, *B]`.

    Raises:
      TypeError: `distribution` lacks a method, or `weights_scale` is not real.
      ValueError: `num_samples` is less than 1, or `weights_scale` not a number.

    Example:
      >>> import jax, jax.numpy as jnp, rlax_like as rlax
      >>> class Uniform:
      ...     batch_shape = (2,)
      ...     def sample(self, seed, sample_shape):
      ...         return jax.random.uniform(seed, (*sample_shape, 2))
      ...     def log_prob(self, value):
      ...         return jnp.zeros(value.shape)
      >>> rlax.zero_policy_targets(Uniform(), jax.random.key(0), 1).weights
      Array([[0., 0.]], dtype=float32)
    """
    return _targets("zero_policy_targets", distribution, rng_key, num_samples, weights_scale)


def sampled_policy_distillation_loss(
    distribution: Distribution, policy_targets: PolicyTarget, stop_target_gradients: bool = True
) -> "Float[Array, '']":
    """Returns the loss of imitating weighted actions: `-mean(weights log_prob(actions))`, over samples and batch.

    With samples of a teacher and weights of 1, it is the cross-entropy of student and teacher. Rusu et al. (2016),
    "Policy distillation", arXiv:1511.06295.

    Args:
      distribution: The policy that learns, such an object as `constant_policy_targets` takes.
      policy_targets: Actions `[num_samples, *B, ...]` and weights `[num_samples, *B]`. An action of weight 0 does not
        count, even if it is impossible.
      stop_target_gradients: Whether gradients stop at the actions and weights.

    Returns:
      A number, in the dtype that log-probabilities and weights promote to.

    Raises:
      TypeError: `distribution` lacks a method, or an argument is not real.
      ValueError: the shapes do not fit.

    Example:
      >>> import jax, jax.numpy as jnp, rlax_like as rlax
      >>> class Exponential:
      ...     batch_shape = ()
      ...     def sample(self, seed, sample_shape):
      ...         return jax.random.exponential(seed, sample_shape)
      ...     def log_prob(self, value):
      ...         return -value
      >>> target = rlax.PolicyTarget(actions=jnp.array([1.0, 2.0]), weights=jnp.array([1.0, 0.5]))
      >>> rlax.sampled_policy_distillation_loss(Exponential(), target)
      Array(1., dtype=float32)
    """
    name = "sampled_policy_distillation_loss"
    _check_distribution(name, distribution)
    actions, weights = (
        jax.tree.map(lambda x: stop_gradient_if(stop_target_gradients, x), part)
        for part in (policy_targets.actions, policy_targets.weights)
    )
    dtype, (logprobs, weights) = wide_reals(
        name, **{"log_prob(policy_targets.actions)": distribution.log_prob(actions), "policy_targets.weights": weights}
    )
    fit(name, **{"log_prob(policy_targets.actions)": (logprobs, "*B"), "policy_targets.weights": (weights, "*B")})
    return -jnp.mean(weighted(weights, logprobs)).astype(dtype)


def _targets(
    name: str, distribution: Distribution, rng_key: jax.Array, num_samples: int, weights_scale: Any
) -> PolicyTarget:
    _check_distribution(name, distribution)
    if num_samples < 1:
        raise ValueError(f"{name}: num_samples is {num_samples}, expected 1 or more.")
    (scale,) = _checks.reals(name, weights_scale=weights_scale)
    fit(name, weights_scale=(scale, ""))
    actions = distribution.sample(seed=rng_key, sample_shape=(num_samples,))
    return PolicyTarget(actions=actions, weights=jnp.full((num_samples, *distribution.batch_shape), scale))


def _check_distribution(name: str, distribution: Any) -> None:
    missing = [a for a in ("sample", "log_prob", "batch_shape") if not hasattr(distribution, a)]
    if missing:
        raise TypeError(
            f"{name}: distribution is a {type(distribution).__name__} without {' and '.join(missing)}, expected an "
            f"object with sample(seed=, sample_shape=), log_prob(actions) and batch_shape. Distributions of distrax "
            f"are such."
        )
