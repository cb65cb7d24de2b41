"""Linear layers on top of one another: the cost of many small modules."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from flax import linen, nnx

from benchmarks.case import HAND
from benchmarks.networks import float64, peer
from benchmarks.networks.peer import Network, Peer, Weights


def linear_stack(tiny: bool) -> Network:
    """Returns 200 layers of 64 units."""
    depth, size = (5, 8) if tiny else (200, 64)

    def weights() -> Weights:
        random = np.random.default_rng(1)
        return [
            {"w": random.normal(size=(size, size)) / np.sqrt(size), "b": 0.1 + 0.1 * random.normal(size=size)}
            for _ in range(depth)
        ]

    def reference(weights: Weights, x: np.ndarray) -> np.ndarray:
        for layer in weights:
            x = float64.linear(layer, x)
        return x

    peers = {
        HAND: peer.by_hand(_apply, lambda key: _init(key, depth, size)),
        **{name: _haiku(library, depth, size) for name, library in peer.HAIKUS.items()},
        "flax nnx": _nnx(depth, size),
        "flax linen": _linen(depth, size),
        "equinox": _equinox(depth, size),
    }
    return Network(
        f"{depth} Linear layers", peers, weights, np.random.default_rng(0).normal(size=(8, size)), reference, 1e-3
    )


def _apply(params: Any, x: jax.Array) -> jax.Array:
    for layer in params:
        b = layer["b"]
        x = jnp.dot(x, layer["w"]) + jnp.broadcast_to(b, (*x.shape[:-1], *b.shape))
    return x


def _init(key: jax.Array, depth: int, size: int) -> Any:
    params = []
    for _ in range(depth):
        key, draw_key = jax.random.split(key)
        w = jax.random.truncated_normal(draw_key, -2.0, 2.0, [size, size]) * (size**-0.5)
        params.append({"w": w, "b": jnp.zeros(size)})
    return params


def _haiku(library: Any, depth: int, size: int) -> Peer:
    def network(x: jax.Array) -> jax.Array:
        return library.Sequential([library.Linear(size) for _ in range(depth)])(x)

    def params(weights: Weights) -> Any:
        return {f"linear_{i}" if i else "linear": layer for i, layer in enumerate(weights)}

    return peer.haiku(library, network, params)


def _linen(depth: int, size: int) -> Peer:
    class Stack(linen.Module):
        @linen.compact
        def __call__(self, x: jax.Array) -> jax.Array:
            for _ in range(depth):
                x = linen.Dense(size)(x)
            return x

    def params(weights: Weights) -> Any:
        return {f"Dense_{i}": {"kernel": layer["w"], "bias": layer["b"]} for i, layer in enumerate(weights)}

    return peer.flax_linen(Stack(), params)


def _nnx(depth: int, size: int) -> Peer:
    class Stack(nnx.Module):
        def __init__(self, rngs: nnx.Rngs):
            self.layers = nnx.List([nnx.Linear(size, size, rngs=rngs) for _ in range(depth)])

        def __call__(self, x: jax.Array) -> jax.Array:
            for layer in self.layers:
                x = layer(x)
            return x

    def params(weights: Weights) -> Any:
        return {"layers": {i: {"kernel": layer["w"], "bias": layer["b"]} for i, layer in enumerate(weights)}}

    return peer.flax_nnx(Stack, params)


def _equinox(depth: int, size: int) -> Peer:
    def build(key: jax.Array) -> Any:
        return eqx.nn.Sequential([eqx.nn.Linear(size, size, key=k) for k in jax.random.split(key, depth)])

    def leaves(weights: Weights) -> list[Any]:
        return [y for layer in weights for y in (layer["w"].T, layer["b"])]

    return peer.equinox(build, leaves, lambda module, x: jax.vmap(module)(x))
