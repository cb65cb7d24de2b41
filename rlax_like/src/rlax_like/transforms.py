"""Functions that squash or stretch numbers, and their inverses.

The signed ones are odd: f(-x) = -f(x). Their derivatives are exact at 0 too, and each inverse gives back small and
large numbers alike.
"""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from rlax_like import _checks, _sequences, _shapes
from rlax_like._precision import wide_reals

if TYPE_CHECKING:
    from jaxtyping import Array, ArrayLike, Float, Real


def identity(x: "Real[ArrayLike, '*B']") -> "Float[Array, '*B']":
    """Returns `x`.

    Args:
      x: Any shape.

    Returns:
      The shape of `x`.

    Raises:
      TypeError: `x` is not real.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> rlax.identity(jnp.array([1.0, 2.0]))
      Array([1., 2.], dtype=float32)
    """
    (x,) = _checks.reals("identity", x=x)
    return x


def sigmoid(x: "Real[ArrayLike, '*B']") -> "Float[Array, '*B']":
    """Returns `1 / (1 + exp(-x))`, the inverse of `logit`.

    Args:
      x: Any shape.

    Returns:
      The shape of `x`; numbers in [0, 1].

    Raises:
      TypeError: `x` is not real.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> rlax.sigmoid(jnp.array([-jnp.inf, 0.0]))
      Array([0. , 0.5], dtype=float32)
    """
    return _widely("sigmoid", jax.nn.sigmoid, x)


def logit(x: "Real[ArrayLike, '*B']") -> "Float[Array, '*B']":
    """Returns `log(x / (1 - x))`, the inverse of `sigmoid`.

    Args:
      x: Any shape, in [0, 1].

    Returns:
      The shape of `x`; infinite at 0 and 1, NaN beyond.

    Raises:
      TypeError: `x` is not real.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> rlax.logit(jnp.array([0.0, 0.5]))
      Array([-inf,   0.], dtype=float32)
    """
    return _widely("logit", lambda x: jnp.log(x / (1 - x)), x)


def signed_logp1(x: "Real[ArrayLike, '*B']") -> "Float[Array, '*B']":
    """Returns `sign(x) log(1 + |x|)`, the inverse of `signed_expm1`.

    Args:
      x: Any shape.

    Returns:
      The shape of `x`.

    Raises:
      TypeError: `x` is not real.

    Example:
      >>> import jax, rlax_like as rlax
      >>> jax.grad(rlax.signed_logp1)(0.0)
      Array(1., dtype=float32, weak_type=True)
    """
    return _widely("signed_logp1", _odd_log1p, x)


def signed_expm1(x: "Real[ArrayLike, '*B']") -> "Float[Array, '*B']":
    """Returns `sign(x) (exp(|x|) - 1)`, the inverse of `signed_logp1`.

    Args:
      x: Any shape.

    Returns:
      The shape of `x`.

    Raises:
      TypeError: `x` is not real.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> rlax.signed_expm1(jnp.array([-jnp.log(2.0), 0.0])).round(3)
      Array([-1.,  0.], dtype=float32)
    """
    return _widely("signed_expm1", _odd_expm1, x)


def signed_hyperbolic(x: "Real[ArrayLike, '*B']", eps: "ArrayLike" = 1e-3) -> "Float[Array, '*B']":
    """Returns `sign(x) (sqrt(|x| + 1) - 1) + eps x`, the inverse of `signed_parabolic`.

    Pohlen et al. (2018), "Observe and look further: achieving consistent performance on Atari", arXiv:1805.11593,
    appendix A.

    Args:
      x: Any shape.
      eps: The slope far from 0, not negative. A traced one is not checked.

    Returns:
      The shape of `x`.

    Raises:
      TypeError: an argument is not real.
      ValueError: `eps` is negative, or neither a number nor of the shape of `x`.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> rlax.signed_hyperbolic(jnp.array([-8.0, 0.0, 3.0]), eps=0.5)
      Array([-6. ,  0. ,  2.5], dtype=float32)
    """
    dtype, x, eps = _with_eps("signed_hyperbolic", x, eps)
    return _squash(x, eps).astype(dtype)


def signed_parabolic(x: "Real[ArrayLike, '*B']", eps: "ArrayLike" = 1e-3) -> "Float[Array, '*B']":
    """Returns `sign(x) (((sqrt(1 + 4 eps (eps + 1 + |x|)) - 1) / (2 eps))² - 1)`, the inverse of `signed_hyperbolic`.

    Pohlen et al. (2018), "Observe and look further: achieving consistent performance on Atari", arXiv:1805.11593,
    appendix A; here without a difference of nearly equal numbers, and with its limit at `eps = 0`.

    Args:
      x: Any shape.
      eps: That of `signed_hyperbolic`, not negative. A traced one is not checked.

    Returns:
      The shape of `x`.

    Raises:
      TypeError: an argument is not real.
      ValueError: `eps` is negative, or neither a number nor of the shape of `x`.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> rlax.signed_parabolic(jnp.array([-6.0, 0.0, 2.5]), eps=0.5)
      Array([-8.,  0.,  3.], dtype=float32)
    """
    stretch = _stretch_without_division if isinstance(eps, (int, float)) and eps >= 1e-3 else _stretch
    dtype, x, eps = _with_eps("signed_parabolic", x, eps)
    return stretch(x, eps).astype(dtype)


def power(x: "Real[ArrayLike, '*B']", p: float) -> "Float[Array, '*B']":
    """Returns `sign(x) ((|x| / q + 1)^p - 1) / q` with `q = sqrt(p)`, whose inverse is that of the power 1 / p.

    Its slope at 0 is 1. Below 1 it squashes, above it stretches.

    Args:
      x: Any shape.
      p: A positive number. A traced one is not checked.

    Returns:
      The shape of `x`.

    Raises:
      TypeError: an argument is not real.
      ValueError: `p` is not positive, or neither a number nor of the shape of `x`.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> rlax.power(jnp.array([-2.0, 0.0, 2.0]), 4)
      Array([-7.5,  0. ,  7.5], dtype=float32)
    """
    if not _checks.holds(lambda p: p > 0, p):
        raise ValueError(f"power: p is {p}, expected a positive number.")
    dtype, (x, exponent) = _sequences.reals("power", x=x, p=p)
    _shapes.fit("power", x=(x, "*B"), p=(exponent, "*B|"))
    q = jnp.sqrt(exponent)
    stretch = functools.partial(_odd, lambda magnitude: _power_less_1(magnitude / q, p, exponent) / q)
    return _keeping_infinity(stretch, x).astype(dtype)


def _power_less_1(u: jax.Array, p: Any, exponent: jax.Array) -> jax.Array:
    """(1 + u)^p - 1 without the difference, which would be all rounding for small u."""
    # For these, a tenth of the time of what is right for all.
    if isinstance(p, (int, float)) and p in (0.5, 1, 2, 3, 4):
        if p == 0.5:
            return u / (jnp.sqrt(1 + u) + 1)
        return u * functools.reduce(lambda powers, _: 1 + (1 + u) * powers, range(int(p) - 1), 1)
    return jnp.expm1(exponent * jnp.log1p(u))


def _widely(function: str, f: Callable[[jax.Array], jax.Array], x: "ArrayLike") -> jax.Array:
    """f(x), in float32 for half precision."""
    dtype, (x,) = wide_reals(function, x=x)
    return f(x).astype(dtype)


def _with_eps(function: str, x: "ArrayLike", eps: "ArrayLike") -> tuple[Any, jax.Array, jax.Array]:
    if not _checks.holds(lambda eps: eps >= 0, eps):
        raise ValueError(f"{function}: eps is {eps}, expected 0 or more.")
    dtype, (x, eps) = _sequences.reals(function, x=x, eps=eps)
    _shapes.fit(function, x=(x, "*B"), eps=(eps, "*B|"))
    return dtype, x, eps


@jax.custom_jvp
def _squash(x: jax.Array, eps: jax.Array) -> jax.Array:
    magnitude = jnp.abs(x)
    one = jnp.ones((), x.dtype)
    # What eps is multiplied with is not infinite, as eps may be 0.
    y = _positive_root(magnitude, one, one) + eps * jnp.minimum(magnitude, jnp.finfo(x.dtype).max)
    return jnp.where(x < 0, -y, y)


# With s = sqrt(y + 1) - 1, the equation x = s + eps y is eps s² + (1 + 2 eps) s = x, and y is s (s + 2).
@jax.custom_jvp
def _stretch(x: jax.Array, eps: jax.Array) -> jax.Array:
    half = 0.5 + eps
    s = x * (1 / (half + jnp.sqrt(half * half + eps * jnp.abs(x))))
    return jnp.where(jnp.isinf(x), x, s * (jnp.abs(s) + 2))


@jax.custom_jvp
def _stretch_without_division(x: jax.Array, eps: jax.Array) -> jax.Array:
    s = _positive_root(jnp.abs(x), eps, 0.5 + eps)
    y = s * (s + 2)
    return jnp.where(x < 0, -y, y)


def _positive_root(a: jax.Array, eps: jax.Array, half: jax.Array) -> jax.Array:
    """The s of `eps s² + 2 half s = a` that is not negative, for `eps` from 0.001 on, without dividing by what varies.

    That would take as long as the root itself. The difference below is all rounding for small `a`, which a step of
    Newton's method makes up for: for the reciprocal of its slope, twice the root, a line will do.
    """
    root = jnp.sqrt(half * half + eps * a)
    s = (root - half) * (1 / eps)
    step = (a - s * (eps * s + 2 * half)) * ((2 * half - root) * (0.5 / (half * half)))
    return jnp.where(root < 2 * half, s + step, s)


def _slope(x: jax.Array, eps: jax.Array) -> jax.Array:
    """The derivative of `_squash`."""
    return 0.5 * jax.lax.rsqrt(jnp.abs(x) + 1) + eps


def _finite(x: jax.Array) -> jax.Array:
    """`x`, and 0 in place of infinity, so that 0 times it is 0."""
    return jnp.where(jnp.isinf(x), 0, x)


# In closed form, since what JAX derives is NaN at infinity, the value of an impossible action.
_squash.defjvps(
    lambda dx, _, x, eps: _slope(x, eps) * dx,
    lambda d_eps, _, x, eps: _finite(x) * d_eps,
)
for _by in (_stretch, _stretch_without_division):
    _by.defjvps(
        lambda dx, y, x, eps: dx / _slope(_finite(y), eps),
        lambda d_eps, y, x, eps: -_finite(y) / _slope(_finite(y), eps) * d_eps,
    )


def _odd(f: Callable[[jax.Array], jax.Array], x: jax.Array) -> jax.Array:
    """The odd function that is f for positive numbers.

    At 0 it has the derivative of f, which sign(x) f(|x|) would not have: the derivatives of sign and |x| are 0 there.
    """
    negative = x < 0
    y = f(jnp.where(negative, -x, x))
    return jnp.where(negative, -y, y)


@jax.custom_jvp
def _odd_expm1(x: jax.Array) -> jax.Array:
    y = jnp.expm1(jnp.abs(x))
    return jnp.where(x < 0, -y, y)


@jax.custom_jvp
def _odd_log1p(x: jax.Array) -> jax.Array:
    y = jnp.log1p(jnp.abs(x))
    return jnp.where(x < 0, -y, y)


_odd_log1p.defjvps(lambda dx, _, x: dx / (1 + jnp.abs(x)))
_odd_expm1.defjvps(lambda dx, _, x: jnp.exp(jnp.abs(_finite(x))) * dx)


def _keeping_infinity(f: Callable[[jax.Array], jax.Array], x: jax.Array) -> jax.Array:
    """f(x), where f need not know that infinity stays infinity.

    Nor what its derivative there is: NaN would spread from the values -inf of impossible actions, even times 0.
    """
    infinite = jnp.isinf(x)
    return jnp.where(infinite, x, f(jnp.where(infinite, 0, x)))
