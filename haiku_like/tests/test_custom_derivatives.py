import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import haiku_like as hk


def weight():
    return hk.get_parameter("w", [], init=hk.initializers.Constant(3))


def apply(f, *args):
    model = hk.transform(f)
    return model.apply(model.init(None, *args), *args)


@hk.custom_vjp
def scaled(x, y):
    """x·y, with a gradient of its own."""
    return x * y


scaled.defvjp(lambda x, y: (x * y, (x, y)), lambda residuals, g: (100 * g * residuals[1], 10 * g * residuals[0]))


@hk.custom_jvp
def scaled_forward(x, y):
    """x·y, with a derivative of its own."""
    return x * y


@scaled_forward.defjvp
def _rule(primals, tangents):
    (x, y), (x_dot, y_dot) = primals, tangents
    return x * y, 100 * x_dot * y + 10 * x * y_dot


@pytest.mark.parametrize("f", [scaled, scaled_forward])
def test_the_rule_is_the_derivative(f):
    def forward(x, y):
        w = weight()  # Read outside and passed in: the rule holds for it.
        return f(x, y), hk.grad(f)(x, y), hk.grad(lambda x: f(x, x) + f(w, x))(x)

    out = apply(forward, np.float32(2), np.float32(5))
    assert [float(x) for x in out] == [10, 500, 200 + 20 + 30]
    model = hk.transform(lambda x: f(weight(), x))
    params = model.init(None, np.float32(2))
    for gradient in (jax.grad(model.apply), jax.jit(jax.grad(model.apply)), jax.grad(jax.jit(model.apply))):
        assert float(gradient(params, np.float32(2))["~"]["w"]) == 200
    batched = jax.vmap(jax.grad(model.apply, argnums=1), (None, 0))(params, np.arange(2, dtype="float32"))
    assert batched.tolist() == [30, 30]
    assert (f.__name__, f.__doc__[:4]) == (f.fun.__name__, "x·y,")


def test_forward_mode_follows_the_rule_too():
    out, tangent = jax.jvp(lambda x: hk.transform(scaled_forward).apply({}, x, 5.0), (2.0,), (1.0,))
    assert (float(out), float(tangent)) == (10, 500)


def test_rules_of_trees_integers_and_none():
    @hk.custom_vjp
    def f(tree, n):
        return {"sum": tree["a"].sum() * n, "n": n}

    f.defvjp(lambda tree, n: (f.fun(tree, n), n), lambda n, g: ({"a": jnp.full(2, g["sum"] + n), "b": None}, None))
    gradient = apply(lambda t: hk.grad(lambda t: f(t, 7)["sum"])(t), {"a": jnp.ones(2), "b": jnp.ones(3)})
    assert {name: x.tolist() for name, x in gradient.items()} == {"a": [8, 8], "b": [0, 0, 0]}

    @hk.custom_jvp
    def g(x, n):
        return x * n

    g.defjvp(lambda primals, tangents: (primals[0] * primals[1], 5 * tangents[0]))
    assert apply(lambda x: hk.grad(g)(x, 2), 1.0) == 5


class Leaf(hk.Module):
    def __call__(self, x):
        return x * hk.get_parameter("w", [], init=jnp.ones)


class Reader(hk.Module):
    """Calls a function with a rule in a scope of its own, where the function reads a parameter and builds a module."""

    def __call__(self, x, custom):
        def f(x):
            return Leaf()(weight() * x)

        if custom is hk.custom_vjp:
            function = hk.custom_vjp(f)
            function.defvjp(lambda x: (f(x), weight()), lambda w, g: (100 * w * g,))
        else:
            function = hk.custom_jvp(f)
            function.defjvp(lambda primals, tangents: (f(*primals), 100 * weight() * tangents[0]))
        return function(x)


@pytest.mark.parametrize("custom", [hk.custom_vjp, hk.custom_jvp])
def test_a_rule_that_runs_when_the_call_has_ended_finds_the_scope_the_names_and_the_hooks_of_then(custom):
    def doubled(next_getter, value, context):
        return next_getter(2 * value)

    def forward(x):
        hk.get_state("first", [], init=jnp.zeros)
        with hk.name_scope("outer"), hk.custom_getter(doubled):
            Leaf()(x)
            out = Reader()(x, custom)
        hk.set_state("last", x)
        Leaf()(x)
        return out

    model = hk.transform_with_state(forward)
    params, state = model.init(None, jnp.float32(1))
    assert sorted(params) == ["leaf", "outer/leaf", "outer/reader", "outer/reader/leaf"]
    assert sorted(state["~"]) == ["first", "last"]

    @jax.jit
    def apply(x):
        return model.apply(params, {"~": {"first": jnp.float32(0)}}, None, x)[0]

    assert float(apply(1.0)) == 6 * 2
    assert float(jax.grad(apply)(1.0)) == 600
    assert float(jax.vmap(jax.grad(apply))(jnp.ones(2))[1]) == 600


@pytest.mark.parametrize("custom", [hk.custom_vjp, hk.custom_jvp])
def test_a_rule_that_runs_late_leaves_the_names_alone(custom):
    def forward(x):
        f = custom(lambda x: 2 * x)
        if custom is hk.custom_vjp:
            f.defvjp(lambda x: (2 * x, None), lambda _, g: (3 * g,))
        else:
            f.defjvp(lambda primals, tangents: (2 * primals[0], 3 * tangents[0]))

        def body(x):
            y = f(x)
            return Leaf()(y)

        names = []

        def jitted(x):
            out = hk.jit(body)(x)
            names.append(Leaf().module_name)
            return out

        hk.grad(lambda x: jitted(x))(x)
        return names[0]

    model = hk.transform(forward)
    params = model.init(None, 1.0)
    assert model.apply(params, 1.0) == "leaf_1"


def reads_inside(custom):
    def f(x):
        return weight() * x

    function = custom(f)
    if custom is hk.custom_vjp:
        function.defvjp(lambda x: (f(x), weight()), lambda w, g: (w * g,))
    else:
        function.defjvp(lambda primals, tangents: (f(*primals), weight() * tangents[0]))
    return function


@pytest.mark.parametrize("custom", [hk.custom_vjp, hk.custom_jvp])
def test_a_parameter_without_a_rule_is_not_differentiated_in_silence(custom):
    model = hk.transform(lambda x: reads_inside(custom)(x))
    params = model.init(None, np.float32(2))
    message = (
        rf"^{custom.__name__}: the rule reads parameter ~/w, in which a derivative is asked for, expected a rule for "
        r"it too\. Read the parameter outside and pass it as an argument of the function, or keep it constant with"
    )
    for f in (model.apply, jax.jit(model.apply), hk.transform(lambda x: hk.remat(reads_inside(custom))(x)).apply):
        with pytest.raises((hk.UsageError, TypeError, Exception)) as caught:
            jax.grad(f)(params, np.float32(2))
        # Where JAX looks for leaks it fails on what the traceback holds, on its way out.
        error = caught.value if isinstance(caught.value, hk.UsageError) else caught.value.__context__
        assert re.match(message, str(error))
        assert float(jax.grad(f, argnums=1)(params, np.float32(2))) == 3
    other = {"other": {"v": jnp.float32(1)}}
    constant = jax.grad(lambda other: model.apply(params | other, np.float32(2)))
    assert jax.tree.map(float, constant(other)) == {"other": {"v": 0}}


@pytest.mark.parametrize(
    ("custom", "define"),
    [
        (hk.custom_vjp, lambda f: f.defvjp(lambda x: (x, None), lambda _, g: (2 * g,))),
        (hk.custom_jvp, lambda f: f.defjvp(lambda primals, tangents: (primals[0], 2 * tangents[0]))),
    ],
)
def test_state_and_keys_that_are_no_arrays_of_numbers(custom, define):
    def f(x):
        hk.set_state("python", 7)
        hk.set_state("key", hk.next_rng_key())
        return x

    function = custom(f)
    if custom is hk.custom_vjp:
        function.defvjp(lambda x: (f(x), None), lambda _, g: (2 * g,))
    else:
        function.defjvp(lambda primals, tangents: (f(*primals), 2 * tangents[0]))
    model = hk.transform_with_state(lambda x: hk.grad(function)(x))
    gradient, state = model.apply({}, {}, jax.random.key(0), 1.0)
    assert (float(gradient), int(state["~"]["python"])) == (2, 7)
    assert (state["~"]["key"] == hk.PRNGSequence(jax.random.key(0)).next()).all()


def vjp_of(fwd, bwd):
    def run():
        f = hk.custom_vjp(lambda x: x)
        f.defvjp(fwd, bwd)
        return hk.grad(f)(1.0)

    return run


def jvp_of(rule):
    def run():
        f = hk.custom_jvp(lambda x: x)
        f.defjvp(rule)
        return hk.grad(f)(1.0)

    return run


@pytest.mark.parametrize(
    ("run", "error", "message"),
    [
        (lambda: hk.custom_vjp(3), TypeError, "^custom_vjp: fun is 3 of type int, expected a function"),
        (lambda: hk.custom_jvp(3), TypeError, "^custom_jvp: fun is 3 of type int, expected a function"),
        (vjp_of(3, None), TypeError, "^custom_vjp.defvjp: fwd is 3 of type int, expected a function"),
        (vjp_of(jnp.sin, 3), TypeError, "^custom_vjp.defvjp: bwd is 3 of type int, expected a function"),
        (jvp_of(3), TypeError, "^custom_jvp.defjvp: jvp is 3 of type int, expected a function"),
        (
            lambda: hk.custom_vjp(jnp.sin)(1.0),
            hk.UsageError,
            "^custom_vjp: called before defvjp, expected a rule. Call",
        ),
        (
            lambda: hk.custom_jvp(jnp.sin)(1.0),
            hk.UsageError,
            "^custom_jvp: called before defjvp, expected a rule. Call",
        ),
        (
            vjp_of(lambda x: x, lambda _, g: (g,)),
            hk.UsageError,
            r"^custom_vjp: the function returned .*, expected a pair \(output, residuals\), from fwd\.",
        ),
        (
            vjp_of(lambda x: (x, None), lambda _, g: g),
            hk.UsageError,
            "^custom_vjp: bwd returned .*, expected a tuple of 1 cotangents, one for each argument",
        ),
        (
            vjp_of(lambda x: (x, None), lambda _, g: (g, g)),
            hk.UsageError,
            "^custom_vjp: bwd returned .*, expected a tuple of 1 cotangents, one for each argument",
        ),
        (
            jvp_of(lambda primals, tangents: tangents[0]),
            hk.UsageError,
            r"^custom_jvp: the function returned .*, expected a pair \(output, tangent\), from the rule\.",
        ),
    ],
)
def test_errors(run, error, message):
    with pytest.raises(error, match=message):
        hk.transform(run).apply({})


@pytest.mark.parametrize("f", [scaled, scaled_forward])
def test_outside_a_transform(f):
    with pytest.raises(hk.UsageError, match=r"^custom_[vj][jv]p: used outside hk.transform"):
        f(1.0, 2.0)
