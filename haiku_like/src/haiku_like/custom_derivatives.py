"""Functions with derivative rules of their own, which may use parameters, state and keys.

JAX does not let a function with a rule close over values that are differentiated. So parameters, state and keys go in
as arguments, for which the user's rule says nothing; where a derivative in them is asked for, that is an error.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_derivatives import SymbolicZero

from haiku_like import _checks
from haiku_like._core.errors import UsageError
from haiku_like._core.frame import current_frame
from haiku_like._core.thread import Carried, Outputs, Thread, Variables, pair_of


class custom_vjp:  # noqa: N801, as in JAX
    """A function with a rule of its own for its gradient, as `jax.custom_vjp`.

    The rule concerns the arguments. A parameter that is read inside has no rule: where its gradient is asked for, an
    error says so; read it outside and pass it as an argument.

    Args:
      fun: The function; it may use modules.

    Raises:
      TypeError: `fun` is no function.

    Example:
      >>> import haiku_like as hk
      >>> @hk.custom_vjp
      ... def reverse_gradient(x):
      ...     return x
      >>> reverse_gradient.defvjp(lambda x: (x, None), lambda residuals, g: (-g,))
      >>> model = hk.transform(lambda x: hk.grad(reverse_gradient)(x))
      >>> float(model.apply({}, 1.0))
      -1.0
    """

    def __init__(self, fun: Callable[..., Any]):
        _checks.function("custom_vjp", "fun", fun, "lambda x: x")
        functools.update_wrapper(self, fun)
        self.fun = fun
        self._rule: tuple[Callable[..., Any], Callable[..., Any]] | None = None

    def defvjp(self, fwd: Callable[..., Any], bwd: Callable[..., Any]) -> None:
        """Sets the rule.

        Args:
          fwd: `fwd(*args) -> (output, residuals)`; it may use modules.
          bwd: `bwd(residuals, cotangent) -> cotangents`, a tuple with one for each argument; it uses no modules.

        Raises:
          TypeError: one is no function.
        """
        _checks.function("custom_vjp.defvjp", "fwd", fwd, "lambda x: (x, None)")
        _checks.function("custom_vjp.defvjp", "bwd", bwd, "lambda residuals, g: (g,)")
        self._rule = (fwd, bwd)

    def __call__(self, *args: Any) -> Any:
        """Returns `fun(*args)`.

        Raises:
          UsageError: called outside `hk.transform` or before `defvjp`, or a rule returns something else; or, when it
            is differentiated, a parameter that is read inside is to be differentiated too.
        """
        if self._rule is None:
            raise UsageError("custom_vjp: called before defvjp, expected a rule. Call f.defvjp(fwd, bwd) first.")
        fwd, bwd = self._rule
        thread = Thread(current_frame("custom_vjp"), "hk.custom_vjp")
        count = len(args)  # The rule, which JAX keeps, must not hold on to the arguments.

        @jax.custom_vjp
        def pure(variables: Variables, carried: Carried, args: Any) -> tuple[Any, Outputs]:
            return thread.run_on(thread.fork(carried, variables), self.fun, args, {})

        def pure_fwd(*primals: Any) -> Any:
            variables, carried, args = jax.tree.map(lambda primal: primal.value, primals)
            reads = _Reads(jax.tree.map(lambda primal: primal.perturbed, primals[0].params))
            frame = thread.fork(carried, variables)
            frame.params = reads.recording(variables.params)
            pair, outputs = thread.run_on(frame, fwd, args, {})
            reads.check("custom_vjp")
            out, residuals = pair_of("custom_vjp", pair, "(output, residuals), from fwd")
            return (out, outputs), residuals

        def pure_bwd(residuals: Any, cotangents: Any) -> Any:
            of_args = bwd(residuals, _instantiated(cotangents[0]))
            if not isinstance(of_args, tuple) or len(of_args) != count:
                raise UsageError(
                    f"custom_vjp: bwd returned {of_args!r}, expected a tuple of {count} cotangents, one for each "
                    f"argument."
                )
            return None, None, of_args

        pure.defvjp(pure_fwd, pure_bwd, symbolic_zeros=True)
        out, outputs = pure(thread.variables(), thread.carried(), args)
        thread.adopt(outputs)
        thread.release()
        return out


class custom_jvp:  # noqa: N801, as in JAX
    """A function with a rule of its own for its derivative, as `jax.custom_jvp`.

    The rule concerns the arguments. A parameter that is read inside has no rule: where its derivative is asked for, an
    error says so; read it outside and pass it as an argument.

    Args:
      fun: The function; it may use modules.

    Raises:
      TypeError: `fun` is no function.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> @hk.custom_jvp
      ... def round_straight_through(x):
      ...     return jnp.round(x)
      >>> @round_straight_through.defjvp
      ... def rule(primals, tangents):
      ...     return jnp.round(primals[0]), tangents[0]
      >>> model = hk.transform(lambda x: hk.grad(round_straight_through)(x))
      >>> float(model.apply({}, 1.3))
      1.0
    """

    def __init__(self, fun: Callable[..., Any]):
        _checks.function("custom_jvp", "fun", fun, "lambda x: x")
        functools.update_wrapper(self, fun)
        self.fun = fun
        self._rule: Callable[..., Any] | None = None

    def defjvp(self, jvp: Callable[..., Any]) -> Callable[..., Any]:
        """Sets the rule and returns it, so that it can decorate.

        Args:
          jvp: `jvp(primals, tangents) -> (output, tangent)`, with a tuple of as many as arguments; it may use modules.

        Raises:
          TypeError: `jvp` is no function.
        """
        _checks.function("custom_jvp.defjvp", "jvp", jvp, "lambda primals, tangents: (primals[0], tangents[0])")
        self._rule = jvp
        return jvp

    def __call__(self, *args: Any) -> Any:
        """Returns `fun(*args)`.

        Raises:
          UsageError: called outside `hk.transform` or before `defjvp`, or the rule returns no pair; or, when it is
            differentiated, a parameter that is read inside is to be differentiated too.
        """
        if self._rule is None:
            raise UsageError("custom_jvp: called before defjvp, expected a rule. Call f.defjvp(jvp) first.")
        rule = self._rule
        thread = Thread(current_frame("custom_jvp"), "hk.custom_jvp")

        @jax.custom_jvp
        def pure(variables: Variables, carried: Carried, args: Any) -> tuple[Any, Outputs]:
            return thread.run_on(thread.fork(carried, variables), self.fun, args, {})

        def pure_jvp(primals: Any, tangents: Any) -> Any:
            (variables, carried, args), (variables_dot, _, args_dot) = primals, tangents
            reads = _Reads(_tree_map(lambda dot: not isinstance(dot, SymbolicZero), variables_dot.params))
            frame = thread.fork(carried, variables)
            frame.params = reads.recording(variables.params)
            pair, outputs = thread.run_on(frame, rule, (args, _instantiated(args_dot)), {})
            reads.check("custom_jvp")
            out, out_dot = pair_of("custom_jvp", pair, "(output, tangent), from the rule")
            return (out, outputs), (out_dot, jax.tree.map(_zero_tangent, outputs))

        pure.defjvp(pure_jvp, symbolic_zeros=True)
        out, outputs = pure(thread.variables(), thread.carried(), args)
        thread.adopt(outputs)
        thread.release()
        return out


class _Reads:
    """Remembers which parameters a rule reads.

    Args:
      differentiated: For each parameter, whether a derivative in it is asked for.
    """

    def __init__(self, differentiated: Mapping[str, Mapping[str, Any]]):
        self._differentiated = differentiated
        self._read: set[tuple[str, str]] = set()

    def recording(self, params: Mapping[str, Mapping[str, Any]]) -> dict[str, "_RecordingDict"]:
        """Returns the parameters as dictionaries that tell which of them are read."""
        return {path: _RecordingDict(bundle, path, self._read) for path, bundle in params.items()}

    def check(self, wrapper: str) -> None:
        """Raises where a parameter was read in which a derivative is asked for, for which there is no rule."""
        for path, name in sorted(self._read):
            if any(jax.tree.leaves(self._differentiated[path][name])):
                raise UsageError(
                    f"{wrapper}: the rule reads parameter {path}/{name}, in which a derivative is asked for, expected "
                    f"a rule for it too. Read the parameter outside and pass it as an argument of the function, or "
                    f"keep it constant with jax.lax.stop_gradient there."
                )


class _RecordingDict(dict[str, Any]):
    def __init__(self, bundle: Mapping[str, Any], path: str, read: set[tuple[str, str]]):
        super().__init__(bundle)
        self._path = path
        self._read = read

    def get(self, name: str, default: Any = None) -> Any:
        if name in self:
            self._read.add((self._path, name))
        return super().get(name, default)


def _is_symbolic_zero(x: Any) -> bool:
    return isinstance(x, SymbolicZero)


def _tree_map(f: Callable[[Any], Any], tree: Any) -> Any:
    return jax.tree.map(f, tree, is_leaf=_is_symbolic_zero)


def _instantiated(tree: Any) -> Any:
    """Returns the tree with zeros for the symbolic ones, which a user's rule need not know of."""
    return _tree_map(lambda x: _zero(x.shape, x.dtype) if _is_symbolic_zero(x) else x, tree)


def _zero_tangent(x: Any) -> Any:
    dtype = jnp.result_type(x)
    return _zero(jnp.shape(x), dtype if jnp.issubdtype(dtype, jnp.inexact) else jax.dtypes.float0)


def _zero(shape: tuple[int, ...], dtype: Any) -> Any:
    return np.zeros(shape, dtype) if dtype == jax.dtypes.float0 else jnp.zeros(shape, dtype)
