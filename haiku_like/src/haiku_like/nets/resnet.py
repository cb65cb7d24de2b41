"""Residual networks."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from haiku_like import _checks
from haiku_like._core.module import Module
from haiku_like.layers.batch_norm import BatchNorm
from haiku_like.layers.conv import Conv2D
from haiku_like.layers.linear import Linear
from haiku_like.layers.pool import max_pool
from haiku_like.nets import resnet_blocks

if TYPE_CHECKING:
    from jaxtyping import Array, Float

_GROUPS = 4


class ResNet(Module):
    """A residual network: a convolution and a pool, four groups of blocks, the mean over space, and a linear layer.

    From He et al. (2015), https://arxiv.org/abs/1512.03385, table 1, or with `resnet_v2` He et al. (2016),
    https://arxiv.org/abs/1603.05027. `hk.nets.ResNet50` and its kin have the sizes of the papers.

    Args:
      blocks_per_group: The number of blocks in each of the four groups.
      num_classes: The size of the output.
      bn_config: Arguments of each `hk.BatchNorm`; unless given, `decay_rate=0.9`, `eps=1e-5`, `create_scale=True` and
        `create_offset=True`.
      resnet_v2: Whether to build the second version, `BlockV2` instead of `BlockV1`.
      bottleneck: Whether the blocks convolve a quarter of the channels, between two convolutions of size 1.
      channels_per_group: The number of output channels of each group.
      use_projection: Whether the first block of each group projects its shortcut.
      logits_config: Arguments of the last `hk.Linear`; unless given, `w_init=jnp.zeros` and `name="logits"`.
      name: The module's name.
      initial_conv_config: Arguments of the first `hk.Conv2D`; unless given, `output_channels=64`, `kernel_shape=7`,
        `stride=2`, `with_bias=False`, `padding="SAME"` and `name="initial_conv"`.
      strides: The stride of each group.

    Raises:
      TypeError: one of the four sequences is none, or `num_classes` is no integer.
      ValueError: one of the four sequences is not of length 4.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> def forward(x):
      ...     net = hk.nets.ResNet([1, 1, 1, 1], 10, bottleneck=False, channels_per_group=(4, 8, 8, 8))
      ...     return net(x, is_training=True)
      >>> forward = hk.transform_with_state(forward)
      >>> params, state = jax.eval_shape(forward.init, jax.random.key(0), jnp.ones([2, 32, 32, 3]))
      >>> params["res_net/~/block_group_1/~/block_0/~/conv_1"]["w"].shape
      (3, 3, 8, 8)
    """

    CONFIGS: Mapping[int, dict[str, Any]] = {
        depth: {
            "blocks_per_group": blocks_per_group,
            "bottleneck": depth >= 50,
            "channels_per_group": (256, 512, 1024, 2048) if depth >= 50 else (64, 128, 256, 512),
            # Without a bottleneck the first group has as many channels as the pool before it.
            "use_projection": (depth >= 50, True, True, True),
        }
        for depth, blocks_per_group in {
            18: (2, 2, 2, 2),
            34: (3, 4, 6, 3),
            50: (3, 4, 6, 3),
            101: (3, 4, 23, 3),
            152: (3, 8, 36, 3),
            200: (3, 24, 36, 3),
        }.items()
    }

    BlockGroup = resnet_blocks.BlockGroup
    BlockV1 = resnet_blocks.BlockV1
    BlockV2 = resnet_blocks.BlockV2

    def __init__(
        self,
        blocks_per_group: Sequence[int],
        num_classes: int,
        bn_config: Mapping[str, Any] | None = None,
        resnet_v2: bool = False,
        bottleneck: bool = True,
        channels_per_group: Sequence[int] = (256, 512, 1024, 2048),
        use_projection: Sequence[bool] = (True, True, True, True),
        logits_config: Mapping[str, Any] | None = None,
        name: str | None = None,
        initial_conv_config: Mapping[str, Any] | None = None,
        strides: Sequence[int] = (1, 2, 2, 2),
    ):
        super().__init__(name=name)
        where = type(self).__name__
        num_classes = _checks.size(where, "num_classes", num_classes)
        groups = {
            "blocks_per_group": blocks_per_group,
            "channels_per_group": channels_per_group,
            "use_projection": use_projection,
            "strides": strides,
        }
        for argument, value in groups.items():
            groups[argument] = _checks.sequence(where, argument, value, "(3, 4, 6, 3)")
            if len(groups[argument]) != _GROUPS:
                raise ValueError(
                    f"{where}: {argument} is {value}, expected a sequence of {_GROUPS}, one for each group of blocks."
                )
        bn_config = {"decay_rate": 0.9, "eps": 1e-5, "create_scale": True, "create_offset": True, **(bn_config or {})}
        conv_config: dict[str, Any] = {"output_channels": 64, "kernel_shape": 7, "stride": 2, "with_bias": False}
        conv_config |= {"padding": "SAME", "name": "initial_conv", **(initial_conv_config or {})}
        linear_config: dict[str, Any] = {"w_init": jnp.zeros, "name": "logits", **(logits_config or {})}
        self.resnet_v2 = resnet_v2
        self.initial_conv = Conv2D(**conv_config)
        if not resnet_v2:
            self.initial_batchnorm = BatchNorm(name="initial_batchnorm", **bn_config)
        self.block_groups = [
            self.BlockGroup(channels, blocks, stride, bn_config, resnet_v2, bottleneck, project, f"block_group_{i}")
            for i, (blocks, channels, project, stride) in enumerate(zip(*groups.values(), strict=True))
        ]
        if resnet_v2:
            self.final_batchnorm = BatchNorm(name="final_batchnorm", **bn_config)
        self.logits = Linear(num_classes, **linear_config)

    def __call__(
        self, inputs: "Float[Array, 'N H W C']", is_training: bool, test_local_stats: bool = False
    ) -> "Float[Array, 'N num_classes']":
        """Returns the logits, of shape `[N, num_classes]`.

        Args:
          inputs: Images `[N, H, W, C]`.
          is_training: Whether to normalize by the statistics of `inputs`, and to update their averages.
          test_local_stats: Whether to normalize by the statistics of `inputs` when not training.

        Raises:
          TypeError: `inputs` is no array of numbers.
          ValueError: `inputs` has another number of axes, or the shortcut of a group does not fit.
        """
        out = _checks.numbers(type(self).__name__, f"inputs of module {self.module_name!r}", inputs)
        if out.ndim != 4:
            raise ValueError(
                f"{type(self).__name__}: inputs of module {self.module_name!r} has shape {out.shape}, expected images "
                f"[N, H, W, C]. Add a batch axis to a single one with inputs[None]."
            )
        out = self.initial_conv(out)
        if not self.resnet_v2:
            out = jax.nn.relu(self.initial_batchnorm(out, is_training, test_local_stats))
        out = max_pool(out, window_shape=(1, 3, 3, 1), strides=(1, 2, 2, 1), padding="SAME")
        for group in self.block_groups:
            out = group(out, is_training, test_local_stats)
        if self.resnet_v2:
            out = jax.nn.relu(self.final_batchnorm(out, is_training, test_local_stats))
        return self.logits(jnp.mean(out, axis=(1, 2)))


class ResNet18(ResNet):
    """The residual network of 18 layers, without bottlenecks, of table 1 of He et al. (2015), https://arxiv.org/abs/1512.03385.

    Args:
      num_classes: The size of the output.
      bn_config: As for `hk.nets.ResNet`.
      resnet_v2: Whether to build the second version.
      logits_config: As for `hk.nets.ResNet`.
      name: The module's name.
      initial_conv_config: As for `hk.nets.ResNet`.
      strides: The stride of each group of blocks.

    Raises:
      TypeError: `num_classes` is no integer.
      ValueError: `strides` is not of length 4.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> forward = hk.transform_with_state(lambda x: hk.nets.ResNet18(1000)(x, is_training=True))
      >>> params, state = jax.eval_shape(forward.init, jax.random.key(0), jnp.ones([1, 224, 224, 3]))
      >>> sum(p.size for p in jax.tree.leaves(params))
      11689512
    """

    def __init__(
        self,
        num_classes: int,
        bn_config: Mapping[str, Any] | None = None,
        resnet_v2: bool = False,
        logits_config: Mapping[str, Any] | None = None,
        name: str | None = None,
        initial_conv_config: Mapping[str, Any] | None = None,
        strides: Sequence[int] = (1, 2, 2, 2),
    ):
        super().__init__(
            num_classes=num_classes,
            bn_config=bn_config,
            resnet_v2=resnet_v2,
            logits_config=logits_config,
            name=name,
            initial_conv_config=initial_conv_config,
            strides=strides,
            **ResNet.CONFIGS[18],
        )


class ResNet34(ResNet):
    """The residual network of 34 layers, without bottlenecks, of table 1 of He et al. (2015), https://arxiv.org/abs/1512.03385.

    Args:
      num_classes: The size of the output.
      bn_config: As for `hk.nets.ResNet`.
      resnet_v2: Whether to build the second version.
      logits_config: As for `hk.nets.ResNet`.
      name: The module's name.
      initial_conv_config: As for `hk.nets.ResNet`.
      strides: The stride of each group of blocks.

    Raises:
      TypeError: `num_classes` is no integer.
      ValueError: `strides` is not of length 4.

    Example:
      >>> import haiku_like as hk
      >>> forward = hk.transform_with_state(lambda x: hk.nets.ResNet34(1000)(x, is_training=True))
    """

    def __init__(
        self,
        num_classes: int,
        bn_config: Mapping[str, Any] | None = None,
        resnet_v2: bool = False,
        logits_config: Mapping[str, Any] | None = None,
        name: str | None = None,
        initial_conv_config: Mapping[str, Any] | None = None,
        strides: Sequence[int] = (1, 2, 2, 2),
    ):
        super().__init__(
            num_classes=num_classes,
            bn_config=bn_config,
            resnet_v2=resnet_v2,
            logits_config=logits_config,
            name=name,
            initial_conv_config=initial_conv_config,
            strides=strides,
            **ResNet.CONFIGS[34],
        )


class ResNet50(ResNet):
    """The residual network of 50 layers, with bottlenecks, of table 1 of He et al. (2015), https://arxiv.org/abs/1512.03385.

    Args:
      num_classes: The size of the output.
      bn_config: As for `hk.nets.ResNet`.
      resnet_v2: Whether to build the second version.
      logits_config: As for `hk.nets.ResNet`.
      name: The module's name.
      initial_conv_config: As for `hk.nets.ResNet`.
      strides: The stride of each group of blocks.

    Raises:
      TypeError: `num_classes` is no integer.
      ValueError: `strides` is not of length 4.

    Example:
      >>> import haiku_like as hk
      >>> forward = hk.transform_with_state(lambda x: hk.nets.ResNet50(1000)(x, is_training=True))
    """

    def __init__(
        self,
        num_classes: int,
        bn_config: Mapping[str, Any] | None = None,
        resnet_v2: bool = False,
        logits_config: Mapping[str, Any] | None = None,
        name: str | None = None,
        initial_conv_config: Mapping[str, Any] | None = None,
        strides: Sequence[int] = (1, 2, 2, 2),
    ):
        super().__init__(
            num_classes=num_classes,
            bn_config=bn_config,
            resnet_v2=resnet_v2,
            logits_config=logits_config,
            name=name,
            initial_conv_config=initial_conv_config,
            strides=strides,
            **ResNet.CONFIGS[50],
        )


class ResNet101(ResNet):
    """The residual network of 101 layers, with bottlenecks, of table 1 of He et al. (2015), https://arxiv.org/abs/1512.03385.

    Args:
      num_classes: The size of the output.
      bn_config: As for `hk.nets.ResNet`.
      resnet_v2: Whether to build the second version.
      logits_config: As for `hk.nets.ResNet`.
      name: The module's name.
      initial_conv_config: As for `hk.nets.ResNet`.
      strides: The stride of each group of blocks.

    Raises:
      TypeError: `num_classes` is no integer.
      ValueError: `strides` is not of length 4.

    Example:
      >>> import haiku_like as hk
      >>> forward = hk.transform_with_state(lambda x: hk.nets.ResNet101(1000)(x, is_training=True))
    """

    def __init__(
        self,
        num_classes: int,
        bn_config: Mapping[str, Any] | None = None,
        resnet_v2: bool = False,
        logits_config: Mapping[str, Any] | None = None,
        name: str | None = None,
        initial_conv_config: Mapping[str, Any] | None = None,
        strides: Sequence[int] = (1, 2, 2, 2),
    ):
        super().__init__(
            num_classes=num_classes,
            bn_config=bn_config,
            resnet_v2=resnet_v2,
            logits_config=logits_config,
            name=name,
            initial_conv_config=initial_conv_config,
            strides=strides,
            **ResNet.CONFIGS[101],
        )


class ResNet152(ResNet):
    """The residual network of 152 layers, with bottlenecks, of table 1 of He et al. (2015), https://arxiv.org/abs/1512.03385.

    Args:
      num_classes: The size of the output.
      bn_config: As for `hk.nets.ResNet`.
      resnet_v2: Whether to build the second version.
      logits_config: As for `hk.nets.ResNet`.
      name: The module's name.
      initial_conv_config: As for `hk.nets.ResNet`.
      strides: The stride of each group of blocks.

    Raises:
      TypeError: `num_classes` is no integer.
      ValueError: `strides` is not of length 4.

    Example:
      >>> import haiku_like as hk
      >>> forward = hk.transform_with_state(lambda x: hk.nets.ResNet152(1000)(x, is_training=True))
    """

    def __init__(
        self,
        num_classes: int,
        bn_config: Mapping[str, Any] | None = None,
        resnet_v2: bool = False,
        logits_config: Mapping[str, Any] | None = None,
        name: str | None = None,
        initial_conv_config: Mapping[str, Any] | None = None,
        strides: Sequence[int] = (1, 2, 2, 2),
    ):
        super().__init__(
            num_classes=num_classes,
            bn_config=bn_config,
            resnet_v2=resnet_v2,
            logits_config=logits_config,
            name=name,
            initial_conv_config=initial_conv_config,
            strides=strides,
            **ResNet.CONFIGS[152],
        )


class ResNet200(ResNet):
    """The residual network of 200 layers, with bottlenecks, of He et al. (2016), https://arxiv.org/abs/1603.05027.

    Args:
      num_classes: The size of the output.
      bn_config: As for `hk.nets.ResNet`.
      resnet_v2: Whether to build the second version.
      logits_config: As for `hk.nets.ResNet`.
      name: The module's name.
      initial_conv_config: As for `hk.nets.ResNet`.
      strides: The stride of each group of blocks.

    Raises:
      TypeError: `num_classes` is no integer.
      ValueError: `strides` is not of length 4.

    Example:
      >>> import haiku_like as hk
      >>> forward = hk.transform_with_state(lambda x: hk.nets.ResNet200(1000)(x, is_training=True))
    """

    def __init__(
        self,
        num_classes: int,
        bn_config: Mapping[str, Any] | None = None,
        resnet_v2: bool = False,
        logits_config: Mapping[str, Any] | None = None,
        name: str | None = None,
        initial_conv_config: Mapping[str, Any] | None = None,
        strides: Sequence[int] = (1, 2, 2, 2),
    ):
        super().__init__(
            num_classes=num_classes,
            bn_config=bn_config,
            resnet_v2=resnet_v2,
            logits_config=logits_config,
            name=name,
            initial_conv_config=initial_conv_config,
            strides=strides,
            **ResNet.CONFIGS[200],
        )
