"""Learning categorical distributions of the return, probabilities of `N` given values (atoms), one step at a time.

Each function returns the loss of each transition, for any leading batch axes `*B`. Atoms are `[*B, N]`, or `[N]` where
the whole batch shares them. Learning quantiles instead is in `quantile.py`.
"""

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from rlax_like import _checks
from rlax_like._gradients import stop_gradient_if
from rlax_like._precision import wide_reals
from rlax_like._shapes import fit
from rlax_like.categorical import _cross_entropy
from rlax_like.indexing import _pick_row

if TYPE_CHECKING:
    from jaxtyping import Array, ArrayLike, Float, Int, Real


def categorical_l2_project(
    z_p: "Real[ArrayLike, '*B N']", probs: "Real[ArrayLike, '*B N']", z_q: "Real[ArrayLike, '*B M']"
) -> "Float[Array, '*B M']":
    """Returns the probabilities on the atoms `z_q` that come nearest, in the Cramér distance, to `probs` on `z_p`.

    The mass of an atom goes to the two neighbours in `z_q`, to each the more the nearer it is; beyond the ends it goes
    to the end. The mass stays the same for any order of the atoms; equal ones in `z_q` share alike. Bellemare et al.
    (2017), arXiv:1707.06887, eq. 7; Rowland et al. (2018), arXiv:1802.08163.

    Args:
      z_p: Atoms, `[*B, N]` or `[N]`, in any order.
      probs: Their probabilities, `[*B, N]`.
      z_q: Atoms to project onto, `[*B, M]` or `[M]`, in any order.

    Returns:
      Probabilities, `[*B, M]`, in the dtype that the floating arguments promote to.

    Raises:
      TypeError: an argument is not real.
      ValueError: the shapes do not fit.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> rlax.categorical_l2_project(jnp.array([0.5, 9.0]), jnp.array([0.5, 0.5]), jnp.array([0.0, 1.0, 2.0]))
      Array([0.25, 0.25, 0.5 ], dtype=float32)
    """
    name = "categorical_l2_project"
    dtype, (z_p, probs, z_q) = wide_reals(name, z_p=z_p, probs=probs, z_q=z_q)
    fit(name, probs=(probs, "*B N"), z_p=(z_p, "N|*B N"), z_q=(z_q, "M|*B M"))
    return _project(z_p, probs, z_q).astype(dtype)


def categorical_td_learning(
    v_atoms_tm1: "Real[ArrayLike, '*B N']",
    v_logits_tm1: "Real[ArrayLike, '*B N']",
    r_t: "Real[ArrayLike, '*B']",
    discount_t: "Real[ArrayLike, '*B']",
    v_atoms_t: "Real[ArrayLike, '*B M']",
    v_logits_t: "Real[ArrayLike, '*B M']",
    stop_target_gradients: bool = True,
) -> "Float[Array, '*B']":
    """Returns the loss of TD(0) for a categorical distribution of the return: the cross-entropy from its target.

    The target has the atoms `r_t + discount_t v_atoms_t`, projected onto `v_atoms_tm1` by `categorical_l2_project`.
    Bellemare et al. (2017), arXiv:1707.06887, algorithm 1, for state values.

    Args:
      v_atoms_tm1: Atoms of the state left, `[*B, N]` or `[N]`.
      v_logits_tm1: Logits of their probabilities, `[*B, N]`.
      r_t: Rewards, `[*B]`.
      discount_t: Discounts, `[*B]` or a number.
      v_atoms_t: Atoms of the next state, `[*B, M]` or `[M]`.
      v_logits_t: Logits of their probabilities, `[*B, M]`.
      stop_target_gradients: Whether gradients stop at the target.

    Returns:
      `[*B]`, in the dtype that the floating arguments promote to.

    Raises:
      TypeError: an argument is not real.
      ValueError: the shapes do not fit.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> atoms, certain = jnp.array([0.0, 1.0]), jnp.array([-jnp.inf, 0.0])
      >>> rlax.categorical_td_learning(atoms, jnp.zeros(2), 0.0, 1.0, atoms, certain).round(4)
      Array(0.6931, dtype=float32)
    """
    name = "categorical_td_learning"
    dtype, (v_atoms_tm1, v_logits_tm1, r_t, discount_t, v_atoms_t, v_logits_t) = wide_reals(
        name,
        v_atoms_tm1=v_atoms_tm1,
        v_logits_tm1=v_logits_tm1,
        r_t=r_t,
        discount_t=discount_t,
        v_atoms_t=v_atoms_t,
        v_logits_t=v_logits_t,
    )
    fit(
        name,
        v_logits_tm1=(v_logits_tm1, "*B N"),
        v_atoms_tm1=(v_atoms_tm1, "N|*B N"),
        r_t=(r_t, "*B"),
        discount_t=(discount_t, "*B|"),
        v_logits_t=(v_logits_t, "*B M"),
        v_atoms_t=(v_atoms_t, "M|*B M"),
    )
    target = _target(r_t, discount_t, v_atoms_t, v_logits_t, v_atoms_tm1)
    return _cross_entropy(stop_gradient_if(stop_target_gradients, target), v_logits_tm1).astype(dtype)


def categorical_q_learning(
    q_atoms_tm1: "Real[ArrayLike, '*B N']",
    q_logits_tm1: "Real[ArrayLike, '*B A N']",
    a_tm1: "Int[ArrayLike, '*B']",
    r_t: "Real[ArrayLike, '*B']",
    discount_t: "Real[ArrayLike, '*B']",
    q_atoms_t: "Real[ArrayLike, '*B M']",
    q_logits_t: "Real[ArrayLike, '*B A M']",
    stop_target_gradients: bool = True,
) -> "Float[Array, '*B']":
    """Returns the loss of Q-learning for categorical distributions of the return: the cross-entropy from its target.

    The target is the distribution of the next action with the largest mean, its atoms moved to `r_t + discount_t
    q_atoms_t` and projected onto `q_atoms_tm1` by `categorical_l2_project`. Bellemare et al. (2017), arXiv:1707.06887,
    algorithm 1.

    Args:
      q_atoms_tm1: Atoms of the state left, `[*B, N]` or `[N]`.
      q_logits_tm1: Logits of their probabilities for each action, `[*B, A, N]`.
      a_tm1: Actions taken, integers `[*B]`; one outside the `A` actions gives NaN.
      r_t: Rewards, `[*B]`.
      discount_t: Discounts, `[*B]` or a number.
      q_atoms_t: Atoms of the next state, `[*B, M]` or `[M]`.
      q_logits_t: Logits of their probabilities for each action, `[*B, A, M]`.
      stop_target_gradients: Whether gradients stop at the target.

    Returns:
      `[*B]`, in the dtype that the floating arguments promote to.

    Raises:
      TypeError: an action is not an integer, or another argument not real.
      ValueError: the shapes do not fit.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> atoms, q_tm1 = jnp.array([0.0, 1.0]), jnp.zeros([2, 2])
      >>> rlax.categorical_q_learning(atoms, q_tm1, 0, 1.0, 0.0, atoms, q_tm1).round(4)
      Array(0.6931, dtype=float32)
    """
    return _categorical_q_loss(
        "categorical_q_learning",
        a_tm1,
        stop_target_gradients,
        q_atoms_tm1=q_atoms_tm1,
        q_logits_tm1=q_logits_tm1,
        r_t=r_t,
        discount_t=discount_t,
        q_atoms_t=q_atoms_t,
        q_logits_t=q_logits_t,
    )


def categorical_double_q_learning(
    q_atoms_tm1: "Real[ArrayLike, '*B N']",
    q_logits_tm1: "Real[ArrayLike, '*B A N']",
    a_tm1: "Int[ArrayLike, '*B']",
    r_t: "Real[ArrayLike, '*B']",
    discount_t: "Real[ArrayLike, '*B']",
    q_atoms_t: "Real[ArrayLike, '*B M']",
    q_logits_t: "Real[ArrayLike, '*B A M']",
    q_t_selector: "Real[ArrayLike, '*B A']",
    stop_target_gradients: bool = True,
) -> "Float[Array, '*B']":
    """Returns the loss of `categorical_q_learning` whose next action is picked by other values: `argmax q_t_selector`.

    Bellemare et al. (2017), arXiv:1707.06887, algorithm 1, with the choice of van Hasselt et al. (2016),
    arXiv:1509.06461, eq. 4, as in Hessel et al. (2018), arXiv:1710.02298.

    Args:
      q_atoms_tm1: Atoms of the state left, `[*B, N]` or `[N]`.
      q_logits_tm1: Logits of their probabilities for each action, `[*B, A, N]`.
      a_tm1: Actions taken, integers `[*B]`; one outside the `A` actions gives NaN.
      r_t: Rewards, `[*B]`.
      discount_t: Discounts, `[*B]` or a number.
      q_atoms_t: Atoms of the next state, `[*B, M]` or `[M]`.
      q_logits_t: Logits of their probabilities for each action, `[*B, A, M]`.
      q_t_selector: Action values that pick the next action, `[*B, A]`.
      stop_target_gradients: Whether gradients stop at the target.

    Returns:
      `[*B]`, in the dtype that the floating arguments promote to.

    Raises:
      TypeError: an action is not an integer, or another argument not real.
      ValueError: the shapes do not fit.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> atoms, q_tm1, selector = jnp.array([0.0, 1.0]), jnp.zeros([2, 2]), jnp.array([1.0, 2.0])
      >>> rlax.categorical_double_q_learning(atoms, q_tm1, 0, 1.0, 0.0, atoms, q_tm1, selector).round(4)
      Array(0.6931, dtype=float32)
    """
    return _categorical_q_loss(
        "categorical_double_q_learning",
        a_tm1,
        stop_target_gradients,
        q_atoms_tm1=q_atoms_tm1,
        q_logits_tm1=q_logits_tm1,
        r_t=r_t,
        discount_t=discount_t,
        q_atoms_t=q_atoms_t,
        q_logits_t=q_logits_t,
        q_t_selector=q_t_selector,
    )


def _categorical_q_loss(name: str, a_tm1: Any, stop_target_gradients: bool, **arguments: Any) -> jax.Array:
    """Checks the arguments, and returns the loss; without `q_t_selector`, the means pick the next action."""
    dtype, (atoms_tm1, logits_tm1, r_t, discount_t, atoms_t, logits_t, *selectors) = wide_reals(name, **arguments)
    (a_tm1,) = _checks.integers(name, a_tm1=a_tm1)
    fit(
        name,
        q_logits_tm1=(logits_tm1, "*B A N"),
        q_atoms_tm1=(atoms_tm1, "N|*B N"),
        a_tm1=(a_tm1, "*B"),
        r_t=(r_t, "*B"),
        discount_t=(discount_t, "*B|"),
        q_logits_t=(logits_t, "*B A_t M"),
        q_atoms_t=(atoms_t, "M|*B M"),
    )
    # [N] or [*B, N] to [*B, N], so that the mean of each action is taken over its own atoms.
    atoms_t = jnp.broadcast_to(atoms_t, (*r_t.shape, atoms_t.shape[-1]))
    values = selectors[0] if selectors else _means(logits_t, atoms_t)
    fit(name, q_logits_t=(logits_t, "*B A M"), q_t_selector=(values, "*B A"))
    best = _pick_row(logits_t, jnp.argmax(values, axis=-1))
    target = _target(r_t, discount_t, atoms_t, best, atoms_tm1)
    return _cross_entropy(stop_gradient_if(stop_target_gradients, target), _pick_row(logits_tm1, a_tm1)).astype(dtype)


def _means(logits: jax.Array, atoms: jax.Array) -> jax.Array:
    probs = jax.nn.softmax(logits)
    return jnp.sum(probs * jnp.broadcast_to(atoms[..., None, :], probs.shape), axis=-1)


def _target(
    r_t: jax.Array, discount_t: jax.Array, atoms_t: jax.Array, logits_t: jax.Array, atoms_tm1: jax.Array
) -> jax.Array:
    discount_t = jnp.broadcast_to(discount_t, r_t.shape)
    atoms_t = jnp.broadcast_to(atoms_t, logits_t.shape)
    return _project(r_t[..., None] + discount_t[..., None] * atoms_t, jax.nn.softmax(logits_t), atoms_tm1)


def _project(z_p: jax.Array, probs: jax.Array, z_q: jax.Array) -> jax.Array:
    """`categorical_l2_project` of arguments that are checked already."""
    below, above, multiplicity = _neighbours(z_q)
    ends = jnp.min(z_q, axis=-1, keepdims=True), jnp.max(z_q, axis=-1, keepdims=True)
    z_p = jnp.broadcast_to(z_p, probs.shape)
    z_p = jnp.clip(z_p, *(jnp.broadcast_to(end, (*probs.shape[:-1], 1)) for end in ends))

    def per_atom(x: jax.Array) -> jax.Array:
        return jnp.broadcast_to(x, (*probs.shape[:-1], x.shape[-1]))

    distance = z_p[..., None, :] - per_atom(z_q)[..., :, None]
    to_below, to_above = (-1 / per_atom(below))[..., :, None], (1 / per_atom(above))[..., :, None]
    # 1 at the atom itself, 0 at its neighbours and beyond, linear between.
    share = jnp.maximum(1 - jnp.maximum(distance * to_below, distance * to_above), 0)
    return jnp.einsum("...mn,...n->...m", share, probs, precision="highest") / per_atom(multiplicity)


def _neighbours(z: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """For each atom the distance to the next lower and the next higher one, and how many are equal to it.

    At the ends, where there is no neighbour, the distance is 1.
    """
    others, here = z[..., None, :], z[..., :, None]
    below = here[..., 0] - jnp.max(jnp.where(others < here, others, -jnp.inf), axis=-1)
    above = jnp.min(jnp.where(others > here, others, jnp.inf), axis=-1) - here[..., 0]
    multiplicity = jnp.sum(others == here, axis=-1, dtype=z.dtype)
    return jnp.where(jnp.isinf(below), 1, below), jnp.where(jnp.isinf(above), 1, above), multiplicity
