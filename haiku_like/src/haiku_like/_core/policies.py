"""The mixed-precision policies in force, by class and by instance; `hk.mixed_precision` is their public face."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from haiku_like._core.frame import ambient
from haiku_like._core.hooks import pushed


class _Policies(dict[type, Any]):
    def __reduce__(self) -> str:  # Methods that are pickled by value refer to it.
        return "policies"


policies = _Policies()
"""Policies by module class, in the whole process. `ambient.policies` holds those of a block, in one thread."""


def policy_of_class(cls: type) -> Any | None:
    """Returns the policy of a class of modules, or None."""
    return ambient.policies[cls] if cls in ambient.policies else policies.get(cls)


def policy_of(module: Any) -> Any | None:
    """Returns the policy of a module: its own, else that of its class, else None."""
    return policy_of_class(type(module)) if module._haiku_like_policy is None else module._haiku_like_policy


def under_policy(method: Callable[..., Any], module: Any) -> Callable[..., Any]:
    """Returns the method as the module's policy makes it: its inputs, variables and outputs are cast.

    Variables are cast by hooks, which stand back while a module with a policy of its own runs inside.
    """
    policy = policy_of(module)
    if policy is None:
        return method

    def create(next_creator: Callable[..., Any], shape: Any, dtype: Any, init: Any, context: Any) -> Any:
        governs = ambient.governing[-1] is policy and jnp.issubdtype(dtype, jnp.floating)
        return next_creator(shape, policy.param_dtype if governs else dtype, init)

    def get(next_getter: Callable[..., Any], value: Any, context: Any) -> Any:
        governs = ambient.governing[-1] is policy
        return next_getter(_cast_floating(value, policy.compute_dtype) if governs else value)

    def run(*args: Any, **kwargs: Any) -> Any:
        args, kwargs = _cast_floating((args, kwargs), policy.compute_dtype)
        with pushed(governing=policy, param_creators=create, param_getters=get, state_getters=get):
            out = method(*args, **kwargs)
        return _cast_floating(out, policy.output_dtype)

    return run


def _cast_floating(tree: Any, dtype: Any) -> Any:
    """Returns a tree whose floating-point arrays are cast; the rest stays as it is."""

    def cast(x: Any) -> Any:
        is_array = isinstance(x, (jax.Array, np.ndarray))
        return jnp.asarray(x, dtype) if is_array and jnp.issubdtype(x.dtype, jnp.floating) else x

    return jax.tree.map(cast, tree)
