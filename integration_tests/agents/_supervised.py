"""The loop of what learns from examples: take steps on batches, and measure the accuracy now and then."""

import dataclasses
import pathlib
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from integration_tests.agents._command import Report, Result, check_positive, no_report
from integration_tests.agents._resume import Standing


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """What the Config of such a program has besides its own settings."""

    steps: int
    """How many steps to train for."""
    eval_every: int
    """Steps of training between evaluations."""
    batch_size: int
    """How many examples a step learns from, on all devices together."""
    learning_rate: float
    """The step size at first; it falls to 0 like a cosine."""
    seed: int = 0
    """Seeds the network and the batches."""
    out: pathlib.Path
    """The folder for learning_curve.png, params.safetensors and the checkpoints."""
    resume: bool = False
    """Goes on from the last checkpoint in the folder; one is written at each evaluation."""

    def check_schedule(self) -> None:
        """Raises ValueError where one of these is out of its range."""
        check_positive(self, "steps", "eval_every", "batch_size", "learning_rate")


def check_devices(count: int, options: str) -> None:
    """Raises ValueError where there are fewer devices than some options ask for."""
    if count > jax.device_count():
        raise ValueError(
            f"{options} needs {count} devices, and there are {jax.device_count()}. On CPU, XLA_FLAGS="
            f"--xla_force_host_platform_device_count={count} makes virtual ones."
        )


def train(
    settings: Settings,
    state: Any,
    batch: Callable[[np.random.Generator], Any],
    learn: Callable[[Any, Any], tuple[Any, jax.Array]],
    evaluate: Callable[[Any], float],
    params: Callable[[Any], Any],
    report: Report = no_report,
    folder: pathlib.Path | None = None,
) -> Result:
    """Trains a network.

    Args:
      settings: How long, and how often what.
      state: All that learning changes, a pytree of arrays on their devices.
      batch: `batch(random)` gives the examples of a step, on their devices.
      learn: `learn(state, batch) -> (state, accuracy)`; the state given is used up.
      evaluate: `evaluate(state)` gives the accuracy on other examples.
      params: `params(state)` gives the network's parameters.
      report: Called after each step with the number of steps so far and the last evaluation's accuracy.
      folder: Where to keep checkpoints, and to resume from; None for nowhere.

    Returns:
      The parameters and how they came about; in place of returns, accuracies.

    Raises:
      ValueError: there is nothing to resume.
    """
    start = time.perf_counter()
    with Standing(folder, settings) as standing:
        state, step, history = standing.last(state)
        while step < settings.steps:
            for _ in range(min(settings.eval_every, settings.steps - step)):
                # Each step has a seed of its own, so that a resumed run sees the batches that it would have seen.
                examples = batch(np.random.default_rng([settings.seed, step]))
                with jax.transfer_guard("disallow"):
                    state, accuracy = learn(state, examples)
                # One step at a time: virtual devices share a pool of threads, in which the collective operations of
                # several steps could wait for each other for ever.
                jax.block_until_ready(state)
                step += 1
                history.train_returns.append(float(np.mean(accuracy)))
                history.train_done.append(step)
                report(step, history.score)
            history.evaluations.append((step, evaluate(state)))
            report(step, history.score)
            standing.keep(state, step, history)
    seconds = time.perf_counter() - start
    return Result(params(state), history.train_returns, history.evaluations, step, seconds, history.train_done)
