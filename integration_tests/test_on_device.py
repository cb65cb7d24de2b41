"""The agents that live on the device: what they share, and the same update on one device or many."""

import dataclasses
import functools
import importlib
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from integration_tests.agents import _on_device, _parallel, anakin_dqn, impala, ppo, pqn
from integration_tests.agents._parallel import Across
from integration_tests.environments import gymnax_adapter

SMALL = {
    "total_steps": 512,
    "num_envs": 16,
    "rollout_steps": 8,
    "hidden_units": 8,
    "evaluations": 2,
    "eval_episodes": 4,
}
PPO = ppo.Config(**SMALL, epochs=2, minibatches=2)
IMPALA = impala.Config(**SMALL, lag=2)
PQN = pqn.Config(**SMALL, epochs=2, minibatches=2)
DQN = anakin_dqn.Config(**SMALL, gradient_steps=2, batch_size=32, replay_size=512, warm_up=128)
AGENTS = {"ppo": PPO, "impala": IMPALA, "pqn": PQN, "anakin_dqn": DQN}
WAYS = ["pmap", "shard_map", "sharding"]

COMPILATIONS = []


def on_event(event, seconds, **_):
    if event == "/jax/core/compile/backend_compile_duration":
        COMPILATIONS.append(seconds)


jax.monitoring.register_event_duration_secs_listener(on_event)


def module_of(config):
    return importlib.import_module(type(config).__module__)


@functools.cache
def after_three_updates(config, way, devices):
    """A way to spread, what the learner is after three updates, and the metrics of the last one."""
    agent = module_of(config).make_agent(config)
    first = first_learner(config)
    spread = _parallel.spread(way, devices)
    step = spread.compile(agent.update)
    learner = spread.place(lambda key: first, jax.random.key(0))
    compiled = len(COMPILATIONS)
    learner, _ = step(learner)
    assert len(COMPILATIONS) > compiled
    compiled = len(COMPILATIONS)
    # After the first update, nothing is compiled, and nothing goes to the devices or comes from them.
    with jax.transfer_guard("disallow"):
        for _ in range(2):
            learner, metrics = step(learner)
    # Before jax 0.8, pmap is not made of jit, and compiles for arrays that it has spread itself.
    assert len(COMPILATIONS) == compiled or (way == "pmap" and jax.__version_info__ < (0, 8))
    return spread, learner, metrics


@functools.cache
def first_learner(config):
    return jax.jit(module_of(config).make_agent(config).init)(jax.random.key(config.seed))


def check_devices_learn_what_one_does(config, way):
    one_way, one, one_metrics = after_three_updates(config, "sharding", 1)
    many_way, many, many_metrics = after_three_updates(config, way, 8)
    # The gradients are the same numbers, added up in another order.
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(many_way.fetch(b), one_way.fetch(a), rtol=1e-3, atol=1e-5),
        (one.params, one.optimizer, one.target, one_metrics),
        (many.params, many.optimizer, many.target, many_metrics),
    )
    moved = jax.tree.map(
        lambda a, b: np.any(np.abs(many_way.fetch(a) - b) > 1e-4), many.params, first_learner(config).params
    )
    assert all(jax.tree.leaves(moved))
    observation = np.asarray(one.actors.observation)
    np.testing.assert_allclose(
        np.reshape(many.actors.observation, observation.shape), observation, rtol=1e-3, atol=1e-5
    )


@pytest.mark.parametrize("way", WAYS)
def test_devices_that_share_the_environments_learn_what_one_does(way):
    check_devices_learn_what_one_does(PPO, way)


@pytest.mark.learn
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("config", [IMPALA, PQN, DQN], ids=["impala", "pqn", "anakin_dqn"])
def test_devices_that_share_the_environments_learn_what_one_does_by_any_agent(config, way):
    check_devices_learn_what_one_does(config, way)


@pytest.mark.parametrize("way", WAYS)
def test_every_replica_has_the_same_parameters(way):
    _, learner, _ = after_three_updates(PPO, way, 8)
    for leaf in jax.tree.leaves((learner.params, learner.optimizer)):
        first, *others = (np.asarray(shard.data) for shard in leaf.addressable_shards)
        assert len(others) == 7
        for replica in others:
            np.testing.assert_array_equal(replica, first)


@pytest.mark.parametrize("way", WAYS)
def test_every_device_has_environments_of_its_own(way):
    _, learner, _ = after_three_updates(PPO, way, 8)
    observation = learner.actors.observation
    shares = [np.asarray(shard.data) for shard in observation.addressable_shards]
    assert len({share.tobytes() for share in shares}) == 8
    assert sum(share.size for share in shares) == observation.size == PPO.num_envs * 4


@pytest.mark.parametrize("small", [PPO, pytest.param(DQN, marks=pytest.mark.learn)], ids=["ppo", "anakin_dqn"])
def test_all_of_training_is_one_program_or_one_from_checkpoint_to_checkpoint(tmp_path, small):
    """One test, as each program takes seconds to compile."""
    train = module_of(small).train
    reports = []
    in_one = train(small, lambda done, score: reports.append((done, score)))
    assert [done for done, _ in in_one.evaluations] == [256, 512]
    assert reports == in_one.evaluations
    assert in_one.steps == 512
    assert in_one.train_done == sorted(in_one.train_done)
    assert set(in_one.train_done) <= {128, 256, 384, 512}

    config = dataclasses.replace(small, checkpoint_every=1, out=tmp_path)
    whole = train(dataclasses.replace(config, out=tmp_path / "whole"))
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-3, atol=1e-5), whole.params, in_one.params)

    def stop(done, score):
        if done == 512:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(config, stop)
    reports = []
    resumed = train(dataclasses.replace(config, resume=True), lambda done, score: reports.append(done))
    assert reports == [512]  # The first half was not done again.
    jax.tree.map(np.testing.assert_array_equal, resumed.params, whole.params)
    assert resumed.evaluations == whole.evaluations
    assert resumed.train_returns == whole.train_returns
    with pytest.raises(ValueError, match=r"was made with seed 0, expected 5\. Use the same settings"):
        train(dataclasses.replace(config, resume=True, seed=5))


@pytest.mark.learn
@pytest.mark.parametrize("config", AGENTS.values(), ids=AGENTS)
def test_another_seed_gives_another_curve(config):
    results = [module_of(config).train(dataclasses.replace(config, seed=seed)) for seed in (0, 0, 1)]
    assert results[0].evaluations == results[1].evaluations != results[2].evaluations
    assert results[0].train_returns == results[1].train_returns != results[2].train_returns


def test_an_update_leaks_no_tracer():
    with jax.checking_leaks():
        jax.eval_shape(functools.partial(ppo.make_agent(PPO).update, across=Across()), first_learner(PPO))


@pytest.mark.parametrize(
    "agent", [ppo, *(pytest.param(agent, marks=pytest.mark.learn) for agent in (impala, pqn, anakin_dqn))]
)
def test_a_reward_that_is_nan_is_refused(monkeypatch, agent):
    make = gymnax_adapter.make

    def broken(name):
        environment = make(name)

        def step(key, state, action):
            return environment.step(key, state, action)._replace(reward=jnp.float32(jnp.nan))

        return environment._replace(step=step)

    monkeypatch.setattr(gymnax_adapter, "make", broken)
    config = {ppo: PPO, impala: IMPALA, pqn: PQN, anakin_dqn: DQN}[agent]
    # One update is enough to see it, and compiles faster than all of training.
    made = agent.make_agent(config)
    _, metrics = jax.jit(functools.partial(made.update, across=Across()))(first_learner(config))
    made = made._replace(update=lambda learner, across: (learner._replace(updates=learner.updates + 1), metrics))
    with pytest.raises(ValueError, match="gave the reward nan after 0 steps of training, expected a finite number"):
        _on_device.train(made._replace(init=lambda key: first_learner(config)), config)


def test_dqn_learns_once_its_replay_buffers_hold_enough_and_goes_on_beyond_a_cut(monkeypatch):
    make = gymnax_adapter.make
    # No pole falls so soon.
    monkeypatch.setattr(gymnax_adapter, "make", lambda name: make(name, max_steps=5))
    agent = anakin_dqn.make_agent(dataclasses.replace(DQN, warm_up=256))
    update = jax.jit(functools.partial(agent.update, across=Across()))
    first = jax.jit(agent.init)(jax.random.key(0))
    second, _ = update(first)
    jax.tree.map(np.testing.assert_array_equal, (second.params, second.target), (first.params, first.target))
    held = jax.tree.map(lambda x: np.asarray(x[:, 0, :8]), second.actors.replay.experience)
    np.testing.assert_array_equal(held.discount_t, np.ones([16, 8]))
    # Up to rounding: the program may compute the state that it stores and the one that it goes on from apart.
    goes_on = np.all(np.isclose(held.observation_t[:, :-1], held.observation_tm1[:, 1:], 1e-5, 1e-6), axis=-1)
    np.testing.assert_array_equal(goes_on, np.tile([True, True, True, True, False, True, True], (16, 1)))
    third, _ = update(second)
    moved = jax.tree.map(lambda a, b: 0.2 * np.subtract(a, b), third.params, first.params)
    assert all(np.any(x) for x in jax.tree.leaves(moved))
    target = jax.tree.map(np.add, first.target, moved)
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-6, atol=1e-7), third.target, target)


@pytest.mark.learn
@pytest.mark.parametrize("agent", [ppo, impala, pqn, anakin_dqn])
def test_it_solves_cartpole(agent):
    returns = [agent.train(agent.Config(seed=seed)).evaluations[-1][1] for seed in range(3)]
    # Of three seeds, one may be in one of the dips that the curves have.
    assert sorted(returns)[1] >= agent.SOLVED["CartPole-v1"], returns


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (ppo.Config(environment="Pong-v9"), "there is no environment Pong-v9, expected one of CartPole-v1, "),
        (ppo.Config(environment="Pendulum-v1"), "the actions of Pendulum-v1 are not discrete"),
        (ppo.Config(total_steps=1000), "--total-steps is 1000, expected a multiple of --num-envs * --rollout-steps"),
        (ppo.Config(rollout_steps=126, total_steps=126 * 64 * 16), "--rollout-steps is 126, expected a multiple of"),
        (ppo.Config(devices=3), "--num-envs is 64, expected a multiple of --devices = 3."),
        (ppo.Config(num_envs=16, devices=16), "--devices is 16, expected at most the 8 that there are."),
        (ppo.Config(gae_lambda=2.0), "--gae-lambda is 2.0, expected a number in [0, 1]."),
        (impala.Config(lag=0), "--lag is 0, expected a positive number."),
        (pqn.Config(epsilon=-1.0), "--epsilon is -1.0, expected a number in [0, 1]."),
        (pqn.Config(minibatches=3), "--rollout-steps is 32, expected a multiple of --minibatches = 3."),
        (anakin_dqn.Config(batch_size=100), "--batch-size is 100, expected a multiple of --num-envs = 64, as each"),
        (anakin_dqn.Config(replay_size=1024), "--replay-size is 1024, expected at least 2048, the larger of --batch"),
        (anakin_dqn.Config(replay_size=2048, gradient_steps=32), "expected at least 4096, the larger of --num-envs"),
        (anakin_dqn.Config(target_step=1.5), "--target-step is 1.5, expected a number in [0, 1]."),
        (pqn.Config(checkpoint_every=-1), "--checkpoint-every is -1, expected 0 or a positive number."),
    ],
)
def test_bad_settings_are_refused(config, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        module_of(config).train(config)
