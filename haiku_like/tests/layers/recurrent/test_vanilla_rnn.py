import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import haiku_like as hk

RANDOM = np.random.RandomState(0)


def step(**kwargs):
    return hk.transform(lambda x, h: hk.VanillaRNN(4, **kwargs)(x, h))


@pytest.mark.parametrize("shape", [(3,), (2, 3), (2, 5, 3)])
@pytest.mark.parametrize("double_bias", [True, False])
def test_it_equals_the_equation(shape, double_bias):
    x, h = (RANDOM.uniform(-1, 1, [*shape[:-1], n]) for n in (3, 4))
    w_i, w_h, b_i, b_h = (RANDOM.uniform(-1, 1, s) for s in ([3, 4], [4, 4], [4], [4]))
    params = {"vanilla_rnn/linear": {"w": w_i, "b": b_i}, "vanilla_rnn/linear_1": {"w": w_h}}
    expected = x @ w_i + b_i + h @ w_h
    if double_bias:
        params["vanilla_rnn/linear_1"]["b"] = b_h
        expected = expected + b_h
    params = jax.tree.map(lambda p: jnp.asarray(p, jnp.float32), params)
    f = step(double_bias=double_bias)
    args = np.float32(x), np.float32(h)
    assert jax.tree.structure(f.init(0, *args)) == jax.tree.structure(params)
    out, state = f.apply(params, *args)
    np.testing.assert_allclose(out, np.maximum(expected, 0), rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(out, state)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_the_dtype_stays(dtype):
    x, h = jnp.ones([2, 3], dtype), jnp.ones([2, 4], dtype)
    params = jax.eval_shape(step().init, 0, x, h)
    out = jax.eval_shape(step().apply, params, x, h)
    assert {x.dtype for x in jax.tree.leaves((params, out))} == {jnp.dtype(dtype)}


def test_bad_input_is_refused():
    x, h = jnp.ones([2, 3]), jnp.ones([2, 4])
    for bad in (h[0], h[:1], h[:, :3], h[None]):
        message = f"VanillaRNN: prev_state of module 'vanilla_rnn' has shape {bad.shape}, expected (2, 4) for these inp"
        with pytest.raises(ValueError, match=re.escape(message)):
            step().init(0, x, bad)
    with pytest.raises(ValueError, match=re.escape("has shape (), expected [*batch, inputs] with at least one axis")):
        step().init(0, jnp.float32(1), h)
    with pytest.raises(TypeError, match="VanillaRNN: prev_state of module 'vanilla_rnn' is of type tuple, expected an"):
        step().init(0, x, (h,))
    with pytest.raises(ValueError, match="VanillaRNN: hidden_size is -1, expected 0 or more"):
        hk.transform(lambda: hk.VanillaRNN(-1)).init(0)
