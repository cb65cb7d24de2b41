"""The blocks of residual networks, of both versions."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from haiku_like import _checks
from haiku_like._core.module import Module
from haiku_like.layers.batch_norm import BatchNorm
from haiku_like.layers.conv import Conv2D

if TYPE_CHECKING:
    from jaxtyping import Array, Float


def _convolutions(channels: int, stride: int | Sequence[int], bottleneck: bool) -> list[Conv2D]:
    """Returns the convolutions of a block: two of size 3, or one of size 3 between two of size 1 for few channels."""
    if bottleneck:
        settings = [(channels // 4, 1, 1), (channels // 4, 3, stride), (channels, 1, 1)]
    else:
        settings = [(channels, 3, stride), (channels, 3, 1)]
    return [
        Conv2D(channels, kernel_shape, stride, padding="SAME", with_bias=False, name=f"conv_{i}")
        for i, (channels, kernel_shape, stride) in enumerate(settings)
    ]


def _projection(channels: int, stride: int | Sequence[int]) -> Conv2D:
    return Conv2D(channels, 1, stride, padding="SAME", with_bias=False, name="shortcut_conv")


def _sum(block: Module, residual: jax.Array, shortcut: jax.Array) -> jax.Array:
    if residual.shape != shortcut.shape:
        raise ValueError(
            f"{type(block).__name__}: inputs of module {block.module_name!r} has a shortcut of shape {shortcut.shape}, "
            f"expected {residual.shape}, the shape of what is added. Build the block with use_projection=True."
        )
    return residual + shortcut


class BlockV1(Module):
    """Adds convolutions of the inputs to the inputs, and rectifies: `relu(x + f(x))`.

    From He et al. (2015), "Deep residual learning for image recognition", https://arxiv.org/abs/1512.03385, figures 2
    and 5. Each convolution is normalized. A bottleneck strides at its middle convolution, and starts as the identity:
    the last `scale` is 0 (Goyal et al., 2017, https://arxiv.org/abs/1706.02677, section 5.1).

    Args:
      channels: The number of output channels.
      stride: The stride of the block.
      use_projection: Whether a convolution of size 1 fits the shortcut to the output.
      bn_config: Arguments of each `hk.BatchNorm`.
      bottleneck: Whether to convolve a quarter of the channels, between two convolutions of size 1.
      name: The module's name.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> config = {"create_scale": True, "create_offset": True, "decay_rate": 0.9}
      >>> def forward(x):
      ...     return hk.nets.ResNet.BlockV1(8, 2, True, config, bottleneck=False)(x, True, False)
      >>> out, _ = hk.transform_with_state(forward).init(jax.random.key(0), jnp.ones([1, 4, 4, 3]))
      >>> list(out)[:2]
      ['block_v1/~/shortcut_conv', 'block_v1/~/shortcut_batchnorm']
    """

    def __init__(
        self,
        channels: int,
        stride: int | Sequence[int],
        use_projection: bool,
        bn_config: Mapping[str, Any],
        bottleneck: bool,
        name: str | None = None,
    ):
        super().__init__(name=name)
        self.use_projection = use_projection
        if use_projection:
            self.proj_conv = _projection(channels, stride)
            self.proj_batchnorm = BatchNorm(name="shortcut_batchnorm", **bn_config)
        convolutions = _convolutions(channels, stride, bottleneck)
        configs = [dict(bn_config) for _ in convolutions]
        if bottleneck and bn_config.get("create_scale"):
            configs[-1].setdefault("scale_init", jnp.zeros)
        self.layers = tuple(
            (convolution, BatchNorm(name=f"batchnorm_{i}", **config))
            for i, (convolution, config) in enumerate(zip(convolutions, configs, strict=True))
        )

    def __call__(
        self, inputs: "Float[Array, 'N H W C']", is_training: bool, test_local_stats: bool
    ) -> "Float[Array, 'N h w channels']":
        """Returns the block's output; the flags are those of `hk.BatchNorm`.

        Raises:
          ValueError: the shortcut does not fit and `use_projection` is false.
        """
        out = shortcut = inputs
        if self.use_projection:
            shortcut = self.proj_batchnorm(self.proj_conv(shortcut), is_training, test_local_stats)
        for i, (convolution, batch_norm) in enumerate(self.layers):
            out = batch_norm(convolution(out), is_training, test_local_stats)
            if i < len(self.layers) - 1:
                out = jax.nn.relu(out)
        return jax.nn.relu(_sum(self, out, shortcut))


class BlockV2(Module):
    """Adds convolutions of the normalized inputs to the inputs: `x + f(relu(norm(x)))`.

    From He et al. (2016), "Identity mappings in deep residual networks", https://arxiv.org/abs/1603.05027, figure 1:
    each convolution comes after a normalization and a rectification. A projection of the shortcut takes the inputs
    after the first of them; a bottleneck strides at its middle convolution.

    Args:
      channels: The number of output channels.
      stride: The stride of the block.
      use_projection: Whether a convolution of size 1 fits the shortcut to the output.
      bn_config: Arguments of each `hk.BatchNorm`.
      bottleneck: Whether to convolve a quarter of the channels, between two convolutions of size 1.
      name: The module's name.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> config = {"create_scale": True, "create_offset": True, "decay_rate": 0.9}
      >>> def forward(x):
      ...     return hk.nets.ResNet.BlockV2(8, 2, True, config, bottleneck=False)(x, True, False)
      >>> out, _ = hk.transform_with_state(forward).init(jax.random.key(0), jnp.ones([1, 4, 4, 3]))
      >>> list(out)[:2]
      ['block_v2/~/batchnorm_0', 'block_v2/~/shortcut_conv']
    """

    def __init__(
        self,
        channels: int,
        stride: int | Sequence[int],
        use_projection: bool,
        bn_config: Mapping[str, Any],
        bottleneck: bool,
        name: str | None = None,
    ):
        super().__init__(name=name)
        self.use_projection = use_projection
        if use_projection:
            self.proj_conv = _projection(channels, stride)
        self.layers = tuple(
            (convolution, BatchNorm(name=f"batchnorm_{i}", **bn_config))
            for i, convolution in enumerate(_convolutions(channels, stride, bottleneck))
        )

    def __call__(
        self, inputs: "Float[Array, 'N H W C']", is_training: bool, test_local_stats: bool
    ) -> "Float[Array, 'N h w channels']":
        """Returns the block's output; the flags are those of `hk.BatchNorm`.

        Raises:
          ValueError: the shortcut does not fit and `use_projection` is false.
        """
        out = shortcut = inputs
        for i, (convolution, batch_norm) in enumerate(self.layers):
            out = jax.nn.relu(batch_norm(out, is_training, test_local_stats))
            if i == 0 and self.use_projection:
                shortcut = self.proj_conv(out)
            out = convolution(out)
        return _sum(self, out, shortcut)


class BlockGroup(Module):
    """Blocks one after the other, of which the first strides and may project.

    Args:
      channels: The number of output channels.
      num_blocks: The number of blocks.
      stride: The stride of the first block.
      bn_config: Arguments of each `hk.BatchNorm`.
      resnet_v2: Whether the blocks are `BlockV2` instead of `BlockV1`.
      bottleneck: As for the blocks.
      use_projection: Whether the first block projects its shortcut.
      name: The module's name.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> config = {"create_scale": True, "create_offset": True, "decay_rate": 0.9}
      >>> def forward(x):
      ...     group = hk.nets.ResNet.BlockGroup(8, 2, 2, config, resnet_v2=True, bottleneck=True, use_projection=True)
      ...     return group(x, True, False)
      >>> forward = hk.transform_with_state(forward)
      >>> params, state = forward.init(jax.random.key(0), jnp.ones([1, 4, 4, 3]))
      >>> forward.apply(params, state, None, jnp.ones([1, 4, 4, 3]))[0].shape
      (1, 2, 2, 8)
    """

    def __init__(
        self,
        channels: int,
        num_blocks: int,
        stride: int | Sequence[int],
        bn_config: Mapping[str, Any],
        resnet_v2: bool,
        bottleneck: bool,
        use_projection: bool,
        name: str | None = None,
    ):
        super().__init__(name=name)
        block = BlockV2 if resnet_v2 else BlockV1
        self.blocks = [
            block(
                channels,
                stride if i == 0 else 1,
                use_projection and i == 0,
                bn_config,
                bottleneck,
                name=f"block_{i}",
            )
            for i in range(_checks.size("BlockGroup", "num_blocks", num_blocks))
        ]

    def __call__(
        self, inputs: "Float[Array, 'N H W C']", is_training: bool, test_local_stats: bool
    ) -> "Float[Array, 'N h w channels']":
        """Returns the last block's output; the flags are those of `hk.BatchNorm`."""
        out = inputs
        for block in self.blocks:
            out = block(out, is_training, test_local_stats)
        return out
