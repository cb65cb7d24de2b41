import re

import numpy as np
import pytest
from absl.testing import absltest
from dm_env import StepType, test_utils

from integration_tests.environments.catch import LEFT, RIGHT, STAY, Catch


class TestCatchByDmEnv(test_utils.EnvironmentTestMixin, absltest.TestCase):
    """The checks that dm_env has for every environment."""

    def make_object_under_test(self):
        return Catch(rows=5, columns=4, seed=0)

    def make_action_sequence(self):
        for action in [LEFT, STAY, RIGHT, RIGHT] * 10:
            yield np.int32(action)


def play(environment, policy):
    timestep = environment.reset()
    rewards = []
    while not timestep.last():
        timestep = environment.step(policy(timestep.observation))
        rewards.append(timestep.reward)
    return rewards


def follow(observation):
    """Moves under the ball."""
    _, ball = np.argwhere(observation[:-1] == 1)[0]
    paddle = int(np.argmax(observation[-1]))
    return STAY + int(np.sign(ball - paddle))


def test_a_paddle_that_follows_always_catches():
    environment = Catch(seed=0)
    for _ in range(50):
        assert play(environment, follow) == [0.0] * 8 + [1.0]


def test_a_paddle_that_goes_left_catches_one_ball_in_five():
    environment = Catch(seed=0)
    outcomes = [play(environment, lambda observation: LEFT)[-1] for _ in range(500)]
    assert set(outcomes) == {1.0, -1.0}
    assert 0.15 < np.mean(np.array(outcomes) == 1.0) < 0.25


def test_an_episode_step_by_step():
    environment = Catch(rows=3, columns=3, seed=0)
    timestep = environment.reset()
    assert timestep.step_type == StepType.FIRST
    assert (timestep.reward, timestep.discount) == (None, None)
    ball = int(np.argmax(timestep.observation[0]))
    np.testing.assert_array_equal(timestep.observation[2], [0, 1, 0])
    timestep = environment.step(RIGHT)
    assert (timestep.step_type, timestep.reward, timestep.discount) == (StepType.MID, 0.0, 1.0)
    assert timestep.observation[1, ball] == 1
    np.testing.assert_array_equal(timestep.observation[2], [0, 0, 1])
    timestep = environment.step(RIGHT)  # Against the wall.
    assert (timestep.step_type, timestep.discount) == (StepType.LAST, 0.0)
    assert timestep.reward == (1.0 if ball == 2 else -1.0)
    assert timestep.observation[2, 2] == 1
    assert environment.step(RIGHT).first()


def test_a_seed_fixes_the_balls():
    def balls(seed):
        environment = Catch(seed=seed)
        return [int(np.argmax(environment.reset().observation[0])) for _ in range(20)]

    assert balls(1) == balls(1) != balls(2)


def test_observations_are_not_shared_between_steps():
    environment = Catch(seed=0)
    first = environment.reset().observation
    before = first.copy()
    environment.step(LEFT)
    np.testing.assert_array_equal(first, before)


def test_bad_input_is_refused():
    for rows, columns in ((1, 5), (5, 0)):
        message = f"Catch: the board is {rows} x {columns}, expected at least 2 rows and 1 column."
        with pytest.raises(ValueError, match=re.escape(message)):
            Catch(rows, columns)
    environment = Catch()
    environment.reset()
    for action in (3, -1, "left", None):
        with pytest.raises(
            ValueError, match=r"Catch.step: action is .*, expected 0 \(left\), 1 \(stay\) or 2 \(right\)"
        ):
            environment.step(action)
