import jax
import jax.numpy as jnp
import numpy as np
import pytest

import haiku_like as hk

X = np.ones(3, np.float32)


def linear(x):
    return hk.Linear(2)(x)


def count(by=1):
    n = hk.get_state("n", [], jnp.int32, init=jnp.zeros)
    hk.set_state("n", n + by)
    return n


INNER = hk.transform(linear)
COUNT = hk.transform_with_state(count)


def run_inner(**options):
    params = hk.lift(INNER.init, **options)(hk.maybe_next_rng_key(), X)
    return INNER.apply(params, X)


def test_the_outer_function_keeps_the_inner_parameters():
    f = hk.transform(lambda: run_inner(name="inner"))
    params = f.init(0)
    inner = INNER.init(next(hk.PRNGSequence(0)), X)
    assert list(params) == ["inner/linear"]
    jax.tree.map(np.testing.assert_array_equal, params["inner/linear"], inner["linear"])
    np.testing.assert_array_equal(f.apply(params), INNER.apply(inner, X))
    changed = jax.tree.map(lambda x: x + 1, params)
    np.testing.assert_array_equal(f.apply(changed), INNER.apply(jax.tree.map(lambda x: x + 1, inner), X))


def test_in_apply_the_init_does_not_run():
    def outer():
        return hk.lift(lambda *args: pytest.fail("it ran in apply") if not hk.running_init() else INNER.init(*args))(
            0, X
        )

    f = hk.transform(outer)
    params = f.init(None)
    assert list(f.apply(params)) == ["linear"]


def test_names_are_numbered_and_scoped():
    class Outer(hk.Module):
        def __call__(self):
            run_inner(), run_inner(), run_inner(name="other")

        def encode(self):
            run_inner()
            hk.transparent_lift(INNER.init)(0, X)

    def f():
        run_inner(), run_inner()
        outer = Outer()
        outer(), outer.encode()

    assert list(hk.transform(f).init(0)) == [
        "lifted/linear", "lifted_1/linear", "outer/lifted/linear", "outer/lifted_1/linear", "outer/other/linear",
        "outer/~encode/lifted/linear", "outer/~encode/linear",
    ]  # fmt: skip


def test_transparent_variables_lie_in_the_scope_that_runs():
    def top():
        hk.set_state("s", 0)
        return hk.get_parameter("w", [], init=jnp.ones), linear(X)

    inner = hk.transform_with_state(top)

    def outer():
        with hk.name_scope("block"):
            init, updater = hk.transparent_lift_with_state(inner.init)
            params, state = init(hk.maybe_next_rng_key())
            updater.ignore_update()
        return sorted(params), sorted(state)

    params, state = hk.transform_with_state(outer).init(0)
    assert (list(params), list(state)) == (["block/~", "block/linear"], ["block/~"])
    assert hk.transform_with_state(outer).apply(params, state, None)[0] == (["linear", "~"], ["~"])


def test_a_lifted_function_takes_its_own_variables_alone():
    def outer():
        hk.get_parameter("w", [], init=jnp.zeros), linear(X)
        with hk.name_scope("scope"):
            run_inner(name="inner")
            return sorted(hk.lift(INNER.init, name="inner")(hk.maybe_next_rng_key(), X))

    f = hk.transform(outer)
    assert f.apply(f.init(0)) == ["linear"]


def test_reuse():
    def outer(allow_reuse):
        init = hk.lift(INNER.init, allow_reuse=allow_reuse)
        init(hk.maybe_next_rng_key(), X)
        return init(hk.maybe_next_rng_key(), X)

    f = hk.transform(outer)
    params = f.init(0, True)
    keys = hk.PRNGSequence(0)
    _, second = next(keys), INNER.init(next(keys), X)
    np.testing.assert_array_equal(params["lifted/linear"]["w"], second["linear"]["w"])
    jax.tree.map(np.testing.assert_array_equal, f.apply(params, False), second)
    message = "lift: parameters at lifted/linear exist already, expected a place that is free. Give the lifted function"
    with pytest.raises(hk.UsageError, match=message):
        f.init(0, False)


def test_parameters_that_are_refused_are_not_kept():
    def two(x):
        hk.Linear(2, name="first")(x), hk.Linear(2)(x)

    def outer():
        linear(X)
        with pytest.raises(hk.UsageError, match="transparent_lift: parameters at linear exist already"):
            hk.transparent_lift(hk.transform(two).init)(0, X)

    assert list(hk.transform(outer).init(0)) == ["linear"]


def test_an_inner_function_may_be_under_a_plain_transform():
    def outer(x):
        keys = hk.next_rng_keys(4) if hk.running_init() else None
        params = hk.lift(jax.vmap(INNER.init, (0, None)), name="many")(keys, x)
        return jax.vmap(INNER.apply, (0, None))(params, x)

    f = hk.transform(outer)
    params = f.init(0, X)
    assert params["many/linear"]["w"].shape == (4, 3, 2)
    np.testing.assert_allclose(
        jax.jit(f.apply)(params, X)[2], INNER.apply(jax.tree.map(lambda x: x[2], {"linear": params["many/linear"]}), X),
        rtol=1e-6,
    )  # fmt: skip


def test_lifts_nest():
    middle = hk.transform(lambda: run_inner(name="inner"))

    def outer():
        with hk.name_scope("scope"):
            return middle.apply(hk.lift(middle.init, name="middle")(hk.maybe_next_rng_key()))

    f = hk.transform(outer)
    params = f.init(0)
    assert list(params) == ["scope/middle/inner/linear"]
    assert f.apply(params).shape == (2,)


def test_hooks_are_told_where_the_outer_function_keeps_a_variable():
    seen = []

    def record(next_creator, shape, dtype, init, context):
        seen.append((context.full_name, context.lifted_prefix_name))
        return next_creator(shape, dtype, init)

    inner = hk.transform(lambda: hk.lift(INNER.init, name="deeper")(0, X))

    def outer():
        with hk.custom_creator(record):
            hk.lift(inner.init, name="inner")(None)
            with hk.name_scope("scope"):
                hk.transparent_lift(INNER.init)(0, X)
            hk.transparent_lift(hk.transform(lambda: hk.get_parameter("w", [], init=jnp.ones)).init)(None)
            INNER.init(0, X)

    hk.transform(outer).init(None)
    assert [entry for entry in seen if not entry[0].endswith("/b")] == [
        ("linear/w", "inner/deeper/"), ("linear/w", "scope/"), ("~/w", ""), ("linear/w", None),
    ]  # fmt: skip


def count_inside(update=True, by=1):
    init, updater = hk.lift_with_state(COUNT.init, name="inner")
    params, state = init(None)
    out, state = COUNT.apply(params, state, None, by)
    if update:
        updater.update(state)
    else:
        updater.ignore_update()
    return out


def test_state_goes_through():
    f = hk.transform_with_state(count_inside)
    params, state = f.init(None)
    assert (params, int(state["inner/~"]["n"])) == ({}, 0)
    for n in range(3):
        out, state = f.apply(params, state, None)
        assert (int(out), int(state["inner/~"]["n"])) == (n, n + 1)
    _, state = f.apply(params, state, None, update=False)
    assert int(state["inner/~"]["n"]) == 3


def test_state_that_apply_creates_goes_through():
    def inner(create):
        if create:
            hk.set_state("new", 1)

    pair = hk.transform_with_state(inner)

    def outer():
        init, updater = hk.lift_with_state(pair.init, name="inner")
        _, state = pair.apply(*init(None, False), None, True)
        updater.update(state)

    f = hk.transform_with_state(outer)
    assert f.apply(*f.init(None), None)[1] == {"inner/~": {"new": 1}}


def test_state_goes_through_the_wrappers_of_jax_transforms():
    def outer():
        init, updater = hk.lift_with_state(COUNT.init, name="inner")
        params, state = init(None)

        def body(state, _):
            out, state = COUNT.apply(params, state, None)
            return state, out

        state, outs = hk.scan(body, state, None, length=3)
        updater.update(state)
        return outs, hk.jit(lambda: count_inside(by=10))()

    f = hk.transform_with_state(outer)
    params, state = f.init(None)
    with jax.checking_leaks():
        (outs, _), state = jax.jit(f.apply)(params, state, None)
    assert outs.tolist() == [0, 1, 2]
    assert jax.tree.map(int, state) == {"inner/~": {"n": 3}, "inner_1/~": {"n": 10}}


def test_an_updater_is_used_exactly_once():
    def never():
        hk.lift_with_state(COUNT.init, name="inner")[0](None)

    message = r"LiftWithStateUpdater: the new state of 'inner' was not given back, expected a call of update\(state\) o"
    for run in (lambda f: f.init(None), lambda f: f.apply({}, {"inner/~": {"n": 0}}, None)):
        with pytest.raises(hk.UsageError, match=message):
            run(hk.transform_with_state(never))

    def twice():
        init, updater = hk.lift_with_state(COUNT.init)
        _, state = init(None)
        updater.update(state)
        updater.update(state)

    with pytest.raises(hk.UsageError, match=r"LiftWithStateUpdater.update: the updater was used already, expected one"):
        hk.transform_with_state(twice).init(None)


def test_a_failure_of_the_outer_function_is_not_hidden_by_its_updater():
    def outer():
        hk.lift_with_state(COUNT.init)
        raise RuntimeError("the cause")

    with pytest.raises(RuntimeError, match="the cause"):
        hk.transform_with_state(outer).init(None)


def test_an_updater_that_refuses_a_state_is_not_used_up():
    def outer():
        init, updater = hk.lift_with_state(COUNT.init)
        _, state = init(None)
        with pytest.raises(TypeError, match=r"LiftWithStateUpdater.update: state is of type tuple, expected the state"):
            updater.update((state, 1))
        updater.update(state)

    hk.transform_with_state(outer).init(None)
    updater = hk.LiftWithStateUpdater("inner")
    with pytest.raises(hk.UsageError, match=r"LiftWithStateUpdater.update: used outside hk.transform"):
        updater.update({})


@pytest.mark.parametrize("lift", [hk.lift, hk.transparent_lift])
def test_wrong_functions_are_refused(lift):
    name = lift.__name__
    with pytest.raises(hk.UsageError, match=f"{name}: used outside hk.transform"):
        lift(INNER.init)
    cases = [
        (lambda: lift(3), TypeError, f"{name}: init_fn is 3 of type int, expected a function, such as hk.transform"),
        (lambda: lift(COUNT.init)(None), hk.NonEmptyStateError, f"{name}: init_fn returned parameters and state, expe"),
        (lambda: lift(lambda: 3)(), TypeError, f"{name}: init_fn returned a int, expected parameters. Pass the init o"),
    ]
    for f, error, message in cases:
        with pytest.raises(error, match=message):
            hk.transform(f).init(None)


@pytest.mark.parametrize("lift", [hk.lift_with_state, hk.transparent_lift_with_state])
def test_wrong_functions_with_state_are_refused(lift):
    name = lift.__name__
    with pytest.raises(hk.UsageError, match=f"{name}: used outside hk.transform"):
        lift(COUNT.init)
    cases = [
        (lambda: lift(3), f"{name}: init_fn is 3 of type int, expected a function, such as hk.transform_with_state"),
        (lambda: lift(INNER.init)[0](0, X), rf"{name}: init_fn returned a dict, expected a pair \(params, state\)"),
    ]
    for f, message in cases:
        with pytest.raises(TypeError, match=message):
            hk.transform_with_state(f).init(None)


def test_the_name_is_checked():
    with pytest.raises(ValueError, match=r"lift: name is 'a/b', expected a Python identifier"):
        hk.transform(lambda: hk.lift(INNER.init, name="a/b")).init(None)
    with pytest.raises(TypeError, match=r"lift_with_state: name is 3 of type int, expected a string"):
        hk.transform(lambda: hk.lift_with_state(COUNT.init, name=3)).init(None)


def test_lifting_under_a_plain_transform_at_init_is_refused():
    def outer(x):
        return jax.vmap(lambda x: hk.lift(INNER.init)(0, x)["linear"]["w"])(x)

    with pytest.raises(hk.JaxTransformError, match=r"lift: creates parameters under jax.vmap"):
        hk.transform(outer).init(0, np.ones([2, 3], np.float32))
