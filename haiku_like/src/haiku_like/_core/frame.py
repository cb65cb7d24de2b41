"""Everything that one call of a transformed function collects, and the one ambient place that holds it.

A `Frame` lives as long as one call of `init` or `apply`. Code that a user writes reaches it through
`current_frame`; all other code takes the frame as an argument.
"""

import contextlib
import threading
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from haiku_like._core.errors import UsageError
from haiku_like._core.naming import TOP_LEVEL, NameRegister

if TYPE_CHECKING:
    from haiku_like._core.rng import PRNGSequence


INIT_EXAMPLE = """\
    class MyModule(hk.Module):
        def __init__(self, size, name=None):
            super().__init__(name=name)
            self.size = size"""


class StatePair(NamedTuple):
    """A piece of state as the call found or made it, and as it is now."""

    initial: Any
    current: Any


class Scope:
    """One run of one method of one module: the home of its variables and of its submodules' names."""

    __slots__ = ("_names", "path", "suffix")

    def __init__(self, path: str | None, suffix: str):
        self.path = path  # None while a module's __init__ has not named it yet
        self.suffix = suffix
        self._names: NameRegister | None = None

    def named_path(self, function: str) -> str:
        """Returns the module's path, or raises where `super().__init__` has not been called yet."""
        if self.path is None:
            raise UsageError(
                f"{function}: runs in the __init__ of a module that has no name yet, expected "
                f"super().__init__(name=name) before any parameter, state, method or submodule. Make it the first "
                f"line:\n{INIT_EXAMPLE}"
            )
        return self.path

    def claim_path(self, name: str) -> str:
        """Returns the path of a new submodule called `name`, made unique among its siblings."""
        path = self.named_path(f"module {name!r}")
        if self._names is None:
            self._names = NameRegister()
        unique = self._names.claim(name)
        return unique if path == TOP_LEVEL else f"{path}{self.suffix}/{unique}"


class Frame:
    """What one call of `init` or `apply` works on.

    Attributes:
      running_init: Whether missing parameters are created (`init`) or refused (`apply`).
      params: `{module path: {name: array}}`; filled by `init`, only read by `apply`.
      state: `{module path: {name: StatePair}}`.
      rng: The source of random keys, or None.
      missing_rng_hint: What to tell a user who asks for a key when `rng` is None.
      scope: The method that is running now, or the top level.
    """

    __slots__ = ("missing_rng_hint", "params", "rng", "running_init", "scope", "state")

    def __init__(
        self,
        *,
        running_init: bool,
        params: Mapping[str, Mapping[str, Any]],
        state: dict[str, dict[str, StatePair]],
        rng: "PRNGSequence | None",
        missing_rng_hint: str,
    ):
        self.running_init = running_init
        self.params = params
        self.state = state
        self.rng = rng
        self.missing_rng_hint = missing_rng_hint
        self.scope = Scope(TOP_LEVEL, "")

    @contextlib.contextmanager
    def activated(self) -> Iterator[None]:
        """Makes this the frame that `current_frame` finds, in this thread, until the block ends."""
        outer = ambient.frame
        ambient.frame = self
        try:
            yield
        finally:
            ambient.frame = outer


class _Ambient(threading.local):
    frame: Frame | None = None


ambient = _Ambient()


def current_frame(function: str) -> Frame:
    """Returns the frame of the transformed function that is running.

    Raises:
      UsageError: none is; the message names `function`.
    """
    frame = ambient.frame
    if frame is None:
        raise UsageError(
            f"{function}: used outside hk.transform, expected use inside a function that hk.transform runs. Move it "
            f"into the function that you transform:\n"
            f"    forward = hk.transform(lambda x: hk.Linear(3)(x))\n"
            f"    params = forward.init(jax.random.key(0), x)\n"
            f"    y = forward.apply(params, x)"
        )
    return frame
