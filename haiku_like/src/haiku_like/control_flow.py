"""Loops and branches of `jax.lax` whose bodies may use parameters, state and keys.

At `init` each runs its body or branches once outside the loop, so that what they create exists before it.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from haiku_like import _checks
from haiku_like._core.frame import Frame, current_frame
from haiku_like._core.naming import NameRegister
from haiku_like._core.thread import Thread, pair_of


def scan(
    f: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any,
    length: int | None = None,
    reverse: bool = False,
    unroll: int | bool = 1,
) -> tuple[Any, Any]:
    """Scans a function over the leading axis while carrying along state, as `jax.lax.scan` does.

    Parameters are shared by all steps; state and keys go from one step to the next.

    Args:
      f: `f(carry, x) -> (carry, y)`; it may use modules.
      init: The first carry, any pytree.
      xs: A pytree of arrays `[length, ...]`, or None with `length`.
      length: The number of steps, where `xs` is None.
      reverse: Whether to go from the last step to the first.
      unroll: How many steps to write out in each iteration of the loop.

    Returns:
      The last carry, and the `y` of all steps, stacked along a new leading axis.

    Raises:
      UsageError: called outside `hk.transform`, or `f` returns no pair.
      TypeError: `f` is no function, or `length` no integer.
      ValueError: the leading axes of `xs` disagree with each other or with `length`, which is 0 or more.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> def cumulative(xs):
      ...     layer = hk.Linear(2)
      ...     return hk.scan(lambda carry, x: (carry + layer(x), carry), jnp.zeros(2), xs)
      >>> model = hk.transform(cumulative)
      >>> xs = jnp.ones([5, 3])
      >>> last, carries = model.apply(model.init(jax.random.key(0), xs), xs)
      >>> carries.shape
      (5, 2)
    """
    frame = current_frame("scan")
    _checks.function("scan", "f", f, "lambda carry, x: (carry, x)")
    return _scan("scan", frame, f, init, xs, length, reverse, unroll)


def _scan(
    function: str,
    frame: Frame,
    f: Callable[[Any, Any], Any],
    init: Any,
    xs: Any,
    length: int | None = None,
    reverse: bool = False,
    unroll: int | bool = 1,
) -> tuple[Any, Any]:
    length = _length(function, xs, length)
    init = _arrays(init)

    def step(carry: Any, x: Any) -> tuple[Any, Any]:
        return pair_of(function, f(carry, x), "(carry, y)")

    names = frame.scope.names.copy()
    first = None
    if frame.creates_variables and length == 0:
        zeros = jax.tree.map(lambda x: jnp.zeros(x.shape[1:], x.dtype), xs)
        Thread(frame, f"hk.{function}", names).create(step, init, zeros)
    elif frame.creates_variables:
        index = -1 if reverse else 0
        init, first = _arrays(step(init, jax.tree.map(lambda x: x[index], xs)))
        xs = jax.tree.map(lambda x: x[:-1] if reverse else x[1:], xs)
        length -= 1
    thread = Thread(frame, f"hk.{function}", names)
    carried = thread.carried(in_loop=True)
    if first is not None and length == 0:  # JAX refuses a loop of no steps where jit is disabled.
        return init, jax.tree.map(lambda y: y[None], first)

    def body(carry: Any, x: Any) -> tuple[Any, Any]:
        carry, carried = carry
        (carry, y), carried = thread.run_in_loop(carried, step, carry, x)
        return (carry, carried), y

    (carry, carried), ys = jax.lax.scan(body, (init, carried), xs, length=length, reverse=reverse, unroll=unroll)
    thread.adopt_carried(carried)
    if first is not None:
        ys = jax.tree.map(lambda y, ys: jnp.concatenate([ys, y[None]] if reverse else [y[None], ys]), first, ys)
    return carry, ys


def map(f: Callable[[Any], Any], xs: Any) -> Any:
    """Applies a function to the elements of the leading axis one after the other, as `jax.lax.map` does.

    Args:
      f: `f(x) -> y`; it may use modules.
      xs: A pytree of arrays `[length, ...]`.

    Returns:
      The results, stacked along a new leading axis.

    Raises:
      UsageError: called outside `hk.transform`.
      ValueError: the leading axes of `xs` disagree.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> model = hk.transform(lambda xs: hk.map(hk.Linear(2), xs))
      >>> xs = jnp.ones([5, 3])
      >>> model.apply(model.init(jax.random.key(0), xs), xs).shape
      (5, 2)
    """
    frame = current_frame("map")
    _checks.function("map", "f", f, "hk.Linear(3)")
    return _scan("map", frame, lambda _, x: (None, f(x)), None, xs)[1]


def fori_loop(lower: Any, upper: Any, body_fun: Callable[[Any, Any], Any], init_val: Any) -> Any:
    """Runs a function for `i` from `lower` up to `upper`, as `jax.lax.fori_loop` does.

    Args:
      lower: The first index, an integer.
      upper: The index after the last.
      body_fun: `body_fun(i, value) -> value`; it may use modules.
      init_val: The first value, any pytree.

    Returns:
      The last value.

    Raises:
      UsageError: called outside `hk.transform`.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> def thrice(x):
      ...     layer = hk.Linear(4)
      ...     return hk.fori_loop(0, 3, lambda i, x: layer(x), x)
      >>> model = hk.transform(thrice)
      >>> model.apply(model.init(jax.random.key(0), jnp.ones(4)), jnp.ones(4)).shape
      (4,)
    """
    frame = current_frame("fori_loop")
    _checks.function("fori_loop", "body_fun", body_fun, "lambda i, value: value")
    init_val = _arrays(init_val)
    names = frame.scope.names.copy()
    if frame.creates_variables:
        known = not isinstance(lower, Tracer) and not isinstance(upper, Tracer)
        if known and lower < upper:
            init_val = _arrays(body_fun(jnp.asarray(lower), init_val))
            lower = lower + 1
        else:  # It may run no step at all, so its result can't be the first step's.
            Thread(frame, "hk.fori_loop", names).create(body_fun, jnp.asarray(lower), init_val)
    thread = Thread(frame, "hk.fori_loop", names)

    def body(i: Any, carry: Any) -> Any:
        value, carried = carry
        return thread.run_in_loop(carried, body_fun, i, value)

    value, carried = jax.lax.fori_loop(lower, upper, body, (init_val, thread.carried(in_loop=True)))
    thread.learn_names(body_fun, jnp.asarray(lower), init_val)
    thread.adopt_carried(carried)
    return value


def while_loop(cond_fun: Callable[[Any], Any], body_fun: Callable[[Any], Any], init_val: Any) -> Any:
    """Runs a function while a condition holds, as `jax.lax.while_loop` does.

    `init` runs the condition and the body once for the parameters and the state that they create.

    Args:
      cond_fun: `cond_fun(value) -> bool`; it may read parameters and state, not change them nor take keys.
      body_fun: `body_fun(value) -> value`; it may use modules.
      init_val: The first value, any pytree.

    Returns:
      The last value.

    Raises:
      UsageError: called outside `hk.transform`, or `cond_fun` changes state or takes a key.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> def until_large(x):
      ...     layer = hk.Linear(1, w_init=hk.initializers.Constant(2))
      ...     return hk.while_loop(lambda x: x[0] < 100, layer, x)
      >>> model = hk.transform(until_large)
      >>> model.apply(model.init(None, jnp.ones(1)), jnp.ones(1))
      Array([128.], dtype=float32)
    """
    frame = current_frame("while_loop")
    _checks.function("while_loop", "cond_fun", cond_fun, "lambda value: value < 3")
    _checks.function("while_loop", "body_fun", body_fun, "lambda value: value + 1")
    init_val = _arrays(init_val)
    names = frame.scope.names.copy()
    if frame.creates_variables:

        def both(value: Any) -> None:
            cond_fun(value)
            body_fun(value)

        Thread(frame, "hk.while_loop", names).create(both, init_val)
    # The body's names go on from the condition's, which always runs first.
    condition, loop = Thread(frame, "hk.while_loop", names), Thread(frame, "hk.while_loop", names)

    def cond(carry: Any) -> Any:
        value, carried = carry
        holds = condition.run_frozen(carried, "the cond_fun of hk.while_loop", cond_fun, value)
        loop.names = condition.names_after or names
        return holds

    def body(carry: Any) -> Any:
        value, carried = carry
        return loop.run_in_loop(carried, body_fun, value)

    value, carried = jax.lax.while_loop(cond, body, (init_val, loop.carried(in_loop=True)))
    loop.learn_names(body_fun, init_val)
    loop.adopt_carried(carried)
    return value


_NONE_GIVEN = object()


def cond(
    pred: Any,
    true_fun: Callable[..., Any],
    false_fun: Callable[..., Any],
    *operands: Any,
    operand: Any = _NONE_GIVEN,
) -> Any:
    """Calls one of two functions, as `jax.lax.cond` does.

    `init` creates the variables of both. State and keys are those of the function that was called.

    Args:
      pred: Which: a boolean scalar.
      true_fun: Called with the operands where `pred` is true; it may use modules.
      false_fun: Called where it is false; its result must have the same shapes and dtypes.
      *operands: What they are called with.
      operand: The only operand, by keyword.

    Returns:
      What the function returned.

    Raises:
      UsageError: called outside `hk.transform`, or a function creates state in `apply`.
      TypeError: `true_fun` or `false_fun` is no function.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> model = hk.transform(lambda x: hk.cond(x.sum() > 0, hk.Linear(2), hk.Linear(2), x))
      >>> params = model.init(jax.random.key(0), jnp.ones(3))
      >>> sorted(params)
      ['linear', 'linear_1']
      >>> model.apply(params, jnp.ones(3)).shape
      (2,)
    """
    frame = current_frame("cond")
    if operand is not _NONE_GIVEN:
        if operands:
            raise TypeError("cond: operand and operands are both given, expected one of them. Drop operand.")
        operands = (operand,)
    if not callable(true_fun) and callable(false_fun) and len(operands) == 2:
        # The form of old: cond(pred, true_operand, true_fun, false_operand, false_fun).
        true_operand, true, (false_operand, false) = true_fun, false_fun, operands
        true_fun, false_fun = lambda both: true(both[0]), lambda both: false(both[1])
        operands = ((true_operand, false_operand),)
    _checks.function("cond", "true_fun", true_fun, "lambda x: x")
    _checks.function("cond", "false_fun", false_fun, "lambda x: x")
    return _choose(frame, "hk.cond", lambda *rest: jax.lax.cond(pred, *rest), [true_fun, false_fun], operands)


def switch(index: Any, branches: Sequence[Callable[..., Any]], *operands: Any) -> Any:
    """Calls one of several functions, as `jax.lax.switch` does.

    `init` creates the variables of all. State and keys are those of the function that was called.

    Args:
      index: Which: an integer scalar, clipped to the range.
      branches: The functions, which may use modules; their results have the same shapes and dtypes.
      *operands: What they are called with.

    Returns:
      What the function returned.

    Raises:
      UsageError: called outside `hk.transform`, or a function creates state in `apply`.
      TypeError: `branches` is no sequence of functions.
      ValueError: it is empty.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> def experts(i, x):
      ...     return hk.switch(i, [hk.Linear(2, name=f"expert{k}") for k in "abc"], x)
      >>> model = hk.transform(experts)
      >>> params = model.init(jax.random.key(0), 1, jnp.ones(3))
      >>> sorted(params)
      ['experta', 'expertb', 'expertc']
    """
    frame = current_frame("switch")
    branches = _checks.sequence("switch", "branches", branches, "[jnp.sin, jnp.cos]")
    for i, branch in enumerate(branches):
        _checks.function("switch", f"branches[{i}]", branch, "jnp.sin")
    if not branches:
        raise ValueError("switch: branches is empty, expected at least one function.")

    def select(*rest: Any) -> Any:
        return jax.lax.switch(index, rest[: len(branches)], *rest[len(branches) :])

    return _choose(frame, "hk.switch", select, list(branches), operands)


def associative_scan(fn: Callable[[Any, Any], Any], elems: Any, reverse: bool = False, axis: int = 0) -> Any:
    """Combines elements cumulatively by an associative function, as `jax.lax.associative_scan` does.

    `init` calls the function once for the parameters that it creates. It can't use state or keys, since how often it
    is called, and on how many elements at once, is not the user's to know.

    Args:
      fn: `fn(a, b) -> c`, associative, for a batch of elements along `axis`; it may read parameters.
      elems: A pytree of arrays.
      reverse: Whether to go from the last element to the first.
      axis: The axis to go along.

    Returns:
      A pytree like `elems`, of cumulative results.

    Raises:
      UsageError: called outside `hk.transform`, or `fn` uses state or keys.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> def decayed_sum(x):
      ...     scale = hk.get_parameter("scale", [], init=hk.initializers.Constant(2))
      ...     return hk.associative_scan(lambda a, b: scale * (a + b), x)
      >>> model = hk.transform(lambda x: hk.associative_scan(jnp.add, x))
      >>> model.apply({}, jnp.arange(4))
      Array([0, 1, 3, 6], dtype=int32)
    """
    frame = current_frame("associative_scan")
    _checks.function("associative_scan", "fn", fn, "jnp.add")

    def one(x: Any) -> jax.Array:
        x = jnp.asarray(x)
        shape = (*x.shape[:axis], 1, *x.shape[axis:][1:])
        return jax.lax.slice_in_dim(x, 0, 1, axis=axis) if x.size else jnp.zeros(shape, x.dtype)

    names = frame.scope.names.copy()
    element = jax.tree.map(one, elems)
    if frame.creates_variables:
        Thread(frame, "hk.associative_scan", names).create(fn, element, element)
    thread = Thread(frame, "hk.associative_scan", names)
    carried = thread.carried()

    def combine(a: Any, b: Any) -> Any:
        return thread.run_frozen(carried, "the function of hk.associative_scan", fn, a, b)

    out = jax.lax.associative_scan(combine, elems, reverse=reverse, axis=axis)
    thread.learn_names(fn, element, element)
    thread.adopt_carried(carried)
    return out


def _choose(frame: Frame, wrapper: str, select: Callable[..., Any], branches: list[Any], operands: Any) -> Any:
    """Runs `select(*branches, carried, *operands)` with branches that thread what they may change.

    The branches take their names one after the other, so that each has modules of its own.
    """
    operands = _arrays(operands)
    start = frame.scope.names.copy()
    if frame.creates_variables:
        names = start
        for branch in branches:
            thread = Thread(frame, wrapper, names)
            names = thread.learn_names(branch, *operands)
            if thread.creates:
                thread.create(branch, *operands)
    threads = [Thread(frame, wrapper, start) for _ in branches]

    def names_before(i: int) -> NameRegister:
        if i == 0:
            return start
        if threads[i - 1].names_after is None:
            threads[i - 1].names = names_before(i - 1)
        return threads[i - 1].learn_names(branches[i - 1], *operands)

    def run(i: int, carried: Any, *operands: Any) -> Any:
        threads[i].names = names_before(i)
        return threads[i].run_in_loop(carried, branches[i], *operands)

    wrapped = [functools.partial(run, i) for i in range(len(branches))]
    out, carried = select(*wrapped, threads[0].carried(in_loop=True), *operands)
    names_before(len(branches))
    threads[-1].adopt_carried(carried)
    return out


def _arrays(tree: Any) -> Any:
    """Returns the tree with arrays for numbers, which a body finds there under JAX too."""
    return jax.tree.map(jnp.asarray, tree)


def _length(function: str, xs: Any, length: int | None) -> int:
    lengths = {} if length is None else {"length": _checks.size(function, "length", length)}
    for path, x in jax.tree_util.tree_flatten_with_path(xs)[0]:
        name = f"xs{jax.tree_util.keystr(path)}"
        if not np.ndim(x):
            raise ValueError(f"{function}: {name} is a scalar, expected an array with a leading axis to go along.")
        lengths[name] = np.shape(x)[0]
    if not lengths:
        raise ValueError(f"{function}: xs holds no array and length is None, expected one of them. Pass length=.")
    if len(set(lengths.values())) > 1:
        raise ValueError(f"{function}: the leading axes of xs disagree, expected one length: {lengths}.")
    return next(iter(lengths.values()))
