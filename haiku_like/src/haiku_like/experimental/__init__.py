"""Names that dm-haiku keeps under `experimental`, and tools to look into models."""

import importlib
from typing import Any

from haiku_like._core.hooks import DO_NOT_STORE as DO_NOT_STORE
from haiku_like._core.hooks import GetterContext as GetterContext
from haiku_like._core.hooks import GetterContext as ParamContext
from haiku_like._core.hooks import MethodContext as MethodContext
from haiku_like._core.hooks import custom_creator as custom_creator
from haiku_like._core.hooks import custom_getter as custom_getter
from haiku_like._core.hooks import intercept_methods as intercept_methods
from haiku_like._core.lift import LiftWithStateUpdater as LiftWithStateUpdater
from haiku_like._core.lift import lift as lift
from haiku_like._core.lift import lift_with_state as lift_with_state
from haiku_like._core.lift import transparent_lift as transparent_lift
from haiku_like._core.lift import transparent_lift_with_state as transparent_lift_with_state
from haiku_like._core.module import name_like as name_like
from haiku_like._core.rng import maybe_get_rng_sequence_state as maybe_get_rng_sequence_state
from haiku_like._core.rng import replace_rng_sequence_state as replace_rng_sequence_state
from haiku_like._core.scopes import current_name as current_name
from haiku_like._core.scopes import force_name as force_name
from haiku_like._core.scopes import name_scope as name_scope
from haiku_like._core.settings import change as _change
from haiku_like._core.variables import get_current_state as get_current_state
from haiku_like._core.variables import get_initial_state as get_initial_state
from haiku_like._core.variables import get_params as get_params
from haiku_like.experimental import jaxpr_info as jaxpr_info
from haiku_like.inspect.array_spec import ArraySpec as ArraySpec
from haiku_like.inspect.calls import MethodInvocation as MethodInvocation
from haiku_like.inspect.calls import ModuleDetails as ModuleDetails
from haiku_like.inspect.dot import abstract_to_dot as abstract_to_dot
from haiku_like.inspect.dot import to_dot as to_dot
from haiku_like.inspect.render_dot import render_dot as render_dot
from haiku_like.inspect.summary import eval_summary as eval_summary
from haiku_like.inspect.tabulate import tabulate as tabulate
from haiku_like.layer_stack import LayerStackTransparencyMapping as LayerStackTransparencyMapping
from haiku_like.layer_stack import layer_stack as layer_stack
from haiku_like.tracing import fast_eval_shape as fast_eval_shape
from haiku_like.tracing import optimize_rng_use as optimize_rng_use

__all__ = [
    "DO_NOT_STORE",
    "ArraySpec",
    "GetterContext",
    "LayerStackTransparencyMapping",
    "LiftWithStateUpdater",
    "MethodContext",
    "MethodInvocation",
    "ModuleDetails",
    "ParamContext",
    "abstract_to_dot",
    "check_jax_usage",
    "current_name",
    "custom_creator",
    "custom_getter",
    "eval_summary",
    "fast_eval_shape",
    "force_name",
    "get_current_state",
    "get_initial_state",
    "get_params",
    "intercept_methods",
    "jaxpr_info",
    "layer_stack",
    "lift",
    "lift_with_state",
    "maybe_get_rng_sequence_state",
    "module_auto_repr",
    "name_like",
    "name_scope",
    "optimize_rng_use",
    "render_dot",
    "replace_rng_sequence_state",
    "rng_reserve_size",
    "tabulate",
    "to_dot",
    "transparent_lift",
    "transparent_lift_with_state",
]


def __getattr__(name: str) -> Any:
    # Not before it is asked for, since it imports flax.
    if name == "flax":
        return importlib.import_module("haiku_like.experimental.flax")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def check_jax_usage(enabled: bool = True) -> bool:
    """Changes the setting of `hk.config` of this name, and returns what it was.

    Args:
      enabled: Whether a plain JAX transform is refused that only reads parameters, too.

    Raises:
      TypeError: `enabled` is no boolean.

    Example:
      >>> import haiku_like as hk
      >>> hk.experimental.check_jax_usage(False)
      False
    """
    return _change({"check_jax_usage": enabled})["check_jax_usage"]


def module_auto_repr(enabled: bool) -> bool:
    """Changes the setting of `hk.config` of this name, and returns what it was.

    Args:
      enabled: Whether a module remembers the arguments that it was built with, to show them.

    Raises:
      TypeError: `enabled` is no boolean.

    Example:
      >>> import haiku_like as hk
      >>> hk.experimental.module_auto_repr(True)
      True
    """
    return _change({"module_auto_repr": enabled})["module_auto_repr"]


def rng_reserve_size(size: int) -> int:
    """Changes the setting of `hk.config` of this name, and returns what it was.

    Args:
      size: How many random keys are split off at a time.

    Raises:
      TypeError: `size` is no integer.
      ValueError: it is less than 1.

    Example:
      >>> import haiku_like as hk
      >>> hk.experimental.rng_reserve_size(1)
      1
    """
    return _change({"rng_reserve_size": size})["rng_reserve_size"]
