"""What takes its time once in a process: measured in processes of their own, which tell how long it took."""

import subprocess
import sys

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
    return Measured(float(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
