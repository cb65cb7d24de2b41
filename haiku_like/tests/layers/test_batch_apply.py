import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import haiku_like as hk


@pytest.mark.parametrize(
    ("num_dims", "seen"), [(1, (2, 3, 4, 5)), (2, (6, 4, 5)), (3, (24, 5)), (4, (120,)), (-1, (24, 5)), (-2, (6, 4, 5))]
)
def test_the_function_sees_the_leading_axes_joined(num_dims, seen):
    def f(x):
        assert x.shape == seen
        return x + 1

    x = jnp.arange(120.0).reshape(2, 3, 4, 5)
    np.testing.assert_array_equal(hk.BatchApply(f, num_dims)(x), x + 1)


def test_it_equals_a_double_vmap():
    x, y = jnp.arange(24.0).reshape(2, 3, 4), jnp.arange(30.0).reshape(2, 3, 5)

    def f(x, y):
        return {"sum": x.sum(-1) + y.sum(-1), "outer": x[..., None] * y[..., None, :]}

    out, expected = hk.BatchApply(f)(x, y=y), jax.vmap(jax.vmap(f))(x, y)
    jax.tree.map(np.testing.assert_array_equal, out, expected)


def test_what_has_no_leading_axes_reaches_the_function_as_it_is():
    seen = []

    def f(x, *rest, flag):
        seen.extend([*rest, flag])
        return x

    key = jax.random.key(0)
    given = [2.0, None, jnp.ones(7), np.float32(1), key, "text", jnp.tanh]
    hk.BatchApply(f)(jnp.ones([2, 3, 4]), *given, flag=True)
    assert all(a is b for a, b in zip(seen, [*given, True], strict=True))


def test_leading_axes_of_size_one_broadcast():
    x, y = jnp.arange(24.0).reshape(2, 3, 4), jnp.full([1, 1, 4], 10.0)
    np.testing.assert_array_equal(hk.BatchApply(lambda x, y: x * y)(x, y), x * 10)
    np.testing.assert_array_equal(hk.BatchApply(lambda y, x: x * y)(y, x), x * 10)
    assert hk.BatchApply(lambda y: y)(y).shape == (1, 1, 4)


def test_empty_axes():
    assert hk.BatchApply(lambda x: x)(jnp.ones([0, 3, 4])).shape == (0, 3, 4)


def test_with_a_module_under_jit():
    f = hk.transform(lambda x: hk.BatchApply(hk.Linear(2))(x))
    x = jnp.ones([5, 3, 4])
    params = f.init(0, x)
    assert jax.tree.map(jnp.shape, params) == {"linear": {"w": (4, 2), "b": (2,)}}
    assert jax.jit(f.apply)(params, x).shape == (5, 3, 2)


def test_bad_input_is_refused():
    for num_dims in (0, 1.5, None):
        with pytest.raises(ValueError, match=rf"BatchApply: num_dims is {num_dims}, expected an integer other than 0"):
            hk.BatchApply(jnp.sin, num_dims)
    with pytest.raises(TypeError, match=r"BatchApply: f is 3 of type int, expected a function"):
        hk.BatchApply(3)
    for num_dims, wanted in ((3, 3), (-2, 3)):
        message = (
            f"num_dims is {num_dims} and the arguments have shapes [(2, 3), ()], expected at least one with {wanted}"
        )
        with pytest.raises(ValueError, match=re.escape(message)):
            hk.BatchApply(lambda x, y: x, num_dims)(jnp.ones([2, 3]), 1.0)
    with pytest.raises(
        ValueError, match=re.escape("have leading axes (2, 3) and (3, 2), the first num_dims=2 of each")
    ):
        hk.BatchApply(lambda x, y: x)(jnp.ones([2, 3, 4]), jnp.ones([3, 2]))
    for f, shape in ((jnp.sum, ()), (jnp.transpose, (4, 6)), (lambda x: 1.0, ())):
        message = (
            f"f returned an array of shape {shape}, expected [6, ...], where the first axis holds the leading axes"
        )
        with pytest.raises(ValueError, match=re.escape(message)):
            hk.BatchApply(f)(jnp.ones([2, 3, 4]))
