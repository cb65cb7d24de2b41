import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import haiku_like as hk


class Start(hk.RNNCore):
    """Starts at 7, and returns its state as output."""

    def __init__(self, shapes=((4,),)):
        super().__init__()
        self.shapes = shapes

    def __call__(self, inputs, prev_state):
        return prev_state, prev_state

    def initial_state(self, batch_size):
        batch = () if batch_size is None else (batch_size,)
        return [jnp.full((*batch, *shape), 7.0) for shape in self.shapes]


def reset(state, should_reset, core=Start, inputs=0.0):
    return hk.transform(lambda: hk.ResetCore(core())((inputs, should_reset), state)[0]).apply({})


@pytest.mark.parametrize("flags", [np.array([True, False]), jnp.array([1, 0]), jnp.array([0.5, 0.0])])
def test_the_elements_that_say_so_start_anew(flags):
    state = [jnp.arange(8.0).reshape(2, 4)]
    assert reset(state, flags)[0].tolist() == [[7, 7, 7, 7], [4, 5, 6, 7]]


@pytest.mark.parametrize("flag", [True, jnp.array(True), np.bool_(True)])
def test_one_flag_without_batch_or_for_all(flag):
    assert reset([jnp.arange(4.0)], flag)[0].tolist() == [7, 7, 7, 7]
    assert reset([jnp.arange(4.0)], not flag)[0].tolist() == [0, 1, 2, 3]
    assert reset([jnp.zeros([2, 4])], flag)[0].tolist() == [[7] * 4] * 2


def test_a_nested_state_and_flags_for_more_axes():
    shapes = [(4,), (4, 2)]
    state = [jnp.zeros([2, 4]), jnp.zeros([2, 4, 2])]
    flags = np.array([[True, False, False, True], [False, True, False, False]])
    first, second = reset(state, flags, lambda: Start(shapes))
    np.testing.assert_array_equal(first, 7 * flags)
    np.testing.assert_array_equal(second, 7 * np.stack([flags] * 2, -1))
    first, second = reset(state, [flags, flags[:, 1]], lambda: Start(shapes))
    np.testing.assert_array_equal(first, 7 * flags)
    np.testing.assert_array_equal(second, 7 * np.stack([np.stack([flags[:, 1]] * 4, -1)] * 2, -1))


def test_a_state_with_more_batch_axes_starts_from_the_state_without():
    flags = np.array([[True, False, False], [False, True, True]])
    out = reset([jnp.zeros([2, 3, 4])], flags)[0]
    np.testing.assert_array_equal(out, 7 * np.stack([flags] * 4, -1))


def test_a_state_with_an_array_that_has_no_batch():
    class Counter(hk.RNNCore):
        def __call__(self, inputs, prev_state):
            return prev_state, prev_state

        def initial_state(self, batch_size):
            return jnp.zeros(()), jnp.full((batch_size, 3), 7.0)

    steps, state = reset((jnp.float32(5), jnp.zeros([2, 3])), (jnp.array(False), jnp.array([True, False])), Counter)
    assert steps == 5
    assert state.tolist() == [[7, 7, 7], [0, 0, 0]]


def test_no_state():
    assert reset((), jnp.array([True]), hk.IdentityCore, inputs=3) == 3


def test_the_dtype_of_the_state_stays():
    for dtype in (jnp.bfloat16, jnp.int32):
        assert reset([jnp.zeros([2, 4], dtype)], jnp.array([True, False]))[0].dtype == dtype


def test_joined_episodes_equal_split_ones():
    def joined(x, first):
        core = hk.ResetCore(hk.DeepRNN([hk.LSTM(3), hk.GRU(2)]))
        return hk.static_unroll(core, (x, first), core.initial_state(x.shape[1]))

    def alone(x):
        core = hk.DeepRNN([hk.LSTM(3), hk.GRU(2)])
        return hk.static_unroll(core, x, core.initial_state(x.shape[1]))

    x = np.random.RandomState(0).uniform(-1, 1, [5, 1, 3]).astype(np.float32)
    first = np.array([True, False, True, False, False])[:, None]
    params = hk.transform(joined).init(0, x, first)
    outputs, state = hk.transform(joined).apply(params, x, first)
    out1, _ = hk.transform(alone).apply(params, x[:2])
    out2, state2 = hk.transform(alone).apply(params, x[2:])
    np.testing.assert_allclose(outputs, jnp.concatenate([out1, out2]), rtol=1e-6)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), state, state2)


def test_no_gradient_flows_through_a_reset():
    def loss(state, flags):
        return reset([state], flags)[0].sum()

    grad = jax.grad(loss)(jnp.ones([2, 4]), jnp.array([True, False]))
    assert grad.tolist() == [[0] * 4, [1] * 4]


def test_bad_input_is_refused():
    state = [jnp.zeros([2, 4])]
    for inputs, got in ((jnp.ones([2, 3]), "ArrayImpl,"), ((1,), "tuple with 1 entries,"), ((1, 2, 3), "tuple with 3")):
        with pytest.raises(TypeError, match=f"ResetCore: inputs of module 'reset_core' is of type {got}.*"):
            hk.transform(lambda inputs=inputs: hk.ResetCore(Start())(inputs, state)).init(None)
    for shape in ((3,), (1,), (2, 1), (2, 4, 1)):
        message = f"ResetCore: should_reset of module 'reset_core' has shape {shape}, expected the leading axes of the"
        with pytest.raises(ValueError, match=re.escape(message)):
            reset(state, np.ones(shape, bool))
    with pytest.raises(
        ValueError, match=re.escape("should_reset of module 'reset_core' has structure PyTreeDef([*, *])")
    ):
        reset(state, [True, False])
    with pytest.raises(ValueError, match=re.escape("has structure PyTreeDef((*,)), expected that of the wrapped core")):
        reset(tuple(state), np.array([True, False]))
    with pytest.raises(ValueError, match=re.escape("has an array of shape (2, 3), expected (2, 4) as in the wrapped")):
        reset([jnp.zeros([2, 3])], np.array([True, False]))
    with pytest.raises(TypeError, match=r"ResetCore: core is 3 of type int, expected an hk.RNNCore, such as hk.LSTM"):
        hk.transform(lambda: hk.ResetCore(3)).init(None)
