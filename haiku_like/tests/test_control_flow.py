"""What each loop and branch does beside what tests/_core/test_thread.py shows of all of them."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import haiku_like as hk

XS = {"a": np.arange(3, dtype="float32"), "b": np.arange(6, dtype="float32").reshape(3, 2)}


def weight():
    return hk.get_parameter("w", [], init=hk.initializers.Constant(2))


class Scale(hk.Module):
    def __call__(self, x):
        return x * weight()


def from_init_and_apply(f, *args, rng=None):
    """Returns what a function returns inside init, and what apply returns."""
    returned = []

    def run(*args):
        returned.append(f(*args))
        return returned[-1]

    model = hk.transform_with_state(run)
    params, state = model.init(rng, *args)
    out, _ = model.apply(params, state, rng, *args)
    return returned[0], out


def same(tree, expected):
    assert jax.tree.structure(tree) == jax.tree.structure(expected)
    for a, b in zip(jax.tree.leaves(tree), jax.tree.leaves(expected), strict=True):
        assert (jnp.shape(a), jnp.result_type(a)) == (jnp.shape(b), jnp.result_type(b))
        np.testing.assert_allclose(a, b, rtol=1e-6)


@pytest.mark.parametrize("options", [{}, {"reverse": True}, {"unroll": 2}, {"unroll": True, "length": 3}])
def test_scan_agrees_with_jax(options):
    def step(w, carry, x):
        carry = carry + w * x["a"]
        return carry, {"y": carry * x["b"], "none": None}

    expected = jax.lax.scan(lambda carry, x: step(2.0, carry, x), jnp.float32(1), XS, **options)
    for out in from_init_and_apply(
        lambda xs: hk.scan(lambda c, x: step(weight(), c, x), jnp.float32(1), xs, **options), XS
    ):
        same(out, expected)


def test_scan_without_inputs():
    for out in from_init_and_apply(lambda: hk.scan(lambda c, _: (c * weight(), c), 1.0, None, length=3)):
        same(out, (jnp.float32(8), jnp.array([1, 2, 4], "float32")))


@pytest.mark.parametrize("reverse", [False, True])
def test_scan_of_no_steps(reverse):
    def forward(xs):
        return hk.scan(lambda c, x: (c * weight(), {"y": x.sum()}), 1.0, xs, reverse=reverse)

    for out in from_init_and_apply(forward, jnp.ones([0, 2], "float32")):
        same(out, (jnp.float32(1), {"y": jnp.zeros(0, "float32")}))
    assert list(hk.transform(forward).init(None, jnp.ones([0, 2]))) == ["~"]


@pytest.mark.parametrize("reverse", [False, True])
def test_scan_over_keys(reverse):
    def forward():
        keys = jax.random.split(jax.random.key(0), 4)
        return jax.random.key_data(hk.scan(lambda a, b: (b, a), keys[0], keys[1:], reverse=reverse)[1])

    keys = jax.random.key_data(jax.random.split(jax.random.key(0), 4)).tolist()
    for out in from_init_and_apply(forward):
        assert out.tolist() == ([*keys[2:], keys[0]] if reverse else keys[:3])


def test_bodies_find_arrays_in_init_too():
    def forward():
        carry, _ = hk.scan(lambda c, x: (c + x.astype(c.dtype), 0), 0.0, XS["a"])
        value = hk.fori_loop(0, 3, lambda i, x: x + i.astype(x.dtype), 0.0)
        count = hk.while_loop(lambda x: x.astype(float) < 3, lambda x: x + 1, 0.0)
        chosen = hk.cond(True, lambda x: x.astype("float32") * weight(), lambda x: x * weight(), 3.0)
        return carry, value, count, chosen

    for out in from_init_and_apply(forward):
        assert [float(x) for x in out] == [3, 3, 3, 6]


def test_map_agrees_with_jax():
    def f(w, x):
        return {"sum": w * x["a"] + x["b"].sum()}

    expected = jax.lax.map(lambda x: f(2.0, x), XS)
    for out in from_init_and_apply(lambda xs: hk.map(lambda x: f(weight(), x), xs), XS):
        same(out, expected)


@pytest.mark.parametrize(("lower", "upper"), [(0, 3), (-2, 1), (3, 3), (5, 2), (np.int32(0), np.int32(3))])
def test_fori_loop_agrees_with_jax(lower, upper):
    def body(w, i, value):
        return w * value + i

    expected = jax.lax.fori_loop(lower, upper, lambda i, x: body(2.0, i, x), 1.0)
    for out in from_init_and_apply(lambda: hk.fori_loop(lower, upper, lambda i, x: body(weight(), i, x), 1.0)):
        assert float(out) == float(expected)
    model = hk.transform(lambda *bounds: hk.fori_loop(*bounds, lambda i, x: body(weight(), i, x), 1.0))
    params = jax.jit(model.init)(None, lower, upper)
    assert jax.tree.map(float, params) == {"~": {"w": 2}}
    assert float(jax.jit(model.apply)(params, lower, upper)) == float(expected)


def test_fori_loop_with_python_bounds_has_a_gradient():
    model = hk.transform(lambda x: hk.fori_loop(0, 3, lambda _, x: x * weight(), x))
    params = model.init(None, 1.0)
    assert float(jax.grad(model.apply)(params, 1.0)["~"]["w"]) == 3 * 2**2


def test_while_loop_may_read_in_its_condition():
    def forward(x):
        def holds(x):
            return x * weight() < 20 * hk.get_state("one", [], init=jnp.ones)

        return hk.while_loop(holds, lambda x: x + hk.get_parameter("step", [], init=jnp.ones), x)

    for start, end in ((1.0, 10), (11.0, 11)):
        for out in from_init_and_apply(forward, start):
            assert float(out) == end
    params, state = hk.transform_with_state(forward).init(None, 11.0)
    assert jax.tree.map(float, (params, state)) == ({"~": {"w": 2, "step": 1}}, {"~": {"one": 1}})


def test_a_loop_body_that_is_never_run_still_takes_names():
    def forward(n):
        for loop in (
            lambda: hk.fori_loop(0, n, lambda _, x: Scale()(x), 1.0),
            lambda: hk.while_loop(lambda x: x < n, lambda x: Scale()(x), 1.0),
            lambda: hk.associative_scan(lambda a, b: Scale()(a + b), jnp.ones(n)),
        ):
            loop()
        return Scale().module_name

    model = hk.transform(forward)
    params = model.init(None, 2)
    assert sorted(params) == ["scale", "scale_1", "scale_2"]
    for n in (0, 2):
        assert model.apply(params, n) == "scale_3"
        with jax.disable_jit():
            assert model.apply(params, n) == "scale_3"


@pytest.mark.parametrize("index", [-5, 0, 1, 2, 7])
def test_only_the_branch_that_was_called_changes_state_and_keys(index):
    def branch(i):
        def run(x):
            for _ in range(i):
                hk.next_rng_key()
            hk.set_state("called", hk.get_state("called", [], "int32", jnp.zeros) + i)
            return x + i * hk.get_parameter(f"w{i}", [], init=jnp.ones)

        return run

    def forward(index):
        return hk.switch(index, [branch(i) for i in range(3)], 5.0), hk.next_rng_key()

    model = hk.transform_with_state(forward)
    params, state = model.init(jax.random.key(0), index)
    assert (list(params["~"]), int(state["~"]["called"])) == (["w0", "w1", "w2"], 0)
    (out, key), state = model.apply(params, state, jax.random.key(1), index)
    taken = min(max(index, 0), 2)
    assert (float(out), int(state["~"]["called"])) == (5 + taken, taken)
    keys = hk.PRNGSequence(jax.random.key(1))
    assert (key == [next(keys) for _ in range(taken + 1)][-1]).all()


def test_cond_takes_operands_in_every_form():
    def double(x):
        return 2 * x

    def forward(pred):
        return (
            hk.cond(pred, jnp.add, jnp.subtract, 5, 2),
            hk.cond(pred, double, jnp.negative, operand=3),
            hk.cond(pred, lambda x: x is None, lambda x: x is not None, operand=None),
            hk.cond(pred, 4, double, 5, jnp.negative),
            hk.cond(pred, lambda: 1, lambda: 2),
        )

    for pred, expected in ((True, (7, 6, True, 8, 1)), (False, (3, -3, False, -5, 2))):
        for out in from_init_and_apply(forward, pred):
            assert tuple(x.item() for x in out) == expected


@pytest.mark.parametrize("options", [{}, {"reverse": True}, {"axis": 1}, {"axis": -1}])
def test_associative_scan_agrees_with_jax(options):
    elems = (jnp.arange(1.0, 13).reshape(3, 4), jnp.ones([3, 4]))

    def combine(w, a, b):
        return a[0] * b[0], b[1] * a[1] + w * (a[1] + b[1])

    expected = jax.lax.associative_scan(lambda a, b: combine(2.0, a, b), elems, **options)
    for out in from_init_and_apply(
        lambda elems: hk.associative_scan(lambda a, b: combine(weight(), a, b), elems, **options), elems
    ):
        same(out, expected)


@pytest.mark.parametrize("length", [0, 1])
def test_associative_scan_of_few_elements_creates_its_parameters(length):
    model = hk.transform(lambda x: hk.associative_scan(lambda a, b: weight() * (a + b), x, axis=1))
    x = jnp.ones([2, length])
    params = model.init(None, x)
    assert jax.tree.map(float, params) == {"~": {"w": 2}}
    same(model.apply(params, x), x)


def test_lifting_and_layer_stacks_inside_a_loop():
    inner = hk.transform(lambda x: x * hk.get_parameter("v", [], init=hk.initializers.RandomUniform()))

    def step(carry, x):
        params = hk.lift(inner.init)(hk.next_rng_key(), x)
        stacked = hk.layer_stack(2)(lambda x: x * hk.get_parameter("u", [], init=jnp.ones))(x)
        return carry + inner.apply(params, x) * stacked, None

    model = hk.transform(lambda xs: hk.scan(step, 0.0, xs)[0], apply_rng=True)
    params = model.init(jax.random.key(0), jnp.ones(3))
    assert {path: list(bundle) for path, bundle in params.items()} == {
        "lifted/~": ["v"],
        "__layer_stack_no_per_layer/~": ["u"],
    }
    out = model.apply(params, jax.random.key(0), jnp.ones(3))
    assert float(out) == pytest.approx(3 * float(params["lifted/~"]["v"]))


def test_init_of_a_scan_inside_jit_and_vmap_gives_the_same_parameters():
    noise = hk.initializers.RandomUniform()
    model = hk.transform(lambda xs: hk.scan(lambda c, x: (c * hk.get_parameter("w", [], init=noise) + x, c), 1.0, xs))
    params = model.init(jax.random.key(0), jnp.ones(3))
    same(jax.jit(model.init)(jax.random.key(0), jnp.ones(3)), params)
    batched = jax.vmap(model.init, (None, 0))(jax.random.key(0), jnp.ones([2, 3]))
    same(jax.tree.map(lambda x: x[1], batched), params)


def sets_state(*args):
    hk.set_state("s", jnp.float32(1))
    return args[0]


def changes_state(*args):
    hk.set_state("count", jnp.float32(1))
    return args[0]


def takes_key(*args):
    hk.next_rng_key()
    return args[0]


CREATES_STATE = (
    r"set_state: creates state ~/s in {}, expected variables that exist before it runs\. Create it before, or"
)
READS_ONLY = r"{} in {}, expected a function that only reads variables\. Do it outside and pass the value in\."


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (lambda: hk.scan(lambda c, x: (sets_state(c), x), 0.0, jnp.ones(2)), CREATES_STATE.format("hk.scan")),
        (lambda: hk.map(sets_state, jnp.ones(2)), CREATES_STATE.format("hk.map")),
        (lambda: hk.fori_loop(0, 2, lambda _, x: sets_state(x), 0), CREATES_STATE.format("hk.fori_loop")),
        (lambda: hk.while_loop(lambda x: x < 2, sets_state, 0), CREATES_STATE.format("hk.while_loop")),
        (lambda: hk.cond(True, sets_state, jnp.sin, 0.0), CREATES_STATE.format("hk.cond")),
        (lambda: hk.switch(0, [sets_state], 0.0), CREATES_STATE.format("hk.switch")),
        (
            lambda: hk.while_loop(lambda x: changes_state(x) < 2, lambda x: x + 1, 0),
            READS_ONLY.format("set_state: changes state ~/count", "the cond_fun of hk.while_loop"),
        ),
        (
            lambda: hk.while_loop(lambda x: hk.jit(takes_key)(x) < 2, lambda x: x + 1, 0),
            READS_ONLY.format("next_rng_key: takes a random key", "the cond_fun of hk.while_loop"),
        ),
        (
            lambda: hk.associative_scan(sets_state, jnp.ones(2)),
            READS_ONLY.format("set_state: creates state ~/s", "the function of hk.associative_scan"),
        ),
        (
            lambda: hk.associative_scan(takes_key, jnp.ones(2)),
            READS_ONLY.format("next_rng_key: takes a random key", "the function of hk.associative_scan"),
        ),
    ],
)
def test_bodies_that_may_not_do_what_they_do(run, message):
    model = hk.transform_with_state(run)
    with pytest.raises(hk.UsageError, match=message):
        model.apply({}, {"~": {"count": jnp.float32(0)}}, jax.random.key(0))


@pytest.mark.parametrize(
    ("wrapper", "loop"),
    [
        ("scan", lambda f: hk.scan(lambda c, _: (f(c), None), 0.0, None, 2)),
        ("map", lambda f: hk.map(f, jnp.ones(2))),
        ("fori_loop", lambda f: hk.fori_loop(0, 2, lambda _, x: f(x), 0.0)),
        ("while_loop", lambda f: hk.while_loop(lambda x: x < 2, lambda x: f(x) + 1, 0.0)),
        ("cond", lambda f: hk.cond(True, f, lambda x: x, 0.0)),
        ("switch", lambda f: hk.switch(0, [f], 0.0)),
    ],
)
def test_state_keeps_its_shape_and_dtype(wrapper, loop):
    def set_to(value):
        return lambda x: (hk.set_state("s", value), x)[1]

    def run(before, after):
        hk.transform_with_state(lambda: loop(set_to(after))).apply({}, {"~": {"s": before}}, None)

    message = rf"^hk\.{wrapper}: state ~/s is {{}} after the function ran, expected {{}} as before\. Create it with the"
    for before, after, shown in (
        (np.int32(1), np.float32(2), ("float32\\[\\]", "int32\\[\\]")),
        (np.ones(2, "int32"), np.ones(3, "int32"), ("int32\\[3\\]", "int32\\[2\\]")),
        (None, {"a": np.int32(1)}, ("{'a': 'int32\\[\\]'}", "None")),
    ):
        with pytest.raises(hk.UsageError, match=message.format(*shown)):
            run(before, after)
    if wrapper not in ("cond", "switch"):
        run(1, 2.5)  # A Python number has no dtype yet.


NO_FUNCTION = "{} is 3 of type int, expected a function, such as"


@pytest.mark.parametrize(
    ("run", "error", "message"),
    [
        (lambda: hk.scan(3, 0, jnp.ones(2)), TypeError, "^scan: " + NO_FUNCTION.format("f")),
        (
            lambda: hk.scan(lambda c, x: c, 0, jnp.ones(2)),
            ValueError,
            r"^scan: the function .* expected a pair \(carry, y\)",
        ),
        (lambda: hk.scan(lambda c, x: (c, x), 0, None), ValueError, "^scan: xs holds no array and length is None"),
        (
            lambda: hk.scan(lambda c, x: (c, x), 0, {"a": jnp.ones(2), "b": jnp.ones(3)}),
            ValueError,
            r"^scan: the leading axes of xs disagree, .* \{\"xs\['a'\]\": 2, \"xs\['b'\]\": 3\}",
        ),
        (
            lambda: hk.scan(lambda c, x: (c, x), 0, jnp.ones(2), 3),
            ValueError,
            r"^scan: .*disagree.*'length': 3, 'xs': 2",
        ),
        (lambda: hk.scan(lambda c, x: (c, x), 0, (1.0,)), ValueError, r"^scan: xs\[0\] is a scalar, expected an array"),
        (
            lambda: hk.scan(lambda c, x: (c, x), 0, None, 2.5),
            TypeError,
            "^scan: length is 2.5 of type float, expected an",
        ),
        (lambda: hk.scan(lambda c, x: (c, x), 0, None, -1), ValueError, "^scan: length is -1, expected 0 or more"),
        (lambda: hk.map(3, jnp.ones(2)), TypeError, "^map: " + NO_FUNCTION.format("f")),
        (lambda: hk.map(jnp.sin, 1.0), ValueError, "^map: xs is a scalar, expected an array with a leading axis"),
        (lambda: hk.fori_loop(0, 1, 3, 0), TypeError, "^fori_loop: " + NO_FUNCTION.format("body_fun")),
        (lambda: hk.while_loop(3, jnp.sin, 0), TypeError, "^while_loop: " + NO_FUNCTION.format("cond_fun")),
        (lambda: hk.while_loop(jnp.sin, 3, 0), TypeError, "^while_loop: " + NO_FUNCTION.format("body_fun")),
        (lambda: hk.cond(True, 3, jnp.sin, 0), TypeError, "^cond: " + NO_FUNCTION.format("true_fun")),
        (lambda: hk.cond(True, jnp.sin, 3, 0), TypeError, "^cond: " + NO_FUNCTION.format("false_fun")),
        (
            lambda: hk.cond(True, jnp.sin, jnp.sin, 0, operand=0),
            TypeError,
            "^cond: operand and operands are both given",
        ),
        (lambda: hk.switch(0, 3, 0), TypeError, "^switch: branches is 3 of type int, expected a sequence, such as"),
        (
            lambda: hk.switch(0, [jnp.sin, 3], 0),
            TypeError,
            r"^switch: branches\[1\] is 3 of type int, expected a function",
        ),
        (lambda: hk.switch(0, [], 0), ValueError, "^switch: branches is empty, expected at least one function"),
        (lambda: hk.associative_scan(3, jnp.ones(2)), TypeError, "^associative_scan: " + NO_FUNCTION.format("fn")),
    ],
)
def test_errors(run, error, message):
    model = hk.transform(run)
    for call in (lambda: model.init(None), lambda: model.apply({})):
        with pytest.raises(error, match=message):
            call()


@pytest.mark.parametrize(
    "run",
    [
        lambda: hk.scan(lambda c, x: (c, x), 0, jnp.ones(2)),
        lambda: hk.map(jnp.sin, jnp.ones(2)),
        lambda: hk.fori_loop(0, 2, lambda _, x: x, 0),
        lambda: hk.while_loop(lambda _: False, lambda x: x, 0),
        lambda: hk.cond(True, jnp.sin, jnp.cos, 0.0),
        lambda: hk.switch(0, [jnp.sin], 0.0),
        lambda: hk.associative_scan(jnp.add, jnp.ones(2)),
    ],
)
def test_outside_a_transform(run):
    name = re.search(r"hk\.(\w+)", "hk." + run.__code__.co_names[1])[1]
    with pytest.raises(hk.UsageError, match=f"^{name}: used outside hk.transform"):
        run()
