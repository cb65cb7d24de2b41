"""The mathematics: every operator beside rlax, and how what runs over time scales, beside what the device can do."""

import functools
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp

import rlax_like
from benchmarks.case import Case, Compiled, Numbers, bound, check_alike
from benchmarks.suites.operators import Call, operators, over, rlax, sequences, steps

LOSSES = ("td_learning", "q_learning", "double_q_learning", "expected_sarsa", "policy_gradient_loss", "entropy_loss",
          "clipped_surrogate_pg_loss", "huber_loss")  # fmt: skip
ACTIONS = 4
LARGEST = 2**22
"""The largest number of elements of one array."""
DTYPES = {"float32": jnp.float32, "bfloat16": jnp.bfloat16}


def rl_math(tiny: bool) -> Iterator[Case]:
    """All operators once, then those over time at several sizes, layouts and dtypes."""
    yield from operators(tiny)
    yield from joined(tiny)
    yield from recurrences(tiny)
    yield from scaling(tiny)


def joined(tiny: bool) -> Iterator[Case]:
    """The returns of `[T, B]` as ours take them, beside rlax under `vmap` over its own layout `[B, T]`."""
    t, b = (7, 3) if tiny else (256, 256)
    for call in sequences(t, b, 8, Numbers()):
        if call.name.startswith("transformed") or call.name in ("sarsa_lambda", "q_lambda"):
            continue
        contestants = {"rlax_like": ours(call), "rlax over [B, T]": batch_major(call)}
        yield Case(f"{call.name}, [{t}, {b}]", "rlax_like", contestants, "returns over a batch")


def recurrences(tiny: bool) -> Iterator[Case]:
    """The recurrence that all returns rest on, by each method, beside a copy of the same bytes."""
    draw = Numbers()
    for t, b in sizes(tiny):
        a, x = draw.uniform(t, b), draw.normal(t, b)
        contestants: dict[str, Compiled] = {
            method: bound(functools.partial(rlax_like.linear_recurrence, method=method), a, x)
            for method in ("auto", "scan", "associative")
        }
        check_alike({name: run() for name, run in contestants.items()}, 1e-3)
        contestants["copy"] = bound(lambda a, x: a + x, a, x)
        yield Case(f"linear_recurrence, [{t}, {b}]", "auto", contestants, "recurrence", "copy")


def scaling(tiny: bool) -> Iterator[Case]:
    """What runs over time, and the main losses of as many steps, by length, batch and dtype, beside a copy."""
    for dtype, kind in DTYPES.items():
        for t, b in sizes(tiny):
            draw = Numbers()
            for call in sequences(t, b, ACTIONS, draw):
                call = in_dtype(call, kind)
                contestants = {"rlax_like": ours(call), "rlax": time_major(call), "rlax over [B, T]": batch_major(call)}
                yield scaled(call, f"[{t}, {b}]", dtype, contestants)
            for call in steps(t * b, ACTIONS, draw):
                if call.name in LOSSES:
                    call = in_dtype(call, kind)
                    yield scaled(call, f"[{t}, {b}]", dtype, {"rlax_like": ours(call), "rlax": over_steps(call)})


def scaled(call: Call, size: str, dtype: str, contestants: dict[str, Compiled]) -> Case:
    """Returns the case of a call at one size, beside a copy of as many bytes as it has to move."""

    def prepare() -> None:
        if dtype == "float32":  # In half precision rlax accumulates in it.
            check_alike({n: contestants[n]() for n in ("rlax_like", "rlax")}, max(call.tolerance, 1e-2))

    inputs = sum(x.nbytes for x in call.arrays.values())
    outputs = jax.tree.leaves(jax.eval_shape(contestants["rlax_like"].function, call.arrays))
    count = (inputs + sum(x.size * x.dtype.itemsize for x in outputs)) // 8
    copied = {"copy": bound(lambda x: x + 1, jnp.zeros(count))}
    name = f"{call.name}, {size}, {dtype}"
    return Case(name, "rlax_like", {**contestants, **copied}, "scaling", "copy", prepare=prepare)


def in_dtype(call: Call, kind: Any) -> Call:
    """Returns the call with all that is not whole numbers in a dtype."""
    return call._replace(
        arrays={k: x.astype(kind) if jnp.issubdtype(x.dtype, jnp.floating) else x for k, x in call.arrays.items()}
    )


def sizes(tiny: bool) -> list[tuple[int, int]]:
    """Returns lengths and batches, as far as memory allows."""
    if tiny:
        return [(7, 3)]
    return [(t, b) for t in (16, 128, 1024, 16384) for b in (1, 64, 1024) if t * b <= LARGEST]


def ours(call: Call) -> Compiled:
    """Returns our call, on the arrays as they are."""
    return bound(functools.partial(call.call, rlax_like), call.arrays)


def time_major(call: Call) -> Compiled:
    """Returns the call of rlax on the same arrays, mapped over the batch."""
    return bound(jax.vmap(functools.partial(call.call, rlax), in_axes=(over(call),), out_axes=1), call.arrays)


def batch_major(call: Call) -> Compiled:
    """Returns the call of rlax on arrays of `[B, T]`, mapped over the batch."""
    arrays = {name: jnp.asarray(jnp.swapaxes(x, 0, 1)) for name, x in call.arrays.items()}
    return bound(jax.vmap(functools.partial(call.call, rlax)), arrays)


def over_steps(call: Call) -> Compiled:
    """Returns the call of rlax on the same steps, mapped over them where it takes one."""
    theirs = functools.partial(call.call, rlax)
    return bound(theirs if call.over is None else jax.vmap(theirs, in_axes=(over(call),)), call.arrays)
