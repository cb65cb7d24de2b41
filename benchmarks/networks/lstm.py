"""A layer of long short-term memory, run over a sequence by each library's scan."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from flax import linen, nnx

from benchmarks.case import HAND
from benchmarks.networks import float64, peer
from benchmarks.networks.peer import Network, Peer, Weights


def lstm(tiny: bool) -> Network:
    """Returns one of 128 units that is run for 512 steps."""
    steps, batch, inputs, hidden = (6, 2, 3, 4) if tiny else (512, 8, 64, 128)

    def weights() -> Weights:
        random = np.random.default_rng(1)
        # For each gate: input, forget, candidate, output; the forget gate's bias is that of the equations.
        return {
            "x": [random.normal(size=(inputs, hidden)) / np.sqrt(inputs) for _ in range(4)],
            "h": [random.normal(size=(hidden, hidden)) / np.sqrt(hidden) for _ in range(4)],
            "b": [0.1 * random.normal(size=hidden) + (i == 1) for i in range(4)],
        }

    peers = {
        HAND: peer.by_hand(_apply, lambda key: _init(key, inputs, hidden))._replace(params=_by_hand_params),
        **{name: _haiku(library, hidden) for name, library in peer.HAIKUS.items()},
        "flax nnx": _nnx(inputs, hidden),
        "flax linen": _linen(hidden),
        "equinox": _equinox(inputs, hidden),
    }
    return Network(
        f"LSTM, {steps} steps", peers, weights, np.random.default_rng(0).normal(size=(steps, batch, inputs)), _reference
    )


def _reference(weights: Weights, x: np.ndarray) -> np.ndarray:
    hidden = cell = np.zeros((x.shape[1], weights["b"][0].size))
    outputs = []
    for x_t in x:
        gates = [x_t @ wx + hidden @ wh + b for wx, wh, b in zip(weights["x"], weights["h"], weights["b"], strict=True)]
        cell = float64.sigmoid(gates[1]) * cell + float64.sigmoid(gates[0]) * np.tanh(gates[2])
        hidden = float64.sigmoid(gates[3]) * np.tanh(cell)
        outputs.append(hidden)
    return np.stack(outputs)


def _joined(weights: Weights, order: tuple[int, ...] = (0, 1, 2, 3)) -> tuple[jax.Array, jax.Array, jax.Array]:
    x, h, b = (jnp.concatenate([weights[name][i] for i in order], -1) for name in ("x", "h", "b"))
    return x, h, b


def _by_hand_params(weights: Weights) -> Any:
    x, h, b = _joined(weights)
    return {"w": jnp.concatenate([x, h]), "b": b}


def _apply(params: Any, x: jax.Array) -> jax.Array:
    def step(carry: tuple[jax.Array, jax.Array], x_t: jax.Array) -> Any:
        hidden, cell = carry
        gates = jnp.concatenate([x_t, hidden], -1) @ params["w"] + params["b"]
        i, f, g, o = jnp.split(gates, 4, -1)
        cell = jax.nn.sigmoid(f) * cell + jax.nn.sigmoid(i) * jnp.tanh(g)
        hidden = jax.nn.sigmoid(o) * jnp.tanh(cell)
        return (hidden, cell), hidden

    start = jnp.zeros((x.shape[1], params["b"].size // 4))
    return jax.lax.scan(step, (start, start), x)[1]


def _init(key: jax.Array, inputs: int, hidden: int) -> Any:
    w = jax.random.truncated_normal(key, -2.0, 2.0, [inputs + hidden, 4 * hidden]) * (inputs + hidden) ** -0.5
    return {"w": w, "b": jnp.zeros(4 * hidden)}


def _haiku(library: Any, hidden: int) -> Peer:
    def network(x: jax.Array) -> jax.Array:
        core = library.LSTM(hidden)
        return library.dynamic_unroll(core, x, core.initial_state(x.shape[1]))[0]

    def params(weights: Weights) -> Any:
        # Haiku adds 1 to the forget gate itself.
        x, h, b = _joined({**weights, "b": [b - (i == 1) for i, b in enumerate(weights["b"])]}, (0, 2, 1, 3))
        return {"lstm/linear": {"w": jnp.concatenate([x, h]), "b": b}}

    return peer.haiku(library, network, params)


def _linen(hidden: int) -> Peer:
    def params(weights: Weights) -> Any:
        of_x = {f"i{gate}": {"kernel": w} for gate, w in zip("ifgo", weights["x"], strict=True)}
        of_h = zip("ifgo", weights["h"], weights["b"], strict=True)
        return {"cell": of_x | {f"h{gate}": {"kernel": w, "bias": b} for gate, w, b in of_h}}

    return peer.flax_linen(linen.RNN(linen.OptimizedLSTMCell(hidden), time_major=True), params)


def _nnx(inputs: int, hidden: int) -> Peer:
    class Unroll(nnx.Module):
        def __init__(self, rngs: nnx.Rngs):
            self.rnn = nnx.RNN(nnx.OptimizedLSTMCell(inputs, hidden, rngs=rngs), time_major=True)

        def __call__(self, x: jax.Array) -> jax.Array:
            # Given, as the library would draw a key for its zeros.
            start = jnp.zeros((x.shape[1], hidden))
            out: Any = self.rnn(x, initial_carry=(start, start))
            return out

    def params(weights: Weights) -> Any:
        x, h, b = _joined(weights)
        return {"rnn": {"cell": {"dense_i": {"kernel": x}, "dense_h": {"kernel": h, "bias": b}}}}

    return peer.flax_nnx(Unroll, params)


def _equinox(inputs: int, hidden: int) -> Peer:
    def leaves(weights: Weights) -> list[Any]:
        x, h, b = _joined(weights)
        return [x.T, h.T, b]

    def call(cell: Any, x: jax.Array) -> jax.Array:
        def step(carry: Any, x_t: jax.Array) -> Any:
            carry = jax.vmap(cell)(x_t, carry)
            return carry, carry[0]

        start = jnp.zeros((x.shape[1], hidden))
        return jax.lax.scan(step, (start, start), x)[1]

    return peer.equinox(lambda key: eqx.nn.LSTMCell(inputs, hidden, key=key), leaves, call)
