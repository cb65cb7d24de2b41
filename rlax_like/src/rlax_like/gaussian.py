"""Gaussian distributions over continuous actions of `D` dimensions, independent of each other."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp

from rlax_like import _checks
from rlax_like._precision import wide_reals
from rlax_like._shapes import broadcast, fit

if TYPE_CHECKING:
    from jaxtyping import Array, ArrayLike, Float, Real


class ContinuousDistribution(NamedTuple):
    """The functions of a distribution over actions `[*B, D]` that depends on parameters `mu` and `sigma`.

    Attributes:
      sample: `sample(key, mu, sigma)` draws actions, `[*B, D]`.
      prob: `prob(sample, mu, sigma)` gives the density of actions, `[*B]`.
      logprob: `logprob(sample, mu, sigma)` gives its logarithm, `[*B]`.
      entropy: `entropy(mu, sigma)` gives the differential entropy, `[*B]`, in nats.
      kl_to_standard_normal: `kl_to_standard_normal(mu, sigma)` gives the Kullback-Leibler divergence from the
        distribution with mean 0 and deviation 1, `[*B]`, in nats.
      kl: `kl(mu_0, sigma_0, mu_1, sigma_1)` gives that of the first from the second, `[*B]`, in nats.
    """

    sample: Callable[..., jax.Array]
    prob: Callable[..., jax.Array]
    logprob: Callable[..., jax.Array]
    entropy: Callable[..., jax.Array]
    kl_to_standard_normal: Callable[..., jax.Array]
    kl: Callable[..., jax.Array]


def gaussian_diagonal(sigma: "ArrayLike | None" = None) -> ContinuousDistribution:
    """Returns the normal distribution with mean `mu` and, in each dimension, the deviation `sigma`.

    Bishop (2006), "Pattern recognition and machine learning", section 2.3.

    Args:
      sigma: The deviation, positive; 0 serves for `sample` alone. A number, or an array that broadcasts to `[*B, D]`. A
        traced one is not checked. None if each function gets its own, which takes precedence in any case.

    Returns:
      Functions of `mu` of shape `[*B, D]`, and `sigma` after it, see `ContinuousDistribution`.

    Raises:
      ValueError: `sigma` is negative; for functions of the density, also if it is 0, was given neither here nor to the
        function, or does not broadcast to the shape of `mu`.

    Example:
      >>> import jax, jax.numpy as jnp, rlax_like as rlax
      >>> policy, mu = rlax.gaussian_diagonal(0.5), jnp.zeros(2)
      >>> policy.logprob(jnp.array([0.0, 0.5]), mu).round(3)
      Array(-0.952, dtype=float32)
      >>> action = policy.sample(jax.random.key(0), mu)
    """
    if sigma is not None:
        _check_sigma("gaussian_diagonal", "sigma", sigma, allow_zero=True)

    def prepare(
        function: str, mu: Any, own: Any, allow_zero: bool = False, **others: Any
    ) -> tuple[Any, tuple[jax.Array, ...]]:
        own = sigma if own is None else own
        function = f"gaussian_diagonal().{function}"
        if own is None:
            raise ValueError(
                f"{function}: sigma is None, expected a deviation. Pass it to gaussian_diagonal(sigma) or to this "
                f"function."
            )
        _check_sigma(function, "sigma", own, allow_zero)
        dtype, (mu, own, *rest) = wide_reals(function, mu=mu, sigma=own, **others)
        fit(function, mu=(mu, "*B D"), **{name: (x, "*B D") for name, x in zip(others, rest, strict=True)})
        return dtype, (mu, broadcast(function, "sigma", own, "mu", mu.shape), *rest)

    def sample(key: jax.Array, mu: "ArrayLike", sigma: "ArrayLike | None" = None) -> jax.Array:
        dtype, (mu, deviation) = prepare("sample", mu, sigma, allow_zero=True)
        # Drawn along one axis: the same numbers, but CPUs take the many short ones of actions more slowly.
        noise = jax.random.normal(key, (mu.size,), dtype).reshape(mu.shape)
        return (mu + deviation * noise).astype(dtype)

    def logprob(sample: "ArrayLike", mu: "ArrayLike", sigma: "ArrayLike | None" = None) -> jax.Array:
        dtype, (mu, deviation, sample) = prepare("logprob", mu, sigma, sample=sample)
        return _logprob(sample, mu, deviation).astype(dtype)

    def prob(sample: "ArrayLike", mu: "ArrayLike", sigma: "ArrayLike | None" = None) -> jax.Array:
        dtype, (mu, deviation, sample) = prepare("prob", mu, sigma, sample=sample)
        return jnp.exp(_logprob(sample, mu, deviation)).astype(dtype)

    def entropy(mu: "ArrayLike", sigma: "ArrayLike | None" = None) -> jax.Array:
        dtype, (_, deviation) = prepare("entropy", mu, sigma)
        return _entropy(deviation).astype(dtype)

    def kl_to_standard_normal(mu: "ArrayLike", sigma: "ArrayLike | None" = None) -> jax.Array:
        dtype, (mu, deviation) = prepare("kl_to_standard_normal", mu, sigma)
        return _kl(mu, deviation, jnp.zeros_like(mu), jnp.ones_like(mu)).astype(dtype)

    def kl(mu_0: "ArrayLike", sigma_0: "ArrayLike", mu_1: "ArrayLike", sigma_1: "ArrayLike") -> jax.Array:
        return _checked_kl("gaussian_diagonal().kl", mu_0, sigma_0, mu_1, sigma_1)

    return ContinuousDistribution(sample, prob, logprob, entropy, kl_to_standard_normal, kl)


def multivariate_normal_kl_divergence(
    mu_0: "Real[ArrayLike, '*B D']",
    sigma_0: "Real[ArrayLike, '*B D']",
    mu_1: "Real[ArrayLike, '*B D']",
    sigma_1: "Real[ArrayLike, '*B D']",
) -> "Float[Array, '*B']":
    """Returns the Kullback-Leibler divergence of a normal distribution from another, of independent dimensions each.

    `Σ_d log(sigma_1 / sigma_0) + (sigma_0² + (mu_0 - mu_1)²) / (2 sigma_1²) - 1 / 2`, in nats. Kullback and Leibler
    (1951), "On information and sufficiency".

    Args:
      mu_0: The mean of the first, `[*B, D]`.
      sigma_0: Its deviation in each dimension, positive: a number, or an array that broadcasts to `[*B, D]`. A traced
        one is not checked.
      mu_1: The mean of the second, `[*B, D]`.
      sigma_1: Its deviation, likewise.

    Returns:
      `[*B]`, in the dtype that the floating arguments promote to.

    Raises:
      TypeError: an argument is not real.
      ValueError: the shapes do not fit, or a deviation is not positive.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> rlax.multivariate_normal_kl_divergence(jnp.zeros(2), 1.0, jnp.ones(2), 1.0)
      Array(1., dtype=float32)
    """
    return _checked_kl("multivariate_normal_kl_divergence", mu_0, sigma_0, mu_1, sigma_1)


def _check_sigma(function: str, argument: str, sigma: Any, allow_zero: bool = False) -> None:
    condition = (lambda s: s >= 0) if allow_zero else (lambda s: s > 0)
    _checks.within(function, condition, "a positive deviation", **{argument: sigma})


def _checked_kl(function: str, mu_0: Any, sigma_0: Any, mu_1: Any, sigma_1: Any) -> jax.Array:
    _check_sigma(function, "sigma_0", sigma_0)
    _check_sigma(function, "sigma_1", sigma_1)
    dtype, (mu_0, sigma_0, mu_1, sigma_1) = wide_reals(function, mu_0=mu_0, sigma_0=sigma_0, mu_1=mu_1, sigma_1=sigma_1)
    fit(function, mu_0=(mu_0, "*B D"), mu_1=(mu_1, "*B D"))
    sigma_0 = broadcast(function, "sigma_0", sigma_0, "mu_0", mu_0.shape)
    sigma_1 = broadcast(function, "sigma_1", sigma_1, "mu_1", mu_1.shape)
    return _kl(mu_0, sigma_0, mu_1, sigma_1).astype(dtype)


def _logprob(sample: jax.Array, mu: jax.Array, sigma: jax.Array) -> jax.Array:
    density = jnp.sum(-0.5 * jnp.square((sample - mu) / sigma) - jnp.log(sigma), axis=-1)
    return density - 0.5 * math.log(2 * math.pi) * mu.shape[-1]


def _entropy(sigma: jax.Array) -> jax.Array:
    return jnp.sum(jnp.log(sigma), axis=-1) + 0.5 * math.log(2 * math.pi * math.e) * sigma.shape[-1]


def _kl(mu_0: jax.Array, sigma_0: jax.Array, mu_1: jax.Array, sigma_1: jax.Array) -> jax.Array:
    ratio, distance = sigma_0 / sigma_1, (mu_0 - mu_1) / sigma_1
    return jnp.sum(0.5 * (jnp.square(ratio) + jnp.square(distance) - 1) - jnp.log(ratio), axis=-1)
