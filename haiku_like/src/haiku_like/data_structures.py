"""Functions on parameters and state: nested mappings `{module path: {name: value}}`."""

import copy
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any

import jax
import numpy as np

from haiku_like import _checks

__all__ = [
    "FlatMapping",
    "filter",
    "is_subset",
    "map",
    "merge",
    "partition",
    "partition_n",
    "to_haiku_dict",
    "to_immutable_dict",
    "to_mutable_dict",
    "traverse",
    "tree_bytes",
    "tree_size",
]

Structure = Mapping[str, Mapping[str, Any]]


def traverse(structure: Structure) -> Generator[tuple[str, str, Any], None, None]:
    """Yields `(module path, name, value)` of all entries, sorted by path and name.

    Args:
      structure: Parameters or state.

    Raises:
      TypeError: `structure` is no mapping of mappings.

    Example:
      >>> import haiku_like as hk
      >>> list(hk.data_structures.traverse({"b": {"w": 1}, "a": {"w": 2, "b": 3}}))
      [('a', 'b', 3), ('a', 'w', 2), ('b', 'w', 1)]
    """
    _check("traverse", structure)
    return _entries(structure)


def _entries(structure: Structure) -> Generator[tuple[str, str, Any], None, None]:
    for path in sorted(structure):
        for name in sorted(structure[path]):
            yield path, name, structure[path][name]


def filter(predicate: Callable[[str, str, Any], bool], structure: Structure) -> dict[str, dict[str, Any]]:
    """Returns the entries for which `predicate(module path, name, value)` is true.

    Args:
      predicate: Says which entries to keep.
      structure: Parameters or state.

    Raises:
      TypeError: an argument is of a wrong type.

    Example:
      >>> import haiku_like as hk
      >>> hk.data_structures.filter(lambda module, name, value: name == "w", {"linear": {"w": 1, "b": 2}})
      {'linear': {'w': 1}}
    """
    _checks.function("filter", "predicate", predicate, "lambda module, name, value: name == 'w'")
    _check("filter", structure)
    return _collect(entry for entry in _entries(structure) if predicate(*entry))


def map(fn: Callable[[str, str, Any], Any], structure: Structure) -> dict[str, dict[str, Any]]:
    """Returns the structure with `fn(module path, name, value)` for each value.

    Args:
      fn: Makes the new value.
      structure: Parameters or state.

    Raises:
      TypeError: an argument is of a wrong type.

    Example:
      >>> import haiku_like as hk
      >>> hk.data_structures.map(lambda module, name, value: -value, {"linear": {"w": 1}})
      {'linear': {'w': -1}}
    """
    _checks.function("map", "fn", fn, "lambda module, name, value: -value")
    _check("map", structure)
    return _collect((path, name, fn(path, name, value)) for path, name, value in _entries(structure))


def partition(
    predicate: Callable[[str, str, Any], bool], structure: Structure
) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]]:
    """Returns the entries for which `predicate(module path, name, value)` is true, and the others.

    Args:
      predicate: Says which entries go first.
      structure: Parameters or state.

    Raises:
      TypeError: an argument is of a wrong type.

    Example:
      >>> import haiku_like as hk
      >>> params = {"encoder": {"w": 1}, "head": {"w": 2}}
      >>> hk.data_structures.partition(lambda module, name, value: module == "head", params)
      ({'head': {'w': 2}}, {'encoder': {'w': 1}})
    """
    _checks.function("partition", "predicate", predicate, "lambda module, name, value: name == 'w'")
    _check("partition", structure)
    first, second = _parts("partition", lambda *entry: 0 if predicate(*entry) else 1, structure, 2)
    return first, second


def partition_n(
    fn: Callable[[str, str, Any], int], structure: Structure, n: int
) -> tuple[dict[str, dict[str, Any]], ...]:
    """Returns `n` structures; `fn(module path, name, value)` says in which an entry goes.

    Args:
      fn: Returns the index of the part, from 0 to `n - 1`.
      structure: Parameters or state.
      n: The number of parts.

    Raises:
      TypeError: an argument is of a wrong type.
      ValueError: `fn` returned an index out of range.

    Example:
      >>> import haiku_like as hk
      >>> params = {"a": {"w": 1}, "b": {"w": 2}}
      >>> hk.data_structures.partition_n(lambda module, name, value: value, params, 3)
      ({}, {'a': {'w': 1}}, {'b': {'w': 2}})
    """
    _checks.function("partition_n", "fn", fn, "lambda module, name, value: 0")
    _check("partition_n", structure)
    return _parts("partition_n", fn, structure, _checks.size("partition_n", "n", n))


def _parts(
    function: str, fn: Callable[[str, str, Any], int], structure: Structure, n: int
) -> tuple[dict[str, dict[str, Any]], ...]:
    parts: list[list[tuple[str, str, Any]]] = [[] for _ in range(n)]
    for entry in _entries(structure):
        index = fn(*entry)
        if not isinstance(index, (int, np.integer)) or not 0 <= index < n:
            raise ValueError(f"{function}: fn returned {index!r} for {entry[0]}/{entry[1]}, expected 0 to {n - 1}.")
        parts[index].append(entry)
    return tuple(_collect(part) for part in parts)


def merge(*structures: Structure, check_duplicates: bool = False) -> dict[str, dict[str, Any]]:
    """Returns one structure with the entries of all; of an entry in several, the last counts.

    Args:
      *structures: Parameters or state.
      check_duplicates: Whether an entry in several whose arrays differ in shape or dtype is an error.

    Raises:
      TypeError: a structure is no mapping of mappings.
      ValueError: `check_duplicates`, and an entry differs in shape or dtype.

    Example:
      >>> import haiku_like as hk
      >>> hk.data_structures.merge({"a": {"w": 1}}, {"a": {"b": 2}, "c": {"w": 3}})
      {'a': {'w': 1, 'b': 2}, 'c': {'w': 3}}
    """
    merged: dict[str, dict[str, Any]] = {}
    for structure in structures:
        _check("merge", structure)
        for path, name, value in _entries(structure):
            bundle = merged.setdefault(path, {})
            if check_duplicates and name in bundle and _described(bundle[name]) != _described(value):
                raise ValueError(
                    f"merge: {path}/{name} is {_described(bundle[name])} in one structure and {_described(value)} in "
                    f"another, expected the same. Drop it from one of them."
                )
            bundle[name] = value
    return merged


def is_subset(*, subset: Structure, superset: Structure) -> bool:
    """Returns whether every entry of `subset` has an entry of the same path and name in `superset`.

    Args:
      subset: Parameters or state.
      superset: Parameters or state.

    Raises:
      TypeError: one is no mapping of mappings.

    Example:
      >>> import haiku_like as hk
      >>> hk.data_structures.is_subset(subset={"a": {"w": 1}}, superset={"a": {"w": 2, "b": 3}})
      True
    """
    _check("is_subset", subset)
    _check("is_subset", superset)
    return all(name in superset.get(path, ()) for path, name, _ in _entries(subset))


def tree_size(tree: Any) -> int:
    """Returns the number of elements of all arrays of a tree.

    Args:
      tree: Any pytree of arrays, `jax.ShapeDtypeStruct`s or numbers.

    Example:
      >>> import haiku_like as hk, jax.numpy as jnp
      >>> hk.data_structures.tree_size({"linear": {"w": jnp.ones([3, 4]), "b": jnp.ones([4])}})
      16
    """
    return sum(int(np.prod(np.shape(x))) for x in jax.tree.leaves(tree))


def tree_bytes(tree: Any) -> int:
    """Returns the size in bytes of all arrays of a tree.

    Args:
      tree: Any pytree of arrays, `jax.ShapeDtypeStruct`s or numbers.

    Example:
      >>> import haiku_like as hk, jax.numpy as jnp
      >>> hk.data_structures.tree_bytes({"linear": {"w": jnp.ones([3, 4]), "b": jnp.ones([4], jnp.bfloat16)}})
      56
    """

    def size(x: Any) -> int:
        dtype = getattr(x, "dtype", None)
        itemsize = jax.numpy.result_type(x).itemsize if dtype is None else dtype.itemsize
        return int(np.prod(np.shape(x))) * itemsize

    return sum(size(x) for x in jax.tree.leaves(tree))


def to_mutable_dict(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """Returns nested dictionaries with the same entries, which may be changed without changing the original.

    Args:
      mapping: Any nesting of mappings.

    Raises:
      TypeError: `mapping` is no mapping.

    Example:
      >>> import haiku_like as hk
      >>> frozen = hk.data_structures.to_immutable_dict({"a": {"w": 1}})
      >>> hk.data_structures.to_mutable_dict(frozen)
      {'a': {'w': 1}}
    """
    _check_mapping("to_mutable_dict", mapping)
    return {key: to_mutable_dict(value) if isinstance(value, Mapping) else value for key, value in mapping.items()}


def to_immutable_dict(mapping: Mapping[str, Any]) -> "FlatMapping":
    """Returns nested mappings with the same entries, which can't be changed; they are pytrees.

    Args:
      mapping: Any nesting of mappings.

    Raises:
      TypeError: `mapping` is no mapping.

    Example:
      >>> import haiku_like as hk, jax
      >>> frozen = hk.data_structures.to_immutable_dict({"a": {"w": 1}})
      >>> frozen
      FlatMapping({'a': FlatMapping({'w': 1})})
      >>> jax.tree.map(lambda x: x + 1, frozen)["a"]["w"]
      2
    """
    _check_mapping("to_immutable_dict", mapping)
    return FlatMapping(mapping)


def to_haiku_dict(structure: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the structure as `init` would give it: nested dictionaries.

    Args:
      structure: Any nesting of mappings.

    Raises:
      TypeError: `structure` is no mapping.

    Example:
      >>> import haiku_like as hk
      >>> hk.data_structures.to_haiku_dict({"a": {"w": 1}})
      {'a': {'w': 1}}
    """
    _check_mapping("to_haiku_dict", structure)
    return to_mutable_dict(structure)


@jax.tree_util.register_pytree_with_keys_class
class FlatMapping(Mapping[str, Any]):
    """A mapping that can't be changed, as dm-haiku's checkpoints of old hold it; a pytree like a dictionary.

    Args:
      mapping: The entries; mappings among the values become immutable too.

    Example:
      >>> import haiku_like as hk
      >>> hk.data_structures.FlatMapping({"w": 1})["w"]
      1
    """

    def __init__(self, mapping: Mapping[str, Any]):
        self._entries = {k: FlatMapping(v) if isinstance(v, Mapping) else v for k, v in mapping.items()}

    def __getitem__(self, key: str) -> Any:
        return self._entries[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __hash__(self) -> int:
        return hash(frozenset(self._entries.items()))

    def __repr__(self) -> str:
        return f"FlatMapping({self._entries!r})"

    def __reduce__(self) -> Any:
        return FlatMapping, (to_mutable_dict(self),)

    def __deepcopy__(self, memo: dict[int, Any]) -> "FlatMapping":
        return FlatMapping(copy.deepcopy(self._entries, memo))

    def tree_flatten_with_keys(self) -> tuple[list[tuple[Any, Any]], tuple[str, ...]]:
        """Returns the entries and their keys, for JAX."""
        keys = tuple(sorted(self._entries))
        return [(jax.tree_util.DictKey(key), self._entries[key]) for key in keys], keys

    @classmethod
    def tree_unflatten(cls, keys: tuple[str, ...], values: Any) -> "FlatMapping":
        """Returns the mapping that JAX took apart."""
        mapping = cls.__new__(cls)
        mapping._entries = dict(zip(keys, values, strict=True))
        return mapping


def _collect(entries: Any) -> dict[str, dict[str, Any]]:
    structure: dict[str, dict[str, Any]] = {}
    for path, name, value in entries:
        structure.setdefault(path, {})[name] = value
    return structure


def _described(value: Any) -> str:
    return ", ".join(f"{jax.numpy.result_type(x)}{list(np.shape(x))}" for x in jax.tree.leaves(value))


def _check(function: str, structure: Any) -> None:
    if not isinstance(structure, Mapping) or not all(isinstance(bundle, Mapping) for bundle in structure.values()):
        raise TypeError(
            f"{function}: structure is of type {type(structure).__name__}, expected parameters or state "
            f"{{module path: {{name: value}}}}."
        )


def _check_mapping(function: str, mapping: Any) -> None:
    if not isinstance(mapping, Mapping):
        raise TypeError(f"{function}: mapping is of type {type(mapping).__name__}, expected a mapping such as a dict.")
