"""Batch normalization."""

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp

from haiku_like import _checks
from haiku_like._core.module import Module
from haiku_like._traced_once import written_out_eagerly
from haiku_like.layers import _cross_replica
from haiku_like.layers._normalize import (
    array_of_floats,
    axes_of,
    axis_argument,
    check_init,
    check_not_empty,
    fast_variance,
    mean_and_fast_variance,
    moments,
    narrowed,
    normalize,
    result_dtype,
    scale_or_offset,
)
from haiku_like.layers.data_format import channel_index
from haiku_like.layers.moving_averages import ExponentialMovingAverage, check_decay

if TYPE_CHECKING:
    from jaxtyping import Array, ArrayLike, Float

    from haiku_like.typing import Initializer


class BatchNorm(Module):
    """Gives each channel mean 0 and variance 1 over the batch: `(x - mean) / sqrt(var + eps) * scale + offset`.

    In training, `mean` and `var = E[x^2] - mean^2` are those of the inputs, and their exponential moving averages are
    kept as state; in evaluation these averages are used. They are worked out in float32 at least. From Ioffe and
    Szegedy (2015), "Batch normalization", https://arxiv.org/abs/1502.03167, algorithms 1 and 2.

    Parameters: `scale` and `offset`, if created; state: `~/mean_ema` and `~/var_ema`, see
    `hk.ExponentialMovingAverage`. All have the shape of the inputs with 1 for each axis that is averaged over; only
    where `axis` counts one from the end do `scale` and `offset` keep its size.

    Args:
      create_scale: Whether there is a parameter `scale`.
      create_offset: Whether there is a parameter `offset`.
      decay_rate: How much of the old averages stays at each step, in `[0, 1)`.
      eps: Added to the variance.
      scale_init: Makes `scale`; ones by default.
      offset_init: Makes `offset`; zeros by default.
      axis: The axes to average over; by default all but the channels'.
      cross_replica_axis: The name of an axis of `jax.pmap`, `jax.vmap` or `jax.shard_map`, over whose replicas the
        mean and variance are taken too; several names in a tuple.
      cross_replica_axis_index_groups: Groups of replicas that share their statistics, such as `[[0, 1], [2, 3]]`; by
        default all share them.
      data_format: Where the channels are: `channels_last` or `channels_first`, or the letters of the axes, such as
        `NHWC` or `NCHW`.
      name: The module's name.

    Raises:
      TypeError: `axis` is of another type.
      ValueError: `decay_rate` is not in `[0, 1)`; `data_format` is unknown; an initializer is given for a parameter
        that is not created; or groups are given without `cross_replica_axis`.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> def forward(x, is_training):
      ...     return hk.BatchNorm(create_scale=True, create_offset=True, decay_rate=0.9)(x, is_training)
      >>> forward = hk.transform_with_state(forward)
      >>> x = jnp.arange(12.0).reshape(4, 3)
      >>> params, state = forward.init(None, x, is_training=True)
      >>> out, state = forward.apply(params, state, None, x, is_training=True)
      >>> bool(jnp.allclose(out.mean(0), 0, atol=1e-6) & jnp.allclose(out.std(0), 1, atol=1e-3))
      True

      One batch in parts, with the statistics of the whole:

      >>> def forward(x):
      ...     return hk.BatchNorm(True, True, 0.9, cross_replica_axis="parts")(x, is_training=True)
      >>> forward = hk.transform_with_state(forward)
      >>> parts = x.reshape(2, 2, 3)
      >>> params, state = jax.vmap(forward.init, (None, 0), None, axis_name="parts")(None, parts)
      >>> apply = jax.vmap(forward.apply, (None, None, None, 0), (0, None), axis_name="parts")
      >>> parts, state = apply(params, state, None, parts)
      >>> bool(jnp.allclose(parts.reshape(4, 3), out, atol=1e-6))
      True
    """

    def __init__(
        self,
        create_scale: bool,
        create_offset: bool,
        decay_rate: "ArrayLike",
        eps: "ArrayLike" = 1e-5,
        scale_init: "Initializer | None" = None,
        offset_init: "Initializer | None" = None,
        axis: int | slice | Sequence[int] | None = None,
        cross_replica_axis: Hashable | None = None,
        cross_replica_axis_index_groups: Sequence[Sequence[int]] | None = None,
        data_format: str = "channels_last",
        name: str | None = None,
    ):
        super().__init__(name=name)
        check_init("BatchNorm", "scale", create_scale, scale_init)
        check_init("BatchNorm", "offset", create_offset, offset_init)
        check_decay("BatchNorm", "decay_rate", decay_rate)
        if cross_replica_axis_index_groups is not None and cross_replica_axis is None:
            raise ValueError(
                f"BatchNorm: cross_replica_axis_index_groups is {cross_replica_axis_index_groups} with "
                f"cross_replica_axis=None, expected the name of the axis that the groups divide."
            )
        self.create_scale = create_scale
        self.create_offset = create_offset
        self.eps = eps
        self.scale_init = scale_init or jnp.ones
        self.offset_init = offset_init or jnp.zeros
        self.axis = None if axis is None else axis_argument("BatchNorm", "axis", axis)
        self.cross_replica_axis = cross_replica_axis
        self.cross_replica_axis_index_groups = cross_replica_axis_index_groups
        self.channel_index = channel_index("BatchNorm", data_format)
        self.mean_ema = ExponentialMovingAverage(decay_rate, name="mean_ema")
        self.var_ema = ExponentialMovingAverage(decay_rate, name="var_ema")

    def __call__(
        self,
        inputs: "Float[Array, '...']",
        is_training: bool,
        test_local_stats: bool = False,
        scale: "ArrayLike | None" = None,
        offset: "ArrayLike | None" = None,
    ) -> "Float[Array, '...']":
        """Returns the normalized inputs.

        Args:
          inputs: Such as `[N, H, W, C]`.
          is_training: Whether to normalize by the statistics of `inputs` and to update the averages.
          test_local_stats: Whether to normalize by the statistics of `inputs` when not training.
          scale: Takes the place of the parameter, if `create_scale` is false; of a shape that broadcasts to that of
            `inputs`.
          offset: Likewise.

        Raises:
          TypeError: `inputs` is no array of floats, or a flag is traced.
          ValueError: `inputs` has too few axes or nothing to average; `axis` does not fit it; a scale or offset is
            given that is a parameter or does not fit; `cross_replica_axis` is not the name of a mapped axis, or the
            groups do not divide it; or the averages have no value yet.
        """
        is_training = _checks.flag("BatchNorm", "is_training", is_training)
        test_local_stats = _checks.flag("BatchNorm", "test_local_stats", test_local_stats)
        inputs = array_of_floats("BatchNorm", self.module_name, "inputs", inputs, 2 if self.channel_index == 1 else 1)
        reduced = self._reduced_axes(inputs.ndim)
        uses_batch = is_training or test_local_stats
        if uses_batch:
            check_not_empty("BatchNorm", self.module_name, "inputs", inputs.shape, reduced)
            with written_out_eagerly():
                mean, var = self._statistics(inputs, reduced)
            if is_training:
                self.mean_ema(narrowed(mean, inputs.dtype))
                self.var_ema(narrowed(var, inputs.dtype))
        else:
            mean, var = self.mean_ema.average, self.var_ema.average
        # An axis given as -1 is averaged over, yet scale and offset keep its size: so it is in dm-haiku's checkpoints.
        shared = self.axis if isinstance(self.axis, tuple) else reduced
        shape = [1 if i in shared else size for i, size in enumerate(inputs.shape)]
        scale = scale_or_offset("BatchNorm", "scale", self.create_scale, scale, self.scale_init, shape, inputs)
        offset = scale_or_offset("BatchNorm", "offset", self.create_offset, offset, self.offset_init, shape, inputs)
        dtype = result_dtype(inputs, None if uses_batch else mean, scale, offset)
        with written_out_eagerly():  # What comes after it may have averages, too.
            return normalize(inputs, mean, var, self.eps, scale, offset, dtype)

    def _reduced_axes(self, ndim: int) -> tuple[int, ...]:
        if self.axis is not None:
            return axes_of("BatchNorm", "axis", self.axis, ndim)
        channel = self.channel_index % ndim
        return tuple(i for i in range(ndim) if i != channel)

    def _statistics(self, x: jax.Array, axes: tuple[int, ...]) -> tuple[jax.Array, jax.Array]:
        if self.cross_replica_axis is None:
            return mean_and_fast_variance(x, axes)
        name, groups = self.cross_replica_axis, self.cross_replica_axis_index_groups
        mean, mean_of_squares = (_cross_replica.mean("BatchNorm", m, name, groups) for m in moments(x, axes))
        return mean, fast_variance(mean, mean_of_squares)
