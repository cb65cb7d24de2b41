"""What a library gives to a benchmark, and how each library's own way of doing it fits into that."""

import functools
import warnings
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import haiku_like

with warnings.catch_warnings(action="ignore"):
    import haiku as dm_haiku
    from flax import linen, nnx

OURS = "haiku_like"
HAIKUS = {OURS: haiku_like, "dm-haiku": dm_haiku}

Weights = Any
"""The weights of a network as nested dictionaries and lists of arrays, in no library's layout."""


class Peer(NamedTuple):
    """A network in one library. Nothing of it is traced before it is called, so that a first call is the first.

    Attributes:
      params: Returns the library's parameters for given weights: copied, moved and shifted by constants, no more.
      apply: Called with parameters, state and inputs; returns outputs and the new state.
      init: Called with a key and inputs; returns all variables.
      state: Returns a state to start from.
      inputs: Returns inputs in the library's layout, given images with the channels last, or a sequence.
    """

    params: Callable[[Weights], Any]
    apply: Callable[[Any, Any, jax.Array], tuple[jax.Array, Any]]
    init: Callable[[jax.Array, jax.Array], Any]
    state: Callable[[], Any] = tuple
    inputs: Callable[[np.ndarray], np.ndarray] = np.asarray


class Network(NamedTuple):
    """A network in several libraries.

    Attributes:
      title: What it is called in the report.
      peers: By library.
      weights: Draws the weights, in double precision.
      x: The inputs, in double precision.
      reference: Returns the outputs for weights and inputs, worked out by NumPy.
      tolerance: How far results may differ from those of the reference.
    """

    title: str
    peers: Mapping[str, Peer]
    weights: Callable[[], Weights]
    x: np.ndarray
    reference: Callable[[Weights, np.ndarray], np.ndarray]
    tolerance: float = 1e-4


def zeros(shapes: Any) -> Any:
    """Returns zeros of the shapes and dtypes in a tree."""
    return jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)


def by_hand(apply: Callable[[Any, jax.Array], jax.Array], init: Callable[[jax.Array], Any]) -> Peer:
    """Returns a network without state that is two functions, whose parameters are the weights as they are."""
    return Peer(lambda weights: weights, lambda p, s, x: (apply(p, x), s), lambda key, _: init(key))


def haiku(library: Any, network: Callable[[jax.Array], jax.Array], params: Callable[[Weights], Any]) -> Peer:
    """Returns a network without state of dm-haiku or ours, a function to be transformed."""
    transformed = library.transform(network)
    if library is dm_haiku:
        transformed = dm_haiku.without_apply_rng(transformed)
    return Peer(params, lambda p, s, x: (transformed.apply(p, x), s), transformed.init)


def flax_linen(module: linen.Module, params: Callable[[Weights], Any]) -> Peer:
    """Returns a network without state."""
    apply: Any = module.apply
    return Peer(params, lambda p, s, x: (apply({"params": p}, x), s), module.init)


def flax_nnx(build: Callable[[nnx.Rngs], Any], params: Callable[[Weights], Any]) -> Peer:
    """Returns a network that is split into its graph and its arrays, as flax advises where speed matters.

    Args:
      build: Makes the module.
      params: Returns nested dictionaries of the parameters for given weights.
    """

    @functools.cache
    def split() -> tuple[Any, Any, Any]:
        parts: Any = nnx.split(nnx.eval_shape(lambda: build(nnx.Rngs(0))), nnx.Param, ...)
        return parts

    def fill(weights: Weights) -> Any:
        filled = jax.tree.map(lambda x: x, split()[1])
        nnx.replace_by_pure_dict(filled, params(weights))
        return filled

    def apply(p: Any, s: Any, x: jax.Array) -> tuple[jax.Array, Any]:
        if not jax.tree.leaves(s):
            return nnx.merge(split()[0], p, s)(x), s
        # A copy, since under jax.grad the state comes from outside, where it may not be changed.
        module = nnx.merge(split()[0], p, s, copy=True)
        out = module(x)
        return out, nnx.state(module, nnx.BatchStat)

    return Peer(fill, apply, lambda key, _: nnx.state(build(nnx.Rngs(key))), lambda: zeros(split()[2]))


def equinox(
    build: Callable[[jax.Array], Any],
    leaves: Callable[[Weights], list[Any]],
    call: Callable[[Any, jax.Array], jax.Array],
    inputs: Callable[[np.ndarray], np.ndarray] = np.asarray,
) -> Peer:
    """Returns a network without state.

    Args:
      build: Makes the module from a key.
      leaves: Returns the module's arrays for given weights, in the order of its fields.
      call: Calls the module on a batch of inputs.
      inputs: As for `Peer`.
    """

    @functools.cache
    def split() -> tuple[Any, Any]:
        return eqx.partition(eqx.filter_eval_shape(build, jax.random.PRNGKey(0)), is_array)

    def params(weights: Weights) -> Any:
        return jax.tree.unflatten(jax.tree.structure(split()[0]), leaves(weights))

    def apply(p: Any, s: Any, x: jax.Array) -> tuple[jax.Array, Any]:
        return call(eqx.combine(p, split()[1]), x), s

    return Peer(params, apply, lambda key, _: eqx.filter(build(key), eqx.is_array), inputs=inputs)


def is_array(x: Any) -> bool:
    """Returns whether a leaf of a module is an array, or stands for one."""
    return isinstance(x, (jax.Array, jax.ShapeDtypeStruct))
