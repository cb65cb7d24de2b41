"""Random keys: a sequence that splits one key into as many as are asked for."""

import contextlib
import functools
from collections import deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from haiku_like import _checks
from haiku_like._core.errors import MissingRNGError
from haiku_like._core.frame import current_frame
from haiku_like._core.settings import settings
from haiku_like._jax_compat import current_trace

if TYPE_CHECKING:
    from haiku_like.typing import PRNGKey


# Beyond, to compile a program with so many results takes longer than to cut them off one by one.
_FEW = 16


@functools.partial(jax.jit, static_argnums=1, inline=True)
def _split_few(key: "PRNGKey", num: int) -> "tuple[PRNGKey, ...]":
    """Returns what `jax.random.split` does, in one program: a tenth of the time that it takes to cut an array."""
    return tuple(jax.random.split(key, num))


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

    @classmethod
    def resume(cls, state: tuple[Any, Any]) -> "PRNGSequence":
        """Returns a sequence that goes on from an `internal_state`, which is not checked."""
        sequence = cls.__new__(cls)
        sequence._key, sequence._reserved = state[0], deque(state[1])
        return sequence

    def __next__(self) -> "PRNGKey":
        if not self._reserved:
            self.reserve(settings.rng_reserve_size)
        return self._reserved.popleft()

    next = __next__

    def take(self, num: int) -> "tuple[PRNGKey, ...]":
        """Returns the next `num` keys."""
        num = _checks.size("PRNGSequence.take", "num", num)
        self.reserve(num - len(self._reserved))
        return tuple(self._reserved.popleft() for _ in range(num))

    def reserve(self, num: int) -> None:
        """Splits `num` keys off at once, which is cheaper than one by one. The keys differ from those of `next`."""
        if num > 0:
            self._key, *new = _split_few(self._key, num + 1) if num <= _FEW else jax.random.split(self._key, num + 1)
            self._reserved.extend(new)

    def reserve_up_to_full(self) -> None:
        """Brings the reserve to its standard size: splits off what is lacking, drops what is too much."""
        self.reserve(settings.rng_reserve_size - len(self._reserved))
        while len(self._reserved) > settings.rng_reserve_size:
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


class CountingSequence(PRNGSequence):
    """A sequence that counts the keys that are taken from it."""

    __slots__ = ("count",)

    def __init__(self, key_or_seed: Any):
        super().__init__(key_or_seed)
        self.count = 0

    def __next__(self) -> "PRNGKey":
        self.count += 1
        return super().__next__()

    next = __next__

    def take(self, num: int) -> "tuple[PRNGKey, ...]":
        """Returns the next `num` keys."""
        self.count += num
        return super().take(num)


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
    return stacked(_current_sequence("next_rng_keys").take(num))


def maybe_next_rng_key() -> "PRNGKey | None":
    """Returns a random key as `next_rng_key` does, or None if `init` or `apply` was given no key.

    Raises:
      UsageError: called outside `hk.transform`.

    Example:
      >>> import haiku_like as hk
      >>> print(hk.transform(hk.maybe_next_rng_key).apply({}))
      None
    """
    return None if current_frame("maybe_next_rng_key").rng is None else next(_current_sequence("maybe_next_rng_key"))


def reserve_rng_keys(num: int) -> None:
    """Splits `num` keys at once for the calls of `next_rng_key` to come, which is cheaper than one by one.

    Args:
      num: How many, 0 or more. The keys differ from those that would be split one by one.

    Raises:
      UsageError: called outside `hk.transform`.
      MissingRNGError: `init` or `apply` was given no key.

    Example:
      >>> import haiku_like as hk, jax
      >>> def two_keys():
      ...     hk.reserve_rng_keys(2)
      ...     return hk.next_rng_key(), hk.next_rng_key()
      >>> first, second = hk.transform(two_keys, apply_rng=True).apply({}, jax.random.key(0))
    """
    _checks.size("reserve_rng_keys", "num", num)
    _current_sequence("reserve_rng_keys").reserve(num)


@contextlib.contextmanager
def with_rng(key: "PRNGKey | int") -> Iterator[None]:
    """Takes the random keys in the block from `key`; afterwards the keys go on as if there had been no block.

    The block may be inside a plain JAX transform, such as a `jax.vmap` over keys.

    Args:
      key: A random key or an integer seed.

    Raises:
      UsageError: called outside `hk.transform`.
      TypeError: `key` is neither.

    Example:
      >>> import haiku_like as hk, jax
      >>> def forward():
      ...     with hk.with_rng(jax.random.key(7)):
      ...         return hk.next_rng_key()
      >>> same = hk.transform(forward).apply({}) == hk.PRNGSequence(jax.random.key(7)).next()
      >>> bool(same)
      True
    """
    frame = current_frame("with_rng")
    outer = frame.rng, frame.rng_trace
    frame.rng, frame.rng_trace = PRNGSequence(as_key("with_rng", "key", key)), current_trace()
    try:
        yield
    finally:
        frame.rng, frame.rng_trace = outer


def maybe_get_rng_sequence_state() -> "tuple[PRNGKey, tuple[PRNGKey, ...]] | None":
    """Returns the internal state of the keys to come, or None if `init` or `apply` was given no key.

    Raises:
      UsageError: called outside `hk.transform`.

    Example:
      >>> import haiku_like as hk, jax
      >>> def same_key_twice():
      ...     state = hk.maybe_get_rng_sequence_state()
      ...     first = hk.next_rng_key()
      ...     hk.replace_rng_sequence_state(state)
      ...     return first == hk.next_rng_key()
      >>> bool(hk.transform(same_key_twice, apply_rng=True).apply({}, jax.random.key(0)))
      True
    """
    rng = current_frame("maybe_get_rng_sequence_state").rng
    return None if rng is None else rng.internal_state


def replace_rng_sequence_state(state: "tuple[PRNGKey, tuple[PRNGKey, ...]]") -> None:
    """Lets the keys to come go on from a state that `maybe_get_rng_sequence_state` gave, see there for an example.

    Args:
      state: The key to split from next, and the keys in reserve.

    Raises:
      UsageError: called outside `hk.transform`.
      MissingRNGError: `init` or `apply` was given no key.
      TypeError: `state` is no such pair.

    Example:
      >>> import haiku_like as hk, jax
      >>> def forward(state):
      ...     hk.replace_rng_sequence_state(state)
      ...     return hk.next_rng_key()
      >>> key = jax.random.key(1)
      >>> bool(hk.transform(forward, apply_rng=True).apply({}, 0, (key, ())) == jax.random.split(key)[1])
      True
    """
    _current_sequence("replace_rng_sequence_state").replace_internal_state(state)


def _current_sequence(function: str) -> PRNGSequence:
    frame = current_frame(function)
    if frame.rng is None:
        raise MissingRNGError(f"{function}: a random key is needed and there is none. {frame.missing_rng_hint}")
    frame.check_may_take_key(function)
    return frame.rng


def stacked(keys: "Sequence[PRNGKey]") -> "PRNGKey":
    """Returns keys stacked along a new leading axis."""
    if not jnp.issubdtype(keys[0].dtype, jax.dtypes.prng_key):
        return jnp.stack(keys)
    # By way of their data: jax_debug_key_reuse takes typed keys that were joined for used ones.
    return jax.random.wrap_key_data(jnp.stack([*map(jax.random.key_data, keys)]), impl=jax.random.key_impl(keys[0]))


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
