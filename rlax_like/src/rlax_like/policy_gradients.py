"""Losses whose gradients improve a policy: the mean over the first axis, `T` steps, for any trailing batch `*B`.

Logits are `[T, *B, A]`. An action whose logit is -inf cannot be taken: it counts nowhere and gets no gradient. Without
`use_stop_gradient` the gradient flows through everything, also where an estimate should be a constant.
"""

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp

from rlax_like import _checks
from rlax_like._gradients import stop_gradient_if
from rlax_like._precision import wide_reals
from rlax_like._shapes import fit
from rlax_like._weights import weighted, weighted_sum
from rlax_like.indexing import _pick

if TYPE_CHECKING:
    from jaxtyping import Array, ArrayLike, Float, Int, Real


def policy_gradient_loss(
    logits_t: "Real[ArrayLike, 'T *B A']",
    a_t: "Int[ArrayLike, 'T *B']",
    adv_t: "Real[ArrayLike, 'T *B']",
    w_t: "Real[ArrayLike, 'T *B']",
    use_stop_gradient: bool = True,
) -> "Float[Array, '*B']":
    """Returns the loss of the policy gradient: `-mean_t w_t adv_t log π(a_t)`, with π the softmax of `logits_t`.

    Williams (1992), "Simple statistical gradient-following algorithms"; Sutton and Barto (2018), section 13.4.

    Args:
      logits_t: Logits of the policy, `[T, *B, A]`.
      a_t: Actions taken, integers `[T, *B]`; one outside the `A` actions gives NaN.
      adv_t: Estimates of the advantage of the action, `[T, *B]`.
      w_t: Weights, such as importance ratios or a mask, `[T, *B]` or a number. A step of weight 0 does not count, even
        if its action is impossible.
      use_stop_gradient: Whether gradients stop at `adv_t`.

    Returns:
      `[*B]`, in the dtype that the floating arguments promote to.

    Raises:
      TypeError: an action is not an integer, or another argument not real.
      ValueError: the shapes do not fit.

    Example:
      >>> import jax, jax.numpy as jnp, rlax_like as rlax
      >>> logits, actions, advantages = jnp.zeros([1, 2]), jnp.array([0]), jnp.array([1.0])
      >>> jax.grad(rlax.policy_gradient_loss)(logits, actions, advantages, 1.0)
      Array([[-0.5,  0.5]], dtype=float32)
    """
    name = "policy_gradient_loss"
    dtype, (logits, adv, w) = wide_reals(name, logits_t=logits_t, adv_t=adv_t, w_t=w_t)
    (a,) = _checks.integers(name, a_t=a_t)
    fit(name, logits_t=(logits, "T *B A"), a_t=(a, "T *B"), adv_t=(adv, "T *B"), w_t=(w, "T *B|"))
    logprobs = _pick(jax.nn.log_softmax(logits), a)
    weights = w * stop_gradient_if(use_stop_gradient, adv)
    return -jnp.mean(weighted(weights, logprobs), axis=0).astype(dtype)


def entropy_loss(logits_t: "Real[ArrayLike, 'T *B A']", w_t: "Real[ArrayLike, 'T *B']") -> "Float[Array, '*B']":
    """Returns the loss that keeps a policy random: `-mean_t w_t H(π_t)`, with H the entropy of the softmax, in nats.

    Williams and Peng (1991), "Function optimization using connectionist reinforcement learning algorithms"; Mnih et al.
    (2016), arXiv:1602.01783, section 4.

    Args:
      logits_t: Logits of the policy, `[T, *B, A]`.
      w_t: Weights, such as a mask, `[T, *B]` or a number.

    Returns:
      `[*B]`, in the dtype that the floating arguments promote to.

    Raises:
      TypeError: an argument is not real.
      ValueError: the shapes do not fit.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> rlax.entropy_loss(jnp.zeros([3, 2]), jnp.ones(3)).round(4)
      Array(-0.6931, dtype=float32)
    """
    name = "entropy_loss"
    dtype, (logits, w) = wide_reals(name, logits_t=logits_t, w_t=w_t)
    fit(name, logits_t=(logits, "T *B A"), w_t=(w, "T *B|"))
    logprobs = jax.nn.log_softmax(logits)
    # Minus the entropy is Σ p log p.
    return jnp.mean(w * weighted_sum(jnp.exp(logprobs), logprobs), axis=0).astype(dtype)


def dpg_loss(
    a_t: "Real[ArrayLike, '*B D']",
    dqda_t: "Real[ArrayLike, '*B D']",
    dqda_clipping: "float | None" = None,
    use_stop_gradient: bool = True,
) -> "Float[Array, '*B D']":
    """Returns the loss of the deterministic policy gradient: half the squared way from the action to a better one.

    `(a_t + dqda_t - a_t)² / 2` in each dimension, with the gradient stopped at `a_t + dqda_t`, so that its derivative
    is `-dqda_t`: a step against it raises the action value. Silver et al. (2014), "Deterministic policy gradient
    algorithms", eq. 9; Lillicrap et al. (2016), arXiv:1509.02971, eq. 6.

    Args:
      a_t: Actions of a deterministic policy, `[*B, D]`.
      dqda_t: The derivative of the action value by the action, `[*B, D]`.
      dqda_clipping: The largest length of `dqda_t`, over its last axis, a positive number; a longer one is shortened to
        it. None for no limit. A traced one is not checked.
      use_stop_gradient: Whether gradients stop at `a_t + dqda_t`.

    Returns:
      `[*B, D]`, in the dtype that the floating arguments promote to.

    Raises:
      TypeError: an argument is not real.
      ValueError: the shapes do not fit, or `dqda_clipping` is not positive.

    Example:
      >>> import jax, jax.numpy as jnp, rlax_like as rlax
      >>> jax.grad(lambda a: rlax.dpg_loss(a, jnp.array([3.0, 4.0]), dqda_clipping=1.0).sum())(jnp.zeros(2))
      Array([-0.6, -0.8], dtype=float32)
    """
    name = "dpg_loss"
    dtype, (a, dqda) = wide_reals(name, a_t=a_t, dqda_t=dqda_t)
    fit(name, a_t=(a, "*B D"), dqda_t=(dqda, "*B D"))
    if dqda_clipping is not None:
        _checks.within(name, lambda c: c > 0, "a positive length, or None for none", dqda_clipping=dqda_clipping)
        (limit,) = _checks.reals(name, dqda_clipping=dqda_clipping)
        fit(name, dqda_clipping=(limit, ""))
        dqda = _shorten(dqda, limit.astype(dqda.dtype))
    return (0.5 * jnp.square(stop_gradient_if(use_stop_gradient, dqda + a) - a)).astype(dtype)


def qpg_loss(
    logits_t: "Real[ArrayLike, 'T *B A']", q_t: "Real[ArrayLike, 'T *B A']", use_stop_gradient: bool = True
) -> "Float[Array, '*B']":
    """Returns the loss of the all-actions policy gradient: `-mean_t Σ_a π(a) adv(a)`, `adv = q_t - Σ_b π(b) q_t[b]`.

    Srinivasan et al. (2018), arXiv:1810.09026 ("QPG").

    Args:
      logits_t: Logits of the policy, `[T, *B, A]`.
      q_t: Action values, of the same shape.
      use_stop_gradient: Whether gradients stop at the advantages.

    Returns:
      `[*B]`, in the dtype that the floating arguments promote to. The value is always 0 up to rounding, and without
      `use_stop_gradient` so is the gradient.

    Raises:
      TypeError: an argument is not real.
      ValueError: the shapes do not fit.

    Example:
      >>> import jax, jax.numpy as jnp, rlax_like as rlax
      >>> jax.grad(rlax.qpg_loss)(jnp.zeros([1, 2]), jnp.array([[0.0, 4.0]]))
      Array([[ 1., -1.]], dtype=float32)
    """
    dtype, policy, advantages = _advantages("qpg_loss", logits_t, q_t, use_stop_gradient)
    return -jnp.mean(jnp.sum(policy * advantages, axis=-1), axis=0).astype(dtype)


def rm_loss(
    logits_t: "Real[ArrayLike, 'T *B A']", q_t: "Real[ArrayLike, 'T *B A']", use_stop_gradient: bool = True
) -> "Float[Array, '*B']":
    """Returns the loss of regret matching: `-mean_t Σ_a π(a) max(adv(a), 0)`, `adv = q_t - Σ_b π(b) q_t[b]`.

    Srinivasan et al. (2018), arXiv:1810.09026 ("RMPG").

    Args:
      logits_t: Logits of the policy, `[T, *B, A]`.
      q_t: Action values, of the same shape.
      use_stop_gradient: Whether gradients stop at the advantages.

    Returns:
      `[*B]`, in the dtype that the floating arguments promote to.

    Raises:
      TypeError: an argument is not real.
      ValueError: the shapes do not fit.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> rlax.rm_loss(jnp.zeros([1, 2]), jnp.array([[0.0, 4.0]]))
      Array(-1., dtype=float32)
    """
    dtype, policy, advantages = _advantages("rm_loss", logits_t, q_t, use_stop_gradient)
    return -jnp.mean(jnp.sum(policy * jnp.maximum(advantages, 0), axis=-1), axis=0).astype(dtype)


def rpg_loss(
    logits_t: "Real[ArrayLike, 'T *B A']", q_t: "Real[ArrayLike, 'T *B A']", use_stop_gradient: bool = True
) -> "Float[Array, '*B']":
    """Returns the regret of a policy: `mean_t Σ_a max(q_t[a] - Σ_b π(b) q_t[b], 0)`, over the actions it can take.

    Srinivasan et al. (2018), arXiv:1810.09026 ("RPG").

    Args:
      logits_t: Logits of the policy, `[T, *B, A]`.
      q_t: Action values, of the same shape.
      use_stop_gradient: Whether gradients stop at `q_t`.

    Returns:
      `[*B]`, in the dtype that the floating arguments promote to.

    Raises:
      TypeError: an argument is not real.
      ValueError: the shapes do not fit.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> rlax.rpg_loss(jnp.zeros([1, 2]), jnp.array([[0.0, 4.0]]))
      Array(2., dtype=float32)
    """
    dtype, logits, q = _of_possible_actions("rpg_loss", logits_t, q_t)
    q = stop_gradient_if(use_stop_gradient, q)
    weights = jnp.exp(logits - jax.lax.stop_gradient(jnp.max(logits, axis=-1, keepdims=True)))
    # Divided by their sum only after another sum, since XLA then makes of all one pass.
    baseline = jnp.sum(weights * q, axis=-1, keepdims=True) / jnp.sum(weights, axis=-1, keepdims=True)
    return jnp.mean(jnp.sum(jnp.maximum(q - baseline, 0), axis=-1), axis=0).astype(dtype)


def clipped_surrogate_pg_loss(
    prob_ratios_t: "Real[ArrayLike, 'T *B']",
    adv_t: "Real[ArrayLike, 'T *B']",
    epsilon: "Real[ArrayLike, '']",
    use_stop_gradient: bool = True,
) -> "Float[Array, '*B']":
    """Returns the loss of proximal policy optimisation: `-mean_t min(ρ_t adv_t, clip(ρ_t, 1 - ε, 1 + ε) adv_t)`.

    Schulman et al. (2017), arXiv:1707.06347, eq. 7.

    Args:
      prob_ratios_t: `ρ_t`, the probability of the action taken over that which it had, `[T, *B]`.
      adv_t: Estimates of the advantage of the action, `[T, *B]`.
      epsilon: How far the ratio may go from 1, a number that is not negative. A traced one is not checked.
      use_stop_gradient: Whether gradients stop at `adv_t`.

    Returns:
      `[*B]`, in the dtype that the floating arguments promote to.

    Raises:
      TypeError: an argument is not real.
      ValueError: the shapes do not fit, or `epsilon` is negative.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> rlax.clipped_surrogate_pg_loss(jnp.array([1.5, 0.5]), jnp.array([2.0, -2.0]), 0.25)
      Array(-0.5, dtype=float32)
    """
    name = "clipped_surrogate_pg_loss"
    _checks.within(name, lambda e: e >= 0, "0 or more", epsilon=epsilon)
    dtype, (ratios, adv, margin) = wide_reals(name, prob_ratios_t=prob_ratios_t, adv_t=adv_t, epsilon=epsilon)
    fit(name, prob_ratios_t=(ratios, "T *B"), adv_t=(adv, "T *B"), epsilon=(margin, ""))
    adv = stop_gradient_if(use_stop_gradient, adv)
    # The lesser of both products, by the sign of the advantage: no infinite ratio meets an advantage of 0.
    lesser = jnp.where(adv < 0, jnp.maximum(ratios, 1 - margin) * adv, jnp.minimum(ratios, 1 + margin) * adv)
    return -jnp.mean(lesser, axis=0).astype(dtype)


def _of_possible_actions(
    name: str, logits_t: "ArrayLike", q_t: "ArrayLike"
) -> tuple[jax.typing.DTypeLike, jax.Array, jax.Array]:
    """The dtype of the result, the logits, and the action values, far below 0 for actions that cannot be taken.

    What one of these is worth is of no consequence, be it infinite or undefined. A number so low is no regret, and
    counts 0 in what the policy weighs: it stays finite, times the number of actions too.
    """
    dtype, (logits, q) = wide_reals(name, logits_t=logits_t, q_t=q_t)
    fit(name, logits_t=(logits, "T *B A"), q_t=(q, "T *B A"))
    return dtype, logits, jnp.where(logits > -jnp.inf, q, jnp.finfo(q.dtype).min / 1e6)


def _advantages(
    name: str, logits_t: "ArrayLike", q_t: "ArrayLike", use_stop_gradient: bool
) -> tuple[jax.typing.DTypeLike, jax.Array, jax.Array]:
    """The dtype of the result, the policy, and the advantages.

    Weighing these, and not the values, keeps the gradient exact where values are large beside their differences.
    """
    dtype, logits, q = _of_possible_actions(name, logits_t, q_t)
    policy = jax.nn.softmax(logits)
    advantages = q - jnp.sum(policy * q, axis=-1, keepdims=True)
    return dtype, policy, stop_gradient_if(use_stop_gradient, advantages)


def _shorten(x: jax.Array, limit: jax.Array) -> jax.Array:
    """Returns `x`, whose last axis is scaled to the length `limit` where it is longer; its gradient at 0 is finite."""
    square = jnp.sum(jnp.square(x), axis=-1, keepdims=True)
    is_longer = square > jnp.square(limit)
    length = jnp.sqrt(jnp.where(is_longer, square, 1))
    return jnp.where(is_longer, x * (limit / length), x)
