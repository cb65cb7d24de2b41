"""A transformed function inside another: its variables become the outer one's, under a prefix or in the same scope."""

from collections.abc import Callable, Mapping
from typing import Any

from haiku_like import _checks
from haiku_like._core.errors import NonEmptyStateError, UsageError
from haiku_like._core.frame import Frame, StatePair, ambient, current_frame
from haiku_like._core.naming import TOP_LEVEL, check_module_name
from haiku_like._core.variables import store_state


class LiftedVariables:
    """The place of an inner function's variables among those of the frame: all paths that begin with a prefix.

    Args:
      prefix: Such as `outer/lifted`, or the empty string for the top level.
      function: The public function, for messages.
      allow_reuse: Whether parameters may be created again in the same place.
    """

    def __init__(self, prefix: str, function: str, allow_reuse: bool):
        self.prefix = prefix
        self._function = function
        self._allow_reuse = allow_reuse

    def outer_path(self, inner: str) -> str:
        """Returns where the outer function keeps what the inner one keeps at a path."""
        return f"{self.prefix}/{inner}" if self.prefix else inner

    def inner_path(self, outer: str) -> str | None:
        """Returns the inner function's path, or None for a path that is not under the prefix."""
        if not self.prefix:
            return outer
        return outer.removeprefix(f"{self.prefix}/") if outer.startswith(f"{self.prefix}/") else None

    def run(self, frame: Frame, init: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Runs the inner `init`, whose hooks are told where its variables will be."""
        return within(frame, self.prefix, init, *args, **kwargs)

    def store_params(self, frame: Frame, params: Mapping[str, Mapping[str, Any]]) -> None:
        """Gives the inner function's parameters to the frame."""
        if not isinstance(params, Mapping):
            raise TypeError(
                f"{self._function}: init_fn returned a {type(params).__name__}, expected parameters. Pass the init of "
                f"hk.transform(f), or for state use lift_with_state with the init of hk.transform_with_state(f)."
            )
        outer: Any = frame.params
        frame.check_may_change(self._function, "creates parameters", creates=True)
        lifted = {self.outer_path(path): dict(bundle) for path, bundle in params.items()}
        taken = [path for path in lifted if path in outer]
        if taken and not self._allow_reuse:
            raise UsageError(
                f"{self._function}: parameters at {taken[0]} exist already, expected a place that is free. Give the "
                f"lifted function another name, or pass allow_reuse=True to replace them."
            )
        outer.update(lifted)

    def store_state(self, frame: Frame, state: Mapping[str, Mapping[str, Any]]) -> None:
        """Gives the inner function's state to the frame, as it is before anything changes it."""
        frame.check_may_change(self._function, "creates state", creates=True)
        for path, bundle in state.items():
            frame.state[self.outer_path(path)] = {name: StatePair(value, value) for name, value in bundle.items()}

    def params(self, frame: Frame) -> dict[str, dict[str, Any]]:
        """Returns the inner function's parameters."""
        paths = ((self.inner_path(path), bundle) for path, bundle in frame.params.items())
        return {path: dict(bundle) for path, bundle in paths if path is not None}

    def state(self, frame: Frame) -> dict[str, dict[str, Any]]:
        """Returns the inner function's state as it is now."""
        paths = ((self.inner_path(path), bundle) for path, bundle in frame.state.items())
        return {path: {n: pair.current for n, pair in bundle.items()} for path, bundle in paths if path is not None}


def within(frame: Frame, prefix: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Calls a function whose frames know that an outer function keeps their variables under a prefix."""
    own = f"{prefix}/" if prefix else ""
    outer, ambient.lifted_prefix = ambient.lifted_prefix, (frame.lifted_prefix or "") + own
    try:
        return function(*args, **kwargs)
    finally:
        ambient.lifted_prefix = outer


class LiftWithStateUpdater:
    """Gives the new state of a lifted function back to the outer one; made by `lift_with_state`, used exactly once.

    Args:
      name: Where the state belongs: the prefix of the lifted function.

    Example:
      See `lift_with_state`.

      >>> import haiku_like as hk
      >>> updater = hk.LiftWithStateUpdater("lifted")
      >>> updater.ignore_update()
      >>> updater.assert_used()
    """

    def __init__(self, name: str):
        self._variables = LiftedVariables(name, "LiftWithStateUpdater.update", True)
        self._used = False

    def update(self, state: Mapping[str, Mapping[str, Any]]) -> None:
        """Takes the state over.

        Args:
          state: What the inner `apply` returned as its new state.

        Raises:
          UsageError: called a second time, or outside `hk.transform`.
          TypeError: `state` is no mapping.
        """
        frame = current_frame("LiftWithStateUpdater.update")
        if not isinstance(state, Mapping) or not all(isinstance(bundle, Mapping) for bundle in state.values()):
            raise TypeError(
                f"LiftWithStateUpdater.update: state is of type {type(state).__name__}, expected the state that the "
                f"inner apply returned."
            )
        self._use("update")
        for path, bundle in state.items():
            for name, value in bundle.items():
                target = self._variables.outer_path(path)
                store_state(frame, "LiftWithStateUpdater.update", target, name, value)

    def ignore_update(self) -> None:
        """Says that the state shall stay as it is; raises UsageError when called a second time."""
        self._use("ignore_update")

    def assert_used(self) -> None:
        """Raises UsageError unless `update` or `ignore_update` has been called."""
        if not self._used:
            raise UsageError(
                f"LiftWithStateUpdater: the new state of {self._variables.prefix or TOP_LEVEL!r} was not given back, "
                f"expected a call of update(state) or ignore_update() before the outer function returns."
            )

    def _use(self, method: str) -> None:
        if self._used:
            raise UsageError(
                f"LiftWithStateUpdater.{method}: the updater was used already, expected one call. Lift again for a "
                f"second update."
            )
        self._used = True


def lift(init_fn: Callable[..., Any], *, allow_reuse: bool = False, name: str = "lifted") -> Callable[..., Any]:
    """Lets an outer transformed function keep the parameters of an inner one.

    Args:
      init_fn: The inner function's `init`, such as `hk.transform(f).init`, which may itself be under a plain JAX
        transform such as `jax.vmap`.
      allow_reuse: Whether a second call may replace the parameters of the first.
      name: The inner parameters' module path within the scope that is running; numbered where it is taken.

    Returns:
      A function of the same arguments as `init_fn`. In the outer `init` it runs `init_fn`, keeps the parameters and
      returns them; in the outer `apply` it returns those that were kept, without looking at its arguments.

    Raises:
      UsageError: called outside `hk.transform`; or (by the function) the parameters exist already.
      NonEmptyStateError: (by the function) the inner function uses state.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> inner = hk.transform(lambda x: hk.Linear(2)(x))
      >>> def outer(x):
      ...     params = hk.lift(inner.init, name="inner")(hk.maybe_next_rng_key(), x)
      ...     return inner.apply(params, x)
      >>> model = hk.transform(outer)
      >>> params = model.init(jax.random.key(0), jnp.ones(3))
      >>> list(params)
      ['inner/linear']
      >>> model.apply(params, jnp.ones(3)).shape
      (2,)
    """
    return _lift("lift", init_fn, allow_reuse, _claimed_prefix("lift", name))


def transparent_lift(init_fn: Callable[..., Any], *, allow_reuse: bool = False) -> Callable[..., Any]:
    """Lets an outer transformed function keep the parameters of an inner one in the scope that is running.

    Args:
      init_fn: As for `lift`.
      allow_reuse: As for `lift`.

    Returns:
      As for `lift`.

    Raises:
      UsageError: called outside `hk.transform`; or (by the function) the parameters exist already.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> inner = hk.transform(lambda x: hk.Linear(2)(x))
      >>> def outer(x):
      ...     return inner.apply(hk.transparent_lift(inner.init)(hk.maybe_next_rng_key(), x), x)
      >>> list(hk.transform(outer).init(jax.random.key(0), jnp.ones(3)))
      ['linear']
    """
    return _lift("transparent_lift", init_fn, allow_reuse, _transparent_prefix("transparent_lift"))


def lift_with_state(
    init_fn: Callable[..., Any], *, allow_reuse: bool = False, name: str = "lifted"
) -> tuple[Callable[..., Any], LiftWithStateUpdater]:
    """Lets an outer transformed function keep the parameters and the state of an inner one.

    Args:
      init_fn: The inner function's `init`, such as `hk.transform_with_state(f).init`.
      allow_reuse: As for `lift`.
      name: As for `lift`.

    Returns:
      A function as for `lift`, which returns parameters and state, and an updater, whose `update` must be called with
      the state that the inner `apply` returned.

    Raises:
      UsageError: called outside `hk.transform`; or (when the outer function returns) the updater was not used.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> def count():
      ...     hk.set_state("n", hk.get_state("n", [], init=jnp.zeros) + 1)
      >>> inner = hk.transform_with_state(count)
      >>> def outer():
      ...     init, updater = hk.lift_with_state(inner.init, name="inner")
      ...     params, state = init(None)
      ...     _, state = inner.apply(params, state, None)
      ...     updater.update(state)
      >>> model = hk.transform_with_state(outer)
      >>> model.apply(*model.init(None), None)[1]
      {'inner/~': {'n': Array(1., dtype=float32)}}
    """
    return _lift_with_state("lift_with_state", init_fn, allow_reuse, _claimed_prefix("lift_with_state", name))


def transparent_lift_with_state(
    init_fn: Callable[..., Any], *, allow_reuse: bool = False
) -> tuple[Callable[..., Any], LiftWithStateUpdater]:
    """Lets an outer transformed function keep the parameters and state of an inner one in the scope that is running.

    Args:
      init_fn: As for `lift_with_state`.
      allow_reuse: As for `lift`.

    Returns:
      As for `lift_with_state`.

    Raises:
      UsageError: called outside `hk.transform`; or (when the outer function returns) the updater was not used.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> inner = hk.transform_with_state(lambda x: hk.Linear(2)(x))
      >>> def outer(x):
      ...     init, updater = hk.transparent_lift_with_state(inner.init)
      ...     out, state = inner.apply(*init(hk.maybe_next_rng_key(), x), None, x)
      ...     updater.update(state)
      ...     return out
      >>> list(hk.transform(outer).init(jax.random.key(0), jnp.ones(3)))
      ['linear']
    """
    function = "transparent_lift_with_state"
    return _lift_with_state(function, init_fn, allow_reuse, _transparent_prefix(function))


def running_prefix(function: str) -> str:
    """Returns the path of the scope that is running, as a prefix."""
    scope = current_frame(function).scope
    path = scope.named_path(function)
    return "" if path == TOP_LEVEL else path + scope.suffix


def _transparent_prefix(function: str) -> str:
    # As in dm-haiku, it takes the name "lifted" too, which shows in the number of the next lift in this scope.
    _claimed_prefix(function, "lifted")
    return running_prefix(function)


def _claimed_prefix(function: str, name: str) -> str:
    frame = current_frame(function)
    check_module_name(name, function)
    return frame.scope.claim_path(name)


def _lift(function: str, init_fn: Callable[..., Any], allow_reuse: bool, prefix: str) -> Callable[..., Any]:
    _checks.function(function, "init_fn", init_fn, "hk.transform(f).init")
    variables = LiftedVariables(prefix, function, allow_reuse)

    def lifted(*args: Any, **kwargs: Any) -> Any:
        frame = current_frame(function)
        if not frame.creates_variables:
            return variables.params(frame)
        params = variables.run(frame, init_fn, args, kwargs)
        if isinstance(params, tuple):
            raise NonEmptyStateError(
                f"{function}: init_fn returned parameters and state, expected parameters alone. Use "
                f"{function}_with_state."
            )
        variables.store_params(frame, params)
        return params

    return lifted


def _lift_with_state(
    function: str, init_fn: Callable[..., Any], allow_reuse: bool, prefix: str
) -> tuple[Callable[..., Any], LiftWithStateUpdater]:
    _checks.function(function, "init_fn", init_fn, "hk.transform_with_state(f).init")
    variables = LiftedVariables(prefix, function, allow_reuse)
    updater = LiftWithStateUpdater(prefix)
    current_frame(function).at_exit.append(updater.assert_used)

    def lifted(*args: Any, **kwargs: Any) -> Any:
        frame = current_frame(function)
        if not frame.creates_variables:
            return variables.params(frame), variables.state(frame)
        out = variables.run(frame, init_fn, args, kwargs)
        if not isinstance(out, tuple) or len(out) != 2:
            raise TypeError(
                f"{function}: init_fn returned a {type(out).__name__}, expected a pair (params, state). Pass the init "
                f"of hk.transform_with_state(f)."
            )
        variables.store_params(frame, out[0])
        variables.store_state(frame, out[1])
        return out

    return lifted, updater
