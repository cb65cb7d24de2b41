"""How variables and keys go through a JAX transform: in as inputs, out as outputs, never as leaked tracers.

A JAX transform runs a function on values of its own. So a wrapper such as `hk.grad` does not let the function work on
the frame that is running, but on a fork of it: the state and the keys go in through the transform, what the function
created and changed comes out through it, and the frame then takes that over.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from haiku_like._core.errors import UsageError
from haiku_like._core.frame import Frame, StatePair
from haiku_like._core.naming import NameRegister
from haiku_like._core.rng import PRNGSequence


class Carried(NamedTuple):
    """What a function may change: the current values of the state that exists, and the keys. A pytree."""

    state: list[Any]
    rng: Any


class Outputs(NamedTuple):
    """What a run leaves: parameters and initial state that it created, and everything that it may change. A pytree."""

    params: list[Any]
    initial_state: list[Any]
    carried: Carried


class Thread:
    """One use of one wrapper: its runs of the user's function all begin from the same frame.

    Args:
      frame: The frame that is running.
      wrapper: The wrapper's name, for messages.
      names: The names taken when a run begins, if not those taken now. A function that JAX traces twice gets the same
        names twice.
    """

    def __init__(self, frame: Frame, wrapper: str, names: NameRegister | None = None):
        self.frame = frame
        self.wrapper = wrapper
        self.names = frame.scope.names.copy() if names is None else names
        self.names_after: NameRegister | None = None  # Those taken when the last run ended.
        self._state_keys = [(path, name) for path, bundle in frame.state.items() for name in bundle]
        self._created: tuple[list[tuple[str, str]], list[tuple[str, str]]] = ([], [])

    @property
    def creates(self) -> bool:
        """Whether the last run created a variable."""
        return any(self._created)

    def carried(self, *, in_loop: bool = False) -> Carried:
        """Returns what goes into the transform; in a loop, with as many keys in reserve as `run` leaves there."""
        rng = self.frame.rng
        if rng is not None and in_loop:
            rng.reserve_up_to_full()
        state = [self.frame.state[path][name].current for path, name in self._state_keys]
        return Carried(state, None if rng is None else rng.internal_state)

    def fork(self, carried: Carried, params: Any = None) -> Frame:
        """Returns the frame for one run, on the frame's parameters or on those that went through the transform."""
        frame = self.frame.fork()
        if params is not None:
            frame.params = {path: dict(bundle) for path, bundle in params.items()}
        frame.scope.names = self.names.copy()
        for (path, name), value in zip(self._state_keys, carried.state, strict=True):
            frame.state[path][name] = StatePair(frame.state[path][name].initial, value)
        frame.rng = None if carried.rng is None else PRNGSequence.resume(carried.rng)
        return frame

    def run(self, carried: Carried, fun: Callable[..., Any], args: Any, kwargs: Any) -> tuple[Any, Outputs]:
        """Runs the function once, under the transform, and returns its output and what it leaves."""
        return self.run_on(self.fork(carried), fun, args, kwargs)

    def run_on(self, frame: Frame, fun: Callable[..., Any], args: Any, kwargs: Any) -> tuple[Any, Outputs]:
        """Runs the function on a fork."""
        out = self._run(frame, fun, args, kwargs)
        params = [(p, n) for p, b in frame.params.items() for n in b if n not in self.frame.params.get(p, ())]
        state = [(p, n) for p, b in frame.state.items() for n in b if n not in self.frame.state.get(p, ())]
        self._created = (params, state)
        outputs = Outputs(
            [frame.params[path][name] for path, name in params],
            [frame.state[path][name].initial for path, name in state],
            Carried(
                [frame.state[path][name].current for path, name in self._state_keys + state],
                None if frame.rng is None else frame.rng.internal_state,
            ),
        )
        return out, outputs

    def run_in_loop(self, carried: Carried, fun: Callable[..., Any], *args: Any) -> tuple[Any, Carried]:
        """Runs the body of a loop or a branch, in which no variable can be created."""
        frame = self.fork(carried)
        frame.fixed_by = self.wrapper
        out = self._run(frame, fun, args, {})
        if frame.rng is not None:
            frame.rng.reserve_up_to_full()
        state = [frame.state[path][name].current for path, name in self._state_keys]
        return out, Carried(state, None if frame.rng is None else frame.rng.internal_state)

    def run_frozen(self, carried: Carried, where: str, fun: Callable[..., Any], *args: Any) -> Any:
        """Runs a function that may read variables, and nothing else."""
        frame = self.fork(carried)
        frame.frozen_by = where
        return self._run(frame, fun, args, {})

    def _run(self, frame: Frame, fun: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        with frame.activated():
            out = fun(*args, **kwargs)
        self.names_after = frame.scope.names
        return out

    def create(self, fun: Callable[..., Any], *args: Any) -> None:
        """Runs the function at `init`, on the frame itself, for the variables that it creates alone."""
        frame = self.frame
        before = {path: dict(bundle) for path, bundle in frame.state.items()}
        frame.scope.names = self.names.copy()
        fun(*args)
        for path, bundle in frame.state.items():
            for name, pair in bundle.items():
                bundle[name] = before.get(path, {}).get(name) or StatePair(pair.initial, pair.initial)
        self._state_keys = [(path, name) for path, bundle in frame.state.items() for name in bundle]

    def adopt(self, outputs: Outputs, *, keep_names: bool = True) -> None:
        """Takes over what the run left, when the transform has given it back.

        Without `keep_names`, the names that modules built inside have taken are free again: as in dm-haiku, what is
        built inside `grad` and `vmap` has the name, and so the parameters, of what is built next to it.
        """
        if not keep_names:
            self.frame.scope.names = self.names.copy()
        params, state = self._created
        for (path, name), value in zip(params, outputs.params, strict=True):
            self.frame.params.setdefault(path, {})[name] = value  # pyright: ignore[reportAttributeAccessIssue]
        for (path, name), value in zip(state, outputs.initial_state, strict=True):
            self.frame.state.setdefault(path, {})[name] = StatePair(value, value)
        self._state_keys = self._state_keys + state
        self.adopt_carried(outputs.carried)

    def adopt_carried(self, carried: Carried) -> None:
        """Takes over state and keys."""
        for (path, name), value in zip(self._state_keys, carried.state, strict=True):
            pair = self.frame.state[path][name]
            if pair.current is not value:
                self.frame.state[path][name] = StatePair(pair.initial, value)
        if carried.rng is not None:
            self.frame.rng = PRNGSequence.resume(carried.rng)


def pair_of(wrapper: str, out: Any, expected: str) -> tuple[Any, Any]:
    """Returns the two parts of what a function returned, or raises where there are not two."""
    if not isinstance(out, (tuple, list)) or len(out) != 2:
        raise UsageError(f"{wrapper}: the function returned {out!r}, expected a pair {expected}.")
    return out[0], out[1]
