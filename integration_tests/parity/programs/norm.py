"""Normalization layers; dm-haiku errs in half precision where `halves` is false, by more than the tolerance."""

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


def plain(kind, *args, **kwargs):
    """Returns a program that builds one module of the kind and calls it."""

    def run(lib, x, *scale_and_offset):
        return tilted(getattr(lib, kind)(*args, **kwargs)(x, *scale_and_offset), x)

    return run


X = values(2, 4, 6)
IMAGES = values(2, 4, 3, 6) + 1
FAR_FROM_ZERO = values(3, 8) + 30
SCALE_AND_OFFSET = (values(2, 1, 6, seed=1), values(6, seed=2))

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
    Program("layer_norm", ("LayerNorm",), plain("LayerNorm", -1, True, True), (X,)),
    Program(
        "layer_norm_slice",
        ("LayerNorm",),
        plain("LayerNorm", slice(1, None), True, False, 0.1, ones_and_some, name="norm"),
        (X,),
    ),
    Program(
        "layer_norm_param_axis",
        ("LayerNorm",),
        plain("LayerNorm", [1, -1], True, True, 1e-5, ones_and_some, ones_and_some, param_axis=(1, 2)),
        (X,),
    ),
    Program("layer_norm_param_axis_first", ("LayerNorm",), plain("LayerNorm", 0, True, True, param_axis=1), (X,)),
    Program(
        "layer_norm_far_from_zero", ("LayerNorm",), plain("LayerNorm", -1, True, True), (FAR_FROM_ZERO,), halves=False
    ),
    Program(
        "layer_norm_fast_variance", ("LayerNorm",), plain("LayerNorm", -1, True, True, use_fast_variance=True), (X,)
    ),
    Program(
        "layer_norm_conditional",
        ("LayerNorm",),
        lambda lib, x, scale, offset: tilted(lib.LayerNorm(-1, False, False)(x, scale=scale, offset=offset), x),
        (X, *SCALE_AND_OFFSET),
        batched=False,
    ),
    Program("instance_norm", ("InstanceNorm",), plain("InstanceNorm", True, True), (IMAGES,)),
    Program(
        "instance_norm_nchw",
        ("InstanceNorm",),
        plain("InstanceNorm", True, True, 1e-3, ones_and_some, ones_and_some, "NCHW", "norm"),
        (IMAGES,),
    ),
    Program("rms_norm", ("RMSNorm",), plain("RMSNorm", -1), (X,)),
    Program(
        "rms_norm_param_axis",
        ("RMSNorm",),
        plain("RMSNorm", slice(1, None), 0.1, ones_and_some, "norm", param_axis=[1, 2]),
        (X,),
    ),
    Program("rms_norm_bare", ("RMSNorm",), plain("RMSNorm", (1, 2), create_scale=False), (X,)),
    Program("group_norm", ("GroupNorm",), plain("GroupNorm", 2), (IMAGES,)),
    Program(
        "group_norm_nchw",
        ("GroupNorm",),
        plain("GroupNorm", 2, scale_init=ones_and_some, offset_init=ones_and_some, data_format="NCHW", name="norm"),
        (IMAGES,),
    ),
    Program("group_norm_spatial_axes", ("GroupNorm",), plain("GroupNorm", 3, [1, 2], True, False, 1e-3), (IMAGES,)),
    Program("group_norm_channels_axis", ("GroupNorm",), plain("GroupNorm", 3, -1), (X,), halves=False),
    Program(
        "group_norm_channels_first_axis",
        ("GroupNorm",),
        plain("GroupNorm", 2, 1, data_format="NCW"),
        (X,),
        halves=False,
    ),
    Program("group_norm_without_space", ("GroupNorm",), plain("GroupNorm", 2), (values(3, 8),)),
    Program(
        "group_norm_conditional",
        ("GroupNorm",),
        plain("GroupNorm", 2, create_scale=False, create_offset=False),
        (X, *SCALE_AND_OFFSET),
        batched=False,
    ),
]
