"""Environments of gymnax as pure functions that tell an episode's end from its cut, and leave resets to the caller."""

from collections.abc import Callable
from typing import Any, NamedTuple

import gymnax
import gymnax.registration
import jax
import jax.numpy as jnp


class Step(NamedTuple):
    """What a step of an environment gives.

    Attributes:
      state: The environment's state.
      observation: The observation of that state, also where the episode is over: float32 `[size]`.
      reward: A number.
      terminated: Whether the episode ended, so that no reward can follow.
      truncated: Whether it was cut by its time limit, so that rewards would have followed.
    """

    state: Any
    observation: jax.Array
    reward: jax.Array
    terminated: jax.Array
    truncated: jax.Array


class OnDevice(NamedTuple):
    """An environment whose functions are pure, and may be compiled and batched by `jax.vmap`.

    Attributes:
      name: Its name.
      num_actions: How many actions there are; they are 0, 1, ….
      reset: `reset(key) -> (state, observation)`.
      step: `step(key, state, action) -> Step`. After the end of an episode, `reset` must be called.
      max_steps: The number of steps after which an episode is cut.
    """

    name: str
    num_actions: int
    reset: Callable[[jax.Array], tuple[Any, jax.Array]]
    step: Callable[[jax.Array, Any, jax.Array], Step]
    max_steps: int


def make(name: str, max_steps: int | None = None) -> OnDevice:
    """Returns an environment of gymnax with discrete actions.

    Args:
      name: Its name, such as `CartPole-v1`.
      max_steps: The number of steps after which an episode is cut; the environment's own where None.

    Returns:
      The environment.

    Raises:
      ValueError: there is no such environment, or its actions are not discrete.

    Example:
      >>> import jax
      >>> from integration_tests.environments import gymnax_adapter
      >>> cartpole = gymnax_adapter.make("CartPole-v1")
      >>> state, observation = cartpole.reset(jax.random.key(0))
      >>> step = cartpole.step(jax.random.key(1), state, 1)
      >>> float(step.reward), bool(step.terminated)
      (1.0, False)
    """
    known = gymnax.registration.registered_envs
    if name not in known:
        raise ValueError(f"there is no environment {name}, expected one of {', '.join(known)}.")
    made: Any = gymnax.make(name)  # Any of some thirty classes of environments.
    environment, params = made
    spaces = environment.action_space(params)
    if not hasattr(spaces, "n"):
        raise ValueError(f"the actions of {name} are not discrete: {spaces!r}; choose another environment.")
    if max_steps is not None:
        params = params.replace(max_steps_in_episode=max_steps)
    limit = params.max_steps_in_episode
    # An end that comes at the last step before the cut is an end: it is looked for where nothing is cut.
    endless = params.replace(max_steps_in_episode=jnp.iinfo(jnp.int32).max)

    def reset(key: jax.Array) -> tuple[Any, jax.Array]:
        observation, state = environment.reset_env(key, params)
        return _strong(state), _flat(observation)

    def step(key: jax.Array, state: Any, action: jax.Array) -> Step:
        observation, state, reward, *_ = environment.step_env(key, state, action, params)
        terminated = jnp.asarray(environment.is_terminal(state, endless))
        truncated = (state.time >= limit) & ~terminated
        return Step(_strong(state), _flat(observation), jnp.float32(reward), terminated, truncated)

    return OnDevice(name, int(spaces.n), reset, step, limit)


def _strong(tree: Any) -> Any:
    """Returns arrays whose types do not depend on what they are computed with, as loops need them."""
    return jax.tree.map(lambda x: jnp.asarray(x, jnp.result_type(x)), tree)


def _flat(observation: jax.Array) -> jax.Array:
    return jnp.ravel(observation).astype(jnp.float32)
