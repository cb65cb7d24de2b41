"""ResNet-50 in training, on one image: hand-written, built into both Haikus, and from the layers of the others."""

import functools
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from flax import linen, nnx

from benchmarks.case import HAND
from benchmarks.networks import float64, peer
from benchmarks.networks.peer import Network, Peer, Weights

STEM = 64


class Sizes(NamedTuple):
    """The sizes of a residual network of bottlenecks."""

    blocks: tuple[int, ...]
    channels: tuple[int, ...]
    classes: int


class Block(NamedTuple):
    """A block's number within its group, channels before, within and after it, and stride; the first one projects."""

    group: int
    number: int
    inputs: int
    inner: int
    outputs: int
    stride: int

    @property
    def convs(self) -> list[tuple[int, int, int, int]]:
        """Inputs, outputs, size and stride of each convolution, and of the projection where there is one."""
        convs = [(self.inputs, self.inner, 1, 1), (self.inner, self.inner, 3, self.stride)]
        convs.append((self.inner, self.outputs, 1, 1))
        return [*convs, (self.inputs, self.outputs, 1, self.stride)] if self.number == 0 else convs


def _blocks(sizes: Sizes) -> list[Block]:
    blocks, inputs = [], STEM
    for group, (count, outputs) in enumerate(zip(sizes.blocks, sizes.channels, strict=True)):
        for number in range(count):
            stride = 2 if group > 0 and number == 0 else 1
            blocks.append(Block(group, number, inputs, outputs // 4, outputs, stride))
            inputs = outputs
    return blocks


def resnet(tiny: bool) -> Network:
    """Returns ResNet-50 on 64 x 64, or one of four blocks."""
    sizes = Sizes((1, 1, 1, 1), (8, 8, 8, 8), 3) if tiny else Sizes((3, 4, 6, 3), (256, 512, 1024, 2048), 1000)

    def weights() -> Weights:
        random = np.random.default_rng(1)

        def conv(inputs: int, outputs: int, size: int, scale: float = 1.0) -> dict[str, np.ndarray]:
            normal = random.normal(size=(2, outputs))
            w = random.normal(size=(size, size, inputs, outputs)) / np.sqrt(size**2 * inputs)
            return {"w": w, "scale": scale * (1 + 0.1 * normal[0]), "offset": 0.1 * normal[1]}

        def block(block: Block) -> list[dict[str, np.ndarray]]:
            # What is added to a shortcut is small, as it is where training starts: else errors would grow with depth.
            return [conv(*c[:3], 0.2 if i == 2 else 1.0) for i, c in enumerate(block.convs)]

        w = random.normal(size=(sizes.channels[-1], sizes.classes)) / np.sqrt(sizes.channels[-1])
        logits = {"w": w, "b": 0.1 * random.normal(size=sizes.classes)}
        return {"stem": conv(3, STEM, 7), "blocks": [block(b) for b in _blocks(sizes)], "logits": logits}

    def reference(weights: Weights, x: np.ndarray) -> np.ndarray:
        def conv(params: Any, x: np.ndarray, stride: int) -> np.ndarray:
            return float64.batch_norm(params, float64.conv(x, params["w"], stride))

        x = float64.max_pool(float64.relu(conv(weights["stem"], x, 2)), 3, 2)
        for block, params in zip(_blocks(sizes), weights["blocks"], strict=True):
            h = float64.relu(conv(params[0], x, 1))
            h = conv(params[2], float64.relu(conv(params[1], h, block.stride)), 1)
            x = float64.relu(h + (conv(params[3], x, block.stride) if block.number == 0 else x))
        return float64.linear(weights["logits"], x.mean((1, 2)))

    peers = {
        HAND: _by_hand(sizes),
        **{name: _haiku(library, sizes) for name, library in peer.HAIKUS.items()},
        "flax nnx": _nnx(sizes),
        "flax linen": _linen(sizes),
        "equinox": _equinox(sizes),
    }
    x = np.random.default_rng(0).normal(size=(1, 64, 64, 3))
    title = "small ResNet" if tiny else "ResNet-50 on 64 x 64"
    return Network(title, peers, weights, x, reference, 1e-3)


def _by_hand(sizes: Sizes) -> Peer:
    blocks = _blocks(sizes)

    def conv(params: Any, state: Any, x: jax.Array, stride: int) -> tuple[jax.Array, Any]:
        numbers = ("NHWC", "HWIO", "NHWC")
        x = jax.lax.conv_general_dilated(x, params["w"], (stride, stride), "SAME", dimension_numbers=numbers)
        mean = jnp.mean(x, (0, 1, 2))
        variance = jnp.mean(jnp.square(x), (0, 1, 2)) - jnp.square(mean)
        state = {"mean": 0.9 * state["mean"] + 0.1 * mean, "variance": 0.9 * state["variance"] + 0.1 * variance}
        return (x - mean) * (jax.lax.rsqrt(variance + 1e-5) * params["scale"]) + params["offset"], state

    def apply(params: Any, state: Any, x: jax.Array) -> tuple[jax.Array, Any]:
        x, stem = conv(params["stem"], state["stem"], x, 2)
        x = jax.lax.reduce_window(jax.nn.relu(x), -jnp.inf, jax.lax.max, (1, 3, 3, 1), (1, 2, 2, 1), "SAME")
        states = []
        for block, p, s in zip(blocks, params["blocks"], state["blocks"], strict=True):
            h, s0 = conv(p[0], s[0], x, 1)
            h, s1 = conv(p[1], s[1], jax.nn.relu(h), block.stride)
            h, s2 = conv(p[2], s[2], jax.nn.relu(h), 1)
            new = [s0, s1, s2]
            if block.number == 0:
                x, s3 = conv(p[3], s[3], x, block.stride)
                new.append(s3)
            x = jax.nn.relu(h + x)
            states.append(new)
        out = jnp.mean(x, (1, 2)) @ params["logits"]["w"] + params["logits"]["b"]
        return out, {"stem": stem, "blocks": states}

    def state() -> Any:
        def zeros(n: int) -> Any:
            return {"mean": jnp.zeros(n), "variance": jnp.zeros(n)}

        return {"stem": zeros(STEM), "blocks": [[zeros(c[1]) for c in block.convs] for block in blocks]}

    def init(key: jax.Array, _: jax.Array) -> Any:
        def conv(key: jax.Array, inputs: int, outputs: int, size: int, _: int) -> Any:
            w = jax.random.truncated_normal(key, -2.0, 2.0, [size, size, inputs, outputs]) * (size**2 * inputs) ** -0.5
            return {"w": w, "scale": jnp.ones(outputs), "offset": jnp.zeros(outputs)}

        first, *keys = jax.random.split(key, 1 + len(blocks))
        made = []
        for k, block in zip(keys, blocks, strict=True):
            own = jax.random.split(k, len(block.convs))
            made.append([conv(k, *c) for k, c in zip(own, block.convs, strict=True)])
        logits = {"w": jnp.zeros((sizes.channels[-1], sizes.classes)), "b": jnp.zeros(sizes.classes)}
        return {"stem": conv(first, 3, STEM, 7, 2), "blocks": made, "logits": logits}, state()

    return Peer(lambda weights: weights, apply, init, state)


def _haiku(library: Any, sizes: Sizes) -> Peer:
    def network(x: jax.Array) -> jax.Array:
        net = library.nets.ResNet(sizes.blocks, sizes.classes, channels_per_group=sizes.channels, name="net")
        return net(x, is_training=True)

    transformed = library.transform_with_state(network)

    def params(weights: Weights) -> Any:
        def norm(p: Any) -> Any:
            return {name: p[name].reshape(1, 1, 1, -1) for name in ("scale", "offset")}

        stem = weights["stem"]
        out = {"net/~/initial_conv": {"w": stem["w"]}, "net/~/initial_batchnorm": norm(stem)}
        for block, convs in zip(_blocks(sizes), weights["blocks"], strict=True):
            prefix = f"net/~/block_group_{block.group}/~/block_{block.number}/~"
            for i, p in enumerate(convs):
                out[f"{prefix}/conv_{i}" if i < 3 else f"{prefix}/shortcut_conv"] = {"w": p["w"]}
                out[f"{prefix}/batchnorm_{i}" if i < 3 else f"{prefix}/shortcut_batchnorm"] = norm(p)
        return out | {"net/~/logits": weights["logits"]}

    def apply(p: Any, s: Any, x: jax.Array) -> tuple[jax.Array, Any]:
        return transformed.apply(p, s, None, x)

    def state() -> Any:
        key, x = jax.random.PRNGKey(0), jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32)
        return peer.zeros(jax.eval_shape(transformed.init, key, x)[1])

    return Peer(params, apply, transformed.init, state)


def _flax_params(sizes: Sizes, weights: Weights) -> Any:
    """Returns the parameters of flax: a convolution and a normalization of each name."""

    def conv(p: Any) -> Any:
        return {"conv": {"kernel": p["w"]}, "norm": {"scale": p["scale"], "bias": p["offset"]}}

    logits = {"kernel": weights["logits"]["w"], "bias": weights["logits"]["b"]}
    out = {"stem": conv(weights["stem"]), "logits": logits}
    for block, convs in zip(_blocks(sizes), weights["blocks"], strict=True):
        named = {f"conv_{i}": conv(p) for i, p in enumerate(convs)}
        out[f"block_{block.group}_{block.number}"] = named
    return out


def _linen(sizes: Sizes) -> Peer:
    class ConvNorm(linen.Module):
        outputs: int
        size: int
        stride: int

        @linen.compact
        def __call__(self, x: jax.Array) -> jax.Array:
            x = linen.Conv(self.outputs, [self.size] * 2, self.stride, use_bias=False, name="conv")(x)
            return linen.BatchNorm(use_running_average=False, momentum=0.9, name="norm")(x)

    class Bottleneck(linen.Module):
        block: Block

        @linen.compact
        def __call__(self, x: jax.Array) -> jax.Array:
            layers = [ConvNorm(*c[1:], name=f"conv_{i}") for i, c in enumerate(self.block.convs)]
            h = layers[2](jax.nn.relu(layers[1](jax.nn.relu(layers[0](x)))))
            return jax.nn.relu(h + (layers[3](x) if self.block.number == 0 else x))

    class Net(linen.Module):
        @linen.compact
        def __call__(self, x: jax.Array) -> jax.Array:
            x = jax.nn.relu(ConvNorm(STEM, 7, 2, name="stem")(x))
            x = linen.max_pool(x, (3, 3), (2, 2), "SAME")
            for block in _blocks(sizes):
                x = Bottleneck(block, name=f"block_{block.group}_{block.number}")(x)
            return linen.Dense(sizes.classes, kernel_init=linen.initializers.zeros, name="logits")(jnp.mean(x, (1, 2)))

    net = Net()

    def apply(p: Any, s: Any, x: jax.Array) -> tuple[jax.Array, Any]:
        out, changed = net.apply({"params": p, **s}, x, mutable=["batch_stats"])
        return out, changed

    def state() -> Any:
        key, x = jax.random.PRNGKey(0), jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32)
        return {"batch_stats": peer.zeros(jax.eval_shape(net.init, key, x)["batch_stats"])}

    return Peer(lambda weights: _flax_params(sizes, weights), apply, net.init, state)


def _nnx(sizes: Sizes) -> Peer:
    class ConvNorm(nnx.Module):
        def __init__(self, inputs: int, outputs: int, size: int, stride: int, rngs: nnx.Rngs):
            self.conv = nnx.Conv(inputs, outputs, (size, size), stride, use_bias=False, rngs=rngs)
            self.norm = nnx.BatchNorm(outputs, momentum=0.9, rngs=rngs)

        def __call__(self, x: jax.Array) -> jax.Array:
            return self.norm(self.conv(x))

    class Bottleneck(nnx.Module):
        def __init__(self, block: Block, rngs: nnx.Rngs):
            self.projects = block.number == 0
            for i, c in enumerate(block.convs):
                setattr(self, f"conv_{i}", ConvNorm(*c, rngs=rngs))

        def __call__(self, x: jax.Array) -> jax.Array:
            convs: list[Any] = [getattr(self, f"conv_{i}") for i in range(3 + self.projects)]
            h = convs[2](jax.nn.relu(convs[1](jax.nn.relu(convs[0](x)))))
            return jax.nn.relu(h + (convs[3](x) if self.projects else x))

    class Net(nnx.Module):
        def __init__(self, rngs: nnx.Rngs):
            self.stem = ConvNorm(3, STEM, 7, 2, rngs=rngs)
            self.names = tuple(f"block_{block.group}_{block.number}" for block in _blocks(sizes))
            for name, block in zip(self.names, _blocks(sizes), strict=True):
                setattr(self, name, Bottleneck(block, rngs))
            zeros = nnx.initializers.zeros_init()
            self.logits = nnx.Linear(sizes.channels[-1], sizes.classes, kernel_init=zeros, rngs=rngs)

        def __call__(self, x: jax.Array) -> jax.Array:
            x = linen.max_pool(jax.nn.relu(self.stem(x)), (3, 3), (2, 2), "SAME")
            for name in self.names:
                x = getattr(self, name)(x)
            return self.logits(jnp.mean(x, (1, 2)))

    return peer.flax_nnx(Net, lambda weights: _flax_params(sizes, weights))


def _equinox(sizes: Sizes) -> Peer:
    class ConvNorm(eqx.Module):
        conv: eqx.nn.Conv2d
        norm: eqx.nn.BatchNorm

        def __init__(self, key: jax.Array, inputs: int, outputs: int, size: int, stride: int):
            self.conv = eqx.nn.Conv2d(inputs, outputs, size, stride, "SAME", use_bias=False, key=key)
            self.norm = eqx.nn.BatchNorm(outputs, "batch", momentum=0.9, mode="batch")

        def __call__(self, x: jax.Array, state: Any) -> tuple[jax.Array, Any]:
            return self.norm(self.conv(x), state)

    class Bottleneck(eqx.Module):
        convs: list[ConvNorm]

        def __init__(self, key: jax.Array, block: Block):
            keys = jax.random.split(key, len(block.convs))
            self.convs = [ConvNorm(k, *c) for k, c in zip(keys, block.convs, strict=True)]

        def __call__(self, x: jax.Array, state: Any) -> tuple[jax.Array, Any]:
            h, state = self.convs[0](x, state)
            h, state = self.convs[1](jax.nn.relu(h), state)
            h, state = self.convs[2](jax.nn.relu(h), state)
            if len(self.convs) > 3:
                x, state = self.convs[3](x, state)
            return jax.nn.relu(h + x), state

    class Net(eqx.Module):
        stem: ConvNorm
        pool: eqx.nn.MaxPool2d
        blocks: list[Bottleneck]
        logits: eqx.nn.Linear

        def __init__(self, key: jax.Array):
            first, last, *keys = jax.random.split(key, 2 + len(_blocks(sizes)))
            self.stem = ConvNorm(first, 3, STEM, 7, 2)
            # As "SAME" pads an even size.
            self.pool = eqx.nn.MaxPool2d(3, 2, ((0, 1), (0, 1)))
            self.blocks = [Bottleneck(k, block) for k, block in zip(keys, _blocks(sizes), strict=True)]
            self.logits = eqx.nn.Linear(sizes.channels[-1], sizes.classes, key=last)

        def __call__(self, x: jax.Array, state: Any) -> tuple[jax.Array, Any]:
            x, state = self.stem(x, state)
            x = self.pool(jax.nn.relu(x))
            for block in self.blocks:
                x, state = block(x, state)
            return self.logits(jnp.mean(x, (1, 2))), state

    def leaves(weights: Weights) -> list[Any]:
        convs = [weights["stem"], *(c for block in weights["blocks"] for c in block)]
        arrays = [y for c in convs for y in (c["w"].transpose(3, 2, 0, 1), c["scale"], c["offset"])]
        return [*arrays, weights["logits"]["w"].T, weights["logits"]["b"]]

    @functools.cache
    def split() -> tuple[Any, Any, Any]:
        module, state = eqx.filter_eval_shape(eqx.nn.make_with_state(Net), jax.random.PRNGKey(0))
        return *eqx.partition(module, peer.is_array), state

    def apply(p: Any, s: Any, x: jax.Array) -> tuple[jax.Array, Any]:
        module = eqx.combine(p, split()[1])
        return jax.vmap(module, axis_name="batch", in_axes=(0, None), out_axes=(0, None))(x, s)

    def init(key: jax.Array, _: jax.Array) -> Any:
        module, state = eqx.nn.make_with_state(Net)(key)
        return eqx.filter(module, eqx.is_array), state

    return Peer(
        lambda weights: jax.tree.unflatten(jax.tree.structure(split()[0]), leaves(weights)),
        apply,
        init,
        lambda: eqx.nn.make_with_state(Net)(jax.random.PRNGKey(0))[1],
        lambda x: x.transpose(0, 3, 1, 2),
    )
