"""Several pure functions over one set of parameters, such as an encoder and a decoder."""

import inspect
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


class _Part:
    """One of the functions that `f` returns: the one that initialises, or one of the tree."""

    def __init__(self, f: Callable[[], Any], index: int | None = None):
        self.f = f
        self.index = index

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return self._of(self.f())(*args, **kwargs)

    def _of(self, returned: Any) -> Callable[..., Any]:
        return returned[0] if self.index is None else jax.tree.leaves(returned[1])[self.index]

    @property
    def __signature__(self) -> inspect.Signature:
        return _look(self.f, lambda returned: inspect.signature(self._of(returned)))

    def __repr__(self) -> str:
        return getattr(self.f, "__qualname__", repr(self.f))


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
    applies = [transform(_Part(f, i), apply_rng=apply_rng).apply for i in branches]
    return MultiTransformed(transform(_Part(f)).init, jax.tree.unflatten(tree, applies))


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
    applies = [transform_with_state(_Part(f, i)).apply for i in branches]
    return MultiTransformedWithState(transform_with_state(_Part(f)).init, jax.tree.unflatten(tree, applies))


def _structure(function: str, f: Callable[[], Any]) -> tuple[range, Any]:
    """Returns the indices of the functions of the tree that `f` returns, and the tree."""
    check_function(function, f)

    def look(returned: Any) -> tuple[range, Any]:
        is_pair = isinstance(returned, (tuple, list)) and len(returned) == 2 and callable(returned[0])
        leaves, tree = jax.tree.flatten(returned[1] if is_pair else None)
        if not leaves or not all(map(callable, leaves)):
            raise TypeError(
                f"{function}: f returned {returned!r}, expected a pair (template, functions) of a function for init "
                f"and a tree of functions, such as (lambda x: decode(encode(x)), {{'encode': encode, 'decode': "
                f"decode}})."
            )
        return range(len(leaves)), tree

    return _look(f, look)


def _look(f: Callable[[], Any], look: Callable[[Any], Any]) -> Any:
    """Returns what `look` finds in what `f` returns when it runs on abstract values, which must not outlive the run."""
    found: list[Any] = []
    jax.eval_shape(lambda: found.append(look(run_init(f, 0, (), {})[0])))
    return found[0]
