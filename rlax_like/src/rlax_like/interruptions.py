"""Episodes that are cut, so that the next one begins without the last step of the one before."""

from typing import TYPE_CHECKING

import jax.numpy as jnp

from rlax_like import _checks
from rlax_like._shapes import fit

if TYPE_CHECKING:
    from jaxtyping import Array, ArrayLike, Int

# The types of steps, as dm_env's StepType numbers them.
_FIRST, _MID, _LAST = 0, 1, 2


def fix_step_type_on_interruptions(step_type: "Int[ArrayLike, 'T *B']") -> "Int[Array, 'T *B']":
    """Returns the types of steps, in which each middle step before a first one has become a last step.

    Args:
      step_type: Integers, `[T, *B]`: 0 for the first step of an episode, 1 for a middle one, 2 for the last, as dm_env
        numbers them (`dm_env.StepType`). Known ones are checked.

    Returns:
      The same shape and dtype.

    Raises:
      TypeError: `step_type` is not of an integer dtype.
      ValueError: `step_type` has no axis, or holds another number.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> rlax.fix_step_type_on_interruptions(jnp.array([0, 1, 1, 0, 1]))
      Array([0, 1, 2, 0, 1], dtype=int32)
    """
    name = "fix_step_type_on_interruptions"
    (types,) = _checks.integers(name, step_type=step_type)
    if not _checks.holds(lambda s: (s >= _FIRST) & (s <= _LAST), step_type):
        raise ValueError(
            f"{name}: step_type holds a number that is not 0 (first), 1 (middle) or 2 (last), the types of dm_env."
        )
    fit(name, step_type=(types, "T *B"))
    # What follows the last step in the array is not known, so it stays.
    before_first = jnp.concatenate([types[1:] == _FIRST, jnp.zeros_like(types[:1], bool)])
    return jnp.where((types == _MID) & before_first, jnp.asarray(_LAST, types.dtype), types)
