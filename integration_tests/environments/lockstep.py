"""Lockstep: several dm_env environments that take their steps together, and start anew by themselves."""

from collections.abc import Sequence
from typing import NamedTuple

import dm_env
import numpy as np


class Steps(NamedTuple):
    """One step of `B` environments.

    Attributes:
      reward_t: The rewards, float32 `[B]`.
      discount_t: The environments' discounts, float32 `[B]`: 0 where an episode has ended, 1 where it goes on or was
        only cut.
      last_t: Whether the episode is over after the step, booleans `[B]`.
      observation_t: What the step reached, `[B, ...]`: at the end of an episode its last observation.
      observation: What to act on next, `[B, ...]`: after the end of an episode the first observation of another.
    """

    reward_t: np.ndarray
    discount_t: np.ndarray
    last_t: np.ndarray
    observation_t: np.ndarray
    observation: np.ndarray


class Lockstep:
    """Steps `B` environments together; where an episode ends, the next one starts at once.

    Args:
      environments: The environments, at least one, with observations of one shape.

    Raises:
      ValueError: there is no environment.

    Attributes:
      episode_returns: For each environment the returns of the episodes that it has finished, in order.

    Example:
      >>> from integration_tests.environments.catch import Catch
      >>> environments = Lockstep([Catch(rows=2, columns=1, seed=seed) for seed in range(3)])
      >>> environments.reset().shape
      (3, 2, 1)
      >>> environments.step(np.array([1, 1, 1])).reward_t
      array([1., 1., 1.], dtype=float32)
      >>> environments.episode_returns
      [[1.0], [1.0], [1.0]]
    """

    def __init__(self, environments: Sequence[dm_env.Environment]):
        if not environments:
            raise ValueError("Lockstep: environments is empty, expected at least one environment.")
        self._environments = list(environments)
        self._returns = [0.0] * len(environments)
        self.episode_returns: list[list[float]] = [[] for _ in environments]

    def reset(self) -> np.ndarray:
        """Starts new episodes everywhere, and returns their first observations, `[B, ...]`."""
        self._returns = [0.0] * len(self._environments)
        return np.stack([environment.reset().observation for environment in self._environments])

    def step(self, actions: np.ndarray) -> Steps:
        """Takes a step in each environment.

        Args:
          actions: `[B]` or `[B, ...]`; a discrete action is handed on as an int.
        """
        timesteps, observations = [], []
        for index, (environment, action) in enumerate(zip(self._environments, actions, strict=True)):
            timestep = environment.step(int(action) if np.ndim(action) == 0 else action)
            self._returns[index] += float(timestep.reward)
            timesteps.append(timestep)
            observations.append(timestep.observation)
            if timestep.last():
                self.episode_returns[index].append(self._returns[index])
                self._returns[index] = 0.0
                observations[index] = environment.reset().observation
        return Steps(
            reward_t=np.array([timestep.reward for timestep in timesteps], np.float32),
            discount_t=np.array([timestep.discount for timestep in timesteps], np.float32),
            last_t=np.array([timestep.last() for timestep in timesteps]),
            observation_t=np.stack([timestep.observation for timestep in timesteps]),
            observation=np.stack(observations),
        )

    def close(self) -> None:
        """Closes the environments."""
        for environment in self._environments:
            environment.close()
