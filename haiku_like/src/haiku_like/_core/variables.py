"""Parameters and state: named values that belong to the module whose method is running."""

import difflib
import operator
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np

from haiku_like._core.frame import Frame, StatePair, current_frame

if TYPE_CHECKING:
    import jax

    from haiku_like.typing import Initializer


def get_parameter(name: str, shape: Sequence[int], dtype: Any = None, init: "Initializer | None" = None) -> "jax.Array":
    """Returns the parameter `name` of the module whose method is running.

    `init` creates it by `init(shape, dtype)`; `apply` takes it from the parameters that it was given.

    Args:
      name: The parameter's name, such as `w`.
      shape: Its shape; a parameter of another shape is refused.
      dtype: The dtype to create it in, float32 if None. A parameter passed to `apply` keeps the dtype it has, so
        that parameters may be cast.
      init: A function of shape and dtype, such as those in `hk.initializers` or `jnp.zeros`.

    Raises:
      UsageError: called outside `hk.transform`.
      ValueError: `apply` was given no such parameter; its shape differs; or it is to be created without `init`.
      TypeError: `name`, `shape` or `init` is not of its type.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> forward = hk.transform(lambda x: x * hk.get_parameter("w", [3], init=jnp.ones))
      >>> forward.init(None, jnp.arange(3.0))
      {'~': {'w': Array([1., 1., 1.], dtype=float32)}}
    """
    frame = current_frame("get_parameter")
    path = frame.scope.path or frame.scope.named_path("get_parameter")
    bundle = frame.params.get(path)
    if bundle is not None and isinstance(name, str):
        value = bundle.get(name)
        if value is not None and isinstance(shape, (tuple, list)) and getattr(value, "shape", None) == tuple(shape):
            return value  # The checks below, which take longer, would all pass.
    shape = _checked_shape("get_parameter", name, shape)
    value = None if bundle is None else bundle.get(name)
    created = value is None
    if created:
        if not frame.running_init:
            raise ValueError(_missing_parameter(frame.params, path, name))
        value = _create("get_parameter", "parameter", path, name, shape, dtype, init)
        if isinstance(value, (int, float)):
            value = jnp.asarray(value, dtype or jnp.float32)
        if not (hasattr(value, "shape") and hasattr(value, "dtype")):
            raise TypeError(
                f"get_parameter: init of parameter {path}/{name} returned {value!r} of type {type(value).__name__}, "
                f"expected an array. Pass an initializer's instance, not its class, and return jnp.asarray(value)."
            )
    if np.shape(value) != shape:
        raise ValueError(_wrong_shape(frame, created, name, np.shape(value), shape))
    if created:
        frame.params.setdefault(path, {})[name] = value  # pyright: ignore[reportAttributeAccessIssue]
    return value


def get_state(
    name: str, shape: Sequence[int] | None = None, dtype: Any = jnp.float32, init: "Initializer | None" = None
) -> Any:
    """Returns the current value of the state `name` of the module whose method is running.

    A state that does not exist yet is created by `init(shape, dtype)`, in `init` and in `apply` alike.

    Args:
      name: The state's name, such as `counter`.
      shape: The shape to create it in; a state that exists may have any.
      dtype: The dtype to create it in.
      init: A function of shape and dtype that creates the value; it may return any pytree.

    Raises:
      UsageError: called outside `hk.transform`.
      ValueError: the state does not exist and `init` is None.
      TypeError: `name`, `shape` or `init` is not of its type.

    Example:
      >>> import haiku_like as hk, jax.numpy as jnp
      >>> def count():
      ...     calls = hk.get_state("calls", [], jnp.int32, init=jnp.zeros)
      ...     hk.set_state("calls", calls + 1)
      ...     return calls
      >>> counter = hk.transform_with_state(count)
      >>> params, state = counter.init(None)
      >>> counter.apply(params, state, None)
      (Array(0, dtype=int32), {'~': {'calls': Array(1, dtype=int32)}})
    """
    frame = current_frame("get_state")
    _check_name("get_state", name)
    path = frame.scope.named_path("get_state")
    pair = frame.state.get(path, {}).get(name)
    if pair is None:
        if shape is not None:
            shape = _checked_shape("get_state", name, shape)
        value = _create("get_state", "state", path, name, shape, dtype, init)
        pair = _store_state(frame, path, name, value)
    return pair.current


def set_state(name: str, value: Any) -> None:
    """Sets the state `name` of the module whose method is running; `apply` returns it.

    `init` returns the first value that a state has, by `init` of `get_state` or by the first `set_state`, so that
    a model's initial state does not depend on what the rest of the call did to it.

    Args:
      name: The state's name.
      value: An array or any pytree.

    Raises:
      UsageError: called outside `hk.transform`.
      TypeError: `name` is no string.

    Example:
      >>> import haiku_like as hk
      >>> remember = hk.transform_with_state(lambda x: hk.set_state("last", x))
      >>> remember.apply({}, {}, None, 7)
      (None, {'~': {'last': 7}})
    """
    frame = current_frame("set_state")
    _check_name("set_state", name)
    _store_state(frame, frame.scope.named_path("set_state"), name, value)


def _store_state(frame: Frame, path: str, name: str, value: Any) -> StatePair:
    bundle = frame.state.setdefault(path, {})
    pair = StatePair(bundle[name].initial if name in bundle else value, value)
    bundle[name] = pair
    return pair


def _create(function: str, kind: str, path: str, name: str, shape: Any, dtype: Any, init: Any) -> Any:
    if init is None:
        raise ValueError(
            f"{function}: {kind} {path}/{name} does not exist and init is None, expected a function of shape and "
            f"dtype that creates it. Pass one, for example init=jnp.zeros or init=hk.initializers.RandomNormal()."
        )
    if not callable(init):
        raise TypeError(
            f"{function}: init of {kind} {path}/{name} is {init!r}, expected a function of shape and dtype. For a "
            f"fixed value pass init=hk.initializers.Constant(value)."
        )
    try:
        return init(shape, jnp.float32 if dtype is None else dtype)
    except TypeError as error:
        if shape is None:
            error.add_note(f"{function}: {kind} {path}/{name} has shape=None, expected the shape to create it in.")
        raise


def _check_name(function: str, name: object) -> None:
    if not isinstance(name, str) or not name:
        raise TypeError(f"{function}: name is {name!r}, expected a string that is not empty, such as 'w'.")


def _checked_shape(function: str, name: object, shape: Any) -> tuple[int, ...]:
    _check_name(function, name)
    try:
        checked = tuple(map(operator.index, shape))
    except TypeError:
        checked = (-1,)
    if any(size < 0 for size in checked):
        raise TypeError(
            f"{function}: shape of {name!r} is {shape!r}, expected a sequence of integers that are not negative, "
            f"such as [3, 4], and [] for a scalar."
        )
    return checked


def _wrong_shape(frame: Frame, created: bool, name: str, actual: tuple[int, ...], expected: tuple[int, ...]) -> str:
    if created:
        origin, remedy = "that init(shape, dtype) returned", "The initializer must return the shape that it is given."
    elif frame.running_init:
        origin = "that this call created earlier"
        remedy = (
            "A module that is called twice shares its parameters: give it inputs of equal size, or build two modules."
        )
    else:
        origin = "in the params passed to apply"
        remedy = "Pass the params that init returned for inputs of this size."
    return (
        f"get_parameter: parameter {frame.scope.path}/{name} {origin} has shape {actual}, expected {expected}. {remedy}"
    )


def _missing_parameter(params: Mapping[str, Mapping[str, Any]], path: str, name: str) -> str:
    if name in params.get(path, ()):
        found = "there it is None"
    elif path in params:
        found = f"{path} has {sorted(params[path])}"
    else:
        close = difflib.get_close_matches(path, params, n=3, cutoff=0.4) or sorted(params)[:3]
        found = f"there is no module {path}, {'the closest are ' + str(close) if close else 'they are empty'}"
    return (
        f"get_parameter: parameter {path}/{name} is missing from the params passed to apply; {found}. Expected the "
        f"params that init of the same function returned. A parameter is created by init only, so init must take "
        f"the same branches as apply."
    )
