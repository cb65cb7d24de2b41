"""Modules: what networks cost from their trace to a gradient step, beside other libraries, and in fresh processes."""

from collections.abc import Iterator

from benchmarks import fresh
from benchmarks.case import Case
from benchmarks.networks import NETWORKS
from benchmarks.networks.cases import cases
from benchmarks.networks.peer import OURS


def modules(tiny: bool) -> Iterator[Case]:
    """All networks, then what imports cost."""
    for name, network in NETWORKS.items():
        # Each of these starts a process for each library, so that one network has to do where all is tiny.
        yield from cases(network(tiny), None if tiny and name != "lstm" else name, tiny)
    yield from imports()


def imports() -> Iterator[Case]:
    """What a user waits for at the start, in a process of its own."""
    modules = {OURS: "haiku_like", "dm-haiku": "haiku", "flax": "flax.linen", "equinox": "equinox"}
    runs = {name: lambda module=module: fresh.time_import(module) for name, module in modules.items()}
    yield Case("import, after that of jax", OURS, runs, "fresh")
