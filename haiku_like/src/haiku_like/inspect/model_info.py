"""`make_model_info`: the operations of a function by the modules that they belong to, and what they cost."""

import dataclasses
import string
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from haiku_like._jax_compat import is_literal
from haiku_like.inspect.array_spec import ArraySpec, type_text
from haiku_like.inspect.calls import ModuleDetails
from haiku_like.inspect.cost import count_bytes, count_flops
from haiku_like.inspect.program import Body, Group, bare, bodies, check_function, grouped, traced
from haiku_like.inspect.units import quantity


@dataclasses.dataclass
class Expression:
    """An operation, or a run of a module or of another program.

    Attributes:
      primitive: The operation's name in JAX; `name_scope` for a module.
      invars: The names of its inputs, apart by spaces.
      outvars: The names of its outputs.
      flops: The floating-point operations; None where they are not known.
      details: The shapes of its inputs and outputs.
      params: Its settings, as text.
      submodule: What runs in it.
      first_outvar: The name of its first output.
      name_stack: The scopes that it is in, the outermost first.
      bytes: The bytes that it reads and writes if nothing is fused.

    Example:
      >>> import haiku_like as hk, jax.numpy as jnp
      >>> info = hk.experimental.jaxpr_info.make_model_info(lambda x: x @ x.T)(jnp.ones([2, 8]))
      >>> [(expression.primitive, expression.flops, expression.bytes) for expression in info.expressions]
      [('transpose', 0, 128), ('dot_general', 64, 144)]
    """

    primitive: str
    invars: str
    outvars: str
    flops: int | None = None
    details: str = ""
    params: dict[str, str] = dataclasses.field(default_factory=dict)
    submodule: "Module | None" = None
    first_outvar: str = ""
    name_stack: list[str] = dataclasses.field(default_factory=list)
    bytes: int = 0


@dataclasses.dataclass
class Module:
    """The operations of a module, or of another program such as the body of a loop.

    Attributes:
      name: The module's name, without its path.
      flops: The floating-point operations of those of `expressions` for which they are known; of a loop, over all
        its steps.
      expressions: What runs, in order; of a loop, in one step.
      total_param_size: The number of elements of the parameters, with those of submodules.
      param_info: The parameters, such as `{"./linear_0/w": "f32[3,4]"}`, or `{"linear/w": ...}` where they are those of
        a module that was built elsewhere.
      total_state_size: Likewise of the state.
      state_info: Likewise the state.
      bytes: The bytes that are read and written if nothing is fused.

    Example:
      >>> import haiku_like as hk
      >>> hk.experimental.jaxpr_info.Module("empty").expressions
      []
    """

    name: str
    flops: int | None = None
    expressions: list[Expression] = dataclasses.field(default_factory=list)
    total_param_size: int = 0
    param_info: dict[str, str] = dataclasses.field(default_factory=dict)
    total_state_size: int = 0
    state_info: dict[str, str] = dataclasses.field(default_factory=dict)
    bytes: int = 0


def make_model_info(
    f: Callable[..., Any],
    name: str | None = None,
    include_module_info: bool = True,
    compute_flops: Callable[[Any, Expression], int | None] | None = None,
    axis_env: Sequence[tuple[Any, int]] | None = None,
) -> Callable[..., Module]:
    """Returns a function that finds what `f` runs, by module, without running it.

    The body of a `scan` counts as often as it runs, that of a `while_loop` once, and of the branches of a `cond` the
    most expensive one. Floating-point operations are counted as XLA does for matrix products and convolutions, a
    product and a sum as two, and one for an element that other arithmetic makes. Bytes are those that the operations
    read and write if each one does so for itself, which a compiler betters.

    Args:
      f: A function of arrays, such as `hk.transform(g).apply`, or one that trains.
      name: What to call the whole; the function's own name by default.
      include_module_info: Whether to list the parameters and the state of modules.
      compute_flops: `compute_flops(equation, expression)` returns the floating-point operations of an equation of the
        jaxpr, in place of the rules above.
      axis_env: The names and sizes of axes that `f` reduces over.

    Returns:
      A function of the arguments of `f` that returns a `Module`. Arrays and `jax.ShapeDtypeStruct`s are looked at by
      shape and dtype alone; other arguments are passed on as they are.

    Raises:
      TypeError: `f` is no function; of what `hk.transform` returns, pass `apply`.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> model = hk.transform(lambda x: hk.nets.MLP([4, 2])(x))
      >>> params = model.init(jax.random.key(0), jnp.ones([8, 3]))
      >>> info = hk.experimental.jaxpr_info.make_model_info(model.apply)(params, jnp.ones([8, 3]))
      >>> info.flops, info.total_param_size
      (400, 26)
      >>> mlp = info.expressions[0].submodule
      >>> mlp.name, mlp.param_info["./linear_1/w"]
      ('mlp', 'f32[4,2]')
    """
    check_function("make_model_info", "f", f)

    def inspected(*args: Any, **kwargs: Any) -> Module:
        program = traced(f, args, kwargs, axis_env)
        modules = program.modules if include_module_info else {}
        writer = _Writer(modules, compute_flops or (lambda equation, _: count_flops(equation)))
        whole = writer.module(name or getattr(f, "__name__", type(f).__name__), program.jaxpr, ())
        # The whole holds what any of its modules holds.
        params = {path: spec for details in modules.values() for path, spec in details.params.items()}
        state = {path: spec for details in modules.values() for path, spec in details.state.items()}
        _describe(whole, "", params, state)
        return whole

    return inspected


class _Writer:
    """Makes modules and expressions from a jaxpr."""

    def __init__(
        self,
        modules: Mapping[tuple[str, ...], ModuleDetails],
        compute_flops: Callable[[Any, Expression], int | None],
    ):
        self._modules = modules
        self._compute_flops = compute_flops

    def module(self, name: str, jaxpr: Any, path: tuple[str, ...]) -> Module:
        """Returns a module of all operations of a jaxpr that runs in the modules of `path`."""
        names = _Names()
        for variable in (*jaxpr.constvars, *jaxpr.invars):
            names[variable]
        return self._summed(name, [self._expression(item, names, path, []) for item in grouped(jaxpr.eqns)])

    def _summed(
        self, name: str, expressions: list[Expression], combined: Callable[[Iterable[int]], int] = sum
    ) -> Module:
        flops = combined(expression.flops or 0 for expression in expressions)
        total = combined(expression.bytes for expression in expressions)
        return Module(name, flops, expressions, bytes=total)

    def _expression(self, item: Any, names: "_Names", path: tuple[str, ...], stack: list[str]) -> Expression:
        if isinstance(item, Group):
            return self._group(item, names, path, stack)
        invars = [_text(operand, names) for operand in item.invars]
        outvars = [names[variable] for variable in item.outvars]
        expression = Expression(
            primitive=item.primitive.name,
            invars=" ".join(invars) if len(invars) <= 8 else f"{len(invars)} inputs",
            outvars=" ".join(outvars) if len(outvars) <= 8 else f"{len(outvars)} outputs",
            details=f"in {', '.join(map(type_text, item.invars))}, out {', '.join(map(type_text, item.outvars))}",
            first_outvar=outvars[0] if outvars else "",
            name_stack=stack,
        )
        runs = bodies(item)
        if runs:
            expression.submodule = submodule = self._run(item, runs, path)
            expression.flops, expression.bytes = submodule.flops, submodule.bytes
        else:
            expression.params = {key: str(value) for key, value in item.params.items()}
            expression.flops, expression.bytes = self._compute_flops(item, expression), count_bytes(item)
        return expression

    def _group(self, group: Group, names: "_Names", path: tuple[str, ...], stack: list[str]) -> Expression:
        inner = (*path, bare(group.label))
        details = self._modules.get(inner)
        inner, stack = inner if details else path, [*stack, group.label]
        module = self._summed(group.label, [self._expression(item, names, inner, stack) for item in group.items])
        if details:
            _describe(module, details.module.module_name, details.params, details.state)
        return Expression(
            "name_scope", "", "", flops=module.flops, submodule=module, name_stack=stack[:-1], bytes=module.bytes
        )

    def _run(self, equation: Any, runs: list[Body], path: tuple[str, ...]) -> Module:
        modules = [self.module(body.label, body.jaxpr, path) for body in runs]
        for module, body in zip(modules, runs, strict=True):
            module.flops, module.bytes = (module.flops or 0) * body.times, module.bytes * body.times
        if len(modules) == 1:
            return modules[0]
        branches = [Expression("name_scope", "", "", m.flops, submodule=m, bytes=m.bytes) for m in modules]
        is_choice = equation.primitive.name == "cond"
        return self._summed(equation.primitive.name, branches, max if is_choice else sum)


class _Names(dict[Any, str]):
    """Gives each variable a name, in order: a, b, ..., z, ba, bb, ..."""

    def __missing__(self, variable: Any) -> str:
        number, name = len(self), ""
        while number or not name:
            number, digit = divmod(number, 26)
            name = string.ascii_lowercase[digit] + name
        self[variable] = name
        return name


def _text(operand: Any, names: _Names) -> str:
    return str(operand.val) if is_literal(operand) else names[operand]


def _describe(module: Module, path: str, params: Mapping[str, ArraySpec], state: Mapping[str, ArraySpec]) -> None:
    """Notes the variables of a module: `./name` for those under its path, the full name for those of other modules."""

    def name(full: str) -> str:
        under = full.removeprefix(f"{path}/")
        return full if under == full else f"./{under.removeprefix('~/')}"

    def info(variables: Mapping[str, ArraySpec]) -> dict[str, str]:
        return dict(sorted((name(full), repr(spec)) for full, spec in variables.items()))

    module.param_info, module.state_info = info(params), info(state)
    module.total_param_size = sum(spec.size for spec in params.values())
    module.total_state_size = sum(spec.size for spec in state.values())


def format_module(module: Module, depth: int = 0) -> str:
    """Returns the operations and costs as indented text, an operation or module a line; under a loop, one step.

    Args:
      module: What `make_model_info` found.
      depth: By how many steps to indent.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> model = hk.transform(lambda x: hk.Linear(4)(x))
      >>> params = model.init(jax.random.key(0), jnp.ones([8, 3]))
      >>> info = hk.experimental.jaxpr_info.make_model_info(model.apply, name="forward")(params, jnp.ones([8, 3]))
      >>> print(hk.experimental.jaxpr_info.format_module(info))
      forward: 224 FLOP, 800 B, 16 params
        linear: 224 FLOP, 800 B, 16 params
          dot_general: 192 FLOP, 272 B, in f32[8,3], f32[3,4], out f32[8,4]
          broadcast_in_dim: 0 FLOP, 144 B, in f32[4], out f32[8,4]
          add: 32 FLOP, 384 B, in f32[8,4], f32[8,4], out f32[8,4]
    """
    lines = [f"{'  ' * depth}{module.name}: {', '.join(costs(module))}"]
    for expression in module.expressions:
        if expression.submodule:
            lines.append(format_module(expression.submodule, depth + 1))
        else:
            texts = [*costs(expression), *filter(None, [expression.details])]
            lines.append(f"{'  ' * (depth + 1)}{expression.primitive}: {', '.join(texts)}")
    return "\n".join(lines)


def costs(of: Module | Expression) -> list[str]:
    """Returns what a module or an operation costs, each quantity as a text."""
    texts = ["FLOP not known" if of.flops is None else quantity(of.flops, "FLOP"), quantity(of.bytes, "B")]
    if isinstance(of, Module):
        sizes = ((of.total_param_size, "params"), (of.total_state_size, "state"))
        texts += [f"{size:,} {kind}" for size, kind in sizes if size]
    return texts
