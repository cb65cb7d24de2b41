import copy
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import haiku_like as hk

ds = hk.data_structures

PARAMS = {"b": {"w": 1, "a": 2}, "a": {"w": 3}, "empty": {}}
STRUCTURES = st.dictionaries(st.sampled_from("abc"), st.dictionaries(st.sampled_from("wxy"), st.integers(0, 9)))


def test_traverse_is_sorted():
    assert list(ds.traverse(PARAMS)) == [("a", "w", 3), ("b", "a", 2), ("b", "w", 1)]
    assert list(ds.traverse(ds.to_immutable_dict(PARAMS))) == list(ds.traverse(PARAMS))
    assert list(ds.traverse({})) == []


def test_filter_and_map():
    assert ds.filter(lambda module, name, value: name == "w" and value < 3, PARAMS) == {"b": {"w": 1}}
    assert ds.map(lambda module, name, value: f"{module}/{name}={value}", PARAMS) == {
        "a": {"w": "a/w=3"},
        "b": {"a": "b/a=2", "w": "b/w=1"},
    }
    assert PARAMS == {"b": {"w": 1, "a": 2}, "a": {"w": 3}, "empty": {}}


def test_partition():
    assert ds.partition(lambda module, name, value: value > 1, PARAMS) == (
        {"a": {"w": 3}, "b": {"a": 2}},
        {"b": {"w": 1}},
    )
    assert ds.partition_n(lambda module, name, value: np.int64(value - 1), PARAMS, 4) == (
        {"b": {"w": 1}},
        {"b": {"a": 2}},
        {"a": {"w": 3}},
        {},
    )
    assert ds.partition_n(lambda *entry: 0, {}, 0) == ()


@given(STRUCTURES, st.integers(1, 4))
def test_the_parts_merge_to_the_whole(structure, n):
    parts = ds.partition_n(lambda module, name, value: value % n, structure, n)
    merged = ds.merge(*parts)
    assert list(ds.traverse(merged)) == list(ds.traverse(structure))
    for part in parts:
        assert ds.is_subset(subset=part, superset=structure)


@given(STRUCTURES, STRUCTURES)
def test_the_last_structure_of_a_merge_counts(first, last):
    expected = {(m, n): v for m, n, v in (*ds.traverse(first), *ds.traverse(last))}
    assert {(m, n): v for m, n, v in ds.traverse(ds.merge(first, last))} == expected
    assert ds.is_subset(subset=first, superset=last) == ({(m, n) for m, n, _ in ds.traverse(first)} <= {
        (m, n) for m, n, _ in ds.traverse(last)
    })  # fmt: skip


def test_merge_can_check_for_other_shapes_and_dtypes():
    first, same = {"a": {"w": jnp.zeros([2, 3], jnp.float32)}}, {"a": {"w": np.ones([2, 3], np.float32)}}
    assert ds.merge(first, same, check_duplicates=True) == same
    for other, described in ((np.zeros(2, np.float32), r"float32\[2\]"), (np.zeros([2, 3], int), r"int\d\d\[2, 3\]")):
        with pytest.raises(ValueError, match=rf"merge: a/w is float32\[2, 3\] in one structure and {described} in ano"):
            ds.merge(first, {"a": {"w": other}}, check_duplicates=True)
        assert ds.merge(first, {"a": {"w": other}})["a"]["w"] is other
    assert ds.merge() == {}


def test_sizes():
    tree = {
        "f32": jnp.zeros([2, 3], jnp.float32),
        "bf16": np.zeros(5, jnp.bfloat16),
        "shape": [jax.ShapeDtypeStruct((7,), jnp.int8)],
        "scalar": jnp.zeros([], jnp.int16),
        "none": None,
    }
    assert ds.tree_size(tree) == 6 + 5 + 7 + 1
    assert ds.tree_bytes(tree) == 24 + 10 + 7 + 2
    assert (ds.tree_size(3.0), ds.tree_bytes(True), ds.tree_size({}), ds.tree_bytes(np.zeros([0, 4]))) == (1, 1, 0, 0)
    assert isinstance(ds.tree_size(tree), int)


def test_mutable_immutable_and_back():
    nested = {"a": {"w": {"deep": [1]}}, "b": {}}
    frozen = ds.to_immutable_dict(nested)
    thawed = ds.to_mutable_dict(frozen)
    assert thawed == nested
    assert type(thawed["a"]["w"]) is dict
    assert type(frozen["a"]["w"]) is ds.FlatMapping
    thawed["a"]["w"]["new"] = 1
    nested["a"]["w"]["new"] = 2
    assert list(frozen["a"]["w"]) == ["deep"]
    with pytest.raises(TypeError, match="does not support item assignment"):
        frozen["c"] = 1
    with pytest.raises(TypeError, match="does not support item deletion"):
        del frozen["a"]


def test_to_haiku_dict_gives_dictionaries_as_init_does():
    thawed = ds.to_haiku_dict(ds.to_immutable_dict(PARAMS))
    assert thawed == PARAMS
    assert type(thawed) is type(thawed["b"]) is dict


def test_a_flat_mapping_is_a_mapping():
    flat = ds.FlatMapping(PARAMS)
    assert flat == PARAMS == flat
    assert flat != {"b": {}}
    assert (list(flat), len(flat), "b" in flat, flat.get("z")) == (["b", "a", "empty"], 3, True, None)
    assert list(flat.items())[1] == ("a", {"w": 3})
    assert repr(ds.FlatMapping({"a": {"w": 1}})) == "FlatMapping({'a': FlatMapping({'w': 1})})"
    assert hash(flat) == hash(ds.FlatMapping({"empty": {}, "a": {"w": 3}, "b": {"a": 2, "w": 1}}))
    with pytest.raises(TypeError, match="unhashable"):
        hash(ds.FlatMapping({"a": [1]}))


def test_a_flat_mapping_is_a_pytree():
    flat = ds.FlatMapping(PARAMS)
    assert jax.tree.leaves(flat) == jax.tree.leaves(PARAMS) == [3, 2, 1]
    doubled = jax.tree.map(lambda x: 2 * x, flat)
    assert type(doubled) is type(doubled["b"]) is ds.FlatMapping
    assert doubled == {"a": {"w": 6}, "b": {"a": 4, "w": 2}, "empty": {}}
    paths = [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_flatten_with_path(flat)[0]]
    assert paths == ["['a']['w']", "['b']['a']", "['b']['w']"]
    other_order = ds.FlatMapping({"empty": {}, "a": {"w": 0}, "b": {"a": 0, "w": 0}})
    assert jax.tree.structure(flat) == jax.tree.structure(other_order)
    assert int(jax.jit(lambda flat: flat["b"]["w"] + flat["a"]["w"])(flat)) == 4
    assert jax.grad(lambda flat: flat["a"] ** 2)(ds.FlatMapping({"a": 3.0}))["a"] == 6.0


def test_a_flat_mapping_can_be_copied_and_pickled():
    flat = ds.FlatMapping({"a": {"w": np.arange(3)}})
    for same in (copy.copy(flat), copy.deepcopy(flat), *(pickle.loads(pickle.dumps(flat, p)) for p in (2, 5))):
        assert type(same) is type(same["a"]) is ds.FlatMapping
        np.testing.assert_array_equal(same["a"]["w"], [0, 1, 2])
    assert copy.deepcopy(flat)["a"]["w"] is not flat["a"]["w"]
    assert copy.copy(flat)["a"]["w"] is flat["a"]["w"]


def test_apply_takes_flat_mappings():
    model = hk.transform_with_state(lambda: (hk.get_parameter("w", [], init=jnp.ones), hk.get_state("s")))
    flat = ds.FlatMapping({"~": {"w": jnp.zeros([]), "s": 2}})
    (w, s), state = model.apply(flat, flat, None)
    assert (float(w), s, type(state)) == (0.0, 2, dict)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: ds.traverse(x), "traverse: structure is of type {}, expected parameters or state"),
        (lambda x: ds.filter(lambda *entry: True, x), "filter: structure is of type {}"),
        (lambda x: ds.map(lambda *entry: 0, x), "map: structure is of type {}"),
        (lambda x: ds.partition(lambda *entry: 0, x), "partition: structure is of type {}"),
        (lambda x: ds.partition_n(lambda *entry: 0, x, 1), "partition_n: structure is of type {}"),
        (lambda x: ds.merge(x), "merge: structure is of type {}"),
        (lambda x: ds.is_subset(subset=x, superset={}), "is_subset: structure is of type {}"),
        (lambda x: ds.is_subset(subset={}, superset=x), "is_subset: structure is of type {}"),
    ],
)
def test_what_is_no_structure_is_refused(call, message):
    for wrong in (3, [1], {"a": 3}):
        with pytest.raises(TypeError, match=message.format(type(wrong).__name__)):
            call(wrong)


@pytest.mark.parametrize("convert", [ds.to_mutable_dict, ds.to_immutable_dict, ds.to_haiku_dict])
def test_what_is_no_mapping_is_refused(convert):
    with pytest.raises(TypeError, match=f"{convert.__name__}: mapping is of type list, expected a mapping such as a d"):
        convert([1])


def test_other_wrong_arguments_are_refused():
    for call in (ds.filter, ds.map, ds.partition, lambda f, x: ds.partition_n(f, x, 1)):
        with pytest.raises(TypeError, match=r": (predicate|fn) is 3 of type int, expected a function, such as lambda"):
            call(3, {})
    for index in (2, -1, None, "0", 0.0):
        with pytest.raises(ValueError, match=rf"partition_n: fn returned {index!r} for a/w, expected 0 to 1"):
            ds.partition_n(lambda *entry, index=index: index, {"a": {"w": 1}}, 2)
    with pytest.raises(ValueError, match="partition_n: n is -1, expected 0 or more"):
        ds.partition_n(lambda *entry: 0, {}, -1)
