"""A module that is built when it is first used."""

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from haiku_like import _checks
from haiku_like._core.frame import current_frame

T = TypeVar("T")

_NOT_BUILT = object()


class Deferred(Generic[T]):
    """Stands for a module that it builds when it is first used, where the `Deferred` itself was made.

    So a module can be chosen in `__init__` and get its sizes later. The target has the path that it would have had
    if it had been built on the spot, except that siblings with the same name that are built before its first use are
    numbered before it.

    A use is a call, the `target` property, or reading, setting or deleting an attribute, all of which then act on
    the target. Names that start with an underscore are no use: they raise until the target is there.

    Args:
      factory: A function without arguments that builds the target; it is called once.
      call_methods: Names of methods that may be taken from the `Deferred` without building the target: it is built
        when they are called. A call of the `Deferred` itself needs no mention.

    Raises:
      TypeError: `factory` is not callable, or `call_methods` no sequence of strings.
      UsageError: made outside `hk.transform`.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> class Encoder(hk.Module):
      ...     def __init__(self, name=None):
      ...         super().__init__(name=name)
      ...         self.head = hk.Deferred(lambda: hk.Linear(self.size))
      ...     def __call__(self, x):
      ...         self.size = x.shape[-1] // 2
      ...         return self.head(x)
      >>> forward = hk.transform(lambda x: Encoder()(x))
      >>> params = forward.init(jax.random.key(0), jnp.ones([1, 6]))
      >>> jax.tree.map(jnp.shape, params)
      {'encoder/~/linear': {'b': (3,), 'w': (6, 3)}}
    """

    # Attributes are set past __setattr__, which is the target's.
    _factory: Callable[[], T]
    _call_methods: tuple[str, ...]
    _target: Any = _NOT_BUILT

    def __init__(self, factory: Callable[[], T], call_methods: Sequence[str] = ("__call__",)):
        _checks.function("Deferred", "factory", factory, "lambda: hk.Linear(3)")
        if isinstance(call_methods, str) or not all(
            isinstance(name, str)
            for name in _checks.sequence("Deferred", "call_methods", call_methods, '("__call__", "encode")')
        ):
            raise TypeError(
                f"Deferred: call_methods is {call_methods!r}, expected a sequence of strings, such as "
                f'("__call__", "encode").'
            )
        vars(self).update(_factory=factory, _call_methods=tuple(call_methods), _scope=current_frame("Deferred").scope)

    @property
    def target(self) -> T:
        """The module or whatever else `factory` returns, built now if need be."""
        return self._built()

    def _built(self) -> Any:
        if self._target is _NOT_BUILT:
            frame = current_frame("Deferred")
            outer = frame.scope
            frame.scope = self._scope.lasting(outer)
            try:
                vars(self)["_target"] = self._factory()
            finally:
                frame.scope = outer
        return self._target

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the target."""
        target = self._built()
        if not callable(target):
            raise TypeError(
                f"Deferred: factory returned {target!r} of type {type(target).__name__}, which cannot be called, "
                f"expected a module with a __call__ method."
            )
        return target(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        # For names that Deferred lacks, and for `target` too where building raises an AttributeError.
        if self._target is _NOT_BUILT:
            if name.startswith("_"):
                raise AttributeError(
                    f"Deferred: attribute {name!r} is read before the target is built, expected a public name. Use "
                    f"deferred.target.{name}."
                )
            if name in self._call_methods:
                return lambda *args, **kwargs: getattr(self._built(), name)(*args, **kwargs)
        return getattr(self._built(), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._built(), name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._built(), name)

    def __repr__(self) -> str:
        return f"Deferred({'not built yet' if self._target is _NOT_BUILT else repr(self._target)})"
