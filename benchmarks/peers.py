"""The same networks in every library: hand-written JAX, ours, and what users would pick instead."""

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp

import haiku_like
from benchmarks.case import HAND

with warnings.catch_warnings(action="ignore"):
    import haiku as dm_haiku
    from flax import linen, nnx

Layers = list[tuple[jax.Array, jax.Array]]  # The weight, [inputs, outputs], and the bias of each layer.


class Peer(NamedTuple):
    """A network in one library.

    Attributes:
      params: Returns the library's parameters, given those of each layer.
      apply: Called with parameters and inputs.
      init: Called with a key and inputs, or None where the library has no such function.
    """

    params: Callable[[Layers], Any]
    apply: Callable[..., Any]
    init: Callable[[jax.Array, jax.Array], Any] | None


def linear_stacks(depth: int, size: int) -> dict[str, Peer]:
    """Returns a stack of `depth` Linear layers of `size` units in every library."""
    return {
        HAND: _by_hand(depth, size),
        "haiku_like": _haiku(haiku_like, depth, size),
        "dm-haiku": _haiku(dm_haiku, depth, size),
        "flax nnx": _nnx(depth, size),
        "flax linen": _linen(depth, size),
        "equinox": _equinox(depth, size),
    }


def _by_hand(depth: int, size: int) -> Peer:
    def apply(params: Any, x: jax.Array) -> jax.Array:
        for w, b in params:
            x = jnp.dot(x, w) + jnp.broadcast_to(b, (*x.shape[:-1], size))
        return x

    def init(key: jax.Array, _: jax.Array) -> Any:
        params = []
        for _i in range(depth):
            key, draw_key = jax.random.split(key)
            w = jax.random.truncated_normal(draw_key, -2.0, 2.0, [size, size]) * (size**-0.5)
            params.append((w, jnp.zeros(size)))
        return params

    return Peer(list, apply, init)


def _haiku(library: Any, depth: int, size: int) -> Peer:
    def network(x: jax.Array) -> jax.Array:
        return library.Sequential([library.Linear(size) for _ in range(depth)])(x)

    transformed = library.transform(network)
    if library is dm_haiku:
        transformed = dm_haiku.without_apply_rng(transformed)

    def params(layers: Layers) -> Any:
        return {f"linear_{i}" if i else "linear": {"w": w, "b": b} for i, (w, b) in enumerate(layers)}

    return Peer(params, transformed.apply, transformed.init)


def _linen(depth: int, size: int) -> Peer:
    class Stack(linen.Module):
        @linen.compact
        def __call__(self, x: jax.Array) -> jax.Array:
            for _ in range(depth):
                x = linen.Dense(size)(x)
            return x

    def params(layers: Layers) -> Any:
        return {"params": {f"Dense_{i}": {"kernel": w, "bias": b} for i, (w, b) in enumerate(layers)}}

    return Peer(params, Stack().apply, Stack().init)


def _nnx(depth: int, size: int) -> Peer:
    class Stack(nnx.Module):
        def __init__(self, rngs: nnx.Rngs):
            self.layers = nnx.List([nnx.Linear(size, size, rngs=rngs) for _ in range(depth)])

        def __call__(self, x: jax.Array) -> jax.Array:
            for layer in self.layers:
                x = layer(x)
            return x

    graph, _ = nnx.split(nnx.eval_shape(lambda: Stack(nnx.Rngs(0))))

    def params(layers: Layers) -> Any:
        network = Stack(nnx.Rngs(0))
        for layer, (w, b) in zip(network.layers, layers, strict=True):
            layer.kernel[...] = w
            layer.bias[...] = b  # pyright: ignore[reportOptionalSubscript]
        return nnx.state(network)

    def apply(params: Any, x: jax.Array) -> jax.Array:
        return nnx.merge(graph, params)(x)

    def init(key: jax.Array, _: jax.Array) -> Any:
        return nnx.state(Stack(nnx.Rngs(key)))

    return Peer(params, apply, init)


def _equinox(depth: int, size: int) -> Peer:
    def build(key: jax.Array) -> Any:
        return eqx.nn.Sequential([eqx.nn.Linear(size, size, key=k) for k in jax.random.split(key, depth)])

    arrays, static = eqx.partition(eqx.filter_eval_shape(build, jax.random.PRNGKey(0)), _is_array)

    def params(layers: Layers) -> Any:
        return jax.tree.unflatten(jax.tree.structure(arrays), [y for w, b in layers for y in (w.T, b)])

    def apply(params: Any, x: jax.Array) -> jax.Array:
        return jax.vmap(eqx.combine(params, static))(x)

    return Peer(params, apply, lambda key, _: eqx.filter(build(key), eqx.is_array))


def _is_array(x: Any) -> bool:
    return isinstance(x, (jax.Array, jax.ShapeDtypeStruct))
