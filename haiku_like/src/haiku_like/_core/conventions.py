"""From one calling convention of `init` and `apply` to another."""

from collections.abc import Callable
from typing import Any, TypeVar

import jax

from haiku_like._core.errors import NonEmptyStateError
from haiku_like._core.multi_transform import MultiTransformed, MultiTransformedWithState
from haiku_like._core.transform import PureFunction, Transformed, TransformedWithState, checked_collection

T = TypeVar("T", Transformed, TransformedWithState, MultiTransformed, MultiTransformedWithState)


class _Converted(PureFunction):
    """An `init` or `apply` that calls another one with other arguments, or returns another part of its result."""

    def __init__(self, function: Callable[..., Any]):
        super().__init__(getattr(function, "f", function))
        self.function = function


class _InitWithoutState(_Converted):
    __name__ = "init"
    leading = ("rng",)

    def __call__(self, /, rng: Any, *args: Any, **kwargs: Any) -> Any:
        params, state = self.function(rng, *args, **kwargs)
        _check_empty("without_state: init", state)
        return params


class _ApplyWithoutState(_Converted):
    __name__ = "apply"
    leading = ("params", "rng")

    def __call__(self, /, params: Any, rng: Any, *args: Any, **kwargs: Any) -> Any:
        out, state = self.function(params, {}, rng, *args, **kwargs)
        _check_empty("without_state: apply", state)
        return out


class _InitWithEmptyState(_Converted):
    __name__ = "init"
    leading = ("rng",)

    def __call__(self, /, rng: Any, *args: Any, **kwargs: Any) -> Any:
        return self.function(rng, *args, **kwargs), {}


class _ApplyWithEmptyState(_Converted):
    __name__ = "apply"
    leading = ("params", "state", "rng")

    def __call__(self, /, params: Any, state: Any, rng: Any, *args: Any, **kwargs: Any) -> Any:
        given = [path for path, bundle in checked_collection("state", state).items() if bundle]
        if given:
            raise NonEmptyStateError(
                f"with_empty_state: apply was given state of {', '.join(sorted(given))}, expected {{}}: the function "
                f"has none. Pass the state that init returned."
            )
        keys = (rng,) if _takes_key(self.function) else ()
        return self.function(params, *keys, *args, **kwargs), {}


class _ApplyWithoutKey(_Converted):
    __name__ = "apply"
    leading = ("params",)

    def __call__(self, /, params: Any, *args: Any, **kwargs: Any) -> Any:
        return self.function(params, None, *args, **kwargs)


class _ApplyWithStateWithoutKey(_Converted):
    __name__ = "apply"
    leading = ("params", "state")

    def __call__(self, /, params: Any, state: Any, *args: Any, **kwargs: Any) -> Any:
        return self.function(params, state, None, *args, **kwargs)


def without_state(f: TransformedWithState) -> Transformed:
    """Returns the transformed function without its state, which must be empty.

    Args:
      f: A pair from `transform_with_state`.

    Returns:
      `init(rng, *args) -> params` and `apply(params, rng, *args) -> out`.

    Raises:
      TypeError: `f` is no pair from `transform_with_state`.
      NonEmptyStateError: (by `init` and `apply`) the function uses state.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> forward = hk.without_state(hk.transform_with_state(lambda x: hk.Linear(2)(x)))
      >>> params = forward.init(jax.random.key(0), jnp.ones([1, 3]))
      >>> forward.apply(params, None, jnp.ones([1, 3])).shape
      (1, 2)
    """
    _check_pair("without_state", f, TransformedWithState)
    return Transformed(_InitWithoutState(f.init), _ApplyWithoutState(f.apply))


def with_empty_state(f: Transformed) -> TransformedWithState:
    """Returns the transformed function with state that is always empty.

    Args:
      f: A pair from `transform`.

    Returns:
      `init(rng, *args) -> (params, {})` and `apply(params, state, rng, *args) -> (out, {})`.

    Raises:
      TypeError: `f` is no pair from `transform`.
      NonEmptyStateError: (by `apply`) the state passed is not empty.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> forward = hk.with_empty_state(hk.transform(lambda x: hk.Linear(2)(x)))
      >>> params, state = forward.init(jax.random.key(0), jnp.ones([1, 3]))
      >>> out, state = forward.apply(params, state, None, jnp.ones([1, 3]))
      >>> state
      {}
    """
    _check_pair("with_empty_state", f, Transformed)
    return TransformedWithState(_InitWithEmptyState(f.init), _ApplyWithEmptyState(f.apply))


def without_apply_rng(f: T) -> T:
    """Returns the transformed function with an `apply` that takes no random key; it passes None.

    Args:
      f: A pair from any function of the family. One whose `apply` takes no key already comes back as it is.

    Raises:
      TypeError: `f` is no such pair.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> forward = hk.without_apply_rng(hk.transform(lambda x: hk.Linear(2)(x), apply_rng=True))
      >>> params = forward.init(jax.random.key(0), jnp.ones([1, 3]))
      >>> forward.apply(params, jnp.ones([1, 3])).shape
      (1, 2)
    """
    _check_pair("without_apply_rng", f, Transformed, TransformedWithState, MultiTransformed, MultiTransformedWithState)
    has_state = isinstance(f, (TransformedWithState, MultiTransformedWithState))
    convert = _ApplyWithStateWithoutKey if has_state else _ApplyWithoutKey

    def converted(apply: Callable[..., Any]) -> Callable[..., Any]:
        return convert(apply) if _takes_key(apply) else apply

    return f._replace(apply=jax.tree.map(converted, f.apply))


def _takes_key(apply: Callable[..., Any]) -> bool:
    return "rng" in getattr(apply, "leading", ("rng",))  # A pair of a user's own functions follows dm-haiku.


def _check_pair(function: str, f: Any, *kinds: type) -> None:
    if not isinstance(f, kinds):
        expected = " or ".join(f"hk.{kind.__name__}" for kind in kinds)
        raise TypeError(f"{function}: f is of type {type(f).__name__}, expected a pair {expected}.")


def _check_empty(function: str, state: Any) -> None:
    if state:
        raise NonEmptyStateError(
            f"{function}: the function uses state ({', '.join(sorted(state))}), expected none. Leave out "
            f"hk.without_state, so that apply takes and returns the state."
        )
