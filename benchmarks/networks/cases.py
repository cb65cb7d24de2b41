"""What is measured of each network: from its trace to a gradient step, after its results have been checked."""

import functools
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import fresh
from benchmarks.case import Case, Compiled, check_alike
from benchmarks.networks.peer import OURS, Network, Peer
from benchmarks.timing import Measured

Calls = Mapping[str, Callable[[], Any]]
"""A compiled call for each peer."""

LEARNING_RATE = 1.0
"""Of the steps: 1, so that what they were checked by, their gradient, is not lost to rounding."""

EPSILON = 1e-6
"""How far the reference moves the weights for its derivative."""


def cases(network: Network, fresh_name: str | None, tiny: bool) -> Iterator[Case]:
    """Yields the cases of a network.

    Args:
      network: What to measure.
      fresh_name: The network's name in `NETWORKS`, for its first init in processes of their own; None to leave it out.
      tiny: Whether that is the tiny network.
    """
    peers = network.peers
    inputs = functools.cache(lambda: _inputs(network))
    applies = {name: Compiled(peer.apply, lambda n=name: inputs()[n]) for name, peer in peers.items()}
    steps = {name: Compiled(step(peer), lambda n=name: inputs()[n]) for name, peer in peers.items()}

    @functools.cache  # Once, before the first case that is measured.
    def prepare() -> None:
        check(network, inputs(), applies, steps)

    key = jax.random.PRNGKey(0)

    def each(run: Callable[[Peer, tuple[Any, ...]], Any]) -> dict[str, Callable[[], Any]]:
        return {name: lambda p=peer, n=name: run(p, inputs()[n]) for name, peer in peers.items()}

    # A new function each time, since JAX remembers the traces of an old one.
    def new(peer: Peer) -> Any:
        return jax.jit(lambda p, s, x: peer.apply(p, s, x))

    def new_step(peer: Peer) -> Any:
        return jax.jit(step(peer))

    def lower(peer: Peer, args: tuple[Any, ...]) -> Measured:
        traced = new(peer).trace(*args)
        return _timed(traced.lower)

    def compile_anew(peer: Peer, args: tuple[Any, ...]) -> Measured:
        lowered = new(peer).lower(*args)
        return _timed(lowered.compile)

    def init(peer: Peer, args: tuple[Any, ...]) -> Any:
        return peer.init(key, args[-1])

    title = network.title
    yield Case(f"{title}: trace of apply", OURS, each(lambda p, args: new(p).trace(*args)), "tracing", prepare=prepare)
    trace_step = each(lambda p, args: new_step(p).trace(*args))
    yield Case(f"{title}: trace of a gradient step", OURS, trace_step, "tracing", prepare=prepare)
    yield Case(f"{title}: lowering of the trace", OURS, each(lower), "tracing", prepare=prepare)
    shapes = each(lambda p, args: jax.eval_shape(lambda k, x: p.init(k, x), key, args[-1]))
    yield Case(f"{title}: eval_shape of init", OURS, shapes, "tracing", prepare=prepare)
    yield Case(f"{title}: compilation", OURS, each(compile_anew), "compilation", once=True, prepare=prepare)
    yield Case(f"{title}: eager apply", OURS, each(lambda p, args: p.apply(*args)), "eager", prepare=prepare)
    yield Case(f"{title}: eager init", OURS, each(init), "eager", prepare=prepare)
    if fresh_name is not None:
        time_init = functools.partial(fresh.time_init, fresh_name)
        runs = {name: lambda name=name: time_init(name, tiny) for name in peers}
        yield Case(f"{title}: first init, eagerly", OURS, runs, "fresh", once=True, prepare=prepare)
    yield Case(f"{title}: compiled apply", OURS, applies, "compiled", prepare=prepare)
    yield Case(f"{title}: compiled gradient step", OURS, steps, "compiled", prepare=prepare)


def loss(peer: Peer) -> Callable[..., tuple[jax.Array, Any]]:
    """Returns a loss of a network, and its new state."""

    def of(p: Any, s: Any, x: jax.Array) -> tuple[jax.Array, Any]:
        out, s = peer.apply(p, s, x)
        return jnp.mean(jnp.square(out - 1)), s

    return of


def step(peer: Peer) -> Callable[..., tuple[Any, Any]]:
    """Returns a step of gradient descent, as a function that was not traced before."""

    def of(p: Any, s: Any, x: jax.Array) -> tuple[Any, Any]:
        gradient, s = jax.grad(loss(peer), has_aux=True)(p, s, x)
        return jax.tree.map(lambda w, g: w - LEARNING_RATE * g, p, gradient), s

    return of


def check(network: Network, inputs: dict[str, tuple[Any, ...]], applies: Calls, steps: Calls) -> None:
    """Raises unless all peers give the outputs of the reference, and the derivative along one direction."""
    weights, x = network.weights(), network.x
    random = np.random.default_rng(1)
    # As large as the weights, so that the derivative is neither lost nor all of a few of them.
    direction = jax.tree.map(lambda w: np.abs(w).mean() * random.normal(size=w.shape), weights)

    def moved(by: float) -> Any:
        return jax.tree.map(lambda w, d: w + by * d, weights, direction)

    def reference_loss(by: float) -> Any:
        return np.mean((network.reference(moved(by), x) - 1) ** 2)

    slope = (reference_loss(EPSILON) - reference_loss(-EPSILON)) / (2 * EPSILON)
    outputs, slopes = {"float64": network.reference(weights, x)}, {"derivative in float64": slope}
    for name, peer in network.peers.items():
        p = inputs[name][0]
        outputs[name] = applies[name]()[0]
        gradient = jax.tree.map(lambda w, new: (w - new) / LEARNING_RATE, p, steps[name]()[0])
        along = jax.tree.map(jnp.subtract, peer.params(_single(moved(1.0))), p)
        products = jax.tree.map(lambda g, d: np.vdot(np.float64(g), np.float64(d)), gradient, along)
        slopes[f"derivative of {name}"] = sum(jax.tree.leaves(products))
    check_alike(outputs, network.tolerance)
    check_alike({name: found / slope for name, found in slopes.items()}, 10 * network.tolerance)


def time_init(network: Network, peer: str) -> float:
    """Returns the seconds of an init, for a process where nothing was run before."""
    x = jnp.asarray(network.peers[peer].inputs(network.x), jnp.float32)
    key = jax.random.PRNGKey(0)
    return _timed(lambda: jax.block_until_ready(network.peers[peer].init(key, x))).seconds


def _inputs(network: Network) -> dict[str, tuple[Any, ...]]:
    """Returns parameters, state and inputs for each peer."""
    weights = _single(network.weights())
    return {
        name: (peer.params(weights), peer.state(), jnp.asarray(peer.inputs(network.x), jnp.float32))
        for name, peer in network.peers.items()
    }


def _single(weights: Any) -> Any:
    return jax.tree.map(lambda w: jnp.asarray(w, jnp.float32), weights)


def _timed(run: Callable[[], Any]) -> Measured:
    start = time.perf_counter()
    run()
    return Measured(time.perf_counter() - start)
