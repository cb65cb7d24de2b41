"""Help for tests of code that uses modules."""

import functools
from collections.abc import Callable
from typing import Any

from haiku_like._core.rng import PRNGSequence
from haiku_like._core.transform import transform_with_state

__all__ = ["transform_and_run"]


def transform_and_run(
    f: Callable[..., Any] | None = None,
    seed: int | None = 42,
    run_apply: bool = True,
    jax_transform: Callable[[Callable[..., Any]], Callable[..., Any]] | None = None,
    *,
    map_rng: Callable[[Any], Any] | None = None,
) -> Callable[..., Any]:
    """Lets a function that uses modules be called as it is: it is transformed, initialised and applied.

    Args:
      f: The function; None to use this as a decorator with arguments.
      seed: The seed of the random keys, or None for no keys.
      run_apply: Whether to run `apply` after `init`; the function then returns what `f` returned, else None.
      jax_transform: Applied to `init` and `apply`, such as `jax.jit`.
      map_rng: Applied to each key before it is passed, such as one that splits it over devices for `jax.pmap`.

    Returns:
      A function with the arguments of `f`.

    Raises:
      TypeError: (by the function) `f` is not callable.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> @hk.testing.transform_and_run(jax_transform=jax.jit)
      ... def shape(x):
      ...     return hk.Linear(2)(x)
      >>> shape(jnp.ones([3, 4])).shape
      (3, 2)
    """
    if f is None:
        return functools.partial(
            transform_and_run, seed=seed, run_apply=run_apply, jax_transform=jax_transform, map_rng=map_rng
        )
    function = f
    wrap = jax_transform or (lambda f: f)

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        keys = None if seed is None else PRNGSequence(seed)

        def next_key() -> Any:
            key = None if keys is None else next(keys)
            return key if key is None or map_rng is None else map_rng(key)

        def call(args: Any) -> Any:
            return function(*args, **kwargs)

        transformed = transform_with_state(call)
        params, state = wrap(transformed.init)(next_key(), args)
        if not run_apply:
            return None
        out, _ = wrap(transformed.apply)(params, state, next_key(), args)
        return out

    return run
