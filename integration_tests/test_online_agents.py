"""What holds for every agent that learns as it acts, and for the one with actor threads."""

import contextlib
import dataclasses
import importlib
import io
import re
from typing import NamedTuple

import gymnasium
import jax
import jax.numpy as jnp
import matplotlib.image
import numpy as np
import pytest

from integration_tests.agents import _online
from integration_tests.environments.catch import Catch
from integration_tests.environments.lockstep import Lockstep
from integration_tests.environments.memory import Memory

CATCH = {"steps": 60, "eval_every": 30, "eval_episodes": 4, "hidden_units": 8, "rows": 4, "columns": 3, "seed": 3}
MEMORY = {
    "steps": 60,
    "eval_every": 30,
    "eval_episodes": 4,
    "environments": 2,
    "hidden_units": 4,
    "delay": 2,
    "seed": 3,
}
PENDULUM = {"steps": 60, "eval_every": 30, "eval_episodes": 1, "hidden_units": 8, "seed": 3}
CART_POLE = {"updates": 6, "eval_every": 3, "eval_episodes": 2, "environments": 2, "hidden_units": 8, "seed": 3}
SHORT = {
    "dqn": {**CATCH, "warm_up": 20, "batch_size": 8},
    "q_lambda": {**CATCH, "unroll": 3},
    "popart": {**CATCH, "unroll": 3},
    "actor_critic": {**MEMORY, "unroll": 6},
    "sac": {**PENDULUM, "warm_up": 20, "batch_size": 8},
    "sebulba": {**CART_POLE, "unroll": 6},
}
EACH = [pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in SHORT]


class Run(NamedTuple):
    """A short run by the agent's command."""

    name: str
    config: object
    result: object
    printed: str


def module_of(name):
    return importlib.import_module(f"integration_tests.agents.{name}")


@pytest.fixture(scope="module", autouse=True)
def agents():
    """The agents made, by name; each is made and compiled once, and watched for leaked tracers."""
    made = {}
    with pytest.MonkeyPatch.context() as patch, jax.checking_leaks():
        for name in SHORT:
            make_agent = module_of(name).make_agent

            def make_once(argument, config, name=name, make_agent=make_agent):
                short = all(getattr(config, key) == value for key, value in SHORT[name].items() if key != "seed")
                if not short:
                    return make_agent(argument, config)
                if name not in made:
                    made[name] = make_agent(argument, config)
                return made[name]

            patch.setattr(module_of(name), "make_agent", make_once)
        yield made


@pytest.fixture(scope="module", params=EACH)
def run(request, tmp_path_factory):
    module = module_of(request.param)
    config = module.Config(**SHORT[request.param], out=tmp_path_factory.mktemp(request.param) / "new")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        result = module.main(config)
    return Run(request.param, config, result, printed.getvalue())


def same(first, second):
    assert first.evaluations == second.evaluations
    assert first.train_returns == second.train_returns
    assert first.train_done == second.train_done
    jax.tree.map(np.testing.assert_array_equal, first.params, second.params)


def test_the_command_draws_a_curve_and_prints_a_summary(run):
    for line in ("return", "solved", "learning curve", "parameters in"):
        assert line in run.printed
    picture = matplotlib.image.imread(run.config.out / "learning_curve.png")
    assert picture.shape[0] > 300
    assert picture.std() > 0.02  # Something is drawn.


def test_it_is_evaluated_as_often_as_asked_for_and_learns(run):
    assert [done for done, _ in run.result.evaluations] == ([3, 6] if run.name == "sebulba" else [30, 60])
    for p in jax.tree.leaves(run.result.params):
        assert np.all(np.isfinite(p))


def test_the_same_seed_gives_the_same_curve(run):
    same(run.result, module_of(run.name).train(run.config))


def test_another_seed_gives_another_curve(run):
    other = module_of(run.name).train(dataclasses.replace(run.config, seed=4))
    curves = [(result.evaluations, result.train_returns) for result in (run.result, other)]
    assert curves[0] != curves[1]
    assert any(jax.tree.leaves(jax.tree.map(lambda a, b: bool(np.any(a != b)), run.result.params, other.params)))


class StopError(Exception):
    pass


def test_a_resumed_run_is_as_one_never_interrupted(run, tmp_path):
    module = module_of(run.name)

    def interrupt(done, score):
        # In the second stretch, when the checkpoint of the first one is there.
        if score is not None and done > run.result.evaluations[0][0]:
            raise StopError

    with pytest.raises(StopError):
        module.train(run.config, interrupt, tmp_path)
    reports = []
    resumed = dataclasses.replace(run.config, resume=True)
    same(run.result, module.train(resumed, lambda done, score: reports.append(done), tmp_path))
    assert min(reports) > run.result.evaluations[0][0]
    with pytest.raises(ValueError, match="was made with seed 3, expected 5"):
        module.train(dataclasses.replace(resumed, seed=5), folder=tmp_path)
    with pytest.raises(ValueError, match=r"--resume: there is no checkpoint in .*none. Leave --resume out"):
        module.train(resumed, folder=tmp_path / "none")


def test_nothing_is_compiled_after_the_first_steps(run, agents):
    # The runs of all the tests above had the same shapes.
    agent = agents[run.name]
    compiled = {name: getattr(agent, name)._cache_size() for name in agent._fields if name != "memory"}
    assert compiled == dict.fromkeys(compiled, 1)


def spoilt(step, number):
    """Returns a method `step` of an environment whose `number`th call gives the reward NaN."""
    calls = []

    def spoil(self, action):
        calls.append(action)
        outcome = step(self, action)
        if len(calls) != number:
            return outcome
        if isinstance(outcome, tuple) and len(outcome) == 5:  # Gymnasium's.
            return (outcome[0], np.nan, *outcome[2:])
        return outcome._replace(reward=np.nan)

    return spoil


@pytest.mark.filterwarnings("ignore:.*The reward is a NaN value")  # Gymnasium looks at the first steps, too.
@pytest.mark.parametrize("name", EACH)
def test_a_reward_that_is_not_finite_is_refused(name, monkeypatch):
    environment = {"actor_critic": Memory, "sac": None, "sebulba": None}.get(name, Catch)
    if environment is None:
        made = gymnasium.make({"sac": "Pendulum-v1", "sebulba": "CartPole-v1"}[name])
        environment = type(made.unwrapped)
    # The fifth call is of the fifth step, or of the third or so where several environments step together; an actor on a
    # thread of its own may be there before the first update.
    monkeypatch.setattr(environment, "step", spoilt(environment.step, 5))
    module = module_of(name)
    with pytest.raises(ValueError, match=r"the environment gave the reward nan after [0-4] steps of training"):
        module.train(module.Config(**SHORT[name]))


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("dqn", {"steps": 0}, "--steps is 0, expected a positive number."),
        ("dqn", {"epsilon": 2.0}, "--epsilon is 2.0, expected a number in [0, 1]."),
        ("dqn", {"rows": 1}, "--rows 1 --columns 5, expected at least 2 rows and 1 column."),
        ("dqn", {"replay_size": 100}, "--replay-size is 100, expected at least 200, the larger of --batch-size and"),
        ("dqn", {"resume": True}, "--resume: there is no folder of checkpoints to go on from."),
        ("q_lambda", {"steps": 7}, "--steps is 7, expected a multiple of 5, the steps learned from at a time."),
        ("q_lambda", {"lambda_": 1.1}, "--lambda- is 1.1, expected a number in [0, 1]."),
        ("popart", {"reward_scales": (0.0, 1.0)}, "--reward-scales is (0.0, 1.0), expected numbers other than 0."),
        ("popart", {"step_size": -1.0}, "--step-size is -1.0, expected a number in [0, 1]."),
        ("actor_critic", {"eval_every": 30}, "--eval-every is 30, expected a multiple of 20"),
        ("actor_critic", {"num_cues": 1}, "--num-cues 1 --delay 10, expected at least 2 cues and 1 step."),
        ("sac", {"environment": "CartPole-v1"}, "--environment CartPole-v1 has the actions DiscreteArray"),
        ("sac", {"batch_size": -1}, "--batch-size is -1, expected a positive number."),
        ("sebulba", {"actors": 0}, "--actors is 0, expected a positive number."),
        ("sebulba", {"environment": "Pendulum-v1"}, "--environment Pendulum-v1 has the actions Box"),
    ],
)
def test_bad_settings_are_refused(name, settings, message):
    module = module_of(name)
    with pytest.raises(ValueError, match=re.escape(message)):
        module.train(module.Config(**settings))


def test_an_implicit_transfer_in_the_inner_loop_is_refused():
    def act(params, memory, key, observation, first, exploration):
        return observation[:, 0] + np.ones(2, np.float32), memory, key  # An array of the host.

    agent = _online.Agent(init=None, act=act, learn=None)
    actor = _online.Actor(agent, Lockstep([Memory(seed=0), Memory(seed=1)]), jax.random.key(0))
    with pytest.raises(Exception, match="Disallowed host-to-device transfer"):
        actor.collect(params=None, exploration=1.0, length=1, done=0)


def test_what_an_actor_collects():
    @jax.jit
    def act(params, memory, key, observation, first, exploration):
        memory = jnp.where(first, 0, memory) + 1
        return memory % 2, memory, key

    agent = _online.Agent(None, act, None, memory=np.zeros(2, np.int32))
    environments = Lockstep([Memory(num_cues=2, delay=2, seed=seed) for seed in (0, 1)])
    actor = _online.Actor(agent, environments, jax.random.key(0))
    first, second = (actor.collect(None, 1.0, 4, 0) for _ in range(2))
    np.testing.assert_array_equal(first.first_tm1, np.transpose([[True, False, False, True]] * 2))
    np.testing.assert_array_equal(first.action_tm1, np.transpose([[1, 0, 1, 1]] * 2))
    np.testing.assert_array_equal(first.discount_t, np.transpose([[1, 1, 0, 1]] * 2))
    np.testing.assert_array_equal(first.memory, [0, 0])
    np.testing.assert_array_equal(second.memory, [1, 1])
    np.testing.assert_array_equal(first.observation_t[:2], first.observation_tm1[1:3])
    np.testing.assert_array_equal(first.observation_t[2], np.zeros([2, 3]))  # The end, not the next beginning.
    np.testing.assert_array_equal(first.observation_t[3], second.observation_tm1[0])
    cues = np.argmax(first.observation_tm1[0], axis=-1)
    np.testing.assert_array_equal(first.reward_t, [[0, 0], [0, 0], np.where(cues == 1, 1, -1), [0, 0]])
    assert not np.any(first.truncated_t)


def test_each_environment_counts_alike_in_an_evaluation():
    def act(params, memory, key, observation, first, exploration):
        return jax.device_put(np.zeros(2, np.int32)), memory, key

    short, long = Memory(delay=1, seed=0), Memory(delay=9, seed=1)
    environments = Lockstep([short, long])
    returns = _online.evaluate(_online.Agent(None, act, None), None, environments, 5, 0)
    counts = [len(returns) for returns in environments.episode_returns]
    assert counts == [15, 3]
    np.testing.assert_allclose(returns, [np.mean(of[:3]) for of in environments.episode_returns])


@pytest.mark.learn
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", SHORT)
def test_it_learns_its_task(name, seed):
    module = module_of(name)
    result = module.train(module.Config(seed=seed))
    assert result.evaluations[0][1] < module.SOLVED  # It is not born able.
    assert np.mean([score for _, score in result.evaluations[-2:]]) >= module.SOLVED


@pytest.mark.learn
def test_without_popart_the_worse_game_is_not_learned():
    popart = module_of("popart")
    result = popart.train(popart.Config(popart=False))
    assert max(score for _, score in result.evaluations) < 0.5
