"""What takes its time once in a process: measured in processes of their own, which tell how long it took."""

import functools
import os
import subprocess
import sys
import tempfile

from benchmarks.timing import Measured

IMPORT = """
import jax, time
start = time.perf_counter()
import {module}
print(time.perf_counter() - start)
"""

INIT = """
from benchmarks.networks import NETWORKS
from benchmarks.networks.cases import time_init
print(time_init(NETWORKS[{network!r}]({tiny}), {peer!r}))
"""


def time_import(module: str) -> Measured:
    """Returns the seconds that the import of a module takes where jax is imported already."""
    return _seconds(IMPORT.format(module=module))


def time_init(network: str, peer: str, tiny: bool) -> Measured:
    """Returns the seconds that the first init of a network takes, with all that it compiles, in one library."""
    return _seconds(INIT.format(network=network, peer=peer, tiny=tiny))


def _seconds(program: str) -> Measured:
    command = [sys.executable, "-W", "ignore", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=_environment())
    return Measured(float(done.stdout))


@functools.cache
def _environment() -> dict[str, str]:
    # The first run compiles Python's sources, as an installation does.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**environment, "PYTHONPYCACHEPREFIX": os.path.join(tempfile.gettempdir(), "benchmarks_bytecode")}
