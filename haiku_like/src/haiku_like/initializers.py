"""Initial values of parameters: each initializer is called with a shape and a dtype.

The random ones take a key from the transformed function that is running, so they work inside `hk.transform` only.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from haiku_like import _draws
from haiku_like._core.rng import next_rng_key
from haiku_like.typing import Initializer as Initializer

if TYPE_CHECKING:
    from jaxtyping import ArrayLike

__all__ = [
    "Constant",
    "Identity",
    "Initializer",
    "Orthogonal",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
    "UniformScaling",
    "VarianceScaling",
]

_STDDEV_OF_STANDARD_NORMAL_CUT_AT_2 = 0.8796256610342398
"""sqrt(1 - 4 phi(2) / (2 Phi(2) - 1)): what cutting at two standard deviations leaves of a unit deviation."""

_MODES = ("fan_in", "fan_out", "fan_avg")
_DISTRIBUTIONS = ("truncated_normal", "normal", "uniform")


class Constant:
    """Fills with a constant.

    Args:
      constant: A number, or an array that broadcasts to the shape.

    Example:
      >>> import haiku_like as hk, jax.numpy as jnp
      >>> hk.initializers.Constant(3)([2], jnp.float32)
      Array([3., 3.], dtype=float32)
    """

    def __init__(self, constant: "ArrayLike"):
        self.constant = constant

    def __call__(self, shape: Sequence[int], dtype: Any) -> jax.Array:
        """Returns an array of `shape` and `dtype`; raises ValueError where the constant does not broadcast."""
        return jnp.broadcast_to(jnp.asarray(self.constant), shape).astype(dtype)


class Identity:
    """Fills with `gain` times the identity matrix; axes before the last two repeat it.

    Args:
      gain: The value on the diagonal.

    Example:
      >>> import haiku_like as hk, jax.numpy as jnp
      >>> hk.initializers.Identity(2.0)([2, 3], jnp.float32)
      Array([[2., 0., 0.],
             [0., 2., 0.]], dtype=float32)
    """

    def __init__(self, gain: "ArrayLike" = 1.0):
        self.gain = gain

    def __call__(self, shape: Sequence[int], dtype: Any) -> jax.Array:
        """Returns an array of `shape` and `dtype`; raises ValueError for fewer than two dimensions."""
        _check_matrix("Identity", shape)
        eye = jnp.eye(shape[-2], shape[-1], dtype=dtype)
        return jnp.broadcast_to(jnp.asarray(self.gain, dtype) * eye, shape)


class RandomNormal:
    """Draws from a normal distribution.

    Args:
      stddev: The standard deviation.
      mean: The mean.

    Example:
      >>> import haiku_like as hk
      >>> layer = hk.transform(lambda x: hk.Linear(3, w_init=hk.initializers.RandomNormal(stddev=0.1))(x))
    """

    def __init__(self, stddev: "ArrayLike" = 1.0, mean: "ArrayLike" = 0.0):
        self.stddev = stddev
        self.mean = mean

    def __call__(self, shape: Sequence[int], dtype: Any) -> jax.Array:
        """Returns a sample of `shape` and `dtype`, floating or complex."""
        _check_inexact("RandomNormal", dtype)
        sample = jax.random.normal(next_rng_key(), tuple(shape), dtype)
        return jnp.asarray(self.mean, dtype) + jnp.asarray(self.stddev, dtype) * sample


class TruncatedNormal:
    """Draws from a normal distribution cut at `lower` and `upper` standard deviations from the mean.

    `stddev` is that of the distribution before it is cut.

    Args:
      stddev: The standard deviation.
      mean: The mean.
      lower: The lower cut, in standard deviations.
      upper: The upper cut, in standard deviations.

    Raises:
      ValueError: `lower` is not below `upper`.

    Example:
      >>> import haiku_like as hk
      >>> layer = hk.transform(lambda x: hk.Linear(3, w_init=hk.initializers.TruncatedNormal(stddev=0.1))(x))
    """

    def __init__(
        self,
        stddev: "ArrayLike" = 1.0,
        mean: "ArrayLike" = 0.0,
        lower: "float | jax.Array" = -2.0,
        upper: "float | jax.Array" = 2.0,
    ):
        if not any(isinstance(bound, Tracer) for bound in (lower, upper)) and not np.all(lower < upper):
            raise ValueError(f"TruncatedNormal: lower is {lower}, expected less than upper={upper}.")
        self.stddev = stddev
        self.mean = mean
        self.lower = lower
        self.upper = upper

    def __call__(self, shape: Sequence[int], dtype: Any) -> jax.Array:
        """Returns a sample of `shape` and `dtype`; of a complex dtype, both parts are drawn and cut apart."""
        _check_inexact("TruncatedNormal", dtype)
        bounds = self.lower, self.upper
        if not jnp.issubdtype(dtype, jnp.complexfloating):
            sample = _draws.truncated_normal(next_rng_key(), *bounds, tuple(shape), dtype, self.stddev)
        else:
            real_dtype = jnp.finfo(dtype).dtype
            parts = jax.random.truncated_normal(next_rng_key(), *bounds, (2, *shape), real_dtype)
            sample = jnp.asarray(self.stddev, dtype) * jax.lax.complex(parts[0], parts[1])
        return _shifted(self.mean, sample)


class RandomUniform:
    """Draws uniformly from `[minval, maxval)`.

    Args:
      minval: The lower bound.
      maxval: The upper bound.

    Example:
      >>> import haiku_like as hk
      >>> layer = hk.transform(lambda x: hk.Linear(3, w_init=hk.initializers.RandomUniform(-0.1, 0.1))(x))
    """

    def __init__(self, minval: "ArrayLike" = 0.0, maxval: "ArrayLike" = 1.0):
        self.minval = minval
        self.maxval = maxval

    def __call__(self, shape: Sequence[int], dtype: Any) -> jax.Array:
        """Returns a sample of `shape` and the floating `dtype`."""
        _check_inexact("RandomUniform", dtype)
        return _draws.uniform(next_rng_key(), tuple(shape), dtype, self.minval, self.maxval)


class VarianceScaling:
    """Draws with a variance that suits the number of inputs or outputs: `Var = scale / n`.

    `n` is the product of the sizes that feed one output (`fan_in`), or that one input feeds (`fan_out`), or the
    mean of the two (`fan_avg`). The last axis counts as outputs, the one before as inputs, and all earlier ones as
    the receptive field. Glorot and Bengio (2010) is `VarianceScaling(1.0, "fan_avg", "uniform")`, He et al. (2015)
    is `VarianceScaling(2.0, "fan_in", "truncated_normal")`, LeCun et al. (1998) is the default.

    Args:
      scale: The numerator, 0 or more.
      mode: `fan_in`, `fan_out` or `fan_avg`.
      distribution: `truncated_normal`, `normal` or `uniform`.
      fan_in_axes: The axes, counted from 0, whose sizes multiply to the inputs, where they are not all but the last;
        the others are outputs. It matters from three dimensions on.

    Raises:
      ValueError: `scale` is negative, or `mode` or `distribution` is unknown.

    Example:
      >>> import haiku_like as hk
      >>> he = hk.initializers.VarianceScaling(2.0)
      >>> layer = hk.transform(lambda x: hk.Linear(3, w_init=he)(x))
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        fan_in_axes: Sequence[int] | None = None,
    ):
        if scale < 0:
            raise ValueError(f"VarianceScaling: scale is {scale}, expected 0 or more.")
        if mode not in _MODES:
            raise ValueError(f"VarianceScaling: mode is {mode!r}, expected one of {_MODES}.")
        if distribution not in _DISTRIBUTIONS:
            raise ValueError(f"VarianceScaling: distribution is {distribution!r}, expected one of {_DISTRIBUTIONS}.")
        self.scale = scale
        self.mode = mode
        self.distribution = distribution
        self.fan_in_axes = fan_in_axes

    def __call__(self, shape: Sequence[int], dtype: Any) -> jax.Array:
        """Returns a sample of `shape` and the floating `dtype`."""
        _check_inexact("VarianceScaling", dtype)
        fan_in, fan_out = _fans(shape, self.fan_in_axes)
        fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        variance = self.scale / max(1.0, fan)
        if self.distribution == "truncated_normal":
            # Rounding the constant to dtype costs half a unit in the last place, and keeps dm-haiku's exact values.
            stddev = np.sqrt(variance) / np.asarray(_STDDEV_OF_STANDARD_NORMAL_CUT_AT_2, dtype)
            return TruncatedNormal(stddev)(shape, dtype)
        if self.distribution == "normal":
            return RandomNormal(np.sqrt(variance))(shape, dtype)
        limit = np.sqrt(3.0 * variance)
        return RandomUniform(-limit, limit)(shape, dtype)


class UniformScaling:
    """Draws uniformly from `±scale · sqrt(3 / n)`, with `n` the product of all sizes but the last.

    With `scale` 1 a linear layer keeps the variance of its inputs (Sussillo and Abbott, 2014, "Random walk
    initialization").

    Args:
      scale: What the bounds are multiplied with.

    Example:
      >>> import haiku_like as hk
      >>> layer = hk.transform(lambda x: hk.Linear(3, w_init=hk.initializers.UniformScaling(1.4))(x))
    """

    def __init__(self, scale: float = 1.0):
        self.scale = scale

    def __call__(self, shape: Sequence[int], dtype: Any) -> jax.Array:
        """Returns a sample of `shape` and the floating `dtype`."""
        _check_inexact("UniformScaling", dtype)
        inputs = max(1.0, math.prod(shape[:-1]))
        limit = np.sqrt(3 / inputs) * self.scale
        return RandomUniform(-limit, limit)(shape, dtype)


class Orthogonal:
    """Draws a matrix with orthonormal rows or columns, uniformly (Saxe et al., 2014, arXiv:1312.6120).

    The axes other than `axis` are joined, so that the value is a matrix; the shorter side is orthonormal.

    Args:
      scale: What the matrix is multiplied with.
      axis: The axis of the outputs.

    Example:
      >>> import haiku_like as hk
      >>> layer = hk.transform(lambda x: hk.Linear(3, w_init=hk.initializers.Orthogonal(2**0.5))(x))
    """

    def __init__(self, scale: "ArrayLike" = 1.0, axis: int = -1):
        self.scale = scale
        self.axis = axis

    def __call__(self, shape: Sequence[int], dtype: Any) -> jax.Array:
        """Returns a sample of `shape` and the floating `dtype`; raises ValueError for fewer than two dimensions."""
        _check_matrix("Orthogonal", shape)
        _check_inexact("Orthogonal", dtype)
        # A QR decomposition exists from float32 on.
        work_dtype = jnp.float32 if jnp.finfo(dtype).bits < 32 else dtype
        if not -len(shape) <= self.axis < len(shape):
            raise ValueError(f"Orthogonal: axis is {self.axis}, expected an axis of the shape {list(shape)}.")
        outputs = shape[self.axis]
        others = math.prod(shape) // max(1, outputs)
        tall = (max(outputs, others), min(outputs, others))
        normal = jax.random.normal(next_rng_key(), tall, work_dtype)
        q, r = jnp.linalg.qr(normal)
        # The signs make the draw uniform over orthogonal matrices (Mezzadri, 2007, arXiv:math-ph/0609050).
        q = q * jnp.sign(jnp.diagonal(r))[None, :]
        if outputs > others:
            q = q.T
        rest = [size for i, size in enumerate(shape) if i != self.axis % len(shape)]
        value = jnp.moveaxis(q.reshape([*rest, outputs]), -1, self.axis)
        return (jnp.asarray(self.scale, work_dtype) * value).astype(dtype)


def _shifted(mean: Any, sample: jax.Array) -> jax.Array:
    # A sum compiles once for each shape, and with 0 it changes nothing.
    is_zero = isinstance(mean, (int, float)) and mean == 0
    return sample if is_zero else sample + jnp.asarray(mean, sample.dtype)


def _fans(shape: Sequence[int], fan_in_axes: Sequence[int] | None) -> tuple[float, float]:
    if len(shape) < 2:
        fan = shape[0] if shape else 1
        return fan, fan
    if fan_in_axes is None or len(shape) == 2:
        receptive_field = math.prod(shape[:-2])
        return shape[-2] * receptive_field, shape[-1] * receptive_field
    for axis in fan_in_axes:
        if not -len(shape) <= axis < len(shape):
            raise ValueError(f"VarianceScaling: fan_in_axes has {axis}, expected an axis of the shape {list(shape)}.")
    # As in dm-haiku, whose numbers we keep, an axis counted from the end is an output axis as well.
    outputs = [size for i, size in enumerate(shape) if i not in fan_in_axes]
    return math.prod(shape[axis] for axis in fan_in_axes), math.prod(outputs)


def _check_matrix(initializer: str, shape: Sequence[int]) -> None:
    if len(shape) < 2:
        raise ValueError(f"{initializer}: shape is {list(shape)}, expected at least two dimensions.")


def _check_inexact(initializer: str, dtype: Any) -> None:
    if not jnp.issubdtype(dtype, jnp.inexact):
        raise TypeError(
            f"{initializer}: dtype is {jnp.dtype(dtype).name}, expected a floating dtype. A layer makes its parameters "
            f"in the dtype of its input: pass it floats, for example x.astype(jnp.float32)."
        )
