"""Several pure functions over one set of parameters, such as an encoder and a decoder."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax

from haiku_like._core.transform import check_function, run_init, transform, transform_with_state


class MultiTransformed(NamedTuple):
    """An `init` and several `apply` functions over the same parameters.

    Attributes:
      init: `init(rng, *args, **kwargs) -> params`.
      apply: A tree of functions `apply(params, *args, **kwargs) -> out`, or with `apply_rng`
        `apply(params, rng, *args, **kwargs) -> out`.
    """

    init: Callable[..., Any]
    apply: Any


class MultiTransformedWithState(NamedTuple):
    """An `init` and several `apply` functions over the same parameters and state.

    Attributes:
      init: `init(rng, *args, **kwargs) -> (params, state)`.
      apply: A tree of functions `apply(params, state, rng, *args, **kwargs) -> (out, state)`.
    """

    init: Callable[..., Any]
    apply: Any


class _Template:
    """Calls the function that initialises, which is the first part of what `f` returns."""

    def __init__(self, f: Callable[[], Any]):
        self.f = f

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.f()[0](*args, **kwargs)


class _Branch:
    """Calls one function of the tree that is the second part of what `f` returns."""

    def __init__(self, f: Callable[[], Any], index: int):
        self.f = f
        self.index = index

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return jax.tree.leaves(self.f()[1])[self.index](*args, **kwargs)


def multi_transform(f: Callable[[], Any], *, apply_rng: bool = False) -> MultiTransformed:
    """Turns a function that returns several functions into one `init` and as many `apply`.

    Args:
      f: A function without arguments that builds modules and returns `(template, functions)`: `template(*args)` runs
        everything that has parameters, for `init`, and `functions` is any tree of functions, for `apply`.
      apply_rng: Whether each `apply` takes a random key after the parameters.

    Returns:
      `init(rng, *args) -> params` and a tree of `apply(params, *args) -> out`, or with `apply_rng`
      `apply(params, rng, *args) -> out`.

    Raises:
      TypeError: `f` is not callable, or returns something else.
      NonEmptyStateError: (by `init` and `apply`) the functions use state.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> def autoencoder():
      ...     encoder, decoder = hk.Linear(2, name="encoder"), hk.Linear(4, name="decoder")
      ...     return lambda x: decoder(encoder(x)), {"encode": encoder, "decode": decoder}
      >>> model = hk.multi_transform(autoencoder)
      >>> params = model.init(jax.random.key(0), jnp.ones([1, 4]))
      >>> code = model.apply["encode"](params, jnp.ones([1, 4]))
      >>> model.apply["decode"](params, code).shape
      (1, 4)
    """
    branches, tree = _structure("multi_transform", f)
    applies = [transform(_Branch(f, i), apply_rng=apply_rng).apply for i in branches]
    return MultiTransformed(transform(_Template(f)).init, jax.tree.unflatten(tree, applies))


def multi_transform_with_state(f: Callable[[], Any]) -> MultiTransformedWithState:
    """Turns a function that returns several functions with state into one `init` and as many `apply`.

    Args:
      f: As for `multi_transform`.

    Returns:
      `init(rng, *args) -> (params, state)` and a tree of `apply(params, state, rng, *args) -> (out, state)`.

    Raises:
      TypeError: `f` is not callable, or returns something else.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> def counter():
      ...     def count():
      ...         hk.set_state("n", hk.get_state("n", [], init=jnp.zeros) + 1)
      ...     return count, {"count": count, "read": lambda: hk.get_state("n")}
      >>> model = hk.multi_transform_with_state(counter)
      >>> params, state = model.init(None)
      >>> _, state = model.apply["count"](params, state, None)
      >>> float(model.apply["read"](params, state, None)[0])
      1.0
    """
    branches, tree = _structure("multi_transform_with_state", f)
    applies = [transform_with_state(_Branch(f, i)).apply for i in branches]
    return MultiTransformedWithState(transform_with_state(_Template(f)).init, jax.tree.unflatten(tree, applies))


def _structure(function: str, f: Callable[[], Any]) -> tuple[range, Any]:
    """Runs `f` once on abstract values, for the tree of functions that it returns."""
    check_function(function, f)
    returned: list[Any] = []

    def collect() -> None:
        out, _ = run_init(f, 0, (), {})
        returned.append(out)

    jax.eval_shape(collect)
    (out,) = returned
    is_pair = isinstance(out, (tuple, list)) and len(out) == 2 and callable(out[0])
    leaves, tree = jax.tree.flatten(out[1] if is_pair else None)
    if not leaves or not all(map(callable, leaves)):
        raise TypeError(
            f"{function}: f returned {out!r}, expected a pair (template, functions) of a function for init and a tree "
            f"of functions, such as (lambda x: decode(encode(x)), {{'encode': encode, 'decode': decode}})."
        )
    return range(len(leaves)), tree
