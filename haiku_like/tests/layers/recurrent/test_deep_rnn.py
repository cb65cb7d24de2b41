import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import haiku_like as hk

X = np.random.RandomState(0).uniform(-1, 1, [2, 3]).astype(np.float32)


class Probe(hk.RNNCore):
    """Returns its number, notes its inputs and counts its steps."""

    def __init__(self, number, seen):
        super().__init__()
        self.number = number
        self.seen = seen

    def __call__(self, inputs, prev_state):
        self.seen.append(jnp.asarray(inputs).tolist())
        return jnp.full([1], self.number), prev_state + 1

    def initial_state(self, batch_size):
        return jnp.full([], 10.0 * self.number)


def build(layers, skip=False):
    return hk.deep_rnn_with_skip_connections(layers) if skip else hk.DeepRNN(layers)


def test_each_layer_gets_the_output_of_the_one_before():
    def f():
        seen = []
        core = hk.DeepRNN([Probe(1.0, seen), lambda x: x * 5, Probe(2.0, seen), Probe(3.0, seen), lambda x: -x])
        state = core.initial_state(None)
        out, next_state = core(jnp.zeros([1]), state)
        return seen, state, out, next_state

    seen, state, out, next_state = hk.transform(f).apply({})
    assert seen == [[0], [5], [2]]
    assert state == (10, 20, 30)
    assert out == -3
    assert next_state == (11, 21, 31)


def test_skip_connections_add_the_inputs_and_join_the_outputs():
    def f():
        seen = []
        core = hk.deep_rnn_with_skip_connections([Probe(1.0, seen), Probe(2.0, seen), Probe(3.0, seen)])
        out, next_state = core(jnp.array([7.0, 8.0]), core.initial_state(None))
        return seen, out, next_state

    seen, out, next_state = hk.transform(f).apply({})
    assert seen == [[7, 8], [7, 8, 1], [7, 8, 2]]
    assert out.tolist() == [1, 2, 3]
    assert next_state == (11, 21, 31)


def test_skip_connections_of_pytrees():
    class Echo(hk.RNNCore):
        def __call__(self, inputs, prev_state):
            return {"a": inputs["a"][:1]}, prev_state

        def initial_state(self, batch_size):
            return ()

    def f():
        core = hk.deep_rnn_with_skip_connections([Echo(), Echo()])
        return core({"a": jnp.arange(2.0)}, core.initial_state(None))

    out, state = hk.transform(f).apply({})
    assert out["a"].tolist() == [0, 0]
    assert state == ((), ())


@pytest.mark.parametrize("skip", [False, True])
def test_layers_keep_their_own_paths(skip):
    def f(x):
        core = build([hk.LSTM(4), hk.GRU(2, name="top")], skip)
        return core(x, core.initial_state(2))

    params = jax.tree.map(lambda p: jnp.ones(p.shape), jax.eval_shape(hk.transform(f).init, 0, X))
    assert {name: p["w" if "w" in p else "w_i"].shape for name, p in params.items()} == {
        "lstm/linear": (7, 16),
        "top": (4 + 3 * skip, 6),
    }
    out, (lstm_state, _) = hk.transform(f).apply(params, X)
    assert out.shape == (2, 2 + 4 * skip)
    assert isinstance(lstm_state, hk.LSTMState)


def test_a_state_may_be_a_list_and_cores_may_nest():
    def f(x):
        core = hk.DeepRNN([hk.DeepRNN([hk.GRU(4), jnp.tanh]), hk.GRU(2)])
        return core(x, list(core.initial_state(2)))

    params = jax.tree.map(lambda p: jnp.ones(p.shape), jax.eval_shape(hk.transform(f).init, 0, X))
    out, state = hk.transform(f).apply(params, X)
    assert out.shape == (2, 2)
    assert (state[0][0].shape, state[1].shape) == ((2, 4), (2, 2))


def test_bad_input_is_refused():
    def make(layers, skip=False, state=None):
        def f():
            core = build(layers(), skip)
            return core(X, core.initial_state(2) if state is None else state)

        hk.transform(f).init(0)

    for skip, where in ((False, "DeepRNN"), (True, "deep_rnn_with_skip_connections")):
        with pytest.raises(ValueError, match=rf"{where}: layers is empty, expected at least one.*hk.IdentityCore\(\)"):
            make(list, skip)
        with pytest.raises(TypeError, match=rf"{where}: layers is \w+\(.*\) of type LSTM, expected a sequence"):
            make(lambda: hk.LSTM(4), skip)
        for state in ((), (1, 2, 3)):
            message = (
                f"{where}: state of module '{'__' * skip}deep_rnn' has {len(state)} entries, expected a tuple of 2"
            )
            with pytest.raises(ValueError, match=re.escape(message)):
                make(lambda: [hk.LSTM(4), hk.GRU(3)], skip, state)
        with pytest.raises(ValueError, match=r"has type (LSTMState|ArrayImpl), expected a tuple of 1"):
            make(lambda: [hk.GRU(4)], skip, jnp.zeros([1]))
    with pytest.raises(TypeError, match=r"DeepRNN: layers\[1\] is 3 of type int, expected a function, such as hk.LSTM"):
        make(lambda: [hk.LSTM(4), 3])
    with pytest.raises(
        ValueError, match=r"connections: layers\[1\] is .* of type .*, expected an hk.RNNCore. Wrap other"
    ):
        make(lambda: [hk.LSTM(4), jnp.tanh], True)

    class Other(Probe):
        def __call__(self, inputs, prev_state):
            return (inputs, inputs), prev_state

    with pytest.raises(ValueError, match=r"inputs and outputs of the layers have structures \[.*expected the same for"):
        make(lambda: [Other(1.0, []), Other(2.0, [])], True)
