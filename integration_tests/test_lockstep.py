import dm_env
import numpy as np
import pytest
from dm_env import specs

from integration_tests.environments.catch import Catch
from integration_tests.environments.lockstep import Lockstep


class Counter(dm_env.Environment):
    """Counts its steps up to a length; then the episode ends, or is only cut."""

    def __init__(self, length, truncates=False):
        self.length, self.truncates = length, truncates
        self.actions, self.closed = [], False

    def reset(self):
        self.count = 0
        return dm_env.restart(np.array([self.count]))

    def step(self, action):
        self.actions.append(action)
        self.count += 1
        end = dm_env.truncation if self.truncates else dm_env.termination
        make = end if self.count == self.length else dm_env.transition
        return make(reward=10.0 * self.count, observation=np.array([self.count]))

    def observation_spec(self):
        return specs.Array([1], int)

    def action_spec(self):
        return specs.Array([], int)

    def close(self):
        self.closed = True


def test_an_episode_follows_the_last_one_at_once():
    environments = Lockstep([Counter(2), Counter(3, truncates=True)])
    np.testing.assert_array_equal(environments.reset(), [[0], [0]])
    taken = [environments.step(np.array([7, 8])) for _ in range(6)]
    columns = [np.stack(column) for column in zip(*taken, strict=True)]
    reward, discount, last, reached, goes_on = columns
    np.testing.assert_array_equal(reward, np.transpose([[10, 20] * 3, [10, 20, 30] * 2]))
    np.testing.assert_array_equal(discount, np.transpose([[1, 0] * 3, [1] * 6]))  # The second one is only cut.
    np.testing.assert_array_equal(last, np.transpose([[False, True] * 3, [False, False, True] * 2]))
    np.testing.assert_array_equal(reached[..., 0], np.transpose([[1, 2] * 3, [1, 2, 3] * 2]))
    np.testing.assert_array_equal(goes_on[..., 0], np.transpose([[1, 0] * 3, [1, 2, 0] * 2]))
    assert (reward.dtype, discount.dtype) == (np.float32, np.float32)
    assert environments.episode_returns == [[30.0] * 3, [60.0] * 2]


def test_discrete_actions_arrive_as_int_and_others_as_arrays():
    first, second = Counter(9), Counter(9)
    environments = Lockstep([first, second])
    environments.reset()
    environments.step(np.array([1, 2], np.int32))
    environments.step(np.array([[0.5], [1.5]]))
    assert [type(action) for action in first.actions] == [int, np.ndarray]
    assert second.actions[0] == 2
    np.testing.assert_array_equal(second.actions[1], [1.5])


def test_all_are_closed():
    environments = [Counter(1), Counter(1)]
    Lockstep(environments).close()
    assert [environment.closed for environment in environments] == [True, True]


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="Lockstep: environments is empty, expected at least one environment"):
        Lockstep([])
    environments = Lockstep([Catch(), Catch()])
    environments.reset()
    with pytest.raises(ValueError, match="shorter"):
        environments.step(np.array([1]))
