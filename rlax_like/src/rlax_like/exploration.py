"""Noise that makes actions explore."""

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp

from rlax_like import _checks
from rlax_like._precision import wide_reals
from rlax_like._shapes import broadcast, fit

if TYPE_CHECKING:
    from jaxtyping import Array, ArrayLike, Float, Real


def add_gaussian_noise(
    key: jax.Array, action: "Real[ArrayLike, '*B']", stddev: "Real[ArrayLike, '*B']"
) -> "Float[Array, '*B']":
    """Returns continuous actions with normal noise of the deviation `stddev`.

    Args:
      key: A key of `jax.random`.
      action: Actions of any shape.
      stddev: Not negative: a number, or an array that broadcasts to the shape of `action`. A traced one is not checked.

    Returns:
      The shape of `action`, in the dtype that the floating arguments promote to.

    Raises:
      TypeError: an argument is not real.
      ValueError: `stddev` is negative, or does not broadcast to the shape of `action`.

    Example:
      >>> import jax, jax.numpy as jnp, rlax_like as rlax
      >>> rlax.add_gaussian_noise(jax.random.key(0), jnp.array([1.0, -1.0]), 0.0)
      Array([ 1., -1.], dtype=float32)
    """
    name = "add_gaussian_noise"
    _checks.within(name, lambda s: s >= 0, "0 or more", stddev=stddev)
    dtype, (action, deviation) = wide_reals(name, action=action, stddev=stddev)
    deviation = broadcast(name, "stddev", deviation, "action", action.shape)
    return (action + deviation * jax.random.normal(key, action.shape, dtype)).astype(dtype)


def add_ornstein_uhlenbeck_noise(
    key: jax.Array,
    action: "Real[ArrayLike, '*B D']",
    noise_tm1: "Real[ArrayLike, '*B D']",
    damping: "Real[ArrayLike, '*B D']",
    stddev: "Real[ArrayLike, '*B D']",
) -> "Float[Array, '*B D']":
    """Returns continuous actions with noise that wanders: `action + (1 - damping) noise_tm1 + stddev ε`.

    The noise of this step is the result less `action`; it is `noise_tm1` of the next step. Uhlenbeck and Ornstein
    (1930), "On the theory of the Brownian motion"; Lillicrap et al. (2016), arXiv:1509.02971, section 3.

    Args:
      key: A key of `jax.random`.
      action: Actions, `[*B, D]`.
      noise_tm1: The noise of the step before, of the same shape.
      damping: The share of it that is lost, in [0, 1]: a number, or an array that broadcasts to `[*B, D]`. A traced one
        is not checked.
      stddev: The deviation of the new noise, not negative, likewise.

    Returns:
      `[*B, D]`, in the dtype that the floating arguments promote to.

    Raises:
      TypeError: an argument is not real.
      ValueError: the shapes do not fit, `damping` is outside [0, 1], or `stddev` is negative.

    Example:
      >>> import jax, jax.numpy as jnp, rlax_like as rlax
      >>> action, noise = jnp.array([1.0, -1.0]), jnp.array([0.5, 0.5])
      >>> rlax.add_ornstein_uhlenbeck_noise(jax.random.key(0), action, noise, damping=0.5, stddev=0.0)
      Array([ 1.25, -0.75], dtype=float32)
    """
    name = "add_ornstein_uhlenbeck_noise"
    _checks.share(name, damping=damping)
    _checks.within(name, lambda s: s >= 0, "0 or more", stddev=stddev)
    dtype, (action, noise, damping, deviation) = wide_reals(
        name, action=action, noise_tm1=noise_tm1, damping=damping, stddev=stddev
    )
    fit(name, action=(action, "*B D"), noise_tm1=(noise, "*B D"))
    damping, deviation = (
        broadcast(name, argument, x, "action", action.shape)
        for argument, x in (("damping", damping), ("stddev", deviation))
    )
    noise = (1 - damping) * noise + deviation * jax.random.normal(key, action.shape, dtype)
    return (action + noise).astype(dtype)


def add_dirichlet_noise(
    key: jax.Array,
    prior: "Real[ArrayLike, '*B A']",
    dirichlet_alpha: "Real[ArrayLike, '']",
    dirichlet_fraction: "Real[ArrayLike, '']",
) -> "Float[Array, '*B A']":
    """Returns a prior mixed with random probabilities: `(1 - f) prior + f η`, with η from a Dirichlet distribution.

    Silver et al. (2017), "Mastering the game of Go without human knowledge", methods, for the root of a search.

    Args:
      key: A key of `jax.random`.
      prior: Probabilities of the actions, `[*B, A]`.
      dirichlet_alpha: The concentration of the Dirichlet distribution, the same for all actions, a positive number; the
        lower, the more it favours a few actions. A traced one is not checked.
      dirichlet_fraction: `f`, in [0, 1], a number. A traced one is not checked.

    Returns:
      Probabilities, `[*B, A]`, in the dtype that the floating arguments promote to.

    Raises:
      TypeError: an argument is not real.
      ValueError: the shapes do not fit, or a number is out of range.

    Example:
      >>> import jax, jax.numpy as jnp, rlax_like as rlax
      >>> rlax.add_dirichlet_noise(jax.random.key(0), jnp.array([0.25, 0.75]), 0.3, 0.0)
      Array([0.25, 0.75], dtype=float32)
    """
    name = "add_dirichlet_noise"
    _checks.within(name, lambda a: a > 0, "a positive number", dirichlet_alpha=dirichlet_alpha)
    _checks.share(name, dirichlet_fraction=dirichlet_fraction)
    dtype, (prior, alpha, fraction) = wide_reals(
        name, prior=prior, dirichlet_alpha=dirichlet_alpha, dirichlet_fraction=dirichlet_fraction
    )
    fit(name, prior=(prior, "*B A"), dirichlet_alpha=(alpha, ""), dirichlet_fraction=(fraction, ""))
    alphas = jnp.broadcast_to(alpha, prior.shape[-1:])
    noise = jax.random.dirichlet(key, alphas, prior.shape[:-1], prior.dtype)
    return ((1 - fraction) * prior + fraction * noise).astype(dtype)
