"""What a run found, as pictures."""

import math
import pathlib
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import matplotlib
import numpy as np

matplotlib.use("agg")
import matplotlib.pyplot as plt

Row = dict[str, Any]
"""A case of the report."""

STYLES = {"rlax_like": "-", "rlax": "--", "rlax over [B, T]": ":"}
"""How lines over sizes are drawn."""


def draw(rows: list[Row], out: pathlib.Path) -> list[pathlib.Path]:
    """Writes the pictures for which there are cases, and returns their paths."""
    compared = [r for r in rows if r["group"] not in ("scaling", "devices") and len(r["timings"]) > 1]
    figures = {f"speed_up_{suite}": _speed_up(suite, [r for r in compared if r["suite"] == suite])
               for suite in dict.fromkeys(r["suite"] for r in compared)}  # fmt: skip
    scaled, spread = ([r for r in rows if r["group"] == group] for group in ("scaling", "devices"))
    # In single precision, which comes first.
    limits = {r["ours"]: r for r in reversed(rows) if r["group"] == "limits"}
    if scaled:
        figures["scaling"] = _scaling(scaled)
    if spread:
        figures["devices"] = _devices(spread)
    if limits.keys() >= {"copy", "product"}:
        figures["roofline"] = _roofline(rows, limits)
    paths = []
    for name, figure in figures.items():
        paths.append(out / f"{name}.png")
        figure.savefig(paths[-1], dpi=110)
        plt.close(figure)
    return paths


def _speed_up(suite: str, rows: list[Row]) -> Any:
    """Our speed-up over each peer."""
    figure, axes = plt.subplots(figsize=(9, 1.2 + 0.22 * len(rows)), layout="constrained")
    peers = dict.fromkeys(peer for row in rows for peer in row["timings"] if peer != row["ours"])
    for peer in peers:
        points = [
            (_median(row, peer) / _median(row, row["ours"]), i)
            for i, row in enumerate(rows)
            if peer in row["timings"] and peer != row["ours"]
        ]
        axes.scatter(*zip(*points, strict=True), label=peer, s=18)
    axes.axvline(1, color="grey", linewidth=0.8)
    axes.set(xscale="log", xlabel="their time over ours: to the right of 1 ours is faster", title=suite)
    axes.set_yticks(range(len(rows)), [row["name"] for row in rows], fontsize=7)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.legend(loc="best", fontsize=8)
    axes.grid(axis="x", alpha=0.3)
    return figure


def _scaling(rows: list[Row]) -> Any:
    """Time for each element, by length and batch, for each operator."""
    sized = [found for found in _sized(rows) if found[3] == "float32"]
    names = list(dict.fromkeys(name for name, *_ in sized))
    columns = 6
    lines = math.ceil(len(names) / columns)
    figure, grid = plt.subplots(lines, columns, figsize=(18, 2.6 * lines), layout="constrained", squeeze=False)
    for axes, name in zip(grid.flat, names, strict=False):
        for peer, style in STYLES.items():
            found: dict[int, list[tuple[int, float]]] = defaultdict(list)
            for other, t, b, _, row in sized:
                if other == name and peer in row["timings"]:
                    found[b].append((t, _median(row, peer) / (t * b) * 1e9))
            for colour, (b, points) in enumerate(sorted(found.items())):
                axes.plot(*zip(*points, strict=True), style, color=f"C{colour}", label=f"{peer}, B = {b}")
        axes.set(xscale="log", yscale="log")
        axes.set_title(name, fontsize=min(7, 300 / len(name)))  # The width of a panel holds so much.
        axes.tick_params(labelsize=7)
    for axes in grid.flat[len(names) :]:
        axes.axis("off")
    figure.supxlabel("T")
    figure.supylabel("ns for an element of [T, B], float32")
    handles, labels = grid.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3, fontsize=8)
    return figure


def _devices(rows: list[Row]) -> Any:
    """Steps of environments a second, by how many devices there are."""
    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    found: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for row in rows:
        (devices,) = map(int, re.findall(r"on (\d+) device", row["name"]))
        for way in row["timings"]:
            found[way].append((devices, row["steps"] / _median(row, way)))
    (_, one), *_ = min(found.values(), key=min)
    most = max(devices for points in found.values() for devices, _ in points)
    axes.plot([1, most], [one, most * one], color="grey", linewidth=0.8, label="in proportion")
    for way, points in found.items():
        axes.plot(*zip(*points, strict=True), "o-", label=way)
    axes.set(xlabel="devices, 64 environments on each", ylabel="steps of environments a second", ylim=(0, None))
    axes.set_xticks(sorted({devices for points in found.values() for devices, _ in points}))
    axes.set_title("PPO on CartPole")
    axes.legend()
    return figure


def _roofline(rows: list[Row], limits: dict[str, Row]) -> Any:
    """How near to the device's limits programs come: by their operations, and by the bytes that they have to move."""
    bandwidth = _rate(limits["copy"], "copy", "bytes_in_and_out")
    peak = _rate(limits["product"], "product", "flops")
    by_operations = _points((r for r in rows if r["group"] not in ("scaling", "limits")), "flops")
    by_bytes = _points((r for r in rows if r["group"] == "scaling"), "bytes_in_and_out")
    figure, panels = plt.subplots(1, 2 if by_bytes else 1, figsize=(14 if by_bytes else 7, 5.5), layout="constrained")
    left, *others = np.atleast_1d(panels)
    for peer, points in by_operations.items():
        left.scatter(*zip(*points, strict=True), s=10, label=peer)
    ridge = peak / bandwidth
    found = [x for points in by_operations.values() for x, _ in points]
    ends = min([ridge / 10, *found]), max([10 * ridge, *found])
    left.plot([ends[0], ridge, ends[1]], [ends[0] * bandwidth, peak, peak], color="black", label="copy, product")
    left.set(xlabel="operations for each byte of arguments and results", ylabel="operations a second")
    left.set_title("Programs without loops")
    for axes in others:
        for peer, points in by_bytes.items():
            axes.scatter(*zip(*points, strict=True), s=6, label=peer)
        axes.axhline(bandwidth, color="black", label="copy of the largest size")
        axes.set(xlabel="bytes of arguments and results", ylabel="such bytes a second")
        axes.set_title("Operators over time, and losses")
    for axes in (left, *others):
        axes.set(xscale="log", yscale="log")
        axes.legend(fontsize=8)
        axes.grid(alpha=0.3)
    return figure


def _points(rows: Iterable[Row], of: str) -> dict[str, list[tuple[float, float]]]:
    """Returns for each contestant where it is: operations for a byte or bytes, and how many of them a second."""
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for row in rows:
        for name, cost in row["costs"].items():
            if of == "flops" and (cost["loops"] or not cost["flops"]):
                continue  # The operations in a loop are counted once.
            moved = cost["bytes_in_and_out"]
            found[name].append((cost[of] / moved if of == "flops" else moved, _rate(row, name, of)))
    return found


def _rate(row: Row, name: str, of: str) -> float:
    return row["costs"][name][of] / _median(row, name)


def _median(row: Row, name: str) -> float:
    return row["timings"][name]["median"]


def _sized(rows: Iterable[Row]) -> Iterator[tuple[str, int, int, str, Row]]:
    for row in rows:
        found = re.fullmatch(r"(\w+), \[(\d+), (\d+)\], (\w+)", row["name"])
        if found:
            yield found[1], int(found[2]), int(found[3]), found[4], row
