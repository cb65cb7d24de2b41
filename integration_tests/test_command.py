import dataclasses
import re

import matplotlib.image
import numpy as np
import pytest

from integration_tests.agents import _command, q_learning
from integration_tests.environments.catch import Catch

TASK = _command.Task(
    agent="An agent", environment="a task", total=100, unit="steps", solved=5.0, eval_episodes=3, seed=7
)
RESULT = _command.Result(
    params={"linear": {"w": np.zeros([2, 3]), "b": np.zeros(3)}},
    train_returns=[1.0, 2.0, 3.0, 4.0],
    evaluations=[(50, 6.0), (100, 4.0)],
    steps=100,
    seconds=1.0,
)


def lines(axes):
    return [np.transpose(line.get_data()).tolist() for line in axes.get_lines()]


def test_the_picture_shows_training_and_evaluation_where_they_were():
    (axes,) = _command.draw_learning_curve(RESULT, TASK).axes
    training, evaluation, solved = lines(axes)
    assert training == [[25, 1.0], [50, 2.0], [75, 3.0], [100, 4.0]]
    assert evaluation == [[50, 6.0], [100, 4.0]]
    assert [y for _, y in solved] == [5.0, 5.0]
    assert axes.get_title() == "An agent on a task, seed 7"
    assert axes.get_xlabel() == "training steps"
    assert axes.get_xlim() == (0, 100)


def test_the_picture_shows_training_where_the_agent_says():
    (axes,) = _command.draw_learning_curve(RESULT._replace(train_done=[1, 2, 3, 90]), TASK).axes
    assert lines(axes)[0] == [[1, 1.0], [2, 2.0], [3, 3.0], [90, 4.0]]


def test_many_returns_of_training_are_smoothed():
    returns = np.arange(400.0)
    (axes,) = _command.draw_learning_curve(RESULT._replace(train_returns=returns), TASK).axes
    training = lines(axes)[0]
    assert len(training) == 351
    np.testing.assert_allclose(training[0], [12.5, np.mean(returns[:50])])
    np.testing.assert_allclose(training[-1], [100, np.mean(returns[-50:])])


def test_a_run_without_returns_of_training_has_a_picture():
    (axes,) = _command.draw_learning_curve(RESULT._replace(train_returns=[]), TASK).axes
    assert len(lines(axes)) == 2


def test_the_summary_tells_the_outcome():
    table = _command.summary(RESULT, TASK, {"more": "said"})
    rows = dict(zip(*(column._cells for column in table.columns), strict=True))
    assert rows["greedy return"] == "4.00 over 3 episodes"
    assert rows["solved"] == "no, at 5 or more"
    assert rows["first solved"] == "after 50 steps"
    assert rows["trained"] == "100 steps"
    assert rows["network"] == "9 parameters in linear"
    assert list(rows)[-1] == "more"


def test_a_run_reports_and_leaves_a_picture(tmp_path, capsys):
    def train(report):
        report(10, None)
        report(20, 1.5)
        return RESULT

    assert _command.run(TASK, train, tmp_path / "new" / "folder") is RESULT
    assert matplotlib.image.imread(tmp_path / "new" / "folder" / "learning_curve.png").std() > 0.02
    assert "first solved" in capsys.readouterr().out


def test_a_folder_that_cannot_be_made_stops_before_training(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        _command.run(TASK, lambda report: pytest.fail("it trained"), tmp_path / "file" / "folder")


@pytest.mark.parametrize("reward", [np.nan, np.inf, [0.0, -np.inf]])
def test_rewards_that_are_not_finite_are_refused(reward):
    bad = np.ravel(reward)[-1]
    with pytest.raises(ValueError, match=rf"gave the reward {bad} after 12 steps of training, expected a finite"):
        _command.check_rewards(reward, 12)


def test_finite_rewards_pass():
    _command.check_rewards(0.5, 1)
    _command.check_rewards([0.5, -1e30], 1)


@pytest.mark.parametrize("value", [0, -1.0, float("nan"), float("inf")])
def test_settings_must_be_positive(value):
    config = dataclasses.make_dataclass("Config", ["two_words"])(value)
    with pytest.raises(ValueError, match=re.escape(f"--two-words is {value}, expected a positive number.")):
        _command.check_positive(config, "two_words")


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_settings_must_be_in_the_unit_interval(value):
    config = dataclasses.make_dataclass("Config", ["two_words"])(value)
    with pytest.raises(ValueError, match=re.escape(f"--two-words is {value}, expected a number in [0, 1].")):
        _command.check_unit_interval(config, "two_words")


def test_q_learning_refuses_a_reward_that_is_nan(monkeypatch):
    class Broken(Catch):
        def step(self, action):
            return super().step(action)._replace(reward=float("nan"))

    monkeypatch.setattr(q_learning, "Catch", Broken)
    with pytest.raises(ValueError, match="gave the reward nan after 0 steps of training, expected a finite number"):
        q_learning.train(q_learning.Config(episodes=1))
