"""Every module of dm-haiku as it is built and called, so that one table drives all the tests of parity.

Each file here holds the programs of one family of modules, in a list `PROGRAMS`. A program is written once and runs
under both libraries: it gets the library, `haiku` or `haiku_like`, and the arrays to run on.
"""

import dataclasses
import importlib
import pkgutil
from collections.abc import Callable
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class Program:
    """A function that builds modules and calls them.

    Attributes:
      name: Unique, `<what it shows>`; for a module with several programs `conv2d_stride`, `conv2d_nchw`.
      covers: The public names that it exercises, such as `Conv2D` or `nets.MLP`.
      run: `run(lib, *args)` with `lib` the library; any pytree comes back.
      args: NumPy arrays; those of float32 are cast where another dtype is tested.
      halves: Whether it runs in bfloat16, float16 and float64 too.
      differentiable: Whether the outputs have a gradient in the parameters.
      batched: Whether it may run under vmap with a new leading axis on every argument.
      tolerance: The relative error allowed against dm-haiku in float32, of the largest output.
    """

    name: str
    covers: tuple[str, ...]
    run: Callable[..., Any]
    args: tuple[Any, ...]
    halves: bool = True
    differentiable: bool = True
    batched: bool = True
    tolerance: float = 1e-6


def values(*shape: int, seed: int = 0) -> np.ndarray:
    """Returns float32 values between -2 and 2 that look random and are the same everywhere."""
    return np.random.RandomState(seed).uniform(-2, 2, shape).astype(np.float32)


def families() -> dict[str, list[Program]]:
    """Returns the programs of each file of this folder, by the file's name."""
    found = {}
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda m: m.name):
        found[module.name] = importlib.import_module(f"{__name__}.{module.name}").PROGRAMS
    return found


def everything() -> list[Program]:
    """Returns all programs."""
    return [program for programs in families().values() for program in programs]


def representatives() -> list[Program]:
    """Returns as few programs as, taken in order, exercise every public name: one or a few for each."""
    covered: set[str] = set()
    chosen = []
    for program in everything():
        if not covered.issuperset(program.covers):
            covered.update(program.covers)
            chosen.append(program)
    return chosen
