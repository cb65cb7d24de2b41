"""Settings of the library, for the process (`set`) or for a block in one thread (`context`)."""

import contextlib
from collections.abc import Iterator

from haiku_like._core.settings import change, changed

__all__ = ["context", "set"]


def set(
    *,
    check_jax_usage: bool | None = None,
    module_auto_repr: bool | None = None,
    restore_flatmap: bool | None = None,
    rng_reserve_size: int | None = None,
) -> None:
    """Changes settings for the process, in all its threads; those that are None stay.

    In the block of a `context` that changed a setting, it is changed for the rest of the block alone.

    Args:
      check_jax_usage: Whether a plain JAX transform inside a transformed function is refused even where it only reads
        parameters. One that would create or change a variable is always refused. False at first.
      module_auto_repr: Whether a module remembers the arguments that it was built with, to show them. True at first.
      restore_flatmap: Whether the immutable mappings in pickles of dm-haiku, see `compat.install_as_haiku`, load as
        such, rather than as dictionaries. False at first.
      rng_reserve_size: How many random keys are split off at a time; a larger number is faster and gives other keys.
        1 at first.

    Raises:
      TypeError: a setting is of a wrong type.
      ValueError: `rng_reserve_size` is less than 1.

    Example:
      >>> import haiku_like as hk
      >>> hk.config.set(module_auto_repr=True)
    """
    change(locals())


@contextlib.contextmanager
def context(
    *,
    check_jax_usage: bool | None = None,
    module_auto_repr: bool | None = None,
    restore_flatmap: bool | None = None,
    rng_reserve_size: int | None = None,
) -> Iterator[None]:
    """Changes settings until the block ends, in this thread alone, see `set`.

    Threads that run meanwhile, those that the block starts included, keep the settings of the process.

    Args:
      check_jax_usage: As for `set`.
      module_auto_repr: As for `set`.
      restore_flatmap: As for `set`.
      rng_reserve_size: As for `set`.

    Raises:
      TypeError: a setting is of a wrong type.
      ValueError: `rng_reserve_size` is less than 1.

    Example:
      >>> import haiku_like as hk, jax
      >>> three = hk.transform(lambda: hk.next_rng_keys(3), apply_rng=True)
      >>> with hk.config.context(rng_reserve_size=8):
      ...     keys = three.apply({}, jax.random.key(0))
    """
    with changed(locals()):
        yield
