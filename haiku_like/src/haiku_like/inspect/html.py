"""What `make_model_info` finds, as HTML that folds."""

from haiku_like.inspect.model_info import Expression, Module, costs
from haiku_like.inspect.units import quantity

_CSS = """\
.model { font: 14px/1.6 ui-monospace, monospace; color-scheme: light dark; }
.model .node { margin-left: 0.4em; padding-left: 1em; border-left: 1px solid #8886; }
.model .node.last { border-left-color: transparent; }
.model summary { cursor: pointer; }
.model summary:hover, .model .operation:hover { background: #88f2; }
.model .name { font-weight: bold; }
.model .primitive { color: #36c; }
.model .cost, .model .shapes, .model .omitted { color: #777; }
.model .share { display: inline-block; width: 6em; height: 0.6em; margin: 0 0.5em; background: #8883; }
.model .share span { display: block; height: 100%; background: #e80; }
.model .operation, .model .omitted { margin-left: 0.4em; padding-left: 2.2em; border-left: 1px solid #8886; }
.model table { margin: 0 0 0.5em 2em; border-spacing: 1em 0; color: #777; }
.model th { text-align: left; }"""

_JS = """\
function foldAll(open) {
  for (const node of document.querySelectorAll(".model details")) node.open = open;
}"""


def css() -> str:
    """Returns the style sheet of the page.

    Example:
      >>> import haiku_like as hk
      >>> ".model" in hk.experimental.jaxpr_info.css()
      True
    """
    return _CSS


def js() -> str:
    """Returns the script of the page, which unfolds and folds all of it; each part folds without a script.

    Example:
      >>> import haiku_like as hk
      >>> "foldAll" in hk.experimental.jaxpr_info.js()
      True
    """
    return _JS


def as_html_page(module: Module, min_flop: int = 1000) -> str:
    """Returns the operations and costs as a page that needs nothing else, with modules that fold.

    Args:
      module: What `make_model_info` found.
      min_flop: Operations of fewer floating-point operations are left out, and modules of fewer have no content.

    Example:
      >>> import haiku_like as hk, jax.numpy as jnp
      >>> info = hk.experimental.jaxpr_info.make_model_info(lambda x: jnp.tanh(x) @ x)(jnp.ones([100, 100]))
      >>> page = hk.experimental.jaxpr_info.as_html_page(info)  # pathlib.Path("model.html").write_text(page)
      >>> "<!DOCTYPE html>" in page, "tanh" in page, "2.00 MFLOP" in page
      (True, True, True)
    """
    title = _escape(module.name)
    return f"""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<style>
{_CSS}
</style>
<script>
{_JS}
</script>
</head>
<body class="model">
<p><button onclick="foldAll(true)">Unfold all</button> <button onclick="foldAll(false)">Fold all</button>
Floating-point operations, and bytes read and written if nothing is fused. Under a loop stands one step.
A bar is a part's share of all floating-point operations.</p>
{as_html(module, min_flop, last=True)}
</body>
</html>
"""


def as_html(module: Module, min_flop: int = 1000, outvars: str = "", last: bool = False) -> str:
    """Returns the operations and costs as a piece of HTML, for a page that has the style sheet `css()`.

    Args:
      module: What `make_model_info` found.
      min_flop: Operations of fewer floating-point operations are left out, and modules of fewer have no content.
      outvars: The names of the outputs, to show before the module's name.
      last: Whether nothing follows it, so that no line need run down to the next.

    Example:
      >>> import haiku_like as hk, jax.numpy as jnp
      >>> info = hk.experimental.jaxpr_info.make_model_info(jnp.tanh, name="<squash>")(jnp.ones(8))
      >>> '<span class="name">&lt;squash&gt;</span>' in hk.experimental.jaxpr_info.as_html(info)
      True
    """
    return _node(module, min_flop, outvars, last, max(module.flops or 0, 1), depth=0)


def _escape(text: str) -> str:
    from html import escape

    return escape(text)


def _node(module: Module, min_flop: int, outvars: str, last: bool, whole: int, depth: int) -> str:
    share = 100 * (module.flops or 0) / whole
    head = (
        f'{_escape(outvars)}{" = " if outvars else ""}<span class="name">{_escape(module.name)}</span>'
        f'<span class="share"><span style="width: {share:.1f}%"></span></span>'
        f'<span class="cost">{_escape(", ".join(costs(module)))}</span>'
    )
    kind = "node last" if last else "node"
    content = _variables(module)
    if module.flops is None or module.flops >= min_flop:
        shown = [e for e in module.expressions if e.submodule or e.flops is None or e.flops >= min_flop]
        content += [_expression(e, min_flop, e is shown[-1], whole, depth) for e in shown]
        if omitted := len(module.expressions) - len(shown):
            content.append(f'<div class="omitted">{omitted} of less than {quantity(min_flop, "FLOP")} left out</div>')
    if not content:
        return f'<div class="{kind}">{head}</div>'
    # The first levels are open: the whole, its modules, and what these are made of.
    is_open = " open" if depth < 2 else ""
    inner = "\n".join(content)
    return f'<details class="{kind}"{is_open}><summary>{head}</summary>\n{inner}\n</details>'


def _expression(expression: Expression, min_flop: int, last: bool, whole: int, depth: int) -> str:
    if expression.submodule:
        return _node(expression.submodule, min_flop, expression.outvars, last, whole, depth + 1)
    settings = "\n".join(f"{name}: {value}" for name, value in expression.params.items())
    return (
        f'<div class="operation" title="{_escape(settings)}">{_escape(expression.outvars)} = '
        f'<span class="primitive">{_escape(expression.primitive)}</span> {_escape(expression.invars)} '
        f'<span class="cost">{_escape(", ".join(costs(expression)))}</span> '
        f'<span class="shapes">{_escape(expression.details)}</span></div>'
    )


def _variables(module: Module) -> list[str]:
    """Returns a table of the parameters and the state that folds, or nothing where there are none."""
    named = [(kind, info) for kind, info in (("params", module.param_info), ("state", module.state_info)) if info]
    if not named:
        return []
    rows = [
        f"<tr><th>{kind}</th><td>{_escape(name)}</td><td>{_escape(spec)}</td></tr>"
        for kind, info in named
        for name, spec in info.items()
    ]
    kinds = " and ".join(kind for kind, _ in named)
    return [f'<details class="node"><summary>{kinds}</summary><table>{"".join(rows)}</table></details>']
