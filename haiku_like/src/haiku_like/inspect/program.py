"""The traced program of a function: its operations, grouped by the calls of modules that they come from.

A method of a module runs in a `jax.named_scope`, which JAX notes with each operation. Which of the scopes are modules,
and what these hold, an interceptor notes.
"""

import dataclasses
import itertools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import jax

from haiku_like import _checks
from haiku_like._jax_compat import named_scopes, open_jaxpr
from haiku_like._traced_once import written_out
from haiku_like.inspect.array_spec import is_array, split_arrays
from haiku_like.inspect.calls import MethodInvocation, ModuleDetails, recorded_calls


class Program(NamedTuple):
    """What a function does with arrays.

    Attributes:
      jaxpr: The operations.
      inputs: For each input of the jaxpr the path to it in `(args, kwargs)`, as in `jax.tree_util`.
      outputs: For each output of the jaxpr the path to it in what the function returns.
      modules: The modules that ran, by the labels of their methods, the outermost first: `("mlp", "linear_0")`.
    """

    jaxpr: Any
    inputs: list[tuple[Any, ...]]
    outputs: list[tuple[Any, ...]]
    modules: Mapping[tuple[str, ...], ModuleDetails]


class Group(NamedTuple):
    """Neighbouring equations that were traced in one `jax.named_scope`.

    Attributes:
      label: The scope, such as `linear_0` or `transpose(jvp(linear_0))`.
      items: Equations and groups.
    """

    label: str
    items: list[Any]


class Body(NamedTuple):
    """A jaxpr that an equation runs.

    Attributes:
      label: What it is, for a reader.
      jaxpr: The operations.
      operands: What it is given, of the inputs of the equation.
      times: How often it runs.
    """

    label: str
    jaxpr: Any
    operands: Sequence[Any]
    times: int = 1


def traced(
    fun: Callable[..., Any], args: Any, kwargs: Any, axis_env: Sequence[tuple[Any, int]] | None = None
) -> Program:
    """Returns the program that `fun(*args, **kwargs)` runs; what is not an array is passed on as it is.

    Args:
      fun: Any function of arrays.
      args: Positional arguments.
      kwargs: Keyword arguments.
      axis_env: The names and sizes of axes that the function may reduce over.
    """
    # Not what jax.jit traced before, in which no interceptor can see modules.
    fun = getattr(fun, "__wrapped__", fun) if isinstance(fun, jax.stages.Wrapped) else fun
    arrays, rebuilt = split_arrays(args, kwargs)
    found: list[MethodInvocation] = []

    def run(arrays: list[Any]) -> Any:
        args, kwargs = rebuilt(arrays)
        with recorded_calls() as calls, written_out():
            out = fun(*args, **kwargs)
        found.extend(calls)
        return jax.tree.map(lambda leaf: leaf if is_array(leaf) or isinstance(leaf, (int, float)) else None, out)

    jaxpr, output = jax.make_jaxpr(run, axis_env=axis_env, return_shape=True)(arrays)
    inputs = [path for path, leaf in jax.tree.leaves_with_path((args, kwargs)) if is_array(leaf)]
    outputs = [path for path, _ in jax.tree.leaves_with_path(output)]
    return Program(open_jaxpr(jaxpr), inputs, outputs, _modules(found))


def check_function(function: str, argument: str, fun: Any) -> None:
    """Raises unless the program of a value can be traced."""
    _checks.function(function, argument, fun, "hk.transform(f).apply")


def grouped(equations: Iterable[Any], depth: int = 0) -> list[Any]:
    """Returns equations, and a `Group` in the place of neighbours that share the scope at this depth."""

    def label(equation: Any) -> str | None:
        scopes = _scopes(equation)
        return scopes[depth] if depth < len(scopes) else None

    items: list[Any] = []
    for common, neighbours in itertools.groupby(equations, label):
        members = list(neighbours)
        items += members if common is None else [Group(common, grouped(members, depth + 1))]
    return items


def _scopes(equation: Any) -> list[str]:
    """Returns the scopes of an equation, the outermost first, without those that name nothing, such as `jvp()`."""
    scopes, depth = [""], 0
    for sign in named_scopes(equation):
        depth += (sign == "(") - (sign == ")")
        if sign == "/" and depth == 0:
            scopes.append("")
        else:
            scopes[-1] += sign
    return [scope for scope in scopes if bare(scope)]


def bare(scope: str) -> str:
    """Returns a scope without the transforms that enclose it: `linear_0` for `transpose(jvp(linear_0))`."""
    while enclosed := re.fullmatch(r"\w+\((.*)\)", scope):
        scope = enclosed[1]
    return scope


def _modules(calls: list[MethodInvocation]) -> dict[tuple[str, ...], ModuleDetails]:
    modules: dict[tuple[str, ...], ModuleDetails] = {}
    for call in calls:
        labels = tuple(filter(None, (_label(details) for details in reversed(call.call_stack))))
        details = call.module_details
        known = modules.get(labels, details)
        if labels and _label(details):
            modules[labels] = dataclasses.replace(
                details, params={**known.params, **details.params}, state={**known.state, **details.state}
            )
    return modules


def _label(details: ModuleDetails) -> str | None:
    """Returns the scope that a method runs in, or None for one that runs in its caller's."""
    name = details.method_name
    if name == "__call__":
        return details.module.name
    if name.startswith("_") or isinstance(getattr(type(details.module), name, None), property):
        return None
    return f"{details.module.name}.{name}"


# Operations with a jaxpr that says how to combine two elements, or that runs on an accelerator's own terms.
_NO_BODY = frozenset({"pallas_call", "reduce", "reduce_window", "select_and_scatter"})


def bodies(equation: Any) -> list[Body]:
    """Returns what an equation runs that is a program itself, such as the body of a loop."""
    name, params, operands = equation.primitive.name, equation.params, equation.invars
    if name == "cond":
        return [Body(f"branch {i}", open_jaxpr(branch), operands[1:]) for i, branch in enumerate(params["branches"])]
    if name == "while":
        first, second = params["cond_nconsts"], params["cond_nconsts"] + params["body_nconsts"]
        carry = operands[second:]
        return [
            Body("condition", open_jaxpr(params["cond_jaxpr"]), operands[:first] + carry),
            Body("body", open_jaxpr(params["body_jaxpr"]), operands[first:second] + carry),
        ]
    jaxpr = None if name in _NO_BODY else open_jaxpr(params.get("jaxpr") or params.get("call_jaxpr"))
    if jaxpr is None or len(jaxpr.invars) != len(operands):
        return []
    if name == "scan":
        return [Body(f"scan, {params['length']} steps", jaxpr, operands, params["length"])]
    if name == "shard_map":
        return [Body(f"shard_map, {params['mesh'].size} devices", jaxpr, operands, params["mesh"].size)]
    if name == "xla_pmap":
        return [Body(f"pmap, {params['global_axis_size']} devices", jaxpr, operands, params["global_axis_size"])]
    if name.startswith("custom_") and len(jaxpr.eqns) == 1:
        (inner,) = jaxpr.eqns
        # A function such as jax.nn.relu, which is jitted within its rule for derivatives, is one function to a reader.
        runs = bodies(inner)
        if len(runs) == 1 and (inner.invars, inner.outvars) == (jaxpr.invars, jaxpr.outvars):
            return [runs[0]._replace(operands=operands)]
    return [Body(str(params.get("name") or _TITLES.get(name, name)), jaxpr, operands)]


_TITLES = {"custom_jvp_call": "custom_jvp", "custom_vjp_call": "custom_vjp", "remat2": "remat", "checkpoint": "remat"}
