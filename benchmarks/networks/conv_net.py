"""A convolutional network: three convolutions that are rectified, the mean over space, and a linear layer."""

import itertools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from flax import linen, nnx

from benchmarks.case import HAND
from benchmarks.networks import float64, peer
from benchmarks.networks.peer import Network, Peer, Weights

CLASSES = 10
STRIDES = (1, 2, 2)


def conv_net(tiny: bool) -> Network:
    """Returns one for images of 32 x 32."""
    sizes = (3, 4, 8, 8) if tiny else (3, 32, 64, 64)
    shape = (2, 8, 8, 3) if tiny else (8, 32, 32, 3)

    def weights() -> Weights:
        random = np.random.default_rng(1)

        def layer(*shape: int) -> dict[str, np.ndarray]:
            w = random.normal(size=shape) / np.sqrt(np.prod(shape[:-1]) / 2)
            return {"w": w, "b": 0.1 * random.normal(size=shape[-1])}

        convs = [layer(3, 3, *channels) for channels in itertools.pairwise(sizes)]
        return {"convs": convs, "linear": layer(sizes[-1], CLASSES)}

    peers = {
        HAND: peer.by_hand(_apply, lambda key: _init(key, sizes)),
        **{name: _haiku(library, sizes) for name, library in peer.HAIKUS.items()},
        "flax nnx": _nnx(sizes),
        "flax linen": _linen(sizes),
        "equinox": _equinox(sizes),
    }
    title = f"conv net on {shape[1]} x {shape[2]}"
    return Network(title, peers, weights, np.random.default_rng(0).normal(size=shape), _reference)


def _reference(weights: Weights, x: np.ndarray) -> np.ndarray:
    for layer, stride in zip(weights["convs"], STRIDES, strict=True):
        x = float64.relu(float64.conv(x, layer["w"], stride) + layer["b"])
    return float64.linear(weights["linear"], x.mean((1, 2)))


def _apply(params: Any, x: jax.Array) -> jax.Array:
    for layer, stride in zip(params["convs"], STRIDES, strict=True):
        x = jax.lax.conv_general_dilated(
            x, layer["w"], (stride, stride), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        x = jax.nn.relu(x + layer["b"])
    return jnp.mean(x, (1, 2)) @ params["linear"]["w"] + params["linear"]["b"]


def _init(key: jax.Array, sizes: tuple[int, ...]) -> Any:
    def layer(key: jax.Array, *shape: int) -> Any:
        scale = np.prod(shape[:-1]) ** -0.5
        return {"w": jax.random.truncated_normal(key, -2.0, 2.0, shape) * scale, "b": jnp.zeros(shape[-1])}

    *keys, last = jax.random.split(key, len(sizes))
    convs = [layer(k, 3, 3, *channels) for k, *channels in zip(keys, sizes[:-1], sizes[1:], strict=True)]
    return {"convs": convs, "linear": layer(last, sizes[-1], CLASSES)}


def _haiku(library: Any, sizes: tuple[int, ...]) -> Peer:
    def network(x: jax.Array) -> jax.Array:
        for channels, stride in zip(sizes[1:], STRIDES, strict=True):
            x = jax.nn.relu(library.Conv2D(channels, 3, stride)(x))
        return library.Linear(CLASSES)(jnp.mean(x, (1, 2)))

    def params(weights: Weights) -> Any:
        convs = {f"conv2_d_{i}" if i else "conv2_d": layer for i, layer in enumerate(weights["convs"])}
        return {**convs, "linear": weights["linear"]}

    return peer.haiku(library, network, params)


def _renamed(layer: Any) -> Any:
    return {"kernel": layer["w"], "bias": layer["b"]}


def _linen(sizes: tuple[int, ...]) -> Peer:
    class Net(linen.Module):
        @linen.compact
        def __call__(self, x: jax.Array) -> jax.Array:
            for channels, stride in zip(sizes[1:], STRIDES, strict=True):
                x = jax.nn.relu(linen.Conv(channels, (3, 3), stride)(x))
            return linen.Dense(CLASSES)(jnp.mean(x, (1, 2)))

    def params(weights: Weights) -> Any:
        convs = {f"Conv_{i}": _renamed(layer) for i, layer in enumerate(weights["convs"])}
        return {**convs, "Dense_0": _renamed(weights["linear"])}

    return peer.flax_linen(Net(), params)


def _nnx(sizes: tuple[int, ...]) -> Peer:
    class Net(nnx.Module):
        def __init__(self, rngs: nnx.Rngs):
            settings = zip(sizes[:-1], sizes[1:], STRIDES, strict=True)
            self.convs = nnx.List([nnx.Conv(m, n, (3, 3), stride, rngs=rngs) for m, n, stride in settings])
            self.linear = nnx.Linear(sizes[-1], CLASSES, rngs=rngs)

        def __call__(self, x: jax.Array) -> jax.Array:
            for conv in self.convs:
                x = jax.nn.relu(conv(x))
            return self.linear(jnp.mean(x, (1, 2)))

    def params(weights: Weights) -> Any:
        return {"convs": dict(enumerate(map(_renamed, weights["convs"]))), "linear": _renamed(weights["linear"])}

    return peer.flax_nnx(Net, params)


def _equinox(sizes: tuple[int, ...]) -> Peer:
    class Net(eqx.Module):
        convs: list[eqx.nn.Conv2d]
        linear: eqx.nn.Linear

        def __init__(self, key: jax.Array):
            *keys, last = jax.random.split(key, len(sizes))
            settings = zip(keys, sizes[:-1], sizes[1:], STRIDES, strict=True)
            self.convs = [eqx.nn.Conv2d(m, n, 3, stride, "SAME", key=k) for k, m, n, stride in settings]
            self.linear = eqx.nn.Linear(sizes[-1], CLASSES, key=last)

        def __call__(self, x: jax.Array) -> jax.Array:
            for conv in self.convs:
                x = jax.nn.relu(conv(x))
            return self.linear(jnp.mean(x, (1, 2)))

    def leaves(weights: Weights) -> list[Any]:
        convs = [y for c in weights["convs"] for y in (c["w"].transpose(3, 2, 0, 1), c["b"][:, None, None])]
        return [*convs, weights["linear"]["w"].T, weights["linear"]["b"]]

    return peer.equinox(Net, leaves, lambda module, x: jax.vmap(module)(x), lambda x: x.transpose(0, 3, 1, 2))
