"""dm-haiku's calling convention: the same library, but for `apply` functions that take a key unless told otherwise.

A program ports by its import, `from haiku_like import compat as hk`. A program that nobody edits, with
`import haiku as hk` inside, runs after `install_as_haiku()`.
"""

import sys
import types
from collections.abc import Callable, Mapping
from typing import Any

import haiku_like
from haiku_like import *  # noqa: F403 (the same library)
from haiku_like._core.multi_transform import MultiTransformed
from haiku_like._core.multi_transform import multi_transform as _multi_transform
from haiku_like._core.settings import settings
from haiku_like._core.transform import Transformed
from haiku_like._core.transform import transform as _transform

__all__ = [*haiku_like.__all__, "install_as_haiku"]  # pyright: ignore[reportUnsupportedDunderAll]


def transform(f: Callable[..., Any], *, apply_rng: bool = True) -> Transformed:
    """Turns a function that uses modules into pure `init` and `apply`, by default `apply(params, rng, *args)`.

    Args:
      f: As for `haiku_like.transform`.
      apply_rng: Whether `apply` takes a random key.

    Example:
      >>> from haiku_like import compat as hk
      >>> import jax, jax.numpy as jnp
      >>> forward = hk.transform(lambda x: hk.Linear(2)(x))
      >>> params = forward.init(jax.random.key(0), jnp.ones(3))
      >>> forward.apply(params, None, jnp.ones(3)).shape
      (2,)
    """
    return _transform(f, apply_rng=apply_rng)


def multi_transform(f: Callable[[], Any], *, apply_rng: bool = True) -> MultiTransformed:
    """Turns a function that returns several functions into one `init` and as many `apply(params, rng, *args)`.

    Args:
      f: As for `haiku_like.multi_transform`.
      apply_rng: Whether each `apply` takes a random key.

    Example:
      >>> from haiku_like import compat as hk
      >>> import jax.numpy as jnp
      >>> def doubled():
      ...     return lambda x: x, {"double": lambda x: 2 * x}
      >>> hk.multi_transform(doubled).apply["double"]({}, None, 2)
      4
    """
    return _multi_transform(f, apply_rng=apply_rng)


def install_as_haiku() -> None:
    """Lets `import haiku` find this library, with its public submodules, in this process.

    Call it before the first import of a package that needs haiku. A second call does nothing. Afterwards pickles of
    dm-haiku load too: immutable mappings, as old releases saved parameters, as dictionaries (see `restore_flatmap` in
    `hk.config`), and the states of LSTMs.

    Raises:
      RuntimeError: dm-haiku itself has been imported already.

    Example:
      >>> from haiku_like import compat
      >>> compat.install_as_haiku()
      >>> import haiku as hk
      >>> hk.transform is compat.transform
      True
    """
    own = sys.modules[__name__]
    present = sys.modules.get("haiku")
    if present is not None and present is not own:
        raise RuntimeError(
            f"install_as_haiku: haiku is imported already, from {getattr(present, '__file__', present)}, expected no "
            f"other. Call install_as_haiku before whatever imports it."
        )
    _register("haiku", own)
    for home, name, restore in _PICKLED:
        module = types.ModuleType(f"haiku._src.{home}", "Where pickles of dm-haiku look for a class.")
        setattr(module, name, restore)
        sys.modules[module.__name__] = module


def _restored(mapping: Mapping[str, Any]) -> Mapping[str, Any]:
    structures = haiku_like.data_structures
    return structures.FlatMapping(mapping) if settings.restore_flatmap else structures.to_mutable_dict(mapping)


_PICKLED = (("data_structures", "FlatMapping", _restored), ("recurrent", "LSTMState", haiku_like.LSTMState))


def _register(name: str, module: types.ModuleType) -> None:
    sys.modules[name] = module
    for public in module.__all__:
        member = getattr(module, public)
        if isinstance(member, types.ModuleType):
            _register(f"{name}.{public}", member)
