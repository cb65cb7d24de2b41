"""A transformer with a causal mask, its layers written out, or as one that is scanned over their stacked weights."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from flax import linen, nnx

from benchmarks.case import HAND
from benchmarks.networks import float64, peer
from benchmarks.networks.peer import Network, Peer, Weights


class Sizes(NamedTuple):
    """The sizes of a transformer; a layer's hidden units are four times its width."""

    depth: int
    width: int
    heads: int


def transformer(tiny: bool, stacked: bool = False) -> Network:
    """Returns one of 12 layers; with `stacked` the libraries' own means to trace one of them for all are used."""
    sizes = Sizes(2, 8, 2) if tiny else Sizes(12, 128, 4)
    shape = (2, 4, sizes.width) if tiny else (2, 64, sizes.width)

    def weights() -> Weights:
        random = np.random.default_rng(1)

        def linear(inputs: int, outputs: int) -> dict[str, np.ndarray]:
            w = random.normal(size=(inputs, outputs)) / np.sqrt(inputs)
            return {"w": w, "b": 0.1 * random.normal(size=outputs)}

        def norm() -> dict[str, np.ndarray]:
            normal = random.normal(size=(2, sizes.width))
            return {"scale": 1 + 0.1 * normal[0], "offset": 0.1 * normal[1]}

        def layer() -> dict[str, Any]:
            out: dict[str, Any] = {name: linear(sizes.width, sizes.width) for name in ("query", "key", "value", "out")}
            out |= {"up": linear(sizes.width, 4 * sizes.width), "down": linear(4 * sizes.width, sizes.width)}
            return out | {"norm_1": norm(), "norm_2": norm()}

        return {"layers": [layer() for _ in range(sizes.depth)], "norm": norm()}

    def reference(weights: Weights, x: np.ndarray) -> np.ndarray:
        for layer in weights["layers"]:
            x = x + _reference_attention(layer, float64.layer_norm(layer["norm_1"], x), sizes.heads)
            h = float64.gelu(float64.linear(layer["up"], float64.layer_norm(layer["norm_2"], x)))
            x = x + float64.linear(layer["down"], h)
        return float64.layer_norm(weights["norm"], x)

    peers = {
        HAND: _by_hand(sizes, stacked),
        **{name: _haiku(library, sizes, stacked) for name, library in peer.HAIKUS.items()},
        "flax nnx": _nnx(sizes, stacked),
        "flax linen": _linen(sizes, stacked),
        "equinox": _equinox(sizes, stacked),
    }
    title = f"transformer of {sizes.depth} layers" + (", stacked" if stacked else "")
    return Network(title, peers, weights, np.random.default_rng(0).normal(size=shape), reference, 1e-3)


def _reference_attention(layer: Weights, x: np.ndarray, heads: int) -> np.ndarray:
    def split(name: str) -> np.ndarray:
        return float64.linear(layer[name], x).reshape(*x.shape[:2], heads, -1).swapaxes(1, 2)

    q, k, v = map(split, ("query", "key", "value"))
    logits = q @ k.swapaxes(2, 3) / np.sqrt(q.shape[-1])
    weights = float64.softmax(np.where(np.tri(x.shape[1]), logits, -1e30))
    return float64.linear(layer["out"], (weights @ v).swapaxes(1, 2).reshape(x.shape))


def _stack(weights: Weights) -> Any:
    """Returns the weights of all layers, each stacked along a first axis."""
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *weights["layers"])


def _mask(x: jax.Array) -> jax.Array:
    return jnp.tril(jnp.ones([x.shape[-2]] * 2, bool))


def _by_hand(sizes: Sizes, stacked: bool) -> Peer:
    def linear(params: Any, x: jax.Array) -> jax.Array:
        return x @ params["w"] + params["b"]

    def norm(params: Any, x: jax.Array) -> jax.Array:
        mean = jnp.mean(x, -1, keepdims=True)
        variance = jnp.mean(jnp.square(x - mean), -1, keepdims=True)
        return (x - mean) * (jax.lax.rsqrt(variance + 1e-5) * params["scale"]) + params["offset"]

    def attend(params: Any, x: jax.Array) -> jax.Array:
        shape = (*x.shape[:-1], sizes.heads, sizes.width // sizes.heads)
        q, k, v = (linear(params[name], x).reshape(shape) for name in ("query", "key", "value"))
        logits = jnp.einsum("...qhd,...khd->...hqk", q, k) * shape[-1] ** -0.5
        weights = jax.nn.softmax(jnp.where(_mask(x), logits, -1e30))
        return linear(params["out"], jnp.einsum("...hqk,...khd->...qhd", weights, v).reshape(x.shape))

    def layer(params: Any, x: jax.Array) -> jax.Array:
        x = x + attend(params, norm(params["norm_1"], x))
        return x + linear(params["down"], jax.nn.gelu(linear(params["up"], norm(params["norm_2"], x))))

    def apply(params: Any, x: jax.Array) -> jax.Array:
        if stacked:
            x, _ = jax.lax.scan(lambda x, p: (layer(p, x), None), x, params["layers"])
        else:
            for p in params["layers"]:
                x = layer(p, x)
        return norm(params["norm"], x)

    def new_linear(key: jax.Array, inputs: int, outputs: int) -> Any:
        w = jax.random.truncated_normal(key, -2.0, 2.0, [inputs, outputs]) * inputs**-0.5
        return {"w": w, "b": jnp.zeros(outputs)}

    def new_norm() -> Any:
        return {"scale": jnp.ones(sizes.width), "offset": jnp.zeros(sizes.width)}

    def new_layer(key: jax.Array) -> Any:
        n = sizes.width
        shapes = {"query": (n, n), "key": (n, n), "value": (n, n), "out": (n, n), "up": (n, 4 * n), "down": (4 * n, n)}
        keys = jax.random.split(key, len(shapes))
        linears = {name: new_linear(k, *shape) for k, (name, shape) in zip(keys, shapes.items(), strict=True)}
        return linears | {"norm_1": new_norm(), "norm_2": new_norm()}

    def init(key: jax.Array) -> Any:
        keys = jax.random.split(key, sizes.depth)
        layers = jax.vmap(new_layer)(keys) if stacked else [new_layer(k) for k in keys]
        return {"layers": layers, "norm": new_norm()}

    made = peer.by_hand(apply, init)
    return made._replace(params=lambda weights: weights | {"layers": _stack(weights)}) if stacked else made


def _haiku(library: Any, sizes: Sizes, stacked: bool) -> Peer:
    class Block(library.Module):
        def __call__(self, x: jax.Array) -> jax.Array:
            h = library.LayerNorm(-1, True, True, name="norm_1")(x)
            attention = library.MultiHeadAttention(sizes.heads, sizes.width // sizes.heads, 1.0, name="attention")
            x = x + attention(h, h, h, mask=_mask(x)[None, None])
            h = library.LayerNorm(-1, True, True, name="norm_2")(x)
            h = jax.nn.gelu(library.Linear(4 * sizes.width, name="up")(h))
            return x + library.Linear(sizes.width, name="down")(h)

    def network(x: jax.Array) -> jax.Array:
        if stacked:
            x = library.layer_stack(sizes.depth, name="layers")(lambda x: Block(name="block")(x))(x)
        else:
            for i in range(sizes.depth):
                x = Block(name=f"block_{i}")(x)
        return library.LayerNorm(-1, True, True, name="norm")(x)

    def names(prefix: str, layer: Any) -> Any:
        attention = {"query": "attention/query", "key": "attention/key", "value": "attention/value"}
        attention["out"] = "attention/linear"
        return {f"{prefix}/{attention.get(name, name)}": p for name, p in layer.items()}

    def params(weights: Weights) -> Any:
        out = {"norm": weights["norm"]}
        if stacked:
            return out | names("layers/block", _stack(weights))
        for i, layer in enumerate(weights["layers"]):
            out |= names(f"block_{i}", layer)
        return out

    return peer.haiku(library, network, params)


def _flax_layer(layer: Any, heads: int) -> Any:
    """Returns a layer's parameters as flax names them, with an axis for the heads."""

    def linear(name: str) -> Any:
        return {"kernel": layer[name]["w"], "bias": layer[name]["b"]}

    def into_heads(name: str) -> Any:
        w, b = layer[name]["w"], layer[name]["b"]
        return {"kernel": w.reshape(*w.shape[:-1], heads, -1), "bias": b.reshape(*b.shape[:-1], heads, -1)}

    out = layer["out"]["w"]
    out = out.reshape(*out.shape[:-2], heads, -1, out.shape[-1])
    attention = {name: into_heads(name) for name in ("query", "key", "value")}
    return {
        "attention": attention | {"out": {"kernel": out, "bias": layer["out"]["b"]}},
        "norm_1": _flax_norm(layer["norm_1"]),
        "norm_2": _flax_norm(layer["norm_2"]),
        "up": linear("up"),
        "down": linear("down"),
    }


def _flax_norm(params: Any) -> Any:
    return {"scale": params["scale"], "bias": params["offset"]}


def _linen(sizes: Sizes, stacked: bool) -> Peer:
    class Block(linen.Module):
        @linen.compact
        def __call__(self, x: jax.Array, _: None = None) -> tuple[jax.Array, None]:
            h = linen.LayerNorm(epsilon=1e-5, name="norm_1")(x)
            x = x + linen.MultiHeadDotProductAttention(sizes.heads, name="attention")(h, mask=_mask(x))
            h = linen.LayerNorm(epsilon=1e-5, name="norm_2")(x)
            h = jax.nn.gelu(linen.Dense(4 * sizes.width, name="up")(h))
            return x + linen.Dense(sizes.width, name="down")(h), None

    class Transformer(linen.Module):
        @linen.compact
        def __call__(self, x: jax.Array) -> jax.Array:
            if stacked:
                axes: Any = {"variable_axes": {"params": 0}, "split_rngs": {"params": True}}
                x, _ = linen.scan(Block, **axes, length=sizes.depth)(name="layers")(x, None)
            else:
                for i in range(sizes.depth):
                    x, _ = Block(name=f"block_{i}")(x)
            return linen.LayerNorm(epsilon=1e-5, name="norm")(x)

    def params(weights: Weights) -> Any:
        out = {"norm": _flax_norm(weights["norm"])}
        if stacked:
            return out | {"layers": _flax_layer(_stack(weights), sizes.heads)}
        return out | {f"block_{i}": _flax_layer(layer, sizes.heads) for i, layer in enumerate(weights["layers"])}

    return peer.flax_linen(Transformer(), params)


def _nnx(sizes: Sizes, stacked: bool) -> Peer:
    n = sizes.width

    class Block(nnx.Module):
        def __init__(self, rngs: nnx.Rngs):
            self.norm_1 = nnx.LayerNorm(n, epsilon=1e-5, rngs=rngs)
            self.attention = nnx.MultiHeadAttention(sizes.heads, n, decode=False, rngs=rngs, keep_rngs=False)
            self.norm_2 = nnx.LayerNorm(n, epsilon=1e-5, rngs=rngs)
            self.up = nnx.Linear(n, 4 * n, rngs=rngs)
            self.down = nnx.Linear(4 * n, n, rngs=rngs)

        def __call__(self, x: jax.Array) -> jax.Array:
            x = x + self.attention(self.norm_1(x), mask=_mask(x))
            return x + self.down(jax.nn.gelu(self.up(self.norm_2(x))))

    class Transformer(nnx.Module):
        def __init__(self, rngs: nnx.Rngs):
            if stacked:
                make = nnx.vmap(Block, in_axes=0, out_axes=0)
                self.layers: Any = nnx.split_rngs(splits=sizes.depth)(make)(rngs)
            else:
                self.layers = nnx.List([Block(rngs) for _ in range(sizes.depth)])
            self.norm = nnx.LayerNorm(n, epsilon=1e-5, rngs=rngs)

        def __call__(self, x: jax.Array) -> jax.Array:
            if stacked:
                run = nnx.scan(lambda x, layer: layer(x), in_axes=(nnx.Carry, 0), out_axes=nnx.Carry)
                x = run(x, self.layers)
            else:
                for layer in self.layers:
                    x = layer(x)
            return self.norm(x)

    def params(weights: Weights) -> Any:
        if stacked:
            layers = _flax_layer(_stack(weights), sizes.heads)
        else:
            layers = {i: _flax_layer(layer, sizes.heads) for i, layer in enumerate(weights["layers"])}
        return {"layers": layers, "norm": _flax_norm(weights["norm"])}

    return peer.flax_nnx(Transformer, params)


def _equinox(sizes: Sizes, stacked: bool) -> Peer:
    n = sizes.width
    biases = {f"use_{name}_bias": True for name in ("query", "key", "value", "output")}

    class Block(eqx.Module):
        norm_1: eqx.nn.LayerNorm
        attention: eqx.nn.MultiheadAttention
        norm_2: eqx.nn.LayerNorm
        up: eqx.nn.Linear
        down: eqx.nn.Linear

        def __init__(self, key: jax.Array):
            keys = jax.random.split(key, 3)
            self.norm_1, self.norm_2 = eqx.nn.LayerNorm(n), eqx.nn.LayerNorm(n)
            self.attention = eqx.nn.MultiheadAttention(sizes.heads, n, **biases, key=keys[0])
            self.up = eqx.nn.Linear(n, 4 * n, key=keys[1])
            self.down = eqx.nn.Linear(4 * n, n, key=keys[2])

        def __call__(self, x: jax.Array) -> jax.Array:
            h = jax.vmap(self.norm_1)(x)
            x = x + self.attention(h, h, h, _mask(x))
            h = jax.vmap(self.up)(jax.vmap(self.norm_2)(x))
            return x + jax.vmap(self.down)(jax.nn.gelu(h))

    class Transformer(eqx.Module):
        layers: Any
        norm: eqx.nn.LayerNorm

        def __init__(self, key: jax.Array):
            keys = jax.random.split(key, sizes.depth)
            self.layers = eqx.filter_vmap(Block)(keys) if stacked else [Block(k) for k in keys]
            self.norm = eqx.nn.LayerNorm(n)

        def __call__(self, x: jax.Array) -> jax.Array:
            if stacked:
                arrays, static = eqx.partition(self.layers, eqx.is_array)
                x, _ = jax.lax.scan(lambda x, layer: (eqx.combine(layer, static)(x), None), x, arrays)
            else:
                for layer in self.layers:
                    x = layer(x)
            return jax.vmap(self.norm)(x)

    def of_layer(layer: Any) -> list[Any]:
        def linear(name: str) -> list[Any]:
            return [layer[name]["w"].swapaxes(-1, -2), layer[name]["b"]]

        attention = [y for name in ("query", "key", "value", "out") for y in linear(name)]
        norms = [[layer[name]["scale"], layer[name]["offset"]] for name in ("norm_1", "norm_2")]
        return [*norms[0], *attention, *norms[1], *linear("up"), *linear("down")]

    def leaves(weights: Weights) -> list[Any]:
        layers = [_stack(weights)] if stacked else weights["layers"]
        return [y for layer in layers for y in of_layer(layer)] + [weights["norm"]["scale"], weights["norm"]["offset"]]

    return peer.equinox(Transformer, leaves, lambda module, x: jax.vmap(module)(x))
