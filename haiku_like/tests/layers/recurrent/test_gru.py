import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import haiku_like as hk

RANDOM = np.random.RandomState(0)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def step(**kwargs):
    return hk.transform(lambda x, state: hk.GRU(4, **kwargs)(x, state))


@pytest.mark.parametrize("batch", [(), (2,), (0,)])
def test_it_equals_the_equations(batch):
    x, h = (RANDOM.uniform(-1, 1, [*batch, n]) for n in (3, 4))
    params = {
        "w_i": RANDOM.uniform(-1, 1, [3, 12]),
        "w_h": RANDOM.uniform(-1, 1, [4, 12]),
        "b": RANDOM.uniform(-1, 1, 12),
    }
    (iz, ir, ia), (hz, hr, ha), (bz, br, ba) = (np.split(params[name], 3, -1) for name in ("w_i", "w_h", "b"))
    z, r = sigmoid(x @ iz + h @ hz + bz), sigmoid(x @ ir + h @ hr + br)
    expected = (1 - z) * h + z * np.tanh(x @ ia + (r * h) @ ha + ba)
    params = {"gru": {name: np.float32(p) for name, p in params.items()}}
    out, state = step().apply(params, np.float32(x), np.float32(h))
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(out, state)


def test_initial_values():
    params = hk.transform(lambda x: hk.GRU(100)(x, jnp.zeros(100))).init(0, jnp.zeros(400))["gru"]
    np.testing.assert_allclose(np.std(params["w_i"]), 1 / 20, rtol=0.02)
    np.testing.assert_allclose(np.std(params["w_h"]), 1 / 10, rtol=0.02)
    np.testing.assert_array_equal(params["b"], np.zeros(300))
    constants = {name: hk.initializers.Constant(i) for i, name in enumerate(("w_i_init", "w_h_init", "b_init"))}
    params = step(**constants).init(0, jnp.ones(3), jnp.ones(4))["gru"]
    assert [float(params[name].mean()) for name in ("w_i", "w_h", "b")] == [0, 1, 2]


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_the_dtype_stays(dtype):
    x, h = jnp.ones([2, 3], dtype), jnp.ones([2, 4], dtype)
    params = jax.eval_shape(step().init, 0, x, h)
    out = jax.eval_shape(step().apply, params, x, h)
    assert {x.dtype for x in jax.tree.leaves((params, out))} == {jnp.dtype(dtype)}


def test_bad_input_is_refused():
    x, h = jnp.ones([2, 3]), jnp.ones([2, 4])
    for inputs in (x[None], jnp.float32(1)):
        message = f"GRU: inputs of module 'gru' has shape {inputs.shape}, expected [inputs] or [batch, inputs]. A core"
        with pytest.raises(ValueError, match=re.escape(message)):
            step().init(0, inputs, h)
    for bad in (h[0], h[:1], h[:, :3], h[None]):
        message = f"GRU: state of module 'gru' has shape {bad.shape}, expected (2, 4) for these inputs: [batch, hidden"
        with pytest.raises(ValueError, match=re.escape(message)):
            step().init(0, x, bad)
    with pytest.raises(TypeError, match="GRU: state of module 'gru' is of type tuple, expected an array of numbers"):
        step().init(0, x, (h,))
    with pytest.raises(ValueError, match="GRU: hidden_size is -1, expected 0 or more"):
        hk.transform(lambda: hk.GRU(-1)).init(0)
