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
"""How many rounds are timed at least."""

BUDGET = 4.0
"""About how many seconds all rounds of a case may take."""

SAMPLE = 2e-3
"""About how many seconds a contestant is called again and again for in a round, if a call takes less."""


def time_together(
    contestants: Mapping[str, Callable[[], Any]],
    rounds: int,
    on_round: Callable[[], None] = lambda: None,
    *,
    once: bool = False,
) -> dict[str, Timing]:
    """Times some functions round by round, so that noise of the machine falls on all of them alike.

    Args:
      contestants: Functions without arguments, by name; what they return is waited for.
      rounds: How many rounds are timed, after two that are not; fewer where they would take long.
      on_round: Called after each round.
      once: Whether each call starts anew: then no more than three rounds are timed, all of them.

    Returns:
      The time of one call of each function.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    calls = dict.fromkeys(contestants, 1)
    if once:
        rounds = min(rounds, SLOW_ROUNDS)
    else:
        for run in contestants.values():
            jax.block_until_ready(run())  # Compiles.
        a_round = 0.0
        for name, run in contestants.items():
            # By the clock, since a contestant that times itself takes longer than it tells, and is called once.
            start = time.perf_counter()
            out = jax.block_until_ready(run())
            a_call = time.perf_counter() - start
            calls[name] = 1 if isinstance(out, Measured) else max(1, int(SAMPLE / a_call))
            a_round += calls[name] * a_call
        rounds = min(rounds, max(SLOW_ROUNDS, int(BUDGET / a_round)))
    for i in range(rounds):
        # Each round begins with another contestant.
        names = list(contestants)
        for name in names[i % len(names) :] + names[: i % len(names)]:
            seconds[name].append(_timed(contestants[name], calls[name]))
        on_round()
    return {
        name: Timing(float(np.median(s)), float(np.subtract(*np.percentile(s, [75, 25])) / 2))
        for name, s in seconds.items()
    }


def _timed(run: Callable[[], Any], calls: int) -> float:
    out: Any = None
    start = time.perf_counter()
    for _ in range(calls):
        out = jax.block_until_ready(run())
    return out.seconds if isinstance(out, Measured) else (time.perf_counter() - start) / calls
