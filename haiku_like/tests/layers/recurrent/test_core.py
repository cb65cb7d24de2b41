import jax
import jax.numpy as jnp
import pytest

import haiku_like as hk


class RunningSum(hk.RNNCore):
    def __call__(self, inputs, prev_state):
        total = prev_state + inputs
        return total, total

    def initial_state(self, batch_size):
        return jnp.zeros(() if batch_size is None else batch_size)


def test_a_subclass_is_a_core():
    def f(x):
        core = RunningSum()
        assert core.module_name == "running_sum"
        return hk.static_unroll(core, x, core.initial_state(x.shape[1]))

    outputs, state = hk.transform(f).apply({}, jnp.arange(6.0).reshape(3, 2))
    assert outputs.tolist() == [[0, 1], [2, 4], [6, 9]]
    assert state.tolist() == [6, 9]


def test_a_core_needs_both_methods():
    class Half(hk.RNNCore):
        def __call__(self, inputs, prev_state):
            return inputs, prev_state

    for core in (hk.RNNCore, Half):
        with pytest.raises(TypeError, match=f"Can't instantiate abstract class {core.__name__}.*initial_state"):
            hk.transform(core).init(None)


CORES = {
    "VanillaRNN": (lambda: hk.VanillaRNN(4), (4,)),
    "LSTM": (lambda: hk.LSTM(4), (4,)),
    "GRU": (lambda: hk.GRU(4), (4,)),
    "Conv2DLSTM": (lambda: hk.Conv2DLSTM([3, 2], 4, 3), (3, 2, 4)),
}


@pytest.mark.parametrize(("name", "core", "shape"), [(name, *case) for name, case in CORES.items()])
def test_initial_states(name, core, shape):
    def initial_state(batch_size):
        return hk.transform(lambda: core().initial_state(batch_size)).apply({})

    for batch_size, batch in ((None, ()), (3, (3,)), (0, (0,))):
        for x in jax.tree.leaves(initial_state(batch_size)):
            assert (x.shape, x.dtype, float(abs(x).sum())) == ((*batch, *shape), jnp.float32, 0.0)
    with pytest.raises(ValueError, match=f"{name}.initial_state: batch_size is -1, expected 0 or more"):
        initial_state(-1)
    with pytest.raises(TypeError, match=rf"{name}.initial_state: batch_size is 2.0 of type float, expected an integer"):
        initial_state(2.0)
