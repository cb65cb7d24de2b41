"""MobileNets."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp

from haiku_like import _checks
from haiku_like._core.module import Module
from haiku_like.layers.batch_norm import BatchNorm
from haiku_like.layers.conv import Conv2D
from haiku_like.layers.depthwise_conv import DepthwiseConv2D
from haiku_like.layers.linear import Linear

if TYPE_CHECKING:
    from jaxtyping import Array, Float


class MobileNetV1(Module):
    """A network of depthwise separable convolutions, small enough for a telephone.

    From Howard et al. (2017), "MobileNets", https://arxiv.org/abs/1704.04861, table 1: a convolution with stride 2,
    blocks of a depthwise convolution of size 3 and a convolution of size 1, the mean over space, and a linear layer.
    Each convolution is normalized by a `hk.BatchNorm` with `decay_rate=0.999`, and rectified.

    Args:
      strides: The stride of each block.
      channels: The number of output channels of each block.
      num_classes: The size of the output.
      use_bn: Whether to normalize; without it the convolutions have biases.
      name: The module's name.

    Raises:
      TypeError: `strides` or `channels` is no sequence, or `num_classes` no integer.
      ValueError: `strides` and `channels` are not of the same length.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> def forward(x):
      ...     return hk.nets.MobileNetV1(strides=(1, 2), channels=(8, 16), num_classes=5)(x, is_training=True)
      >>> forward = hk.transform_with_state(forward)
      >>> params, state = jax.eval_shape(forward.init, jax.random.key(0), jnp.ones([2, 32, 32, 3]))
      >>> params["mobile_net_v1/mobile_net_v1_block_1/pointwise_conv"]["w"].shape
      (1, 1, 8, 16)
    """

    def __init__(
        self,
        strides: Sequence[int] = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1),
        channels: Sequence[int] = (64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024),
        num_classes: int = 1000,
        use_bn: bool = True,
        name: str | None = None,
    ):
        super().__init__(name=name)
        self.strides = _checks.sequence("MobileNetV1", "strides", strides, "(1, 2, 1)")
        self.channels = _checks.sequence("MobileNetV1", "channels", channels, "(64, 128, 128)")
        if len(self.strides) != len(self.channels):
            raise ValueError(
                f"MobileNetV1: strides has length {len(self.strides)}, expected {len(self.channels)}, the length of "
                f"channels: one of each for each block."
            )
        self.num_classes = _checks.size("MobileNetV1", "num_classes", num_classes)
        self.use_bn = use_bn
        self.with_bias = not use_bn

    def __call__(self, inputs: "Float[Array, 'N H W C']", is_training: bool) -> "Float[Array, 'N num_classes']":
        """Returns the logits, of shape `[N, num_classes]`.

        Args:
          inputs: Images `[N, H, W, C]`, at least 3 pixels high and wide.
          is_training: Whether to normalize by the statistics of `inputs`, and to update their averages.

        Raises:
          TypeError: `inputs` is no array of numbers.
          ValueError: `inputs` has another number of axes, or the images are too small.
        """
        out = _checks.numbers("MobileNetV1", f"inputs of module {self.module_name!r}", inputs)
        if out.ndim != 4:
            raise ValueError(
                f"MobileNetV1: inputs of module {self.module_name!r} has shape {out.shape}, expected images "
                f"[N, H, W, C]. Add a batch axis to a single one with inputs[None]."
            )
        out = Conv2D(32, 3, stride=2, padding="VALID", with_bias=self.with_bias)(out)
        out = _rectified(out, is_training, self.use_bn)
        for stride, channels in zip(self.strides, self.channels, strict=True):
            out = MobileNetV1Block(channels, stride, self.use_bn)(out, is_training)
        return Linear(self.num_classes, name="logits")(jnp.mean(out, axis=(1, 2)))


class MobileNetV1Block(Module):
    """A depthwise convolution of size 3 and a convolution of size 1, each normalized and rectified."""

    def __init__(self, channels: int, stride: int, use_bn: bool, name: str | None = None):
        super().__init__(name=name)
        self.channels = channels
        self.stride = stride
        self.use_bn = use_bn

    def __call__(self, inputs: "Float[Array, 'N H W C']", is_training: bool) -> "Float[Array, 'N h w channels']":
        """Returns the block's output."""
        with_bias = not self.use_bn
        pads = ((1, 1), (1, 1))
        depthwise = DepthwiseConv2D(1, 3, self.stride, padding=pads, with_bias=with_bias, name="depthwise_conv")
        out = _rectified(depthwise(inputs), is_training, self.use_bn)
        pointwise = Conv2D(self.channels, 1, padding="VALID", with_bias=with_bias, name="pointwise_conv")
        return _rectified(pointwise(out), is_training, self.use_bn)


def _rectified(x: jax.Array, is_training: bool, use_bn: bool) -> jax.Array:
    if use_bn:
        x = BatchNorm(create_scale=True, create_offset=True, decay_rate=0.999)(x, is_training)
    return jax.nn.relu(x)
