"""Functions over a batch or over devices, which may use parameters, state and keys."""

import functools
from collections.abc import Callable, Hashable
from typing import Any

import jax
from jax.sharding import PartitionSpec

from haiku_like import _checks
from haiku_like._core.errors import UsageError
from haiku_like._core.frame import current_frame
from haiku_like._core.rng import stacked
from haiku_like._core.thread import Carried, Outputs, Thread, Variables


def vmap(
    fun: Callable[..., Any],
    in_axes: Any = 0,
    out_axes: Any = 0,
    axis_name: Hashable | None = None,
    axis_size: int | None = None,
    *,
    split_rng: bool,
    spmd_axis_name: Hashable | tuple[Hashable, ...] | None = None,
) -> Callable[..., Any]:
    """Returns a function over a batch, as `jax.vmap` does; all examples share the parameters and the state.

    State that the function sets must be the same for all examples, for example by `jax.lax.pmean` over `axis_name`.

    Args:
      fun: The function of one example; it may use modules.
      in_axes: The axes of the arguments that are batched, as for `jax.vmap`.
      out_axes: Where the batch axis goes in the outputs.
      axis_name: A name of the batch axis for collectives.
      axis_size: The size of the batch, where no argument tells.
      split_rng: Whether each example gets random keys of its own in `apply`; otherwise all get the same. In `init` all
        get the same, so that parameters do not differ.
      spmd_axis_name: The axis of a device mesh that the batch lies along.

    Raises:
      UsageError: (by the function) called outside `hk.transform`, or state differs between examples.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> def noisy(x):
      ...     return hk.Linear(2)(x) + jax.random.normal(hk.next_rng_key(), [2])
      >>> model = hk.transform(lambda xs: hk.vmap(noisy, split_rng=True)(xs), apply_rng=True)
      >>> xs = jnp.ones([5, 3])
      >>> out = model.apply(model.init(jax.random.key(0), xs), jax.random.key(1), xs)
      >>> out.shape, bool((out[0] == out[1]).all())
      ((5, 2), False)
    """
    _checks.function("vmap", "fun", fun, "hk.Linear(3)")
    in_axes = tuple(in_axes) if isinstance(in_axes, list) else in_axes

    @functools.wraps(fun)
    def batched(*args: Any, **kwargs: Any) -> Any:
        frame = current_frame("vmap")
        thread = Thread(frame, "hk.vmap")
        keys = None
        if split_rng and thread.owns_keys and frame.rng is not None and not frame.running_init:
            size = axis_size if axis_size is not None else _batch_size(in_axes, args, kwargs)
            keys = stacked(frame.rng.take(size))
        carried = thread.carried()

        ended: list[bool] = []

        def pure(key: Any, args: Any, kwargs: Any) -> tuple[Any, Outputs]:
            own = carried if key is None else Carried(carried.state, (key, ()))
            out, outputs = thread.run(own, fun, args, kwargs)
            ended.append(True)
            return out, outputs if key is None else outputs._replace(carried=Carried(outputs.carried.state, None))

        def over_batch(fun: Callable[..., Any], out_axes: Any) -> Any:
            return jax.vmap(
                fun, (0, in_axes, 0), out_axes, axis_name=axis_name, axis_size=axis_size, spmd_axis_name=spmd_axis_name
            )(keys, args, kwargs)

        try:
            out, outputs = over_batch(pure, (out_axes, None))
        except ValueError as error:
            if ended:
                remedy = "hk.vmap(..., axis_name='i') and jax.lax.pmean(value, 'i')"
                _check_shared(
                    "vmap", "examples of the batch", remedy, lambda: over_batch(_outputs_of(pure), None), error
                )
            raise
        thread.adopt(outputs, keep_names=False)
        return out

    return batched


def _batch_size(in_axes: Any, args: Any, kwargs: Any) -> int:
    """Returns the size of the batch, by asking JAX to map a function over it that looks at nothing."""
    sizes: list[int] = []

    def note(args: Any, kwargs: Any) -> None:
        sizes.append(jax.lax.axis_size("hk_batch"))

    jax.vmap(note, (in_axes, 0), axis_name="hk_batch")(args, kwargs)
    return sizes[0]


def shard_map(
    f: Callable[..., Any],
    *,
    mesh: Any = None,
    in_specs: Any,
    out_specs: Any,
    axis_names: Any = frozenset(),
    check_vma: bool = True,
) -> Callable[..., Any]:
    """Returns a function over the shards of its arguments, as `jax.shard_map` does.

    Parameters, state and keys are replicated: all shards share them, and state that the function sets must be the same
    on all, for example by `jax.lax.pmean`. Where each shard needs keys of its own, fold its index into the key:
    `jax.random.fold_in(hk.next_rng_key(), jax.lax.axis_index("i"))`.

    Args:
      f: The function of one shard; it may use modules.
      mesh: The mesh of devices, by default the one that is set.
      in_specs: How the arguments are sharded, as for `jax.shard_map`.
      out_specs: How the outputs are.
      axis_names: The axes of the mesh that `f` handles, all by default.
      check_vma: Whether JAX checks what is replicated.

    Raises:
      UsageError: (by the function) called outside `hk.transform`.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> from jax.sharding import PartitionSpec as P
      >>> mesh = jax.make_mesh((jax.device_count(),), ("i",), axis_types=(jax.sharding.AxisType.Auto,))
      >>> def forward(x):
      ...     return hk.shard_map(hk.Linear(2), mesh=mesh, in_specs=P("i"), out_specs=P("i"))(x)
      >>> model = hk.transform(forward)
      >>> x = jnp.ones([8, 3])
      >>> model.apply(model.init(jax.random.key(0), x), x).shape
      (8, 2)
    """
    _checks.function("shard_map", "f", f, "hk.Linear(3)")
    in_specs = tuple(in_specs) if isinstance(in_specs, list) else in_specs

    @functools.wraps(f)
    def sharded(*args: Any) -> Any:
        thread = Thread(current_frame("shard_map"), "hk.shard_map")
        replicated = PartitionSpec()

        ended: list[bool] = []

        def pure(variables: Variables, carried: Carried, args: Any) -> tuple[Any, Outputs]:
            out, outputs = thread.run_on(thread.fork(carried, variables), f, args, {})
            ended.append(True)
            return out, outputs

        def over_shards(fun: Callable[..., Any], out_specs: Any) -> Any:
            return jax.shard_map(
                fun, mesh=mesh, in_specs=(replicated, replicated, in_specs), out_specs=out_specs,
                axis_names=axis_names, check_vma=check_vma,
            )(thread.variables(), thread.carried(), args)  # fmt: skip

        try:
            out, outputs = over_shards(pure, (out_specs, replicated))
        except ValueError as error:
            if ended:
                remedy = "jax.lax.pmean(value, axis_name)"
                _check_shared("shard_map", "shards", remedy, lambda: over_shards(_outputs_of(pure), replicated), error)
            raise
        thread.adopt(outputs)
        return out

    return sharded


def _outputs_of(pure: Callable[..., tuple[Any, Outputs]]) -> Callable[..., Outputs]:
    return lambda *args: pure(*args)[1]


def _check_shared(function: str, parts: str, remedy: str, run: Callable[[], Any], error: ValueError) -> None:
    """Raises where what JAX complained of is the variables, since what `run` does with them alone fails too."""
    try:
        run()
    except ValueError:
        raise UsageError(
            f"{function}: the function sets state, or creates parameters, that differ between the {parts}, expected "
            f"the same for all. Average over them: {remedy} before hk.set_state."
        ) from error
