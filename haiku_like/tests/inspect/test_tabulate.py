import builtins
import re
import sys

import jax.numpy as jnp
import pytest

import haiku_like as hk

X = jnp.ones([8, 3])


def mlp(x):
    return hk.nets.MLP([4, 2])(x)


def without_rich(monkeypatch):
    real = builtins.__import__

    def no_rich(name, *args, **kwargs):
        if name.partition(".")[0] == "rich":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", no_rich)


def cells(f, *args, **kwargs):
    """The cells of each row, from the format in which they are easiest to tell apart."""
    table = hk.experimental.tabulate(f, **kwargs, tabulate_kwargs={"tablefmt": "github"})(*args)
    rows = [re.split(r" (?<!\\)\| ", line.removeprefix("| ").removesuffix(" |")) for line in table.splitlines()]
    return rows[0], rows[2:]


def test_all_columns():
    head, rows = cells(mlp, X)
    assert head == ["Module", "Config", "Module params", "Input", "Output", "Param count", "Param bytes"]
    assert rows[0] == ["mlp (MLP)", "MLP(output_sizes=[4, 2])", "", "f32[8,3]", "f32[8,2]", "26", "104 B"]
    assert rows[1] == [
        "mlp/~/linear_0 (Linear)<br> └ mlp (MLP)",
        "Linear(output_size=4, name='linear_0')",
        "w: f32[3,4]<br>b: f32[4]",
        "f32[8,3]",
        "f32[8,4]",
        "16",
        "64 B",
    ]
    assert len(rows) == 3


def test_columns_are_chosen_in_order():
    head, rows = cells(mlp, X, columns=["params_size", "module"])
    assert head == ["Param count", "Module"]
    assert rows[0] == ["26", "mlp (MLP)"]


class Mixed(hk.Module):
    def __call__(self, x, *, flag):
        self.silent(x)
        return hk.Linear(1)(x) if flag else self.other(x, None, a=3)

    def silent(self, x):
        pass

    def other(self, x, y, a):
        return x


def test_methods_and_arguments_by_name_have_their_own_marks():
    _, rows = cells(lambda x: Mixed()(x, flag=False), X, columns=["module", "input"])
    assert rows == [
        ["mixed (Mixed)", "f32[8,3]<br>flag=False"],
        ["mixed (Mixed.other)<br> └ mixed (Mixed)", "f32[8,3], None<br>a=3"],
    ]


def test_filters():
    def titles(*filters, flag=True):
        return [row[0] for row in cells(lambda x: Mixed()(x, flag=flag), X, filters=filters, columns=["module"])[1]]

    silent, linear = "mixed (Mixed.silent)<br> └ mixed (Mixed)", "mixed/linear (Linear)<br> └ mixed (Mixed)"
    assert titles() == ["mixed (Mixed)", silent, linear]
    assert titles("has_output") == ["mixed (Mixed)", linear]
    assert titles("has_params") == ["mixed (Mixed)", silent, linear]
    assert titles("has_output", "has_params") == ["mixed (Mixed)", linear]
    table = hk.experimental.tabulate(lambda x: Mixed()(x, flag=False), filters=["has_params"])(X)
    assert table == "No call of a module passes the filters."


def test_sizes_are_grouped_and_have_units():
    _, rows = cells(lambda x: hk.Linear(3000)(x), jnp.ones([1, 3000]), columns=["params_size", "params_bytes"])
    assert rows == [["9,003,000", "36.01 MB"]]


def test_without_rich_lines_are_of_ascii(monkeypatch):
    without_rich(monkeypatch)
    table = hk.experimental.tabulate(mlp, columns=["module", "owned_params", "params_size"])(X)
    assert table.splitlines()[:7] == [
        "+-------------------------+---------------+-------------+",
        "| Module                  | Module params | Param count |",
        "+=========================+===============+=============+",
        "| mlp (MLP)               |               |          26 |",
        "+-------------------------+---------------+-------------+",
        "| mlp/~/linear_0 (Linear) | w: f32[3,4]   |          16 |",
        "|  └ mlp (MLP)            | b: f32[4]     |             |",
    ]


def test_with_rich_lines_are_drawn():
    pytest.importorskip("rich")
    table = hk.experimental.tabulate(mlp, columns=["module", "output", "params_size"])(X)
    assert table.splitlines()[:4] == [
        "┌─────────────────────────┬──────────┬─────────────┐",
        "│ Module                  │ Output   │ Param count │",
        "├─────────────────────────┼──────────┼─────────────┤",
        "│ mlp (MLP)               │ f32[8,2] │          26 │",
    ]


def test_with_rich_on_a_terminal_the_head_is_bold_and_the_table_as_wide_as_it(monkeypatch):
    pytest.importorskip("rich")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    table = hk.experimental.tabulate(mlp)(X)
    assert "\x1b[1m" in table
    lines = re.sub("\x1b\\[[0-9;]*m", "", table).splitlines()
    assert {len(line) for line in lines} == {60}


def test_text_that_looks_like_markup_stays(monkeypatch):
    def f(x):
        return hk.Linear(1, name="a")(x, precision=None), Mixed()(x, flag="[bold]<b>|x")

    for name in ("grid", "plain"):
        assert "flag='[bold]<b>|x'" in hk.experimental.tabulate(f, tabulate_kwargs={"tablefmt": name})(X)
    assert r"flag='[bold]<b>\|x'" in hk.experimental.tabulate(f, tabulate_kwargs={"tablefmt": "github"})(X)
    html = hk.experimental.tabulate(f, tabulate_kwargs={"tablefmt": "html"})(X)
    assert "flag=&#x27;[bold]&lt;b&gt;|x&#x27;" in html


def test_plain_and_html():
    chosen = ["module", "params_bytes"]
    plain = hk.experimental.tabulate(mlp, columns=chosen, tabulate_kwargs={"tablefmt": "plain"})(X)
    assert plain.splitlines()[:2] == [
        "Module                   Param bytes",
        "mlp (MLP)                      104 B",
    ]
    assert plain == hk.experimental.tabulate(mlp, columns=chosen, tabulate_kwargs={})(X)
    html = hk.experimental.tabulate(mlp, columns=chosen, tabulate_kwargs={"tablefmt": "html"})(X)
    assert html.splitlines()[5] == '<tr><td>mlp (MLP)</td><td style="text-align: right">104 B</td></tr>'


def test_unknown_names_are_refused():
    expected = "'module', 'config', 'owned_params', 'input', 'output', 'params_size', 'params_bytes'"
    with pytest.raises(ValueError, match=f"tabulate: columns has 'size', expected one of {expected}"):
        hk.experimental.tabulate(mlp, columns=["module", "size"])
    with pytest.raises(ValueError, match=f"tabulate: columns is empty, expected one or more of {expected}"):
        hk.experimental.tabulate(mlp, columns=[])
    with pytest.raises(ValueError, match="tabulate: filters has 'big', expected one of 'has_output', 'has_params'"):
        hk.experimental.tabulate(mlp, filters=["big"])
    with pytest.raises(ValueError, match="tabulate: tabulate_kwargs has 'numalign', expected one of 'tablefmt'"):
        hk.experimental.tabulate(mlp, tabulate_kwargs={"numalign": "left"})
    with pytest.raises(ValueError, match="tabulate: tablefmt has 'latex', expected one of 'grid', 'plain', 'github'"):
        hk.experimental.tabulate(mlp, tabulate_kwargs={"tablefmt": "latex"})
    with pytest.raises(TypeError, match="tabulate: columns is 3 of type int, expected a sequence"):
        hk.experimental.tabulate(mlp, columns=3)
