import re

import gymnasium
import numpy as np
import pytest
from absl.testing import absltest
from dm_env import StepType, specs, test_utils

from integration_tests.environments.gymnasium_adapter import GymnasiumAdapter


class TestPendulumByDmEnv(test_utils.EnvironmentTestMixin, absltest.TestCase):
    """The checks that dm_env has for every environment, on arrays as actions."""

    def make_object_under_test(self):
        return GymnasiumAdapter(gymnasium.make("Pendulum-v1", max_episode_steps=10), seed=0)


class TestCartPoleByDmEnv(test_utils.EnvironmentTestMixin, absltest.TestCase):
    """The same, on integers as actions."""

    def make_object_under_test(self):
        return GymnasiumAdapter(gymnasium.make("CartPole-v1"), seed=0)


def play(environment):
    timesteps = [environment.reset()]
    while not timesteps[-1].last():
        timesteps.append(environment.step(0))
    return timesteps


def test_a_pole_that_falls_ends_the_episode():
    timesteps = play(GymnasiumAdapter(gymnasium.make("CartPole-v1"), seed=0))
    assert timesteps[0].step_type == StepType.FIRST
    assert [timestep.discount for timestep in timesteps[1:]] == [1.0] * (len(timesteps) - 2) + [0.0]
    assert {timestep.reward for timestep in timesteps[1:]} == {1.0}
    assert abs(timesteps[-1].observation[2]) > 0.2  # The last observation, not one after a reset.


def test_a_limit_of_steps_only_cuts_it():
    environment = GymnasiumAdapter(gymnasium.make("CartPole-v1", max_episode_steps=3), seed=0)
    timesteps = play(environment)
    assert len(timesteps) == 4
    assert (timesteps[-1].step_type, timesteps[-1].discount) == (StepType.LAST, 1.0)
    assert environment.step(0).first()


def test_an_end_at_the_limit_is_an_end():
    length = len(play(GymnasiumAdapter(gymnasium.make("CartPole-v1"), seed=0))) - 1
    limited = GymnasiumAdapter(gymnasium.make("CartPole-v1", max_episode_steps=length), seed=0)
    assert play(limited)[-1].discount == 0.0


def test_it_gives_what_gymnasium_gives():
    ours, theirs = GymnasiumAdapter(gymnasium.make("CartPole-v1"), seed=5), gymnasium.make("CartPole-v1")
    for options in ({"seed": 5}, {}):  # The seed is for the first episode; the next one goes on from there.
        timestep, (observation, _) = ours.reset(), theirs.reset(**options)
        np.testing.assert_array_equal(timestep.observation, observation)
        while not timestep.last():
            timestep, (observation, reward, terminated, _, _) = ours.step(1), theirs.step(1)
            np.testing.assert_array_equal(timestep.observation, observation)
            assert (timestep.reward, timestep.last()) == (reward, terminated)


class Odd(gymnasium.Env):
    """Writes its observations into one array, and counts from 1."""

    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, [1], np.float32)
    action_space = gymnasium.spaces.Discrete(3, start=1)

    def __init__(self):
        self.state = np.zeros(1, np.float64)  # Not the dtype of the space.

    def reset(self, *, seed=None, options=None):
        self.state[:] = 0
        return self.state, {}

    def step(self, action):
        self.state += action
        return self.state, 0, False, False, {}


def test_observations_are_copies_of_the_dtype_of_their_space():
    environment = GymnasiumAdapter(Odd())
    first, second = environment.reset().observation, environment.step(2).observation
    np.testing.assert_array_equal([first, second], [[0.0], [2.0]])
    assert first.dtype == second.dtype == np.float32


def test_specs():
    spec = GymnasiumAdapter(Odd()).action_spec()
    assert (spec.minimum, spec.maximum, spec.dtype) == (1, 3, np.int32)
    spec = GymnasiumAdapter(gymnasium.make("CartPole-v1")).action_spec()
    assert isinstance(spec, specs.DiscreteArray)
    assert spec.num_values == 2
    spec = GymnasiumAdapter(gymnasium.make("Pendulum-v1")).observation_spec()
    np.testing.assert_array_equal(spec.maximum, [1.0, 1.0, 8.0])
    assert (spec.shape, spec.dtype) == ((3,), np.float32)


def test_other_spaces_are_refused():
    environment = Odd()
    environment.action_space = gymnasium.spaces.MultiBinary(2)
    message = "GymnasiumAdapter: the action space is MultiBinary(2), expected a Box or a Discrete."
    with pytest.raises(TypeError, match=re.escape(message)):
        GymnasiumAdapter(environment)


def test_it_is_closed():
    closed = []
    environment = Odd()
    environment.close = lambda: closed.append(True)
    GymnasiumAdapter(environment).close()
    assert closed == [True]
