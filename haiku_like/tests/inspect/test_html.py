import html.parser
import subprocess
import sys

import jax
import jax.numpy as jnp
from haiku_like.experimental import jaxpr_info

import haiku_like as hk

EVIL = "<script>alert('\"&')</script>"


class Reader(html.parser.HTMLParser):
    """Notes the text, the tags, and whether each is closed."""

    def __init__(self, page):
        super().__init__()
        self.open, self.tags, self.texts, self.titles = [], [], [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.titles += [value for name, value in attrs if name == "title"]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if data.strip():
            self.texts.append(data.strip())


def info(sizes=(64, 32)):
    model = hk.transform(lambda x: hk.nets.MLP(sizes)(x))
    x = jax.ShapeDtypeStruct([8, 16], jnp.float32)
    params = jax.eval_shape(model.init, jax.random.key(0), x)
    return jaxpr_info.make_model_info(model.apply, name="model")(params, x)


def test_the_page_shows_modules_that_fold_with_their_costs():
    page = jaxpr_info.as_html_page(info())
    reader = Reader(page)
    assert not reader.open
    for text in ("model", "mlp", "linear_0", "dot_general", "50.43 kFLOP, 34.69 kB, 3,168 params", "./linear_0/w"):
        assert text in reader.texts, text
    # The whole, its two modules, relu, and the parameters of all but relu.
    assert reader.tags.count("details") == reader.tags.count("summary") == 5 + 4 - 1
    assert page.startswith("<!DOCTYPE html>")
    assert jaxpr_info.css() in page
    assert jaxpr_info.js() in page
    assert "http" not in page


def test_what_is_cheap_is_left_out():
    def texts(min_flop):
        return Reader(jaxpr_info.as_html(info(), min_flop)).texts

    assert "broadcast_in_dim" in texts(0)
    assert "broadcast_in_dim" not in texts(1)
    assert "1 of less than 1 FLOP left out" in texts(1)
    assert "linear_1" in texts(40_000)
    assert "dot_general" not in texts(40_000)
    assert "mlp" not in texts(10**6)


def test_an_operation_of_unknown_cost_stays():
    whole = jaxpr_info.make_model_info(jnp.linalg.cholesky)(jnp.eye(3))
    assert "FLOP not known, 72 B" in Reader(jaxpr_info.as_html(whole, 10)).texts


def test_all_text_is_escaped():
    expression = jaxpr_info.Expression(EVIL, EVIL, EVIL, 10**6, EVIL, {EVIL: EVIL})
    inner = jaxpr_info.Module(EVIL, 10**6, [expression], 1, {EVIL: EVIL}, 1, {EVIL: EVIL})
    outer = jaxpr_info.Expression("name_scope", "", EVIL, 10**6, submodule=inner)
    module = jaxpr_info.Module(EVIL, 10**6, [expression, outer])
    page = jaxpr_info.as_html_page(module)
    reader = Reader(page)
    assert not reader.open
    assert EVIL not in page
    assert reader.tags.count("script") == 1
    # The title, two names, three parts of each operation, and two variables with their shapes.
    assert reader.texts.count(EVIL) == 1 + 2 + 2 * 3 + 2 * 2
    assert f"{EVIL}: {EVIL}" in reader.titles


def test_a_piece_says_what_it_makes_and_whether_it_is_the_last():
    module = jaxpr_info.Module("relu", 10)
    assert Reader(jaxpr_info.as_html(module, outvars="c d")).texts[0] == "c d ="
    assert '"node"' in jaxpr_info.as_html(module)
    assert '"node last"' in jaxpr_info.as_html(module, last=True)


def test_the_library_imports_what_it_draws_with_when_it_draws():
    code = (
        "import sys, jax, jax.numpy, jax.extend.core\n"
        "before = set(sys.modules)\n"
        "import haiku_like\n"
        "print({'rich', 'html', 'subprocess'} & (set(sys.modules) - before))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
