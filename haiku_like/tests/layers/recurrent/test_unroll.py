import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import haiku_like as hk

X = np.random.RandomState(0).uniform(-1, 1, [5, 2, 3]).astype(np.float32)
UNROLLS = {"static": hk.static_unroll, "dynamic": hk.dynamic_unroll}

unrolls = pytest.mark.parametrize("unroll", UNROLLS.values(), ids=UNROLLS.keys())


def running_sum(inputs, state):
    return 10 * inputs + state, state + inputs


def core():
    return hk.DeepRNN([hk.LSTM(3), jnp.tanh])


def parameters(f, *args):
    """Random parameters of the right shapes, which cost no compilation."""
    random = np.random.RandomState(1)
    return jax.tree.map(lambda p: jnp.asarray(random.normal(size=p.shape), p.dtype), jax.eval_shape(f.init, 0, *args))


def unrolled(function, x, **kwargs):
    batch_size = x.shape[1 if kwargs.get("time_major", True) else 0]
    f = hk.transform(lambda x: function(core(), x, core().initial_state(batch_size), **kwargs))
    return f, parameters(f, x)


@unrolls
def test_each_step_gets_the_state_of_the_one_before(unroll):
    outputs, state = unroll(running_sum, jnp.arange(4.0), jnp.float32(1))
    assert outputs.tolist() == [1, 11, 22, 34]
    assert state == 7


def test_reverse_and_all_states():
    x = jnp.arange(4.0)
    outputs, states = hk.dynamic_unroll(running_sum, x, jnp.float32(1), return_all_states=True)
    assert (outputs.tolist(), states.tolist()) == ([1, 11, 22, 34], [1, 2, 4, 7])
    outputs, states = hk.dynamic_unroll(running_sum, x, jnp.float32(1), reverse=True, return_all_states=True)
    assert (outputs.tolist(), states.tolist()) == ([7, 16, 24, 31], [7, 7, 6, 4])
    outputs, state = hk.dynamic_unroll(running_sum, x, jnp.float32(1), reverse=True)
    assert (outputs.tolist(), float(state)) == ([7, 16, 24, 31], 7)


def test_static_dynamic_and_a_plain_loop_agree():
    def loop(x):
        layers = core()
        state, outputs = layers.initial_state(2), []
        for t in range(5):
            output, state = layers(x[t], state)
            outputs.append(output)
        return jnp.stack(outputs), state

    f, params = unrolled(hk.static_unroll, X)
    expected = hk.transform(loop).apply(params, X)
    for unroll in (2, True):
        g, other_params = unrolled(hk.dynamic_unroll, X, unroll=unroll)
        jax.tree.map(np.testing.assert_array_equal, params, other_params)
        out = jax.jit(g.apply)(params, X)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), out, expected)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), f.apply(params, X), expected)


@unrolls
def test_batch_major(unroll):
    f, params = unrolled(unroll, X)
    g, _ = unrolled(unroll, X.swapaxes(0, 1), time_major=False)
    outputs, state = f.apply(params, X)
    swapped, same = g.apply(params, X.swapaxes(0, 1))
    np.testing.assert_allclose(swapped, outputs.swapaxes(0, 1), rtol=1e-6)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), state, same)


def test_all_states_batch_major():
    f, params = unrolled(hk.dynamic_unroll, X, return_all_states=True)
    g, _ = unrolled(hk.dynamic_unroll, X.swapaxes(0, 1), time_major=False, return_all_states=True)
    _, states = f.apply(params, X)
    _, swapped = g.apply(params, X.swapaxes(0, 1))
    assert states[0].hidden.shape == (5, 2, 3)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a.swapaxes(0, 1), b, rtol=1e-5), states, swapped)


def test_gradients_agree():
    grads = []
    for unroll in UNROLLS.values():
        f, params = unrolled(unroll, X)
        grads.append(jax.jit(jax.grad(lambda p, f=f: jnp.sum(f.apply(p, X)[0] ** 2)))(params))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), *grads)


@unrolls
def test_pytrees_of_inputs_states_and_outputs(unroll):
    def step(inputs, state):
        return {"sum": inputs["x"][0] + state[0], "nothing": None}, (state[0] + inputs["i"], ())

    inputs = {"x": [X], "i": jnp.arange(5)}
    outputs, state = unroll(step, inputs, (jnp.int32(0), ()))
    np.testing.assert_allclose(outputs["sum"], X + np.array([0, 0, 1, 3, 6])[:, None, None], rtol=1e-6)
    assert outputs["nothing"] is None
    assert state == (10, ())


@unrolls
def test_keys_differ_between_steps(unroll):
    def step(inputs, state):
        return jax.random.normal(hk.next_rng_key()), state

    f = hk.transform(lambda x: unroll(step, x, ())[0], apply_rng=True)
    noise = f.apply({}, jax.random.key(0), X)
    assert len(set(noise.tolist())) == 5


@unrolls
def test_a_step_may_build_modules_and_use_state(unroll):
    def step(inputs, state):
        steps = hk.get_state("steps", [], jnp.int32, init=jnp.zeros)
        hk.set_state("steps", steps + 1)
        return hk.Linear(3, name="linear")(inputs + state), jnp.tanh(state)

    f = hk.transform_with_state(lambda x: unroll(step, x[:, :, :1], jnp.zeros([2, 1]))[0])
    params, state = f.init(0, X)
    assert "linear" in params
    if unroll is hk.dynamic_unroll:  # A Python loop builds a new module at each step.
        assert list(params) == ["linear"]
    _, state = f.apply(params, state, None, X)
    assert state["~"]["steps"] == 5


def test_a_number_as_initial_state_takes_the_dtype_of_the_next():
    outputs, state = hk.dynamic_unroll(running_sum, jnp.ones(3, jnp.bfloat16), 0.0)
    assert outputs.dtype == state.dtype == jnp.bfloat16


def test_no_step():
    f, params = unrolled(hk.dynamic_unroll, X[:0])
    outputs, state = f.apply(params, X[:0])
    assert outputs.shape == (0, 2, 3)
    assert all((x == 0).all() for x in jax.tree.leaves(state))
    with pytest.raises(ValueError, match="static_unroll: input_sequence has length 0, expected at least one step"):
        hk.static_unroll(running_sum, X[:0], 0.0)


@pytest.mark.parametrize(("name", "unroll"), [(f"{name}_unroll", unroll) for name, unroll in UNROLLS.items()])
def test_bad_input_is_refused(name, unroll):
    def refused(error, message, *args, **kwargs):
        with pytest.raises(error, match=re.escape(f"{name}: {message}")):
            unroll(*args, **kwargs)

    refused(TypeError, "core is 3 of type int, expected a function, such as hk.LSTM(8)", 3, X, 0.0)
    refused(ValueError, "input_sequence is {} and holds no array, expected [time, batch, ...]", running_sum, {}, 0.0)
    refused(ValueError, "input_sequence has an array of shape (), expected [time, batch", running_sum, [1.0, 2.0], 0.0)
    refused(
        ValueError,
        "input_sequence has an array of shape (5,), expected [batch, time, ...] with time_major=False",
        running_sum, X[:, 0, 0], 0.0, time_major=False,
    )  # fmt: skip
    refused(
        ValueError,
        "input_sequence has arrays of shapes [(5, 2, 3), (4, 2, 3)], expected the same length along axis 0, which is",
        running_sum, (X, X[1:]), 0.0,
    )  # fmt: skip
    for returned, kind in ((X, "ndarray"), ((1, 2, 3), "tuple"), (None, "NoneType")):
        message = f"core returned a {kind}, expected a pair (output, next_state)."
        refused(TypeError, message, lambda i, s, returned=returned: returned, X, 0.0)
    refused(
        ValueError,
        "an output of core is a number, expected [batch, ...] with time_major=False, since time goes after",
        lambda inputs, state: (inputs.sum(), state), X, 0.0, time_major=False,
    )  # fmt: skip
    traced = jax.jit(lambda flag: unroll(running_sum, X, 0.0, flag))
    with pytest.raises(TypeError, match=f"{name}: time_major is traced, expected True or False"):
        traced(True)


def test_a_state_that_changes_is_refused():
    def refused(message, core, state, **kwargs):
        with pytest.raises(ValueError, match=re.escape(f"dynamic_unroll: {message}")):
            hk.dynamic_unroll(core, X, state, **kwargs)

    start = jnp.zeros([])
    refused("core returned a state with an array float32[2, 3], expected float32[] like the", running_sum, start)
    refused(
        "core returned a state with an array float32[], expected int32[] like the state before. Cast or shape the",
        lambda inputs, state: (inputs, state + 0.5), jnp.zeros([], jnp.int32),
    )  # fmt: skip
    refused(
        "core returned a state of structure PyTreeDef((*,)), expected PyTreeDef(*) like the state before. Give the",
        lambda inputs, state: (inputs, (state,)), start,
    )  # fmt: skip
    refused(
        "a part of the state is a number, expected [batch, ...] with time_major=False",
        lambda inputs, state: (inputs, state), start, time_major=False, return_all_states=True,
    )  # fmt: skip
    refused("unroll is 0, expected 1 or more", running_sum, start, unroll=0)
    assert hk.static_unroll(running_sum, X, start)[1].shape == (2, 3)
