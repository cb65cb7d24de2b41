"""Convolutions: plain, transposed, and one channel at a time."""

import jax.numpy as jnp
import numpy as np

from integration_tests.parity.programs import Program, values

LINE, IMAGE, VOLUME = values(2, 9, 4), values(2, 9, 8, 4), values(2, 4, 5, 6, 2)
MASK = (values(3, 3, 4, 6, seed=1) > 0).astype(np.float32)


def program(name, module, *args, x=IMAGE, every=False, call=None, **kwargs):
    """A program that builds one module and calls it once.

    `every` is for those that run in every dtype and transform and draw their weights by default; the others show an
    option, with weights that cost no compilation.
    """

    def run(lib, x):
        options = {} if every else {"w_init": numbers, "b_init": numbers}
        options |= {key: value(lib) if callable(value) else value for key, value in kwargs.items()}
        return getattr(lib, module)(*args, **options)(x, **(call or {}))

    return Program(name, (module,), run, (x,), halves=every, differentiable=every, batched=every)


def numbers(shape, dtype):
    """Makes parameters that are not all alike, so that their axes show."""
    return jnp.asarray(values(*shape), dtype)


def channels_by_format(lib, x):
    """The axis of the channels of each kind of format."""
    formats = ("channels_first", "channels_last", "NCHW", "NHWC", "NWC", "NC", "N...C", "BTD", "TBHWD")
    return x * jnp.asarray([lib.get_channel_index(data_format) for data_format in formats], x.dtype)


def paddings(lib, x):
    """The numbers of each pad function, and of what makes numbers for all axes."""
    kinds = [lib.pad.valid, lib.pad.same, lib.pad.full, lib.pad.causal, lib.pad.reverse_causal]
    pairs = [kind(size) for kind in kinds for size in range(1, 6)]
    pairs += lib.pad.create([lib.pad.same, lib.pad.causal], (3, 4), (1, 2), 2)
    pairs += lib.pad.create_from_padfn(lib.pad.full, 3, 2, 2)
    pairs += lib.pad.create_from_tuple((1, 2), 3) + lib.pad.create_from_tuple([(0, 1), (2, 3)], 2)
    pairs += [(lib.pad.is_padfn(lib.pad.same), lib.pad.is_padfn((1, 1)))]
    return x * jnp.asarray(pairs, x.dtype)


PROGRAMS = [
    program("conv1d", "Conv1D", 6, 3, x=LINE),
    program("conv1d_causal", "Conv1D", 6, 3, x=LINE, rate=2, padding=lambda lib: lib.pad.causal),
    program("conv1d_without_batch_channels_first", "Conv1D", 6, 3, x=LINE[0], data_format="NCW"),
    program("conv2d", "Conv2D", 6, 3, x=IMAGE[0], stride=2, every=True),
    program("conv2d_without_bias", "Conv2D", 6, (3, 2), with_bias=False),
    program("conv2d_stride_and_rate", "Conv2D", 6, (3, 2), stride=(2, 3), rate=(1, 2)),
    program("conv2d_channels_first", "Conv2D", 6, (3, 2), stride=2, data_format="NCHW"),
    program("conv2d_same_lower", "Conv2D", 6, 2, padding="SAME_LOWER"),
    program("conv2d_valid", "Conv2D", 6, (3, 2), padding="VALID"),
    program("conv2d_pad_pair", "Conv2D", 6, 3, padding=(1, 2)),
    program("conv2d_pad_pairs", "Conv2D", 6, 3, padding=[(1, 2), (3, -1)]),
    program("conv2d_pad_functions", "Conv2D", 6, 3, padding=lambda lib: [lib.pad.same, lib.pad.reverse_causal]),
    program("conv2d_groups", "Conv2D", 6, 3, feature_group_count=2),
    program("conv2d_mask", "Conv2D", 6, 3, mask=MASK, call={"precision": "highest"}),
    program("conv3d", "Conv3D", 3, (3, 2, 1), x=VOLUME, stride=(1, 2, 1)),
    program("conv3d_channels_first", "Conv3D", 3, 2, x=VOLUME, data_format="NCDHW"),
    program("conv_nd", "ConvND", 2, 6, 3, data_format="channels_first"),
    program("conv_nd_four_axes", "ConvND", 4, 3, 2, x=values(1, 3, 3, 3, 3, 2)),
    program("conv1d_transpose", "Conv1DTranspose", 6, 3, x=LINE, stride=2, every=True),
    program("conv1d_transpose_sparse", "Conv1DTranspose", 6, 2, x=LINE, stride=5),
    program("conv1d_transpose_sparse_valid", "Conv1DTranspose", 6, 2, x=LINE, stride=5, padding="VALID"),
    program("conv2d_transpose", "Conv2DTranspose", 6, 3),
    program("conv2d_transpose_without_batch", "Conv2DTranspose", 6, 4, x=IMAGE[0], stride=2),
    program("conv2d_transpose_valid", "Conv2DTranspose", 6, (4, 3), stride=(2, 1), padding="VALID"),
    program("conv2d_transpose_pads", "Conv2DTranspose", 6, 3, stride=2, padding=[(1, 2), (3, 4)]),
    program("conv2d_transpose_output_shape", "Conv2DTranspose", 6, 3, stride=2, output_shape=(17, 16)),
    program("conv2d_transpose_output_shape_sparse", "Conv2DTranspose", 6, 3, stride=5, output_shape=(41, 38)),
    program(
        "conv2d_transpose_output_shape_valid", "Conv2DTranspose", 6, (3, 2), stride=3, output_shape=[27, 25],
        padding="VALID",
    ),
    program("conv2d_transpose_channels_first", "Conv2DTranspose", 6, 3, stride=2, data_format="NCHW"),
    program(
        "conv2d_transpose_mask", "Conv2DTranspose", 6, 3, stride=2, with_bias=False, mask=MASK.swapaxes(2, 3),
        call={"precision": "highest"},
    ),
    program("conv3d_transpose", "Conv3DTranspose", 3, 3, x=VOLUME, stride=(2, 1, 3)),
    program("conv_nd_transpose", "ConvNDTranspose", 2, 6, 3, stride=2, data_format="channels_first"),
    program("depthwise_conv1d", "DepthwiseConv1D", 2, 3, x=LINE, stride=2, every=True),
    program("depthwise_conv2d", "DepthwiseConv2D", 2, (3, 2)),
    program("depthwise_conv2d_stride_and_rate", "DepthwiseConv2D", 1, 3, stride=(2, 1), rate=(2, 1), padding="VALID"),
    program("depthwise_conv2d_pads", "DepthwiseConv2D", 3, 3, padding=((1, 2), (0, 3)), with_bias=False),
    program("depthwise_conv2d_channels_first", "DepthwiseConv2D", 2, 3, data_format="NCHW"),
    program("depthwise_conv3d", "DepthwiseConv3D", 2, 3, x=VOLUME, rate=2),
    program("separable_depthwise_conv2d", "SeparableDepthwiseConv2D", 2, (3, 5), stride=(2, 3), every=True),
    program("separable_depthwise_conv2d_valid", "SeparableDepthwiseConv2D", 2, 2, padding="VALID", with_bias=False),
    program("separable_depthwise_conv2d_channels_first", "SeparableDepthwiseConv2D", 2, 3, data_format="NCHW"),
    Program("channel_index", ("get_channel_index",), channels_by_format, (values(2, 9),)),
    Program(
        "pad",
        (
            "pad.causal", "pad.create", "pad.create_from_padfn", "pad.create_from_tuple", "pad.full", "pad.is_padfn",
            "pad.reverse_causal", "pad.same", "pad.valid",
        ),
        paddings,
        (values(1, 2),),
    ),
]  # fmt: skip
