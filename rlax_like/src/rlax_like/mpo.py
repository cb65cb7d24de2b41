"""Maximum a posteriori policy optimisation (MPO): a weighted regression of the policy, within KL bounds.

Abdolmaleki et al. (2018), "Maximum a posteriori policy optimisation", arXiv:1806.06920. Each bound is kept by a dual
variable, a temperature or a penalty weight, which is learned with the policy: all losses are to be minimised.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp

from rlax_like import _checks
from rlax_like._gradients import stop_gradient_if
from rlax_like._precision import wide_reals
from rlax_like._shapes import broadcast, fit
from rlax_like._weights import weighted_sum

if TYPE_CHECKING:
    from jaxtyping import Array, ArrayLike, Float, Real

# The smallest value of a dual variable, unless another projection is given.
positive = functools.partial(jnp.clip, min=1e-10)


class LagrangePenalty(NamedTuple):
    """A bound and the dual variable that keeps it.

    Attributes:
      alpha: The dual variable, a number or an array that broadcasts to what is bounded.
      epsilon: The bound, not negative, likewise.
      per_dimension: Whether the last axis of what is bounded are dimensions with a bound each, over which the losses
        are summed.

    Example:
      >>> import rlax_like as rlax
      >>> rlax.LagrangePenalty(alpha=1.0, epsilon=0.1)
      LagrangePenalty(alpha=1.0, epsilon=0.1, per_dimension=False)
    """

    alpha: Any
    epsilon: Any
    per_dimension: bool = False


class MpoOutputs(NamedTuple):
    """The parts of the loss of MPO or V-MPO.

    Attributes:
      temperature_loss: The loss of the temperature.
      policy_loss: The weighted regression of the policy.
      kl_loss: The penalty of the policy for its divergence.
      alpha_loss: The loss of the weights of the penalties.
      normalized_weights: The weights of the samples, which sum to 1.
      num_samples: How many samples have a weight.
    """

    temperature_loss: "Float[Array, '*B']"
    policy_loss: "Float[Array, '*B']"
    kl_loss: "Float[Array, '*B']"
    alpha_loss: "Float[Array, '*B']"
    normalized_weights: "Float[Array, '*S']"
    num_samples: "int | Float[Array, '']"


def mpo_loss(
    sample_log_probs: "Real[ArrayLike, 'N *B']",
    sample_q_values: "Real[ArrayLike, 'N *B']",
    temperature_constraint: LagrangePenalty,
    kl_constraints: "Sequence[tuple[Real[ArrayLike, '*B'], LagrangePenalty]]",
    projection_operator: Callable[[jax.Array], jax.Array] = positive,
    policy_loss_weight: float = 1.0,
    temperature_loss_weight: float = 1.0,
    kl_loss_weight: float = 1.0,
    alpha_loss_weight: float = 1.0,
    sample_axis: int = 0,
    use_stop_gradient: bool = True,
) -> "tuple[Float[Array, '*B'], MpoOutputs]":
    """Returns the loss of MPO for the policy and the dual variables, and its parts.

    `-Σ_i w_i log π(a_i)` over `N` actions sampled in each state, with the weights and the loss of the temperature of
    `mpo_compute_weights_and_temperature_loss`, and the bounds on the divergence of
    `compute_parametric_kl_penalty_and_dual_loss`. Abdolmaleki et al. (2018), arXiv:1806.06920.

    Args:
      sample_log_probs: `log π(a_i)`, `[N, *B]`, or with the samples in `sample_axis`.
      sample_q_values: The values of the actions, of the same shape. One of -inf has weight 0.
      temperature_constraint: The temperature, and the bound on the divergence of the weights.
      kl_constraints: Divergences, `[*B]` or `[*B, D]`, each with its bound.
      projection_operator: Maps a dual variable to its allowed values, see `mpo_compute_weights_and_temperature_loss`.
      policy_loss_weight: The weight of the policy's loss in the sum, a number, as are the others.
      temperature_loss_weight: The weight of the temperature's loss.
      kl_loss_weight: The weight of the penalty.
      alpha_loss_weight: The weight of the loss of the penalty weights.
      sample_axis: The axis of the samples.
      use_stop_gradient: Whether gradients stop at the weights of the samples, at the dual variables in the penalty, and
        at the divergences in the dual variables' loss.

    Returns:
      The loss, `[*B]`, and its parts without their weights.

    Raises:
      TypeError: an argument is not real.
      ValueError: the shapes do not fit.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> log_probs, q_values = jnp.log(jnp.array([0.5, 0.5])), jnp.array([0.0, jnp.log(3.0)])
      >>> temperature, penalty = rlax.LagrangePenalty(1.0, 0.1), rlax.LagrangePenalty(2.0, 0.1)
      >>> loss, parts = rlax.mpo_loss(log_probs, q_values, temperature, [(0.25, penalty)])
      >>> parts.normalized_weights.round(2), parts.kl_loss
      (Array([0.25, 0.75], dtype=float32), Array(0.5, dtype=float32))
    """
    name = "mpo_loss"
    dtype, (logprobs, q_values, _, _) = wide_reals(
        name,
        sample_log_probs=sample_log_probs,
        sample_q_values=sample_q_values,
        **{
            "temperature_constraint.alpha": temperature_constraint.alpha,
            "temperature_constraint.epsilon": temperature_constraint.epsilon,
        },
    )
    fit(name, sample_log_probs=(logprobs, "*S"), sample_q_values=(q_values, "*S"))
    temperature_loss, weights, num_samples = mpo_compute_weights_and_temperature_loss(
        q_values, temperature_constraint, projection_operator, sample_axis
    )
    kl_dtype, kl_loss, alpha_loss = bounds(
        name, kl_constraints, projection_operator, use_stop_gradient, temperature_loss
    )
    weights = stop_gradient_if(use_stop_gradient, weights)
    policy_loss = -weighted_sum(weights, logprobs, axis=sample_axis)
    factors = policy_loss_weight, temperature_loss_weight, kl_loss_weight, alpha_loss_weight
    dtype = jnp.promote_types(dtype, kl_dtype)
    parts = MpoOutputs(temperature_loss, policy_loss, kl_loss, alpha_loss, weights, num_samples)
    return combine(dtype, factors, parts)


def mpo_compute_weights_and_temperature_loss(
    sample_q_values: "Real[ArrayLike, 'N *B']",
    temperature_constraint: LagrangePenalty,
    projection_operator: Callable[[jax.Array], jax.Array],
    sample_axis: int = 0,
) -> "tuple[Float[Array, '*B'], Float[Array, 'N *B'], int]":
    """Returns the loss of the temperature, the weights of the samples, and how many samples there are.

    The weights are the softmax of `q_i / temperature`, and the loss is `temperature (ε + log mean_i exp(q_i /
    temperature))`, whose minimum makes the divergence of the weights from equal ones `ε`. Abdolmaleki et al. (2018),
    arXiv:1806.06920, the E-step.

    Args:
      sample_q_values: Values of `N` actions sampled in each state, `[N, *B]`, or with the samples in `sample_axis`. One
        of -inf has weight 0.
      temperature_constraint: The temperature, a number or an array that broadcasts to `[*B]`, and the bound `ε`.
      projection_operator: Maps a dual variable to its allowed values, elementwise: one that clips, or one such as
        `jax.nn.softplus`. Where its derivative is 0, as below the least value of one that clips, the gradient passes
        as if it were 1, so that the variable can come back.
      sample_axis: The axis of the samples.

    Returns:
      The loss `[*B]`, the weights of the shape of `sample_q_values`, and `N`. Gradients flow through both.

    Raises:
      TypeError: an argument is not real.
      ValueError: the shapes do not fit.

    Example:
      >>> import jax.nn, jax.numpy as jnp, rlax_like as rlax
      >>> q_values, temperature = jnp.array([0.0, jnp.log(3.0)]), rlax.LagrangePenalty(1.0, 0.5)
      >>> _, weights, num_samples = rlax.mpo_compute_weights_and_temperature_loss(q_values, temperature, jax.nn.relu)
      >>> weights.round(2), num_samples
      (Array([0.25, 0.75], dtype=float32), 2)
    """
    name = "mpo_compute_weights_and_temperature_loss"
    alpha, epsilon, _ = temperature_constraint
    dtype, (q, temperature, epsilon) = wide_reals(
        name,
        sample_q_values=sample_q_values,
        **{"temperature_constraint.alpha": alpha, "temperature_constraint.epsilon": epsilon},
    )
    if not -q.ndim <= sample_axis < q.ndim:
        raise ValueError(
            f"{name}: sample_axis is {sample_axis}, expected an axis of sample_q_values of shape {q.shape}."
        )
    q = jnp.moveaxis(q, sample_axis, 0)
    like = "sample_q_values without its samples", q.shape[1:]
    temperature = broadcast(name, "temperature_constraint.alpha", project(projection_operator, temperature), *like)
    epsilon = broadcast(name, "temperature_constraint.epsilon", epsilon, *like)
    excluded = jnp.isneginf(q)
    largest = jax.lax.stop_gradient(jnp.max(q, axis=0, keepdims=True))
    # Relative to the largest, so that a temperature near 0 neither overflows nor cancels.
    scaled = jnp.where(excluded, -jnp.inf, (jnp.where(excluded, largest, q) - largest) / temperature[None])
    log_mean = jax.nn.logsumexp(scaled, axis=0) - math.log(q.shape[0])
    loss = temperature * (epsilon + log_mean) + largest[0]
    weights = jnp.moveaxis(jax.nn.softmax(scaled, axis=0), 0, sample_axis)
    return loss.astype(dtype), weights.astype(dtype), q.shape[0]


def compute_parametric_kl_penalty_and_dual_loss(
    kl_constraints: "Sequence[tuple[Real[ArrayLike, '*B'], LagrangePenalty]]",
    projection_operator: Callable[[jax.Array], jax.Array],
    use_stop_gradient: bool = True,
) -> "tuple[Float[Array, '*B'], Float[Array, '*B']]":
    """Returns the penalty of a policy for divergences, and the loss of the weights of the penalty.

    `Σ alpha kl` and `Σ alpha (ε - kl)` over the bounds: the second raises `alpha` where the divergence is above its
    bound. Abdolmaleki et al. (2018), arXiv:1806.06920, the M-step; with bounds on mean and covariance or on each
    dimension, Abdolmaleki et al. (2018), arXiv:1812.02256.

    Args:
      kl_constraints: Divergences, each `[*B]` with its bound, or `[*B, D]` with a bound that is `per_dimension`.
      projection_operator: As in `mpo_compute_weights_and_temperature_loss`.
      use_stop_gradient: Whether gradients stop at `alpha` in the penalty, and at the divergences in its own loss.

    Returns:
      Both `[*B]`, in the dtype that the floating arguments promote to; 0 without any bound.

    Raises:
      TypeError: an argument is not real.
      ValueError: the shapes do not fit.

    Example:
      >>> import jax.nn, jax.numpy as jnp, rlax_like as rlax
      >>> bounds = [(jnp.array([0.0, 1.0]), rlax.LagrangePenalty(alpha=2.0, epsilon=0.5))]
      >>> rlax.compute_parametric_kl_penalty_and_dual_loss(bounds, jax.nn.relu)
      (Array([0., 2.], dtype=float32), Array([ 1., -1.], dtype=float32))
    """
    name = "compute_parametric_kl_penalty_and_dual_loss"
    dtype, penalty, loss = bounds(name, kl_constraints, projection_operator, use_stop_gradient, None)
    return penalty.astype(dtype), loss.astype(dtype)


def project(operator: Callable[[jax.Array], jax.Array], dual: jax.Array) -> jax.Array:
    """Returns `operator(dual)`; where the derivative of the operator is 0, as where it clips, it counts as 1."""
    projected, slope = jax.jvp(operator, (dual,), (jnp.ones_like(dual),))
    return projected + jnp.where(slope == 0, dual - jax.lax.stop_gradient(dual), 0)


def combine(dtype: Any, factors: tuple[float, float, float, float], parts: MpoOutputs) -> tuple[jax.Array, MpoOutputs]:
    """The sum of the losses of policy, temperature, divergence and penalty weights, and the parts, in a dtype."""
    losses = parts.policy_loss, parts.temperature_loss, parts.kl_loss, parts.alpha_loss
    total = sum(factor * loss for factor, loss in zip(factors, losses, strict=True))
    parts = MpoOutputs(*(part.astype(dtype) for part in parts[:-1]), num_samples=parts.num_samples)
    return jnp.asarray(total).astype(dtype), parts


def bounds(
    name: str,
    kl_constraints: "Sequence[tuple[Any, LagrangePenalty]]",
    projection_operator: Callable[[jax.Array], jax.Array],
    use_stop_gradient: bool,
    like: jax.Array | None,
) -> tuple[Any, jax.Array, jax.Array]:
    """The penalty and the loss of its weights, of the shape of `like`, or of the first divergence if it is None.

    They come after the dtype that they should have, and are at least in float32.
    """
    dtypes, penalties, losses = [], [], []
    for i, (kl, (alpha, epsilon, per_dimension)) in enumerate(kl_constraints):
        argument = f"kl_constraints[{i}]"
        dtype, (kl, alpha, epsilon) = wide_reals(
            name, **{f"{argument}[0]": kl, f"{argument}[1].alpha": alpha, f"{argument}[1].epsilon": epsilon}
        )
        alpha = project(projection_operator, alpha)
        alpha = broadcast(name, f"{argument}[1].alpha", alpha, f"{argument}[0]", kl.shape)
        epsilon = broadcast(name, f"{argument}[1].epsilon", epsilon, f"{argument}[0]", kl.shape)
        penalty = stop_gradient_if(use_stop_gradient, alpha) * kl
        loss = alpha * (epsilon - stop_gradient_if(use_stop_gradient, kl))
        if per_dimension:
            _checks.per_action(name, None, "", **{f"{argument}[0]": kl})
            penalty, loss = jnp.sum(penalty, axis=-1), jnp.sum(loss, axis=-1)
        like = penalty if like is None else like
        if penalty.shape != like.shape:
            suffix = ", D" if per_dimension else ""
            raise ValueError(
                f"{name}: {argument}[0] has shape {kl.shape}, expected [*B{suffix}] with *B = {like.shape}, one "
                f"divergence for each state{' and dimension' if per_dimension else ''}. If its last axis are "
                f"dimensions, say so with per_dimension=True."
            )
        dtypes.append(dtype)
        penalties.append(penalty)
        losses.append(loss)
    if not penalties:
        zero = jnp.zeros(() if like is None else like.shape)
        return jnp.bfloat16 if like is not None else zero.dtype, zero, zero
    return jnp.result_type(*dtypes), sum(penalties[1:], start=penalties[0]), sum(losses[1:], start=losses[0])
