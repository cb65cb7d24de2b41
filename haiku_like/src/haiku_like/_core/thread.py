"""How variables and keys go through a JAX transform: in as inputs, out as outputs, never as leaked tracers.

A JAX transform runs a function on values of its own. So a wrapper such as `hk.grad` does not let the function work on
the frame that is running, but on a fork of it: the state and the keys go in through the transform, what the function
created and changed comes out through it, and the frame then takes that over.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax

from haiku_like import _checks
from haiku_like._core.errors import UsageError
from haiku_like._core.frame import Frame, StatePair, ambient, plain_transform, reinstated
from haiku_like._core.naming import NameRegister
from haiku_like._core.rng import PRNGSequence
from haiku_like._jax_compat import current_trace


class Carried(NamedTuple):
    """What a function may change: the current values of the state that exists, and the keys. A pytree."""

    state: list[Any]
    rng: Any  # None where there are no keys that may be taken.


class Variables(NamedTuple):
    """What a function may only read: the parameters, and the initial values of the state that exists. A pytree."""

    params: dict[str, dict[str, Any]]
    initial_state: list[Any]


class Outputs(NamedTuple):
    """What a run leaves: parameters and initial state that it created, and everything that it may change. A pytree."""

    params: list[Any]
    initial_state: list[Any]
    carried: Carried


class Thread:
    """One use of one wrapper: its runs of the user's function all begin from the frame as it is now.

    JAX runs a function as often as it likes, and the rule of a derivative when the frame has long gone on. What
    changes in between, such as the scope and the hooks in force, is therefore noted here. Values are not: those of a
    trace that has ended must not be kept.

    Under a plain JAX transform the function may only read: nothing could come out of that transform.

    Args:
      frame: The frame that is running.
      wrapper: The wrapper's name, for messages.
      names: The names taken when a run begins, if not those taken now. A function that JAX traces twice gets the same
        names twice.
    """

    def __init__(self, frame: Frame, wrapper: str, names: NameRegister | None = None):
        frame.scope.named_path(wrapper)  # Names a dataclass, once for all runs.
        self.names = frame.scope.names.copy() if names is None else names
        self.names_after: NameRegister | None = None  # Those taken when the last run ended.
        self._frame: Any = frame
        self._wrapper = wrapper
        self._start = frame.fork()
        self._ambient = ambient.snapshot() | {"frame": None}
        here = current_trace()
        self._owns_variables = frame.trace == here
        self._owns_keys = frame.rng_trace == here
        if not (self._owns_variables and self._owns_keys):
            self._start.plain_transform = frame.plain_transform or plain_transform()
        self._state_keys = [(path, name) for path, bundle in frame.state.items() for name in bundle]
        self._created: tuple[list[tuple[str, str]], list[tuple[str, str]]] = ([], [])

    @property
    def creates(self) -> bool:
        """Whether the last run created a variable."""
        return any(self._created)

    @property
    def owns_keys(self) -> bool:
        """Whether there are keys that the function may take."""
        return self._owns_keys and self._start.rng is not None

    def variables(self) -> Variables:
        """Returns what else goes into a transform that does not let a function close over values."""
        params = {path: dict(bundle) for path, bundle in self._frame.params.items()}
        return Variables(params, [self._frame.state[path][name].initial for path, name in self._state_keys])

    def carried(self, *, in_loop: bool = False) -> Carried:
        """Returns what goes into the transform; in a loop, with as many keys in reserve as `run_in_loop` leaves."""
        if in_loop and self.owns_keys:
            self._frame.rng.reserve_up_to_full()
        return self._carried(self._frame, self._state_keys)

    def _carried(self, frame: Any, state_keys: list[tuple[str, str]]) -> Carried:
        state = [frame.state[path][name].current for path, name in state_keys]
        return Carried(state, frame.rng.internal_state if self.owns_keys else None)

    def fork(self, carried: Carried, variables: Variables | None = None) -> Frame:
        """Returns the frame for one run, on the frame's variables or on those that went through the transform."""
        frame = self._start.fork()
        frame.trace = current_trace() if self._owns_variables else None
        frame.rng_trace = current_trace() if self._owns_keys else None
        frame.scope = frame.scope.fork(self.names)
        initial = [frame.state[path][name].initial for path, name in self._state_keys]
        if variables is not None:
            frame.params = {path: dict(bundle) for path, bundle in variables.params.items()}
            initial = variables.initial_state
        for (path, name), *pair in zip(self._state_keys, initial, carried.state, strict=True):
            frame.state[path][name] = StatePair(*pair)
        if carried.rng is not None:
            frame.rng = PRNGSequence.resume(carried.rng)
        return frame

    def run(self, carried: Carried, fun: Callable[..., Any], args: Any, kwargs: Any) -> tuple[Any, Outputs]:
        """Runs the function once, under the transform, and returns its output and what it leaves."""
        return self.run_on(self.fork(carried), fun, args, kwargs)

    def run_on(self, frame: Frame, fun: Callable[..., Any], args: Any, kwargs: Any) -> tuple[Any, Outputs]:
        """Runs the function on a fork."""
        before = {path: dict(bundle) for path, bundle in frame.params.items()} if frame.running_init else {}
        out = self._run(frame, fun, args, kwargs)
        # A lifted function may also replace parameters. In apply there are no new ones, and none may look like read.
        after = frame.params if frame.running_init else {}
        params = [(p, n) for p, b in after.items() for n, v in b.items() if v is not before.get(p, {}).get(n)]
        state = [(p, n) for p, b in frame.state.items() for n in b if n not in self._start.state.get(p, ())]
        self._created = (params, state)
        outputs = Outputs(
            [frame.params[path][name] for path, name in params],
            [frame.state[path][name].initial for path, name in state],
            self._carried(frame, self._state_keys + state),
        )
        return out, outputs

    def run_in_loop(self, carried: Carried, fun: Callable[..., Any], *args: Any) -> tuple[Any, Carried]:
        """Runs the body of a loop or a branch, in which no variable can be created."""
        frame = self.fork(carried)
        frame.fixed_by = self._wrapper
        out = self._run(frame, fun, args, {})
        if self.owns_keys:
            frame.rng.reserve_up_to_full()  # pyright: ignore[reportOptionalMemberAccess]
        new = self._carried(frame, self._state_keys)
        for (path, name), before, after in zip(self._state_keys, carried.state, new.state, strict=True):
            if not _checks.alike(before, after):
                raise UsageError(
                    f"{self._wrapper}: state {path}/{name} is {_checks.described(after)} after the function ran, "
                    f"expected {_checks.described(before)} as before. Create it with the shape and dtype that it keeps."
                )
        return out, new

    def run_frozen(self, carried: Carried, where: str, fun: Callable[..., Any], *args: Any) -> Any:
        """Runs a function that may read variables, and nothing else."""
        frame = self.fork(carried)
        frame.frozen_by = where
        return self._run(frame, fun, args, {})

    def _run(self, frame: Frame, fun: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        with reinstated(self._ambient | {"frame": frame}):
            out = fun(*args, **kwargs)
        self.names_after = frame.scope.names
        return out

    def learn_names(self, fun: Callable[..., Any], *args: Any) -> NameRegister:
        """Returns the names that are taken after a run, by one on abstract values where JAX never ran the function.

        So the names of what follows do not depend on how often a loop runs, nor on whether jit is disabled.
        """
        if self.names_after is None:
            jax.eval_shape(lambda carried, args: self.run(carried, fun, args, {}), self.carried(), args)
        return self.names if self.names_after is None else self.names_after

    def create(self, fun: Callable[..., Any], *args: Any) -> None:
        """Runs the function at `init`, outside of any transform, for the variables that it creates alone."""
        existing = self.carried().state
        _, outputs = self.run(self.carried(), fun, args, {})
        carried = Carried(existing + outputs.initial_state, outputs.carried.rng)
        self.adopt(outputs._replace(carried=carried), keep_names=False)

    def adopt(self, outputs: Outputs, *, keep_names: bool = True) -> None:
        """Takes over what the run left, when the transform has given it back.

        Without `keep_names`, the names that modules built inside have taken are free again: as in dm-haiku, what is
        built inside `grad` and `vmap` has the name, and so the parameters, of what is built next to it.
        """
        params, state = self._created
        for (path, name), value in zip(params, outputs.params, strict=True):
            self._frame.params.setdefault(path, {})[name] = value
        for (path, name), value in zip(state, outputs.initial_state, strict=True):
            self._frame.state.setdefault(path, {})[name] = StatePair(value, value)
        self._adopt(self._state_keys + state, outputs.carried)
        if keep_names:
            self._adopt_names()

    def adopt_carried(self, carried: Carried) -> None:
        """Takes over state, keys and names when a loop or a branch has given them back."""
        self._adopt(self._state_keys, carried)
        self._adopt_names()

    def _adopt(self, state_keys: list[tuple[str, str]], carried: Carried) -> None:
        if self._owns_variables:
            for (path, name), value in zip(state_keys, carried.state, strict=True):
                pair = self._frame.state[path][name]
                if pair.current is not value:
                    self._frame.state[path][name] = StatePair(pair.initial, value)
        if carried.rng is not None:
            self._frame.rng = PRNGSequence.resume(carried.rng)

    def release(self) -> None:
        """Forgets all values, before a rule that may run late keeps this object alive."""
        self._frame = None
        if self._start.rng is not None:
            self._start.rng = PRNGSequence.resume((None, ()))
        self._start.params = {}
        self._start.state = {p: dict.fromkeys(b, StatePair(None, None)) for p, b in self._start.state.items()}

    def _adopt_names(self) -> None:
        if self.names_after is not None:
            self._frame.scope.names.become(self.names_after)


def pair_of(wrapper: str, out: Any, expected: str) -> tuple[Any, Any]:
    """Returns the two parts of what a function returned, or raises where there are not two."""
    if not isinstance(out, (tuple, list)) or len(out) != 2:
        raise UsageError(f"{wrapper}: the function returned {out!r}, expected a pair {expected}.")
    return out[0], out[1]
