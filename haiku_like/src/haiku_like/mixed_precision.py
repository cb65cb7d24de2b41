"""Policies that say in which precision modules keep parameters, compute and return.

A policy is any object with `param_dtype`, `compute_dtype` and `output_dtype`, such as `Policy` or one of jmp's.
"""

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any

from haiku_like._core.frame import ambient
from haiku_like._core.module import Module
from haiku_like._core.policies import policies, policy_of, policy_of_class

__all__ = ["Policy", "clear_policy", "current_policy", "get_policy", "push_policy", "set_policy"]


@dataclasses.dataclass(frozen=True)
class Policy:
    """In which precision a module keeps its parameters, computes and returns.

    Attributes:
      param_dtype: The floating dtype in which parameters are created.
      compute_dtype: That in which the module's methods get their arguments, its parameters and its state.
      output_dtype: That in which they return.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> policy = hk.mixed_precision.Policy(jnp.float32, jnp.bfloat16, jnp.float32)
      >>> def forward(x):
      ...     with hk.mixed_precision.push_policy(hk.Linear, policy):
      ...         return hk.Linear(2)(x)
      >>> model = hk.transform(forward)
      >>> model.apply(model.init(jax.random.key(0), jnp.ones(3)), jnp.ones(3)).dtype
      dtype('float32')
    """

    param_dtype: Any
    compute_dtype: Any
    output_dtype: Any


def set_policy(cls: type[Module] | Module, policy: Any) -> None:
    """Sets the policy of a class of modules, though not of its subclasses, in all threads; or of one module.

    It governs each call of a method of the module, and the variables that the method asks for, those of submodules that
    have no policy of their own included. Interceptors see the arguments as the policy casts them. In a block of
    `push_policy` for the same class it holds for the rest of the block alone.

    Args:
      cls: A subclass of `hk.Module`, or a module.
      policy: An object with `param_dtype`, `compute_dtype` and `output_dtype`.

    Raises:
      TypeError: `cls` is neither, or `policy` lacks a dtype.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> half = hk.mixed_precision.Policy(jnp.float32, jnp.bfloat16, jnp.bfloat16)
      >>> def forward(x):
      ...     layer = hk.Linear(2)
      ...     hk.mixed_precision.set_policy(layer, half)
      ...     return layer(x)
      >>> model = hk.transform(forward)
      >>> model.apply(model.init(jax.random.key(0), jnp.ones(3)), jnp.ones(3)).dtype
      dtype(bfloat16)
    """
    _check_target("set_policy", cls)
    _check_policy("set_policy", policy)
    if isinstance(cls, Module):
        _set_own(cls, policy)
    elif cls in ambient.policies:
        ambient.policies = {**ambient.policies, cls: policy}
    else:
        policies[cls] = policy


def get_policy(cls: type[Module] | Module) -> Any | None:
    """Returns the policy of a class of modules, or the one that governs a module; None if there is none.

    Args:
      cls: A subclass of `hk.Module`, or a module.

    Raises:
      TypeError: `cls` is neither.

    Example:
      >>> import haiku_like as hk
      >>> print(hk.mixed_precision.get_policy(hk.Linear))
      None
    """
    _check_target("get_policy", cls)
    return policy_of(cls) if isinstance(cls, Module) else policy_of_class(cls)


def clear_policy(cls: type[Module] | Module) -> None:
    """Takes the policy of a class of modules, or of a module, away.

    Args:
      cls: A subclass of `hk.Module`, or a module.

    Raises:
      TypeError: `cls` is neither.

    Example:
      >>> import haiku_like as hk
      >>> hk.mixed_precision.clear_policy(hk.Linear)
    """
    _check_target("clear_policy", cls)
    if isinstance(cls, Module):
        _set_own(cls, None)
    elif cls in ambient.policies:
        ambient.policies = {**ambient.policies, cls: None}
    else:
        policies.pop(cls, None)


@contextlib.contextmanager
def push_policy(cls: type[Module] | Module, policy: Any) -> Iterator[None]:
    """Sets the policy of a class of modules, in this thread alone, or of a module, until the block ends.

    Args:
      cls: A subclass of `hk.Module`, or a module.
      policy: An object with `param_dtype`, `compute_dtype` and `output_dtype`.

    Raises:
      TypeError: `cls` is neither, or `policy` lacks a dtype.

    Example:
      >>> import haiku_like as hk, jax.numpy as jnp
      >>> with hk.mixed_precision.push_policy(hk.Linear, hk.mixed_precision.Policy(*[jnp.float32] * 3)):
      ...     print(hk.mixed_precision.get_policy(hk.Linear) is None)
      False
    """
    _check_target("push_policy", cls)
    _check_policy("push_policy", policy)
    own = cls._haiku_like_policy if isinstance(cls, Module) else None
    of_blocks = ambient.policies
    if isinstance(cls, Module):
        _set_own(cls, policy)
    else:
        ambient.policies = {**of_blocks, cls: policy}
    try:
        yield
    finally:
        if isinstance(cls, Module):
            _set_own(cls, own)
        else:
            ambient.policies = of_blocks


def current_policy() -> Any | None:
    """Returns the policy that governs the method that is running, or None.

    Example:
      >>> import haiku_like as hk
      >>> print(hk.mixed_precision.current_policy())
      None
    """
    return ambient.governing[-1] if ambient.governing else None


def _set_own(module: Module, policy: Any | None) -> None:
    object.__setattr__(module, "_haiku_like_policy", policy)  # Past __setattr__, which a frozen dataclass forbids.


def _check_target(function: str, cls: object) -> None:
    if not isinstance(cls, Module) and not (isinstance(cls, type) and issubclass(cls, Module)):
        raise TypeError(
            f"{function}: cls is {cls!r}, expected a subclass of hk.Module, such as hk.Linear, or a module."
        )


def _check_policy(function: str, policy: object) -> None:
    missing = [name for name in ("param_dtype", "compute_dtype", "output_dtype") if not hasattr(policy, name)]
    if missing:
        raise TypeError(
            f"{function}: policy is {policy!r}, which has no {', '.join(missing)}; expected an object such as "
            f"hk.mixed_precision.Policy(jnp.float32, jnp.bfloat16, jnp.float32)."
        )
