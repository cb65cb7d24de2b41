"""Gymnasium environments as dm_env environments."""

from typing import Any

import dm_env
import gymnasium
import numpy as np
from dm_env import specs


class GymnasiumAdapter(dm_env.Environment):
    """Wraps a Gymnasium environment, with dm_env's difference between an end and a cut.

    Where the environment is terminated, the last step's discount is 0: nothing is to come. Where it is only truncated,
    as by a limit of steps, the discount of the last step is 1, so that a learner counts on the value of what it saw
    last. Spaces are arrays, `Box`, or integers, `Discrete`. Observations are copies: what an environment does
    to its own arrays later does not reach them.

    Args:
      environment: The environment, for example `gymnasium.make("Pendulum-v1")`.
      seed: Seeds the first reset, and by it all that follow; None for others each time.

    Raises:
      TypeError: a space is neither `Box` nor `Discrete`.

    Example:
      >>> import gymnasium
      >>> environment = GymnasiumAdapter(gymnasium.make("Pendulum-v1"), seed=0)
      >>> environment.action_spec().minimum, environment.action_spec().maximum
      (array([-2.], dtype=float32), array([2.], dtype=float32))
      >>> timestep = environment.reset()
      >>> while not timestep.last():
      ...     timestep = environment.step(np.zeros(1, np.float32))
      >>> timestep.discount
      1.0
    """

    def __init__(self, environment: gymnasium.Env, seed: int | None = None):
        self._environment = environment
        self._seed = seed
        self._observation_spec = _spec("observation", environment.observation_space)
        self._action_spec = _spec("action", environment.action_space)
        self._needs_reset = True

    def reset(self) -> dm_env.TimeStep:
        """Starts a new episode."""
        observation, _ = self._environment.reset(seed=self._seed)
        self._seed = None  # The same seed once more would give the same episode once more.
        self._needs_reset = False
        return dm_env.restart(self._observation(observation))

    def step(self, action: Any) -> dm_env.TimeStep:
        """Takes a step; starts a new episode, whatever the action, if the last one has ended."""
        if self._needs_reset:
            return self.reset()
        observation, reward, terminated, truncated, _ = self._environment.step(action)
        observation, reward = self._observation(observation), float(reward)
        self._needs_reset = bool(terminated or truncated)
        if terminated:
            return dm_env.termination(reward, observation)
        if truncated:
            return dm_env.truncation(reward, observation)
        return dm_env.transition(reward, observation)

    def observation_spec(self) -> specs.Array:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The observation space as a spec."""
        return self._observation_spec

    def action_spec(self) -> specs.Array:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The action space as a spec."""
        return self._action_spec

    def close(self) -> None:
        """Closes the environment."""
        self._environment.close()

    def _observation(self, observation: Any) -> np.ndarray:
        return np.array(observation, self._observation_spec.dtype)


def _spec(name: str, space: gymnasium.Space) -> specs.Array:
    if isinstance(space, gymnasium.spaces.Box):
        return specs.BoundedArray(space.shape, space.dtype, space.low, space.high, name)
    if isinstance(space, gymnasium.spaces.Discrete):
        if space.start == 0:
            return specs.DiscreteArray(int(space.n), np.int32, name)
        return specs.BoundedArray((), np.int32, int(space.start), int(space.start + space.n - 1), name)
    raise TypeError(
        f"GymnasiumAdapter: the {name} space is {space}, expected a Box or a Discrete. Wrap the environment, for "
        "example with gymnasium.wrappers.FlattenObservation."
    )
