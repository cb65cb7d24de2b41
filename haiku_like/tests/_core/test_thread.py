"""What all wrappers of JAX transforms have in common, each against the same program written out in Python."""

import dataclasses
import functools
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

import haiku_like as hk


def mesh():
    return jax.make_mesh((jax.device_count(),), ("i",), axis_types=(jax.sharding.AxisType.Auto,))


def with_vjp(f):
    custom = hk.custom_vjp(f)
    custom.defvjp(lambda x: (f(x), None), lambda _, g: (g,))
    return custom


def with_jvp(f):
    custom = hk.custom_jvp(f)
    custom.defjvp(lambda primals, tangents: (f(*primals), tangents[0]))
    return custom


def repeated(n):
    def run(f, x):
        for _ in range(n):
            x = f(x)
        return x

    return run


def scan(f, x, **options):
    return hk.scan(lambda carry, _: (f(carry), None), x, None, 3, **options)[0]


def nested(f, x):
    """A scan in a branch in a batch, rematerialised, in a scan."""

    def batch(xs):
        return hk.vmap(lambda x: hk.cond(False, jnp.sin, lambda x: scan(f, x), x), split_rng=False)(xs)

    return hk.scan(lambda carry, _: (hk.remat(batch)(carry), None), jnp.full(2, x), None, 2)[0][0]


ONCE = repeated(1)
THRICE = repeated(3)

# Each wrapper as it runs a function of a scalar, and the same in Python.
WRAPPERS = {
    "jit": (lambda f, x: hk.jit(f)(x), ONCE),
    "remat": (lambda f, x: hk.remat(f)(x), ONCE),
    "value_and_grad": (lambda f, x: hk.value_and_grad(f)(x)[0], ONCE),
    "grad": (lambda f, x: hk.grad(lambda x: (f(x), f(x)), has_aux=True)(x)[1], lambda f, x: (f(x), f(x))[1]),
    "vmap": (lambda f, x: hk.vmap(f, split_rng=False)(jnp.full(3, x))[1], ONCE),
    "shard_map": (lambda f, x: hk.jit(hk.shard_map(f, mesh=mesh(), in_specs=P(), out_specs=P()))(x), ONCE),
    "custom_vjp": (lambda f, x: with_vjp(f)(x), ONCE),
    "custom_jvp": (lambda f, x: with_jvp(f)(x), ONCE),
    "scan": (scan, THRICE),
    "scan, unrolled and reversed": (lambda f, x: scan(f, x, unroll=2, reverse=True), THRICE),
    "scan of one step": (lambda f, x: hk.scan(lambda _, x: (None, f(x)), None, jnp.full(1, x))[1][0], ONCE),
    "map": (lambda f, x: hk.map(f, jnp.full(3, x)).sum(), lambda f, x: sum(f(x) for _ in range(3))),
    "fori_loop": (lambda f, x: hk.fori_loop(2, 5, lambda _, x: f(x), x), THRICE),
    "fori_loop to a traced bound": (
        lambda f, x: hk.jit(lambda n: hk.fori_loop(0, n, lambda _, x: f(x), x))(3),
        THRICE,
    ),
    "while_loop": (
        lambda f, x: hk.while_loop(lambda c: c[0] < 3, lambda c: (c[0] + 1, f(c[1])), (0, x))[1],
        THRICE,
    ),
    "cond": (lambda f, x: hk.cond(True, f, lambda x: f(f(x)), x), ONCE),
    "cond, the other branch": (lambda f, x: hk.cond(False, f, lambda x: f(f(x)), x), repeated(2)),
    "switch": (lambda f, x: hk.switch(2, [jnp.sin, f, lambda x: f(f(x))], x), repeated(2)),
    "nested": (nested, repeated(6)),
}


class Leaf(hk.Module):
    def __call__(self, x):
        return x * hk.get_parameter("w", [], init=jnp.ones)


@jax.jit
def drawn(key):
    """Returns a number that tells keys apart; it compiles faster than a random one."""
    return (jax.random.key_data(key)[0] % 64).astype("float32") / 64


def program(run):
    """A program that runs a body which needs a parameter, state and keys, and uses all three afterwards."""

    def forward(x):
        layer = Leaf("layer")

        def body(x):
            count = hk.get_state("count", [], init=jnp.ones)
            hk.set_state("count", count + 1)
            key = hk.maybe_next_rng_key()
            return layer(x) + count + (0 if key is None else drawn(key))

        return run(body, x), hk.get_state("count"), hk.maybe_next_rng_key()

    return hk.transform_with_state(forward)


PARAMS = {"layer": {"w": jnp.float32(0.25)}}
TANGENTS = jax.tree.map(jnp.ones_like, PARAMS)
STATE = {"~": {"count": np.float32(7)}}
X = np.float32(2)


def same(tree, expected):
    assert jax.tree.structure(tree) == jax.tree.structure(expected)
    for a, b in zip(jax.tree.leaves(tree), jax.tree.leaves(expected), strict=True):
        if jnp.issubdtype(b.dtype, jax.dtypes.prng_key):
            a, b = jax.random.key_data(a), jax.random.key_data(b)
        np.testing.assert_allclose(a, b, rtol=1e-5)


@functools.cache
def from_init(run):
    return program(run).init(jax.random.key(1), X)


@functools.cache
def from_apply(run, of_argument=False):
    """Values, derivatives in the parameters or in the argument, state and keys, over a batch."""

    def f(params, x, key):
        (out, *rest), state = program(run).apply(params, STATE, key, x)
        return out, (rest, state)

    def with_derivative(x, key):
        if of_argument:
            return jax.value_and_grad(f, argnums=1, has_aux=True)(PARAMS, x, key)
        return jax.jvp(lambda params: f(params, x, key), (PARAMS,), (TANGENTS,), has_aux=True)

    return jax.jit(jax.vmap(with_derivative, (0, None)))(jnp.array([1, 2], "float32"), jax.random.key(1))


@pytest.mark.parametrize("name", WRAPPERS)
def test_init_creates_what_the_body_asks_for(name):
    wrapped, written_out = (from_init(run) for run in WRAPPERS[name])
    same(wrapped, written_out)
    assert jax.tree.map(float, wrapped[1]) == {"~": {"count": 1.0}}


@pytest.mark.parametrize("name", WRAPPERS)
def test_values_derivatives_state_and_keys_go_through(name):
    if name in ("custom_vjp", "custom_jvp"):
        (value, rest), gradient = from_apply(WRAPPERS[name][0], of_argument=True)
        (expected, expected_rest), _ = from_apply(WRAPPERS[name][1], of_argument=True)
        same((value, rest), (expected, expected_rest))
        assert gradient.tolist() == [1, 1]  # The rule's.
    else:
        wrapped, written_out = (from_apply(run) for run in WRAPPERS[name])
        same(wrapped, written_out)


@pytest.mark.parametrize("name", [name for name in WRAPPERS if name != "shard_map"])  # It takes seconds then.
def test_without_jit(name):
    wrapped, written_out = (program(run) for run in WRAPPERS[name])
    with jax.disable_jit():  # Without a key, since JAX draws random numbers slowly then.
        same(wrapped.init(None, X), from_init(WRAPPERS[name][1]))
        same(wrapped.apply(PARAMS, STATE, None, X), written_out.apply(PARAMS, STATE, None, X))


# How often a run of the wrapper, of all branches, runs the body; what grad and vmap take is free again, as in dm-haiku.
RUNS = {"grad": 2, "cond": 3, "cond, the other branch": 3, "switch": 3}
FREE = ("grad", "value_and_grad", "vmap", "nested")


@pytest.mark.parametrize("name", WRAPPERS)
def test_modules_that_the_body_builds_have_the_same_names_however_often_it_runs(name):
    run, _ = WRAPPERS[name]
    bodies, after = set(), []

    def forward(x):
        Leaf()

        def body(x):
            first, second = Leaf(), Leaf()
            bodies.add((first.module_name, second.module_name))
            return first(second(x))

        out = run(body, x)
        after.append(Leaf().module_name)
        return out

    names = [f"leaf_{i}" for i in range(1, 2 * RUNS.get(name, 1) + 2)]
    expected = set(zip(names[:-1:2], names[1::2], strict=True))
    model = hk.transform(forward)
    params = jax.eval_shape(model.init, None, X)
    assert bodies == expected
    assert sorted(params) == names[:-1]
    params = jax.tree.map(lambda p: jnp.ones(p.shape, p.dtype), params)
    bodies.clear()
    jax.eval_shape(model.apply, params, X)
    assert bodies == expected
    if name != "shard_map":
        with jax.disable_jit():
            model.apply(params, X)
    assert bodies == expected
    assert set(after) == {"leaf_1" if name in FREE else names[-1]}


@pytest.mark.parametrize("name", WRAPPERS)
def test_an_exception_in_the_body_leaves_the_frame_as_it_was(name):
    run, _ = WRAPPERS[name]

    def body(x):
        hk.set_state("count", hk.get_state("count") + drawn(hk.next_rng_key()))
        Leaf()
        raise RuntimeError("in the body")

    def forward(x):
        with pytest.raises(RuntimeError, match="in the body"):
            run(body, x)
        return hk.next_rng_key()

    model = hk.transform_with_state(lambda x: (forward(x), Leaf().module_name))
    with jax.debug_key_reuse(False):  # The key that the body has taken is given out again.
        (key, name), state = model.apply({}, STATE, jax.random.key(1), X)
    assert (name, state) == ("leaf", STATE)
    assert (key == hk.PRNGSequence(jax.random.key(1)).next()).all()


READERS = WRAPPERS | {
    "associative_scan": (
        lambda f, x: hk.associative_scan(lambda a, b: f(a + b), jnp.stack([x, x]))[1],
        lambda f, x: f(x + x),
    ),
    "vmap with split_rng": (lambda f, x: hk.vmap(f, split_rng=True)(jnp.stack([x, x]))[1], ONCE),
    "eval_shape": (lambda f, x: f(x * hk.eval_shape(f, x).size), ONCE),
    "optimize_rng_use": (lambda f, x: hk.experimental.optimize_rng_use(f)(x), ONCE),
}


def under_jit(run):
    return lambda f, x: jax.jit(lambda x: run(f, x))(x)


@pytest.mark.parametrize("name", READERS)
def test_under_a_plain_transform_a_wrapper_may_read_and_nothing_leaks(name):
    def outputs(run):
        def forward(x):
            leaf = Leaf()
            out = run(lambda x: leaf(x) + hk.get_state("count"), x)
            hk.set_state("count", hk.get_state("count") + 1)
            return out, hk.next_rng_key()

        return hk.transform_with_state(forward).apply({"leaf": {"w": jnp.float32(3)}}, STATE, jax.random.key(1), X)

    run, written_out = READERS[name]
    same(outputs(under_jit(run)), outputs(written_out))


@pytest.mark.parametrize("name", READERS)
def test_under_a_plain_transform_a_wrapper_may_not_change_anything(name):
    run = under_jit(READERS[name][0])

    def create(x):
        return hk.get_state("new", [], init=jnp.ones)

    def change(x):
        hk.set_state("count", x)
        return x

    def take(x):
        return x + drawn(hk.next_rng_key())

    def forward(x):
        for body, action in (
            (create, "get_state: creates state ~/new"),
            (change, "set_state: changes state ~/count"),
            (take, "next_rng_key: takes a random key"),
        ):
            with pytest.raises(hk.JaxTransformError, match=rf"^{action} under jax.jit, .* Expected hk.jit, which"):
                run(body, x)
        return hk.next_rng_key()

    key, state = hk.transform_with_state(forward).apply({}, STATE, jax.random.key(1), X)
    assert state == STATE
    assert (key == hk.PRNGSequence(jax.random.key(1)).next()).all()


@pytest.mark.parametrize("name", ["jit", "value_and_grad", "scan", "custom_vjp"])
def test_a_body_that_builds_modules_in_a_constructor(name):
    run, _ = WRAPPERS[name]

    @dataclasses.dataclass
    class Data(hk.Module):
        def __post_init__(self):
            self.out = run(lambda x: x * hk.get_parameter("w", [], init=jnp.ones), X)

    class Transparent(hk.Module):
        @hk.transparent
        def __init__(self):
            super().__init__()
            self.out = run(lambda x: Leaf()(x), X)

    def forward():
        return Data().out, Data().out, Transparent().out, Leaf()(X)

    model = hk.transform(forward)
    params = model.init(None)
    assert sorted(params) == ["data", "data_1", "leaf", *([] if name in FREE else ["leaf_1"])]
    assert jax.tree.map(float, model.apply(params)) == (X, X, X, X)


def test_a_wrapper_in_a_constructor_before_super_is_refused():
    class Early(hk.Module):
        def __init__(self):
            hk.jit(jnp.sin)(1.0)
            super().__init__()

    with pytest.raises(
        hk.UsageError, match=r"^hk\.jit: runs in the __init__ of a module that has no name yet, expected"
    ):
        hk.transform(Early).init(None)


def test_a_lifted_function_may_replace_its_parameters_under_a_wrapper():
    def forward():
        for value in (1.0, 2.0):
            inner = hk.transform(lambda value=value: hk.get_parameter("w", [], init=hk.initializers.Constant(value)))
            hk.jit(lambda inner=inner: hk.transparent_lift(inner.init, allow_reuse=True)(None))()

    assert jax.tree.map(float, hk.transform(forward).init(None)) == {"~": {"w": 2}}


@pytest.mark.parametrize("wrap", [hk.jit, hk.remat, lambda f: hk.custom_vjp(f), lambda f: hk.vmap(f, split_rng=False)])
def test_initial_and_current_state_inside(wrap):
    def body(x):
        hk.set_state("count", hk.get_state("count") + 1)
        return x + hk.get_initial_state()["~"]["count"] * 100 + hk.get_current_state()["~"]["count"]

    def forward(x):
        hk.set_state("count", hk.get_state("count") + 1)
        f = wrap(body)
        if isinstance(f, hk.custom_vjp):
            f.defvjp(lambda x: (body(x), None), lambda _, g: (g,))
        return f(x)

    out, state = jax.jit(hk.transform_with_state(forward).apply)({}, STATE, None, np.zeros(1, "float32"))
    assert (out.tolist(), float(state["~"]["count"])) == ([709], 9)


def test_hooks_reach_into_the_body_of_every_wrapper():
    def doubled(next_getter, value, context):
        return next_getter(2 * value)

    for name in ("jit", "vmap", "scan", "custom_jvp"):
        run, written_out = WRAPPERS[name]

        def forward(run=run):
            with hk.custom_getter(doubled):
                return run(lambda x: Leaf("leaf")(x), X)

        model = hk.transform(forward)
        out = model.apply({"leaf": {"w": jnp.float32(3)}})
        assert float(out) == written_out(lambda x: 6 * x, X)


# JAX's check for leaks collects garbage first, which does nothing while another thread does so.
@pytest.mark.skipif(jax.config.jax_check_tracer_leaks, reason="the check for leaks is for one thread")
def test_threads_do_not_see_each_other():
    model = program(nested)
    expected = model.apply(PARAMS, STATE, jax.random.key(1), X)
    barrier = threading.Barrier(3)
    found = []

    def work():
        barrier.wait(timeout=30)
        found.append(model.apply(PARAMS, STATE, jax.random.key(1), X))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3
    for out in found:
        same(out, expected)
