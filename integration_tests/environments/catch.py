"""Catch: a ball falls, a paddle at the bottom catches it or misses."""

import dm_env
import numpy as np
from dm_env import specs

LEFT, STAY, RIGHT = 0, 1, 2


class Catch(dm_env.Environment):
    """A ball falls one row a step from a random column; the paddle moves along the bottom row.

    The observation is the board: 1 where the ball or the paddle is, 0 elsewhere. The actions are 0, 1 and 2: left,
    stay, right; at the wall the paddle stays. When the ball reaches the bottom row, the episode ends with reward 1
    if the paddle is there, and -1 if not; until then the reward is 0. An episode takes `rows - 1` steps.

    Args:
      rows: The height of the board, at least 2.
      columns: Its width, at least 1.
      seed: Seeds the columns that balls fall from; None for others each time.

    Raises:
      ValueError: the board is too small.

    Example:
      >>> from integration_tests.environments.catch import STAY, Catch
      >>> environment = Catch(rows=3, columns=1, seed=0)
      >>> timestep = environment.reset()
      >>> timestep.observation
      array([[1.],
             [0.],
             [1.]], dtype=float32)
      >>> environment.step(STAY).reward, environment.step(STAY).reward
      (0.0, 1.0)
    """

    def __init__(self, rows: int = 10, columns: int = 5, seed: int | None = None):
        if rows < 2 or columns < 1:
            raise ValueError(f"Catch: the board is {rows} x {columns}, expected at least 2 rows and 1 column.")
        self._rows = rows
        self._columns = columns
        self._random = np.random.default_rng(seed)
        self._ball_row = 0
        self._ball_column = 0
        self._paddle_column = 0
        self._needs_reset = True

    def reset(self) -> dm_env.TimeStep:
        """Drops a new ball, and puts the paddle in the middle."""
        self._needs_reset = False
        self._ball_row = 0
        self._ball_column = int(self._random.integers(self._columns))
        self._paddle_column = self._columns // 2
        return dm_env.restart(self._observation())

    def step(self, action: int) -> dm_env.TimeStep:
        """Moves the paddle, then the ball; starts a new episode, whatever the action, if the last one has ended.

        Raises:
          ValueError: `action` is not 0, 1 or 2.
        """
        if action not in (LEFT, STAY, RIGHT):
            raise ValueError(f"Catch.step: action is {action!r}, expected 0 (left), 1 (stay) or 2 (right).")
        if self._needs_reset:
            return self.reset()
        self._paddle_column = min(max(self._paddle_column + int(action) - STAY, 0), self._columns - 1)
        self._ball_row += 1
        if self._ball_row < self._rows - 1:
            return dm_env.transition(reward=0.0, observation=self._observation())
        self._needs_reset = True
        caught = self._ball_column == self._paddle_column
        return dm_env.termination(reward=1.0 if caught else -1.0, observation=self._observation())

    def observation_spec(self) -> specs.BoundedArray:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The board: float32 `[rows, columns]` of zeros and ones."""
        return specs.BoundedArray(
            shape=(self._rows, self._columns), dtype=np.float32, minimum=0.0, maximum=1.0, name="board"
        )

    def action_spec(self) -> specs.DiscreteArray:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Three actions: left, stay, right."""
        return specs.DiscreteArray(num_values=3, dtype=np.int32, name="action")

    def reward_spec(self) -> specs.BoundedArray:
        """A number in [-1, 1]."""
        return specs.BoundedArray(shape=(), dtype=float, minimum=-1.0, maximum=1.0, name="reward")

    def _observation(self) -> np.ndarray:
        board = np.zeros((self._rows, self._columns), np.float32)
        board[self._ball_row, self._ball_column] = 1.0
        board[self._rows - 1, self._paddle_column] = 1.0
        return board
