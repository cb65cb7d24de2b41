import itertools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import haiku_like as hk

RANDOM = np.random.RandomState(0)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def convolution(x, w, b):
    """Same padding, one output at a time, in float64."""
    sizes, kernel = x.shape[1:-1], w.shape[:-2]
    out = np.zeros([*x.shape[:-1], w.shape[-1]]) + b
    for place in itertools.product(*map(range, sizes)):
        for offset in itertools.product(*map(range, kernel)):
            source = tuple(p + o - (k - 1) // 2 for p, o, k in zip(place, offset, kernel, strict=True))
            if all(0 <= s < n for s, n in zip(source, sizes, strict=True)):
                out[(slice(None), *place)] += x[(slice(None), *source)] @ w[offset]
    return out


CASES = [
    (hk.Conv1DLSTM, (5,), 3, (3,), "conv1_dlstm"),
    (hk.Conv2DLSTM, (3, 4), [3, 2], (3, 2), "conv2_dlstm"),
    (hk.Conv3DLSTM, (2, 3, 2), 2, (2, 2, 2), "conv3_dlstm"),
]


@pytest.mark.parametrize(("core", "sizes", "kernel_shape", "kernel", "name"), CASES)
def test_it_equals_the_equations(core, sizes, kernel_shape, kernel, name):
    f = hk.transform(lambda x, state: core(sizes, 2, kernel_shape)(x, state))
    x, h, c = (RANDOM.uniform(-1, 1, [2, *sizes, n]) for n in (3, 2, 2))
    params = {
        f"{name}/{part}": {"w": RANDOM.uniform(-1, 1, [*kernel, n, 8]), "b": RANDOM.uniform(-1, 1, [8])}
        for part, n in (("input_to_hidden", 3), ("hidden_to_hidden", 2))
    }
    from_input, from_hidden = params.values()
    gates = convolution(x, **from_input) + convolution(h, **from_hidden)
    i, g, forget, o = np.split(gates, 4, -1)
    cell = sigmoid(forget + 1) * c + sigmoid(i) * np.tanh(g)
    hidden = sigmoid(o) * np.tanh(cell)
    args = np.float32(x), hk.LSTMState(np.float32(h), np.float32(c))
    assert jax.tree.map(jnp.shape, jax.eval_shape(f.init, 0, *args)) == jax.tree.map(jnp.shape, params)
    params = jax.tree.map(np.float32, params)
    out, state = f.apply(params, *args)
    np.testing.assert_allclose(out, hidden, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(state.cell, cell, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(out, state.hidden)


def test_without_batch():
    f = hk.transform(lambda x, state: hk.Conv1DLSTM([5], 2, 3)(x, state))
    x, h = RANDOM.uniform(-1, 1, [2, 5, 3]).astype(np.float32), np.ones([2, 5, 2], np.float32)
    params = jax.eval_shape(f.init, 0, x, hk.LSTMState(h, h))
    params = jax.tree.map(lambda p: RANDOM.normal(size=p.shape).astype(np.float32), params)
    batch, _ = f.apply(params, x, hk.LSTMState(h, h))
    alone, state = f.apply(params, x[1], hk.LSTMState(h[1], h[1]))
    np.testing.assert_allclose(alone, batch[1], rtol=1e-5, atol=1e-6)
    assert state.cell.shape == (5, 2)


def test_bad_input_is_refused():
    def step(inputs, state=None):
        def f():
            core = hk.Conv2DLSTM([3, 4], 2, 3)
            return core(inputs, core.initial_state(2) if state is None else state)

        hk.transform(f).init(0)

    layout = "expected [batch, 3, 4, channels] or [3, 4, channels] after input_shape=(3, 4)"
    for shape in ((2, 3, 5, 1), (2, 4, 3, 1), (4,), (1, 2, 3, 4, 1)):
        message = f"Conv2DLSTM: inputs of module 'conv2_dlstm' has shape {shape}, {layout}"
        with pytest.raises(ValueError, match=re.escape(message)):
            step(jnp.ones(shape))
    good, image = jnp.zeros([2, 3, 4, 2]), jnp.zeros([2, 3, 4, 1])
    message = "prev_state.cell of module 'conv2_dlstm' has shape (2, 3, 4, 1), expected (2, 3, 4, 2) for these inputs"
    with pytest.raises(ValueError, match=re.escape(message)):
        step(image, hk.LSTMState(good, image))
    with pytest.raises(TypeError, match="Conv2DLSTM: prev_state of module 'conv2_dlstm' is of type tuple, expected an"):
        step(image, (good, good))

    def build(*args):
        hk.transform(lambda: hk.Conv2DLSTM(*args)).init(0)

    with pytest.raises(
        ValueError, match=r"Conv2DLSTM: input_shape is \[3\], expected 2 sizes, one for each spatial axis"
    ):
        build([3], 2, 3)
    with pytest.raises(
        TypeError, match=r"Conv2DLSTM: input_shape is 3 of type int, expected a sequence, such as \[28, 2"
    ):
        build(3, 2, 3)
    with pytest.raises(ValueError, match="Conv2DLSTM: input_shape is 0, expected 1 or more"):
        build([3, 0], 2, 3)
    with pytest.raises(
        ValueError, match=r"Conv2DLSTM: kernel_shape is \[3, 3, 3\], expected an integer or a sequence of"
    ):
        build([3, 4], 2, [3, 3, 3])
    with pytest.raises(ValueError, match="Conv2DLSTM: output_channels is -1, expected 0 or more"):
        build([3, 4], -1, 3)
