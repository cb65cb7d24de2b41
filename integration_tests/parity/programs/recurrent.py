"""Recurrent cores, what wraps and stacks them, and what runs them over a sequence."""

import jax
import jax.numpy as jnp
import numpy as np

from integration_tests.parity.programs import Program, values

STEP = values(2, 3)
SEQUENCE = values(3, 2, 3)
RESETS = np.array([[True, False], [False, True], [False, True]])


def start(core, batch_size, like):
    """The initial state in the dtype of the inputs."""
    return jax.tree.map(lambda x: x.astype(like.dtype), core.initial_state(batch_size))


def step(make):
    """A program that takes a step of a core from a state that is not zero."""

    def run(lib, x):
        core = make(lib)
        state = jax.tree.map(lambda s: s + 0.5, start(core, None if x.ndim == 1 else x.shape[0], x))
        return core(x, state)

    return run


def initial_states(lib):
    """The initial states of all cores, with batch and without."""
    cores = [
        lib.VanillaRNN(2),
        lib.LSTM(3),
        lib.GRU(4),
        lib.IdentityCore(),
        lib.ResetCore(lib.LSTM(5)),
        lib.DeepRNN([lib.LSTM(2), jnp.tanh, lib.DeepRNN([lib.GRU(3)])]),
        lib.deep_rnn_with_skip_connections([lib.GRU(2), lib.LSTM(3)]),
        lib.Conv1DLSTM([6], 2, 3),
        lib.Conv2DLSTM([6, 5], 2, 3),
        lib.Conv3DLSTM([6, 5, 4], 2, [3, 2, 1]),
    ]
    return [core.initial_state(batch_size) for core in cores for batch_size in (None, 0, 2)]


def deep(lib):
    """Cores and other layers."""
    return lib.DeepRNN([lib.LSTM(4), lib.Linear(3), jnp.tanh, lib.GRU(4)])


def skip(lib):
    """Three cores with skip connections."""
    return lib.deep_rnn_with_skip_connections([lib.LSTM(4), lib.GRU(4), lib.VanillaRNN(2)])


def gru_with_initializers(lib):
    """All initializers of a GRU."""
    uniform, ones = lib.initializers.RandomUniform(-1, 1), lib.initializers.Constant(1.0)
    return lib.GRU(4, w_i_init=uniform, w_h_init=ones, b_init=uniform)


def noisy_start(lib):
    """A core whose initial state is drawn and learned, so that the number of calls shows."""

    class NoisyStart(lib.RNNCore):
        def __call__(self, inputs, prev_state):
            state = jax.tree.map(lambda x: x * 0.5, prev_state)
            return inputs + state["a"], state

        def initial_state(self, batch_size):
            shape = [3] if batch_size is None else [batch_size, 3]
            mean = lib.get_parameter("mean", [3], init=jnp.ones)
            noise = jax.random.normal(lib.next_rng_key(), shape)
            return {"a": noise + jnp.broadcast_to(mean, shape), "b": [jnp.zeros([*shape, 2])]}

    return NoisyStart()


def reset(make, flags):
    """A program that unrolls a core whose state is reset by `flags`, a function of `should_reset` and the state."""

    def run(lib, x, should_reset):
        core = lib.ResetCore(make(lib))
        state = start(core, x.shape[1] if x.ndim > 2 else None, x)
        outputs = []
        for t in range(x.shape[0]):
            out, state = core((x[t], flags(should_reset[t], state)), state)
            outputs.append(out)
        return outputs, state

    return run


def flag_for_each_element(should_reset, state):
    """A flag for each element of the state's first two axes."""
    return jnp.stack([should_reset, ~should_reset, should_reset], axis=-1)


def flag_for_each_leaf(should_reset, state):
    """Flags in the structure of the state, of which one is the opposite."""
    return type(state)(should_reset, ~should_reset)


def unrolled(function, **kwargs):
    """A program that unrolls a core."""

    def run(lib, x):
        core = lib.LSTM(4)
        batch_size = x.shape[1 if kwargs.get("time_major", True) else 0]
        return getattr(lib, function)(core, x, start(core, batch_size, x), **kwargs)

    return run


def unrolled_function(function):
    """A program that unrolls a plain function over a pytree, with a random number at each step."""

    def run(lib, x):
        def core(inputs, state):
            noise = jax.random.normal(lib.next_rng_key(), (), x.dtype)
            return {"sum": inputs["x"][0] + state, "noise": noise}, state + inputs["i"]

        inputs = {"x": (x,), "i": jnp.arange(x.shape[0])}
        return getattr(lib, function)(core, inputs, jnp.zeros((), x.dtype)), lib.next_rng_key()

    return run


def unrolled_with_resets(lib, x, should_reset):
    """Joined episodes, with the state of a stack of cores."""
    core = lib.ResetCore(lib.DeepRNN([lib.GRU(4), lib.Linear(3), lib.LSTM(2)]))
    return lib.dynamic_unroll(core, (x, should_reset), start(core, x.shape[1], x))


def unrolled_with_state(lib, x):
    """A plain function that creates a parameter and uses state at each step."""

    def core(inputs, state):
        steps = lib.get_state("steps", [], jnp.int32, init=jnp.zeros)
        lib.set_state("steps", steps + 1)
        w = lib.get_parameter("w", [3, 3], x.dtype, init=lib.initializers.RandomNormal())
        out = jnp.tanh((inputs + state) @ w)
        return out * steps, out

    return lib.dynamic_unroll(core, x, jnp.zeros(x.shape[1:], x.dtype))


PROGRAMS = [
    Program("initial_states", ("RNNCore",), initial_states, (), halves=False, batched=False),
    Program("vanilla_rnn", ("VanillaRNN",), step(lambda lib: lib.VanillaRNN(4)), (STEP,)),
    Program(
        "vanilla_rnn_one_bias", ("VanillaRNN",), step(lambda lib: lib.VanillaRNN(4, double_bias=False)), (STEP[0],)
    ),
    Program("lstm", ("LSTM", "LSTMState"), step(lambda lib: lib.LSTM(4)), (STEP,)),
    Program("lstm_without_batch", ("LSTM", "LSTMState"), step(lambda lib: lib.LSTM(4, name="core")), (STEP[0],)),
    Program("gru", ("GRU",), step(lambda lib: lib.GRU(4)), (STEP,)),
    Program("gru_without_batch", ("GRU",), step(gru_with_initializers), (STEP[0],)),
    Program("identity_core", ("IdentityCore",), step(lambda lib: lib.IdentityCore()), (STEP,)),
    Program("deep_rnn", ("DeepRNN",), step(deep), (STEP,)),
    Program("deep_rnn_skip", ("deep_rnn_with_skip_connections",), step(skip), (STEP,)),
    Program(
        "conv1d_lstm", ("Conv1DLSTM",), step(lambda lib: lib.Conv1DLSTM([5], 2, 3)), (values(2, 5, 3),), halves=False
    ),
    Program(
        "conv2d_lstm",
        ("Conv2DLSTM",),
        step(lambda lib: lib.Conv2DLSTM([4, 3], 2, [3, 2])),
        (values(2, 4, 3, 1),),
        halves=False,
    ),
    Program(
        "conv3d_lstm",
        ("Conv3DLSTM",),
        step(lambda lib: lib.Conv3DLSTM([3, 2, 2], 2, 2, name="video")),
        (values(1, 3, 2, 2, 1),),
        halves=False,
    ),
    Program(
        "reset_core",
        ("ResetCore",),
        reset(lambda lib: lib.LSTM(4), lambda should_reset, state: should_reset),
        (SEQUENCE, RESETS),
        batched=False,
    ),
    Program(
        "reset_core_without_batch",
        ("ResetCore",),
        reset(lambda lib: lib.GRU(4), lambda should_reset, state: should_reset),
        (SEQUENCE[:, 0], RESETS[:, 0]),
        batched=False,
    ),
    Program(
        "reset_core_for_each_element",
        ("ResetCore",),
        reset(lambda lib: lib.GRU(3), flag_for_each_element),
        (SEQUENCE, RESETS),
        halves=False,
        batched=False,
    ),
    Program(
        "reset_core_for_each_leaf",
        ("ResetCore",),
        reset(lambda lib: lib.LSTM(4), flag_for_each_leaf),
        (SEQUENCE, RESETS),
        halves=False,
        batched=False,
    ),
    Program(
        "reset_core_noisy_start",
        ("ResetCore", "RNNCore"),
        reset(noisy_start, lambda should_reset, state: should_reset),
        (SEQUENCE, RESETS),
        halves=False,
        batched=False,
    ),
    Program("static_unroll", ("static_unroll",), unrolled("static_unroll"), (SEQUENCE,)),
    Program("static_unroll_batch_major", ("static_unroll",), unrolled("static_unroll", time_major=False), (SEQUENCE,)),
    Program(
        "static_unroll_function",
        ("static_unroll",),
        unrolled_function("static_unroll"),
        (SEQUENCE,),
        halves=False,
        batched=False,
    ),
    Program("dynamic_unroll", ("dynamic_unroll",), unrolled("dynamic_unroll"), (SEQUENCE,)),
    Program(
        "dynamic_unroll_batch_major_all_states",
        ("dynamic_unroll",),
        unrolled("dynamic_unroll", time_major=False, return_all_states=True),
        (SEQUENCE,),
        halves=False,
    ),
    Program(
        "dynamic_unroll_reverse",
        ("dynamic_unroll",),
        unrolled("dynamic_unroll", reverse=True, return_all_states=True, unroll=2),
        (SEQUENCE,),
        halves=False,
    ),
    Program("dynamic_unroll_nothing", ("dynamic_unroll",), unrolled("dynamic_unroll"), (SEQUENCE[:0],), halves=False),
    Program(
        "dynamic_unroll_function",
        ("dynamic_unroll",),
        unrolled_function("dynamic_unroll"),
        (SEQUENCE,),
        halves=False,
        batched=False,
    ),
    Program(
        "dynamic_unroll_reset_core",
        ("dynamic_unroll", "ResetCore"),
        unrolled_with_resets,
        (SEQUENCE, RESETS),
        batched=False,
    ),
    Program("dynamic_unroll_with_state", ("dynamic_unroll",), unrolled_with_state, (SEQUENCE,), halves=False),
]
