"""Pairs of a function and its inverse, under which values are learned: see `bellman` for the returns of such values."""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp

from rlax_like import transforms
from rlax_like._precision import wide_reals
from rlax_like.two_hot import _bins, _check_bins, _mean, _two_hot, transform_from_2hot, transform_to_2hot

if TYPE_CHECKING:
    from jaxtyping import ArrayLike


class TxPair(NamedTuple):
    """A function of values and its inverse.

    Either keeps the shape, or `apply` adds an axis in the end, of the probabilities of bins, that `apply_inv` takes
    away.

    Attributes:
      apply: From values to what is learned.
      apply_inv: From what is learned to values.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> double = rlax.TxPair(lambda x: 2 * x, lambda y: y / 2)
      >>> double.apply_inv(double.apply(3.0))
      3.0
    """

    apply: Callable[["ArrayLike"], jax.Array]
    apply_inv: Callable[["ArrayLike"], jax.Array]


IDENTITY_PAIR = TxPair(transforms.identity, transforms.identity)
SIGNED_HYPERBOLIC_PAIR = TxPair(transforms.signed_hyperbolic, transforms.signed_parabolic)
SIGNED_LOGP1_PAIR = TxPair(transforms.signed_logp1, transforms.signed_expm1)
HYPERBOLIC_SIN_PAIR = TxPair(
    functools.partial(transforms._widely, "HYPERBOLIC_SIN_PAIR.apply", jnp.arcsinh),
    functools.partial(
        transforms._widely, "HYPERBOLIC_SIN_PAIR.apply_inv", functools.partial(transforms._keeping_infinity, jnp.sinh)
    ),
)
# From gamma to -log(1 - gamma), which tells discounts near 1 apart.
DISCOUNT_TRANSFORM_PAIR = TxPair(
    functools.partial(transforms._widely, "DISCOUNT_TRANSFORM_PAIR.apply", lambda x: -jnp.log1p(-x)),
    functools.partial(transforms._widely, "DISCOUNT_TRANSFORM_PAIR.apply_inv", lambda x: -jnp.expm1(-x)),
)

# Ascending, and of one number each: the greatest value is that of the greatest number.
_ASCENDING = (IDENTITY_PAIR, SIGNED_HYPERBOLIC_PAIR, SIGNED_LOGP1_PAIR, HYPERBOLIC_SIN_PAIR)


def compose_tx(*tx_list: TxPair) -> TxPair:
    """Returns the pair that applies each of these in turn, and whose inverse undoes them from the last to the first.

    Args:
      *tx_list: Pairs. If there are none, the result is the identity.

    Returns:
      A `TxPair`.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> pair = rlax.compose_tx(rlax.SIGNED_HYPERBOLIC_PAIR, rlax.twohot_pair(-1.0, 1.0, 3))
      >>> pair.apply(jnp.array([0.0, -100.0]))
      Array([[0., 1., 0.],
             [1., 0., 0.]], dtype=float32)
    """

    def apply(x: "ArrayLike") -> jax.Array:
        return functools.reduce(lambda x, tx: tx.apply(x), tx_list, jnp.asarray(x))

    def apply_inv(x: "ArrayLike") -> jax.Array:
        return functools.reduce(lambda x, tx: tx.apply_inv(x), reversed(tx_list), jnp.asarray(x))

    return TxPair(apply, apply_inv)


def twohot_pair(min_value: float, max_value: float, num_bins: int) -> TxPair:
    """Returns the pair of `transform_to_2hot` and `transform_from_2hot`.

    Args:
      min_value: The first bin, a number.
      max_value: The last bin, a number greater than `min_value`.
      num_bins: How many bins, at least 2.

    Returns:
      A `TxPair` that adds an axis of `num_bins` probabilities.

    Raises:
      ValueError: there are fewer than two bins, or `min_value` is not less than `max_value`.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> rlax.twohot_pair(-1.0, 1.0, 3).apply(jnp.array(0.25))
      Array([0.  , 0.75, 0.25], dtype=float32)
    """
    _check_bins("twohot_pair", min_value, max_value, num_bins)
    bins = {"min_value": min_value, "max_value": max_value, "num_bins": num_bins}
    return TxPair(functools.partial(transform_to_2hot, **bins), functools.partial(transform_from_2hot, **bins))


def muzero_pair(min_value: float, max_value: float, num_bins: int, tx: TxPair) -> TxPair:
    """Returns the pair that applies `tx`, and then puts the result on bins: bins at equal distances under `tx`.

    Its inverse takes the mean before it undoes `tx`, so that it is biased for a distribution that is not two-hot: see
    `unbiased_transform_pair`. Schrittwieser et al. (2020), "Mastering Atari, Go, chess and shogi by planning with a
    learned model", arXiv:1911.08265, appendix F.

    Args:
      min_value: The first bin, a number, under `tx`.
      max_value: The last bin, a number greater than `min_value`, under `tx`.
      num_bins: How many bins, at least 2.
      tx: A pair that keeps the shape, such as `SIGNED_HYPERBOLIC_PAIR`.

    Returns:
      A `TxPair` that adds an axis of `num_bins` probabilities.

    Raises:
      ValueError: there are fewer than two bins, or `min_value` is not less than `max_value`.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> pair = rlax.muzero_pair(-2.0, 2.0, 5, rlax.TxPair(jnp.sqrt, jnp.square))
      >>> pair.apply(jnp.array(2.25))
      Array([0. , 0. , 0. , 0.5, 0.5], dtype=float32)
      >>> pair.apply_inv(jnp.array([0.0, 0.0, 0.0, 0.5, 0.5]))
      Array(2.25, dtype=float32)
    """
    _check_bins("muzero_pair", min_value, max_value, num_bins)
    return compose_tx(tx, twohot_pair(min_value, max_value, num_bins))


def unbiased_transform_pair(min_value: float, max_value: float, num_bins: int, tx: TxPair) -> TxPair:
    """Returns the pair that puts values on bins at equal distances under `tx`, with weights for the values themselves.

    The mean of a distribution over such bins is the mean of the values, whatever the distribution is.

    Args:
      min_value: The first bin, a number, under `tx`.
      max_value: The last bin, a number greater than `min_value`, under `tx`.
      num_bins: How many bins, at least 2.
      tx: A pair of ascending functions that keeps the shape, such as `SIGNED_HYPERBOLIC_PAIR`.

    Returns:
      A `TxPair` that adds an axis of `num_bins` probabilities.

    Raises:
      ValueError: there are fewer than two bins, or `min_value` is not less than `max_value`.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> pair = rlax.unbiased_transform_pair(0.0, 2.0, 3, rlax.TxPair(jnp.sqrt, jnp.square))
      >>> pair.apply(jnp.array(2.5))
      Array([0. , 0.5, 0.5], dtype=float32)
      >>> pair.apply_inv(jnp.array([0.0, 0.5, 0.5]))
      Array(2.5, dtype=float32)
    """
    name = "unbiased_transform_pair"
    _check_bins(name, min_value, max_value, num_bins)

    def apply(x: "ArrayLike") -> jax.Array:
        dtype, (x,) = wide_reals(f"{name}.apply", x=x)
        return _two_hot(x, tx.apply_inv(_bins(min_value, max_value, num_bins, x.dtype))).astype(dtype)

    def apply_inv(probs: "ArrayLike") -> jax.Array:
        dtype, (probs,) = wide_reals(f"{name}.apply_inv", probs=probs)
        even = _bins(min_value, max_value, num_bins, probs.dtype)
        return _mean(f"{name}.apply_inv", probs, tx.apply_inv(even)).astype(dtype)

    return TxPair(apply, apply_inv)
