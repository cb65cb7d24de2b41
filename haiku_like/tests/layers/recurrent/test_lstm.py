import math
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import haiku_like as hk

RANDOM = np.random.RandomState(0)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def step():
    return hk.transform(lambda x, state: hk.LSTM(4)(x, state))


@pytest.mark.parametrize("batch", [(), (2,), (0,)])
def test_it_equals_the_equations(batch):
    x, h, c = (RANDOM.uniform(-1, 1, [*batch, n]) for n in (3, 4, 4))
    w, b = RANDOM.uniform(-1, 1, [7, 16]), RANDOM.uniform(-1, 1, [16])
    # Each gate by itself, from its own columns.
    i, g, f, o = (x @ w[:3, 4 * n : 4 * n + 4] + h @ w[3:, 4 * n : 4 * n + 4] + b[4 * n : 4 * n + 4] for n in range(4))
    cell = sigmoid(f + 1) * c + sigmoid(i) * np.tanh(g)
    hidden = sigmoid(o) * np.tanh(cell)
    params = {"lstm/linear": {"w": np.float32(w), "b": np.float32(b)}}
    out, state = step().apply(params, np.float32(x), hk.LSTMState(np.float32(h), np.float32(c)))
    np.testing.assert_allclose(out, hidden, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(out, state.hidden)
    np.testing.assert_allclose(state.cell, cell, rtol=1e-5, atol=1e-6)


def test_one_step_by_hand():
    # With weights 0 all gates are those of 0: c' = sigmoid(1) 2, h' = tanh(c') / 2.
    params = {"lstm/linear": {"w": jnp.zeros([2, 4]), "b": jnp.zeros(4)}}
    f = hk.transform(lambda x, state: hk.LSTM(1)(x, state))
    out, state = f.apply(params, jnp.ones([1]), hk.LSTMState(jnp.zeros([1]), jnp.full([1], 2.0)))
    np.testing.assert_allclose(state.cell, [2 / (1 + math.exp(-1))], rtol=1e-6)
    np.testing.assert_allclose(out, [math.tanh(2 / (1 + math.exp(-1))) / 2], rtol=1e-6)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_the_dtype_stays(dtype):
    x, h = jnp.ones([2, 3], dtype), jnp.ones([2, 4], dtype)
    params = jax.eval_shape(step().init, 0, x, hk.LSTMState(h, h))
    out = jax.eval_shape(step().apply, params, x, hk.LSTMState(h, h))
    assert {x.dtype for x in jax.tree.leaves((params, out))} == {jnp.dtype(dtype)}


def test_bad_input_is_refused():
    x, h = jnp.ones([2, 3]), jnp.ones([2, 4])
    for inputs in (x[None], jnp.float32(1)):
        message = (
            f"LSTM: inputs of module 'lstm' has shape {inputs.shape}, expected [inputs] or [batch, inputs]. A core"
        )
        with pytest.raises(ValueError, match=re.escape(message)):
            step().init(0, inputs, hk.LSTMState(h, h))
    for bad in (h[0], h[:1], h[:, :3], h[None]):
        for field, state in (("hidden", hk.LSTMState(bad, h)), ("cell", hk.LSTMState(h, bad))):
            message = f"LSTM: prev_state.{field} of module 'lstm' has shape {bad.shape}, expected (2, 4) for these"
            with pytest.raises(ValueError, match=re.escape(message)):
                step().init(0, x, state)
    with pytest.raises(
        ValueError, match=re.escape("expected (4,) for these inputs: [batch, hidden_size] or [hidden_s")
    ):
        step().init(0, x[0], hk.LSTMState(h, h))
    for bad, kind in (((h, h), "tuple"), (h, "ArrayImpl"), (None, "NoneType")):
        message = (
            f"LSTM: prev_state of module 'lstm' is of type {kind}, expected an hk.LSTMState. Start from initial_st"
        )
        with pytest.raises(TypeError, match=re.escape(message)):
            step().init(0, x, bad)
    with pytest.raises(TypeError, match=r"LSTM: hidden_size is 1.5 of type float, expected an integer"):
        hk.transform(lambda: hk.LSTM(1.5)).init(0)
