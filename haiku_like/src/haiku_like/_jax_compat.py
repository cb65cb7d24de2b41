"""The only file that looks at JAX versions or touches `jax.extend`."""

import sys
from typing import Any

import jax
import jax.core
import jax.extend.core

if hasattr(jax.extend.core, "get_opaque_trace_state"):
    _opaque_trace_state = jax.extend.core.get_opaque_trace_state
else:  # jax 0.7
    _opaque_trace_state = jax.core.get_opaque_trace_state  # pyright: ignore[reportAttributeAccessIssue]


def current_trace() -> object:
    """Returns what stands for the JAX trace that is running: equal before and after, unequal under a transform."""
    return _opaque_trace_state(convention="haiku_like")


# How the functions that JAX runs on behalf of a transform are called, and what the user knows them by.
_TRANSFORMS = {
    "associative_scan": "associative_scan",
    "cond": "cond",
    "switch": "switch",
    "scan": "scan",
    "map": "map",
    "while_loop": "while_loop",
    "fori_loop": "fori_loop",
    "vmap_f": "vmap",
    "grad_f": "grad",
    "grad_f_aux": "grad",
    "value_and_grad_f": "value_and_grad",
    "fun_remat": "remat",
    "eval_shape": "eval_shape",
    "shard_map": "shard_map",
}


def enclosing_transform(depth: int = 1) -> str | None:
    """Returns the name of the innermost JAX transform among the callers, or None where it is not recognised.

    It reads the call stack, so it serves error messages alone.
    """
    frame = sys._getframe(depth)
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module.partition(".")[0] == "jax":
            name = frame.f_code.co_name
            if name in _TRANSFORMS:
                return _TRANSFORMS[name]
            if name in ("cache_miss", "python_pjit") or name.startswith("_infer_params"):
                return "jit"
            if module.endswith("custom_derivatives") and name == "__call__":
                return "custom_vjp or jax.custom_jvp"
            if module.endswith("shard_map"):
                return "shard_map"
        frame = frame.f_back
    return None


def open_jaxpr(value: Any) -> Any:
    """Returns the jaxpr that a value is or closes over, or None where it is neither."""
    value = getattr(value, "jaxpr", value)
    return value if hasattr(value, "eqns") else None


def is_literal(operand: Any) -> bool:
    """Whether an operand of an equation is a constant that is written into it, as `operand.val`, and no variable."""
    return isinstance(operand, jax.extend.core.Literal)


def named_scopes(equation: Any) -> str:
    """Returns the `jax.named_scope`s that an equation was traced in, such as `jvp(mlp)/linear_0`.

    They begin where the jaxpr that holds the equation does.
    """
    return str(equation.source_info.name_stack)
