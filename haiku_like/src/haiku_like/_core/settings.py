"""Settings that a user may change for the process or, for a block, in one thread; `hk.config` is their public face."""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

from haiku_like import _checks


class Settings(threading.local):
    """The settings: the class holds those of the process, its one instance those that a block changed in a thread.

    Attributes:
      check_jax_usage: Whether a plain JAX transform is refused that only reads parameters, too.
      module_auto_repr: Whether a module remembers the arguments that it was built with, for its repr.
      restore_flatmap: Whether immutable mappings in pickles of dm-haiku load as such rather than as dictionaries.
      rng_reserve_size: How many keys are split off at a time when none is in reserve.
    """

    check_jax_usage: bool = False
    module_auto_repr: bool = True
    restore_flatmap: bool = False
    rng_reserve_size: int = 1


settings = Settings()


def change(changes: dict[str, Any]) -> dict[str, Any]:
    """Changes the settings that are not None, in the block that changed them already or else in the process.

    Returns:
      What they were.
    """
    changes = _checked(changes)
    before = {name: getattr(settings, name) for name in changes}
    for name, value in changes.items():
        setattr(settings if name in vars(settings) else Settings, name, value)
    return before


@contextlib.contextmanager
def changed(changes: dict[str, Any]) -> Iterator[None]:
    """Changes the settings that are not None in this thread, until the block ends."""
    of_block = vars(settings)
    before = dict(of_block)
    of_block.update(_checked(changes))
    try:
        yield
    finally:
        of_block.clear()
        of_block.update(before)


def _checked(changes: dict[str, Any]) -> dict[str, Any]:
    changes = {name: value for name, value in changes.items() if value is not None}
    for name, value in changes.items():
        if name == "rng_reserve_size":
            if _checks.size("config", name, value) < 1:
                raise ValueError(f"config: {name} is {value}, expected at least 1.")
        elif not isinstance(value, bool):
            raise TypeError(f"config: {name} is {value!r} of type {type(value).__name__}, expected True or False.")
    return changes
