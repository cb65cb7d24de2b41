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
import jax, time
import {library} as hk
import jax.numpy as jnp
network = hk.transform_with_state(lambda x: hk.nets.{network}(1000)(x, is_training=True))
x = jnp.ones([1, 64, 64, 3])
start = time.perf_counter()
jax.block_until_ready(network.init(jax.random.PRNGKey(0), x))
print(time.perf_counter() - start)
"""


def time_import(module: str) -> Measured:
    """Returns the seconds that the import of a module takes where jax is imported already."""
    return _seconds(IMPORT.format(module=module))


def time_init(library: str, network: str) -> Measured:
    """Returns the seconds that the first init of a network takes, with all that it compiles."""
    return _seconds(INIT.format(library=library, network=network))


def _seconds(program: str) -> Measured:
    command = [sys.executable, "-W", "ignore", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=_environment())
    return Measured(float(done.stdout))


@functools.cache
def _environment() -> dict[str, str]:
    # The first run compiles Python's sources, as an installation does.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**environment, "PYTHONPYCACHEPREFIX": os.path.join(tempfile.gettempdir(), "benchmarks_bytecode")}
