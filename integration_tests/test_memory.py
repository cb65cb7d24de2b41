import re

import numpy as np
import pytest
from absl.testing import absltest
from dm_env import StepType, test_utils

from integration_tests.environments.memory import Memory


class TestMemoryByDmEnv(test_utils.EnvironmentTestMixin, absltest.TestCase):
    """The checks that dm_env has for every environment."""

    def make_object_under_test(self):
        return Memory(num_cues=3, delay=2, seed=0)

    def make_action_sequence(self):
        for action in [0, 1, 2, 2] * 10:
            yield np.int32(action)


def test_an_episode_step_by_step():
    environment = Memory(num_cues=3, delay=3, seed=0)
    timestep = environment.reset()
    assert timestep.step_type == StepType.FIRST
    cue = int(np.argmax(timestep.observation))
    np.testing.assert_array_equal(timestep.observation, np.eye(4)[cue])
    for shown in (np.zeros(4), np.zeros(4), [0, 0, 0, 1]):
        timestep = environment.step((cue + 1) % 3)  # It does not matter yet.
        assert (timestep.step_type, timestep.reward, timestep.discount) == (StepType.MID, 0.0, 1.0)
        np.testing.assert_array_equal(timestep.observation, shown)
    timestep = environment.step(cue)
    assert (timestep.step_type, timestep.reward, timestep.discount) == (StepType.LAST, 1.0, 0.0)
    np.testing.assert_array_equal(timestep.observation, np.zeros(4))
    assert environment.step(0).first()


def test_only_the_right_answer_is_rewarded_and_every_cue_comes():
    environment = Memory(num_cues=3, delay=1, seed=0)
    outcomes = {}
    for episode in range(90):
        cue = int(np.argmax(environment.reset().observation))
        environment.step(0)
        answer = episode % 3
        outcomes.setdefault((cue, answer), set()).add(environment.step(answer).reward)
    assert outcomes == {(cue, answer): {1.0 if cue == answer else -1.0} for cue in range(3) for answer in range(3)}


def test_a_seed_fixes_the_cues():
    def cues(seed):
        environment = Memory(num_cues=5, seed=seed)
        return [int(np.argmax(environment.reset().observation)) for _ in range(20)]

    assert cues(1) == cues(1) != cues(2)


def test_bad_input_is_refused():
    for num_cues, delay in ((1, 5), (2, 0)):
        message = f"Memory: num_cues is {num_cues} and delay {delay}, expected at least 2 and at least 1."
        with pytest.raises(ValueError, match=re.escape(message)):
            Memory(num_cues, delay)
    environment = Memory(num_cues=2)
    environment.reset()
    for action in (2, -1, 0.5, "left", None):
        with pytest.raises(ValueError, match=r"Memory.step: action is .*, expected an integer in \[0, 2\)"):
            environment.step(action)
