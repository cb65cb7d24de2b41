import signal
import sys
import threading

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from integration_tests.agents import _command, sebulba

SHORT = sebulba.Config(
    updates=50, eval_every=50, eval_episodes=2, actors=2, environments=2, unroll=6, hidden_units=8, seed=3
)


@pytest.fixture(scope="module")
def agent():
    return sebulba.make_agent(2, SHORT)


@pytest.fixture(autouse=True)
def compiled_once(agent, monkeypatch):
    monkeypatch.setattr(sebulba, "make_agent", lambda num_actions, config: agent)


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = {thread for thread in threading.enumerate() if thread.name.startswith("producer")}
    yield
    assert {thread for thread in threading.enumerate() if thread.name.startswith("producer")} == before == set()


@pytest.fixture
def ctrl_c_raises():
    """Sets what is so at a terminal; a job that a shell runs in the background ignores Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c_raises")
def test_ctrl_c_ends_all_threads():
    done = []

    def interrupt(update, score):
        done.append(update)
        if update == 3:
            assert sum(thread.name.startswith("producer") for thread in threading.enumerate()) == 2
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        sebulba.train(SHORT, interrupt)
    assert done == [1, 2, 3]


@pytest.mark.usefixtures("ctrl_c_raises")
def test_a_command_that_ctrl_c_ends_says_so(monkeypatch, capsys):
    def main(config):
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(sys, "argv", ["/a/sebulba.py"])
    with pytest.raises(SystemExit) as exit_:
        _command.command(sebulba.Config, main)
    assert exit_.value.code == 130
    assert capsys.readouterr().err == "sebulba: interrupted\n"


def test_an_actor_that_fails_ends_the_run(monkeypatch):
    make_environments, made = sebulba.make_environments, []

    def make_one_that_fails(config, number, seed):
        environments = make_environments(config, number, seed)
        made.append(environments)
        if len(made) == 3:  # After the one that tells the shapes, the second actor's, whichever that is.

            def fail(actions):
                raise OSError("the simulator is gone")

            environments.step = fail
        return environments

    monkeypatch.setattr(sebulba, "make_environments", make_one_that_fails)
    with pytest.raises(OSError, match="the simulator is gone") as raised:
        sebulba.train(SHORT)
    assert raised.value.__notes__[0].startswith("Raised in producer")


def test_a_learner_that_fails_ends_the_run(agent, monkeypatch):
    def learn(learner, rollout):
        raise FloatingPointError("no finite loss")

    monkeypatch.setattr(sebulba, "make_agent", lambda num_actions, config: agent._replace(learn=learn))
    with pytest.raises(FloatingPointError, match="no finite loss"):
        sebulba.train(SHORT)


class Link:
    """Gives one actor its orders, and keeps what it delivers."""

    def __init__(self, orders):
        self.orders, self.products = list(orders), []

    def order(self):
        if not self.orders:
            raise StopIteration
        return self.orders.pop(0)

    def deliver(self, product):
        self.products.append(product)


@pytest.fixture
def products(monkeypatch):
    """Two rollouts of an actor whose policy pushes the pole over, in episodes of at most 9 steps."""
    make_vec = gymnasium.make_vec
    monkeypatch.setattr(gymnasium, "make_vec", lambda *args, **kwargs: make_vec(*args, max_episode_steps=9, **kwargs))

    def act(params, key, observation):
        return jnp.array([0, params]), jnp.zeros([2, 2]), key

    link = Link([1, 0])
    with pytest.raises(StopIteration):
        sebulba.act(link, sebulba.Agent(None, act, None, None), SHORT, seed=0, done=0)
    return link.products


def test_a_rollout_follows_gymnasium(products):
    (first, _), (second, _) = products
    np.testing.assert_array_equal(first.action_tm1, [[0, 1]] * 6)
    np.testing.assert_array_equal(second.action_tm1, [[0, 0]] * 6)
    np.testing.assert_array_equal(first.observation[-1], second.observation[0])
    joined = [np.concatenate(pair) for pair in zip(first[1:], second[1:], strict=True)]
    _, _, reward, terminated, truncated, valid = joined
    over = terminated | truncated
    assert np.all(over.sum(axis=0) == 1)  # In 12 steps, each environment ends an episode, by the limit at the latest.
    for environment in range(2):
        (end,) = np.flatnonzero(over[:, environment])
        expected = np.ones(12)
        expected[end + 1 : end + 2] = 0  # One step passes over to the next episode.
        np.testing.assert_array_equal(valid[:, environment], expected)
        np.testing.assert_array_equal(reward[:, environment], expected)


def test_the_returns_are_those_of_the_episodes(products):
    lengths = []
    for rollout, returns in products:
        lengths.extend(returns)
        assert len(returns) == (rollout.terminated_t | rollout.truncated_t).sum()
    assert len(lengths) == 2
    assert all(5 < length <= 9 for length in lengths)


def test_steps_between_episodes_do_not_count(agent):
    def learned(spoilt):
        # The step from the first episode's end to the second one's beginning has any reward, action and logits.
        rollout = sebulba.Rollout(
            observation=np.ones([5, 1, 4], np.float32) * np.arange(5, dtype=np.float32)[:, None, None],
            action_tm1=np.array([[0], [1], [spoilt], [1]]),
            logits_tm1=np.array([[[0, 1]], [[0, 1]], [[0, -spoilt]], [[0, 1]]], np.float32),
            reward_t=np.array([[1], [1], [7 * spoilt], [1]], np.float32),
            terminated_t=np.array([[False], [True], [False], [False]]),
            truncated_t=np.zeros([4, 1], bool),
            valid_t=np.array([[True], [True], [False], [True]]),
        )
        return agent.learn(agent.init(jax.random.key(0), jnp.zeros([1, 4])), rollout).params

    jax.tree.map(np.testing.assert_array_equal, learned(0), learned(1))


def test_what_a_cut_episode_would_have_brought_counts(agent):
    """Where an episode is cut, the value of its last state stands for the rest; where it ended, nothing does."""

    def learned(terminated, last):
        observation = np.zeros([2, 1, 4], np.float32)
        observation[1] = last
        rollout = sebulba.Rollout(
            observation=observation,
            action_tm1=np.array([[0]]),
            logits_tm1=np.zeros([1, 1, 2], np.float32),
            reward_t=np.ones([1, 1], np.float32),
            terminated_t=np.array([[terminated]]),
            truncated_t=np.array([[not terminated]]),
            valid_t=np.array([[True]]),
        )
        learner = agent.init(jax.random.key(0), jnp.zeros([1, 4]))
        return np.asarray(agent.learn(learner, rollout).optimizer[1][0].mu["value/~/linear_2"]["b"])

    np.testing.assert_array_equal(learned(True, 0.0), learned(True, 5.0))
    assert not np.array_equal(learned(False, 0.0), learned(False, 5.0))
