import jax
import jax.numpy as jnp
import numpy as np
import pytest

from integration_tests.agents import _anakin
from integration_tests.environments import gymnax_adapter


def play(environment, action, steps, key=0):
    """The steps of one environment under one action, whatever it returns after the end."""
    state, observation = environment.reset(jax.random.key(key))
    for i in range(steps):
        step = environment.step(jax.random.key(i), state, jnp.int32(action))
        state = step.state
        yield observation, step
        observation = step.observation


def test_an_episode_that_ends_is_terminated_and_not_truncated():
    steps = [step for _, step in play(gymnax_adapter.make("CartPole-v1"), 1, 12)]
    ends = [bool(step.terminated) for step in steps]
    assert 8 <= ends.index(True) <= 11  # Pushed one way all the time, the pole falls.
    assert not any(bool(step.truncated) for step in steps)
    assert all(float(step.reward) == 1.0 for step in steps[: ends.index(True) + 1])


def test_an_episode_that_is_cut_is_truncated_and_not_terminated():
    steps = [step for _, step in play(gymnax_adapter.make("CartPole-v1", max_steps=5), 1, 5)]
    assert [bool(step.truncated) for step in steps] == [False] * 4 + [True]
    assert not any(bool(step.terminated) for step in steps)
    # The observation is that of the episode's last state, not of a new beginning.
    np.testing.assert_allclose(steps[-1].observation[1], 0.195 * 5, atol=0.06)


def test_an_end_at_the_last_step_is_an_end():
    free = [bool(step.terminated) for _, step in play(gymnax_adapter.make("CartPole-v1"), 1, 12)]
    last = free.index(True) + 1
    *_, (_, step) = play(gymnax_adapter.make("CartPole-v1", max_steps=last), 1, last)
    assert bool(step.terminated)
    assert not bool(step.truncated)


def test_a_rollout_starts_anew_after_an_end_and_tells_what_was_seen_last():
    environment = gymnax_adapter.make("CartPole-v1", max_steps=6)
    actors = _anakin.start(environment, jax.random.key(0), 3)
    act = lambda keys, observation: (jnp.ones(3, jnp.int32), observation[:, 0])  # noqa: E731
    after, steps = jax.jit(lambda actors: _anakin.rollout(environment, act, actors, jnp.int32(0), 14))(actors)
    assert jax.tree.map(jnp.shape, steps.observation_t) == (14, 3, 4)
    done = np.zeros([14, 3], bool)
    done[[5, 11]] = True
    np.testing.assert_array_equal(steps.truncated_t, done)
    np.testing.assert_array_equal(steps.done_t, done)
    np.testing.assert_array_equal(steps.discount_t, 1.0)
    np.testing.assert_array_equal(steps.return_t[5], 6.0)
    np.testing.assert_array_equal(steps.return_t[11], 6.0)
    np.testing.assert_array_equal(after.episode_return, 2.0)
    np.testing.assert_array_equal(steps.policy_tm1, steps.observation_tm1[..., 0])
    same = np.all(np.asarray(steps.observation_t[:-1]) == np.asarray(steps.observation_tm1[1:]), axis=-1)
    np.testing.assert_array_equal(same, ~done[:-1])
    beginnings = np.asarray(steps.observation_tm1)[[0, 6, 12]]
    assert np.all(np.abs(beginnings) <= 0.05)
    # Beginnings differ between environments and between episodes.
    assert len(np.unique(beginnings[..., 0])) == 9


def test_values_of_states_around_a_cut():
    observation_tm1 = jnp.arange(1.0, 5.0)[:, None, None] * jnp.ones([4, 2, 3])
    observation_t = jnp.array([2.0, 30.0, 4.0, 50.0])[:, None, None] * jnp.ones([4, 2, 3])
    cut = jnp.array([False, True, False, False])[:, None] & jnp.array([True, False])
    steps = _anakin.Trajectory(observation_tm1, None, None, None, None, cut, observation_t, None, None)
    v_tm1, v_t = _anakin.values_around(lambda x: x[..., 0], steps)
    np.testing.assert_array_equal(v_tm1, np.arange(1.0, 5.0)[:, None] * np.ones([4, 2]))
    np.testing.assert_array_equal(v_t, np.array([[2.0, 30.0, 4.0, 50.0], [2.0, 3.0, 4.0, 50.0]]).T)
    q_tm1, q_t = _anakin.values_around(lambda x: x[..., :2], steps)
    assert q_tm1.shape == q_t.shape == (4, 2, 2)
    np.testing.assert_array_equal(q_t[..., 1], v_t)


def test_an_evaluation_counts_each_episode_to_its_end():
    environment = gymnax_adapter.make("CartPole-v1")
    pushed = _anakin.evaluate(environment, lambda o: jnp.tile(jnp.arange(2), (len(o), 1)), jax.random.key(0), 16)
    assert 8.5 <= float(pushed) <= 10.5
    cut = gymnax_adapter.make("CartPole-v1", max_steps=7)
    assert float(_anakin.evaluate(cut, lambda o: jnp.tile(jnp.arange(2), (len(o), 1)), jax.random.key(0), 4)) == 7.0


@pytest.mark.parametrize("name", ["CartPole-v1", "Catch-bsuite"])
def test_observations_are_flat(name):
    environment = gymnax_adapter.make(name)
    state, observation = environment.reset(jax.random.key(0))
    step = environment.step(jax.random.key(1), state, jnp.int32(0))
    assert observation.shape == step.observation.shape == (observation.size,)
    assert observation.dtype == step.observation.dtype == jnp.float32
    assert jax.tree.map(jnp.result_type, state) == jax.tree.map(jnp.result_type, step.state)
