import re

import jax
import numpy as np
import pytest
from haiku_like._core.static_arguments import split_arguments


def f(x, mode="sum", *, scale=1):
    return x, mode, scale


def many(*args, **kwargs):
    return args, kwargs


def traced(fun, args, kwargs, **static):
    """Returns the arguments that are traced, and what the call with them gives when each is marked."""
    arguments, call = split_arguments("jit", fun, args, kwargs, **static)
    return arguments, call(jax.tree.map(lambda x: ("traced", x), arguments))


@pytest.mark.parametrize(
    ("args", "kwargs", "static", "arguments"),
    [
        ((1, "mean"), {}, {"static_argnums": 1}, ([1], {})),
        ((1, "mean"), {}, {"static_argnums": -1}, ([1], {})),
        ((1,), {}, {"static_argnums": (-1,)}, ([1], {})),
        ((1,), {"mode": "mean"}, {"static_argnums": [np.int64(1)]}, ([1], {})),
        ((1,), {"mode": "mean"}, {"static_argnums": np.int64(1)}, ([1], {})),
        ((1, "mean"), {"scale": 2}, {"static_argnames": "mode"}, ([1], {"scale": 2})),
        ((), {"x": 1, "mode": "mean", "scale": 2}, {"static_argnames": ("mode", "scale")}, ([], {"x": 1})),
        ((1, 2), {"scale": 3}, {}, ([1, 2], {"scale": 3})),
        ((1, "mean"), {"scale": 3}, {"static_argnums": (0, 1), "static_argnames": ["scale"]}, ([], {})),
    ],
)
def test_static_arguments_by_position_and_by_name(args, kwargs, static, arguments):
    found, out = traced(f, args, kwargs, **static)
    assert found == arguments

    def marked(value):
        return ("traced", value) if value in (*arguments[0], *arguments[1].values()) else value

    assert out == f(*map(marked, args), **{name: marked(value) for name, value in kwargs.items()})


def test_functions_of_any_arguments():
    found, out = traced(many, (1, "a", 2), {"b": 3, "c": "d"}, static_argnums=-2, static_argnames="c")
    assert found == ([1, 2], {"b": 3})
    assert out == ((("traced", 1), "a", ("traced", 2)), {"b": ("traced", 3), "c": "d"})


def test_a_callable_without_a_signature():
    class Hidden:
        __signature__ = "none"

        def __call__(self, x, y):
            return x, y

    found, out = traced(Hidden(), (1, "a"), {}, static_argnums=1)
    assert (found, out) == (([1], {}), (("traced", 1), "a"))


@pytest.mark.parametrize(
    ("static", "error", "message"),
    [
        (
            {"static_argnums": 2},
            ValueError,
            "jit: static_argnums has 2, expected the position of an argument; there are 2.",
        ),
        (
            {"static_argnums": (0, -3)},
            ValueError,
            "jit: static_argnums has -3, expected the position of an argument; th",
        ),
        (
            {"static_argnums": "mode"},
            TypeError,
            "jit: static_argnums is 'mode', expected an integer or a sequence of int",
        ),
        (
            {"static_argnums": 1.0},
            TypeError,
            "jit: static_argnums is 1.0, expected an integer or a sequence of integers",
        ),
        (
            {"static_argnames": "mood"},
            ValueError,
            "jit: static_argnames has 'mood', expected the name of an argument of the function: one of ['x', ",
        ),
        (
            {"static_argnames": 3},
            TypeError,
            "jit: static_argnames is 3 of type int, expected a sequence, such as ('tra",
        ),
    ],
)
def test_errors(static, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}"):
        split_arguments("jit", f, (1,), {}, **static)
