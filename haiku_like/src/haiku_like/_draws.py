"""Random arrays drawn in blocks, so that one compiled program serves parameters of every shape.

`jax.random` compiles a sampler for each shape, and each takes a third of a second: most of what the first `init` of a
network takes. With the partitionable threefry an element depends on the key and on its place in the array alone, so
an array that is drawn in blocks of one size has the values of `jax.random` bit for bit. That is so for uniform and
truncated normal draws; those of `jax.random.normal` XLA rounds by the shape.
"""

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from haiku_like._jax_compat import DRAWS_ALIKE_IN_BLOCKS, runs_eagerly, threefry_2x32
from haiku_like._traced_once import traced_once

# Small arrays are drawn in small blocks, which costs a second program and spares them the rest of a large one.
_SMALL, _LARGE = 4096, 65536

_SQRT_2 = np.float32(math.sqrt(2))


def truncated_normal(key: Any, lower: Any, upper: Any, shape: tuple[int, ...], dtype: Any, stddev: Any) -> jax.Array:
    """Returns `stddev * jax.random.truncated_normal(key, lower, upper, shape, dtype)`."""
    if _serves(key, dtype, lower, upper, stddev):
        return _in_blocks(key, shape, "truncated_normal", lower, upper, stddev)
    # A constant of NumPy's is no operation to trace.
    constant: Any = np.asarray(stddev, dtype) if _is_number(stddev) else jnp.asarray(stddev, dtype)
    return _scaled_truncated_normal(key, lower, upper, constant, shape, jnp.dtype(dtype))


@traced_once("shape", "dtype")
def _scaled_truncated_normal(
    key: Any, lower: Any, upper: Any, scale: Any, shape: tuple[int, ...], dtype: Any
) -> jax.Array:
    return scale * jax.random.truncated_normal(key, lower, upper, shape, dtype)


def uniform(key: Any, shape: tuple[int, ...], dtype: Any, minval: Any, maxval: Any) -> jax.Array:
    """Returns `jax.random.uniform(key, shape, dtype, minval, maxval)`."""
    if _serves(key, dtype, minval, maxval):
        return _in_blocks(key, shape, "uniform", minval, maxval, 1)
    return jax.random.uniform(key, shape, dtype, minval, maxval)


def _serves(key: Any, dtype: Any, *numbers: Any) -> bool:
    """Whether an array can be drawn in blocks: in single precision, at once, by a threefry key that is free to move.

    And where programs are known to round alike: those that a CPU runs, compiled as by default.
    """
    return (
        DRAWS_ALIKE_IN_BLOCKS
        and dtype == jnp.float32
        and all(map(_is_number, numbers))
        and runs_eagerly()
        and not isinstance(key, Tracer)
        and not getattr(key, "committed", True)
        and jax.config.jax_threefry_partitionable  # pyright: ignore[reportAttributeAccessIssue]
        and not jax.config.read("jax_disable_most_optimizations")
        and jax.default_backend() == "cpu"
        and str(jax.random.key_impl(key)) in ("fry", "threefry2x32")
    )


def _is_number(x: Any) -> bool:
    return isinstance(x, (int, float, np.number))


def _in_blocks(key: Any, shape: tuple[int, ...], kind: str, low: Any, high: Any, scale: Any) -> jax.Array:
    size = math.prod(shape)
    block = _SMALL if size <= 4 * _SMALL else _LARGE
    data = jax.random.key_data(key)
    bounds = np.float32(low), np.float32(high)
    # All are under way before the first is waited for.
    blocks = [_block(data, np.uint32(i >> 32), np.uint32(i & 0xFFFFFFFF), *bounds, kind, block)
              for i in range(0, size, block)]  # fmt: skip
    # Joined, cut and scaled by NumPy, which compiles nothing.
    flat = np.concatenate([*map(np.asarray, blocks), np.zeros(0, np.float32)])[:size]
    return jnp.asarray((flat * np.float32(scale)).reshape(shape))


@functools.partial(jax.jit, static_argnums=(5, 6))
def _block(
    key_data: jax.Array,
    high_word: jax.Array,
    low_word: jax.Array,
    low: jax.Array,
    high: jax.Array,
    kind: str,
    size: int,
) -> jax.Array:
    """Returns the elements of a draw from a place on, which is a multiple of `size`, as `jax.random` computes them."""
    place = low_word + jnp.arange(size, dtype=jnp.uint32)
    words = threefry_2x32(key_data, jnp.concatenate([jnp.full_like(place, high_word), place]))
    bits = words[:size] ^ words[size:]
    # 23 random bits behind the exponent of 1 are a number in [1, 2).
    fraction = jax.lax.bitcast_convert_type((bits >> 9) | np.uint32(0x3F800000), jnp.float32) - np.float32(1)

    def between(a: Any, b: Any) -> jax.Array:
        return jax.lax.max(a, fraction * (b - a) + a)

    if kind == "uniform":
        return between(low, high)
    sample = _SQRT_2 * jax.lax.erf_inv(between(jax.lax.erf(low / _SQRT_2), jax.lax.erf(high / _SQRT_2)))
    inside = jax.lax.nextafter(low, jnp.float32(np.inf)), jax.lax.nextafter(high, jnp.float32(-np.inf))
    return jnp.clip(sample, *inside)
