"""The only file that looks at JAX versions or touches `jax.extend`."""

import sys
from typing import Any

import jax
import jax.core
import jax.extend.core
import jax.extend.random

if hasattr(jax.extend.core, "get_opaque_trace_state"):
    _opaque_trace_state = jax.extend.core.get_opaque_trace_state
else:  # jax 0.7
    _opaque_trace_state = getattr(jax.core, "get_opaque_trace_state")  # noqa: B009


def current_trace() -> object:
    """Returns what stands for the JAX trace that is running: equal before and after, unequal under a transform."""
    return _opaque_trace_state(convention="haiku_like")


_EAGER = current_trace()

DRAWS_ALIKE_IN_BLOCKS = jax.__version_info__ >= (0, 9)
"""Whether XLA computes the end of a vector as it does the rest: before, what was left over was rounded otherwise."""


def runs_eagerly() -> bool:
    """Whether no JAX trace is running, so that values are there at once."""
    return current_trace() == _EAGER


def threefry_2x32(key_data: jax.Array, count: jax.Array) -> jax.Array:
    """Returns the random words that the threefry hash makes of a key's two words and of pairs of words to count by."""
    return jax.extend.random.threefry_2x32(key_data, count)


# What the functions of JAX that run a user's function are called, without underscores, and what the user calls them.
_TRANSFORMS = (
    {
        name: f"jax.{name}"
        for name in (
            "checkpoint", "custom_jvp", "custom_vjp", "eval_shape", "grad", "jacfwd", "jacrev", "jvp",
            "linear_transpose", "linearize", "make_jaxpr", "pmap", "shard_map", "value_and_grad", "vjp", "vmap",
        )
    }
    | {
        name: f"jax.lax.{name}"
        for name in (
            "associative_scan", "cond", "custom_linear_solve", "custom_root", "fori_loop", "map", "scan", "switch",
            "while_loop",
        )
    }
    | {
        "cached_shard_map": "jax.pmap",
        "cpp_pjit": "jax.jit",
        "cpp_pmap": "jax.pmap",
        "infer_params": "jax.jit",
        "switch_internal": "jax.lax.switch",
    }
)  # fmt: skip

# Transforms that JAX builds on others: where the inner one is found, the outer one is meant.
_BUILT_ON = {
    "jax.eval_shape": ("jax.jit",),
    "jax.grad": ("jax.value_and_grad",),
    "jax.jacfwd": ("jax.jvp", "jax.vmap"),
    "jax.jacrev": ("jax.vjp", "jax.vmap"),
    "jax.lax.custom_root": ("jax.jit",),
    "jax.lax.fori_loop": ("jax.lax.scan", "jax.lax.while_loop"),
    "jax.lax.map": ("jax.lax.scan", "jax.vmap"),
    "jax.make_jaxpr": ("jax.jit",),
    "jax.value_and_grad": ("jax.vjp",),
    "jax.vjp": ("jax.linearize",),
}


def enclosing_transform(depth: int = 1) -> str | None:
    """Returns the name of the innermost JAX transform among the callers, or None where it is not recognised.

    It reads the call stack, so it serves error messages alone.
    """
    found = None
    frame = sys._getframe(depth)
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        package = module.partition(".")[0]
        if package == "jax":
            function = frame.f_code.co_qualname.partition(".")[0].lstrip("_")
            name = _TRANSFORMS.get(function)
            if name == "jax.lax.map" and ".lax." not in module:
                name = None  # jax.tree.map
            if found is None or (name is not None and found in _BUILT_ON.get(name, ())):
                found = name
        elif found is not None and package not in ("contextlib", "functools"):
            break  # Code of the user, who called the transform.
        frame = frame.f_back
    return found


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
