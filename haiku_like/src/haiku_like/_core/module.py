"""`Module`: a class whose methods know where they are, so that parameters and submodules get their paths.

Two mechanisms, each once per class or per instance, nothing per parameter:

* when a class is made, its methods are wrapped so that each runs in a `Scope` of its own;
* when an instance is made, its `__init__` runs in a `Construction` scope, which `Module.__init__` gives a path.
"""

import dataclasses
import functools
import inspect
import types
from collections.abc import Callable
from typing import Any, TypeVar

import jax

from haiku_like._core.errors import UsageError
from haiku_like._core.frame import INIT_EXAMPLE, Frame, Scope, ambient, current_frame
from haiku_like._core.hooks import MethodContext, intercepted
from haiku_like._core.naming import check_module_name, method_suffix, snake_case
from haiku_like._core.policies import policies, under_policy
from haiku_like._core.repr import repr_of_call
from haiku_like._core.settings import settings
from haiku_like._jax_compat import runs_eagerly
from haiku_like.typing import InstancesAlone

T = TypeVar("T")

_SCOPED = "_haiku_like_scoped"
"""Marks a method that is wrapped by itself, as functools.wraps copies the mark to others; or is TRANSPARENT."""

_TRANSPARENT = "transparent"

_OWN = ("haiku_like.layers.", "haiku_like.nets.")
"""The modules of the library itself: interceptors and policies do not see how these divide their work into helpers."""

_NAMED_LIKE = "_haiku_like_named_like"
"""Holds the name of the method that `hk.name_like` says a method is named like."""


class Construction(Scope):
    """The run of one module's `__init__`."""

    __slots__ = ("outer", "transparent")

    def __init__(self, module: "Module", outer: Scope):
        init = type(module).__init__
        like = getattr(init, _NAMED_LIKE, None)
        super().__init__(None, "/~" if like is None else method_suffix(like), module)
        self.outer = outer
        self.transparent = getattr(init, _SCOPED, None) == _TRANSPARENT

    def named_path(self, function: str) -> str:
        """Returns the module's path; a dataclass, whose `__init__` is generated, gets its name when it needs one."""
        if self.path is None and dataclasses.is_dataclass(self.module):
            self.name_module(None)
        return super().named_path(function)

    def name_module(self, name: str | None) -> None:
        """Gives the module a free name among its siblings."""
        class_name = type(self.module).__name__
        if name is None:
            name = getattr(self.module, "name", None)  # A dataclass's field, or an attribute of the class.
        if name is None:
            name = snake_case(class_name)
        check_module_name(name, class_name)
        self.path = path = self.outer.claim_path(name)
        # Past __setattr__, which a frozen dataclass forbids.
        object.__setattr__(self.module, "module_name", path)
        object.__setattr__(self.module, "name", path.rpartition("/")[2])
        if self.transparent:
            self.path, self.suffix, self.names = self.outer.path, self.outer.suffix, self.outer.names


# A metaclass of protocols, so that a module may also inherit from protocols and abstract classes.
class ModuleMeta(InstancesAlone):
    """Runs `__init__` in a `Construction` scope and checks that it named the module."""

    @property
    def __signature__(cls) -> inspect.Signature:  # noqa: N805 (a metaclass)
        """The parameters of `__init__`, which `__call__` would hide from help and editors."""
        signature = inspect.signature(cls.__init__)
        return signature.replace(parameters=list(signature.parameters.values())[1:])

    def __call__(cls: type[T], *args: Any, **kwargs: Any) -> T:  # noqa: N805 (a metaclass)
        frame = ambient.frame or current_frame(cls.__name__)
        module: Any = cls.__new__(cls, *args, **kwargs)
        if settings.module_auto_repr:
            object.__setattr__(module, "_built_with", (args, kwargs))
        init = module.__init__
        if ambient.interceptors or policies or ambient.policies:
            init = _with_hooks(functools.partial(cls.__init__, module), module, "__init__", cls)
        scope = Construction(module, frame.scope)
        frame.scope = scope
        try:
            init(*args, **kwargs)
            if scope.path is None:
                scope.named_path(f"{cls.__name__}.__init__")
        finally:
            frame.scope = scope.outer
        _note_submodule(frame, module.module_name)
        return module


class Module(metaclass=ModuleMeta):
    """A piece of a model that holds parameters and submodules under a path of its own.

    Subclass it, call `super().__init__(name=name)` first, and ask for parameters wherever you need them. A module
    is built inside a function that `hk.transform` runs. Submodules built in `__init__` get the path
    `parent/~/child`, in `__call__` `parent/child`, in another method `parent/~method/child`.

    Attributes:
      module_name: The full path, such as `mlp/~/linear_0`: the key of the module's parameters.
      name: The last part of the path.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> class Scale(hk.Module):
      ...     def __call__(self, x):
      ...         scale = hk.get_parameter("scale", x.shape[-1:], x.dtype, init=jnp.ones)
      ...         return x * scale
      >>> forward = hk.transform(lambda x: Scale()(x))
      >>> params = forward.init(jax.random.key(0), jnp.ones([2, 3]))
      >>> params
      {'scale': {'scale': Array([1., 1., 1.], dtype=float32)}}
      >>> forward.apply(params, jnp.ones([2, 3])).shape
      (2, 3)
    """

    _is_protocol = False  # The metaclass asks for it on Python 3.11.
    _built_with: tuple[tuple[Any, ...], dict[str, Any]] | None = None
    _haiku_like_policy: Any = None
    # None until Module.__init__ has run.
    module_name: str = None  # pyright: ignore[reportAssignmentType]
    name: str = None  # pyright: ignore[reportAssignmentType]

    def __init__(self, name: str | None = None):
        """Names the module.

        Args:
          name: A Python identifier, or None for the attribute `name` if there is one, else the class's name in snake
            case. A name that is taken among its siblings gets a number: `linear`, `linear_1`.

        Raises:
          ValueError: `name` is no identifier, or ends in a number and is taken.
          TypeError: `name` is no string.
          UsageError: called outside `hk.transform`, or not from the `__init__` of a subclass.
        """
        class_name = type(self).__name__
        scope = (ambient.frame or current_frame(class_name)).scope
        if not isinstance(scope, Construction) or scope.module is not self:
            raise UsageError(
                f"{class_name}: hk.Module.__init__ was called by other code than the __init__ of {class_name}, "
                f"expected super().__init__(name=name) there:\n{INIT_EXAMPLE}"
            )
        scope.name_module(name)

    def __post_init__(self, *init_only: Any) -> None:
        """Names a dataclass, whose generated `__init__` does not call `Module.__init__`."""
        if self.module_name is None:
            Module.__init__(self)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name, attribute in list(vars(cls).items()):
            scoped = _with_scope(cls, name, attribute)
            if scoped is not attribute:
                setattr(cls, name, scoped)

    def params_dict(self) -> dict[str, jax.Array]:
        """Returns the parameters of this module and of the modules that it built or called, by full name.

        Raises:
          UsageError: called outside `hk.transform`.

        Example:
          >>> import haiku_like as hk, jax, jax.numpy as jnp
          >>> def forward(x):
          ...     mlp = hk.nets.MLP([2], with_bias=False)
          ...     return mlp(x), list(mlp.params_dict())
          >>> model = hk.transform(forward)
          >>> model.apply(model.init(jax.random.key(0), jnp.ones([1, 3])), jnp.ones([1, 3]))[1]
          ['mlp/~/linear_0/w']
        """
        frame = current_frame("params_dict")
        owned = _subtree(frame, self.module_name)
        return {
            f"{path}/{name}": value
            for path, bundle in frame.params.items()
            if path in owned
            for name, value in bundle.items()
        }

    def state_dict(self) -> dict[str, Any]:
        """Returns the current state of this module and of the modules that it built or called, by full name.

        Raises:
          UsageError: called outside `hk.transform`.

        Example:
          >>> import haiku_like as hk, jax.numpy as jnp
          >>> class Count(hk.Module):
          ...     def __call__(self):
          ...         hk.set_state("calls", hk.get_state("calls", [], init=jnp.zeros) + 1)
          ...         return self.state_dict()
          >>> hk.transform_with_state(lambda: Count()()).apply({}, {}, None)[0]
          {'count/calls': Array(1., dtype=float32)}
        """
        frame = current_frame("state_dict")
        owned = _subtree(frame, self.module_name)
        return {
            f"{path}/{name}": pair.current
            for path, bundle in frame.state.items()
            if path in owned
            for name, pair in bundle.items()
        }

    def __repr__(self) -> str:
        if self._built_with is None:
            return object.__repr__(self)
        args, kwargs = self._built_with
        return repr_of_call(type(self).__name__, type(self).__init__, (self, *args), kwargs)


def transparent(method: T) -> T:
    """Lets a method run in its caller's scope: what it creates belongs to the caller, under the caller's names.

    Args:
      method: A method of a module, `__init__` included.

    Raises:
      TypeError: `method` is no function.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> class Block(hk.Module):
      ...     @hk.transparent
      ...     def __call__(self, x):
      ...         return hk.Linear(1)(x)
      >>> list(hk.transform(lambda x: Block()(x)).init(jax.random.key(0), jnp.ones([1, 2])))
      ['linear']
    """
    return _marked("transparent", method, _SCOPED, _TRANSPARENT)


def name_like(method_name: str) -> Callable[[T], T]:
    """Lets a method name the submodules it builds as another method would, most often `__call__`.

    Args:
      method_name: The other method's name.

    Raises:
      TypeError: `method_name` is no string, or what is decorated is no function.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> class Encoder(hk.Module):
      ...     @hk.name_like("__call__")
      ...     def encode(self, x):
      ...         return hk.Linear(1)(x)
      >>> list(hk.transform(lambda x: Encoder().encode(x)).init(jax.random.key(0), jnp.ones([1, 2])))
      ['encoder/linear']
    """
    if not isinstance(method_name, str):
        raise TypeError(f"name_like: method_name is {method_name!r}, expected a string such as '__call__'.")
    return lambda method: _marked("name_like", method, _NAMED_LIKE, method_name)


def _marked(decorator: str, method: Any, mark: str, value: str) -> Any:
    if not isinstance(method, types.FunctionType):
        raise TypeError(
            f"{decorator}: method is {method!r} of type {type(method).__name__}, expected a function in the body of a "
            f"module. Put the decorator nearest to the function, below @property and the like."
        )
    setattr(method, mark, value)
    return method


def _with_scope(cls: type, name: str, attribute: Any) -> Any:
    """Returns what stands for a class attribute: methods and properties run in a scope, the rest stays."""
    if cls.__module__.startswith(_OWN) and name.startswith("_") and not name.startswith("__"):
        return attribute
    if isinstance(attribute, property):
        accessors = (attribute.fget, attribute.fset, attribute.fdel)
        return property(*(f and _scoped(cls, f, name, None) for f in accessors), doc=attribute.__doc__)
    if not isinstance(attribute, types.FunctionType):
        return attribute
    if name.startswith("__") and name.endswith("__") and name != "__call__":
        return attribute
    label = "" if name == "__call__" else None if name.startswith("_") else f".{name}"
    return _scoped(cls, attribute, name, label)


def _scoped(cls: type, method: Callable[..., Any], name: str, label: str | None) -> Callable[..., Any]:
    """Returns the method so that it runs in a scope, and shows in profiles as the module's name with `label`."""
    # dataclass(slots=True) makes the class a second time, of methods that are wrapped already.
    if getattr(method, _SCOPED, None) in (_TRANSPARENT, method):
        return method
    suffix = method_suffix(getattr(method, _NAMED_LIKE, name))

    @functools.wraps(method)
    def run_in_scope(self: Module, /, *args: Any, **kwargs: Any) -> Any:
        frame = ambient.frame
        # Outside a transform a method that needs no parameter may run, and one that does says so itself. A function
        # that only lies in the class, such as a dataclass field's default, may be called with anything.
        if frame is None or not isinstance(type(self), ModuleMeta):
            return method(self, *args, **kwargs)
        path = self.module_name
        if path is None:
            path = frame.scope.named_path(f"{type(self).__name__}.{name}")
        call = method
        if ambient.interceptors or policies or ambient.policies or self._haiku_like_policy is not None:
            bound = _with_hooks(functools.partial(method, self), self, name, cls)
            call = _without_self(bound)
        outer = frame.scope
        _note_submodule(frame, path)
        frame.scope = Scope(path, suffix, self)
        try:
            # What runs eagerly shows no scopes, and to set them makes JAX look for each operation anew.
            if label is None or runs_eagerly():
                return call(self, *args, **kwargs)
            with jax.named_scope(self.name + label):
                return call(self, *args, **kwargs)
        finally:
            frame.scope = outer

    setattr(run_in_scope, _SCOPED, run_in_scope)
    return run_in_scope


def _without_self(bound: Callable[..., Any]) -> Callable[..., Any]:
    return lambda _, /, *args, **kwargs: bound(*args, **kwargs)


def _with_hooks(bound: Callable[..., Any], module: Module, name: str, cls: type) -> Callable[..., Any]:
    """Returns the method, bound to its module, as interceptors and, around them, mixed precision make it."""
    context = MethodContext(module, name, bound, cls)
    return under_policy(intercepted(bound, context), module)


def _note_submodule(frame: Frame, path: str) -> None:
    """Remembers that the method that is running built or called the module at `path`."""
    by = frame.scope.path
    if by is not None and by != path:
        known = frame.submodules.get(by)
        if known is None:
            frame.submodules[by] = {path}
        else:
            known.add(path)


def _subtree(frame: Frame, path: str) -> set[str]:
    """Returns the paths of a module and of the modules that it built or called, and they in turn."""
    found: set[str] = set()
    waiting: list[str] = [path]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += frame.submodules.get(path, ())
    return found
