"""Gradients and rematerialisation, for functions that may use parameters, state and keys."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax

from haiku_like import _checks
from haiku_like._core.frame import current_frame
from haiku_like._core.static_arguments import split_arguments
from haiku_like._core.thread import Carried, Outputs, Thread, pair_of


def grad(
    fun: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False, holomorphic: bool = False
) -> Callable[..., Any]:
    """Returns a function that computes the gradient of `fun` in its arguments, as `jax.grad` does.

    What `fun` does to state and keys is kept.

    Args:
      fun: Returns a scalar, or with `has_aux` a scalar and any pytree; it may use modules.
      argnums: The arguments to differentiate in, by position.
      has_aux: Whether `fun` returns a pair `(scalar, auxiliary)`.
      holomorphic: Whether `fun` is promised to be holomorphic.

    Returns:
      A function of the same arguments that returns the gradient, or with `has_aux` `(gradient, auxiliary)`.

    Raises:
      UsageError: (by the function) called outside `hk.transform`, or `fun` returns no pair with `has_aux`.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> def force(x):
      ...     potential = hk.nets.MLP([8, 1])
      ...     return -hk.grad(lambda x: potential(x)[0])(x)
      >>> model = hk.transform(force)
      >>> model.apply(model.init(jax.random.key(0), jnp.ones(3)), jnp.ones(3)).shape
      (3,)
    """
    _checks.function("grad", "fun", fun, "lambda x: x.sum()")
    with_value = _value_and_grad("grad", fun, argnums, has_aux, holomorphic)

    @functools.wraps(fun)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        value, gradients = with_value(*args, **kwargs)
        return (gradients, value[1]) if has_aux else gradients

    return gradient


def value_and_grad(
    fun: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False, holomorphic: bool = False
) -> Callable[..., Any]:
    """Returns a function that computes `fun` and its gradient, as `jax.value_and_grad` does.

    Args:
      fun: As for `grad`.
      argnums: As for `grad`.
      has_aux: As for `grad`.
      holomorphic: As for `grad`.

    Returns:
      A function of the same arguments that returns `(value, gradient)`, or with `has_aux`
      `((value, auxiliary), gradient)`.

    Raises:
      UsageError: (by the function) called outside `hk.transform`, or `fun` returns no pair with `has_aux`.

    Example:
      >>> import haiku_like as hk, jax.numpy as jnp
      >>> model = hk.transform(lambda x: hk.value_and_grad(lambda x: x**2)(x))
      >>> value, gradient = model.apply({}, 3.0)
      >>> float(value), float(gradient)
      (9.0, 6.0)
    """
    _checks.function("value_and_grad", "fun", fun, "lambda x: x.sum()")
    return _value_and_grad("value_and_grad", fun, argnums, has_aux, holomorphic)


def _value_and_grad(name: str, fun: Callable[..., Any], argnums: Any, has_aux: bool, holomorphic: bool) -> Any:
    @functools.wraps(fun)
    def with_value(*args: Any, **kwargs: Any) -> Any:
        thread = Thread(current_frame(name), f"hk.{name}")
        carried = thread.carried()

        @functools.wraps(fun)
        def pure(*args: Any, **kwargs: Any) -> Any:
            out, outputs = thread.run(carried, fun, args, kwargs)
            value, auxiliary = pair_of(name, out, "(scalar, auxiliary), for has_aux") if has_aux else (out, None)
            return value, (auxiliary, outputs)

        differentiated = jax.value_and_grad(pure, argnums, has_aux=True, holomorphic=holomorphic)
        (value, (auxiliary, outputs)), gradients = differentiated(*args, **kwargs)
        thread.adopt(outputs, keep_names=False)
        return ((value, auxiliary) if has_aux else value), gradients

    return with_value


def remat(
    fun: Callable[..., Any],
    *,
    prevent_cse: bool = True,
    policy: Callable[..., bool] | None = None,
    static_argnums: int | Sequence[int] = (),
) -> Callable[..., Any]:
    """Returns `fun` so that its gradient computes it again instead of keeping what it computed: `jax.checkpoint`.

    Args:
      fun: The function; it may use modules.
      prevent_cse: Whether to keep the compiler from merging the two computations; false is faster inside a scan.
      policy: What to keep after all, one of `jax.checkpoint_policies`.
      static_argnums: The arguments, by position, that are Python values.

    Returns:
      A function with the same arguments and values.

    Raises:
      UsageError: (by the function) called outside `hk.transform`.
      ValueError: (by the function) `static_argnums` names no argument.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> model = hk.transform(lambda x: hk.remat(hk.nets.MLP([8, 2]))(x))
      >>> model.apply(model.init(jax.random.key(0), jnp.ones(3)), jnp.ones(3)).shape
      (2,)
    """
    _checks.function("remat", "fun", fun, "hk.Linear(3)")

    @functools.wraps(fun)
    def rematerialised(*args: Any, **kwargs: Any) -> Any:
        thread = Thread(current_frame("remat"), "hk.remat")
        arguments, call = split_arguments("remat", fun, args, kwargs, static_argnums)

        def pure(carried: Carried, arguments: Any) -> tuple[Any, Outputs]:
            return thread.run(carried, call, (arguments,), {})

        checkpointed = jax.checkpoint(pure, prevent_cse=prevent_cse, policy=policy)
        out, outputs = checkpointed(thread.carried(), arguments)
        thread.adopt(outputs)
        return out

    return rematerialised
