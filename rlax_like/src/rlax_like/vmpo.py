"""V-MPO: MPO that learns from a batch of trajectories and a state-value function, without action values.

Song et al. (2020), "V-MPO: on-policy maximum a posteriori policy optimization for discrete and continuous control",
arXiv:1909.12238. The samples are the steps of the whole batch, whatever its axes, on all devices of a mapped axis.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from rlax_like import _checks
from rlax_like._gradients import stop_gradient_if
from rlax_like._precision import wide_reals
from rlax_like._shapes import fit
from rlax_like._weights import weighted
from rlax_like.collectives import AllSum
from rlax_like.mpo import LagrangePenalty, MpoOutputs, bounds, combine, positive, project

if TYPE_CHECKING:
    from jaxtyping import Array, ArrayLike, Float, Real


def vmpo_loss(
    sample_log_probs: "Real[ArrayLike, '*B']",
    advantages: "Real[ArrayLike, '*B']",
    temperature_constraint: LagrangePenalty,
    kl_constraints: "Sequence[tuple[Real[ArrayLike, '*B'], LagrangePenalty]]",
    projection_operator: Callable[[jax.Array], jax.Array] = positive,
    restarting_weights: "Real[ArrayLike, '*B'] | None" = None,
    importance_weights: "Real[ArrayLike, '*B'] | None" = None,
    top_k_fraction: float = 0.5,
    policy_loss_weight: float = 1.0,
    temperature_loss_weight: float = 1.0,
    kl_loss_weight: float = 1.0,
    alpha_loss_weight: float = 1.0,
    axis_name: str | None = None,
    use_stop_gradient: bool = True,
) -> "tuple[Float[Array, '*B'], MpoOutputs]":
    """Returns the loss of V-MPO for the policy and the dual variables, and its parts.

    The policy's part is `-w_i log π(a_i)` times the number of steps, so that its mean is the weighted sum, with the
    weights and the loss of the temperature of `vmpo_compute_weights_and_temperature_loss`, and the bounds on the
    divergence of `compute_parametric_kl_penalty_and_dual_loss`. Song et al. (2020), arXiv:1909.12238, section 4.

    Args:
      sample_log_probs: `log π(a_i)` of the actions taken, `[*B]`, for example `[T, B]`.
      advantages: Estimates of their advantages, `[*B]`.
      temperature_constraint: The temperature, a number, and the bound on the divergence of the weights.
      kl_constraints: Divergences, `[*B]` or `[*B, D]`, each with its bound.
      projection_operator: Maps a dual variable to its allowed values, see `mpo_compute_weights_and_temperature_loss`.
      restarting_weights: See `vmpo_compute_weights_and_temperature_loss`; None for 1.
      importance_weights: Likewise.
      top_k_fraction: The share of the steps, those of the largest advantages, that have a weight.
      policy_loss_weight: The weight of the policy's loss in the sum, a number, as are the others.
      temperature_loss_weight: The weight of the temperature's loss.
      kl_loss_weight: The weight of the penalty.
      alpha_loss_weight: The weight of the loss of the penalty weights.
      axis_name: The name of an axis of `jax.vmap` or `jax.pmap` over which the batch is split, or None.
      use_stop_gradient: Whether gradients stop at the weights of the steps, at the importance weights, at the dual
        variables in the penalty, and at the divergences in the dual variables' loss.

    Returns:
      The loss, `[*B]`, and its parts without their weights, of which the temperature's is `[]`.

    Raises:
      TypeError: an argument is not real.
      ValueError: the shapes do not fit, or `top_k_fraction` is outside (0, 1] or too low for a single step.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> log_probs, advantages = jnp.log(jnp.array([0.5, 0.5])), jnp.array([0.0, 1.0])
      >>> temperature, penalty = rlax.LagrangePenalty(1.0, 0.1), rlax.LagrangePenalty(2.0, 0.1)
      >>> loss, parts = rlax.vmpo_loss(log_probs, advantages, temperature, [(jnp.array([0.5, 0.25]), penalty)])
      >>> parts.normalized_weights, parts.kl_loss
      (Array([0., 1.], dtype=float32), Array([1. , 0.5], dtype=float32))
    """
    name = "vmpo_loss"
    dtype, (logprobs, adv, restarting, importance, _, _) = wide_reals(
        name,
        sample_log_probs=sample_log_probs,
        advantages=advantages,
        restarting_weights=1 if restarting_weights is None else restarting_weights,
        importance_weights=1 if importance_weights is None else importance_weights,
        **{
            "temperature_constraint.alpha": temperature_constraint.alpha,
            "temperature_constraint.epsilon": temperature_constraint.epsilon,
        },
    )
    fit(name, sample_log_probs=(logprobs, "*B"), advantages=(adv, "*B"))
    temperature_loss, weights, num_samples = vmpo_compute_weights_and_temperature_loss(
        adv,
        jnp.broadcast_to(restarting, adv.shape) if restarting_weights is None else restarting,
        jnp.broadcast_to(importance, adv.shape) if importance_weights is None else importance,
        temperature_constraint,
        projection_operator,
        top_k_fraction,
        axis_name,
        use_stop_gradient,
    )
    kl_dtype, kl_loss, alpha_loss = bounds(name, kl_constraints, projection_operator, use_stop_gradient, adv)
    num_steps = adv.size * (1 if axis_name is None else jax.lax.psum(1, axis_name))
    policy_loss = -weighted(weights, logprobs) * num_steps
    factors = policy_loss_weight, temperature_loss_weight, kl_loss_weight, alpha_loss_weight
    dtype = jnp.promote_types(dtype, kl_dtype)
    return combine(dtype, factors, MpoOutputs(temperature_loss, policy_loss, kl_loss, alpha_loss, weights, num_samples))


def vmpo_compute_weights_and_temperature_loss(
    advantages: "Real[ArrayLike, '*B']",
    restarting_weights: "Real[ArrayLike, '*B']",
    importance_weights: "Real[ArrayLike, '*B']",
    temperature_constraint: LagrangePenalty,
    projection_operator: Callable[[jax.Array], jax.Array],
    top_k_fraction: float,
    axis_name: str | None = None,
    use_stop_gradient: bool = True,
) -> "tuple[Float[Array, ''], Float[Array, '*B'], Float[Array, '']]":
    """Returns the loss of the temperature, the weights of the steps, and how many steps have one.

    With restarting weights of 1, the weights `w_i` are proportional to `ρ_i exp(adv_i / temperature)` over the `K`
    steps of the largest advantages, and the loss is `temperature (ε + log(Σ_i ρ_i exp(adv_i / temperature) / K))`. Song
    et al. (2020), arXiv:1909.12238, eqs. 3 and 4.

    Args:
      advantages: Estimates of the advantages, `[*B]`.
      restarting_weights: 0 for a step whose advantage means nothing, such as that from the end of an episode to the
        start of the next, otherwise 1, `[*B]`. Such a step has no weight, and is not among the `K`. A share between
        scales the advantage and the weight, and puts the step behind all of a larger share.
      importance_weights: `ρ_i`, the ratio by which the action was too rare in the data, `[*B]`.
      temperature_constraint: The temperature, a number, and the bound `ε`.
      projection_operator: As in `mpo_compute_weights_and_temperature_loss`.
      top_k_fraction: `K` as a share of all steps, in (0, 1], rounded down.
      axis_name: The name of an axis of `jax.vmap` or `jax.pmap` over which the batch is split, or None.
      use_stop_gradient: Whether gradients stop at the weights, and at the importance weights in the loss.

    Returns:
      The loss `[]`, the weights `[*B]`, which sum to 1, and the sum of the restarting weights over the `K` steps, `[]`.

    Raises:
      TypeError: an argument is not real.
      ValueError: the shapes do not fit, or `top_k_fraction` is outside (0, 1] or too low for a single step.

    Example:
      >>> import jax.nn, jax.numpy as jnp, rlax_like as rlax
      >>> advantages, ones = jnp.array([3.0, 1.0, 1.0, 0.0]), jnp.ones(4)
      >>> temperature = rlax.LagrangePenalty(1.0, 0.1)
      >>> _, weights, num_samples = rlax.vmpo_compute_weights_and_temperature_loss(
      ...     advantages, ones.at[0].set(0), ones, temperature, jax.nn.relu, top_k_fraction=0.5)
      >>> weights, num_samples
      (Array([0. , 0.5, 0.5, 0. ], dtype=float32), Array(2., dtype=float32))
    """
    name = "vmpo_compute_weights_and_temperature_loss"
    alpha, epsilon, _ = temperature_constraint
    dtype, (adv, restarting, importance, temperature, epsilon) = wide_reals(
        name,
        advantages=advantages,
        restarting_weights=restarting_weights,
        importance_weights=importance_weights,
        **{"temperature_constraint.alpha": alpha, "temperature_constraint.epsilon": epsilon},
    )
    fit(name, advantages=(adv, "*B"), restarting_weights=(restarting, "*B"), importance_weights=(importance, "*B"))
    fit(name, **{"temperature_constraint.alpha": (temperature, ""), "temperature_constraint.epsilon": (epsilon, "")})
    temperature = project(projection_operator, temperature)
    importance = stop_gradient_if(use_stop_gradient, importance)
    all_sum = AllSum(axis_name)
    adv = weighted(restarting, adv)
    selected = _select(name, jax.lax.stop_gradient(adv / temperature), restarting, top_k_fraction, axis_name)
    largest = jnp.max(jnp.where(selected, adv, -jnp.inf))
    if axis_name is not None:
        largest = jnp.max(jax.lax.all_gather(largest, axis_name))
    largest = jnp.where(jnp.isfinite(largest), largest, 0)
    # An excluded step may have any advantage: its exponential may be infinite, and so may its derivative. The largest
    # is taken off before the division, and has a gradient, so that nothing cancels in the derivatives either.
    exponentials = jnp.exp(jnp.where(selected, adv - largest, 0) / temperature)
    unnormalized = jnp.where(selected, restarting * importance * exponentials, 0)
    total, num_samples = all_sum(unnormalized), all_sum(jnp.where(selected, restarting, 0))
    is_any = total > 0
    safe_total, safe_number = jnp.where(is_any, total, 1), jnp.where(is_any, num_samples, 1)
    loss = temperature * (epsilon + jnp.log(safe_total) - jnp.log(safe_number)) + largest
    weights = stop_gradient_if(use_stop_gradient, unnormalized / safe_total)
    return loss.astype(dtype), weights.astype(dtype), num_samples.astype(dtype)


def _select(
    name: str, scaled: jax.Array, restarting: jax.Array, top_k_fraction: Any, axis_name: str | None
) -> jax.Array:
    """Which steps are among those of the largest advantages, over all devices."""
    if _checks.is_traced(top_k_fraction) or not 0 < top_k_fraction <= 1:
        raise ValueError(f"{name}: top_k_fraction is {top_k_fraction}, expected a known number in (0, 1].")
    # A step of a smaller restarting weight comes after all those of a larger one.
    scores = jnp.where(restarting > 0, scaled - (1 - jax.lax.stop_gradient(restarting)) * 1e6, -jnp.inf)
    everywhere = scores if axis_name is None else jax.lax.all_gather(scores, axis_name)
    k = int(top_k_fraction * everywhere.size)
    if k == 0:
        raise ValueError(
            f"{name}: top_k_fraction is {top_k_fraction}, which is less than 1 of the {everywhere.size} steps. Raise "
            f"it to at least {1 / everywhere.size:.3g}."
        )
    threshold = jax.lax.top_k(everywhere.ravel(), k)[0][-1]
    return (scores >= threshold) & (restarting > 0)
