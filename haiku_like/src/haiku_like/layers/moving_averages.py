"""Exponential moving averages, of one value and of all parameters."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from haiku_like import _checks
from haiku_like._core.module import Module
from haiku_like._core.variables import get_state, set_state
from haiku_like._traced_once import traced_once, written_out_eagerly
from haiku_like.layers._normalize import at_least_float32
from haiku_like.layers._parameter_trees import compiled_regex, map_parameters

if TYPE_CHECKING:
    from jaxtyping import Array, ArrayLike, Shaped

    from haiku_like.typing import Params


class ExponentialMovingAverage(Module):
    """The average of the values it is called with, in which a value counts less the older it is.

    `hidden_t = decay hidden_{t-1} + (1 - decay) value_t`, from `hidden_0 = 0`. With `zero_debias` the average is
    `hidden_t / (1 - decay^t)`, which takes out the weight of the zero that it started from (Kingma and Ba, Adam,
    https://arxiv.org/abs/1412.6980, section 3); else it is `hidden_t`.

    State: `counter`, the number of values so far less `warmup_length`, of int32; `hidden`; and `average`.

    Args:
      decay: How much of the old average stays, in `[0, 1)`; it may be traced.
      zero_debias: Whether to correct for the start from zero.
      warmup_length: For this many values the average is the last value itself. Only with `zero_debias=False`.
      name: The module's name.

    Raises:
      TypeError: `warmup_length` is no integer.
      ValueError: `decay` is not in `[0, 1)`; or `warmup_length` is negative, or not 0 with `zero_debias`.

    Example:
      >>> import haiku_like as hk, jax.numpy as jnp
      >>> mean = hk.transform_with_state(lambda x: hk.ExponentialMovingAverage(0.5)(x))
      >>> params, state = mean.init(None, jnp.float32(0))
      >>> for x in [1.0, 4.0]:
      ...     average, state = mean.apply(params, state, None, jnp.float32(x))
      >>> float(average)  # (0.25 * 1 + 0.5 * 4) / 0.75
      3.0
    """

    def __init__(self, decay: "ArrayLike", zero_debias: bool = True, warmup_length: int = 0, name: str | None = None):
        super().__init__(name=name)
        check_decay("ExponentialMovingAverage", "decay", decay)
        _check_warmup("ExponentialMovingAverage", warmup_length, zero_debias)
        self.decay = decay
        self.warmup_length = warmup_length
        self.zero_debias = zero_debias

    def initialize(self, shape: Sequence[int], dtype: Any = jnp.float32) -> None:
        """Sets the average to zeros where it has no value yet, so that `average` can be read before any call.

        Args:
          shape: The shape of the values.
          dtype: Their dtype.

        Example:
          >>> import haiku_like as hk
          >>> def read():
          ...     mean = hk.ExponentialMovingAverage(0.5)
          ...     mean.initialize([2])
          ...     return mean.average
          >>> reader = hk.transform_with_state(read)
          >>> reader.apply(*reader.init(None), None)[0]
          Array([0., 0.], dtype=float32)
        """
        get_state("hidden", shape, dtype, init=jnp.zeros)
        get_state("average", shape, dtype, init=jnp.zeros)

    def __call__(self, value: "ArrayLike", update_stats: bool = True) -> "Shaped[Array, '*shape']":
        """Returns the average with `value` in it.

        Args:
          value: An array or a number; integers are averaged in float32.
          update_stats: Whether to keep it. If false, the next call goes on from the state before this one.

        Raises:
          TypeError: `value` is no array of numbers, or `update_stats` is traced.
          ValueError: the shape of `value` is not that of the average so far.
        """
        update_stats = _checks.flag("ExponentialMovingAverage", "update_stats", update_stats)
        value = self._as_array(value)
        first = -self.warmup_length
        counter = get_state("counter", (), jnp.int32, init=lambda shape, dtype: jnp.full(shape, first, dtype)) + 1
        hidden = get_state("hidden", value.shape, value.dtype, init=jnp.zeros)
        if hidden.shape != value.shape:
            raise ValueError(
                f"ExponentialMovingAverage: value of module {self.module_name!r} has shape {value.shape}, expected "
                f"{hidden.shape}, the shape of the average so far. Build another module for another value."
            )
        with written_out_eagerly():
            hidden, average = _moved(hidden, value, counter, self.decay, self.warmup_length > 0, self.zero_debias)
        if update_stats:
            set_state("counter", counter)
            set_state("hidden", hidden)
            set_state("average", average)
        return average

    @property
    def average(self) -> "Shaped[Array, '*shape']":
        """The average after the last call that updated it."""

        def missing(*_: Any) -> NoReturn:
            raise ValueError(
                f"ExponentialMovingAverage: average of module {self.module_name!r} has no value yet, expected a call "
                f"that updates it, or initialize(shape), before it is read. Pass apply the state that init returned, "
                f"and let init make such a call: that of a BatchNorm, for example, with is_training=True."
            )

        return get_state("average", init=missing)

    def _as_array(self, value: Any) -> jax.Array:
        dtype = type(value) if isinstance(value, (bool, int, float, complex)) else getattr(value, "dtype", None)
        is_number = dtype is not None and (jnp.issubdtype(dtype, jnp.number) or jnp.issubdtype(dtype, jnp.bool_))
        if not is_number:
            raise TypeError(
                f"ExponentialMovingAverage: value of module {self.module_name!r} is of type "
                f"{dtype or type(value).__name__}, expected an array of numbers. Average each array of a tree in a "
                f"module of its own, or parameters with hk.EMAParamsTree."
            )
        array = jnp.asarray(value)
        return array if jnp.issubdtype(array.dtype, jnp.inexact) else array.astype(jnp.float32)


@traced_once("warms_up", "zero_debias")
def _moved(
    hidden: jax.Array, value: jax.Array, counter: jax.Array, decay: Any, warms_up: bool, zero_debias: bool
) -> tuple[jax.Array, jax.Array]:
    """Returns the sum of what was averaged, and the average, with `value` in them."""
    dtype = jnp.result_type(hidden, value)
    hidden, value = (at_least_float32(x.astype(dtype)) for x in (hidden, value))
    decay = jnp.asarray(decay, value.real.dtype)
    if warms_up:
        decay = jnp.where(counter <= 0, jnp.zeros_like(decay), decay)
    hidden = hidden * decay + value * (1 - decay)
    average = hidden / (1 - decay ** counter.astype(decay.dtype)) if zero_debias else hidden
    return hidden.astype(dtype), average.astype(dtype)


class EMAParamsTree(Module):
    """The exponential moving average of each parameter, in the shape of the parameters.

    Use it in a function of its own under `hk.transform_with_state`: its state is the averages. The state of parameter
    `linear/w` lies under `<name>/linear__w`, that of `mlp/~/linear_0/w` under `<name>/mlp___tilde___linear_0__w`.

    Args:
      decay: See `hk.ExponentialMovingAverage`.
      zero_debias: The same.
      warmup_length: The same.
      ignore_regex: Parameters whose path `module/name` begins with a match of this regular expression come back as
        they are and get no state. Empty for none.
      name: The module's name.

    Raises:
      TypeError: `warmup_length` is no integer.
      ValueError: `ignore_regex` is no regular expression, or as for `hk.ExponentialMovingAverage`.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> averages = hk.transform_with_state(lambda params: hk.EMAParamsTree(0.5, ignore_regex=".*/b")(params))
      >>> params = {"linear": {"w": jnp.ones([2]), "b": jnp.ones([2])}}
      >>> _, state = averages.init(None, params)
      >>> sorted(state)
      ['ema_params_tree/linear__w']
      >>> for _ in range(3):
      ...     smooth_params, state = averages.apply({}, state, None, params)
      >>> jax.tree.map(jnp.shape, smooth_params)
      {'linear': {'b': (2,), 'w': (2,)}}
    """

    def __init__(
        self,
        decay: "ArrayLike",
        zero_debias: bool = True,
        warmup_length: int = 0,
        ignore_regex: str = "",
        name: str | None = None,
    ):
        super().__init__(name=name)
        check_decay("EMAParamsTree", "decay", decay)
        _check_warmup("EMAParamsTree", warmup_length, zero_debias)
        self._decay = decay
        self._zero_debias = zero_debias
        self._warmup_length = warmup_length
        self._ignored = compiled_regex("EMAParamsTree", ignore_regex)

    def __call__(self, tree: "Params", update_stats: bool = True) -> "Params":
        """Returns the averages of the parameters, in dictionaries like `tree`.

        Args:
          tree: Parameters `{module path: {name: array}}`, as `init` of a transformed function returns them.
          update_stats: Whether to keep these values, see `hk.ExponentialMovingAverage`.

        Raises:
          TypeError: `tree` is of another form.
        """

        def average(name: str, value: jax.Array) -> jax.Array:
            module = ExponentialMovingAverage(self._decay, self._zero_debias, self._warmup_length, name)
            return module(value, update_stats)

        return map_parameters("EMAParamsTree", average, tree, self._ignored, tilde="_tilde_")


def check_decay(where: str, name: str, decay: Any) -> None:
    """Raises unless a decay is in `[0, 1)`; a traced one passes."""
    if isinstance(decay, Tracer):
        return
    try:
        fits = bool(np.all((np.asarray(decay) >= 0) & (np.asarray(decay) < 1)))
    except TypeError:
        fits = False
    if not fits:
        raise ValueError(
            f"{where}: {name} is {decay!r}, expected 0 <= {name} < 1: the share of the old average that stays, such as "
            f"0.99."
        )


def _check_warmup(where: str, warmup_length: int, zero_debias: bool) -> None:
    if _checks.size(where, "warmup_length", warmup_length) and zero_debias:
        raise ValueError(
            f"{where}: warmup_length is {warmup_length} with zero_debias=True, expected 0. An average that starts from "
            f"a value has no bias to zero: pass zero_debias=False."
        )
