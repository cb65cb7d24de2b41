"""The same update on one device or on many, which share the environments out, by any of JAX's three ways.

- `pmap`: each device has a replica of everything but the environments, and a leading axis counts the replicas.
- `shard_map`: the same program on each device, on arrays that belong to all of them.
- `sharding`: the program of one device on arrays whose environments are sharded; the compiler finds what to exchange.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

AXIS = "devices"


class Across(NamedTuple):
    """What the devices of an axis do together; without an axis there is one program, which sees everything."""

    axis: str | None = None

    def mean(self, tree: Any) -> Any:
        """Returns the mean over devices."""
        return tree if self.axis is None else jax.lax.pmean(tree, self.axis)

    def sum(self, tree: Any) -> Any:
        """Returns the sum over devices."""
        return tree if self.axis is None else jax.lax.psum(tree, self.axis)


class Spread(Protocol):
    """A way to spread a learner, a NamedTuple whose field `actors` is shared out, over devices."""

    def place(self, init: Callable[[jax.Array], Any], key: jax.Array) -> Any:
        """Returns `init(key)`, spread."""
        ...

    def compile(self, function: Callable[[Any, Across], tuple[Any, Any]]) -> Callable[[Any], tuple[Any, Any]]:
        """Returns `function(learner, across) -> (learner, results)` on a spread learner; results are everywhere."""
        ...

    def fetch(self, array: jax.Array) -> np.ndarray:
        """Returns what is the same everywhere."""
        ...


def spread(way: str, devices: int) -> Spread:
    """Returns a way to work on some devices of all processes; those of one come first.

    Raises:
      ValueError: there are not so many devices, there is no such way, or `pmap` was asked for with several processes.
    """
    if devices > jax.device_count():
        raise ValueError(
            f"--devices is {devices}, expected at most the {jax.device_count()} that there are. On CPU, XLA_FLAGS="
            f"--xla_force_host_platform_device_count={devices} makes virtual ones."
        )
    if jax.process_count() > 1 and devices != jax.device_count():
        raise ValueError(f"--devices is {devices}, expected the {jax.device_count()} of all processes together.")
    chosen = jax.devices()[:devices]
    if devices == 1:
        return _Sharding(chosen)
    if way == "pmap" and jax.process_count() > 1:
        raise ValueError("--spread pmap works in one process; choose shard_map or sharding for several.")
    ways: dict[str, Callable[..., Spread]] = {"pmap": _Pmap, "shard_map": _ShardMap, "sharding": _Sharding}
    if way not in ways:
        raise ValueError(f"--spread is {way}, expected one of {', '.join(ways)}.")
    return ways[way](chosen)


class _Sharding:
    def __init__(self, devices: list[Any]):
        self._mesh = Mesh(np.array(devices), (AXIS,))

    def place(self, init: Callable[[jax.Array], Any], key: jax.Array) -> Any:
        return jax.jit(init, out_shardings=self._shardings(jax.eval_shape(init, key)))(key)

    def compile(self, function: Callable[[Any, Across], tuple[Any, Any]]) -> Callable[[Any], tuple[Any, Any]]:
        everywhere = NamedSharding(self._mesh, PartitionSpec())

        @functools.partial(jax.jit, donate_argnums=0)
        def run(learner: Any) -> tuple[Any, Any]:
            learner, results = function(learner, Across())
            constrain = jax.lax.with_sharding_constraint
            return constrain(learner, self._shardings(learner)), constrain(results, everywhere)

        return run

    def fetch(self, array: jax.Array) -> np.ndarray:
        return np.asarray(array.addressable_data(0))

    def _shardings(self, learner: Any) -> Any:
        # On one device nothing is sharded; the compiler says so too, and compiles anew what says otherwise.
        specs = _specs(learner, PartitionSpec(AXIS) if self._mesh.size > 1 else PartitionSpec())
        return jax.tree.map(lambda spec: NamedSharding(self._mesh, spec), specs)


class _ShardMap(_Sharding):
    def compile(self, function: Callable[[Any, Across], tuple[Any, Any]]) -> Callable[[Any], tuple[Any, Any]]:
        @functools.partial(jax.jit, donate_argnums=0)
        def run(learner: Any) -> tuple[Any, Any]:
            specs = _specs(learner, PartitionSpec(AXIS))
            # Gradients are those of one device until the agent averages them; the check would add them up before.
            return jax.shard_map(
                lambda learner: function(learner, Across(AXIS)),
                mesh=self._mesh,
                in_specs=(specs,),
                out_specs=(specs, PartitionSpec()),
                check_vma=False,
            )(learner)

        return run


class _Pmap:
    def __init__(self, devices: list[Any]):
        self._devices = devices

    def place(self, init: Callable[[jax.Array], Any], key: jax.Array) -> Any:
        count = len(self._devices)
        learner = jax.jit(init)(key)
        replicas = jax.tree.map(lambda x: jnp.broadcast_to(x, (count, *x.shape)), learner)
        replicas = replicas._replace(
            actors=jax.tree.map(lambda x: x.reshape(count, x.shape[0] // count, *x.shape[1:]), learner.actors)
        )
        # Where the results of a step will be; from elsewhere, the first step would be a program of its own.
        return jax.device_put(replicas, NamedSharding(Mesh(np.array(self._devices), (AXIS,)), PartitionSpec(AXIS)))

    def compile(self, function: Callable[[Any, Across], tuple[Any, Any]]) -> Callable[[Any], tuple[Any, Any]]:
        on_each = lambda learner: function(learner, Across(AXIS))  # noqa: E731
        return jax.pmap(on_each, axis_name=AXIS, devices=self._devices, donate_argnums=0)

    def fetch(self, array: jax.Array) -> np.ndarray:
        return np.asarray(array[0])


def _specs(learner: Any, actors: PartitionSpec) -> Any:
    specs = jax.tree.map(lambda _: PartitionSpec(), learner)
    return specs._replace(actors=jax.tree.map(lambda _: actors, learner.actors))
