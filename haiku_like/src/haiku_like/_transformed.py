"""One form for all the pairs that the transforms return, for tools that take any of them."""

from collections.abc import Callable
from typing import Any

from haiku_like._core.conventions import with_empty_state
from haiku_like._core.transform import Transformed, TransformedWithState, transform_with_state


def with_state_and_key(function: str, argument: str, f: Any) -> TransformedWithState:
    """Returns `init(rng, *args) -> (params, state)` and `apply(params, state, rng, *args) -> (out, state)`.

    Args:
      function: The public function, for messages.
      argument: The name of the argument, for messages.
      f: A function that uses modules, or what `hk.transform` or `hk.transform_with_state` returned.

    Raises:
      TypeError: `f` is neither.
    """
    if isinstance(f, Transformed):
        return with_empty_state(f)
    if isinstance(f, TransformedWithState):
        # An apply that takes no key says so by the names of its leading arguments; one of the user's own takes a key.
        return f if "rng" in getattr(f.apply, "leading", ("rng",)) else f._replace(apply=_IgnoringKey(f.apply))
    if callable(f):
        return transform_with_state(f)
    raise TypeError(
        f"{function}: {argument} is of type {type(f).__name__}, expected a function that builds and calls modules, or "
        f"what hk.transform or hk.transform_with_state returned. Of several functions, pass one at a time."
    )


class _IgnoringKey:
    """An `apply` that takes a key and does without it."""

    def __init__(self, apply: Callable[..., Any]):
        self._apply = apply

    def __call__(self, params: Any, state: Any, rng: Any, *args: Any, **kwargs: Any) -> Any:
        return self._apply(params, state, *args, **kwargs)
