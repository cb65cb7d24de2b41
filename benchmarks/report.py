"""What a run found, as a table, as Markdown, and beside an earlier run."""

import importlib.metadata
import math
import os
import pathlib
import platform
from collections import defaultdict
from typing import Any

import jax
import rich.table

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
            ratios[row["group"], peer].append(ratio(row, peer))
    return {
        key: (math.exp(math.fsum(map(math.log, values)) / len(values)), len(values), sum(v <= 1 for v in values))
        for key, values in ratios.items()
    }


def cells(row: dict[str, Any]) -> list[str]:
    """Returns a row of the report: the case, each contestant's time, and our ratio to each peer."""

    def time(name: str) -> str:
        timing = row["timings"][name]
        text = f"{name} {timing['median'] * 1e3:.3g} ± {timing['spread'] * 1e3:.1g}"
        return text if row["steps"] is None else f"{text}, {row['steps'] / timing['median']:,.0f} steps/s"

    times, ratios = map(time, row["timings"]), (f"{ratio(row, peer):.2f} of {peer}" for peer in peers(row))
    return [row["name"], "; ".join(times), "; ".join(ratios) or _rates(row)]


def _rates(row: dict[str, Any]) -> str:
    """Returns how fast a contestant without peers works."""
    cost, seconds = row["costs"].get(row["ours"]), row["timings"][row["ours"]]["median"]
    if cost is None:
        return ""
    return f"{cost['flops'] / seconds / 1e9:.3g} GFLOP/s, {cost['bytes_in_and_out'] / seconds / 1e9:.3g} GB/s"


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
    lines += ["", *(f"![{path.stem.replace('_', ' ')}]({path.name})" for path in pictures)]
    rows = results["rows"]
    for group in dict.fromkeys(row["group"] for row in rows):
        lines += ["", f"## {group.capitalize()}", "", "| case | time | ours is |", "|---|---|---|"]
        lines += ["| " + " | ".join(cells(row)) + " |" for row in rows if row["group"] == group]
    return "\n".join(lines) + "\n"


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
