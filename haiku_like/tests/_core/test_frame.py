"""The frame's guard: under a plain JAX transform variables may be read, and nothing else."""

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import PartitionSpec as P

import haiku_like as hk

WRAPPERS = (
    "one of hk.associative_scan, hk.cond, hk.custom_jvp, hk.custom_vjp, hk.eval_shape, hk.fori_loop, hk.grad, hk.jit, "
    "hk.map, hk.remat, hk.scan, hk.shard_map, hk.switch, hk.value_and_grad, hk.vmap, hk.while_loop"
)


def mesh():
    return jax.make_mesh((jax.device_count(),), ("i",), axis_types=(jax.sharding.AxisType.Auto,))


def eight(x):
    return jnp.full([jax.device_count()], x)


def with_vjp(f):
    custom = jax.custom_vjp(f)
    custom.defvjp(lambda x: (f(x), None), lambda _, g: (g,))
    return custom


def with_jvp(f):
    custom = jax.custom_jvp(f)
    custom.defjvp(lambda primals, tangents: (f(*primals), tangents[0]))
    return custom


# Each runs a function of a scalar under a plain JAX transform: what JAX calls it, the wrapper to use, what runs, and
# what it returns of x ↦ w·x at x, by hand.
TRANSFORMS = {
    "jit": ("jax.jit", "hk.jit", lambda f, x: jax.jit(f)(x), lambda w, x: w * x),
    "vmap": ("jax.vmap", "hk.vmap", lambda f, x: jax.vmap(f)(eight(x))[0], lambda w, x: w * x),
    "pmap": ("jax.pmap", WRAPPERS, lambda f, x: jax.pmap(f)(eight(x))[0], lambda w, x: w * x),
    "grad": ("jax.grad", "hk.grad", lambda f, x: jax.grad(f)(x), lambda w, x: w),
    "value_and_grad": (
        "jax.value_and_grad",
        "hk.value_and_grad",
        lambda f, x: sum(jax.value_and_grad(f)(x)),
        lambda w, x: w * x + w,
    ),
    "jacfwd": ("jax.jacfwd", WRAPPERS, lambda f, x: jax.jacfwd(f)(x), lambda w, x: w),
    "jacrev": ("jax.jacrev", WRAPPERS, lambda f, x: jax.jacrev(f)(x), lambda w, x: w),
    "checkpoint": ("jax.checkpoint", "hk.remat", lambda f, x: jax.checkpoint(f)(x), lambda w, x: w * x),
    "scan": (
        "jax.lax.scan",
        "hk.scan",
        lambda f, x: jax.lax.scan(lambda c, _: (f(c), None), x, None, 3)[0],
        lambda w, x: w**3 * x,
    ),
    "map": ("jax.lax.map", "hk.map", lambda f, x: jax.lax.map(f, eight(x))[0], lambda w, x: w * x),
    "cond": ("jax.lax.cond", "hk.cond", lambda f, x: jax.lax.cond(x > 0, f, jnp.sin, x), lambda w, x: w * x),
    "switch": (
        "jax.lax.switch",
        "hk.switch",
        lambda f, x: jax.lax.switch(x.astype(int), [jnp.sin, jnp.cos, f], x),
        lambda w, x: w * x,
    ),
    "while_loop": (
        "jax.lax.while_loop",
        "hk.while_loop",
        lambda f, x: jax.lax.while_loop(lambda x: x < 9, f, x),
        lambda w, x: w**2 * x,
    ),
    "while_loop's condition": (
        "jax.lax.while_loop",
        "hk.while_loop",
        lambda f, x: jax.lax.while_loop(lambda x: f(x) < 30, lambda x: x + 1, x),
        lambda w, x: 30 / w,
    ),
    "fori_loop": (
        "jax.lax.fori_loop",
        "hk.fori_loop",
        lambda f, x: jax.lax.fori_loop(0, 3, lambda _, x: f(x), x),
        lambda w, x: w**3 * x,
    ),
    "fori_loop with traced bounds": (
        "jax.lax.fori_loop",
        "hk.fori_loop",
        lambda f, x: jax.lax.fori_loop(0, x.astype(int), lambda _, x: f(x), x),
        lambda w, x: w**2 * x,
    ),
    "custom_vjp": ("jax.custom_vjp", "hk.custom_vjp", lambda f, x: with_vjp(f)(x), lambda w, x: w * x),
    "custom_jvp": ("jax.custom_jvp", "hk.custom_jvp", lambda f, x: with_jvp(f)(x), lambda w, x: w * x),
    "eval_shape": ("jax.eval_shape", "hk.eval_shape", lambda f, x: x * jax.eval_shape(f, x).size, lambda w, x: x),
    "make_jaxpr": (
        "jax.make_jaxpr",
        WRAPPERS,
        lambda f, x: x * len(jax.make_jaxpr(f)(x).out_avals),
        lambda w, x: x,
    ),
    "shard_map": (
        "jax.shard_map",
        "hk.shard_map",
        lambda f, x: jax.shard_map(f, mesh=mesh(), in_specs=P("i"), out_specs=P("i"))(eight(x))[0],
        lambda w, x: w * x,
    ),
    "linearize": ("jax.linearize", WRAPPERS, lambda f, x: jax.linearize(f, x)[1](x), lambda w, x: w * x),
    "vjp": ("jax.vjp", WRAPPERS, lambda f, x: jax.vjp(f, x)[1](x)[0], lambda w, x: w * x),
    "jvp": ("jax.jvp", WRAPPERS, lambda f, x: jax.jvp(f, (x,), (x,))[1], lambda w, x: w * x),
}

X = 2.0
W = 3.0


def weight():
    return hk.get_parameter("w", [], init=hk.initializers.Constant(W))


def creates_parameter(x):
    return x * weight()


def creates_state(x):
    return x * hk.get_state("created", [], init=jnp.ones)


def sets_new_state(x):
    hk.set_state("new", x)
    return x


def sets_state(x):
    hk.set_state("count", x)
    return x


def takes_key(x):
    return x + jax.random.key_data(hk.next_rng_key())[0]


@pytest.mark.parametrize("name", TRANSFORMS)
def test_what_would_leak_is_refused_and_leaves_nothing_behind(name):
    called, wrapper, run, _ = TRANSFORMS[name]
    messages = {
        creates_parameter: "get_parameter: creates parameter ~/w",
        creates_state: "get_state: creates state ~/created",
        sets_new_state: "set_state: creates state ~/new",
        sets_state: "set_state: changes state ~/count",
        takes_key: "next_rng_key: takes a random key",
    }

    def forward(x, in_init, in_apply):
        count = hk.get_state("count", [], init=jnp.zeros)
        for body in in_init if hk.running_init() else in_apply:
            expected = (
                f"{messages[body]} under {called}, which haiku_like does not know of: the value would not come out of "
                f"it. Expected {wrapper}, which threads parameters, state and keys through. In apply, a plain jax "
                f"transform may read parameters."
            )
            with pytest.raises(hk.JaxTransformError) as caught:
                run(body, x)
            assert str(caught.value) == expected
        hk.set_state("count", count + 1)
        return hk.next_rng_key()

    model = hk.transform_with_state(forward)
    # Where they are not differentiated and nothing else is traced, JAX simply calls functions with rules of their own.
    traced = "custom" in name
    init, apply = model.init, model.apply
    in_apply = [body for body in messages if body is not creates_parameter]
    if traced:
        init, apply = jax.jit(init, static_argnums=(2, 3)), jax.jit(apply, static_argnums=(4, 5))
    bodies = (tuple(messages), tuple(in_apply))
    params, state = init(jax.random.key(0), jnp.float32(X), *bodies)
    key, after = apply(params, state, jax.random.key(0), jnp.float32(X), *bodies)
    assert params == {}
    assert jax.tree.map(float, (state, after)) == ({"~": {"count": 0.0}}, {"~": {"count": 1.0}})
    assert (key == hk.PRNGSequence(jax.random.key(0)).next()).all()


@pytest.mark.parametrize("name", TRANSFORMS)
def test_parameters_and_state_may_be_read(name):
    _, _, run, expected = TRANSFORMS[name]

    def forward(x):
        if hk.running_init():
            return creates_parameter(x) * hk.get_state("one", [], init=jnp.ones)
        return run(lambda x: creates_parameter(x) * hk.get_state("one"), x)

    model = hk.transform_with_state(forward)
    params, state = model.init(None, jnp.float32(X))
    out, after = model.apply(params, state, jax.random.key(0), jnp.float32(X))
    assert float(out) == pytest.approx(float(expected(W, X)))
    assert jax.tree.map(float, (params, after)) == ({"~": {"w": W}}, {"~": {"one": 1.0}})


def test_where_jax_traces_nothing_there_is_nothing_to_refuse():
    def forward(x):
        combine = jax.lax.associative_scan(lambda a, b: creates_parameter(a + b), jnp.stack([x, x]))
        with jax.disable_jit():
            return combine, jax.jit(sets_new_state)(x), jax.lax.cond(x > 0, takes_key, jnp.sin, x)

    params, state = hk.transform_with_state(forward).init(jax.random.key(0), jnp.float32(X))
    assert jax.tree.map(float, (params, state)) == ({"~": {"w": W}}, {"~": {"new": X}})


@pytest.mark.parametrize("around", [lambda f: f, jax.jit])
def test_settings_of_a_block_are_no_transform(around):
    def forward(x):
        for context in (
            jax.default_matmul_precision("float32"),
            jax.named_scope("scope"),
            jax.numpy_rank_promotion("allow"),
            jax.default_device(jax.devices()[0]),
            jax.debug_nans(True),
            jax.disable_jit(),
        ):
            with context:
                x = creates_parameter(sets_new_state(x)) * 1.0
        return x

    params, state = around(hk.transform_with_state(forward).init)(None, jnp.float32(X))
    assert jax.tree.map(float, (params, state)) == ({"~": {"w": W}}, {"~": {"new": X}})


def test_each_call_has_its_own_frame_inside_and_outside_of_transforms():
    inner = hk.transform_with_state(lambda x: (creates_parameter(x), takes_key(x), sets_new_state(x)))

    def forward(x):
        params, state = jax.vmap(inner.init, (0, None))(jax.random.split(hk.next_rng_key()), x)
        sets_new_state(x)
        return jax.tree.leaves((params, state)), creates_parameter(x)

    model = hk.transform_with_state(forward)
    params, state = model.init(jax.random.key(0), jnp.float32(X))
    assert jax.tree.map(float, (params, state)) == ({"~": {"w": W}}, {"~": {"new": X}})
    (inner_leaves, out), _ = jax.pmap(lambda x: model.apply(params, state, 0, x))(eight(X))
    assert (out.tolist(), [x.shape for x in inner_leaves]) == ([W * X] * 8, [(8, 2)] * 2)


def test_a_wrapper_in_the_middle_names_the_plain_transform_that_stands_in_the_way():
    def forward(x, run):
        with pytest.raises(hk.JaxTransformError, match=r"^set_state: .* under jax\.vmap, .*Expected hk\.vmap, which"):
            run(x)

    model = hk.transform_with_state(forward)
    for run in (
        lambda x: hk.jit(lambda x: jax.vmap(hk.grad(sets_new_state))(x))(eight(x)),
        lambda x: jax.vmap(lambda x: hk.scan(lambda c, x: (hk.remat(sets_new_state)(c), x), x, jnp.ones(2)))(eight(x)),
    ):
        model.apply({}, {}, None, jnp.float32(X), run)


def test_a_transform_that_is_not_known_by_name():
    def forward(x):
        jax.hessian(creates_parameter)(x)

    with pytest.raises(hk.JaxTransformError, match=rf"under jax\.jacrev, .* Expected {WRAPPERS}, which"):
        hk.transform(forward).init(None, X)


def test_a_value_that_was_made_under_a_transform_cannot_come_out_of_it_by_a_generator():
    """A generator goes on in the trace of whoever asks it for more."""

    def values(x):
        yield creates_parameter(x)
        yield creates_state(x)

    def forward(x):
        generator = values(x)
        first = next(generator)
        with pytest.raises(hk.JaxTransformError, match=r"^get_state: creates state ~/created under jax\.jit"):
            jax.jit(lambda: next(generator))()
        return first

    assert list(hk.transform(forward).init(None, X)) == ["~"]
