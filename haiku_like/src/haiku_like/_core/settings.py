"""Settings that a user may change for the process or for a block; `hk.config` is their public face."""

import dataclasses


@dataclasses.dataclass
class Settings:
    """The settings and their standard values.

    Attributes:
      check_jax_usage: Whether a plain JAX transform is refused that only reads parameters, too.
      module_auto_repr: Whether a module remembers the arguments that it was built with, for its repr.
      restore_flatmap: Whether `to_haiku_dict` gives an immutable mapping rather than a dictionary.
      rng_reserve_size: How many keys are split off at a time when none is in reserve.
    """

    check_jax_usage: bool = False
    module_auto_repr: bool = True
    restore_flatmap: bool = False
    rng_reserve_size: int = 1


settings = Settings()
