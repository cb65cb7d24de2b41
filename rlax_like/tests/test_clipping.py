import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rlax_like as rlax

X = jnp.array([1.0, 2.0, 3.0])
SLOPE = jnp.array([5.0, -5.0, 0.5])


def loss(x, low, high):
    return jnp.sum(SLOPE * rlax.clip_gradient(x, low, high))


def test_the_value_stays_and_the_gradient_is_cut():
    np.testing.assert_array_equal(rlax.clip_gradient(X, -1.0, 2.0), X)
    np.testing.assert_array_equal(jax.grad(loss)(X, -1.0, 2.0), [2.0, -1.0, 0.5])
    np.testing.assert_array_equal(jax.jit(jax.grad(loss))(X, -1.0, 2.0), [2.0, -1.0, 0.5])
    known = jax.jit(jax.grad(lambda x: loss(x, -1.0, 2.0)))
    np.testing.assert_array_equal(known(X), [2.0, -1.0, 0.5])
    by_name = jax.grad(lambda x: 3 * rlax.clip_gradient(x, gradient_min=-1.0, gradient_max=1.0))
    assert by_name(0.5) == 1.0


def test_under_vmap_with_limits_of_each():
    out = jax.vmap(jax.grad(loss), (None, 0, 0))(X, -jnp.array([1.0, 9.0]), jnp.array([1.0, 9.0]))
    np.testing.assert_array_equal(out, [[1.0, -1.0, 0.5], [5.0, -5.0, 0.5]])


def test_the_limits_get_no_gradient():
    assert jax.grad(loss, (1, 2))(X, -1.0, 2.0) == (0.0, 0.0)


def test_half_precision():
    gradient = jax.grad(lambda x: (3 * rlax.clip_gradient(x, -1.0, 1.0)).sum())(X.astype(jnp.bfloat16))
    assert gradient.dtype == jnp.bfloat16
    np.testing.assert_array_equal(np.float32(gradient), [1.0, 1.0, 1.0])


def test_errors():
    with pytest.raises(ValueError, match=r"clip_gradient: gradient_min is 1.0, expected at most gradient_max = -1.0"):
        rlax.clip_gradient(X, 1.0, -1.0)
    with pytest.raises(ValueError, match=r"clip_gradient: gradient_min is 1.0"):
        jax.jit(lambda x: rlax.clip_gradient(x, 1.0, -1.0))(X)
    with pytest.raises(ValueError, match=re.escape("gradient_min has shape (3,), expected a number")):
        rlax.clip_gradient(X, -X, 1.0)
    with pytest.raises(TypeError, match="clip_gradient: x must be an array or a number, got 'x'"):
        rlax.clip_gradient("x", -1.0, 1.0)
