"""Losses of an error: elementwise, no mean."""

from typing import TYPE_CHECKING

import jax.numpy as jnp

from rlax_like import _checks

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
    x, threshold = _checks.reals("huber_loss", x=x, delta=delta)
    if not _checks.holds(lambda d: d > 0, delta):
        raise ValueError(f"huber_loss: delta is {delta}, expected a positive number.")
    magnitude = jnp.abs(x)
    inside = jnp.minimum(magnitude, threshold)
    return 0.5 * jnp.square(inside) + threshold * (magnitude - inside)
