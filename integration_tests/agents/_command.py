"""What every agent's command shares: checks of settings, progress bar, learning curve, summary, exit with an error.

An agent's module has a frozen dataclass `Config` with a method `check`, a function `train(config, report)` that gives
a `Result`, a function that describes its `Task`, and ends with

    def main(config: Config) -> Result:
        config.check()
        return run(describe(config), functools.partial(train, config), config.out)

    if __name__ == "__main__":
        command(Config, main)
"""

import dataclasses
import functools
import math
import pathlib
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import matplotlib.figure
import numpy as np
import rich.console
import rich.progress
import rich.table
import tyro

from integration_tests.agents._checkpoint import export_params

Report = Callable[[int, float | None], None]


def no_report(done: int, score: float | None) -> None:
    """Reports nothing: what `train` calls where nobody looks on."""


class Result(NamedTuple):
    """What a training run gives.

    Attributes:
      params: The network's parameters at the end.
      train_returns: The returns of training: of each episode, or means of the episodes that ended in each update.
      evaluations: `(training done, mean return)` of each evaluation; the last one is at the end. Training is counted in
        the task's unit.
      steps: Environment steps of training.
      seconds: Wall-clock time, compilation included.
      train_done: How much training was done when each of `train_returns` was known; evenly spread where None.
    """

    params: Any
    train_returns: Sequence[float]
    evaluations: list[tuple[int, float]]
    steps: int
    seconds: float
    train_done: Sequence[int] | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Task:
    """What an agent learns, as its command tells it.

    Attributes:
      agent: The agent's name, such as `Online Q-learning`.
      environment: The environment's name, such as `Catch`.
      total: How much training there is, in `unit`.
      unit: What training is counted in, such as `episodes` or `steps`.
      solved: The mean return that counts as solved; infinite where that is not known.
      eval_episodes: The episodes of an evaluation.
      seed: The seed of the run.
      returns: The least and the greatest return that the picture shows; what there is, where None.
      policy: The policy that is evaluated, such as `greedy`.
      detail: What the picture's title says of the environment after its name.
      measure: What is measured, such as `return`.
      counted: What an evaluation takes the mean over, such as `episodes`.
    """

    agent: str
    environment: str
    total: int
    unit: str
    solved: float
    eval_episodes: int
    seed: int
    returns: tuple[float, float] | None = None
    policy: str = "greedy"
    detail: str = ""
    measure: str = "return"
    counted: str = "episodes"


def flag(name: str) -> str:
    """Returns the option of the command line that sets a field of Config."""
    return f"--{name.replace('_', '-')}"


def check_positive(config: Any, *names: str) -> None:
    """Raises ValueError where a setting is not a finite number above 0."""
    for name in names:
        if not 0 < getattr(config, name) < math.inf:
            raise ValueError(f"{flag(name)} is {getattr(config, name)}, expected a positive number.")


def check_unit_interval(config: Any, *names: str) -> None:
    """Raises ValueError where a setting is not in [0, 1]."""
    for name in names:
        if not 0 <= getattr(config, name) <= 1:
            raise ValueError(f"{flag(name)} is {getattr(config, name)}, expected a number in [0, 1].")


def check_rewards(rewards: Any, done: int, unit: str = "steps") -> None:
    """Raises ValueError where a reward is not finite, before an agent learns from it or reports what it learnt.

    Args:
      rewards: One reward or many.
      done: How much training was done before.
      unit: What it is counted in.
    """
    finite = np.isfinite(rewards)
    if not np.all(finite):
        bad = np.asarray(rewards)[~finite].flat[0]
        raise ValueError(
            f"the environment gave the reward {bad} after {done} {unit} of training, expected a finite number; an "
            "agent that learns from it has no finite parameters any more. Mend the environment's reward."
        )


def draw_learning_curve(result: Result, task: Task) -> matplotlib.figure.Figure:
    """Returns a picture of the returns of training and evaluation."""
    figure = matplotlib.figure.Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    count = len(result.train_returns)
    if count:
        window = max(1, min(50, count // 4))
        done = np.linspace(task.total / count, task.total, count) if result.train_done is None else result.train_done
        smooth = np.convolve(result.train_returns, np.ones(window) / window, mode="valid")
        axes.plot(done[window - 1 :], smooth, color="tab:gray", label=f"training, mean of {window}")
    at, scores = zip(*result.evaluations, strict=True)
    axes.plot(at, scores, "o-", color="tab:blue", label=f"{task.policy}, mean of {task.eval_episodes}")
    if math.isfinite(task.solved):
        axes.axhline(task.solved, color="tab:green", linestyle="--", label=f"solved: {task.solved:g}")
    axes.set(
        title=f"{task.agent} on {' '.join(filter(None, [task.environment, task.detail]))}, seed {task.seed}",
        xlabel=f"training {task.unit}",
        ylabel=f"{task.measure} of {task.counted}",
        xlim=(0, task.total),
        ylim=task.returns,
    )
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    return figure


def summary(result: Result, task: Task, extra: Mapping[str, str]) -> rich.table.Table:
    """Returns the outcome of a run as a table that fits on a screen; `extra` rows come last."""
    final = result.evaluations[-1][1]
    solved_after = next((done for done, score in result.evaluations if score >= task.solved), None)
    size = sum(p.size for p in jax.tree.leaves(result.params))
    table = rich.table.Table(title=f"{task.agent} on {task.environment}", show_header=False)
    table.add_row(f"{task.policy} {task.measure}", f"{final:.2f} over {task.eval_episodes} {task.counted}")
    if math.isfinite(task.solved):
        table.add_row("solved", f"{'yes' if final >= task.solved else 'no'}, at {task.solved:g} or more")
        table.add_row("first solved", "never" if solved_after is None else f"after {solved_after} {task.unit}")
    trained = f"{result.steps} steps"
    table.add_row("trained", trained if task.unit == "steps" else f"{task.total} {task.unit}, {trained}")
    table.add_row("time", f"{result.seconds:.1f} s with compilation and evaluation")
    modules = ", ".join(result.params) if len(result.params) <= 8 else f"{len(result.params)} modules"
    table.add_row("network", f"{size} parameters in {modules}")
    table.add_row("device", f"{jax.devices()[0].device_kind}, jax {jax.__version__}")
    for name, value in extra.items():
        table.add_row(name, value)
    return table


def run(task: Task, train: Callable[[Report], Result], out: pathlib.Path) -> Result:
    """Trains with a progress bar, draws the learning curve, writes the parameters and prints the summary.

    Args:
      task: What is learnt.
      train: Called with a function to report to: how much training is done, and the last evaluation's mean return,
        None before the first.
      out: The folder for learning_curve.png and params.safetensors; made where it is not there.

    Returns:
      What `train` returned.
    """
    out.mkdir(parents=True, exist_ok=True)  # Fails before the training, not after it.
    console = rich.console.Console()
    columns = (
        *rich.progress.Progress.get_default_columns(),
        rich.progress.TextColumn(f"{task.policy} {task.measure} {{task.fields[score]}}"),
    )
    with rich.progress.Progress(*columns, console=console) as progress:
        bar = progress.add_task("training", total=task.total, score="…")

        def report(done: int, score: float | None) -> None:
            progress.update(bar, completed=done, score="…" if score is None else f"{score:+.2f}")

        result = train(report)
    picture = out / "learning_curve.png"
    draw_learning_curve(result, task).savefig(picture, dpi=150)
    parameters = out / "params.safetensors"
    export_params(result.params, parameters)
    console.print(summary(result, task, {"learning curve": str(picture), "parameters": str(parameters)}))
    return result


def run_kept(config: Any, describe: Callable[[Any], Task], train: Callable[..., Result]) -> Result:
    """Runs `train(config, report, folder)` as `run` does, with its checkpoints in a folder of their own."""
    config.check()
    kept = functools.partial(train, config, folder=config.out / "checkpoints")
    return run(describe(config), kept, config.out)


def command(config: type, main: Callable[[Any], Any]) -> None:
    """Runs an agent's `main` with the settings of the command line; an error of theirs ends it with one line."""
    try:
        main(tyro.cli(config))
    except (ValueError, OSError) as error:
        sys.exit(f"{pathlib.Path(sys.argv[0]).stem}: {error}")
    except KeyboardInterrupt:
        print(f"{pathlib.Path(sys.argv[0]).stem}: interrupted", file=sys.stderr)
        sys.exit(130)  # What a shell gives for a command that Ctrl-C ended.
