import re

import jax
import jax.numpy as jnp
import pytest

from rlax_like import _shapes


def fit(**arguments):
    _shapes.fit("f", **{name: (jnp.zeros(shape), pattern) for name, (shape, pattern) in arguments.items()})


def test_what_fits():
    fit(x=((), "*B"), y=((3,), "*B A"))
    fit(x=((2, 3), "*B"), y=((2, 3, 4), "*B A"), z=((4,), "A"), w=((), "*B|"))
    fit(x=((5, 2, 3), "T *B A"), y=((5, 2), "T *B"), z=((5,), "|T|T *B"), w=((), "|T|T *B"))
    fit(x=((0, 3), "*B A"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"x": ((), "*B A")},
            "f: x has shape (), expected [*B, A]. Leading axes are a batch, the same for all arguments.",
        ),
        ({"x": ((2, 3), "*B A"), "y": ((3,), "*B")}, "f: y has shape (3,), expected (2,) like x. Leading axes are"),
        ({"x": ((2, 3), "*B A"), "y": ((3,), "*B|")}, "f: y has shape (3,), expected (2,) or a number like x."),
        ({"x": ((2, 3), "*B A"), "y": ((2, 4), "*B A")}, "f: y has shape (2, 4), expected (2, 3) like x."),
        ({"x": ((2, 3), "*B A"), "y": ((3, 5), "*B N")}, "f: y has shape (3, 5), expected (2, N) like x."),
        ({"x": ((2,), "*B"), "y": ((3,), "N|*B N")}, None),
        (
            {"x": ((5, 2), "T *B"), "y": ((4, 2), "T *B")},
            "f: y has shape (4, 2), expected (5, 2) like x. Time comes first",
        ),
        ({"x": ((), "T *B")}, "f: x has shape (), expected [T, *B]. Time comes first, then any batch"),
        ({"x": ((2,), "")}, "f: x has shape (2,), expected a number."),
        ({"x": ((4,), "A"), "y": ((2, 2), "*B"), "z": ((2, 3), "*B A")}, "expected (2, 2, 4) like y and x."),
    ],
)
def test_what_does_not_fit(arguments, message):
    if message is None:
        fit(**arguments)
        return
    with pytest.raises(ValueError, match=re.escape(message)):
        fit(**arguments)


def test_broadcast():
    assert _shapes.broadcast("f", "x", jnp.zeros(3), "y", (2, 3)).shape == (2, 3)
    with pytest.raises(
        ValueError, match=re.escape("f: x has shape (2,), expected a number or a shape that broadcasts to")
    ):
        _shapes.broadcast("f", "x", jnp.zeros(2), "y", (2, 3))


def test_shapes_are_checked_while_tracing():
    with pytest.raises(ValueError, match="expected"):
        jax.jit(lambda x: fit(x=(x.shape, "")))(jnp.zeros(2))
