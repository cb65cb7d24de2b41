"""The mixed-precision policies in force, by class and by instance; `hk.mixed_precision` is their public face."""

from collections.abc import Callable
from typing import Any

from haiku_like._core.frame import ambient
from haiku_like._core.variables import cast_floating

policies: dict[type, Any] = {}
"""Policies by module class, None for a class of which single modules alone have one: empty, it costs nothing."""

OWN_POLICY = "_haiku_like_policy"
"""The attribute of a module that holds a policy of its own."""


def policy_of(module: Any) -> Any | None:
    """Returns the policy of a module: its own, else that of its class, else None."""
    own = getattr(module, OWN_POLICY, None)
    return policies.get(type(module)) if own is None else own


def under_policy(method: Callable[..., Any], module: Any) -> Callable[..., Any]:
    """Returns the method as the module's policy makes it: its inputs, parameters and outputs are cast."""
    policy = policy_of(module)
    if policy is None:
        return method

    def run(*args: Any, **kwargs: Any) -> Any:
        outer, ambient.policy = ambient.policy, policy
        try:
            args, kwargs = cast_floating((args, kwargs), policy.compute_dtype)
            return cast_floating(method(*args, **kwargs), policy.output_dtype)
        finally:
            ambient.policy = outer

    return run
