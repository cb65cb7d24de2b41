"""Modules: what they cost over hand-written JAX, in tracing, in eager mode, in `init` and in a fresh process."""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import fresh
from benchmarks.case import HAND, Case, check_alike
from benchmarks.peers import linear_stacks

OURS = "haiku_like"


def modules(tiny: bool) -> Iterator[Case]:
    """A stack of Linear layers in every library, then what a fresh process costs."""
    yield from linear_layers(*((5, 8) if tiny else (200, 64)))
    yield from fresh_processes(tiny)


def linear_layers(depth: int, size: int) -> Iterator[Case]:
    """Linear layers on top of one another: the cost of many small modules."""
    random = np.random.default_rng(0)
    layers = [
        (jnp.asarray(random.normal(size=(size, size)) / np.sqrt(size), np.float32), jnp.zeros(size, np.float32) + 0.1)
        for _ in range(depth)
    ]
    x = jnp.asarray(random.normal(size=(8, size)), np.float32)
    key = jax.random.PRNGKey(0)
    peers = linear_stacks(depth, size)
    params = {name: peer.params(layers) for name, peer in peers.items()}
    expected = np.asarray(x, np.float64)
    for w, b in layers:
        expected = expected @ np.asarray(w, np.float64) + np.asarray(b, np.float64)
    check_alike({"float64": expected} | {n: p.apply(params[n], x) for n, p in peers.items()}, 1e-3)

    def each(run: Callable[[Callable[..., Any], Any], Any]) -> dict[str, Callable[[], Any]]:
        return {name: lambda p=peer, n=name: run(p.apply, params[n]) for name, peer in peers.items()}

    def loss(f: Callable[..., Any]) -> Callable[..., Any]:
        return lambda p, x: f(p, x).sum()

    # A new function each time, since JAX remembers the traces of an old one.
    def trace(f: Callable[..., Any], p: Any) -> None:
        jax.make_jaxpr(lambda p, x: f(p, x))(p, x)

    def trace_gradient(f: Callable[..., Any], p: Any) -> None:
        jax.make_jaxpr(jax.grad(loss(f)))(p, x)

    def lower(f: Callable[..., Any], p: Any) -> None:
        jax.jit(lambda p, x: f(p, x)).lower(p, x)

    def compiled(make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> dict[str, Callable[[], Any]]:
        runs = {name: jax.jit(make(peer.apply)) for name, peer in peers.items()}
        return {name: lambda f=f, n=name: f(params[n], x) for name, f in runs.items()}

    title = f"{depth} Linear layers"
    yield Case(f"{title}: trace of apply", OURS, each(trace), "tracing")
    yield Case(f"{title}: trace of its gradient", OURS, each(trace_gradient), "tracing")
    yield Case(f"{title}: lowering", OURS, each(lower), "tracing")
    yield Case(f"{title}: eager apply", OURS, each(lambda f, p: f(p, x)), "eager")
    yield Case(f"{title}: compiled apply", OURS, compiled(lambda f: f), "compiled")
    yield Case(f"{title}: compiled gradient", OURS, compiled(lambda f: jax.grad(loss(f))), "compiled")
    inits = {
        name: lambda init=peer.init: jax.eval_shape(lambda k: init(k, x), key)
        for name, peer in peers.items()
        if peer.init is not None
    }
    yield Case(f"{title}: eval_shape of init", OURS, inits, "tracing")


def fresh_processes(tiny: bool) -> Iterator[Case]:
    """What a user waits for at the start: imports, and the first init of a network, each in a process of its own."""
    imports = {HAND: "jax", OURS: "haiku_like", "dm-haiku": "haiku", "flax": "flax.linen", "equinox": "equinox"}
    runs = {name: lambda module=module: fresh.time_import(module) for name, module in imports.items()}
    yield Case("import, after that of jax", OURS, {n: f for n, f in runs.items() if n != HAND}, "fresh")
    network = "ResNet18" if tiny else "ResNet50"
    inits = {name: lambda lib=lib: fresh.time_init(lib, network) for name, lib in
             ((OURS, "haiku_like"), ("dm-haiku", "haiku"))}  # fmt: skip
    yield Case(f"first init of {network}, eagerly", OURS, inits, "fresh")
