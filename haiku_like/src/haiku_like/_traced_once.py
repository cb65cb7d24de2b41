"""The maths of a layer as a function that is traced once for all calls with the same shapes.

It is jitted: JAX keeps its trace, so that a hundred layers of one shape are traced, and differentiated, as one; and
called eagerly, a layer is one compiled program instead of one for each operation. The program around it calls it or has
its operations written out, by the version of JAX; the compiler makes the same of both.
"""

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator
from typing import ParamSpec, TypeVar

import jax

from haiku_like._jax_compat import runs_eagerly

P = ParamSpec("P")
R = TypeVar("R")


class _Mode(threading.local):
    written_out = False


_mode = _Mode()


def traced_once(*static: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Returns a decorator for pure functions of arrays; arguments named in `static` are no arrays, but hashable."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        jitted = jax.jit(function, inline=True, static_argnames=static)

        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            return function(*args, **kwargs) if _mode.written_out else jitted(*args, **kwargs)

        return call

    return decorate


@contextlib.contextmanager
def written_out() -> Iterator[None]:
    """Lets the functions of this thread trace anew, operation by operation, for who looks at operations."""
    before, _mode.written_out = _mode.written_out, True
    try:
        yield
    finally:
        _mode.written_out = before


def written_out_eagerly() -> contextlib.AbstractContextManager[None]:
    """Lets what runs eagerly run operation by operation, for state that is to have the bits that dm-haiku gives it.

    A compiled program rounds otherwise now and then, in the last place.
    """
    return written_out() if runs_eagerly() else contextlib.nullcontext()
