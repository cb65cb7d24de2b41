"""Checkpoints of a run, by orbax, from which it goes on as if it had never stopped."""

import dataclasses
import pathlib
import shutil
from typing import Any, NamedTuple, Self

import jax
import numpy as np
import orbax.checkpoint as ocp

from integration_tests.agents._command import flag

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


class Checkpoints:
    """The checkpoints of a run, as a context manager: the last one is complete at its end.

    Args:
      folder: Where they are; None for none.
      config: The run's settings, a dataclass with the fields `seed` and `resume`.

    Raises:
      ValueError: the run is to be resumed, and there is nothing to resume, or it had other settings.
    """

    def __init__(self, folder: pathlib.Path | None, config: Any):
        self._settings = {
            name: str(value) for name, value in dataclasses.asdict(config).items() if name not in MAY_CHANGE
        }
        self._resume = config.resume
        self._manager = None
        if folder is None:
            if config.resume:
                raise ValueError("--resume: there is no folder of checkpoints to go on from.")
            return
        if not config.resume:
            shutil.rmtree(folder, ignore_errors=True)  # A new run takes the place of an old one.
        options = ocp.CheckpointManagerOptions(max_to_keep=2, create=True)
        self._manager = ocp.CheckpointManager(folder.absolute(), options=options)
        if config.resume and self._manager.latest_step() is None:
            raise ValueError(f"--resume: there is no checkpoint in {folder}. Leave --resume out to begin a run.")

    def last(self, state: Any) -> tuple[Any, int, History]:
        """Returns where to begin: the state, the training done and the history of the last checkpoint.

        Args:
          state: The state of a run that begins, a pytree of arrays; it is returned if the run is not resumed.

        Raises:
          ValueError: the checkpoint is of a run with other settings.
        """
        if self._manager is None or not self._resume:
            return state, 0, History([], [], [])
        step = self._manager.latest_step()
        notes = self._manager.restore(step, args=ocp.args.Composite(notes=ocp.args.JsonRestore())).notes
        for name, value in notes["settings"].items():
            if self._settings.get(name) != value:
                raise ValueError(
                    f"--resume: {flag(name)} is {self._settings.get(name)}, but the run to resume had {value}. Give "
                    "it the same value, or leave --resume out."
                )
        like = _on_host(state)
        restored = self._manager.restore(step, args=ocp.args.Composite(state=ocp.args.StandardRestore(like))).state
        train_returns, train_done, evaluations = notes["history"]
        return (
            jax.tree.map(_like, state, restored),
            int(notes["done"]),
            History(train_returns, train_done, [(int(done), score) for done, score in evaluations]),
        )

    def save(self, state: Any, done: int, history: History) -> None:
        """Writes a checkpoint; the arrays of the state may be used up, and the history go on, as soon as it returns."""
        if self._manager is None:
            return
        # Copies, since orbax writes in a thread of its own while the run goes on.
        notes = {"settings": self._settings, "done": done, "history": [list(column) for column in history]}
        items = {"state": ocp.args.StandardSave(_on_host(state)), "notes": ocp.args.JsonSave(notes)}
        self._manager.save(done, args=ocp.args.Composite(**items))

    def __enter__(self) -> Self:
        """Returns itself."""
        return self

    def __exit__(self, *error: Any) -> None:
        """Waits until all is written."""
        if self._manager is not None:
            self._manager.close()


def _is_key(x: Any) -> bool:
    return isinstance(x, jax.Array) and jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key)


def _on_host(state: Any) -> Any:
    """Returns copies of the arrays on the host, and of the integers of keys in their places.

    Copies, since a learner that goes on writes its next parameters into the same memory.
    """
    return jax.tree.map(lambda x: np.array(jax.random.key_data(x) if _is_key(x) else x), state)


def _like(example: Any, x: np.ndarray) -> jax.Array:
    array = jax.device_put(x)
    return jax.random.wrap_key_data(array, impl=jax.random.key_impl(example)) if _is_key(example) else array
