"""Functions of the user that change what creating, reading and setting variables and calling methods does.

All are kept in the ambient object, as tuples with the outermost hook first, and run by `run_hooks`.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from haiku_like._core.frame import Frame, ambient, current_frame

if TYPE_CHECKING:
    from haiku_like._core.module import Module


class _DoNotStore:
    def __repr__(self) -> str:
        return "DO_NOT_STORE"

    def __reduce__(self) -> str:
        return "DO_NOT_STORE"


DO_NOT_STORE = _DoNotStore()
"""What a custom creator or setter returns for a value that `init` and `apply` shall not return."""


class _VariableContext:
    __slots__ = ()
    full_name: str

    @property
    def module_name(self) -> str:
        """The path of the module that the variable belongs to."""
        return self.full_name.rpartition("/")[0]

    @property
    def name(self) -> str:
        """The variable's own name."""
        return self.full_name.rpartition("/")[2]


class _GetterFields(NamedTuple):
    full_name: str
    module: "Module | None"
    original_dtype: Any
    original_shape: Any
    original_init: Any
    lifted_prefix_name: str | None = None


class GetterContext(_GetterFields, _VariableContext):
    """What a custom creator or getter is told of the variable.

    Attributes:
      full_name: `<module path>/<name>`; `module_name` and `name` are its parts.
      module: The module whose method asks for it, or None at the top level.
      original_dtype: The dtype asked for.
      original_shape: The shape asked for.
      original_init: The initializer asked for.
      lifted_prefix_name: Where an outer transformed function keeps it, such as `outer/lifted/`, or None.
    """

    __slots__ = ()


class _SetterFields(NamedTuple):
    full_name: str
    module: "Module | None"
    original_dtype: Any
    original_shape: Any
    lifted_prefix_name: str | None = None


class SetterContext(_SetterFields, _VariableContext):
    """What a custom setter is told of the state.

    Attributes:
      full_name: `<module path>/<name>`; `module_name` and `name` are its parts.
      module: The module whose method sets it, or None at the top level.
      original_dtype: The dtype of the value, or the tree of dtypes.
      original_shape: The shape of the value, or the tree of shapes.
      lifted_prefix_name: Where an outer transformed function keeps it, such as `outer/lifted/`, or None.
    """

    __slots__ = ()


class MethodContext(NamedTuple):
    """What an interceptor is told of the method.

    Attributes:
      module: The module.
      method_name: The method's name, such as `__call__`.
      orig_method: The method, which takes the arguments and is not intercepted.
      orig_class: The class that defines it; for `__init__`, the class that is being built.
    """

    module: "Module"
    method_name: str
    orig_method: Callable[..., Any]
    orig_class: type


def run_hooks(
    hooks: tuple[Callable[..., Any], ...], innermost: Callable[..., Any], adapt: Callable[..., Any]
) -> Callable[..., Any]:
    """Returns a function that runs the outermost hook, which may call the next, down to `innermost`.

    `adapt(hook, next)` returns the function that calls `hook` with `next`.
    """
    for hook in reversed(hooks):
        innermost = adapt(hook, innermost)
    return innermost


def intercepted(method: Callable[..., Any], context: MethodContext) -> Callable[..., Any]:
    """Returns the method as the interceptors in force make it."""

    def adapt(hook: Callable[..., Any], following: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *args, **kwargs: hook(following, args, kwargs, context)

    return run_hooks(ambient.interceptors, method, adapt)


def with_context(
    hooks: tuple[Callable[..., Any], ...], innermost: Callable[..., Any], context: NamedTuple
) -> Callable[..., Any]:
    """Returns creating, reading or setting a variable as the hooks make it."""

    def adapt(hook: Callable[..., Any], following: Callable[..., Any]) -> Callable[..., Any]:
        return functools.partial(_call_hook, hook, following, context)

    return run_hooks(hooks, innermost, adapt)


def _call_hook(hook: Callable[..., Any], following: Callable[..., Any], context: NamedTuple, *args: Any) -> Any:
    return hook(following, *args, context)


def getter_context(frame: Frame, full_name: str, shape: Any, dtype: Any, init: Any) -> GetterContext:
    """Returns what hooks are told of a variable that is asked for."""
    return GetterContext(full_name, frame.scope.module, dtype, shape, init, frame.lifted_prefix)


@contextlib.contextmanager
def pushed(**hooks: Any) -> Iterator[None]:
    """Adds what is given, each to the ambient tuple of its name, until the block ends."""
    before = {name: getattr(ambient, name) for name in hooks}
    for name, hook in hooks.items():
        setattr(ambient, name, (*before[name], hook))
    try:
        yield
    finally:
        for name, outer in before.items():
            setattr(ambient, name, outer)


def _check_hook(function: str, argument: str, hook: object, form: str) -> None:
    if not callable(hook):
        raise TypeError(
            f"{function}: {argument} is {hook!r} of type {type(hook).__name__}, expected a function {argument}({form})."
        )


def custom_creator(
    creator: Callable[..., Any], *, params: bool = True, state: bool = False
) -> contextlib.AbstractContextManager[None]:
    """Lets `creator` make the variables that are created in the block.

    Args:
      creator: `creator(next_creator, shape, dtype, init, context) -> value`, where
        `next_creator(shape, dtype, init)` makes the value as it would have been, and `context` is a `GetterContext`.
        With nested creators the outermost runs first.
      params: Whether it makes parameters.
      state: Whether it makes state.

    Raises:
      UsageError: called outside `hk.transform`.
      TypeError: `creator` is no function.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> def halved(next_creator, shape, dtype, init, context):
      ...     return 0.5 * next_creator(shape, dtype, init)
      >>> def forward():
      ...     with hk.custom_creator(halved):
      ...         return hk.get_parameter("w", [2], init=jnp.ones)
      >>> hk.transform(forward).init(None)
      {'~': {'w': Array([0.5, 0.5], dtype=float32)}}
    """
    current_frame("custom_creator")
    _check_hook("custom_creator", "creator", creator, "next_creator, shape, dtype, init, context")
    return pushed(**_selected(creator, "creators", params, state))


def custom_getter(
    getter: Callable[..., Any], *, params: bool = True, state: bool = False
) -> contextlib.AbstractContextManager[None]:
    """Lets `getter` change the variables that are read in the block; what is stored stays as it is.

    Args:
      getter: `getter(next_getter, value, context) -> value`, where `next_getter(value)` returns what the next getter
        makes of the value, and `context` is a `GetterContext`. With nested getters the outermost runs first.
      params: Whether it changes parameters.
      state: Whether it changes state.

    Raises:
      UsageError: called outside `hk.transform`.
      TypeError: `getter` is no function.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> def in_half_precision(next_getter, value, context):
      ...     return next_getter(value.astype(jnp.bfloat16))
      >>> def forward():
      ...     with hk.custom_getter(in_half_precision):
      ...         return hk.get_parameter("w", [2], init=jnp.ones)
      >>> model = hk.transform(forward)
      >>> model.apply(model.init(None)).dtype
      dtype(bfloat16)
    """
    current_frame("custom_getter")
    _check_hook("custom_getter", "getter", getter, "next_getter, value, context")
    return pushed(**_selected(getter, "getters", params, state))


def custom_setter(setter: Callable[..., Any]) -> contextlib.AbstractContextManager[None]:
    """Lets `setter` change the state that is set in the block.

    Args:
      setter: `setter(next_setter, value, context) -> value`, where `next_setter(value)` returns what the next setter
        makes of the value, and `context` is a `SetterContext`. What it returns is stored, but for `DO_NOT_STORE`.

    Raises:
      UsageError: called outside `hk.transform`.
      TypeError: `setter` is no function.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> def forward(x):
      ...     with hk.custom_setter(lambda next_setter, value, context: next_setter(jax.lax.stop_gradient(value))):
      ...         hk.set_state("last", x)
      >>> hk.transform_with_state(forward).apply({}, {}, None, jnp.ones(2))
      (None, {'~': {'last': Array([1., 1.], dtype=float32)}})
    """
    current_frame("custom_setter")
    _check_hook("custom_setter", "setter", setter, "next_setter, value, context")
    return pushed(setters=setter)


def intercept_methods(interceptor: Callable[..., Any]) -> contextlib.AbstractContextManager[None]:
    """Lets `interceptor` run around every method of every module in the block, `__init__` included.

    Args:
      interceptor: `interceptor(next_f, args, kwargs, context) -> output`, where `next_f(*args, **kwargs)` calls the
        method, or the next interceptor, and `context` is a `MethodContext`. With nested interceptors the outermost
        runs first.

    Raises:
      TypeError: `interceptor` is no function.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> def shout(next_f, args, kwargs, context):
      ...     if context.method_name == "__call__":
      ...         print(context.module.module_name)
      ...     return next_f(*args, **kwargs)
      >>> def forward(x):
      ...     with hk.intercept_methods(shout):
      ...         return hk.nets.MLP([2, 1])(x)
      >>> _ = hk.transform(forward).init(jax.random.key(0), jnp.ones([1, 3]))
      mlp
      mlp/~/linear_0
      mlp/~/linear_1
    """
    _check_hook("intercept_methods", "interceptor", interceptor, "next_f, args, kwargs, context")
    return pushed(interceptors=interceptor)


def _selected(hook: Callable[..., Any], kind: str, params: bool, state: bool) -> dict[str, Callable[..., Any]]:
    return {f"{variable}_{kind}": hook for variable, chosen in (("param", params), ("state", state)) if chosen}
