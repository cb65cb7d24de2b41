import dataclasses
from typing import Any

import numpy as np
import pytest
from haiku_like._core.repr import repr_of_call

import haiku_like as hk


def shown(build):
    out = []
    hk.transform(lambda: out.append(repr(build()))).init(0)
    return out[0]


def call(*args, **kwargs):
    def function(self, a, b=2, *rest, c=(1, 2.0), d=None, **more):
        pass

    return repr_of_call("f", function, (None, *args), kwargs)


@pytest.mark.parametrize(
    ("args", "kwargs", "expected"),
    [
        ((1,), {}, "f(a=1)"),
        ((1, 2), {}, "f(a=1)"),
        ((1,), {"b": 2, "c": (1, 2.0), "d": None}, "f(a=1)"),
        ((1, True), {}, "f(a=1, b=True)"),
        ((1, 2.0), {}, "f(a=1, b=2.0)"),
        ((1,), {"c": (1, 2)}, "f(a=1, c=(1, 2))"),
        ((1,), {"c": [1, 2.0]}, "f(a=1, c=[1, 2.0])"),
        (("x", 3, 4, 5), {}, "f(a='x', b=3, 4, 5)"),
        ((1,), {"e": 6, "d": 5}, "f(a=1, d=5, e=6)"),
        ((), {}, "f(...)"),
        ((1,), {"a": 2}, "f(...)"),
    ],
)
def test_only_what_is_not_the_default_is_shown(args, kwargs, expected):
    assert call(*args, **kwargs) == expected


def test_arrays_are_not_compared():
    first, second = np.zeros(2), np.zeros(2)

    def function(self, a=first, b=(first, 1)):
        pass

    assert repr_of_call("f", function, (None, first, (first, 1)), {}) == "f()"
    assert repr_of_call("f", function, (None, second), {}) == "f(a=array([0., 0.]))"
    assert repr_of_call("f", function, (None, first, (second, 1)), {}) == "f(b=(array([0., 0.]), 1))"


def test_long_calls_take_a_line_for_each_argument():
    text = "x" * 60
    assert call(text, text) == f"f(\n    a={text!r},\n    b={text!r},\n)"
    assert call("a\nb", np.zeros([2, 1])) == ("f(\n    a='a\\nb',\n    b=array([[0.],\n           [0.]]),\n)")


def test_modules_show_how_they_were_built():
    assert shown(lambda: hk.Linear(3, w_init=None, name="head")) == "Linear(output_size=3, name='head')"
    assert shown(lambda: hk.Conv2D(3, (2, 2), stride=1)) == "Conv2D(output_channels=3, kernel_shape=(2, 2))"
    assert shown(lambda: hk.Sequential([hk.Linear(1)])) == "Sequential(layers=[Linear(output_size=1)])"


def test_a_dataclass_has_its_own():
    @dataclasses.dataclass
    class Data(hk.Module):
        size: int = 1
        inner: Any = None

    @dataclasses.dataclass(repr=False)
    class Without(hk.Module):
        size: int = 1

    assert shown(lambda: Data(inner=Without(2))).endswith("Data(size=1, inner=Without(size=2))")


def test_a_repr_of_a_users_own_is_kept():
    class Own(hk.Module):
        def __repr__(self):
            return f"Own at {self.module_name}"

    assert shown(Own) == "Own at own"


def test_a_module_shows_itself_while_it_is_built():
    class Early(hk.Module):
        def __init__(self, size):
            shown_early.append(repr(self))
            super().__init__()

    shown_early = []
    assert shown(lambda: Early(3)) == shown_early[0] == "Early(size=3)"
