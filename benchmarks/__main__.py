"""The command line: `python -m benchmarks run --help`."""

import dataclasses
import importlib.metadata
import json
import pathlib
import platform
from typing import Any, Literal

import jax
import rich.console
import rich.progress
import rich.table
import tyro

from benchmarks.suites import SUITES
from benchmarks.timing import Timing, time_together

VERSIONS = ["haiku-like", "rlax-like", "dm-haiku", "rlax", "jax", "numpy"]


@dataclasses.dataclass(frozen=True)
class Run:
    """Times our libraries beside their peers, and writes a report."""

    suite: tuple[Literal["modules", "rl_math", "agents"], ...] = ("modules", "rl_math", "agents")
    """Which suites to run."""
    rounds: int = 21
    """How often each function is timed."""
    tiny: bool = False
    """Sizes that take no time, to see that all works; the figures mean nothing."""
    out: pathlib.Path = pathlib.Path("runs/benchmarks")
    """The folder for the report, as JSON and as Markdown."""


def measure(run: Run, progress: rich.progress.Progress) -> list[dict[str, Any]]:
    """Returns a row for each case: its suite and name, and the timing of each contestant."""
    rows = []
    for suite in run.suite:
        task = progress.add_task(suite, total=None)
        rounds = 2 if run.tiny else run.rounds
        for case in SUITES[suite](run.tiny):
            progress.update(task, description=case.name)
            timings = time_together(case.contestants, rounds, lambda task=task: progress.advance(task))
            rows.append({"suite": suite, "name": case.name, "ours": case.ours, "timings": timings})
        progress.update(task, description=suite, total=progress.tasks[task].completed)
    return rows


def ratio(row: dict[str, Any], peer: str) -> float:
    """Returns our time divided by a peer's."""
    return row["timings"][row["ours"]].median / row["timings"][peer].median


def cells(row: dict[str, Any]) -> list[str]:
    """Returns a row of the report: the case, each contestant's time, and our ratio to each peer."""
    timings: dict[str, Timing] = row["timings"]
    times = "; ".join(f"{name} {t.median * 1e3:.3g} ± {t.spread * 1e3:.1g}" for name, t in timings.items())
    ratios = "; ".join(f"{ratio(row, peer):.2f} of {peer}" for peer in timings if peer != row["ours"])
    return [row["name"], times, ratios]


def environment() -> dict[str, str]:
    """Returns what the figures depend on."""
    device = jax.devices()[0]
    return {
        "device": f"{device.platform}: {device.device_kind}",
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        **{name: importlib.metadata.version(name) for name in VERSIONS},
    }


def markdown(rows: list[dict[str, Any]], facts: dict[str, str]) -> str:
    """Returns the report as a page."""
    lines = ["# Benchmarks", "", "Medians in ms ± half the distance of the quartiles, interleaved in one run.", ""]
    lines += [", ".join(f"{name} {value}" for name, value in facts.items()), ""]
    lines += ["| case | time | ours is |", "|---|---|---|"]
    lines += ["| " + " | ".join(cells(row)) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def main(run: Run) -> None:
    """Runs the suites, prints a table and writes the report."""
    console = rich.console.Console()
    run.out.mkdir(parents=True, exist_ok=True)
    with rich.progress.Progress(console=console) as progress:
        rows = measure(run, progress)
    table = rich.table.Table("case", "time in ms", "ours is", title="Benchmarks")
    for row in rows:
        table.add_row(*cells(row))
    console.print(table)
    facts = environment()
    name = jax.devices()[0].platform
    plain = [{**row, "timings": {n: t._asdict() for n, t in row["timings"].items()}} for row in rows]
    (run.out / f"{name}.json").write_text(json.dumps({"environment": facts, "rows": plain}, indent=1) + "\n")
    (run.out / f"{name}.md").write_text(markdown(rows, facts))
    console.print(f"Report: {run.out / name}.md and .json")


if __name__ == "__main__":
    app = tyro.extras.SubcommandApp()
    app.command(name="run")(main)
    app.cli(prog="python -m benchmarks", config=(tyro.conf.OmitArgPrefixes,))
