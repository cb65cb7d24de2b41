"""Small layers and functions: biases, one-hot vectors, draws, and what adds or joins batch axes."""

import jax.numpy as jnp

from integration_tests.parity.programs import Program, values


def bias(*args, multiplier=None, **kwargs):
    """A bias that is not zero, so that its place shows."""

    def run(lib, x):
        return lib.Bias(*args, b_init=lib.initializers.RandomNormal(), **kwargs)(x, multiplier)

    return run


def bias_called_twice(lib, x):
    """The bias is added and taken away."""
    layer = lib.Bias(bias_dims=[-1], b_init=lib.initializers.RandomNormal())
    return layer(x), layer(layer(x), -1)


def batch_apply(lib, x, y):
    """Two arguments, a pytree back."""
    linear = lib.Linear(3)
    return lib.BatchApply(lambda x, y, scale: {"a": linear(x) * scale, "b": y.sum(1)})(x, y=y, scale=2.0)


def expand_apply(lib, x):
    """A batch axis in front, and one at the end."""
    return lib.expand_apply(lib.Linear(3))(x), lib.expand_apply(lib.Linear(1, name="last"), axis=-1)(x)


class Encoder:
    """Builds modules when it is told to, so that their names show the order."""

    def __init__(self, lib):
        self.lib = lib

    def __call__(self, x):
        """Builds three layers of one name, of which the first is deferred."""
        lib = self.lib
        late = lib.Deferred(lambda: lib.Linear(6))
        methods = lib.Deferred(lambda: lib.nets.MLP([6]), call_methods=("__call__", "reverse"))
        reverse = methods.reverse
        early = lib.Linear(6)(x)
        out = methods(x)
        return early, late(x), out, reverse()(out), late.target(x), late.output_size


PROGRAMS = [
    Program("bias", ("Bias",), bias(), (values(4, 6),)),
    Program("bias_of_channels", ("Bias",), bias(bias_dims=[-1]), (values(2, 3, 4, 5),), batched=False),
    Program("bias_of_some_axes", ("Bias",), bias(bias_dims=[1, -1]), (values(2, 3, 4, 5),), batched=False),
    Program("bias_of_one_number", ("Bias",), bias(bias_dims=[]), (values(4, 6),)),
    Program("bias_multiplier", ("Bias",), bias(multiplier=-0.5), (values(4, 6),)),
    Program("bias_called_twice", ("Bias",), bias_called_twice, (values(4, 6),)),
    Program("one_hot", ("one_hot",), lambda lib, x: lib.one_hot(x, 3), (jnp.array([[0, 2], [3, -1]]),), halves=False),
    Program(
        "one_hot_of_integers",
        ("one_hot",),
        lambda lib, x: lib.one_hot(x, 3, dtype=jnp.int32),
        (jnp.array([0.0, 2.0, 1.5]),),
        differentiable=False,
    ),
    Program(
        "multinomial",
        ("multinomial",),
        lambda lib, x: lib.multinomial(lib.next_rng_key(), x, 7),
        (values(2, 3, 5),),
        halves=False,
        differentiable=False,
        batched=False,
    ),
    Program("batch_apply", ("BatchApply",), batch_apply, (values(2, 3, 4), values(2, 3, 5)), batched=False),
    Program(
        "batch_apply_three_axes",
        ("BatchApply",),
        lambda lib, x: lib.BatchApply(lib.Linear(3), num_dims=3)(x),
        (values(2, 3, 4, 5),),
        batched=False,
    ),
    Program("expand_apply", ("expand_apply",), expand_apply, (values(6),)),
    Program("deferred", ("Deferred",), lambda lib, x: Encoder(lib)(x), (values(4, 6),)),
]
