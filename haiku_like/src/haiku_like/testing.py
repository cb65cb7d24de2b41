"""Help for tests of code that uses modules."""

import functools
from collections.abc import Callable
from typing import Any

import jax

from haiku_like._core.transform import check_function, transform_with_state

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
      seed: The seed of the key for `init`, where that for `apply` is one more; None for no keys.
      run_apply: Whether to run `apply` after `init`; the function then returns what `f` returned, else None.
      jax_transform: Applied to `init(rng)` and `apply(params, state, rng)`, such as `jax.jit`. The arguments of the
        function are part of what is transformed, so they are not traced.
      map_rng: Applied to each key before it is passed, such as one that splits it over devices for `jax.pmap`.

    Returns:
      A function with the arguments of `f`.

    Raises:
      TypeError: `f` is not callable.

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
    check_function("transform_and_run", f)
    function = f
    wrap = jax_transform or (lambda f: f)

    def key(seed: int | None) -> Any:
        key = None if seed is None else jax.random.PRNGKey(seed)
        return key if key is None or map_rng is None else map_rng(key)

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        transformed = transform_with_state(lambda: function(*args, **kwargs))
        params, state = wrap(transformed.init)(key(seed))
        if not run_apply:
            return None
        out, _ = wrap(transformed.apply)(params, state, key(None if seed is None else seed + 1))
        return out

    return run
