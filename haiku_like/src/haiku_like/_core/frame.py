"""Everything that one call of a transformed function collects, and the one ambient place that holds it.

A `Frame` lives as long as one call of `init` or `apply`. Code that a user writes reaches it through
`current_frame`; all other code takes the frame as an argument.
"""

import contextlib
import copy
import threading
import types
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from haiku_like._core.errors import JaxTransformError, UsageError
from haiku_like._core.naming import TOP_LEVEL, ForcedName, NameRegister
from haiku_like._jax_compat import current_trace, enclosing_transform

if TYPE_CHECKING:
    from haiku_like._core.module import Module
    from haiku_like._core.rng import PRNGSequence


INIT_EXAMPLE = """\
    class MyModule(hk.Module):
        def __init__(self, size, name=None):
            super().__init__(name=name)
            self.size = size"""


class StatePair(NamedTuple):
    """A piece of state as the call found or made it, and as it is now."""

    initial: Any
    current: Any


class Scope:
    """One run of one method of one module: the home of its variables and of its submodules' names."""

    __slots__ = ("_lasting", "_names", "module", "path", "suffix")

    def __init__(self, path: str | None, suffix: str, module: "Module | None" = None):
        self._lasting = False
        self.path = path  # None while a module's __init__ has not named it yet
        self.suffix = suffix
        self.module = module
        self._names: NameRegister | None = None

    def named_path(self, function: str) -> str:
        """Returns the module's path, or raises where `super().__init__` has not been called yet."""
        if self.path is None:
            raise UsageError(
                f"{function}: runs in the __init__ of a module that has no name yet, expected "
                f"super().__init__(name=name) before any parameter, state, method or submodule. Make it the first "
                f"line:\n{INIT_EXAMPLE}"
            )
        return self.path

    def claim_path(self, name: str) -> str:
        """Returns the path of a new submodule called `name`, made unique among its siblings."""
        if isinstance(name, ForcedName):
            return str(name)
        path = self.path or self.named_path(f"module {name!r}")
        unique = (self._names or self.names).claim(name)
        if self._lasting:
            self.names.lasting.add(unique)
        return unique if path == TOP_LEVEL else f"{path}{self.suffix}/{unique}"

    @property
    def names(self) -> NameRegister:
        """The names of submodules taken in this run."""
        if self._names is None:
            self._names = NameRegister()
        return self._names

    @names.setter
    def names(self, register: NameRegister) -> None:
        self._names = register

    def fork(self, names: NameRegister) -> "Scope":
        """Returns the same scope with other names taken, which goes on apart."""
        fork = copy.copy(self)
        fork._names = names.copy()
        return fork

    def lasting(self, inside: "Scope") -> "Scope":
        """Returns the same scope for a module that is built once, and kept, wherever this happens.

        Its name stays taken when the body of a JAX transform runs anew or gives back its names. Where `inside`, the
        scope that is running, is a fork of this one, the name differs from those taken there too.
        """
        is_fork = inside.names.lasting is self.names.lasting
        scope = copy.copy(inside if is_fork else self)
        scope._lasting = True
        return scope


class Frame:
    """What one call of `init` or `apply` works on.

    Attributes:
      running_init: Whether missing parameters are created (`init`) or refused (`apply`).
      params: `{module path: {name: array}}`; filled by `init`, only read by `apply`.
      state: `{module path: {name: StatePair}}`.
      rng: The source of random keys, or None.
      rng_trace: The JAX trace in which keys may be taken from it.
      missing_rng_hint: What to tell a user who asks for a key when `rng` is None.
      scope: The method that is running now, or the top level.
      trace: The JAX trace in which variables may be created and changed; None is no trace.
      plain_transform: The JAX transform between that trace and the code that runs, where a wrapper has found one.
      lifted_prefix: The path under which an outer transformed function keeps these variables, or None.
      fixed_by: The loop or branch in which no variable may be created, or None.
      frozen_by: The function in which variables may only be read, and no key taken, or None.
      submodules: `{module path: paths of the modules that its methods built or ran}`.
      at_exit: Checks to run when the call ends without an exception.
    """

    __slots__ = (
        "at_exit", "fixed_by", "frozen_by", "lifted_prefix", "missing_rng_hint", "params", "plain_transform",
        "rng", "rng_trace", "running_init", "scope", "state", "submodules", "trace",
    )  # fmt: skip

    def __init__(
        self,
        *,
        running_init: bool,
        params: Mapping[str, Mapping[str, Any]],
        state: dict[str, dict[str, StatePair]],
        rng: "PRNGSequence | None",
        missing_rng_hint: str,
    ):
        self.running_init = running_init
        self.params = params
        self.state = state
        self.rng = rng
        self.missing_rng_hint = missing_rng_hint
        self.scope = Scope(TOP_LEVEL, "")
        self.trace: object | None = current_trace()
        self.rng_trace: object | None = self.trace
        self.plain_transform: str | None = None
        self.lifted_prefix, ambient.lifted_prefix = ambient.lifted_prefix, None
        self.fixed_by: str | None = None
        self.frozen_by: str | None = None
        self.submodules: dict[str, set[str]] = {}
        self.at_exit: list[Callable[[], None]] = []

    def fork(self) -> "Frame":
        """Returns a frame whose variables can change apart from these."""
        fork = Frame.__new__(Frame)
        for name in Frame.__slots__:
            setattr(fork, name, getattr(self, name))
        if self.running_init:
            fork.params = {path: dict(bundle) for path, bundle in self.params.items()}
        fork.state = {path: dict(bundle) for path, bundle in self.state.items()}
        return fork

    @property
    def creates_variables(self) -> bool:
        """Whether `init` runs, outside of loops and branches, which find the variables that they need."""
        return self.running_init and self.fixed_by is None

    @contextlib.contextmanager
    def activated(self) -> Iterator[None]:
        """Makes this the frame that `current_frame` finds, in this thread, until the block ends."""
        outer = ambient.frame
        ambient.frame = self
        try:
            yield
        finally:
            ambient.frame = outer

    def check_may_change(self, function: str, action: str, *, creates: bool = False) -> None:
        """Raises where a variable may not be created or changed: a tracer would leak."""
        self._check_trace(function, action, self.trace)
        if creates and self.fixed_by is not None:
            raise UsageError(
                f"{function}: {action} in {self.fixed_by}, expected variables that exist before it runs. Create it "
                f"before, or in init, which runs the same branches."
            )

    def check_may_take_key(self, function: str) -> None:
        """Raises where no random key may be taken: a tracer would leak, or the next key would be the same."""
        self._check_trace(function, "takes a random key", self.rng_trace)

    def _check_trace(self, function: str, action: str, trace: object) -> None:
        if trace != current_trace():
            found = self.plain_transform or plain_transform()
            raise JaxTransformError(
                f"{function}: {action} under {found}, which haiku_like does not know of: the value would not come "
                f"out of it. Expected {_wrapper_of(found)}, which threads parameters, state and keys through. In "
                f"apply, a plain jax transform may read parameters."
            )
        if self.frozen_by is not None:
            raise UsageError(
                f"{function}: {action} in {self.frozen_by}, expected a function that only reads variables. "
                f"Do it outside and pass the value in."
            )


_WRAPPERS = (
    "hk.associative_scan", "hk.cond", "hk.custom_jvp", "hk.custom_vjp", "hk.eval_shape", "hk.fori_loop", "hk.grad",
    "hk.jit", "hk.map", "hk.remat", "hk.scan", "hk.shard_map", "hk.switch", "hk.value_and_grad", "hk.vmap",
    "hk.while_loop",
)  # fmt: skip


def plain_transform() -> str:
    """Returns what an error calls the JAX transform that is running."""
    return enclosing_transform(2) or "a jax transform"


def _wrapper_of(transform: str) -> str:
    wrapper = {"jax.checkpoint": "hk.remat"}.get(transform, f"hk.{transform.rpartition('.')[2]}")
    return wrapper if wrapper in _WRAPPERS else f"one of {', '.join(_WRAPPERS)}"


class _Ambient(threading.local):
    """What the code of a user finds without having been passed it, in its own thread.

    Attributes:
      frame: The call of a transformed function that is running, or None.
      lifted_prefix: What the next frame takes as its `lifted_prefix`.
      interceptors, param_creators, state_creators, param_getters, state_getters, setters: The hooks in force, the
        outermost first.
      governing: The mixed-precision policies of the modules that are running, the outermost first.
      policies: The mixed-precision policies of module classes that a block set.
    """

    frame: Frame | None = None
    lifted_prefix: str | None = None
    interceptors: tuple[Any, ...] = ()
    param_creators: tuple[Any, ...] = ()
    state_creators: tuple[Any, ...] = ()
    param_getters: tuple[Any, ...] = ()
    state_getters: tuple[Any, ...] = ()
    setters: tuple[Any, ...] = ()
    governing: tuple[Any, ...] = ()
    policies: Mapping[type, Any] = types.MappingProxyType({})

    def __reduce__(self) -> str:  # Methods that are pickled by value refer to it.
        return "ambient"

    def snapshot(self) -> dict[str, Any]:
        """Returns what a user's code finds now, for `reinstated`."""
        return {name: getattr(self, name) for name in _Ambient.__annotations__}


ambient = _Ambient()


@contextlib.contextmanager
def reinstated(snapshot: dict[str, Any]) -> Iterator[None]:
    """Makes a user's code find what it found when the snapshot was taken, until the block ends."""
    before = ambient.snapshot()
    vars(ambient).update(snapshot)
    try:
        yield
    finally:
        vars(ambient).update(before)


def current_frame(function: str) -> Frame:
    """Returns the frame of the transformed function that is running.

    Raises:
      UsageError: none is; the message names `function`.
    """
    frame = ambient.frame
    if frame is None:
        raise UsageError(
            f"{function}: used outside hk.transform, expected use inside a function that hk.transform runs. Move it "
            f"into the function that you transform:\n"
            f"    forward = hk.transform(lambda x: hk.Linear(3)(x))\n"
            f"    params = forward.init(jax.random.key(0), x)\n"
            f"    y = forward.apply(params, x)"
        )
    return frame
