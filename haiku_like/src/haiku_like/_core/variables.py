"""Parameters and state: named values that belong to the module whose method is running."""

import difflib
import operator
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from haiku_like._core.frame import Frame, StatePair, ambient, current_frame
from haiku_like._core.hooks import DO_NOT_STORE, SetterContext, getter_context, with_context
from haiku_like._core.settings import settings

if TYPE_CHECKING:
    from haiku_like.typing import Initializer, MutableParams, MutableState


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
    value: Any = bundle.get(name) if bundle is not None and isinstance(name, str) else None
    hooked = ambient.param_getters or settings.check_jax_usage
    checkable = value is not None and not hooked and isinstance(shape, (tuple, list))
    if checkable and getattr(value, "shape", None) == tuple(shape):
        # The checks below, which take longer, would all pass.
        return value  # pyright: ignore[reportReturnType]
    shape = _checked_shape("get_parameter", name, shape)
    if settings.check_jax_usage:
        frame.check_may_change("get_parameter", f"reads parameter {path}/{name} while check_jax_usage is set,")
    dtype = jnp.float32 if dtype is None else dtype
    stored = _created_parameter(frame, path, name, shape, dtype, init) if value is None else value
    found = stored
    if ambient.param_getters:
        context = getter_context(frame, f"{path}/{name}", shape, dtype, init)
        found = with_context(ambient.param_getters, lambda value: value, context)(stored)
    if _shape_of(found) != shape:
        raise _wrong_parameter(frame, f"{path}/{name}", stored, found, shape, created=value is None)
    if value is None and frame.running_init and stored is not DO_NOT_STORE:
        frame.check_may_change("get_parameter", f"creates parameter {path}/{name}", creates=True)
        frame.params.setdefault(path, {})[name] = stored  # pyright: ignore[reportAttributeAccessIssue]
    return found


def _created_parameter(
    frame: Frame, path: str, name: str, shape: tuple[int, ...], dtype: Any, init: "Initializer | None"
) -> Any:
    def create(shape: Any, dtype: Any, init: Any) -> Any:
        if not frame.running_init:
            raise ValueError(_missing_parameter(frame.params, path, name))
        frame.check_may_change("get_parameter", f"creates parameter {path}/{name}", creates=True)
        value = _create("get_parameter", "parameter", path, name, shape, dtype, init)
        return jnp.asarray(value, dtype) if isinstance(value, (int, float)) else value

    context = getter_context(frame, f"{path}/{name}", shape, dtype, init)
    value = with_context(ambient.param_creators, create, context)(shape, dtype, init)
    if not frame.running_init and value is not DO_NOT_STORE:
        raise ValueError(_missing_parameter(frame.params, path, name))
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
    shape = None if shape is None else _checked_shape("get_state", name, shape)
    path = frame.scope.named_path("get_state")
    pair = frame.state.get(path, {}).get(name)
    value = pair.current if pair is not None else _created_state(frame, path, name, shape, dtype, init)
    if ambient.state_getters:
        context = getter_context(frame, f"{path}/{name}", shape, dtype, init)
        value = with_context(ambient.state_getters, lambda value: value, context)(value)
    return value


def _created_state(frame: Frame, path: str, name: str, shape: Any, dtype: Any, init: "Initializer | None") -> Any:
    def create(shape: Any, dtype: Any, init: Any) -> Any:
        return _create("get_state", "state", path, name, shape, dtype, init)

    context = getter_context(frame, f"{path}/{name}", shape, dtype, init)
    value = with_context(ambient.state_creators, create, context)(shape, dtype, init)
    if value is not DO_NOT_STORE:
        store_state(frame, "get_state", path, name, value)
    return value


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
    path = frame.scope.named_path("set_state")
    if ambient.setters:
        shapes = jax.tree.map(lambda x: getattr(x, "shape", None), value)
        dtypes = jax.tree.map(lambda x: getattr(x, "dtype", None), value)
        context = SetterContext(f"{path}/{name}", frame.scope.module, dtypes, shapes, frame.lifted_prefix)
        value = with_context(ambient.setters, lambda value: value, context)(value)
    if value is not DO_NOT_STORE:
        store_state(frame, "set_state", path, name, value)


def store_state(frame: Frame, function: str, path: str, name: str, value: Any) -> None:
    """Keeps the value as the current one, and as the initial one too if there was none."""
    pair = frame.state.get(path, {}).get(name)
    action = "creates" if pair is None else "changes"
    frame.check_may_change(function, f"{action} state {path}/{name}", creates=pair is None)
    frame.state.setdefault(path, {})[name] = StatePair(value if pair is None else pair.initial, value)


def get_params() -> "MutableParams":
    """Returns the parameters as they are now, as a copy: those created so far by `init`, all of them in `apply`.

    Raises:
      UsageError: called outside `hk.transform`.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> def forward(x):
      ...     y = hk.Linear(1, with_bias=False)(x)
      ...     return y, hk.data_structures.tree_size(hk.get_params())
      >>> model = hk.transform(forward)
      >>> _, size = model.apply(model.init(jax.random.key(0), jnp.ones([4])), jnp.ones([4]))
      >>> size
      4
    """
    params = current_frame("get_params").params
    return {path: dict(bundle) for path, bundle in params.items()}


def get_current_state() -> "MutableState":
    """Returns the state as it is now, as a copy.

    Raises:
      UsageError: called outside `hk.transform`.

    Example:
      >>> import haiku_like as hk
      >>> def forward():
      ...     hk.set_state("s", 1)
      ...     hk.set_state("s", 2)
      ...     return hk.get_current_state()
      >>> out, _ = hk.transform_with_state(forward).apply({}, {}, None)
      >>> out
      {'~': {'s': 2}}
    """
    return state_values(current_frame("get_current_state").state, "current")


def get_initial_state() -> "MutableState":
    """Returns the state as it was when the call began or, if created since, as it was created; a copy.

    Raises:
      UsageError: called outside `hk.transform`.

    Example:
      >>> import haiku_like as hk
      >>> def forward():
      ...     hk.set_state("s", 1)
      ...     hk.set_state("s", 2)
      ...     return hk.get_initial_state()
      >>> out, _ = hk.transform_with_state(forward).apply({}, {}, None)
      >>> out
      {'~': {'s': 1}}
    """
    return state_values(current_frame("get_initial_state").state, "initial")


def state_values(state: dict[str, dict[str, StatePair]], which: str) -> "MutableState":
    """Returns the initial or the current values of all state."""
    return {path: {name: getattr(pair, which) for name, pair in bundle.items()} for path, bundle in state.items()}


def state_pairs(state: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, StatePair]]:
    """Returns state as a call finds it: the values are both initial and current."""
    return {path: {name: StatePair(value, value) for name, value in bundle.items()} for path, bundle in state.items()}


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
        return init(shape, dtype)
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


def _shape_of(value: Any) -> tuple[int, ...] | None:
    """Returns the shape of an array or a number, None for anything else."""
    return () if isinstance(value, (int, float, complex)) else getattr(value, "shape", None)


def _wrong_parameter(
    frame: Frame, full_name: str, stored: Any, found: Any, expected: tuple[int, ...], *, created: bool
) -> Exception:
    """Returns the error for a parameter that is none, or of another shape."""
    if stored is found is DO_NOT_STORE:
        origin, remedy = "by a custom creator", "Let a custom getter return the value to use."
    elif found is not stored and _shape_of(stored) in (expected, None):
        origin, remedy = "that a custom getter returned", "A getter must return a value of the shape asked for."
    elif created and ambient.param_creators:
        origin = "that a custom creator returned"
        remedy = "A creator must return a value of the shape asked for, unless a custom getter makes one of it."
    elif created:
        origin = "that init(shape, dtype) returned"
        remedy = "It must return an array of the shape that it is given. Pass an initializer's instance, not its class."
    elif frame.running_init:
        origin = "that this call created earlier"
        remedy = (
            "A module that is called twice shares its parameters: give it inputs of equal size, or build two modules."
        )
    else:
        origin = "in the params passed to apply"
        remedy = "Pass the params that init returned for inputs of this size."
    shape = _shape_of(found)
    error, got = TypeError, f"is {found!r} of type {type(found).__name__}, expected an array of shape {expected}"
    if shape is not None:
        error, got = ValueError, f"has shape {shape}, expected {expected}"
    return error(f"get_parameter: parameter {full_name} {origin} {got}. {remedy}")


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
