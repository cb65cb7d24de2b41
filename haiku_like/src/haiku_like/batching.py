"""Functions over a batch or over devices, which may use parameters, state and keys."""

import functools
from collections.abc import Callable, Hashable
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec

from haiku_like import _checks
from haiku_like._core.errors import UsageError
from haiku_like._core.frame import current_frame
from haiku_like._core.thread import Carried, Outputs, Thread


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
        split = split_rng and frame.rng is not None and not frame.running_init
        thread = Thread(frame, "hk.vmap")
        keys = None
        if split and frame.rng is not None:
            size = axis_size if axis_size is not None else _batch_size(in_axes, args, kwargs)
            keys = jnp.stack(frame.rng.take(size))
        carried = thread.carried()

        def pure(key: Any, args: Any, kwargs: Any) -> tuple[Any, Outputs]:
            own = carried if key is None else Carried(carried.state, (key, ()))
            out, outputs = thread.run(own, fun, args, kwargs)
            return out, outputs if key is None else outputs._replace(carried=Carried(outputs.carried.state, None))

        mapped = jax.vmap(
            pure, (0, in_axes, 0), (out_axes, None), axis_name=axis_name, axis_size=axis_size,
            spmd_axis_name=spmd_axis_name,
        )  # fmt: skip
        try:
            out, outputs = mapped(keys, args, kwargs)
        except ValueError as error:
            if "out_axes" in str(error) and "None" in str(error):
                raise UsageError(
                    "vmap: the function sets state, or creates parameters, that differ between the examples of the "
                    "batch, expected the same for all. Average over the batch: hk.vmap(..., axis_name='i') and "
                    "jax.lax.pmean(value, 'i') before hk.set_state."
                ) from error
            raise
        thread.adopt(outputs, keep_names=False)
        return out

    return batched


def _batch_size(in_axes: Any, args: Any, kwargs: Any) -> int:
    """Returns the size of the batch, by asking JAX to map a function over it that looks at nothing."""
    sizes: list[int] = []

    def note(args: Any, kwargs: Any) -> None:
        sizes.append(jax.lax.axis_size("hk_batch"))

    jax.eval_shape(jax.vmap(note, (in_axes, 0), axis_name="hk_batch"), args, kwargs)
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
        frame = current_frame("shard_map")
        thread = Thread(frame, "hk.shard_map")
        replicated = PartitionSpec()

        def pure(params: Any, carried: Carried, args: Any) -> tuple[Any, Outputs]:
            return thread.run_on(thread.fork(carried, params), f, args, {})

        mapped = jax.shard_map(
            pure, mesh=mesh, in_specs=(replicated, replicated, in_specs), out_specs=(out_specs, replicated),
            axis_names=axis_names, check_vma=check_vma,
        )  # fmt: skip
        params = {path: dict(bundle) for path, bundle in frame.params.items()}
        out, outputs = mapped(params, thread.carried(), args)
        thread.adopt(outputs)
        return out

    return sharded
