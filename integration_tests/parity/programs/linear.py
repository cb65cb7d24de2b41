"""Linear layers, and what strings layers together."""

import jax
import jax.numpy as jnp

from integration_tests.parity.programs import Program, values


def mlp_with_dropout_and_reverse(lib, x):
    """An autoencoder whose decoder mirrors its encoder."""
    encoder = lib.nets.MLP([5, 3], activation=jnp.tanh, activate_final=True)
    code = encoder(x, 0.4, lib.next_rng_key())
    return encoder.reverse()(code), encoder.reverse(False, "decoder")(code, 0.2, lib.next_rng_key())


def sequential(lib, x):
    """Layers and plain functions, one after the other."""
    layers = [lib.Flatten(), lib.Linear(8), jax.nn.relu, lib.Reshape((2, -1)), lib.Linear(3, name="head"), jnp.tanh]
    return lib.Sequential(layers)(x)


PROGRAMS = [
    Program("linear", ("Linear",), lambda lib, x: lib.Linear(3)(x), (values(4, 6),)),
    Program("linear_without_bias", ("Linear",), lambda lib, x: lib.Linear(3, with_bias=False)(x), (values(4, 6),)),
    Program("linear_without_batch", ("Linear",), lambda lib, x: lib.Linear(3)(x), (values(6),)),
    Program("mlp", ("nets.MLP",), lambda lib, x: lib.nets.MLP([5, 3, 2])(x), (values(4, 6),)),
    Program(
        "mlp_dropout_reverse", ("nets.MLP", "dropout"), mlp_with_dropout_and_reverse, (values(4, 6),), batched=False
    ),
    Program("sequential", ("Sequential", "Flatten", "Reshape"), sequential, (values(2, 2, 6),)),
    Program("flatten_from_the_end", ("Flatten",), lambda lib, x: lib.Flatten(-2)(x), (values(2, 3, 4),), batched=False),
    Program(
        "reshape_from_the_end",
        ("Reshape",),
        lambda lib, x: lib.Reshape((3, 2), preserve_dims=-1)(x),
        (values(2, 6),),
        batched=False,
    ),
]
