import re
import shutil
import subprocess

import jax
import jax.numpy as jnp
import pytest

import haiku_like as hk

X = jnp.ones([8, 3])
needs_dot = pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")


def mlp(x):
    return hk.nets.MLP([4, 2])(x)


def graph(f, *args, **kwargs):
    return hk.to_dot(f)(*args, **kwargs)


class Drawn:
    """What a graph holds: the text of each node and of each cluster, which clusters it is in, and the edges."""

    def __init__(self, text):
        self.nodes, self.within, edges, stack = {}, {}, [], []
        for line in text.splitlines():
            label = re.search(r"label=<<b>(.*?)>[,;]", line)
            plain = label and re.sub(r"<[^>]*>", "|", label[1]).replace("||", "|").rstrip("|")
            if "subgraph" in line:
                stack.append(None)
            elif stack and stack[-1] is None:
                stack[-1] = plain
            elif line.strip() == "}":
                stack and stack.pop()
            elif match := re.match(r"\s+(\w+) \[label", line):
                self.nodes[match[1]] = plain
                self.within[plain] = tuple(stack)
            elif match := re.match(r"\s+(\w+) -> (\w+);", line):
                edges.append(match.groups())
        self.edges = [(self.nodes[a], self.nodes[b]) for a, b in edges]


def test_operations_stand_in_the_boxes_of_their_modules():
    model = hk.transform(mlp)
    drawn = Drawn(graph(model.apply, jax.eval_shape(model.init, jax.random.key(0), X), X))
    assert drawn.within == {
        "x|f32[8,3]": (),
        "params: mlp/~/linear_0/w|f32[3,4]": ("mlp", "linear_0"),
        "params: mlp/~/linear_0/b|f32[4]": ("mlp", "linear_0"),
        "dot_general|f32[8,4]": ("mlp", "linear_0"),
        "broadcast_in_dim|f32[8,4]": ("mlp", "linear_0"),
        "add|f32[8,4]": ("mlp", "linear_0"),
        "max|with 0.0|f32[8,4]": ("mlp", "relu"),
        "params: mlp/~/linear_1/w|f32[4,2]": ("mlp", "linear_1"),
        "params: mlp/~/linear_1/b|f32[2]": ("mlp", "linear_1"),
        "dot_general|f32[8,2]": ("mlp", "linear_1"),
        "broadcast_in_dim|f32[8,2]": ("mlp", "linear_1"),
        "add|f32[8,2]": ("mlp", "linear_1"),
        "output|f32[8,2]": (),
    }
    assert drawn.edges[:5] == [
        ("x|f32[8,3]", "dot_general|f32[8,4]"),
        ("params: mlp/~/linear_0/w|f32[3,4]", "dot_general|f32[8,4]"),
        ("params: mlp/~/linear_0/b|f32[4]", "broadcast_in_dim|f32[8,4]"),
        ("dot_general|f32[8,4]", "add|f32[8,4]"),
        ("broadcast_in_dim|f32[8,4]", "add|f32[8,4]"),
    ]
    assert drawn.edges[-1] == ("add|f32[8,2]", "output|f32[8,2]")


def test_the_same_call_gives_the_same_text():
    model = hk.transform(mlp)
    params = jax.eval_shape(model.init, jax.random.key(0), X)
    texts = {
        graph(model.apply, params, X),
        graph(
            model.apply,
            jax.tree.map(lambda p: jnp.ones(p.shape, p.dtype), params),
            jax.ShapeDtypeStruct([8, 3], jnp.float32),
        ),
        hk.experimental.abstract_to_dot(model.apply)(params, X),
        hk.experimental.to_dot(jax.jit(model.apply))(params, X),
    }
    assert len(texts) == 1


def test_inputs_and_outputs_have_names():
    drawn = Drawn(graph(lambda a, *rest, k: {"s": (a["v"] + rest[0], k), "t": 2.0 * k}, {"v": X}, X, k=X))
    assert sorted(name for name, within in drawn.within.items() if not within) == [
        "a: v|f32[8,3]",
        "add|f32[8,3]",
        "args[1]|f32[8,3]",
        "k|f32[8,3]",
        "mul|with 2.0|f32[8,3]",
        "output s/0|f32[8,3]",
        "output s/1|f32[8,3]",
        "output t|f32[8,3]",
    ]
    assert ("k|f32[8,3]", "output s/1|f32[8,3]") in drawn.edges


def test_constants_and_numbers():
    table = jnp.arange(12.0).reshape(3, 4)
    drawn = Drawn(graph(lambda x: (x @ table, 1, "text"), X))
    assert drawn.edges == [
        ("x|f32[8,3]", "dot_general|f32[8,4]"),
        ("constant|f32[3,4]", "dot_general|f32[8,4]"),
        ("dot_general|f32[8,4]", "output 0|f32[8,4]"),
    ]
    assert "output 1|s32[]" in drawn.within


def test_loops_and_branches_stand_once_and_are_connected():
    def f(x):
        x, ys = jax.lax.scan(lambda c, x: (jnp.sin(c), c * x), x[0], x)
        x = jax.lax.cond(x[0] > 0, lambda x: jnp.cos(x), lambda x: x, x)
        return jax.lax.while_loop(lambda x: x[0] < 3, lambda x: jnp.exp(x), x), ys

    drawn = Drawn(graph(f, X))
    assert drawn.within["sin|f32[3]"] == ("scan, 8 steps",)
    assert drawn.within["cos|f32[3]"] == ("cond", "branch 1")
    assert drawn.within["exp|f32[3]"] == ("while", "body")
    for edge in (
        ("sin|f32[3]", "cos|f32[3]"),
        ("sin|f32[3]", "cond|f32[3]"),  # The branch that returns what it is given.
        ("cos|f32[3]", "cond|f32[3]"),
        ("cond|f32[3]", "exp|f32[3]"),
        ("exp|f32[3]", "while|f32[3]"),
        ("lt|with 3.0|bool[]", "while|f32[3]"),
        ("mul|f32[3]", "output 1|f32[8,3]"),
    ):
        assert edge in drawn.edges, edge


def test_names_that_graphviz_would_take_for_its_own_are_escaped():
    def f(x):
        with jax.named_scope('<b> & "}\n\\'):
            return x + 1

    f.__name__ = '<i>&"\\'
    text = graph(f, X)
    assert "<b>&lt;b&gt; &amp; &quot;} \\</b>" in text
    assert "label=<<b>&lt;i&gt;&amp;&quot;\\</b>>" in text


@pytest.mark.parametrize("tool", [hk.to_dot, hk.experimental.abstract_to_dot])
def test_other_things_than_functions_are_refused(tool):
    for bad in (3, hk.transform(mlp)):
        with pytest.raises(TypeError, match=rf"{tool.__name__}: fun is .* expected a function, such as hk.transform"):
            tool(bad)


@needs_dot
@pytest.mark.parametrize("ending", ["svg", "png", "pdf"])
def test_a_picture(tmp_path, ending):
    def f(x):
        with jax.named_scope('<b> & "}\n\\é'):
            return hk.BatchNorm(True, True, 0.9)(mlp(x), True)

    model = hk.transform_with_state(f)
    params, state = jax.eval_shape(model.init, jax.random.key(0), X)
    loss = lambda params, state: jnp.sum(model.apply(params, state, None, X)[0])  # noqa: E731
    path = tmp_path / f"model.{ending}"
    hk.experimental.render_dot(graph(jax.grad(loss), params, state), path)
    start = {"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF"}[ending]
    assert path.read_bytes().startswith(start)
    if ending == "svg":
        assert "mlp/~/linear_0/w" in path.read_text()


def test_a_picture_that_cannot_be_drawn(tmp_path, monkeypatch):
    render = hk.experimental.render_dot
    with pytest.raises(TypeError, match=r"render_dot: graph is of type function, expected text.*to_dot\(f\)\(\*args"):
        render(hk.to_dot(mlp), tmp_path / "a.svg")
    with pytest.raises(ValueError, match=r"render_dot: path is '.*a.gif', expected one that ends in .svg, .png, .pdf"):
        render("digraph G {}", tmp_path / "a.gif")
    with pytest.raises(FileNotFoundError, match=r"render_dot: path is '.*none/a.svg', expected a folder that exists"):
        render("digraph G {}", tmp_path / "none" / "a.svg")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(FileNotFoundError, match=r"render_dot: the program dot was not found.*apt install graphviz"):
        render("digraph G {}", tmp_path / "a.svg")
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")
    failed = subprocess.CompletedProcess([], 1, b"", b"syntax error in line 1\n")
    monkeypatch.setattr(subprocess, "run", lambda *args, **kwargs: failed)
    with pytest.raises(ValueError, match=r"render_dot: graph could not be drawn.* dot says: syntax error in line 1$"):
        render("graph {", tmp_path / "a.svg")
    assert not list(tmp_path.iterdir())
