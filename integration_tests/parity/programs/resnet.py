"""Networks of convolutions: residual networks and MobileNets, small ones.

The last layer of a residual network begins as zero, so it is given other weights: the outputs would all be 0.
"""

import jax.numpy as jnp

from integration_tests.parity.programs import Program, values
from integration_tests.parity.programs.conv import numbers

IMAGES = values(4, 8, 8, 3)
SMALL = {
    "channels_per_group": (8, 8, 8, 8),
    "use_projection": (False, True, False, False),
    "initial_conv_config": {"output_channels": 8, "stride": 1},
    "strides": (1, 2, 1, 1),
}


def weights(shape, dtype):
    """Makes weights that keep activations of moderate size, without the compilation of a random draw."""
    return numbers(shape, dtype) / jnp.sqrt(jnp.asarray(shape[0], dtype))


def res_net(lib, x, **config):
    """A residual network with few channels and blocks: compiling takes all the time."""
    net = lib.nets.ResNet((1, 1, 0, 0), num_classes=5, logits_config={"w_init": weights}, **SMALL, **config)
    return net(x, True)


def res_net_in_evaluation(lib, x):
    """A network without bottleneck by the averages of a training step, and by the statistics of the batch."""
    config = {**SMALL, "bottleneck": False, "resnet_v2": True, "use_projection": (True, False, False, False)}
    net = lib.nets.ResNet((1, 0, 0, 0), num_classes=5, logits_config={"w_init": weights}, **config)
    return net(x, True), net(x, False), net(x, is_training=False, test_local_stats=True)


def blocks(lib, x):
    """A block of each version that does not project, the second version's with few normalizations' parameters."""
    config = {"create_scale": True, "create_offset": False, "decay_rate": 0.5, "eps": 1e-3}
    first = lib.nets.ResNet.BlockV1(3, 1, False, config, False)(x, True, False)
    return lib.nets.ResNet.BlockV2(3, 1, False, config, False, "second")(first, True, False)


def mobile_net(lib, x, **config):
    """A MobileNet of two blocks."""
    return lib.nets.MobileNetV1(strides=(1, 2), channels=(32, 32), num_classes=5, **config)(x, True)


def program(name, covers, run, x=IMAGES, tolerance=1e-6, differentiable=False):
    """A program in float32, whose gradient would take long to compile."""
    return Program(name, covers, run, (x,), False, differentiable, batched=False, tolerance=tolerance)


PROGRAMS = [
    # Normalized over few values, one after the other: rounding errors grow.
    program("resnet_v2_without_bottleneck", ("nets.ResNet",), res_net_in_evaluation, tolerance=1e-5),
    program("resnet_v1", ("nets.ResNet",), lambda lib, x: res_net(lib, x), tolerance=1e-5),
    program("resnet_v2", ("nets.ResNet",), lambda lib, x: res_net(lib, x, resnet_v2=True), tolerance=1e-5),
    program(
        "resnet_blocks",
        ("nets.ResNet.BlockV1", "nets.ResNet.BlockV2"),
        blocks,
        IMAGES[:, :4, :4],
        differentiable=True,
    ),
    program("mobilenet", ("nets.MobileNetV1",), mobile_net, tolerance=1e-5),
    program(
        "mobilenet_without_batch_norm",
        ("nets.MobileNetV1",),
        lambda lib, x: mobile_net(lib, x, use_bn=False),
    ),
]
