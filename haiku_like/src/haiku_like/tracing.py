"""Compilation and abstract evaluation of functions that may use parameters, state and keys."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax

from haiku_like import _checks
from haiku_like._core.frame import current_frame
from haiku_like._core.rng import CountingSequence
from haiku_like._core.static_arguments import split_arguments
from haiku_like._core.thread import Carried, Outputs, Thread, Variables


def jit(
    fun: Callable[..., Any],
    *,
    static_argnums: int | Sequence[int] = (),
    static_argnames: str | Sequence[str] = (),
    inline: bool = False,
) -> Callable[..., Any]:
    """Returns a function that is compiled as one piece of the program, as `jax.jit` does.

    It is traced anew at each call, since what it finds in the parameters may differ: use it to give a piece of a
    program that is compiled anyway a name and a boundary, and `jax.jit` around `apply` to compile.

    Args:
      fun: The function; it may use modules.
      static_argnums: The arguments, by position, that are Python values.
      static_argnames: The arguments, by name, that are Python values.
      inline: Whether to leave no boundary in the traced program.

    Raises:
      UsageError: (by the function) called outside `hk.transform`.
      ValueError: (by the function) `static_argnums` names no argument.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> model = hk.transform(lambda x: hk.jit(hk.Linear(2))(x))
      >>> model.apply(model.init(jax.random.key(0), jnp.ones(3)), jnp.ones(3)).shape
      (2,)
    """
    _checks.function("jit", "fun", fun, "hk.Linear(3)")

    @functools.wraps(fun)
    def compiled(*args: Any, **kwargs: Any) -> Any:
        thread = Thread(current_frame("jit"), "hk.jit")
        arguments, call = split_arguments("jit", fun, args, kwargs, static_argnums, static_argnames)

        def pure(variables: Variables, carried: Carried, arguments: Any) -> tuple[Any, Outputs]:
            return thread.run_on(thread.fork(carried, variables), call, (arguments,), {})

        pure.__name__ = getattr(fun, "__name__", type(fun).__name__)
        out, outputs = jax.jit(pure, inline=inline)(thread.variables(), thread.carried(), arguments)
        thread.adopt(outputs)
        return out

    return compiled


def eval_shape(fun: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Returns the shapes and dtypes that `fun(*args, **kwargs)` would return, as `jax.eval_shape` does.

    Nothing that the function does to variables, keys and names is kept.

    Args:
      fun: The function; it may use modules.
      *args: Arrays, or `jax.ShapeDtypeStruct`s.
      **kwargs: Likewise.

    Returns:
      The output with a `jax.ShapeDtypeStruct` for each array.

    Raises:
      UsageError: called outside `hk.transform`.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> def forward(x):
      ...     layer = hk.Linear(2)
      ...     return layer(x), hk.eval_shape(layer, x).shape
      >>> model = hk.transform(forward)
      >>> model.apply(model.init(jax.random.key(0), jnp.ones(3)), jnp.ones(3))[1]
      (2,)
    """
    frame = current_frame("eval_shape")
    _checks.function("eval_shape", "fun", fun, "hk.Linear(3)")
    thread = Thread(frame, "hk.eval_shape")
    carried = thread.carried()
    return jax.eval_shape(lambda args, kwargs: thread.run(carried, fun, args, kwargs)[0], args, kwargs)


def fast_eval_shape(fun: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Returns the shapes and dtypes that `fun(*args, **kwargs)` would return, for example those of parameters.

    It does as `jax.eval_shape`, and may be called with `init` or `apply` outside a transformed function.

    Args:
      fun: The function, such as `hk.transform(f).init`.
      *args: Arrays, or `jax.ShapeDtypeStruct`s.
      **kwargs: Likewise.

    Returns:
      The output with a `jax.ShapeDtypeStruct` for each array.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> model = hk.transform(lambda x: hk.Linear(2, with_bias=False)(x))
      >>> hk.experimental.fast_eval_shape(model.init, jax.random.key(0), jnp.ones([1, 3]))
      {'linear': {'w': ShapeDtypeStruct(shape=(3, 2), dtype=float32)}}
    """
    _checks.function("fast_eval_shape", "fun", fun, "hk.transform(f).init")
    return jax.eval_shape(fun, *args, **kwargs)


def optimize_rng_use(fun: Callable[..., Any]) -> Callable[..., Any]:
    """Returns `fun` so that all the random keys that it asks for are split at once, which traces and runs faster.

    To count them it runs the function once more, on abstract values. The keys differ from those of `fun`.

    Args:
      fun: The function; it may use modules.

    Raises:
      UsageError: (by the function) called outside `hk.transform`.

    Example:
      >>> import haiku_like as hk, jax
      >>> @hk.experimental.optimize_rng_use
      ... def three_keys():
      ...     return [hk.next_rng_key() for _ in range(3)]
      >>> len(hk.transform(three_keys, apply_rng=True).apply({}, jax.random.key(0)))
      3
    """
    _checks.function("optimize_rng_use", "fun", fun, "hk.Linear(3)")

    @functools.wraps(fun)
    def optimized(*args: Any, **kwargs: Any) -> Any:
        frame = current_frame("optimize_rng_use")
        thread = Thread(frame, "hk.experimental.optimize_rng_use")
        if thread.owns_keys and frame.rng is not None:
            frame.rng.reserve(_keys_asked_for(thread, fun, args, kwargs))
        return fun(*args, **kwargs)

    return optimized


def _keys_asked_for(thread: Thread, fun: Callable[..., Any], args: Any, kwargs: Any) -> int:
    carried = thread.carried()
    counts: list[int] = []

    def count(args: Any, kwargs: Any) -> None:
        fork = thread.fork(carried)
        fork.rng = counting = CountingSequence(carried.rng)
        thread.run_on(fork, fun, args, kwargs)
        counts.append(counting.count)

    jax.eval_shape(count, args, kwargs)
    return counts[0]
