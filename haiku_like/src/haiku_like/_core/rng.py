"""Random keys: a sequence that splits one key into as many as are asked for."""

import functools
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from haiku_like import _checks
from haiku_like._core.errors import MissingRNGError
from haiku_like._core.frame import current_frame

if TYPE_CHECKING:
    from haiku_like.typing import PRNGKey

_RESERVE_SIZE = 1
"""How many keys are split off at a time when none is in reserve."""


class PRNGSequence(Iterator["PRNGKey"]):
    """An iterator over random keys, all of them split from one.

    With nothing in reserve, `next` splits the internal key in two, keeps the first half and returns the second.

    Args:
      key_or_seed: A random key, typed or raw, or an integer seed; or the `internal_state` of another sequence.

    Raises:
      TypeError: `key_or_seed` is none of these.

    Example:
      >>> import haiku_like as hk, jax
      >>> keys = hk.PRNGSequence(42)
      >>> x = jax.random.normal(next(keys), [3])
      >>> first, second = keys.take(2)
    """

    __slots__ = ("_key", "_reserved")

    def __init__(self, key_or_seed: "PRNGKey | int | tuple[PRNGKey, tuple[PRNGKey, ...]]"):
        if isinstance(key_or_seed, tuple):
            self.replace_internal_state(key_or_seed)
        else:
            self._key = as_key("PRNGSequence", "key_or_seed", key_or_seed)
            self._reserved: deque[PRNGKey] = deque()

    def __next__(self) -> "PRNGKey":
        if not self._reserved:
            self.reserve(_RESERVE_SIZE)
        return self._reserved.popleft()

    next = __next__

    def take(self, num: int) -> "tuple[PRNGKey, ...]":
        """Returns the next `num` keys."""
        self.reserve(num - len(self._reserved))
        return tuple(self._reserved.popleft() for _ in range(num))

    def reserve(self, num: int) -> None:
        """Splits `num` keys off at once, which is cheaper than one by one. The keys differ from those of `next`."""
        if num > 0:
            self._key, *new = jax.random.split(self._key, num + 1)
            self._reserved.extend(new)

    def reserve_up_to_full(self) -> None:
        """Brings the reserve to its standard size: splits off what is lacking, drops what is too much."""
        self.reserve(_RESERVE_SIZE - len(self._reserved))
        while len(self._reserved) > _RESERVE_SIZE:
            self._reserved.pop()

    @property
    def internal_state(self) -> "tuple[PRNGKey, tuple[PRNGKey, ...]]":
        """The key that the next split starts from, and the keys in reserve; a pytree."""
        return self._key, tuple(self._reserved)

    def replace_internal_state(self, state: "tuple[PRNGKey, Any]") -> None:
        """Goes on from a state that `internal_state` gave."""
        function = "PRNGSequence.replace_internal_state"
        if not (isinstance(state, tuple) and len(state) == 2 and isinstance(state[1], (tuple, list))):
            raise TypeError(f"{function}: state is {state!r}, expected a pair as internal_state gives it.")
        key, reserved = state
        self._key = as_key(function, "state[0]", key)
        self._reserved = deque(as_key(function, f"state[1][{i}]", k) for i, k in enumerate(reserved))


def next_rng_key() -> "PRNGKey":
    """Returns a random key that no other call gets, split from the key passed to `init` or `apply`.

    Raises:
      UsageError: called outside `hk.transform`.
      MissingRNGError: `init` or `apply` was given no key.

    Example:
      >>> import haiku_like as hk, jax
      >>> noise = hk.transform(lambda: jax.random.normal(hk.next_rng_key(), [2]), apply_rng=True)
      >>> noise.apply({}, jax.random.key(0)).shape
      (2,)
    """
    return next(_current_sequence("next_rng_key"))


def next_rng_keys(num: int) -> "PRNGKey":
    """Returns `num` random keys that no other call gets, stacked along a new leading axis.

    Args:
      num: How many, at least one.

    Raises:
      UsageError: called outside `hk.transform`.
      MissingRNGError: `init` or `apply` was given no key.
      ValueError: `num` is less than one.

    Example:
      >>> import haiku_like as hk, jax
      >>> two = hk.transform(lambda: hk.next_rng_keys(2), apply_rng=True)
      >>> two.apply({}, jax.random.key(0)).shape
      (2,)
    """
    if _checks.size("next_rng_keys", "num", num) < 1:
        raise ValueError(f"next_rng_keys: num is {num}, expected at least 1.")
    return jnp.stack(_current_sequence("next_rng_keys").take(num))


def _current_sequence(function: str) -> PRNGSequence:
    frame = current_frame(function)
    if frame.rng is None:
        raise MissingRNGError(f"{function}: a random key is needed and there is none. {frame.missing_rng_hint}")
    return frame.rng


def as_key(function: str, argument: str, key_or_seed: Any) -> "PRNGKey":
    """Returns a random key for a key, typed or raw, or an integer seed; raises for anything else."""
    if isinstance(key_or_seed, (int, np.integer)):
        return jax.random.PRNGKey(key_or_seed)
    shape = getattr(key_or_seed, "shape", None)
    dtype = getattr(key_or_seed, "dtype", None)
    if is_key(key_or_seed):
        return key_or_seed
    if shape == () and dtype is not None and jnp.issubdtype(dtype, jnp.integer):
        return jax.random.PRNGKey(key_or_seed)
    got = f"{key_or_seed!r} of type {type(key_or_seed).__name__}" if dtype is None else f"{dtype}{list(shape or ())}"
    raise TypeError(
        f"{function}: {argument} is {got}, expected one random key such as jax.random.key(0), or an integer seed. "
        f"For several keys use jax.vmap or pass one of them."
    )


def is_key(value: Any) -> bool:
    """Whether the value is one random key, typed or raw."""
    dtype = getattr(value, "dtype", None)
    if dtype is None:
        return False
    expected = () if jnp.issubdtype(dtype, jax.dtypes.prng_key) else _raw_key_shape() if dtype == jnp.uint32 else None
    return expected is not None and value.shape == expected


def _raw_key_shape() -> tuple[int, ...]:
    """The shape of a raw key of the default implementation, which the user may change at any time."""
    return _key_data_shape(jax.config.jax_default_prng_impl)  # pyright: ignore[reportAttributeAccessIssue]


@functools.cache
def _key_data_shape(implementation: str) -> tuple[int, ...]:
    return jax.eval_shape(lambda: jax.random.key_data(jax.random.key(0, impl=implementation))).shape
