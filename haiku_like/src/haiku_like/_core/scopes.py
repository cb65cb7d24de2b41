"""Scopes and names without a class: blocks and functions that act as modules, and names that a user chooses."""

import contextlib
import inspect
from collections.abc import Callable, Iterator
from typing import Any

from haiku_like import _checks
from haiku_like._core.frame import Scope, current_frame
from haiku_like._core.module import Module
from haiku_like._core.naming import ForcedName, check_module_name, method_suffix


@contextlib.contextmanager
def name_scope(name: str, *, method_name: str = "__call__") -> Iterator[None]:
    """Makes the block a module of its own: what it creates is named as in a method of a module called `name`.

    Args:
      name: The module's name; a name that is taken among its siblings gets a number.
      method_name: The method that the block stands for.

    Raises:
      UsageError: called outside `hk.transform`.
      ValueError: `name` is no identifier.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> def forward(x):
      ...     with hk.name_scope("encoder"):
      ...         return hk.Linear(1)(x)
      >>> list(hk.transform(forward).init(jax.random.key(0), jnp.ones([1, 2])))
      ['encoder/linear']
    """
    frame = current_frame("name_scope")
    check_module_name(name, "name_scope")
    if not isinstance(method_name, str):
        raise TypeError(f"name_scope: method_name is {method_name!r}, expected a string such as '__call__'.")
    outer = frame.scope
    path = outer.claim_path(name)
    frame.submodules.setdefault(outer.named_path("name_scope"), set()).add(path)
    frame.scope = Scope(path, method_suffix(method_name))
    try:
        yield
    finally:
        frame.scope = outer


def current_name() -> str:
    """Returns the path of the module whose method is running, `~` where none is.

    Raises:
      UsageError: called outside `hk.transform`.

    Example:
      >>> import haiku_like as hk
      >>> class Layer(hk.Module):
      ...     def __call__(self):
      ...         return hk.current_name()
      >>> hk.transform(lambda: (hk.current_name(), Layer()())).apply({})
      ('~', 'layer')
    """
    return current_frame("current_name").scope.named_path("current_name")


def force_name(name: str) -> str:
    """Returns a module name that is taken as the whole path, whatever the scope and whether it is taken or not.

    Two modules of the same forced name share their parameters.

    Args:
      name: The path, such as `encoder/~/linear`.

    Raises:
      TypeError: `name` is no string, or is empty.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> def twice(x):
      ...     return hk.Linear(2)(hk.Linear(2, name=hk.force_name("linear"))(x))
      >>> list(hk.transform(twice).init(jax.random.key(0), jnp.ones([1, 2])))
      ['linear']
    """
    if not isinstance(name, str) or not name:
        raise TypeError(f"force_name: name is {name!r}, expected a string that is not empty, such as 'encoder/linear'.")
    return ForcedName(name)


def to_module(f: Callable[..., Any]) -> type[Module]:
    """Turns a function that uses modules into a module class: `to_module(f)(name=None)` is called like `f`.

    Args:
      f: The function; what it creates belongs to the module, which shares it between calls.

    Raises:
      TypeError: `f` is not callable.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> def encoder(x):
      ...     return hk.Linear(1)(x)
      >>> Encoder = hk.to_module(encoder)
      >>> list(hk.transform(lambda x: Encoder()(x)).init(jax.random.key(0), jnp.ones([1, 2])))
      ['encoder/linear']
    """
    _checks.function("to_module", "f", f, "lambda x: hk.Linear(3)(x)")
    default_name = getattr(f, "__name__", "")
    default_name = default_name if default_name.isidentifier() else "to_module_wrapper"

    class ToModuleWrapper(Module):
        def __init__(self, name: str | None = None):
            super().__init__(name=default_name if name is None else name)

        def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
            return f(*args, **kwargs)

    ToModuleWrapper.__doc__ = f.__doc__ or "A module made from a function by `hk.to_module`."
    # Some callables have no signature, and a parameter of f may be called self.
    with contextlib.suppress(TypeError, ValueError):
        signature = inspect.signature(f)
        self_parameter = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
        call: Any = ToModuleWrapper.__call__
        call.__signature__ = signature.replace(parameters=[self_parameter, *signature.parameters.values()])
    return ToModuleWrapper
