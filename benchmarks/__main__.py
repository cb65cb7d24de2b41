"""The command line: `python -m benchmarks run --help` and `python -m benchmarks compare --help`."""

import dataclasses
import functools
import json
import os
import pathlib
from typing import Annotated, Any, Literal, get_args

import jax
import rich.console
import rich.progress
import tyro

from benchmarks import pictures, report

Suite = Literal["limits", "modules", "rl_math", "agents"]
SUITES: tuple[Suite, ...] = get_args(Suite)


@dataclasses.dataclass(frozen=True)
class Run:
    """Times our libraries beside their peers, and writes a report as JSON, Markdown and pictures."""

    suite: tuple[Suite, ...] = SUITES
    """Which suites to run; for agents, uv makes an environment that has rejax."""
    platform: Literal["auto", "cpu", "gpu", "tpu"] = "auto"
    """The kind of device; auto is the best that jax finds."""
    peers: tuple[str, ...] = ()
    """Whom to time beside ours, by the names of the report, such as dm-haiku; all, unless some are named."""
    cases: tuple[str, ...] = ()
    """Only cases whose names contain one of these."""
    rounds: int = 21
    """How often each function is timed."""
    tiny: bool = False
    """Sizes that take no time, to see that all works; the figures mean nothing."""
    out: pathlib.Path = pathlib.Path("runs/benchmarks")
    """The folder for the report."""
    keep: bool = False
    """Whether to keep the other cases of a report in that folder, which must be of the same device and versions."""


@dataclasses.dataclass(frozen=True)
class Compare:
    """Shows what got slower from one report to another, by its time over that of its peers where it has some."""

    before: Annotated[pathlib.Path, tyro.conf.Positional]
    """The JSON of the first report."""
    after: Annotated[pathlib.Path, tyro.conf.Positional]
    """The JSON of the second report."""
    threshold: float = 1.1
    """How much slower a case must be to be listed."""


def measure(run: Run, progress: rich.progress.Progress) -> list[dict[str, Any]]:
    """Returns a row for each case: its suite and name, and the timing of each contestant."""
    from benchmarks import suites  # Once the platform is set.
    from benchmarks.case import Compiled
    from benchmarks.timing import time_together

    rows = []
    for suite in run.suite:
        task = progress.add_task(suite, total=None)
        for case in suites.SUITES[suite](run.tiny):
            if run.cases and not any(part in case.name for part in run.cases):
                continue
            progress.update(task, description=f"{suite}: {case.name}")
            case.prepare()
            kept = {case.ours, case.limit, *run.peers}
            contestants = {n: f for n, f in case.contestants.items() if not run.peers or n in kept}
            rounds = 1 if run.tiny else run.rounds
            advance = functools.partial(progress.advance, task)
            timings = time_together(contestants, rounds, advance, once=case.once or run.tiny)
            rows.append(
                {"suite": suite, "group": case.group, "name": case.name, "ours": case.ours, "limit": case.limit}
                | {"timings": {name: timing._asdict() for name, timing in timings.items()}, "steps": case.steps}
                | {"costs": {name: f.cost() for name, f in contestants.items() if isinstance(f, Compiled)}}
            )
        progress.update(task, description=suite, total=progress.tasks[task].completed)
    return rows


def earlier(run: Run) -> list[dict[str, Any]]:
    """Returns the cases of an earlier report that are to be kept where they are not measured anew."""
    path = run.out / "report.json"
    if not run.keep or not path.is_file():
        return []
    before = json.loads(path.read_text())
    if before["environment"] != report.environment():
        raise SystemExit(
            f"run: --keep: {path} is of {before['environment']}, expected the same device and versions as now, "
            f"{report.environment()}. Leave --keep out, or choose another folder by --out."
        )
    return before["rows"]


def run_suites(run: Run) -> None:
    """Runs the suites, prints a table and writes the report."""
    _set("jax_enable_compilation_cache", False)  # What is timed is compiled anew.
    # What runs in processes of its own finds memory on the device.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    if run.platform != "auto":
        _set("jax_platforms", {"gpu": "cuda"}.get(run.platform, run.platform))
    try:
        jax.devices()
    except RuntimeError as error:
        raise SystemExit(
            f"run: --platform is {run.platform}, expected one that jax finds a device of: {error}. Install jax for it, "
            f"or leave --platform out."
        ) from error
    console = rich.console.Console()
    run.out.mkdir(parents=True, exist_ok=True)
    kept = earlier(run)
    with rich.progress.Progress(console=console) as progress:
        measured = measure(run, progress)
    anew = {(row["suite"], row["name"]) for row in measured}
    rows = [row for row in kept if (row["suite"], row["name"]) not in anew] + measured
    rows.sort(key=lambda row: SUITES.index(row["suite"]))
    results = {"environment": report.environment(), "rows": rows}
    console.print(report.table(results))
    (run.out / "report.json").write_text(json.dumps(results, indent=1) + "\n")
    drawn = pictures.draw(rows, run.out)
    (run.out / "report.md").write_text(report.markdown(results, drawn))
    console.print(f"Report: {run.out / 'report.md'}, report.json{''.join(f', {p.name}' for p in drawn)}")


def _set(name: str, value: Any) -> None:
    """Sets an option of jax in this process, which has read its environment, and in those that it starts."""
    os.environ[name.upper()] = str(value)
    jax.config.update(name, value)


def compare(arguments: Compare) -> None:
    """Prints what got slower."""
    for path in (arguments.before, arguments.after):
        if not path.is_file():
            raise SystemExit(f"compare: {path} is no file, expected the report.json of a run.")
    before, after = (json.loads(path.read_text()) for path in (arguments.before, arguments.after))
    rich.console.Console().print(report.slower(before, after, arguments.threshold))


if __name__ == "__main__":
    app = tyro.extras.SubcommandApp()
    app.command(name="run")(run_suites)
    app.command(name="compare")(compare)
    app.cli(prog="python -m benchmarks", config=(tyro.conf.OmitArgPrefixes,))
