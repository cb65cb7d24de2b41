"""`to_dot`: the operations of a function as a graph, in the language of Graphviz, with a box around each module."""

import contextlib
import dataclasses
import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import jax

from haiku_like._jax_compat import is_literal
from haiku_like.inspect.array_spec import type_text
from haiku_like.inspect.program import Body, Group, Program, bodies, check_function, grouped, traced

_HEAD = """\
digraph G {{
  rankdir=TB; compound=true; label=<<b>{title}</b>>; labelloc=t; fontsize=24; fontname="Helvetica";
  node [shape=box, style=filled, fontname="Helvetica", fontsize=12];
  edge [color="#607080"];
"""
_CLUSTER = 'fontname="Helvetica"; fontsize=15; style="rounded,filled"; color="#30506080"; fillcolor="#5080a018";'
_OPERATION = 'color="#c9a400", fillcolor="#fff3b0"'
_INPUT = 'shape=oval, color="#c06020", fillcolor="#ffdfc0"'
_CONSTANT = 'shape=oval, color="#7a4fbf", fillcolor="#e9defa"'
_OUTPUT = 'shape=oval, color="#2060c0", fillcolor="#cfe0ff"'


def to_dot(fun: Callable[..., Any]) -> Callable[..., str]:
    """Returns a function that draws what `fun` computes as a graph in Graphviz's language DOT, without computing it.

    A node is an operation on arrays, with the shape of what it makes; a box encloses the operations of a module, of a
    jitted function or of a loop's body, which stands there once. Parameters stand in the module that reads them.
    `hk.experimental.render_dot` makes a picture of it.

    Args:
      fun: A function of arrays, such as `hk.transform(f).apply`.

    Returns:
      A function of the arguments of `fun` that returns the text. Arrays and `jax.ShapeDtypeStruct`s are looked at by
      shape and dtype alone; other arguments are passed on as they are.

    Raises:
      TypeError: `fun` is no function; of what `hk.transform` returns, pass `apply`.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> model = hk.transform(lambda x: hk.Linear(2)(x))
      >>> params = model.init(jax.random.key(0), jnp.ones([8, 3]))
      >>> graph = hk.to_dot(model.apply)(params, jnp.ones([8, 3]))
      >>> "subgraph cluster_0" in graph, "<b>dot_general</b><br/>f32[8,2]" in graph
      (True, True)
    """
    return _drawer("to_dot", fun)


def abstract_to_dot(fun: Callable[..., Any]) -> Callable[..., str]:
    """Does as `to_dot`, by the name that dm-haiku has for arguments that are `jax.ShapeDtypeStruct`s.

    Args:
      fun: As for `to_dot`.

    Raises:
      TypeError: `fun` is no function.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> graph = hk.experimental.abstract_to_dot(jnp.tanh)(jax.ShapeDtypeStruct([8], jnp.float32))
      >>> "<b>tanh</b><br/>f32[8]" in graph
      True
    """
    return _drawer("abstract_to_dot", fun)


def _drawer(function: str, fun: Any) -> Callable[..., str]:
    check_function(function, "fun", fun)

    def drawn(*args: Any, **kwargs: Any) -> str:
        program = traced(fun, args, kwargs)
        title = getattr(fun, "__name__", type(fun).__name__)
        return _Graph().drawn(title, program, _input_names(fun, program))

    return drawn


def _input_names(fun: Any, program: Program) -> list[str]:
    """Returns what to call each input: the parameter of the function, and the place in it."""
    try:
        parameters = inspect.signature(fun).parameters.values()
    except (TypeError, ValueError):  # Some callables have no signature.
        parameters = ()
    positional = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    names = []
    for (kind, argument, *place), _ in zip(program.inputs, program.jaxpr.invars, strict=True):
        if kind.idx == 0:
            i = argument.idx
            name = positional[i] if i < len(positional) else f"args[{i}]"
        else:
            name = argument.key
        names.append(f"{name}: {_place(place)}" if place else name)
    return names


def _place(path: Iterable[Any]) -> str:
    return jax.tree_util.keystr(tuple(path), simple=True, separator="/")


@dataclasses.dataclass
class _Source:
    """Where an operand comes from.

    Attributes:
      node: The node, or None as long as it is not drawn.
      lines: The node's text.
      style: The node's style.
      is_local: Whether to draw it where it is first read, rather than beside the whole.
      literal: The text of a number that stands in the operation in the place of a node.
    """

    node: str | None = None
    lines: Sequence[str] = ()
    style: str = ""
    is_local: bool = True
    literal: str = ""


class _Graph:
    """Writes a graph, line by line."""

    def __init__(self):
        self._lines: list[str] = []
        self._last_lines: list[str] = []
        self._nodes = 0
        self._clusters = 0
        self._indent = "  "

    def drawn(self, title: str, program: Program, input_names: Sequence[str]) -> str:
        """Returns the graph of a whole program."""
        jaxpr = program.jaxpr
        sources: dict[Any, _Source] = {}
        for variable, path, name in zip(jaxpr.invars, program.inputs, input_names, strict=True):
            # Parameters and state, which are in dictionaries of dictionaries, stand in the module that reads them.
            is_local = len(path) == 4 and all(isinstance(key, jax.tree_util.DictKey) for key in path[2:])
            sources[variable] = _Source(None, [name, type_text(variable)], _INPUT, is_local)
        self._draw(jaxpr, sources)
        for path, operand in zip(program.outputs, jaxpr.outvars, strict=True):
            node = self._node([f"output {_place(path)}".strip(), type_text(operand)], _OUTPUT)
            self._connect([self._source(operand, sources)], node)
        return "\n".join([_HEAD.format(title=_escape(title)), *self._lines, *self._last_lines, "}", ""])

    def _draw(self, jaxpr: Any, sources: dict[Any, _Source]) -> list[_Source]:
        """Draws the operations of a jaxpr whose inputs come from `sources`, and returns where its outputs come from."""
        for variable in jaxpr.constvars:
            sources[variable] = _Source(None, ["constant", type_text(variable)], _CONSTANT)
        self._draw_items(grouped(jaxpr.eqns), sources)
        return [self._source(operand, sources) for operand in jaxpr.outvars]

    def _draw_items(self, items: Sequence[Any], sources: dict[Any, _Source]) -> None:
        for item in items:
            if isinstance(item, Group):
                with self._cluster(item.label):
                    self._draw_items(item.items, sources)
            else:
                self._draw_equation(item, sources)

    def _draw_equation(self, equation: Any, sources: dict[Any, _Source]) -> None:
        name, runs = equation.primitive.name, bodies(equation)
        if not runs:
            read = [self._source(operand, sources) for operand in equation.invars]
            self._draw_operation(equation, read, sources)
        elif len(runs) == 1:
            sources.update(zip(equation.outvars, self._draw_body(runs[0], sources), strict=True))
        else:
            with self._cluster(name):
                read = [source for body in runs for source in self._draw_body(body, sources)]
                if name == "cond":
                    read.append(self._source(equation.invars[0], sources))
                self._draw_operation(equation, read, sources)

    def _draw_body(self, body: Body, sources: dict[Any, _Source]) -> list[_Source]:
        read = (self._source(operand, sources) for operand in body.operands)
        inner = dict(zip(body.jaxpr.invars, read, strict=True))
        with self._cluster(body.label):
            return self._draw(body.jaxpr, inner)

    def _draw_operation(self, equation: Any, read: list[_Source], sources: dict[Any, _Source]) -> None:
        literals = ", ".join(source.literal for source in read if source.literal)
        lines = [equation.primitive.name, literals and f"with {literals}", *map(type_text, equation.outvars)]
        node = self._node(list(filter(None, lines)), _OPERATION)
        self._connect(read, node)
        sources.update((variable, _Source(node)) for variable in equation.outvars)

    def _source(self, operand: Any, sources: dict[Any, _Source]) -> _Source:
        return _Source(literal=str(operand.val)) if is_literal(operand) else sources[operand]

    def _connect(self, read: Sequence[_Source], node: str) -> None:
        for source in read:
            if source.node is None and not source.literal:
                source.node = self._node(source.lines, source.style, source.is_local)
        for origin in dict.fromkeys(source.node for source in read if source.node):
            self._last_lines.append(f"  {origin} -> {node};")

    def _node(self, lines: Sequence[str], style: str, is_local: bool = True) -> str:
        name, self._nodes = f"n{self._nodes}", self._nodes + 1
        head, *rest = map(_escape, lines)
        line = f"{name} [label=<{'<br/>'.join([f'<b>{head}</b>', *rest])}>, {style}];"
        if is_local:
            self._lines.append(self._indent + line)
        else:
            self._last_lines.append(f"  {line}")
        return name

    @contextlib.contextmanager
    def _cluster(self, label: str) -> Iterator[None]:
        number, self._clusters = self._clusters, self._clusters + 1
        self._lines.append(f"{self._indent}subgraph cluster_{number} {{")
        outer, self._indent = self._indent, self._indent + "  "
        self._lines.append(f"{self._indent}label=<<b>{_escape(label)}</b>>; {_CLUSTER}")
        try:
            yield
        finally:
            self._indent = outer
            self._lines.append(f"{self._indent}}}")


def _escape(text: str) -> str:
    """Returns text for Graphviz's labels in HTML, which hold no control characters and may not be empty."""
    from html import escape

    return escape("".join(sign if sign.isprintable() else " " for sign in text)) or " "
