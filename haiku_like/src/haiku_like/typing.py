"""Types that appear in signatures of `haiku_like`."""

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import Any, TypeAlias

import jax

PRNGKey: TypeAlias = jax.Array
"""A random key: a typed key of any implementation, or a raw `uint32` key."""

Params: TypeAlias = Mapping[str, Mapping[str, jax.Array]]
"""Parameters by module path and name, as `init` returns them."""

MutableParams: TypeAlias = MutableMapping[str, MutableMapping[str, jax.Array]]

State: TypeAlias = Mapping[str, Mapping[str, Any]]
"""State by module path and name; a piece of state is any pytree."""

MutableState: TypeAlias = MutableMapping[str, MutableMapping[str, Any]]

Initializer: TypeAlias = Callable[[Sequence[int], Any], jax.Array]
"""A function of shape and dtype that returns an initial value."""
