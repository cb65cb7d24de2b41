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
from typing import Any, Protocol, TypeVar

from haiku_like._core.errors import UsageError
from haiku_like._core.frame import INIT_EXAMPLE, Scope, ambient, current_frame
from haiku_like._core.naming import check_module_name, method_suffix, snake_case

T = TypeVar("T")

_SCOPED = "_haiku_like_scoped"
"""Marks the methods that are wrapped."""


class Construction(Scope):
    """The run of one module's `__init__`."""

    __slots__ = ("module", "outer")

    def __init__(self, module: "Module", outer: Scope):
        super().__init__(None, method_suffix("__init__"))
        self.module = module
        self.outer = outer

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
        self.path = self.outer.claim_path(name)
        # Past __setattr__, which a frozen dataclass forbids.
        object.__setattr__(self.module, "module_name", self.path)
        object.__setattr__(self.module, "name", self.path.rpartition("/")[2])


# The metaclass of Protocol, so that a module may also inherit from protocols and abstract classes.
class ModuleMeta(type(Protocol)):
    """Runs `__init__` in a `Construction` scope and checks that it named the module."""

    @property
    def __signature__(cls) -> inspect.Signature:
        """The parameters of `__init__`, which `__call__` would hide from help and editors."""
        signature = inspect.signature(cls.__init__)
        return signature.replace(parameters=list(signature.parameters.values())[1:])

    def __call__(cls: type[T], *args: Any, **kwargs: Any) -> T:
        frame = current_frame(cls.__name__)
        module: Any = cls.__new__(cls, *args, **kwargs)
        scope = Construction(module, frame.scope)
        frame.scope = scope
        try:
            module.__init__(*args, **kwargs)
            scope.named_path(f"{cls.__name__}.__init__")
        finally:
            frame.scope = scope.outer
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
        scope = current_frame(class_name).scope
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
            scoped = _with_scope(name, attribute)
            if scoped is not attribute:
                setattr(cls, name, scoped)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.module_name!r})"


def _with_scope(name: str, attribute: Any) -> Any:
    """Returns what stands for a class attribute: methods and properties run in a scope, the rest stays."""
    if isinstance(attribute, property):
        suffix = method_suffix(name)
        accessors = (attribute.fget, attribute.fset, attribute.fdel)
        return property(*(f and _scoped(f, suffix) for f in accessors), doc=attribute.__doc__)
    if not isinstance(attribute, types.FunctionType):
        return attribute
    if name.startswith("__") and name.endswith("__") and name != "__call__":
        return attribute
    if hasattr(attribute, _SCOPED):  # dataclass(slots=True) makes the class a second time.
        return attribute
    return _scoped(attribute, method_suffix(name))


def _scoped(method: Callable[..., Any], suffix: str) -> Callable[..., Any]:
    @functools.wraps(method)
    def run_in_scope(self: Module, *args: Any, **kwargs: Any) -> Any:
        frame = ambient.frame
        # Outside a transform a method that needs no parameter may run, and one that does says so itself. A function
        # that only lies in the class, such as a dataclass field's default, may be called with anything.
        if frame is None or not isinstance(type(self), ModuleMeta):
            return method(self, *args, **kwargs)
        path = self.module_name
        if path is None:
            path = frame.scope.named_path(f"{type(self).__name__}.{method.__name__}")
        outer = frame.scope
        frame.scope = Scope(path, suffix)
        try:
            return method(self, *args, **kwargs)
        finally:
            frame.scope = outer

    setattr(run_in_scope, _SCOPED, True)
    return run_in_scope
