"""Losses of an error: elementwise, no mean."""

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from rlax_like import _checks
from rlax_like._precision import wide_reals
from rlax_like._shapes import fit

if TYPE_CHECKING:
    from jaxtyping import Array, ArrayLike, Float, Real


def l2_loss(
    predictions: "Real[ArrayLike, '*B']", targets: "Real[ArrayLike, '*B'] | None" = None
) -> "Float[Array, '*B']":
    """Returns half the squared error, whose derivative is the error: `(predictions - targets)² / 2`.

    Args:
      predictions: Any shape.
      targets: The same number of axes, or a number; None for 0, which makes `predictions` the error.

    Returns:
      The shape and dtype that the two broadcast to.

    Raises:
      TypeError: an argument is not real.
      ValueError: `targets` has another number of axes than `predictions`.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> rlax.l2_loss(jnp.array([1.0, 3.0]), jnp.array([1.0, 1.0]))
      Array([0., 2.], dtype=float32)
    """
    if targets is None:
        (error,) = _checks.reals("l2_loss", predictions=predictions)
        return 0.5 * jnp.square(error)
    predictions, targets = _checks.reals("l2_loss", predictions=predictions, targets=targets)
    if predictions.ndim and targets.ndim and predictions.ndim != targets.ndim:
        raise ValueError(
            f"l2_loss: targets has shape {targets.shape}, expected as many axes as predictions of shape "
            f"{predictions.shape}, or a number. Add an axis where broadcasting is meant: targets[:, None]."
        )
    return 0.5 * jnp.square(predictions - targets)


def huber_loss(x: "Real[ArrayLike, '*B']", delta: "float | Real[ArrayLike, '']" = 1.0) -> "Float[Array, '*B']":
    """Returns `x² / 2` where `|x| <= delta`, and `delta (|x| - delta / 2)` beyond, where its slope is `delta`.

    Huber (1964), "Robust estimation of a location parameter".

    Args:
      x: Errors of any shape.
      delta: Where the parabola goes over into lines, positive. A traced one is not checked.

    Returns:
      The shape of `x`.

    Raises:
      TypeError: an argument is not real.
      ValueError: `delta` is not positive.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> rlax.huber_loss(jnp.array([-0.5, 3.0]))
      Array([0.125, 2.5  ], dtype=float32)
    """
    dtype, (x, threshold) = wide_reals("huber_loss", x=x, delta=delta)
    _checks.within("huber_loss", lambda d: d > 0, "a positive number", delta=delta)
    return _huber(x, threshold).astype(dtype)


def likelihood(predictions: "Real[ArrayLike, '*B']", targets: "Real[ArrayLike, '*B']") -> "Float[Array, '*B']":
    """Returns the likelihood that a prediction of a binary outcome gives it: `p^y (1 - p)^(1 - y)`.

    Bishop (2006), "Pattern recognition and machine learning", eq. 2.2.

    Args:
      predictions: The probability `p` of the outcome 1, in [0, 1], any shape.
      targets: Outcomes `y`, 0 or 1 or shares between, the same shape.

    Returns:
      The same shape, in the dtype that the floating arguments promote to.

    Raises:
      TypeError: an argument is not real.
      ValueError: the shapes differ.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> rlax.likelihood(jnp.array([0.75, 0.75]), jnp.array([1, 0]))
      Array([0.75, 0.25], dtype=float32)
    """
    dtype, logarithm = _log_likelihood("likelihood", predictions, targets)
    return jnp.exp(logarithm).astype(dtype)


def log_loss(predictions: "Real[ArrayLike, '*B']", targets: "Real[ArrayLike, '*B']") -> "Float[Array, '*B']":
    """Returns the negative logarithm of `likelihood`: `-y log p - (1 - y) log(1 - p)`.

    Bishop (2006), "Pattern recognition and machine learning", eq. 4.90.

    Args:
      predictions: The probability `p` of the outcome 1, in [0, 1], any shape.
      targets: Outcomes `y`, 0 or 1 or shares between, the same shape.

    Returns:
      The same shape, in the dtype that the floating arguments promote to; infinite where the prediction excludes the
      outcome.

    Raises:
      TypeError: an argument is not real.
      ValueError: the shapes differ.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> rlax.log_loss(jnp.array([0.5, 0.0]), jnp.array([1, 1])).round(4)
      Array([0.6931,    inf], dtype=float32)
    """
    dtype, logarithm = _log_likelihood("log_loss", predictions, targets)
    return -logarithm.astype(dtype)


def expectile_loss(
    predictions: "Real[ArrayLike, '*B']", targets: "Real[ArrayLike, '*B']", expectile: "Real[ArrayLike, '*B']"
) -> "Float[Array, '*B']":
    """Returns the squared error, weighted by `expectile` below the target and by `1 - expectile` above it.

    `|expectile - [targets < predictions]| (targets - predictions)²`; its minimum over samples of the target is their
    expectile. Newey and Powell (1987), "Asymmetric least squares estimation and testing"; for distributions of the
    return, Rowland et al. (2019), arXiv:1902.08102.

    Args:
      predictions: Any shape.
      targets: The same shape.
      expectile: In [0, 1]; 0.5 gives the mean. A number, or the same shape. A traced one is not checked.

    Returns:
      The same shape, in the dtype that the floating arguments promote to.

    Raises:
      TypeError: an argument is not real.
      ValueError: the shapes differ, or `expectile` is outside [0, 1].

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> rlax.expectile_loss(jnp.array([0.0, 2.0]), jnp.array([1.0, 1.0]), 0.75)
      Array([0.75, 0.25], dtype=float32)
    """
    name = "expectile_loss"
    _checks.share(name, expectile=expectile)
    dtype, (predictions, targets, level) = wide_reals(
        name, predictions=predictions, targets=targets, expectile=expectile
    )
    fit(name, predictions=(predictions, "*B"), targets=(targets, "*B"), expectile=(level, "*B|"))
    error = targets - predictions
    return (jnp.abs(level - (error < 0)) * jnp.square(error)).astype(dtype)


def _huber(x: jax.Array, threshold: jax.Array) -> jax.Array:
    magnitude = jnp.abs(x)
    inside = jnp.minimum(magnitude, threshold)
    return 0.5 * jnp.square(inside) + threshold * (magnitude - inside)


def _log_likelihood(name: str, predictions: Any, targets: Any) -> tuple[Any, jax.Array]:
    dtype, (p, y) = wide_reals(name, predictions=predictions, targets=targets)
    fit(name, predictions=(p, "*B"), targets=(y, "*B"))
    return dtype, _times_log(y, p) + _times_log(1 - y, 1 - p)


def _times_log(weight: jax.Array, p: jax.Array) -> jax.Array:
    """Returns `weight log p`, where 0 log 0 is 0 and gets no gradient."""
    impossible = (weight == 0) & (p == 0)
    return weight * jnp.log(jnp.where(impossible, 1, p))
