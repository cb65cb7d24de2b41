"""What is learned from examples, on eight virtual devices as on one."""

import dataclasses
import functools
import logging
import re

import jax
import numpy as np
import pytest
from jax.sharding import PartitionSpec

from integration_tests.agents import resnet, transformer

pytestmark = pytest.mark.thorough

TRANSFORMER = transformer.Config(
    steps=4, eval_every=2, batch_size=8, heads=4, model_size=16, vocabulary=8, length=4, seed=3
)
RESNET = resnet.Config(steps=4, eval_every=2, batch_size=32, channels=4, seed=3)
SHORT = {"transformer": (transformer, TRANSFORMER), "resnet": (resnet, RESNET)}
SPREAD = {
    "transformer": dataclasses.replace(TRANSFORMER, data=2, model=4),
    "resnet": dataclasses.replace(RESNET, replicas=8),
}


@pytest.fixture(scope="module", autouse=True)
def compiled_once():
    """Programs of the same settings but the seed are made and compiled once."""
    with pytest.MonkeyPatch.context() as patch:
        for module, _ in SHORT.values():
            make_once = functools.cache(module.make_program)

            def make_program(config, make_once=make_once):
                return make_once(dataclasses.replace(config, seed=0, resume=False))

            patch.setattr(module, "make_program", make_program)
        yield


# The ResNet's programs take half a minute to compile.
@pytest.fixture(
    scope="module",
    params=[
        pytest.param("transformer", marks=pytest.mark.xdist_group("transformer")),
        pytest.param("resnet", marks=[pytest.mark.xdist_group("resnet"), pytest.mark.learn]),
    ],
)
def runs(request):
    """The module, the settings for eight devices, and what training gives on one and on eight."""
    module, config = SHORT[request.param]
    return module, SPREAD[request.param], module.train(config), module.train(SPREAD[request.param])


def test_eight_devices_learn_what_one_does(runs):
    _, _, alone, spread = runs
    assert jax.tree.map(np.shape, alone.params) == jax.tree.map(np.shape, spread.params)
    a, b = jax.device_get((alone.params, spread.params))
    for params in (a, b):
        # Its gradient is 0 but for rounding, which Adam makes a step of: a softmax does not see what all keys add.
        params.get("layers/attention/key", {}).pop("b", None)
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-3, atol=1e-4), a, b)
    np.testing.assert_allclose(alone.train_returns, spread.train_returns, atol=1e-6)
    np.testing.assert_allclose(*[[score for _, score in r.evaluations] for r in (alone, spread)], atol=1e-6)


def compiled(caplog):
    return [text for text in map(logging.LogRecord.getMessage, caplog.records) if "Finished XLA compilation" in text]


def test_the_same_seed_gives_the_same_curve_and_compiles_nothing_more(runs, caplog):
    module, config, _, spread = runs
    with jax.log_compiles():
        jax.block_until_ready(jax.jit(lambda x: x + 1)(1.0))
        assert len(compiled(caplog)) == 1  # So it would be told.
        again, other = (module.train(dataclasses.replace(config, seed=seed)) for seed in (3, 4))
        assert len(compiled(caplog)) == 1
    assert again.train_returns == spread.train_returns
    jax.tree.map(np.testing.assert_array_equal, again.params, spread.params)
    assert any(jax.tree.leaves(jax.tree.map(lambda a, b: bool(np.any(a != b)), other.params, spread.params)))


def test_no_tracer_is_leaked():
    key = jax.random.key(0)
    with jax.checking_leaks():
        program = transformer.make_program(TRANSFORMER)
        state = jax.eval_shape(program.init, key)
        jax.make_jaxpr(program.learn)(state, np.zeros([8, 8], np.int32))
        program = resnet.make_program(RESNET)
        batch = (np.zeros([1, 32, 8, 8, 1], np.float32), np.zeros([1, 32], np.int32))
        jax.make_jaxpr(program.learn)(program.init(key), batch)


class StopError(Exception):
    pass


def test_a_resumed_run_is_as_one_never_interrupted(runs, tmp_path):
    module, config, _, spread = runs

    def interrupt(done, score):
        if done > 2:
            raise StopError

    with pytest.raises(StopError):
        module.train(config, interrupt, tmp_path)
    resumed = module.train(dataclasses.replace(config, resume=True), folder=tmp_path)
    assert resumed.train_returns == spread.train_returns
    assert resumed.evaluations == spread.evaluations
    jax.tree.map(np.testing.assert_array_equal, resumed.params, spread.params)


def test_every_replica_has_the_same_parameters_and_averages():
    program = resnet.make_program(SPREAD["resnet"])
    state = program.init(jax.random.key(0))
    images, labels = resnet.load_digits()
    for step in range(2):
        state, _ = program.learn(state, program.place((images[32 * step :][:32], labels[32 * step :][:32])))
    for x in jax.tree.leaves(jax.device_get(state)):
        assert x.shape[0] == 8
        np.testing.assert_array_equal(x, np.broadcast_to(x[:1], x.shape))


def test_parameters_and_moments_are_shared_out_from_the_start():
    program = transformer.make_program(SPREAD["transformer"])
    examples = program.place(np.zeros([8, 8], np.int32))
    assert examples.sharding.spec == PartitionSpec("data")
    state = program.init(jax.random.key(0))
    check_shared_out(state)
    state, _ = program.learn(state, examples)
    check_shared_out(state)
    names = ("attention/query", "attention/linear", "up", "down")
    specs = {name: state.params[f"layers/{name}"]["w"].sharding.spec for name in names}
    by_outputs, by_inputs = PartitionSpec(None, None, "model"), PartitionSpec(None, "model", None)
    assert specs == dict(zip(names, (by_outputs, by_inputs, by_outputs, by_inputs), strict=True))


def check_shared_out(state):
    arrays = [x for x in jax.tree.leaves(state) if x.ndim > 0]  # All but the optimiser's count.
    assert len(arrays) == 3 * len(jax.tree.leaves(state.params))
    for x in arrays:
        pieces = x.addressable_shards
        assert {piece.data.size for piece in pieces} == {x.size // 4}
        assert len(pieces) == 8
        assert len({str(piece.index) for piece in pieces}) == 4  # Each twice: the data axis repeats it.


def test_no_parameter_is_ever_whole_on_a_device_while_they_are_made():
    # On two devices a matrix, so that no part of one has the shape of another.
    program = transformer.make_program(dataclasses.replace(TRANSFORMER, data=4, model=2))
    compiled = program.init.lower(jax.random.key(0)).compile().as_text()
    params = jax.eval_shape(program.init, jax.random.key(0)).params
    stacked = {x.shape for x in jax.tree.leaves(params) if x.ndim == 3}
    assert stacked == {(2, 16, 16), (2, 16, 64), (2, 64, 16)}
    for layers, rows, columns in stacked:
        # In the program of one device, every array has its local shape.
        whole = rf"\[({layers},|1,)?{rows},{columns}\]"
        assert not re.search(whole, compiled), whole
    assert re.search(r"f32\[2,16,8\]", compiled)  # As the query's matrix is.


def test_what_it_looks_at_comes_before():
    """No logit depends on a later token."""
    config, program = TRANSFORMER, transformer.make_program(TRANSFORMER)
    params = program.init(jax.random.key(0)).params
    network = transformer.hk.transform(functools.partial(transformer.forward, config=config))
    tokens = np.zeros([1, 7], np.int32)
    later = tokens.copy()
    later[0, 4:] = 5
    first, second = (network.apply(params, x) for x in (tokens, later))
    np.testing.assert_array_equal(first[:, :4], second[:, :4])
    assert np.all(np.any(first[:, 4:] != second[:, 4:], axis=-1))


def test_examples_are_tokens_twice():
    tokens = transformer.draw_tokens(np.random.default_rng(0), 50, TRANSFORMER)
    assert tokens.shape == (50, 8)
    np.testing.assert_array_equal(tokens[:, :4], tokens[:, 4:])
    assert set(np.unique(tokens)) == set(range(8))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (transformer.Config(data=3, batch_size=63, model=3), "--data 3 --model 3 needs 9 devices, and there are 8."),
        (transformer.Config(model=8), "--heads is 4, expected a multiple of --model, which is 8."),
        (transformer.Config(batch_size=0), "--batch-size is 0, expected a positive number."),
        (resnet.Config(replicas=16), "--replicas 16 needs 16 devices, and there are 8."),
        (resnet.Config(replicas=3), "--batch-size is 64, expected a multiple of --replicas, which is 3."),
        (resnet.Config(learning_rate=-1.0), "--learning-rate is -1.0, expected a positive number."),
    ],
)
def test_bad_settings_are_refused(config, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        config.check()


@pytest.mark.learn
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(
    ("module", "spread"),
    [(transformer, {}), (transformer, {"data": 2, "model": 4}), (resnet, {}), (resnet, {"replicas": 8})],
)
def test_it_learns_its_task(module, spread, seed):
    result = module.train(module.Config(**spread, seed=seed))
    assert result.evaluations[0][1] < module.SOLVED
    assert result.evaluations[-1][1] >= module.SOLVED
