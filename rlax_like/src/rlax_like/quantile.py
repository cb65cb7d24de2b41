"""Learning quantiles of the distribution of the return, one step at a time.

A distribution is given by its values at `N` levels of the cumulative distribution. Levels are `[*B, N]`, or `[N]`
where the whole batch shares them. Each function returns the loss of each transition.
"""

import functools
import operator
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from rlax_like import _checks
from rlax_like._gradients import stop_gradient_if
from rlax_like._precision import wide_reals
from rlax_like._shapes import fit
from rlax_like.indexing import _pick
from rlax_like.losses import _huber

if TYPE_CHECKING:
    from jaxtyping import Array, ArrayLike, Float, Int, Real


def quantile_regression_loss(
    dist_src: "Real[ArrayLike, '*B N']",
    tau_src: "Real[ArrayLike, '*B N']",
    dist_target: "Real[ArrayLike, '*B M']",
    huber_param: "Real[ArrayLike, '']" = 0.0,
    stop_target_gradients: bool = True,
) -> "Float[Array, '*B']":
    """Returns the loss whose minimum over `dist_src` are the quantiles of `dist_target` at the levels `tau_src`.

    `Σ_i mean_j |tau_i - [d_ij < 0]| L(d_ij)` with `d_ij = dist_target_j - dist_src_i`, where `L` is the magnitude, or
    with `huber_param` above 0 Huber's loss. Dabney et al. (2018), arXiv:1710.10044, eq. 10.

    Args:
      dist_src: Quantiles, `[*B, N]`.
      tau_src: Their levels in [0, 1], `[*B, N]` or `[N]`.
      dist_target: Samples or quantiles to regress to, `[*B, M]`, each of the same weight.
      huber_param: Where the parabola of Huber's loss goes over into lines, a number; 0 for no parabola. A traced one is
        not checked.
      stop_target_gradients: Whether gradients stop at `dist_target`.

    Returns:
      `[*B]`, in the dtype that the floating arguments promote to.

    Raises:
      TypeError: an argument is not real.
      ValueError: the shapes do not fit, or `huber_param` is negative.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> rlax.quantile_regression_loss(jnp.array([1.0]), jnp.array([0.25]), jnp.array([0.0, 5.0]))
      Array(0.875, dtype=float32)
    """
    name = "quantile_regression_loss"
    dtype, (src, tau, target, threshold) = wide_reals(
        name, dist_src=dist_src, tau_src=tau_src, dist_target=dist_target, huber_param=huber_param
    )
    _check_huber_param(name, huber_param)
    fit(
        name,
        dist_src=(src, "*B N"),
        tau_src=(tau, "N|*B N"),
        dist_target=(target, "*B M"),
        huber_param=(threshold, ""),
    )
    return _regression(src, tau, stop_gradient_if(stop_target_gradients, target), threshold).astype(dtype)


def quantile_expected_sarsa(
    dist_q_tm1: "Real[ArrayLike, '*B N A']",
    tau_q_tm1: "Real[ArrayLike, '*B N']",
    a_tm1: "Int[ArrayLike, '*B']",
    r_t: "Real[ArrayLike, '*B']",
    discount_t: "Real[ArrayLike, '*B']",
    dist_q_t: "Real[ArrayLike, '*B M A']",
    probs_a_t: "Real[ArrayLike, '*B A']",
    huber_param: "Real[ArrayLike, '']" = 0.0,
    stop_target_gradients: bool = True,
) -> "Float[Array, '*B']":
    """Returns the loss of expected SARSA for quantiles: the regression of the action taken to its target.

    The target is the mixture of the distributions `r_t + discount_t dist_q_t[:, a]` with the weights `probs_a_t[a]`, of
    which the loss is the mean with these weights. Dabney et al. (2018), arXiv:1710.10044, algorithm 1, with the
    distribution that a policy leads to, as in Bellemare et al. (2017), arXiv:1707.06887, eq. 4.

    Args:
      dist_q_tm1: Quantiles for each action, `[*B, N, A]`.
      tau_q_tm1: Their levels in [0, 1], `[*B, N]` or `[N]`.
      a_tm1: Actions taken, integers `[*B]`; one outside the `A` actions gives NaN.
      r_t: Rewards, `[*B]`.
      discount_t: Discounts, `[*B]` or a number.
      dist_q_t: Quantiles of the next states for each action, `[*B, M, A]`.
      probs_a_t: The probability of each action there, `[*B, A]`. An action of probability 0 does not count, even if its
        values are infinite.
      huber_param: As in `quantile_regression_loss`.
      stop_target_gradients: Whether gradients stop at the target.

    Returns:
      `[*B]`, in the dtype that the floating arguments promote to.

    Raises:
      TypeError: an action is not an integer, or another argument not real.
      ValueError: the shapes do not fit, or `huber_param` is negative.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> q_tm1, q_t, probs = jnp.array([[1.0, 2.0]]), jnp.array([[3.0, 5.0]]), jnp.array([0.5, 0.5])
      >>> rlax.quantile_expected_sarsa(q_tm1, jnp.array([0.5]), 0, 1.0, 0.5, q_t, probs)
      Array(1., dtype=float32)
    """
    name = "quantile_expected_sarsa"
    dtype, (q_tm1, tau, r_t, discount_t, q_t, probs, threshold) = wide_reals(
        name,
        dist_q_tm1=dist_q_tm1,
        tau_q_tm1=tau_q_tm1,
        r_t=r_t,
        discount_t=discount_t,
        dist_q_t=dist_q_t,
        probs_a_t=probs_a_t,
        huber_param=huber_param,
    )
    a_tm1 = _check(name, a_tm1, huber_param, q_tm1, tau, r_t, discount_t, threshold)
    fit(name, a_tm1=(a_tm1, "*B"), dist_q_t=(q_t, "*B M A"), probs_a_t=(probs, "*B A"))
    of_each_action = jnp.swapaxes(jnp.where((probs[..., None, :] == 0) & jnp.isinf(q_t), 0, q_t), -1, -2)
    target = _target(r_t[..., None], jnp.broadcast_to(discount_t, r_t.shape)[..., None], of_each_action)
    target, probs = (stop_gradient_if(stop_target_gradients, x) for x in (target, probs))
    weights = jnp.broadcast_to(probs[..., None] / target.shape[-1], target.shape)
    target, weights = (x.reshape(*x.shape[:-2], x.shape[-2] * x.shape[-1]) for x in (target, weights))
    return _regression(_of_action(q_tm1, a_tm1), tau, target, threshold, weights).astype(dtype)


def quantile_q_learning(
    dist_q_tm1: "Real[ArrayLike, '*B N A']",
    tau_q_tm1: "Real[ArrayLike, '*B N']",
    a_tm1: "Int[ArrayLike, '*B']",
    r_t: "Real[ArrayLike, '*B']",
    discount_t: "Real[ArrayLike, '*B']",
    dist_q_t_selector: "Real[ArrayLike, '*B K A']",
    dist_q_t: "Real[ArrayLike, '*B M A']",
    huber_param: "Real[ArrayLike, '']" = 0.0,
    stop_target_gradients: bool = True,
) -> "Float[Array, '*B']":
    """Returns the loss of Q-learning for quantiles: the regression of the action taken to its target.

    The target is `r_t + discount_t dist_q_t[:, a]`, with `a` the action of the largest mean of `dist_q_t_selector`.
    Dabney et al. (2018), arXiv:1710.10044, algorithm 1.

    Args:
      dist_q_tm1: Quantiles for each action, `[*B, N, A]`.
      tau_q_tm1: Their levels in [0, 1], `[*B, N]` or `[N]`.
      a_tm1: Actions taken, integers `[*B]`; one outside the `A` actions gives NaN.
      r_t: Rewards, `[*B]`.
      discount_t: Discounts, `[*B]` or a number.
      dist_q_t_selector: Quantiles of the next states that pick the action, `[*B, K, A]`: those of the online network
        for double Q-learning, else `dist_q_t`.
      dist_q_t: Quantiles of the next states that the target takes its values from, `[*B, M, A]`.
      huber_param: As in `quantile_regression_loss`.
      stop_target_gradients: Whether gradients stop at the target.

    Returns:
      `[*B]`, in the dtype that the floating arguments promote to.

    Raises:
      TypeError: an action is not an integer, or another argument not real.
      ValueError: the shapes do not fit, or `huber_param` is negative.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> q_tm1, q_t = jnp.array([[1.0, 2.0]]), jnp.array([[3.0, 5.0]])
      >>> rlax.quantile_q_learning(q_tm1, jnp.array([0.5]), 0, 1.0, 0.5, q_t, q_t)
      Array(1.25, dtype=float32)
    """
    name = "quantile_q_learning"
    dtype, (q_tm1, tau, r_t, discount_t, selector, q_t, threshold) = wide_reals(
        name,
        dist_q_tm1=dist_q_tm1,
        tau_q_tm1=tau_q_tm1,
        r_t=r_t,
        discount_t=discount_t,
        dist_q_t_selector=dist_q_t_selector,
        dist_q_t=dist_q_t,
        huber_param=huber_param,
    )
    a_tm1 = _check(name, a_tm1, huber_param, q_tm1, tau, r_t, discount_t, threshold)
    fit(name, a_tm1=(a_tm1, "*B"), dist_q_t=(q_t, "*B M A"), dist_q_t_selector=(selector, "*B K A"))
    best = jnp.argmax(jnp.mean(selector, axis=-2), axis=-1)
    target = _target(r_t, jnp.broadcast_to(discount_t, r_t.shape), _of_action(q_t, best))
    target = stop_gradient_if(stop_target_gradients, target)
    return _regression(_of_action(q_tm1, a_tm1), tau, target, threshold).astype(dtype)


def _check(
    name: str,
    a_tm1: Any,
    huber_param: Any,
    q_tm1: jax.Array,
    tau: jax.Array,
    r_t: jax.Array,
    discount_t: jax.Array,
    threshold: jax.Array,
) -> jax.Array:
    """Checks what both errors of action values have in common, and returns the actions."""
    _check_huber_param(name, huber_param)
    (a_tm1,) = _checks.integers(name, a_tm1=a_tm1)
    fit(
        name,
        dist_q_tm1=(q_tm1, "*B N A"),
        tau_q_tm1=(tau, "N|*B N"),
        a_tm1=(a_tm1, "*B"),
        r_t=(r_t, "*B"),
        discount_t=(discount_t, "*B|"),
        huber_param=(threshold, ""),
    )
    return a_tm1


def _check_huber_param(name: str, huber_param: Any) -> None:
    _checks.within(name, lambda k: k >= 0, "0 or a positive number", huber_param=huber_param)


def _of_action(quantiles: jax.Array, action: jax.Array) -> jax.Array:
    """The quantiles `[*B, N]` of one action, out of `[*B, N, A]`."""
    return _pick(quantiles, jnp.broadcast_to(action[..., None], quantiles.shape[:-1]))


def _target(r_t: jax.Array, discount_t: jax.Array, quantiles: jax.Array) -> jax.Array:
    return r_t[..., None] + discount_t[..., None] * quantiles


def _regression(
    src: jax.Array, tau: jax.Array, target: jax.Array, threshold: jax.Array, weights: jax.Array | None = None
) -> jax.Array:
    """The loss of `quantile_regression_loss`; with weights `[*B, M]` of the targets, their sum and not their mean."""
    tau = jnp.broadcast_to(tau, src.shape)
    by_target = functools.partial(jax.lax.platform_dependent, cpu=_target_by_target, default=_all_pairs)
    losses = (by_target if target.shape[-1] > 1 else _all_pairs)(src, tau, target, threshold, weights)
    return jnp.sum(losses if weights is not None else losses / target.shape[-1], axis=-1)


def _target_by_target(
    src: jax.Array, tau: jax.Array, target: jax.Array, threshold: jax.Array, weights: jax.Array | None
) -> jax.Array:
    """The loss of each quantile, summed over the targets in a loop that keeps no pairs, not even for the derivative.

    On CPU, XLA writes out the errors of all pairs, and sums over them one by one: that takes ten times as long.
    """
    of_each = jax.tree.map(lambda x: jnp.moveaxis(x, -1, 0)[..., None], (target, weights))

    @jax.checkpoint
    def loss(target: jax.Array, weight: jax.Array | None) -> jax.Array:
        return _pairs(src, tau, target, threshold, weight)

    def add(losses: jax.Array, target_and_weight: Any) -> tuple[jax.Array, None]:
        return losses + loss(*target_and_weight), None

    # The first one apart: within shard_map, a state that the loop starts from must vary as those do that it makes.
    first, others = (jax.tree.map(operator.itemgetter(part), of_each) for part in (0, slice(1, None)))
    return jax.lax.scan(add, loss(*first), others, unroll=2)[0]


def _all_pairs(
    src: jax.Array, tau: jax.Array, target: jax.Array, threshold: jax.Array, weights: jax.Array | None
) -> jax.Array:
    """The loss of each quantile, summed over the targets."""
    weights = None if weights is None else weights[..., None, :]
    return jnp.sum(_pairs(src[..., None], tau[..., None], target[..., None, :], threshold, weights), axis=-1)


def _pairs(
    src: jax.Array, tau: jax.Array, target: jax.Array, threshold: jax.Array, weight: jax.Array | None
) -> jax.Array:
    """The loss of each pair of a quantile and a target, by broadcasting."""
    error = target - src
    slope = tau - (error < 0)
    # Without a parabola the slope at an error of 0 is tau, and not 0 as that of the magnitude in JAX.
    loss = jnp.where(threshold == 0, slope * error, jnp.abs(slope) * _huber(error, threshold))
    return loss if weight is None else weight * loss
