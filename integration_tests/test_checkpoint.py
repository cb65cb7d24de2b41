import collections
import re
import types

import haiku as dm_haiku
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import haiku_like as hk
from integration_tests.agents import _checkpoint
from integration_tests.agents._checkpoint import Checkpoints, export_params, import_params, read_haiku

PARAMS = {
    "mlp/~/linear_0": {"w": np.arange(6.0, dtype=np.float32).reshape(2, 3), "b": np.zeros(3, np.float32)},
    "scale": {"gain": np.float16(2.5), "steps": np.array([1, 2], np.int32)},
}


def assert_same(actual, expected):
    assert {m: list(names) for m, names in actual.items()} == {m: list(names) for m, names in expected.items()}
    for module, names in expected.items():
        for name, x in names.items():
            np.testing.assert_array_equal(actual[module][name], x)
            assert actual[module][name].dtype == x.dtype
            assert actual[module][name].shape == x.shape


def ordered(params):
    return {module: dict(sorted(names.items())) for module, names in sorted(params.items())}


def test_parameters_come_back_from_safetensors(tmp_path):
    path = tmp_path / "params.safetensors"
    params = {**PARAMS, "transposed": {"w": np.arange(6.0).reshape(2, 3).T}, "empty": {"w": np.zeros([0, 3])}}
    export_params(params, path)
    assert_same(ordered(import_params(path)), ordered(params))
    assert b"pickle" not in path.read_bytes()


def test_parameters_of_a_device_come_back_and_work(tmp_path):
    network = hk.transform(lambda x: hk.nets.MLP([4, 2])(x))
    x = jnp.ones([1, 3])
    params = network.init(jax.random.key(0), x)
    export_params(params, tmp_path / "params")
    restored = import_params(tmp_path / "params", like=params)
    np.testing.assert_array_equal(network.apply(restored, x), network.apply(params, x))


@pytest.mark.parametrize(
    ("like", "message"),
    [
        ({"mlp/~/linear_0": PARAMS["mlp/~/linear_0"]}, "holds scale/gain as ((), 'float16'), expected nothing."),
        ({**PARAMS, "other": {"w": np.zeros(2)}}, "holds other/w as nothing, expected ((2,), 'float64')."),
        (
            {**PARAMS, "scale": {"gain": np.float16(1), "steps": np.zeros(3, np.int32)}},
            "holds scale/steps as ((2,), 'int32'), expected ((3,), 'int32').",
        ),
    ],
)
def test_parameters_of_another_network_are_refused(tmp_path, like, message):
    export_params(PARAMS, tmp_path / "params")
    with pytest.raises(ValueError, match=re.escape(message)):
        import_params(tmp_path / "params", like=like)


@pytest.mark.parametrize("content", [b"", b"hello", b"\xff" * 100, b"\x08\0\0\0\0\0\0\0notjson!"])
def test_a_file_that_is_no_safetensors_file_is_refused(tmp_path, content):
    path = tmp_path / "bad"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"{path} is no safetensors file"):
        import_params(path)


def test_a_file_that_was_cut_is_refused(tmp_path):
    path = tmp_path / "cut"
    export_params(PARAMS, path)
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(ValueError, match="is no safetensors file"):
        import_params(path)


def test_a_safetensors_file_of_someone_else_is_refused(tmp_path):
    _checkpoint.safetensors.numpy.save_file({"weight": np.zeros(2)}, tmp_path / "other")
    with pytest.raises(ValueError, match="holds 'weight', expected a module's name, a space"):
        import_params(tmp_path / "other")


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="absent"):
        import_params(tmp_path / "absent")


def test_parameters_of_dm_haiku_are_read_and_run_here():
    theirs = dm_haiku.without_apply_rng(dm_haiku.transform(lambda x: dm_haiku.nets.MLP([4, 2])(x)))
    x = jnp.ones([1, 3])
    params = theirs.init(jax.random.PRNGKey(0), x)
    plain = read_haiku(params)
    assert type(plain) is dict
    assert all(type(names) is dict for names in plain.values())
    assert all(type(array) is np.ndarray for names in plain.values() for array in names.values())
    ours = hk.transform(lambda x: hk.nets.MLP([4, 2])(x))
    np.testing.assert_allclose(ours.apply(plain, x), theirs.apply(params, x), rtol=1e-6)


@pytest.mark.parametrize("mapping", [dict, types.MappingProxyType, collections.OrderedDict, collections.UserDict])
def test_mappings_of_any_kind_are_read(mapping):
    params = mapping({module: mapping(names) for module, names in PARAMS.items()})
    assert_same(read_haiku(params), PARAMS)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ([1.0], "parameters are a list, expected a mapping {module: {name: array}}."),
        ({"linear": np.zeros(2)}, "parameters hold 'linear': ndarray, expected a name and a mapping."),
        ({1: {"w": np.zeros(2)}}, "parameters hold 1: dict, expected a name and a mapping."),
        ({"linear": {"w": {"deep": 1.0}}}, "parameters of linear hold 'w': dict, expected an array."),
        ({"linear": {"w": object()}}, "parameters of linear hold 'w': object, expected an array."),
        ({"linear": {"a b": np.zeros(2)}}, "parameters of linear hold 'a b': ndarray, expected an array."),
    ],
)
def test_what_is_no_parameter_dictionary_is_refused(tmp_path, params, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        read_haiku(params)
    with pytest.raises(ValueError, match=re.escape(message)):
        export_params(params, tmp_path / "params")


class State(collections.namedtuple("State", ["key", "params", "count"])):
    """A state as agents have it."""


def state(seed):
    return State(jax.random.split(jax.random.key(seed), 3), {"w": jnp.full([2], float(seed))}, jnp.int32(seed))


def test_a_state_with_keys_comes_back(tmp_path):
    with Checkpoints(tmp_path / "new" / "folder", {"seed": 7}) as checkpoints:
        assert checkpoints.newest() is None
        checkpoints.save(3, state(7))
        checkpoints.save(5, state(8))
    with Checkpoints(tmp_path / "new" / "folder", {"seed": 7}) as checkpoints:
        assert checkpoints.newest() == 5
        restored = checkpoints.restore(3, state(0))
    assert type(restored) is State
    np.testing.assert_array_equal(jax.random.key_data(restored.key), jax.random.key_data(state(7).key))
    np.testing.assert_array_equal(jax.random.bits(restored.key[1]), jax.random.bits(state(7).key[1]))
    assert int(restored.count) == 7
    np.testing.assert_array_equal(restored.params["w"], [7.0, 7.0])


def test_only_the_newest_are_kept(tmp_path):
    with Checkpoints(tmp_path, {}, keep=2) as checkpoints:
        for step in (1, 2, 3):
            checkpoints.save(step, {"w": jnp.ones(1)})
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["2", "3"]


def test_a_checkpoint_of_other_settings_is_refused(tmp_path):
    with Checkpoints(tmp_path, {"size": 2}) as checkpoints:
        checkpoints.save(1, {"w": jnp.ones(2)})
    with (
        Checkpoints(tmp_path, {"size": 3}) as checkpoints,
        pytest.raises(ValueError, match=r"was made with size 2, expected 3\. Use the same settings, or another folder"),
    ):
        checkpoints.restore(1, {"w": jnp.ones(2)})


@pytest.mark.parametrize("damage", ["absent", "emptied"])
def test_a_checkpoint_that_cannot_be_read_is_told(tmp_path, damage):
    with Checkpoints(tmp_path, {}) as checkpoints:
        checkpoints.save(1, {"w": jnp.ones(2)})
    if damage == "emptied":
        for path in (tmp_path / "1" / "state").rglob("*"):
            if path.is_file():
                path.write_bytes(b"")
    with (
        Checkpoints(tmp_path, {}) as checkpoints,
        pytest.raises(ValueError, match=r"checkpoint \d in .* cannot be read"),
    ):
        checkpoints.restore(2 if damage == "absent" else 1, {"w": jnp.ones(2)})
