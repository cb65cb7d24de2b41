import dataclasses
import re
import subprocess
import sys

import jax
import jax.numpy as jnp
import matplotlib.image
import numpy as np
import pytest

from integration_tests.agents import q_learning
from integration_tests.agents._command import command

SHORT = q_learning.Config(episodes=20, eval_every=10, eval_episodes=5, rows=4, columns=3)


def test_it_solves_catch():
    result = q_learning.train(q_learning.Config(seed=0))
    assert result.evaluations[-1][1] >= q_learning.SOLVED
    assert result.steps == 2000 * 9
    assert np.mean(result.train_returns[-100:]) > 0.7


def test_an_update_is_a_step_of_q_learning():
    config = dataclasses.replace(SHORT, hidden_units=4, learning_rate=0.1, discount=0.5)
    agent = q_learning.make_agent(3, config)
    learner = agent.init(jax.random.key(0), jnp.zeros([4, 3]))
    random = np.random.default_rng(0)
    transition = q_learning.Transition(
        observation_tm1=random.normal(size=(1, 4, 3)).astype(np.float32),
        action_tm1=np.array([2]),
        reward_t=np.array([1.0], np.float32),
        discount_t=np.array([1.0], np.float32),
        observation_t=random.normal(size=(1, 4, 3)).astype(np.float32),
    )

    def q(params, observation):
        first, second = (jax.tree.map(np.float64, layer) for layer in params.values())
        hidden = np.maximum(observation.reshape(-1) @ first["w"] + first["b"], 0)
        return hidden, hidden @ second["w"] + second["b"]

    params = jax.tree.map(np.asarray, learner.params)
    hidden, q_tm1 = q(params, transition.observation_tm1)
    error = 1.0 + 0.5 * q(params, transition.observation_t)[1].max() - q_tm1[2]
    last = "mlp/~/linear_1"
    gradient_w = np.zeros_like(params[last]["w"], np.float64)
    gradient_w[:, 2] = -error * hidden
    # Adam's first step is the learning rate in the direction of the gradient's sign.
    learner, loss = agent.update(learner, transition)
    np.testing.assert_allclose(loss, error**2 / 2, rtol=1e-5)
    step = np.asarray(learner.params[last]["w"]) - params[last]["w"]
    moved = np.abs(gradient_w) > 1e-4
    np.testing.assert_allclose(step[moved], -0.1 * np.sign(gradient_w[moved]), rtol=1e-3)
    np.testing.assert_allclose(step[:, :2], 0.0, atol=1e-7)


def test_the_same_seed_gives_the_same_curve():
    first, second, other = (q_learning.train(dataclasses.replace(SHORT, seed=seed)) for seed in (3, 3, 4))
    assert first.evaluations == second.evaluations
    assert first.train_returns == second.train_returns
    jax.tree.map(np.testing.assert_array_equal, first.params, second.params)
    assert any(jax.tree.leaves(jax.tree.map(lambda a, b: bool(np.any(a != b)), first.params, other.params)))


def test_nothing_is_compiled_after_the_first_steps():
    agent = q_learning.make_agent(3, SHORT)
    learner = agent.init(jax.random.key(0), jnp.zeros([4, 3]))
    key = jax.random.key(1)
    observation = np.zeros([4, 3], np.float32)
    transition = q_learning.Transition(
        observation[None], np.array([0]), np.zeros(1, np.float32), np.ones(1, np.float32), observation[None]
    )
    for epsilon in np.linspace(0, 1, 5, dtype=np.float32):
        _, key = agent.explore(learner.params, key, observation, epsilon)
        learner, _ = agent.update(learner, transition)
    assert agent.explore._cache_size() == agent.update._cache_size() == 1


def test_updates_leak_no_tracer():
    with jax.checking_leaks():
        result = q_learning.train(dataclasses.replace(SHORT, episodes=2))
    assert all(np.all(np.isfinite(p)) for p in jax.tree.leaves(result.params))


def test_the_progress_is_reported():
    reports = []
    q_learning.train(SHORT, lambda episode, score: reports.append((episode, score)))
    assert [episode for episode, _ in reports] == list(range(1, 21))
    assert [score is None for _, score in reports] == [True] * 9 + [False] * 11


def test_epsilon_one_explores_evenly():
    agent = q_learning.make_agent(3, SHORT)
    params = agent.init(jax.random.key(0), jnp.zeros([4, 3])).params
    key, actions = jax.random.key(1), []
    for _ in range(600):
        action, key = agent.explore(params, key, np.zeros([4, 3], np.float32), np.float32(1.0))
        actions.append(int(action))
    assert np.all(np.abs(np.bincount(actions, minlength=3) - 200) < 60)


def refused(monkeypatch, *arguments):
    """What ends the command with such arguments, without starting a Python for it."""
    monkeypatch.setattr(sys, "argv", ["q_learning.py", *arguments])
    with pytest.raises(SystemExit) as ended:
        command(q_learning.Config, q_learning.main)
    return ended.value.code


def test_the_command_draws_a_curve_and_prints_a_summary(tmp_path):
    settings = ["--episodes", "20", "--eval-every", "10", "--eval-episodes", "5", "--out", str(tmp_path / "new")]
    started = [sys.executable, "-m", "integration_tests.agents.q_learning", *settings]
    done = subprocess.run(started, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for line in ("greedy return", "solved", "20 episodes, 180 steps", "learning curve"):
        assert line in done.stdout
    picture = matplotlib.image.imread(tmp_path / "new" / "learning_curve.png")
    assert picture.shape[0] > 300
    assert picture.std() > 0.02  # Something is drawn.


def test_the_command_explains_itself(monkeypatch, capsys):
    assert refused(monkeypatch, "--help") == 0
    out = capsys.readouterr().out
    for option in ("--episodes", "--learning-rate", "--seed", "--out"):
        assert option in out


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"episodes": 0}, "--episodes is 0, expected a positive number."),
        ({"eval_every": -1}, "--eval-every is -1, expected a positive number."),
        ({"learning_rate": 0.0}, "--learning-rate is 0.0, expected a positive number."),
        ({"discount": 1.5}, "--discount is 1.5, expected a number in [0, 1]."),
        ({"epsilon": -0.1}, "--epsilon is -0.1, expected a number in [0, 1]."),
        ({"rows": 1}, "--rows 1 --columns 5, expected at least 2 rows and 1 column."),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        q_learning.train(q_learning.Config(**settings))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--episodes", "0"], "q_learning: --episodes is 0, expected a positive number."),
        (["--episodes", "many"], "--episodes"),
        (["--out", "/dev/null/x"], "q_learning: "),
    ],
)
def test_the_command_refuses_bad_settings(arguments, message, monkeypatch, capsys):
    code = refused(monkeypatch, *arguments)
    assert code != 0
    assert message in f"{code}{''.join(capsys.readouterr())}"


def test_parameters_are_plain_dictionaries_of_arrays():
    agent = q_learning.make_agent(3, SHORT)
    params = agent.init(jax.random.key(0), jnp.zeros([4, 3])).params
    assert jax.tree.map(jnp.shape, params) == {
        "mlp/~/linear_0": {"b": (64,), "w": (12, 64)},
        "mlp/~/linear_1": {"b": (3,), "w": (64, 3)},
    }
