"""Normalization layers."""

import jax.numpy as jnp
import numpy as np

from integration_tests.parity.programs import Program, values


def tilted(out, x):
    """Returns an output whose sum has a gradient: that of a plain normalized output is zero but for rounding."""
    return out * (x + 1)


def batch_norm_training_then_evaluation(lib, x, y):
    """What training leaves in the averages is what evaluation uses."""
    norm = lib.BatchNorm(True, True, 0.9)
    out = [norm(x, is_training=True), norm(y, is_training=True), norm(x, is_training=False)]
    return [*(tilted(y, x) for y in out), norm(y, False, test_local_stats=True)]


def batch_norm(*args, **kwargs):
    """Returns a program that trains on its input and evaluates on it."""

    def run(lib, x, *scale_and_offset):
        norm = lib.BatchNorm(*args, **kwargs)
        return tilted(norm(x, True, False, *scale_and_offset), x), norm(x, False, False, *scale_and_offset)

    return run


def ones_and_some(shape, dtype):
    """An initializer under which each channel gets another value."""
    return jnp.asarray(1 + np.arange(np.prod(shape)).reshape(shape) / 8, dtype)


PROGRAMS = [
    Program(
        "batch_norm", ("BatchNorm",), batch_norm_training_then_evaluation, (values(6, 3), values(6, 3, seed=1) * 2 + 1)
    ),
    Program("batch_norm_images", ("BatchNorm",), batch_norm(True, True, 0.99), (values(2, 4, 4, 3),)),
    Program(
        "batch_norm_nchw",
        ("BatchNorm",),
        batch_norm(True, True, 0.99, 1e-3, ones_and_some, ones_and_some, data_format="NCHW"),
        (values(2, 3, 4, 5),),
    ),
    Program(
        "batch_norm_sequence_first",
        ("BatchNorm",),
        batch_norm(True, False, 0.5, data_format="TBD", name="norm"),
        (values(4, 2, 3),),
    ),
    Program("batch_norm_axis", ("BatchNorm",), batch_norm(True, True, 0.9, axis=[0, -1]), (values(4, 2, 3),)),
    Program("batch_norm_bare", ("BatchNorm",), batch_norm(False, False, 0.0), (values(4, 2, 3),)),
    Program(
        "batch_norm_conditional",
        ("BatchNorm",),
        batch_norm(False, False, 0.9),
        (values(4, 2, 3), values(4, 1, 3, seed=1), values(1, 1, 3, seed=2)),
        batched=False,
    ),
]
