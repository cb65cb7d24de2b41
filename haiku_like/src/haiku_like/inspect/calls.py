"""Records which methods of which modules a function calls, with what, and what they return."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from haiku_like._core.frame import Frame, current_frame
from haiku_like._core.hooks import MethodContext, intercept_methods
from haiku_like._core.module import Module
from haiku_like.inspect.array_spec import ArraySpec, specs


@dataclasses.dataclass(frozen=True)
class ModuleDetails:
    """A method of a module, and the module's variables.

    Attributes:
      module: The module.
      method_name: The method's name, such as `__call__`.
      params: The parameters of the module and its submodules, by full name, as `ArraySpec`s.
      state: Likewise the state.

    Example:
      >>> import haiku_like as hk, jax.numpy as jnp
      >>> summary = hk.experimental.eval_summary(lambda x: hk.Linear(2)(x))(jnp.ones([1, 3]))
      >>> summary[0].module_details.params
      {'linear/b': f32[2], 'linear/w': f32[3,2]}
    """

    module: Module
    method_name: str
    params: dict[str, ArraySpec]
    state: dict[str, ArraySpec]


@dataclasses.dataclass(frozen=True)
class MethodInvocation:
    """One call of a method of a module, with an `ArraySpec` for each array.

    Attributes:
      module_details: The module and its variables.
      args_spec: The positional arguments.
      kwargs_spec: The keyword arguments.
      output_spec: What the method returned.
      context: The `MethodContext`, as an interceptor is given it.
      call_stack: The methods that were running, this one first and the outermost last.

    Example:
      >>> import haiku_like as hk, jax.numpy as jnp
      >>> summary = hk.experimental.eval_summary(lambda x: hk.nets.MLP([4, 2])(x))(jnp.ones([1, 3]))
      >>> [(call.args_spec, call.output_spec) for call in summary]
      [((f32[1,3],), f32[1,2]), ((f32[1,3],), f32[1,4]), ((f32[1,4],), f32[1,2])]
      >>> [details.module.module_name for details in summary[1].call_stack]
      ['mlp/~/linear_0', 'mlp']
    """

    module_details: ModuleDetails
    args_spec: tuple[Any, ...]
    kwargs_spec: dict[str, Any]
    output_spec: Any
    context: MethodContext
    call_stack: tuple[ModuleDetails, ...]


class _Call(NamedTuple):
    """A call as it was seen; what the module holds is asked for at the end, when all of it has been created."""

    context: MethodContext
    frame: Frame
    args_spec: Any
    kwargs_spec: Any
    stack: tuple[int, ...]  # The numbers of the calls that were running, this one first.


@contextlib.contextmanager
def recorded_calls() -> Iterator[list[MethodInvocation]]:
    """Yields a list that holds, once the block has ended without an error, every call of a method in it, in order.

    `__init__` is left out, and so are the helpers inside the library's own modules.
    """
    calls: list[_Call] = []
    outputs: dict[int, Any] = {}
    running: list[int] = []
    invocations: list[MethodInvocation] = []

    def record(next_f: Callable[..., Any], args: Any, kwargs: Any, context: MethodContext) -> Any:
        if context.method_name == "__init__" or _is_helper(context):
            return next_f(*args, **kwargs)
        number = len(calls)
        stack = (number, *reversed(running))
        calls.append(_Call(context, current_frame("eval_summary"), specs(args), specs(kwargs), stack))
        running.append(number)
        try:
            out = next_f(*args, **kwargs)
        finally:
            running.pop()
        outputs[number] = specs(out)
        return out

    with intercept_methods(record):
        yield invocations
    details = _details(calls)
    for number, call in enumerate(calls):
        stack = tuple(details[outer] for outer in call.stack)
        invocation = MethodInvocation(
            details[number], call.args_spec, call.kwargs_spec, outputs.get(number), call.context, stack
        )
        invocations.append(invocation)


def _is_helper(context: MethodContext) -> bool:
    is_private = context.method_name.startswith("_") and context.method_name != "__call__"
    return is_private and context.orig_class.__module__.partition(".")[0] == __name__.partition(".")[0]


def _details(calls: list[_Call]) -> list[ModuleDetails]:
    variables: dict[tuple[int, str], tuple[Any, Any]] = {}
    details: list[ModuleDetails] = []
    for call in calls:
        module = call.context.module
        key = (id(call.frame), module.module_name)
        if key not in variables:
            with call.frame.activated():
                variables[key] = specs(module.params_dict()), specs(module.state_dict())
        details.append(ModuleDetails(module, call.context.method_name, *variables[key]))
    return details
