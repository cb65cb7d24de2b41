"""Many equal layers as one: traced once, run by a scan over their stacked parameters."""

import abc
import functools
from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp

from haiku_like import _checks
from haiku_like._core.frame import Frame, StatePair, current_frame
from haiku_like._core.lift import LiftedVariables, running_prefix, within
from haiku_like._core.module import Module
from haiku_like._core.rng import maybe_next_rng_key
from haiku_like._core.transform import run_apply, run_init
from haiku_like._core.variables import state_values, store_state


@runtime_checkable
class LayerStackTransparencyMapping(Protocol):
    """How the modules of a transparent stack are called outside it: a name for each layer.

    Example:
      >>> import haiku_like as hk
      >>> class Numbered:
      ...     def stacked_to_flat(self, stacked_module_name, scan_idx):
      ...         return f"block_{scan_idx}/{stacked_module_name}"
      ...     def flat_to_stacked(self, unstacked_module_name):
      ...         block, slash, name = unstacked_module_name.partition("/")
      ...         return (name, int(block[6:])) if slash and block.startswith("block_") else None
      >>> isinstance(Numbered(), hk.LayerStackTransparencyMapping)
      True
    """

    @abc.abstractmethod
    def stacked_to_flat(self, stacked_module_name: str, scan_idx: int) -> str:
        """Returns what a module of layer `scan_idx` is called outside the stack."""

    @abc.abstractmethod
    def flat_to_stacked(self, unstacked_module_name: str) -> tuple[str, int] | None:
        """Returns the module's name in the stack and the layer, or None for a module that is not of the stack."""


def layer_stack(
    num_layers: int,
    with_per_layer_inputs: bool = False,
    unroll: int | bool = 1,
    pass_reverse_to_layer_fn: bool = False,
    transparent: bool = False,
    transparency_map: LayerStackTransparencyMapping | None = None,
    name: str | None = None,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Applies one layer `num_layers` times, each time with parameters of its own: `x = f_n(... f_2(f_1(x)))`.

    The layer is traced once, however many there are, so that deep networks compile fast. Its parameters and state get
    a leading axis of `num_layers`.

    Args:
      num_layers: The number of layers.
      with_per_layer_inputs: Whether the layer takes inputs and returns outputs that differ between the layers:
        `f(x, *inputs) -> (x, output)`, called with inputs stacked along a leading axis. Otherwise
        `f(*args) -> args`, or `f(x) -> x`.
      unroll: How many layers to write out in each iteration of the loop.
      pass_reverse_to_layer_fn: Whether the layer gets the keyword `reverse` of the call.
      transparent: Whether the parameters are kept as if the layers had been written out, without a leading axis.
      transparency_map: What the modules of the layers are called then.
      name: The name of the stack.

    Returns:
      A decorator for the layer. The decorated function takes the keyword `reverse`: whether to go from the last layer
      to the first.

    Raises:
      TypeError: an argument is of a wrong type.
      ValueError: `num_layers` is negative, or `transparent` has no map.
      UsageError: (by the function) called outside `hk.transform`.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> def forward(x):
      ...     return hk.layer_stack(12)(lambda x: x + jax.nn.relu(hk.Linear(4)(x)))(x)
      >>> model = hk.transform(forward)
      >>> params = model.init(jax.random.key(0), jnp.ones(4))
      >>> jax.tree.map(jnp.shape, params)
      {'__layer_stack_no_per_layer/linear': {'b': (12, 4), 'w': (12, 4, 4)}}
      >>> model.apply(params, jnp.ones(4)).shape
      (4,)
    """
    num_layers = _checks.size("layer_stack", "num_layers", num_layers)
    if transparent and not isinstance(transparency_map, LayerStackTransparencyMapping):
        raise ValueError(
            f"layer_stack: transparency_map is {transparency_map!r} with transparent=True, expected an object with "
            f"stacked_to_flat(name, index) and flat_to_stacked(name)."
        )
    if name is None:
        name = "__layer_stack_with_per_layer" if with_per_layer_inputs else "__layer_stack_no_per_layer"

    def decorate(f: Callable[..., Any]) -> Callable[..., Any]:
        _checks.function("layer_stack", "f", f, "lambda x: hk.Linear(4)(x)")

        @functools.wraps(f)
        def stacked(*args: Any, reverse: bool = False) -> Any:
            current_frame("layer_stack")
            layer = functools.partial(f, reverse=reverse) if pass_reverse_to_layer_fn else f
            mapping = transparency_map if transparent else None
            around = running_prefix("layer_stack")
            stack = _LayerStack(layer, num_layers, with_per_layer_inputs, unroll, mapping, around, name=name)
            return stack(args, reverse)

        return stacked

    return decorate


class _LayerStack(Module):
    """The stack as a module, whose variables are those of the layers, stacked."""

    def __init__(
        self,
        layer: Callable[..., Any],
        num_layers: int,
        with_per_layer_inputs: bool,
        unroll: int | bool,
        mapping: LayerStackTransparencyMapping | None,
        around: str,
        name: str | None,
    ):
        super().__init__(name=name)
        self.layer = layer
        self.num_layers = num_layers
        self.with_per_layer_inputs = with_per_layer_inputs
        self.unroll = unroll
        if mapping is None:
            self.variables = LiftedVariables(self.module_name, "layer_stack", allow_reuse=False)
        else:
            self.variables = _FlatVariables(around, mapping, num_layers)

    def __call__(self, args: tuple[Any, ...], reverse: bool) -> Any:
        frame = current_frame("layer_stack")
        if not args:
            raise TypeError("layer_stack: the stack was called without arguments, expected the input of a layer.")
        carry, inputs = (args[0], args[1:]) if self.with_per_layer_inputs else (args, ())
        for i, shape in enumerate(jnp.shape(x) for x in jax.tree.leaves(inputs)):
            if shape[:1] != (self.num_layers,):
                raise ValueError(
                    f"layer_stack: per-layer input {i} has shape {shape}, expected a leading axis of "
                    f"{self.num_layers}, one entry for each layer."
                )
        init_key, key = maybe_next_rng_key(), maybe_next_rng_key()
        if frame.creates_variables:
            self._init(frame, init_key, carry, inputs)
        params, state = self.variables.params(frame), self.variables.state(frame)
        keys = None if key is None else jax.random.split(key, self.num_layers)

        def step(carry: Any, xs: Any) -> Any:
            params, state, key, inputs = xs
            out, inner = within(
                frame, self.variables.prefix, run_apply, self.layer, params, state, key, self._args(carry, inputs), {}
            )
            new_carry, output = self._split(out)
            if not _checks.alike(carry, new_carry):
                raise ValueError(
                    f"layer_stack: the layer returned {_checks.described(new_carry)}, expected "
                    f"{_checks.described(carry)} like its input, which the next layer takes."
                )
            return new_carry, (output, _changed(state, inner.state))

        carry, (outputs, state) = jax.lax.scan(
            step, carry, (params, state, keys, inputs), self.num_layers, reverse=reverse, unroll=self.unroll
        )
        _keep_state(frame, self.variables, state)
        if self.with_per_layer_inputs:
            return carry, outputs
        return carry if len(args) > 1 else carry[0]

    def _init(self, frame: Frame, key: Any, carry: Any, inputs: Any) -> None:
        """Creates the parameters and the state of all layers, by one trace."""
        first = jax.tree.map(lambda x: x[0] if len(x) else jnp.zeros(x.shape[1:], x.dtype), inputs)

        def init_layer(key: Any, _: None) -> Any:
            own = None
            if key is not None:
                own, key = jax.random.split(key)
            _, inner = within(frame, self.variables.prefix, run_init, self.layer, own, self._args(carry, first), {})
            return key, (inner.params, state_values(inner.state, "initial"))

        _, (params, state) = jax.lax.scan(init_layer, key, None, self.num_layers)
        self.variables.store_params(frame, params)
        self.variables.store_state(frame, state)

    def _args(self, carry: Any, inputs: Any) -> tuple[Any, ...]:
        return (carry, *inputs) if self.with_per_layer_inputs else carry

    def _split(self, out: Any) -> tuple[Any, Any]:
        if self.with_per_layer_inputs:
            if not isinstance(out, (tuple, list)) or len(out) != 2:
                raise TypeError(
                    f"layer_stack: the layer returned {out!r}, expected a pair (x, output), for with_per_layer_inputs."
                )
            return out[0], out[1]
        return (out if isinstance(out, tuple) else (out,)), None


class _FlatVariables(LiftedVariables):
    """Variables of which each layer has its own outside the stack, by the names of a transparency map."""

    def __init__(self, prefix: str, mapping: LayerStackTransparencyMapping, num_layers: int):
        super().__init__(prefix, "layer_stack", allow_reuse=False)
        self._mapping = mapping
        self._num_layers = num_layers

    def store_params(self, frame: Frame, params: Mapping[str, Mapping[str, Any]]) -> None:
        super().store_params(frame, self.flattened(params))

    def store_state(self, frame: Frame, state: Mapping[str, Mapping[str, Any]]) -> None:
        super().store_state(frame, self.flattened(state))

    def params(self, frame: Frame) -> dict[str, dict[str, Any]]:
        return self._stacked(super().params(frame))

    def state(self, frame: Frame) -> dict[str, dict[str, Any]]:
        return self._stacked(super().state(frame))

    def flattened(self, stacked: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
        """Returns the variables of each layer, by their names outside."""
        return {
            self._mapping.stacked_to_flat(path, i): jax.tree.map(lambda x, i=i: x[i], dict(bundle))
            for path, bundle in stacked.items()
            for i in range(self._num_layers)
        }

    def _stacked(self, flat: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
        layers: dict[str, dict[int, Any]] = {}
        for path, bundle in flat.items():
            place = self._mapping.flat_to_stacked(path)
            if place is not None:
                layers.setdefault(place[0], {})[place[1]] = dict(bundle)
        for path, found in layers.items():
            if sorted(found) != list(range(self._num_layers)):
                raise ValueError(
                    f"layer_stack: flat_to_stacked maps modules to layers {sorted(found)} of {path!r}, expected one "
                    f"for each of {self._num_layers} layers. It must undo stacked_to_flat."
                )
        return {
            path: jax.tree.map(lambda *leaves: jnp.stack(leaves), *(found[i] for i in range(self._num_layers)))
            for path, found in layers.items()
        }


def _changed(before: Mapping[str, Mapping[str, Any]], after: Mapping[str, Mapping[str, StatePair]]) -> Any:
    """Returns the state that a layer created or set, so that a stack that only reads its state may run anywhere."""
    return {
        path: {n: pair.current for n, pair in bundle.items() if pair.current is not before.get(path, {}).get(n)}
        for path, bundle in after.items()
    }


def _keep_state(frame: Frame, variables: LiftedVariables, state: Mapping[str, Mapping[str, Any]]) -> None:
    flat = variables.flattened(state) if isinstance(variables, _FlatVariables) else state
    for path, bundle in flat.items():
        outer = variables.outer_path(path)
        for name, value in bundle.items():
            store_state(frame, "layer_stack", outer, name, value)
            if frame.creates_variables:  # What init returns is the state after a first run, as dm-haiku has it.
                frame.state[outer][name] = StatePair(value, value)
