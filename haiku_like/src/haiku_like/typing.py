"""Types that appear in signatures of `haiku_like`."""

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

import jax

PRNGKey: TypeAlias = jax.Array
"""A random key: a typed key of any implementation, or a raw `uint32` key."""

Params: TypeAlias = Mapping[str, Mapping[str, jax.Array]]
"""Parameters by module path and name, as `init` returns them."""

MutableParams: TypeAlias = MutableMapping[str, MutableMapping[str, jax.Array]]

State: TypeAlias = Mapping[str, Mapping[str, Any]]
"""State by module path and name; a piece of state is any pytree."""

MutableState: TypeAlias = MutableMapping[str, MutableMapping[str, Any]]

Initializer: TypeAlias = Callable[[Sequence[int], Any], jax.Array]
"""A function of shape and dtype that returns an initial value."""


class InstancesAlone(type(Protocol)):
    """The metaclass of protocols for modules: keeps a class, which has the attributes too, from passing for one."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return not isinstance(instance, type) and super().__instancecheck__(instance)


@runtime_checkable
class ModuleProtocol(Protocol, metaclass=InstancesAlone):
    """What every module has, for annotations of code that takes modules without depending on `hk.Module`.

    Example:
      >>> import haiku_like as hk
      >>> hk.transform(lambda: isinstance(hk.Linear(1), hk.ModuleProtocol)).apply({})
      True
    """

    name: str
    module_name: str

    def params_dict(self) -> Mapping[str, jax.Array]:
        """Returns the module's parameters by full name."""
        ...

    def state_dict(self) -> Mapping[str, Any]:
        """Returns the module's state by full name."""
        ...


@runtime_checkable
class SupportsCall(ModuleProtocol, Protocol):
    """What every module has that can be called.

    Example:
      >>> import haiku_like as hk
      >>> hk.transform(lambda: isinstance(hk.Linear(1), hk.SupportsCall)).apply({})
      True
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the module."""
        ...
