"""Memory: a cue is shown at first, and must be recalled some steps later."""

import dm_env
import numpy as np
from dm_env import specs


class Memory(dm_env.Environment):
    """The first observation shows one of some cues, the last one asks for it; those between show nothing.

    The observation is a vector: the cue as one-hot in the first step, and in its last entry 1 when the cue is asked
    for; 0 elsewhere. An action is the number of a cue, and only the answer to the question counts: the episode ends
    with reward 1 if it is the cue, and -1 if not. An episode takes `delay + 1` steps. No policy that sees only the
    present observation gets a mean return above `2 / num_cues - 1`.

    Args:
      num_cues: How many cues there are, at least 2.
      delay: How many steps after the cue it is asked for, at least 1.
      seed: Seeds the cues; None for others each time.

    Raises:
      ValueError: there are too few cues, or there is no delay.

    Example:
      >>> from integration_tests.environments.memory import Memory
      >>> environment = Memory(num_cues=2, delay=1, seed=0)
      >>> cue = int(environment.reset().observation.argmax())
      >>> environment.step(0).observation
      array([0., 0., 1.], dtype=float32)
      >>> environment.step(cue).reward
      1.0
    """

    def __init__(self, num_cues: int = 3, delay: int = 10, seed: int | None = None):
        if num_cues < 2 or delay < 1:
            raise ValueError(f"Memory: num_cues is {num_cues} and delay {delay}, expected at least 2 and at least 1.")
        self._num_cues = num_cues
        self._delay = delay
        self._random = np.random.default_rng(seed)
        self._cue = 0
        self._steps = 0
        self._needs_reset = True

    def reset(self) -> dm_env.TimeStep:
        """Draws a cue and shows it."""
        self._needs_reset = False
        self._cue = int(self._random.integers(self._num_cues))
        self._steps = 0
        return dm_env.restart(self._observation(shown=self._cue))

    def step(self, action: int) -> dm_env.TimeStep:
        """Passes time, or takes the answer; starts a new episode, whatever the action, if the last one has ended.

        Raises:
          ValueError: `action` is not the number of a cue.
        """
        if action not in range(self._num_cues):
            raise ValueError(f"Memory.step: action is {action!r}, expected an integer in [0, {self._num_cues}).")
        if self._needs_reset:
            return self.reset()
        self._steps += 1
        if self._steps < self._delay:
            return dm_env.transition(reward=0.0, observation=self._observation())
        if self._steps == self._delay:
            return dm_env.transition(reward=0.0, observation=self._observation(shown=self._num_cues))
        self._needs_reset = True
        return dm_env.termination(reward=1.0 if action == self._cue else -1.0, observation=self._observation())

    def observation_spec(self) -> specs.BoundedArray:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The cue and the question: float32 `[num_cues + 1]`, at most one entry 1 and the others 0."""
        return specs.BoundedArray(
            shape=(self._num_cues + 1,), dtype=np.float32, minimum=0.0, maximum=1.0, name="cue_and_question"
        )

    def action_spec(self) -> specs.DiscreteArray:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The number of a cue."""
        return specs.DiscreteArray(num_values=self._num_cues, dtype=np.int32, name="answer")

    def reward_spec(self) -> specs.BoundedArray:
        """A number in [-1, 1]."""
        return specs.BoundedArray(shape=(), dtype=float, minimum=-1.0, maximum=1.0, name="reward")

    def _observation(self, shown: int | None = None) -> np.ndarray:
        observation = np.zeros(self._num_cues + 1, np.float32)
        if shown is not None:
            observation[shown] = 1.0
        return observation
