"""What a run found, as a table, as Markdown, as pictures, and beside an earlier run."""

import importlib.metadata
import math
import os
import pathlib
import platform
import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import jax
import matplotlib
import rich.table

matplotlib.use("agg")
import matplotlib.pyplot as plt

VERSIONS = ["haiku-like", "rlax-like", "jax", "numpy", "dm-haiku", "rlax", "flax", "equinox"]
FLAGS = ["JAX_PLATFORMS", "XLA_FLAGS"]


def environment() -> dict[str, str]:
    """Returns what the figures depend on."""
    device = jax.devices()[0]
    return {
        "device": f"{jax.device_count()} x {device.platform}: {device.device_kind}",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        **{name: importlib.metadata.version(name) for name in VERSIONS},
        **{flag: os.environ[flag] for flag in FLAGS if os.environ.get(flag)},
    }


def ratio(row: dict[str, Any], peer: str) -> float:
    """Returns our time divided by a peer's."""
    return row["timings"][row["ours"]]["median"] / row["timings"][peer]["median"]


def peers(row: dict[str, Any]) -> list[str]:
    """Returns those whom a case has beside ours."""
    return [name for name in row["timings"] if name != row["ours"]]


def means(results: dict[str, Any]) -> dict[tuple[str, str], tuple[float, int, int]]:
    """Returns for each group and peer the geometric mean of our share of its time, of how many, and how many win."""
    ratios: dict[tuple[str, str], list[float]] = defaultdict(list)
    for row in results["rows"]:
        for peer in peers(row):
            ratios[row["group"] or row["suite"], peer].append(ratio(row, peer))
    return {
        key: (math.exp(math.fsum(map(math.log, values)) / len(values)), len(values), sum(v <= 1 for v in values))
        for key, values in ratios.items()
    }


def cells(row: dict[str, Any]) -> list[str]:
    """Returns a row of the report: the case, each contestant's time, and our ratio to each peer."""
    times = (f"{name} {t['median'] * 1e3:.3g} ± {t['spread'] * 1e3:.1g}" for name, t in row["timings"].items())
    return [row["name"], "; ".join(times), "; ".join(f"{ratio(row, peer):.2f} of {peer}" for peer in peers(row))]


def table(results: dict[str, Any]) -> rich.table.Table:
    """Returns the report for a terminal."""
    out = rich.table.Table("case", "time in ms", "ours is", title="Benchmarks")
    for row in results["rows"]:
        out.add_row(*cells(row))
    return out


def markdown(results: dict[str, Any], pictures: list[pathlib.Path]) -> str:
    """Returns the report as a page."""
    lines = ["# Benchmarks", "", ", ".join(f"{name} {value}" for name, value in results["environment"].items()), ""]
    lines += ["Medians in ms ± half the distance of the quartiles, of rounds in which all contestants took turns.", ""]
    lines += [
        "| group | beside | cases | our time over theirs, geometric mean | as fast or faster |",
        "|---|---|---|---|---|",
    ]
    for (group, peer), (mean, cases, faster) in means(results).items():
        lines.append(f"| {group} | {peer} | {cases} | {mean:.2f} | {faster} |")
    lines += ["", *(f"![{path.stem.replace('_', ' ')}]({path.name})" for path in pictures), ""]
    lines += ["| case | time | ours is |", "|---|---|---|"]
    lines += ["| " + " | ".join(cells(row)) + " |" for row in results["rows"]]
    return "\n".join(lines) + "\n"


def draw(results: dict[str, Any], out: pathlib.Path) -> list[pathlib.Path]:
    """Writes the pictures, and returns their paths: our speed-up over each peer, and how operators over time scale."""
    pictures = []
    for suite in dict.fromkeys(row["suite"] for row in results["rows"]):
        rows = [r for r in results["rows"] if r["suite"] == suite and r["group"] != "scaling" and peers(r)]
        if rows:
            pictures.append(_draw_speed_up(suite, rows, out / f"speed_up_{suite}.png"))
    scaled = [row for row in results["rows"] if row["group"] == "scaling"]
    if scaled:
        pictures.append(_draw_scaling(scaled, out / "scaling.png"))
    return pictures


def _draw_speed_up(suite: str, rows: list[dict[str, Any]], path: pathlib.Path) -> pathlib.Path:
    figure, axes = plt.subplots(figsize=(9, 1.2 + 0.22 * len(rows)), layout="constrained")
    marks = dict.fromkeys(peer for row in rows for peer in peers(row))
    for peer in marks:
        points = [(1 / ratio(row, peer), i) for i, row in enumerate(rows) if peer in row["timings"]]
        axes.scatter(*zip(*points, strict=True), label=peer, s=18)
    axes.axvline(1, color="grey", linewidth=0.8)
    axes.set(xscale="log", xlabel="their time over ours: to the right of 1 ours is faster", title=suite)
    axes.set_yticks(range(len(rows)), [row["name"] for row in rows], fontsize=7)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.legend(loc="best", fontsize=8)
    axes.grid(axis="x", alpha=0.3)
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return path


def _sized(rows: list[dict[str, Any]]) -> Iterator[tuple[str, int, int, str, dict[str, Any]]]:
    for row in rows:
        found = re.fullmatch(r"(\w+), \[(\d+), (\d+)\], (\w+)", row["name"])
        if found:
            yield found[1], int(found[2]), int(found[3]), found[4], row


def _draw_scaling(rows: list[dict[str, Any]], path: pathlib.Path) -> pathlib.Path:
    names = list(dict.fromkeys(name for name, *_ in _sized(rows)))
    figure, grid = plt.subplots(2, math.ceil(len(names) / 2), figsize=(14, 7), layout="constrained", squeeze=False)
    for axes, name in zip(grid.flat, names, strict=False):
        for peer, style in (("rlax_like", "-"), ("rlax", "--"), ("rlax over [B, T]", ":")):
            lines: dict[int, list[tuple[int, float]]] = defaultdict(list)
            for other, t, b, dtype, row in _sized(rows):
                if other == name and dtype == "float32" and peer in row["timings"]:
                    lines[b].append((t, row["timings"][peer]["median"] / (t * b) * 1e9))
            for colour, (b, points) in enumerate(sorted(lines.items())):
                axes.plot(*zip(*points, strict=True), style, color=f"C{colour}", label=f"{peer}, B = {b}")
        axes.set(xscale="log", yscale="log", title=name, xlabel="T", ylabel="ns an element")
        axes.title.set_fontsize(9)
    grid.flat[0].legend(fontsize=6)
    for axes in grid.flat[len(names) :]:
        axes.axis("off")
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return path


def slower(before: dict[str, Any], after: dict[str, Any], threshold: float) -> rich.table.Table:
    """Returns what got slower: each case by our time over its peers', or by our time where it has none."""

    def score(row: dict[str, Any]) -> float:
        logs = [math.log(ratio(row, peer)) for peer in peers(row)]
        return math.exp(math.fsum(logs) / len(logs)) if logs else row["timings"][row["ours"]]["median"]

    out = rich.table.Table("case", "before", "after", "slower by", title="What got slower")
    earlier = {(row["suite"], row["name"]): row for row in before["rows"]}
    for row in after["rows"]:
        old = earlier.get((row["suite"], row["name"]))
        if old and peers(old) == peers(row) and score(row) > threshold * score(old):
            out.add_row(row["name"], f"{score(old):.2f}", f"{score(row):.2f}", f"{score(row) / score(old):.2f}")
    return out
