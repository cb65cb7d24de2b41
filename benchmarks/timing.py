"""Honest timing: warm-up, interleaved rounds, medians with their spread."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np


class Timing(NamedTuple):
    """How long one call takes.

    Attributes:
      median: Seconds.
      spread: Half the distance between the quartiles, in seconds.
    """

    median: float
    spread: float


def time_together(
    contestants: dict[str, Callable[[], Any]], rounds: int, on_round: Callable[[], None] = lambda: None
) -> dict[str, Timing]:
    """Times some functions round by round, so that noise of the machine falls on all of them alike.

    Args:
      contestants: Functions without arguments, by name; what they return is waited for.
      rounds: How many rounds are timed, after one that is not.
      on_round: Called after each round.

    Returns:
      The time of one call of each function.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for run in contestants.values():
        jax.block_until_ready(run())
    for i in range(rounds):
        # Each round begins with another contestant.
        names = list(contestants)
        for name in names[i % len(names) :] + names[: i % len(names)]:
            start = time.perf_counter()
            jax.block_until_ready(contestants[name]())
            seconds[name].append(time.perf_counter() - start)
        on_round()
    return {
        name: Timing(float(np.median(s)), float(np.subtract(*np.percentile(s, [75, 25])) / 2))
        for name, s in seconds.items()
    }
