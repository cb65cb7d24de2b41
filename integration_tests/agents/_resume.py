"""Where a run of an online agent stands, kept so that it goes on as if it had never stopped."""

import dataclasses
import json
import pathlib
import shutil
from typing import Any, NamedTuple, Self

import jax
import numpy as np

from integration_tests.agents._checkpoint import Checkpoints, is_key

MAY_CHANGE = ("out", "resume", "steps", "updates")
"""The settings that a resumed run may have otherwise: where and how long."""


class History(NamedTuple):
    """What a run was like so far.

    Attributes:
      train_returns: The returns of the training episodes, in order of their ends.
      train_done: How much training was done at each of these ends.
      evaluations: `(training done, score)` of each evaluation.
    """

    train_returns: list[float]
    train_done: list[int]
    evaluations: list[tuple[int, float]]

    @property
    def score(self) -> float | None:
        """The score of the last evaluation, None before the first."""
        return self.evaluations[-1][1] if self.evaluations else None


class Standing:
    """Keeps where a run stands: its arrays in checkpoints, and beside them its history, which grows, as JSON.

    Args:
      folder: Where; None for nowhere.
      config: The run's settings, a dataclass with the field `resume`.

    Raises:
      ValueError: the run is to be resumed, and there is nothing to resume.
    """

    def __init__(self, folder: pathlib.Path | None, config: Any):
        self._folder = folder
        self._resume = config.resume
        self._checkpoints = None
        if folder is None:
            if config.resume:
                raise ValueError("--resume: there is no folder of checkpoints to go on from.")
            return
        if not config.resume:
            shutil.rmtree(folder, ignore_errors=True)  # A new run takes the place of an old one.
        fixed = {name: str(value) for name, value in dataclasses.asdict(config).items() if name not in MAY_CHANGE}
        self._checkpoints = Checkpoints(folder, fixed)
        if config.resume and self._checkpoints.newest() is None:
            raise ValueError(f"--resume: there is no checkpoint in {folder}. Leave --resume out to begin a run.")

    def last(self, state: Any) -> tuple[Any, int, History]:
        """Returns where to begin: the state, the training done and the history.

        Args:
          state: The state of a run that begins, a pytree of arrays; it is returned if the run is not resumed.

        Raises:
          ValueError: the checkpoint is of a run with other settings, or cannot be read.
        """
        if self._folder is None or self._checkpoints is None or not self._resume:
            return state, 0, History([], [], [])
        done = self._checkpoints.newest() or 0
        restored = self._checkpoints.restore(done, state)
        train_returns, train_done, evaluations = json.loads(self._history(done).read_text())
        history = History(train_returns, train_done, [(int(at), score) for at, score in evaluations])
        return jax.tree.map(_unbound, restored), done, history

    def keep(self, state: Any, done: int, history: History) -> None:
        """Writes where the run stands."""
        if self._folder is None or self._checkpoints is None:
            return
        self._history(done).write_text(json.dumps(history))  # First, so that each whole checkpoint has one.
        # From the host: of an array that several devices hold copies of, orbax would have each slice out its share.
        self._checkpoints.save(done, jax.tree.map(lambda x: x if is_key(x) else np.asarray(x), state))

    def __enter__(self) -> Self:
        """Returns itself."""
        return self

    def __exit__(self, *error: Any) -> None:
        """Closes the checkpoints."""
        if self._checkpoints is not None:
            self._checkpoints.__exit__(*error)

    def _history(self, done: int) -> pathlib.Path:
        return pathlib.Path(self._folder or "", f"history_{done}.json")


def _unbound(x: jax.Array) -> jax.Array:
    # A restored array is bound to its device, one that a run begins with is not: else all would be compiled once more.
    if len(x.sharding.device_set) > 1:
        return x
    if is_key(x):
        return jax.random.wrap_key_data(_unbound(jax.random.key_data(x)), impl=jax.random.key_impl(x))
    return jax.device_put(np.array(x))
