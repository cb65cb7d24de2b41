"""Half-precision arguments are accumulated in float32, and the result rounded once."""

from typing import Any

import jax
import jax.numpy as jnp

from rlax_like import _checks


def wide_reals(function: str, **arguments: Any) -> tuple[Any, tuple[jax.Array, ...]]:
    """Returns the dtype of the result, as `_checks.reals` has it, and the arguments in it or at least in float32."""
    arrays = _checks.reals(function, **arguments)
    return arrays[0].dtype, tuple(map(widen, arrays))


def widen(x: jax.Array) -> jax.Array:
    """Returns `x`, in float32 if its dtype is narrower."""
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))
