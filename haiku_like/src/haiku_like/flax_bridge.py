"""Modules of flax.linen inside a transformed function, and transformed functions as modules of flax.linen.

Reached as `haiku_like.experimental.flax`. Flax is imported when that is first used; `pip install "haiku-like[flax]"`
installs it.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

try:
    from flax import linen
except ImportError as error:
    raise ImportError(
        "haiku_like.experimental.flax: flax could not be imported, expected it to be installed. Install it: pip "
        'install "haiku-like[flax]".'
    ) from error

from haiku_like._core.lift import transparent_lift_with_state
from haiku_like._core.module import Module as _HaikuModule
from haiku_like._core.naming import TOP_LEVEL
from haiku_like._core.rng import maybe_next_rng_key
from haiku_like._transformed import with_state_and_key

__all__ = ["Module", "flatten_flax_to_haiku", "lift"]


class Module(linen.Module):
    """A transformed function as a module of flax.linen.

    Parameters are in the collection `params` and state in `state`, under the paths that the function gives them: what
    stands at `mlp/~/linear_0` is nested as `mlp`, `~`, `linear_0`. `init` takes its key from the stream `params`,
    `apply` takes one from the stream `apply` if there is one. Where the function changes state, `apply` needs
    `mutable=["state"]`. Calls share their variables; those of the last call in `init` are kept.

    Args:
      transformed: What `hk.transform` or `hk.transform_with_state` returned, or a function that uses modules.
      parent: As for every module of flax.linen.
      name: Likewise.

    Raises:
      TypeError: (when it is called) `transformed` is neither.
      ValueError: (by `init`) a parameter has the name of a submodule, which flax can't tell apart.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> mlp = hk.experimental.flax.Module(hk.transform(lambda x: hk.nets.MLP([4, 2])(x)))
      >>> variables = mlp.init(jax.random.key(0), jnp.ones([8, 3]))
      >>> jax.tree.map(jnp.shape, variables["params"]["mlp"]["~"]["linear_0"])
      {'b': (4,), 'w': (3, 4)}
      >>> mlp.apply(variables, jnp.ones([8, 3])).shape
      (8, 2)
    """

    transformed: Any

    @linen.compact
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Runs the function on the module's variables; `init` creates them first.

        Args:
          *args: The arguments of the function.
          **kwargs: Likewise.
        """
        pure = with_state_and_key("flax.Module", "transformed", self.transformed)
        if self.is_initializing():
            # At each call anew, as in dm-haiku, so that the same key gives the same values.
            params, state = pure.init(self.make_rng("params"), *args, **kwargs)
            self._store("params", params)
            self._store("state", state)
        else:
            params, state = (flatten_flax_to_haiku(self.variables.get(kind, {})) for kind in ("params", "state"))
        rng = self.make_rng("apply") if self.has_rng("apply") else None
        out, new_state = pure.apply(params, state, rng, *args, **kwargs)
        # What init returns is the state as it is before the first call.
        if not self.is_initializing() and _differ(state, new_state):
            self._store("state", new_state)
        return out

    def _store(self, collection: str, bundles: Mapping[str, Mapping[str, Any]]) -> None:
        for name, value in _nested(bundles).items():
            self.put_variable(collection, name, value)


def lift(mod: linen.Module, *, name: str) -> Callable[..., Any]:
    """Lets a transformed function keep the variables of a module of flax.linen, and call it.

    Parameters are kept at `<name>/<path in flax>`, such as `net/Dense_0` for `kernel` and `bias` of that submodule, and
    at `<name>/~` those of the module itself. Other collections are state, at `<name>/<collection>/<path in flax>`.

    Args:
      mod: The module.
      name: The module's name in the transformed function; numbered where it is taken.

    Returns:
      A function that calls the module with its arguments, which may include `method=`, the name of another method
      than `__call__`, and `rngs=`, keys by the names of flax's streams: `rngs={"dropout": hk.next_rng_key()}`. The
      stream `params` is there in `init`. Calls share their variables; those of the last call in `init` are kept.

    Raises:
      TypeError: `mod` is no module of flax.linen.
      UsageError: called outside `hk.transform`.
      ValueError: `name` is no identifier.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> from flax import linen
      >>> def forward(x):
      ...     x = hk.experimental.flax.lift(linen.Dense(4), name="dense")(x)
      ...     return hk.Linear(2)(x)
      >>> model = hk.transform(forward)
      >>> params = model.init(jax.random.key(0), jnp.ones([8, 3]))
      >>> jax.tree.map(jnp.shape, params)
      {'dense/~': {'bias': (4,), 'kernel': (3, 4)}, 'linear': {'b': (2,), 'w': (4, 2)}}
      >>> model.apply(params, jnp.ones([8, 3])).shape
      (8, 2)
    """
    if not isinstance(mod, linen.Module):
        raise TypeError(
            f"flax.lift: mod is {mod!r} of type {type(mod).__name__}, expected a module of flax.linen, such as "
            f"linen.Dense(3)."
        )
    return _Lifted(mod, name)


class _Lifted(_HaikuModule):
    """A module of flax.linen whose variables belong to the transformed function that is running."""

    def __init__(self, mod: linen.Module, name: str):
        super().__init__(name=name)
        self._mod = mod

    def __call__(
        self,
        *args: Any,
        rngs: dict[str, Any] | None = None,
        method: Callable[..., Any] | str | None = None,
        **kwargs: Any,
    ) -> Any:
        def init() -> tuple[Any, Any]:
            key = maybe_next_rng_key()
            keys = {**({} if key is None else {"params": key}), **(rngs or {})}
            variables = dict(self._mod.init(keys, *args, method=method, **kwargs))
            params = flatten_flax_to_haiku(variables.pop("params", {}))
            return params, _joined(variables)

        # In init at each call anew, as in dm-haiku, so that the same key gives the same values.
        lifted, updater = transparent_lift_with_state(init, allow_reuse=True)
        params, state = lifted()
        collections = self._collections(state)
        variables = {"params": self._nested(params), **collections}
        out, collections = self._mod.apply(
            variables, *args, rngs=rngs, method=method, mutable=list(collections), **kwargs
        )
        updater.update(_joined(collections))
        return out

    def _collections(self, state: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
        by_name: dict[str, dict[str, Mapping[str, Any]]] = {}
        for path, bundle in state.items():
            collection, _, inner = path.partition("/")
            by_name.setdefault(collection, {})[inner] = bundle
        return {collection: self._nested(bundles) for collection, bundles in by_name.items()}

    def _nested(self, bundles: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """Returns what flax keeps as a tree, in which `~` stands for the root, but for a function from here."""
        nested = _nested(bundles)
        return nested if isinstance(self._mod, Module) else {**nested.pop(TOP_LEVEL, {}), **nested}


def flatten_flax_to_haiku(collection: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Returns a collection of flax, which is nested, in the layout of parameters and state here.

    Args:
      collection: Dictionaries in dictionaries, such as `variables["params"]`.

    Returns:
      `{path: {name: value}}`, where the path joins the keys with slashes; what stands at the root is at `~`.

    Raises:
      TypeError: `collection` is no mapping, or a key is no string.

    Example:
      >>> import haiku_like as hk
      >>> hk.experimental.flax.flatten_flax_to_haiku({"mlp": {"~": {"linear_0": {"b": 1}}, "scale": 2}, "bias": 3})
      {'mlp/~/linear_0': {'b': 1}, 'mlp': {'scale': 2}, '~': {'bias': 3}}
    """
    if not isinstance(collection, Mapping):
        raise TypeError(
            f"flatten_flax_to_haiku: collection is of type {type(collection).__name__}, expected a dictionary, such as "
            f'variables["params"].'
        )
    flat: dict[str, dict[str, Any]] = {}
    for path, name, value in _leaves(collection, ()):
        flat.setdefault("/".join(path) or TOP_LEVEL, {})[name] = value
    return flat


def _leaves(tree: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str, Any]]:
    for key, value in tree.items():
        if not isinstance(key, str):
            raise TypeError(f"flatten_flax_to_haiku: collection has the key {key!r}, expected strings alone.")
        if isinstance(value, Mapping):
            yield from _leaves(value, (*path, key))
        else:
            yield path, key, value


def _joined(collections: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Returns the variables of several collections, each under its name."""
    return {
        f"{collection}/{path}": bundle
        for collection, variables in collections.items()
        for path, bundle in flatten_flax_to_haiku(variables).items()
    }


def _nested(bundles: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Returns variables as a tree, by the parts of their paths."""
    tree: dict[str, Any] = {}
    for path, bundle in bundles.items():
        node: Any = tree
        for part in path.split("/"):
            node = node.setdefault(part, {})
            if not isinstance(node, dict):
                break
        if not isinstance(node, dict) or any(isinstance(node.get(name), dict) for name in bundle):
            raise ValueError(
                f"flax.Module: at {path!r} a parameter or a piece of state has the name of a submodule, expected "
                f"another one: flax keeps both in one dictionary. Rename the module."
            )
        node.update(bundle)
    return tree


def _differ(old: Mapping[str, Mapping[str, Any]], new: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether any value was set anew."""
    return any(
        name not in old.get(path, {}) or old[path][name] is not value
        for path, bundle in new.items()
        for name, value in bundle.items()
    )
