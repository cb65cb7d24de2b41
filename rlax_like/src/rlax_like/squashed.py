"""The squashed Gaussian: a normal variable that tanh brings into the bounds of an action."""

import math
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from rlax_like import _checks
from rlax_like._precision import wide_reals
from rlax_like._shapes import fit
from rlax_like.gaussian import ContinuousDistribution, _entropy, _kl, _logprob

if TYPE_CHECKING:
    from jaxtyping import ArrayLike

# Expectations over a standard normal variable are sums over equidistant points: for a smooth function, the error of the
# trapezoidal rule falls exponentially with their number. Beyond 6 deviations lies a probability of 2e-9.
_POINTS = np.linspace(-6.0, 6.0, 41)
_WEIGHTS = np.exp(-0.5 * _POINTS**2) / np.sum(np.exp(-0.5 * _POINTS**2))


def squashed_gaussian(sigma_min: float = -4, sigma_max: float = 0.0) -> ContinuousDistribution:
    """Returns the distribution of `tanh(u)`, scaled to the bounds of an action, where `u` is normal.

    `u` has the mean `mu`, and the logarithm of its deviation goes from `sigma_min` to `sigma_max` with `sigma`, which
    may be any number: `sigma_min + (sigma_max - sigma_min) (tanh(sigma) + 1) / 2`. Haarnoja et al. (2018),
    arXiv:1801.01290, appendix C.

    Args:
      sigma_min: The logarithm of the least deviation.
      sigma_max: The logarithm of the largest one.

    Returns:
      Functions of `mu` and `sigma`, each `[*B, D]`, see `ContinuousDistribution`. `sample`, `prob` and `logprob` have a
      last argument `action_spec`, an object with `minimum` and `maximum`, numbers or `[D]`, such as dm_env's
      `BoundedArray`. The density is that of the scaled action; it is finite at the bounds, and 0 beyond them.
      `entropy` is that of the action in [-1, 1], or of the scaled one if it gets an `action_spec`; it has no closed
      form, and is a sum over 41 points, with an error below 1e-6 for deviations up to 2. The divergences are those of
      the normal variables, since tanh does not change a divergence.

    Raises:
      ValueError: `sigma_min` is larger than `sigma_max`. A function raises it if the bounds are not finite, or shapes
        do not fit.

    Example:
      >>> import jax, jax.numpy as jnp, rlax_like as rlax, types
      >>> spec = types.SimpleNamespace(minimum=0.0, maximum=10.0)
      >>> policy, mu, sigma = rlax.squashed_gaussian(), jnp.zeros(1), jnp.zeros(1)
      >>> policy.logprob(jnp.array([5.0]), mu, sigma, spec).round(3)
      Array(-0.528, dtype=float32)
      >>> action = policy.sample(jax.random.key(0), mu, sigma, spec)
    """
    _checks.reals("squashed_gaussian", sigma_max=sigma_max)
    expected = f"at most sigma_max = {sigma_max}, both logarithms of deviations"
    _checks.within("squashed_gaussian", lambda low: low <= sigma_max, expected, sigma_min=sigma_min)

    def prepare(function: str, mu: Any, sigma: Any, **others: Any) -> tuple[Any, tuple[jax.Array, ...]]:
        function = f"squashed_gaussian().{function}"
        dtype, (mu, sigma, *rest) = wide_reals(function, mu=mu, sigma=sigma, **others)
        fit(
            function,
            mu=(mu, "*B D"),
            sigma=(sigma, "*B D"),
            **{name: (x, "*B D") for name, x in zip(others, rest, strict=True)},
        )
        return dtype, (mu, deviation(sigma), *rest)

    def deviation(sigma: jax.Array) -> jax.Array:
        return jnp.exp(sigma_min + (sigma_max - sigma_min) * 0.5 * (jnp.tanh(sigma) + 1))

    def sample(key: jax.Array, mu: "ArrayLike", sigma: "ArrayLike", action_spec: Any) -> jax.Array:
        dtype, (mu, scale) = prepare("sample", mu, sigma)
        middle, half = _bounds("sample", action_spec, mu)
        unit = jnp.tanh(mu + scale * jax.random.normal(key, mu.shape, dtype))
        # Rounding must not carry the action beyond its bounds.
        return jnp.clip(middle + half * unit, middle - half, middle + half).astype(dtype)

    def log_density(function: str, sample: Any, mu: Any, sigma: Any, action_spec: Any) -> tuple[Any, jax.Array]:
        precision = _checks.reals(f"squashed_gaussian().{function}", sample=sample)[0].dtype
        dtype, (mu, scale, sample) = prepare(function, mu, sigma, sample=sample)
        middle, half = _bounds(function, action_spec, mu)
        unit = (sample - middle) / half
        # An action at a bound was rounded to it: it stands for the last one before. One beyond was not drawn from here.
        epsilon = float(jnp.finfo(precision).eps)
        possible = jnp.all(jnp.abs(unit) <= 1 + 4 * epsilon, axis=-1)
        u = jnp.arctanh(jnp.clip(unit, -1 + epsilon / 2, 1 - epsilon / 2))
        logprob = _logprob(u, mu, scale) - jnp.sum(_log_slope(u) + jnp.log(half), axis=-1)
        return dtype, jnp.where(possible | jnp.isnan(logprob), logprob, -jnp.inf)

    def logprob(sample: "ArrayLike", mu: "ArrayLike", sigma: "ArrayLike", action_spec: Any) -> jax.Array:
        dtype, logarithm = log_density("logprob", sample, mu, sigma, action_spec)
        return logarithm.astype(dtype)

    def prob(sample: "ArrayLike", mu: "ArrayLike", sigma: "ArrayLike", action_spec: Any) -> jax.Array:
        dtype, logarithm = log_density("prob", sample, mu, sigma, action_spec)
        return jnp.exp(logarithm).astype(dtype)

    def entropy(mu: "ArrayLike", sigma: "ArrayLike", action_spec: Any = None) -> jax.Array:
        dtype, (mu, scale) = prepare("entropy", mu, sigma)
        points, weights = (jnp.asarray(x, mu.dtype).reshape(-1, *[1] * mu.ndim) for x in (_POINTS, _WEIGHTS))
        log_slope = jnp.sum(weights * _log_slope(mu[None] + scale[None] * points), axis=0)
        if action_spec is not None:
            log_slope = log_slope + jnp.log(_bounds("entropy", action_spec, mu)[1])
        return (_entropy(scale) + jnp.sum(log_slope, axis=-1)).astype(dtype)

    def kl_to_standard_normal(mu: "ArrayLike", sigma: "ArrayLike") -> jax.Array:
        dtype, (mu, scale) = prepare("kl_to_standard_normal", mu, sigma)
        return _kl(mu, scale, jnp.zeros_like(mu), jnp.ones_like(mu)).astype(dtype)

    def kl(mu_0: "ArrayLike", sigma_0: "ArrayLike", mu_1: "ArrayLike", sigma_1: "ArrayLike") -> jax.Array:
        function = "squashed_gaussian().kl"
        dtype, (mu_0, sigma_0, mu_1, sigma_1) = wide_reals(
            function, mu_0=mu_0, sigma_0=sigma_0, mu_1=mu_1, sigma_1=sigma_1
        )
        fit(
            function,
            mu_0=(mu_0, "*B D"),
            sigma_0=(sigma_0, "*B D"),
            mu_1=(mu_1, "*B D"),
            sigma_1=(sigma_1, "*B D"),
        )
        return _kl(mu_0, deviation(sigma_0), mu_1, deviation(sigma_1)).astype(dtype)

    return ContinuousDistribution(sample, prob, logprob, entropy, kl_to_standard_normal, kl)


def _log_slope(u: jax.Array) -> jax.Array:
    """Returns `log(1 - tanh(u)²)`, accurate for any `u`."""
    magnitude = jnp.abs(u)
    return 2 * (math.log(2) - magnitude - jnp.log1p(jnp.exp(-2 * magnitude)))


def _bounds(function: str, action_spec: Any, like: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The middle of the bounds and half their distance, of the shape and dtype of `like`."""
    function = f"squashed_gaussian().{function}"
    if not (hasattr(action_spec, "minimum") and hasattr(action_spec, "maximum")):
        raise TypeError(
            f"{function}: action_spec is {action_spec!r}, expected an object with minimum and maximum, such as "
            f"types.SimpleNamespace(minimum=-1.0, maximum=1.0)."
        )
    low, high = action_spec.minimum, action_spec.maximum
    names = {"action_spec.minimum": low, "action_spec.maximum": high}
    low_array, high_array = (x.astype(like.dtype) for x in _checks.reals(function, **names))
    fit(
        function,
        mu=(like, "*B D"),
        **{"action_spec.minimum": (low_array, "|D"), "action_spec.maximum": (high_array, "|D")},
    )
    known = not (_checks.is_traced(low) or _checks.is_traced(high))
    if known and not np.all(np.isfinite(low) & np.isfinite(high) & (np.asarray(low) < np.asarray(high))):
        raise ValueError(
            f"{function}: action_spec has the bounds {low} and {high}, expected finite ones, the first below the "
            f"second."
        )
    middle, half = (high_array + low_array) / 2, (high_array - low_array) / 2
    return jnp.broadcast_to(middle, like.shape), jnp.broadcast_to(half, like.shape)
