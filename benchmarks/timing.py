"""Honest timing: warm-up, interleaved rounds, medians with their spread."""

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np


class Measured(NamedTuple):
    """What a contestant returns that timed itself, in a process of its own."""

    seconds: float


class Timing(NamedTuple):
    """How long one call takes.

    Attributes:
      median: Seconds.
      spread: Half the distance between the quartiles, in seconds.
    """

    median: float
    spread: float


SLOW_ROUNDS = 3
"""How many rounds are timed where one takes longer than a second."""


def time_together(
    contestants: Mapping[str, Callable[[], Any]], rounds: int, on_round: Callable[[], None] = lambda: None
) -> dict[str, Timing]:
    """Times some functions round by round, so that noise of the machine falls on all of them alike.

    Args:
      contestants: Functions without arguments, by name; what they return is waited for.
      rounds: How many rounds are timed, after two that are not; fewer where one takes longer than a second.
      on_round: Called after each round.

    Returns:
      The time of one call of each function.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for run in contestants.values():
        jax.block_until_ready(run())  # Compiles.
    warm = sum(map(_timed, contestants.values()))
    for i in range(min(rounds, SLOW_ROUNDS) if warm > len(contestants) else rounds):
        # Each round begins with another contestant.
        names = list(contestants)
        for name in names[i % len(names) :] + names[: i % len(names)]:
            seconds[name].append(_timed(contestants[name]))
        on_round()
    return {
        name: Timing(float(np.median(s)), float(np.subtract(*np.percentile(s, [75, 25])) / 2))
        for name, s in seconds.items()
    }


def _timed(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    out = jax.block_until_ready(run())
    return out.seconds if isinstance(out, Measured) else time.perf_counter() - start
