import re

import jax
import jax.numpy as jnp
import pytest

import haiku_like as hk


@pytest.mark.parametrize(("axis", "seen"), [(0, (1, 2, 3)), (-1, (2, 3, 1))])
def test_the_function_sees_one_more_axis(axis, seen):
    def f(x):
        assert x.shape == seen
        return x * 2

    out = hk.expand_apply(f, axis)(jnp.ones([2, 3]))
    assert out.shape == (2, 3)
    assert out[0, 0] == 2


def test_pytrees_and_keywords():
    def f(x, *, y):
        return {"a": x["in"] + y, "b": None}

    out = hk.expand_apply(f)({"in": jnp.ones(3)}, y=jnp.full(3, 2.0))
    assert out["a"].tolist() == [3, 3, 3]
    assert out["b"] is None


def test_a_number_becomes_a_batch():
    assert hk.expand_apply(lambda x, flag: (x + flag).reshape(1))(1.0, True).shape == ()


def test_with_a_module_under_jit_and_vmap():
    f = hk.transform(lambda x: hk.expand_apply(hk.Linear(2))(x))
    x = jnp.ones([4, 3])
    params = f.init(0, x[0])
    batch = jax.jit(jax.vmap(lambda x: f.apply(params, x)))(x)
    assert batch.shape == (4, 2)
    assert jnp.allclose(batch[0], f.apply(params, x[0]))


def test_the_function_keeps_its_name():
    def named(x):
        """Says so."""
        return x

    assert hk.expand_apply(named).__name__ == "named"
    assert hk.expand_apply(named).__doc__ == "Says so."


def test_bad_input_is_refused():
    for axis in (1, -2, None):
        with pytest.raises(ValueError, match=rf"expand_apply: axis is {axis}, expected 0, for the first axis, or -1"):
            hk.expand_apply(jnp.sin, axis)
    with pytest.raises(TypeError, match=r"expand_apply: f is 3 of type int, expected a function, such as hk.Linear"):
        hk.expand_apply(3)
    for f, shape in ((lambda x: jnp.concatenate([x, x]), (2, 3)), (jnp.sum, ())):
        message = f"expand_apply: f returned an array of shape {shape}, expected size 1 along axis 0, as the arguments"
        with pytest.raises(ValueError, match=re.escape(message)):
            hk.expand_apply(f)(jnp.ones(3))
