"""Draws from a categorical distribution."""

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp

from haiku_like import _checks

if TYPE_CHECKING:
    from jaxtyping import Array, Float, Int

    from haiku_like.typing import PRNGKey


def multinomial(
    rng: "PRNGKey", logits: "Float[Array, '*batch classes']", num_samples: int
) -> "Int[Array, '*batch samples']":
    """Returns `num_samples` class numbers for each distribution, drawn with replacement: `P(c) = softmax(logits)[c]`.

    Args:
      rng: A random key.
      logits: Log-probabilities up to a constant, of shape `[*batch, classes]`. A class with `-inf` is never drawn
        unless all have it, which gives class 0, as NaN does.
      num_samples: How many to draw from each distribution.

    Returns:
      Integers in `[0, classes)` of shape `[*batch, num_samples]`.

    Raises:
      TypeError: `logits` is no array of floats, or `num_samples` no integer.
      ValueError: `logits` has no axis or no class, or `num_samples` is negative.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> samples = hk.multinomial(jax.random.key(0), jnp.log(jnp.array([0.5, 0.5, 0.0])), 100)
      >>> samples.shape, sorted(set(samples.tolist()))
      ((100,), [0, 1])
    """
    num_samples = _checks.size("multinomial", "num_samples", num_samples)
    logits = _checks.numbers("multinomial", "logits", logits)
    if not jnp.issubdtype(logits.dtype, jnp.floating):
        raise TypeError(
            f"multinomial: logits has dtype {logits.dtype}, expected floats. Convert them with "
            f"logits.astype(jnp.float32)."
        )
    if logits.ndim < 1 or logits.shape[-1] == 0:
        raise ValueError(
            f"multinomial: logits has shape {logits.shape}, expected [*batch, classes] with at least one class."
        )
    samples = jax.random.categorical(rng, logits, shape=(num_samples, *logits.shape[:-1]))
    return jnp.moveaxis(samples, 0, -1)
