"""Distributions over bins that stand for a number: all the mass on the two bins next to it, in proportion."""

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from rlax_like import _checks
from rlax_like._precision import wide_reals

if TYPE_CHECKING:
    from jaxtyping import Array, ArrayLike, Float, Real


def transform_to_2hot(
    scalar: "Real[ArrayLike, '*B']", min_value: float, max_value: float, num_bins: int
) -> "Float[Array, '*B num_bins']":
    """Returns the probabilities of the bins next to each number such that their mean is the number.

    The bins lie at equal distances from `min_value` to `max_value`; a number outside is taken for the nearest one
    inside. Schrittwieser et al. (2020), "Mastering Atari, Go, chess and shogi by planning with a learned model",
    arXiv:1911.08265, appendix F.

    Args:
      scalar: Numbers, `[*B]`.
      min_value: The first bin, a number.
      max_value: The last bin, a number greater than `min_value`. Traced ones are not checked.
      num_bins: How many bins, at least 2.

    Returns:
      `[*B, num_bins]`, in the dtype of `scalar`.

    Raises:
      TypeError: an argument is not real.
      ValueError: there are fewer than two bins, or `min_value` is not less than `max_value`.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> rlax.transform_to_2hot(jnp.array([0.25, 7.0]), -1.0, 1.0, 3)
      Array([[0.  , 0.75, 0.25],
             [0.  , 0.  , 1.  ]], dtype=float32)
    """
    name = "transform_to_2hot"
    dtype, (scalar,) = wide_reals(name, scalar=scalar)
    _check_bins(name, min_value, max_value, num_bins)
    return _two_hot(scalar, _bins(min_value, max_value, num_bins, scalar.dtype)).astype(dtype)


def transform_from_2hot(
    probs: "Real[ArrayLike, '*B num_bins']", min_value: float, max_value: float, num_bins: int
) -> "Float[Array, '*B']":
    """Returns the mean of each distribution over bins, the inverse of `transform_to_2hot`.

    Args:
      probs: Probabilities of the bins, `[*B, num_bins]`.
      min_value: The first bin, a number.
      max_value: The last bin, a number greater than `min_value`. Traced ones are not checked.
      num_bins: How many bins, at least 2.

    Returns:
      `[*B]`, in the dtype of `probs`.

    Raises:
      TypeError: an argument is not real.
      ValueError: `probs` has another last axis, there are fewer than two bins, or `min_value` is not less than
        `max_value`.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> rlax.transform_from_2hot(jnp.array([0.0, 0.75, 0.25]), -1.0, 1.0, 3)
      Array(0.25, dtype=float32)
    """
    name = "transform_from_2hot"
    dtype, (probs,) = wide_reals(name, probs=probs)
    _check_bins(name, min_value, max_value, num_bins)
    return _mean(name, probs, _bins(min_value, max_value, num_bins, probs.dtype)).astype(dtype)


def _check_bins(function: str, min_value: "ArrayLike", max_value: "ArrayLike", num_bins: int) -> None:
    if num_bins < 2:
        raise ValueError(f"{function}: num_bins is {num_bins}, expected at least 2.")
    if not (_checks.is_traced(min_value) or _checks.is_traced(max_value) or np.all(np.less(min_value, max_value))):
        raise ValueError(f"{function}: min_value is {min_value}, expected less than max_value, which is {max_value}.")


def _bins(min_value: "ArrayLike", max_value: "ArrayLike", num_bins: int, dtype: np.dtype) -> jax.Array:
    if _checks.is_traced(min_value) or _checks.is_traced(max_value):
        return jnp.linspace(min_value, max_value, num_bins, dtype=dtype)
    # In double precision, and then rounded once.
    return jnp.asarray(
        np.linspace(np.asarray(min_value, np.float64), np.asarray(max_value, np.float64), num_bins), dtype
    )


def _two_hot(x: jax.Array, bins: jax.Array) -> jax.Array:
    """The probabilities `[*B, N]` of ascending bins `[N]`.

    Each is 1 at its bin and falls in a line to 0 at the next ones. So each is a share of the distance between two bins:
    one less the other probability would round the smaller of both.
    """
    x = jnp.clip(x, bins[0], bins[-1])[..., None]
    # As if there were bins beyond the first and the last.
    before = jnp.concatenate([2 * bins[:1] - bins[1:2], bins[:-1]])
    after = jnp.concatenate([bins[1:], 2 * bins[-1:] - bins[-2:-1]])
    bins, before, after = (b.reshape([1] * (x.ndim - 1) + [-1]) for b in (bins, before, after))
    return jnp.maximum(jnp.minimum((x - before) / (bins - before), (after - x) / (after - bins)), 0)


def _mean(function: str, probs: jax.Array, bins: jax.Array) -> jax.Array:
    if probs.shape[-1:] != bins.shape:
        raise ValueError(
            f"{function}: probs has shape {probs.shape}, expected [*B, {len(bins)}]: the last axis has one "
            f"probability per bin."
        )
    return jnp.sum(probs * bins.reshape([1] * (probs.ndim - 1) + [-1]), axis=-1)
