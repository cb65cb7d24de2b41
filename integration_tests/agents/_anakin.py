"""What agents that live on the device share: acting in a batch of environments, and evaluating a policy.

Podracer architectures for scalable reinforcement learning, Hessel et al. (2021), arXiv:2104.06272, section 3. Every
random number is drawn from the key of an environment of its own, so that it does not matter how the environments are
spread over devices.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from integration_tests.environments.gymnax_adapter import OnDevice


class Actors(NamedTuple):
    """`B` environments in mid-episode.

    Attributes:
      key: The key of each environment, from which all its random numbers are drawn.
      state: The states of the environments.
      observation: What they show.
      episode_return: The sum of the rewards of the episode so far.
      replay: Old transitions of each environment, where an agent keeps them.
    """

    key: jax.Array
    state: Any
    observation: jax.Array
    episode_return: jax.Array
    replay: Any = ()


class Trajectory(NamedTuple):
    """`T` steps of `B` environments, `[T, B, ...]`.

    Attributes:
      observation_tm1: What was seen.
      action_tm1: What was done.
      policy_tm1: What else the policy told of it.
      reward_t: The reward.
      discount_t: 0 where the episode ended, else 1.
      truncated_t: Whether it was cut after the step.
      observation_t: What was seen next, in the same episode.
      return_t: The return of the episode, where it is over.
      done_t: Whether it is over.
    """

    observation_tm1: jax.Array
    action_tm1: jax.Array
    policy_tm1: Any
    reward_t: jax.Array
    discount_t: jax.Array
    truncated_t: jax.Array
    observation_t: jax.Array
    return_t: jax.Array
    done_t: jax.Array


def start(environment: OnDevice, key: jax.Array, num_envs: int) -> Actors:
    """Returns environments at the beginning of their episodes."""
    keys = jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.arange(num_envs))
    state, observation = jax.vmap(environment.reset)(keys)
    return Actors(keys, state, observation, jnp.zeros(num_envs))


def rollout(
    environment: OnDevice,
    act: Callable[[jax.Array, jax.Array], tuple[jax.Array, Any]],
    actors: Actors,
    number: jax.Array,
    length: int,
) -> tuple[Actors, Trajectory]:
    """Acts for some steps; where an episode is over, the next one starts.

    Args:
      environment: What to act in.
      act: `act(keys, observations) -> (actions, more)`, for a batch.
      actors: Where the environments are.
      number: The number of this rollout; each has random numbers of its own.
      length: How many steps, `T`.

    Returns:
      Where the environments are now, and what happened.
    """
    keys = jax.vmap(lambda key: jax.random.split(jax.random.fold_in(key, number), (length, 3)), out_axes=1)(actors.key)
    act_keys, step_keys, reset_keys = (keys[..., i] for i in range(3))
    # All beginnings at once, of which few are needed, take less time than one in each step.
    beginnings = jax.vmap(jax.vmap(environment.reset))(reset_keys)

    def step(actors: Actors, inputs: Any) -> tuple[Actors, Trajectory]:
        act_key, step_key, (new_state, new_observation) = inputs
        action, more = act(act_key, actors.observation)
        after = jax.vmap(environment.step)(step_key, actors.state, action)
        done = after.terminated | after.truncated
        episode_return = actors.episode_return + after.reward
        trajectory = Trajectory(
            observation_tm1=actors.observation,
            action_tm1=action,
            policy_tm1=more,
            reward_t=after.reward,
            discount_t=1.0 - after.terminated,
            truncated_t=after.truncated,
            observation_t=after.observation,
            return_t=episode_return,
            done_t=done,
        )
        state, observation, episode_return = jax.tree.map(
            lambda new, old: jnp.where(done.reshape(done.shape + (1,) * (old.ndim - 1)), new, old),
            (new_state, new_observation, jnp.zeros_like(episode_return)),
            (after.state, after.observation, episode_return),
        )
        return actors._replace(state=state, observation=observation, episode_return=episode_return), trajectory

    return jax.lax.scan(step, actors, (act_keys, step_keys, beginnings))


def evaluate(
    environment: OnDevice,
    scores: Callable[[jax.Array], jax.Array],
    key: jax.Array,
    episodes: int,
) -> jax.Array:
    """Returns the mean return of a greedy policy over some episodes, all played at once.

    Args:
      environment: What to act in.
      scores: `scores(observations) -> [B, A]`, of which the highest tells the action.
      key: Seeds the episodes.
      episodes: How many.
    """

    def step(carry: Any) -> Any:
        number, keys, state, observation, over, returns = carry
        step_keys = jax.vmap(jax.random.fold_in, (0, None))(keys, number)
        after = jax.vmap(environment.step)(step_keys, state, jnp.argmax(scores(observation), axis=-1))
        returns = returns + jnp.where(over, 0.0, after.reward)
        return number + 1, keys, after.state, after.observation, over | after.terminated | after.truncated, returns

    actors = start(environment, key, episodes)
    carry = (jnp.int32(0), actors.key, actors.state, actors.observation, jnp.zeros(episodes, bool), jnp.zeros(episodes))
    *_, returns = jax.lax.while_loop(lambda carry: ~jnp.all(carry[4]), step, carry)
    return jnp.mean(returns)


def values_around(value: Callable[[jax.Array], jax.Array], trajectory: Trajectory) -> tuple[jax.Array, jax.Array]:
    """Returns the values of the states that the steps leave and of those that they reach, both `[T, B, ...]`.

    The state that a step reaches is the one that the next step leaves, so its value is computed once, unless the
    episode was cut between the two. Where the episode ended, the value reached is that of the next beginning; the
    discount is 0 there.
    """
    values = value(jnp.concatenate([trajectory.observation_tm1, trajectory.observation_t[-1:]]))
    v_tm1, v_t = values[:-1], values[1:]
    cut = trajectory.truncated_t.reshape(trajectory.truncated_t.shape + (1,) * (v_t.ndim - 2))
    return v_tm1, jax.lax.cond(jnp.any(cut), lambda: jnp.where(cut, value(trajectory.observation_t), v_t), lambda: v_t)
