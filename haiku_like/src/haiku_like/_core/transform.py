"""`transform`: from a function that uses modules to a pair of pure functions, `init` and `apply`.

`init` and `apply` are objects, so that they show the signature of the function they came from, and pickle where it
does.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from haiku_like._core.errors import NonEmptyStateError
from haiku_like._core.frame import Frame, current_frame
from haiku_like._core.rng import PRNGSequence, as_key, is_key
from haiku_like._core.variables import state_pairs, state_values

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


class PureFunction:
    """What `init` and `apply` have in common: a name, and the signature of the function that they purify.

    Attributes:
      f: The function.
      leading: The names of the arguments that come before those of `f`.
    """

    __name__: str
    leading: ClassVar[tuple[str, ...]]

    def __init__(self, f: Callable[..., Any]):
        self.f = f

    @property
    def __signature__(self) -> inspect.Signature:
        own = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in self.leading]
        rest = [
            inspect.Parameter("args", inspect.Parameter.VAR_POSITIONAL),
            inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD),
        ]
        try:
            parameters = list(inspect.signature(self.f).parameters.values())
        except (TypeError, ValueError):  # Some callables have no signature.
            parameters = rest
        # An argument of f that bears the name of one of ours can be passed by position alone, if at all.
        clash = any(parameter.name in self.leading for parameter in parameters)
        positional = any(parameter.kind is inspect.Parameter.POSITIONAL_ONLY for parameter in parameters)
        if clash:
            parameters = rest
        elif positional:
            own = [parameter.replace(kind=inspect.Parameter.POSITIONAL_ONLY) for parameter in own]
        return inspect.Signature(own + parameters)

    def __repr__(self) -> str:
        return f"<{self.__name__} of {getattr(self.f, '__qualname__', self.f)}>"


class _Init(PureFunction):
    """`init(rng, *args, **kwargs)` of `hk.transform`: runs the function and returns the parameters it creates."""

    __name__ = "init"
    leading = ("rng",)

    def __call__(self, /, rng: "PRNGKey | int | None", *args: Any, **kwargs: Any) -> "Params":
        _, frame = run_init(self.f, rng, args, kwargs)
        _check_no_state("init", frame)
        return frame.params


class _Apply(PureFunction):
    """`apply(params, *args, **kwargs)` of `hk.transform`: runs the function on the parameters."""

    __name__ = "apply"
    leading = ("params",)

    def __call__(self, /, params: "Params", *args: Any, **kwargs: Any) -> Any:
        try:
            out, frame = run_apply(self.f, params, {}, None, args, kwargs, _NO_KEY_ARGUMENT)
        except Exception as error:
            if args and (is_key(args[0]) or (args[0] is None and isinstance(error, TypeError))):
                error.add_note(_SUPERFLUOUS_KEY)
            raise
        _check_no_state("apply", frame)
        return out


class _ApplyWithKey(PureFunction):
    """`apply(params, rng, *args, **kwargs)` of `hk.transform`: runs the function on parameters and a key."""

    __name__ = "apply"
    leading = ("params", "rng")

    def __call__(self, /, params: "Params", rng: "PRNGKey | int | None", *args: Any, **kwargs: Any) -> Any:
        out, frame = run_apply(self.f, params, {}, rng, args, kwargs)
        _check_no_state("apply", frame)
        return out


class _InitWithState(PureFunction):
    """`init(rng, *args, **kwargs)`: runs the function and returns the parameters and the initial state."""

    __name__ = "init"
    leading = ("rng",)

    def __call__(self, /, rng: "PRNGKey | int | None", *args: Any, **kwargs: Any) -> "tuple[Params, State]":
        _, frame = run_init(self.f, rng, args, kwargs)
        return frame.params, state_values(frame.state, "initial")


class _ApplyWithState(PureFunction):
    """`apply(params, state, rng, *args, **kwargs)`: runs the function, and returns the new state with its output."""

    __name__ = "apply"
    leading = ("params", "state", "rng")

    def __call__(
        self, /, params: "Params", state: "State", rng: "PRNGKey | int | None", *args: Any, **kwargs: Any
    ) -> "tuple[Any, State]":
        out, frame = run_apply(self.f, params, state, rng, args, kwargs)
        return out, state_values(frame.state, "current")


def transform(f: Callable[..., Any], *, apply_rng: bool = False) -> Transformed:
    """Turns a function that uses modules and parameters into pure `init` and `apply`.

    Args:
      f: A function that builds and calls modules. It must not use state.
      apply_rng: Whether `apply` takes a random key after the parameters. Leave it out for a model that is
        deterministic once it has parameters.

    Returns:
      `init(rng, *args) -> params`, which runs `f` and collects the parameters it creates, and
      `apply(params, *args)`, or with `apply_rng` `apply(params, rng, *args)`, which runs `f` on given parameters.
      `rng` is a random key, an integer seed, or None for a function that asks for no key.

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
    check_function("transform", f)
    return Transformed(_Init(f), _ApplyWithKey(f) if apply_rng else _Apply(f))


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
    check_function("transform_with_state", f)
    return TransformedWithState(_InitWithState(f), _ApplyWithState(f))


def running_init() -> bool:
    """Returns whether `init` is running rather than `apply`.

    Raises:
      UsageError: called outside `hk.transform`.

    Example:
      >>> import haiku_like as hk
      >>> hk.transform(hk.running_init).apply({})
      False
    """
    return current_frame("running_init").running_init


def run_init(f: Callable[..., Any], rng: Any, args: Any, kwargs: Any) -> tuple[Any, Frame]:
    """Runs `f` with no variables, and returns its output and the frame that holds those it created."""
    frame = Frame(running_init=True, params={}, state={}, rng=_sequence("init", rng), missing_rng_hint=_NO_KEY_IN_INIT)
    return _run(f, frame, args, kwargs)


def run_apply(
    f: Callable[..., Any],
    params: Any,
    state: Any,
    rng: Any,
    args: Any,
    kwargs: Any,
    missing_rng_hint: str = _NO_KEY_IN_APPLY,
) -> tuple[Any, Frame]:
    """Runs `f` on variables, and returns its output and the frame that holds the state as it is afterwards."""
    frame = Frame(
        running_init=False,
        params=checked_collection("params", params),
        state=state_pairs(checked_collection("state", state)),
        rng=_sequence("apply", rng),
        missing_rng_hint=missing_rng_hint,
    )
    return _run(f, frame, args, kwargs)


def _run(f: Callable[..., Any], frame: Frame, args: Any, kwargs: Any) -> tuple[Any, Frame]:
    with frame.activated():
        out = f(*args, **kwargs)
    for check in frame.at_exit:
        check()
    return out, frame


def _sequence(function: str, rng: Any) -> PRNGSequence | None:
    return None if rng is None else PRNGSequence(as_key(function, "rng", rng))


def check_function(function: str, f: object) -> None:
    """Raises unless `f` can be transformed."""
    if not callable(f):
        raise TypeError(
            f"{function}: f is {f!r} of type {type(f).__name__}, expected a function that builds and calls modules, "
            f"such as lambda x: hk.Linear(3)(x)."
        )


def checked_collection(argument: str, collection: Any) -> Mapping[str, Any]:
    """Returns parameters or state, an empty one for None; raises for anything else."""
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
