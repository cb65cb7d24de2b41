"""The agents that live on the device: what they share, and the same update on one device or many."""

import dataclasses
import functools
import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from integration_tests.agents import _on_device, _parallel, impala, ppo, pqn
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
WAYS = ["pmap", "shard_map", "sharding"]


def module_of(config):
    return importlib.import_module(type(config).__module__)


@functools.cache
def after_three_updates(config, way, devices):
    """A way to spread, what the learner is after three updates, and the metrics of the last one."""
    agent = module_of(config).make_agent(config)
    first = first_learner(config)
    spread = _parallel.spread(way, devices)
    step = spread.compile(agent.update)
    learner, _ = step(spread.place(lambda key: first, jax.random.key(0)))
    # After the first update, nothing is compiled, and nothing goes to the devices or comes from them.
    with jax.transfer_guard("disallow"):
        for _ in range(2):
            learner, metrics = step(learner)
    assert step._cache_size() == 1
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
        (one.params, one.optimizer, one_metrics),
        (many.params, many.optimizer, many_metrics),
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
@pytest.mark.parametrize("config", [IMPALA, PQN], ids=["impala", "pqn"])
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


def test_all_of_training_is_one_program_that_reports_and_gives_the_same_curve_each_time():
    reports = []
    first = ppo.train(PPO, lambda done, score: reports.append((done, score)))
    assert [done for done, _ in first.evaluations] == [256, 512]
    assert reports == first.evaluations
    assert first.steps == 512
    assert first.train_done == sorted(first.train_done)
    assert set(first.train_done) <= {128, 256, 384, 512}
    second = ppo.train(PPO)
    assert second.evaluations == first.evaluations
    assert second.train_returns == first.train_returns
    jax.tree.map(np.testing.assert_array_equal, first.params, second.params)


@pytest.mark.learn
@pytest.mark.parametrize("config", [PPO, IMPALA, PQN], ids=["ppo", "impala", "pqn"])
def test_another_seed_gives_another_curve(config):
    results = [module_of(config).train(dataclasses.replace(config, seed=seed)) for seed in (0, 0, 1)]
    assert results[0].evaluations == results[1].evaluations != results[2].evaluations
    assert results[0].train_returns == results[1].train_returns != results[2].train_returns


def test_an_interrupted_run_goes_on_to_the_same_parameters_bit_for_bit(tmp_path, monkeypatch):
    config = dataclasses.replace(PPO, checkpoint_every=1, out=tmp_path)
    whole = ppo.train(dataclasses.replace(config, out=tmp_path / "whole"))

    def stop(done, score):
        if done == 512:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ppo.train(config, stop)
    reports = []
    resumed = ppo.train(dataclasses.replace(config, resume=True), lambda done, score: reports.append(done))
    assert reports == [512]  # The first half was not done again.
    jax.tree.map(np.testing.assert_array_equal, resumed.params, whole.params)
    assert resumed.evaluations == whole.evaluations
    assert resumed.train_returns == whole.train_returns
    with pytest.raises(ValueError, match=r"was made with seed 0, expected 5\. Use the same settings"):
        ppo.train(dataclasses.replace(config, resume=True, seed=5))


def test_an_update_leaks_no_tracer():
    with jax.checking_leaks():
        jax.eval_shape(functools.partial(ppo.make_agent(PPO).update, across=Across()), first_learner(PPO))


@pytest.mark.parametrize("agent", [ppo, impala, pqn])
def test_a_reward_that_is_nan_is_refused(monkeypatch, agent):
    make = gymnax_adapter.make

    def broken(name):
        environment = make(name)

        def step(key, state, action):
            return environment.step(key, state, action)._replace(reward=jnp.float32(jnp.nan))

        return environment._replace(step=step)

    monkeypatch.setattr(gymnax_adapter, "make", broken)
    config = {ppo: PPO, impala: IMPALA, pqn: PQN}[agent]
    # One update is enough to see it, and compiles faster than all of training.
    made = agent.make_agent(config)
    _, metrics = jax.jit(functools.partial(made.update, across=Across()))(first_learner(config))
    made = made._replace(update=lambda learner, across: (learner._replace(updates=learner.updates + 1), metrics))
    with pytest.raises(ValueError, match="gave the reward nan after 0 steps of training, expected a finite number"):
        _on_device.train(made._replace(init=lambda key: first_learner(config)), config)
