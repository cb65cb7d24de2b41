"""`tabulate`: the calls of modules that a model makes, as a table."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from haiku_like import _checks
from haiku_like._core.transform import Transformed, TransformedWithState
from haiku_like.inspect.calls import MethodInvocation, ModuleDetails
from haiku_like.inspect.summary import summarize
from haiku_like.inspect.table import FORMATS, Table
from haiku_like.inspect.units import quantity


class _Column(NamedTuple):
    title: str
    text: Callable[[MethodInvocation], str]
    right: bool = False


def _titled(details: ModuleDetails) -> str:
    method = "" if details.method_name == "__call__" else f".{details.method_name}"
    return f"{details.module.module_name} ({type(details.module).__name__}{method})"


def _module(call: MethodInvocation) -> str:
    return "\n".join((_titled(call.module_details), *(f" └ {_titled(outer)}" for outer in call.call_stack[1:])))


def _owned_params(call: MethodInvocation) -> str:
    prefix = f"{call.module_details.module.module_name}/"
    names = ((name.removeprefix(prefix), spec) for name, spec in call.module_details.params.items())
    owned = sorted(((name, spec) for name, spec in names if "/" not in name), key=lambda item: -item[1].size)
    return "\n".join(f"{name}: {spec}" for name, spec in owned)


def _input(call: MethodInvocation) -> str:
    lines = (", ".join(map(repr, call.args_spec)), ", ".join(f"{k}={v!r}" for k, v in call.kwargs_spec.items()))
    return "\n".join(filter(None, lines))


def _params_size(call: MethodInvocation) -> str:
    return f"{sum(spec.size for spec in call.module_details.params.values()):,}"


def _params_bytes(call: MethodInvocation) -> str:
    return quantity(sum(spec.nbytes for spec in call.module_details.params.values()), "B")


_COLUMNS = {
    "module": _Column("Module", _module),
    "config": _Column("Config", lambda call: repr(call.module_details.module)),
    "owned_params": _Column("Module params", _owned_params),
    "input": _Column("Input", _input),
    "output": _Column("Output", lambda call: repr(call.output_spec)),
    "params_size": _Column("Param count", _params_size, right=True),
    "params_bytes": _Column("Param bytes", _params_bytes, right=True),
}
_FILTERS: dict[str, Callable[[MethodInvocation], bool]] = {
    "has_output": lambda call: call.output_spec is not None,
    "has_params": lambda call: bool(call.module_details.params),
}
_GRID = {"tablefmt": "grid"}


def tabulate(
    f: Callable[..., Any] | Transformed | TransformedWithState,
    *,
    columns: Sequence[str] = tuple(_COLUMNS),
    filters: Sequence[str] = ("has_output",),
    tabulate_kwargs: Mapping[str, str] = _GRID,
) -> Callable[..., str]:
    """Returns a function that draws a table of the calls of modules in `f`, without computing anything.

    The sizes are those of the module with its submodules. A module that is called twice has two rows.

    Args:
      f: A function that builds and calls modules, or what `hk.transform` or `hk.transform_with_state` made of one.
      columns: Which columns, in order: `module` (its path, its class, and the methods that called it), `config` (how
        it was built), `owned_params` (its own parameters), `input`, `output`, `params_size`, `params_bytes`.
      filters: What a call must have to be shown: `has_output`, `has_params`, both or neither.
      tabulate_kwargs: `{"tablefmt": ...}`, with `grid` for lines around the cells (drawn by `rich` where that is
        installed: on a terminal as wide as it is, with a bold head), `plain` for none, `github` for Markdown, or
        `html`.

    Returns:
      A function of the arguments of `f`, see `eval_summary`, that returns the table as text.

    Raises:
      TypeError: `f` is neither.
      ValueError: there is no such column, filter, format or option.

    Example:
      >>> import haiku_like as hk, jax.numpy as jnp
      >>> table = hk.experimental.tabulate(
      ...     lambda x: hk.nets.MLP([4, 2])(x),
      ...     columns=["module", "owned_params", "output"],
      ...     tabulate_kwargs={"tablefmt": "github"},
      ... )
      >>> print(table(jnp.ones([8, 3])))
      | Module | Module params | Output |
      | --- | --- | --- |
      | mlp (MLP) |  | f32[8,2] |
      | mlp/~/linear_0 (Linear)<br> └ mlp (MLP) | w: f32[3,4]<br>b: f32[4] | f32[8,4] |
      | mlp/~/linear_1 (Linear)<br> └ mlp (MLP) | w: f32[4,2]<br>b: f32[2] | f32[8,2] |
    """
    summary = summarize("tabulate", f)
    chosen = [_COLUMNS[name] for name in _known("columns", columns, _COLUMNS)]
    tests = [_FILTERS[name] for name in _known("filters", filters, _FILTERS)]
    _known("tabulate_kwargs", tabulate_kwargs, _GRID)
    (draw,) = (FORMATS[name] for name in _known("tablefmt", [tabulate_kwargs.get("tablefmt", "plain")], FORMATS))
    if not chosen:
        raise ValueError(f"tabulate: columns is empty, expected one or more of {', '.join(map(repr, _COLUMNS))}.")

    def tabulated(*args: Any, **kwargs: Any) -> str:
        calls = [call for call in summary(*args, **kwargs) if all(test(call) for test in tests)]
        if not calls:
            return "No call of a module passes the filters."
        rows = [[column.text(call) for column in chosen] for call in calls]
        return draw(Table([column.title for column in chosen], rows, [column.right for column in chosen]))

    return tabulated


def _known(argument: str, names: Any, known: Mapping[str, Any]) -> tuple[str, ...]:
    if isinstance(names, str):
        names = [names]
    names = _checks.sequence("tabulate", argument, names, f"{list(known)[:1]}")
    for name in names:
        if name not in known:
            raise ValueError(f"tabulate: {argument} has {name!r}, expected one of {', '.join(map(repr, known))}.")
    return names
