import functools
import re

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rlax_like as rlax
from rlax_like import recurrence

METHODS = ["scan", "associative", "auto"]
LONG = 40  # Enough steps for "auto" to look at the platform.


def by_loop(a, b, init, reverse):
    """x_t = b_t + a_t x in float64, one step at a time."""
    a = np.broadcast_to(np.reshape(a, (*np.shape(a), *[1] * (b.ndim - np.ndim(a)))), b.shape)
    x, out = np.broadcast_to(init, b.shape[1:]).astype(np.float64), np.zeros(b.shape)
    for t in reversed(range(len(b))) if reverse else range(len(b)):
        x = out[t] = b[t] + a[t] * x
    return out


def test_by_hand():
    a, b = jnp.array([0.5, 2.0, 3.0]), jnp.array([1.0, 4.0, 2.0])
    np.testing.assert_array_equal(rlax.linear_recurrence(a, b, 1.0), [8.0, 14.0, 5.0])
    np.testing.assert_array_equal(rlax.linear_recurrence(a, b, 1.0, reverse=False), [1.5, 7.0, 23.0])


@functools.partial(jax.jit, static_argnums=3)
def by_each_method(a, b, init, reverse):
    return [rlax.linear_recurrence(a, b, init, reverse=reverse, method=method) for method in METHODS]


@pytest.mark.parametrize("reverse", [True, False])
@given(
    shape=st.sampled_from([(), (1,), (2, 3)]),
    steps=st.sampled_from([0, 1, LONG]),
    per_step=st.sampled_from(["number", "step", "element"]),
    batch_of_init=st.booleans(),
    seed=st.integers(0, 99),
)
def test_each_method_agrees_with_a_loop(reverse, shape, steps, per_step, batch_of_init, seed):
    random = np.random.default_rng(seed)
    b = random.normal(size=(steps, *shape)).astype(np.float32)
    a = random.normal(size={"number": (), "step": (steps,), "element": b.shape}[per_step]).astype(np.float32)
    init = random.normal(size=shape if batch_of_init else ()).astype(np.float32)
    expected = by_loop(a, b, init, reverse)
    scale = max(1, np.max(np.abs(expected), initial=0))
    for out in by_each_method(a, b, init, reverse):
        assert (out.shape, out.dtype) == (b.shape, b.dtype)
        np.testing.assert_allclose(out / scale, expected / scale, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("axis", [1, -1, -2])
def test_any_axis_may_be_time(axis):
    random = np.random.default_rng(0)
    b, a = random.normal(size=(2, 4, 3)), random.uniform(size=(2, 4, 3))
    init = random.normal(size=np.delete(b.shape, axis))
    expected = rlax.linear_recurrence(np.moveaxis(a, axis, 0), np.moveaxis(b, axis, 0), init)
    np.testing.assert_array_equal(
        rlax.linear_recurrence(a, b, init, axis=axis), jnp.moveaxis(expected, 0, axis), strict=True
    )
    per_step = random.uniform(size=b.shape[axis])
    expected = rlax.linear_recurrence(per_step, np.moveaxis(b, axis, 0))
    np.testing.assert_array_equal(rlax.linear_recurrence(per_step, b, axis=axis), jnp.moveaxis(expected, 0, axis))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("reverse", [True, False])
@pytest.mark.usefixtures("x64")
def test_derivatives_in_both_modes_and_of_second_order(method, reverse):
    random = np.random.default_rng(0)
    args = (random.uniform(size=(LONG, 1)), random.normal(size=(LONG, 2)), random.normal(size=2))

    def total(a, b, init):
        x = rlax.linear_recurrence(a * jnp.ones((1, 2)), b, init, reverse=reverse, method=method)
        return jnp.sum(jnp.sin(jnp.arange(LONG))[:, None] * x**2)

    direction = tuple(random.normal(size=x.shape) for x in args)

    def along(args):
        return jax.jvp(total, args, direction)[1]

    @jax.jit
    def derivatives(args):
        backward = jax.grad(total, (0, 1, 2))
        return (
            total(*args),
            along(args),
            backward(*args),
            jax.jvp(along, (args,), (direction,))[1],  # Forward over forward,
            jax.jvp(lambda args: backward(*args), (args,), (direction,))[1],  # forward over backward,
            jax.grad(along)(args),  # backward over forward.
        )

    step = 1e-5
    ahead, here, behind = (
        derivatives(tuple(x + s * d for x, d in zip(args, direction, strict=True))) for s in (step, 0.0, -step)
    )
    _, slope, gradient, curvature, *mixed = here
    np.testing.assert_allclose(slope, (ahead[0] - behind[0]) / (2 * step), rtol=1e-6)
    np.testing.assert_allclose(curvature, (ahead[1] - behind[1]) / (2 * step), rtol=1e-6)

    def dot(gradient):
        return sum(np.sum(g * d) for g, d in zip(gradient, direction, strict=True))

    np.testing.assert_allclose(dot(gradient), slope, rtol=1e-9)
    for product in mixed:
        np.testing.assert_allclose(dot(product), curvature, rtol=1e-9)


def test_a_derivative_costs_one_more_recurrence():
    def loops(function):
        text = jax.jit(function).lower(jnp.ones(LONG), jnp.ones(LONG)).compile().as_text()
        return text.count(" while(")

    def total(a, b):
        return jnp.sum(rlax.linear_recurrence(a, b, method="scan") ** 2)

    assert loops(total) == 1
    assert loops(jax.grad(total, (0, 1))) == 2


def test_auto_is_a_loop_on_this_platform():
    def text(method):
        function = jax.jit(lambda a, b: rlax.linear_recurrence(a, b, method=method))
        return function.lower(jnp.ones(LONG), jnp.ones(LONG)).compile().as_text()

    assert (" while(" in text("auto")) == (" while(" in text("scan")) is True
    assert " while(" not in text("associative")


def test_auto_composes_pairs_elsewhere():
    jitted = jax.jit(lambda a, b: rlax.linear_recurrence(a, b))
    for steps, loop in ((LONG, False), (4, True)):
        exported = jax.export.export(jitted, platforms=["cuda"])(jnp.ones(steps), jnp.ones(steps))
        assert ("stablehlo.while" in exported.mlir_module()) == loop


def test_products_may_underflow():
    # 0.95 to the 4096 is 0 in float32: nothing divides by it.
    x = rlax.linear_recurrence(0.95, jnp.ones(4096))
    np.testing.assert_allclose(x[:2000], 20.0, rtol=1e-5)
    np.testing.assert_allclose(rlax.linear_recurrence(0.95, jnp.ones(4096), method="associative"), x, rtol=1e-5)


def test_dtypes():
    b = jnp.ones(3, jnp.bfloat16)
    assert rlax.linear_recurrence(jnp.ones(3, jnp.float32), b).dtype == jnp.bfloat16
    assert rlax.linear_recurrence(b, jnp.arange(3)).dtype == jnp.bfloat16
    assert rlax.linear_recurrence(True, jnp.arange(3)).dtype == jnp.float32


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((1.0, np.ones(3)), {"method": "fast"}), "method is 'fast', expected 'auto', 'scan' or 'associative'."),
        (((1.0, np.ones(3)), {"axis": 1}), "axis is 1, expected an axis of b, which has shape (3,)."),
        (((1.0, 1.0), {}), "axis is 0, expected an axis of b, which has shape ()."),
        (((np.ones(2), np.ones(3)), {}), "a has shape (2,), expected (3,) or a number like b."),
        (((np.ones((3, 1)), np.ones((3, 2))), {}), "a has shape (3, 1), expected (3, 2) or (3,) or a number like b."),
        (((1.0, np.ones((3, 2)), np.ones(3)), {}), "init has shape (3,), expected (2,) or a number like b."),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    positional, settings = arguments
    with pytest.raises(ValueError, match=re.escape(f"linear_recurrence: {message}")):
        rlax.linear_recurrence(*positional, **settings)


def test_complex_numbers_are_refused():
    with pytest.raises(TypeError, match="linear_recurrence: b must be a real array, got complex64"):
        rlax.linear_recurrence(1.0, jnp.ones(3, jnp.complex64))


def of_both_states(x, before, weight):
    return weight * x * before, x + before


@pytest.mark.parametrize("steps", [1, LONG])
@pytest.mark.parametrize("reverse", [True, False])
@pytest.mark.parametrize("method", METHODS)
def test_what_is_emitted_and_its_derivative(method, reverse, steps):
    random = np.random.default_rng(0)
    a, b, weight = (jnp.asarray(random.uniform(size=(steps, 3)), jnp.float32) for _ in range(3))
    init = jnp.array([1.0, 2.0, 3.0])

    def in_the_loop(a, b, init, weight):
        emit = {"emit": of_both_states, "emit_inputs": (weight,)}
        return recurrence.solve(recurrence.given, (a, b), init, **emit, reverse=reverse, method=method)

    def afterwards(a, b, init, weight):
        x = rlax.linear_recurrence(a, b, init, reverse=reverse)
        before = jnp.concatenate([x[1:], init[None]] if reverse else [init[None], x[:-1]])
        return of_both_states(x, before, weight)

    arguments = (a, b, init, weight)
    for out, expected in zip(in_the_loop(*arguments), afterwards(*arguments), strict=True):
        np.testing.assert_allclose(out, expected, rtol=1e-5)
    gradients, expected = (
        jax.jacrev(lambda *args, f=f: jnp.sum(jnp.square(jnp.stack(f(*args))), axis=(1, 2)), argnums=(0, 1, 2, 3))(
            *arguments
        )
        for f in (in_the_loop, afterwards)
    )
    for out, wanted in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(out, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("reverse", [True, False])
@pytest.mark.parametrize("method", METHODS)
def test_a_step_takes_its_element_of_a_longer_or_shorter_array(method, reverse):
    random = np.random.default_rng(0)
    a, b, weight = (jnp.asarray(random.uniform(size=(LONG + k, 3)), jnp.float32) for k in (-1, 0, 1))

    def summed(a, b, weight):
        emit = {"emit": of_both_states, "emit_inputs": (weight,)}
        return sum(map(jnp.sum, recurrence.solve(recurrence.given, (a, b), **emit, reverse=reverse, method=method)))

    def shifted(a, b, weight):
        return summed(recurrence.Shifted(a), b, recurrence.Shifted(weight, 1))

    def copied(a, b, weight):
        return summed(jnp.concatenate([a, a[-1:]]), b, weight[1:])

    out, expected = (jax.value_and_grad(f, (0, 1, 2))(a, b, weight) for f in (shifted, copied))
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5), out, expected)
