"""`transform`: from a function that uses modules to a pair of pure functions, `init` and `apply`."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from haiku_like._core.errors import NonEmptyStateError
from haiku_like._core.frame import Frame, StatePair
from haiku_like._core.rng import PRNGSequence, as_key, is_key

if TYPE_CHECKING:
    from haiku_like.typing import Params, PRNGKey, State

_NO_KEY_IN_INIT = "init was given rng=None, expected a key: init(jax.random.key(0), ...)."
_NO_KEY_IN_APPLY = "apply was given rng=None, expected a key: apply(..., rng, ...) with rng=jax.random.key(0)."
_NO_KEY_ARGUMENT = (
    "apply takes no key by default. Use hk.transform(f, apply_rng=True) and pass it: apply(params, rng, ...)."
)

_SUPERFLUOUS_KEY = (
    "apply: the first argument after params is a random key or None. hk.transform(f) gives apply(params, *args), "
    "which takes no key. If you meant to pass one, use hk.transform(f, apply_rng=True), which gives "
    "apply(params, rng, *args)."
)


class Transformed(NamedTuple):
    """A pair of pure functions.

    Attributes:
      init: `init(rng, *args, **kwargs) -> params`.
      apply: `apply(params, *args, **kwargs) -> out`, or `apply(params, rng, *args, **kwargs) -> out` with
        `apply_rng=True`.
    """

    init: Callable[..., "Params"]
    apply: Callable[..., Any]


class TransformedWithState(NamedTuple):
    """A pair of pure functions that carry state.

    Attributes:
      init: `init(rng, *args, **kwargs) -> (params, state)`.
      apply: `apply(params, state, rng, *args, **kwargs) -> (out, state)`.
    """

    init: Callable[..., "tuple[Params, State]"]
    apply: Callable[..., "tuple[Any, State]"]


def transform(f: Callable[..., Any], *, apply_rng: bool = False) -> Transformed:
    """Turns a function that uses modules and parameters into pure `init` and `apply`.

    Args:
      f: A function that builds and calls modules. It must not use state.
      apply_rng: Whether `apply` takes a random key after the parameters. Leave it out for a model that is
        deterministic once it has parameters.

    Returns:
      `init(rng, *args) -> params`, which runs `f` and collects the parameters it creates, and
      `apply(params, *args) -> out`, which runs `f` on given parameters. With `apply_rng=True` it is
      `apply(params, rng, *args)`. `rng` is a random key, an integer seed, or None for a function that asks for
      no key.

    Raises:
      TypeError: `f` is not callable, or `init` or `apply` is given parameters or a key of another type.
      NonEmptyStateError: (by `init` and `apply`) `f` uses state.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> forward = hk.transform(lambda x: hk.nets.MLP([8, 2])(x))
      >>> x = jnp.ones([1, 3])
      >>> params = forward.init(jax.random.key(0), x)
      >>> sorted(params)
      ['mlp/~/linear_0', 'mlp/~/linear_1']
      >>> jax.jit(forward.apply)(params, x).shape
      (1, 2)
    """
    _check_function("transform", f)

    def init(rng: "PRNGKey | int | None", *args: Any, **kwargs: Any) -> "Params":
        frame = _frame_of_init(rng)
        with frame.activated():
            f(*args, **kwargs)
        _check_no_state("init", frame)
        return frame.params

    def run(frame: Frame, args: Any, kwargs: Any) -> Any:
        with frame.activated():
            out = f(*args, **kwargs)
        _check_no_state("apply", frame)
        return out

    if apply_rng:

        def apply_with_rng(params: "Params", rng: "PRNGKey | int | None", *args: Any, **kwargs: Any) -> Any:
            return run(_frame_of_apply(params, {}, rng, _NO_KEY_IN_APPLY), args, kwargs)

        return Transformed(init, apply_with_rng)

    def apply(params: "Params", *args: Any, **kwargs: Any) -> Any:
        frame = _frame_of_apply(params, {}, None, _NO_KEY_ARGUMENT)
        try:
            return run(frame, args, kwargs)
        except Exception as error:
            if args and (is_key(args[0]) or (args[0] is None and isinstance(error, TypeError))):
                error.add_note(_SUPERFLUOUS_KEY)
            raise

    return Transformed(init, apply)


def transform_with_state(f: Callable[..., Any]) -> TransformedWithState:
    """Turns a function that uses modules, parameters and state into pure `init` and `apply`.

    Args:
      f: A function that builds and calls modules.

    Returns:
      `init(rng, *args) -> (params, state)` and `apply(params, state, rng, *args) -> (out, state)`, where the state
      that comes out is the one to pass next. `rng` is a random key, an integer seed, or None for a function that
      asks for no key.

    Raises:
      TypeError: `f` is not callable, or `init` or `apply` is given parameters, state or a key of another type.

    Example:
      >>> import haiku_like as hk, jax.numpy as jnp
      >>> def running_sum(x):
      ...     total = hk.get_state("total", x.shape, init=jnp.zeros) + x
      ...     hk.set_state("total", total)
      ...     return total
      >>> adder = hk.transform_with_state(running_sum)
      >>> params, state = adder.init(None, jnp.ones(()))
      >>> out, state = adder.apply(params, state, None, jnp.float32(2))
      >>> out, state = adder.apply(params, state, None, jnp.float32(3))
      >>> float(out)
      5.0
    """
    _check_function("transform_with_state", f)

    def init(rng: "PRNGKey | int | None", *args: Any, **kwargs: Any) -> "tuple[Params, State]":
        frame = _frame_of_init(rng)
        with frame.activated():
            f(*args, **kwargs)
        return frame.params, _values(frame.state, "initial")

    def apply(
        params: "Params", state: "State", rng: "PRNGKey | int | None", *args: Any, **kwargs: Any
    ) -> "tuple[Any, State]":
        frame = _frame_of_apply(params, state, rng, _NO_KEY_IN_APPLY)
        with frame.activated():
            out = f(*args, **kwargs)
        return out, _values(frame.state, "current")

    return TransformedWithState(init, apply)


def _frame_of_init(rng: Any) -> Frame:
    return Frame(
        running_init=True,
        params={},
        state={},
        rng=_sequence("init", rng),
        missing_rng_hint=_NO_KEY_IN_INIT,
    )


def _frame_of_apply(params: Any, state: Any, rng: Any, missing_rng_hint: str) -> Frame:
    params = _checked_collection("params", params)
    state = _checked_collection("state", state)
    return Frame(
        running_init=False,
        params=params,
        state={
            path: {name: StatePair(value, value) for name, value in bundle.items()} for path, bundle in state.items()
        },
        rng=_sequence("apply", rng),
        missing_rng_hint=missing_rng_hint,
    )


def _sequence(function: str, rng: Any) -> PRNGSequence | None:
    return None if rng is None else PRNGSequence(as_key(function, "rng", rng))


def _values(state: dict[str, dict[str, StatePair]], which: str) -> "State":
    return {path: {name: getattr(pair, which) for name, pair in bundle.items()} for path, bundle in state.items()}


def _check_function(function: str, f: object) -> None:
    if not callable(f):
        raise TypeError(
            f"{function}: f is {f!r} of type {type(f).__name__}, expected a function that builds and calls modules, "
            f"such as lambda x: hk.Linear(3)(x)."
        )


def _checked_collection(argument: str, collection: Any) -> Mapping[str, Any]:
    if collection is None:
        return {}
    if not isinstance(collection, Mapping) or not all(isinstance(b, Mapping) for b in collection.values()):
        raise TypeError(
            f"apply: {argument} is of type {type(collection).__name__}, expected a dictionary "
            f"{{module path: {{name: array}}}} as init returns it. The order is apply(params, ...) for hk.transform "
            f"and apply(params, state, rng, ...) for hk.transform_with_state."
        )
    return collection


def _check_no_state(function: str, frame: Frame) -> None:
    if frame.state:
        raise NonEmptyStateError(
            f"{function}: the function under hk.transform uses state ({', '.join(sorted(frame.state))}), expected "
            f"none. Use hk.transform_with_state, whose apply takes and returns it."
        )
