import jax
import jax.numpy as jnp
import pytest

import haiku_like as hk


def weight():
    return hk.get_parameter("w", [], init=hk.initializers.Constant(3))


def apply(f, *args, rng=None):
    model = hk.transform(f, apply_rng=True)
    return model.apply(model.init(rng, *args), rng, *args)


def scaled(x, mode, *, negate=False):
    y = weight() * x if mode == "scaled" else x
    return -y if negate else y


@pytest.mark.parametrize(
    ("options", "args", "kwargs"),
    [
        ({"static_argnums": 1, "static_argnames": "negate"}, ("scaled",), {"negate": True}),
        ({"static_argnames": ["mode", "negate"]}, ("scaled",), {"negate": True}),
        ({"static_argnames": ("mode", "negate"), "inline": True}, (), {"mode": "scaled", "negate": True}),
    ],
)
def test_jit_with_static_arguments(options, args, kwargs):
    out = apply(lambda x: hk.jit(scaled, **options)(x, *args, **kwargs), 2.0)
    assert float(out) == -6


def test_jit_is_a_piece_of_the_program_with_a_name():
    def block(x):
        return weight() * x

    def has_boundary(f):
        return "name=block" in str(jax.make_jaxpr(f)(1.0))

    def ours(inline):
        model = hk.transform(lambda x: hk.jit(block, inline=inline)(x))
        return has_boundary(lambda x: model.apply({"~": {"w": jnp.float32(1)}}, x))

    def of_jax(inline):
        def block(x):
            return 1.0 * x

        return has_boundary(lambda x: jax.jit(block, inline=inline)(x))

    assert ours(False)
    assert ours(True) is of_jax(True)
    assert hk.jit(block).__name__ == "block"


def test_jit_sees_what_changed_between_two_calls():
    def forward(x):
        f = hk.jit(lambda x: x * hk.get_state("s"))
        hk.set_state("s", jnp.float32(2))
        first = f(x)
        hk.set_state("s", jnp.float32(5))
        return first, f(x)

    out, _ = hk.transform_with_state(forward).apply({}, {}, None, 1.0)
    assert [float(y) for y in out] == [2, 5]


def test_state_may_be_created_in_apply_as_without_a_wrapper():
    def forward(x):
        for wrap in (hk.jit, hk.remat, lambda f: hk.vmap(f, split_rng=False)):
            wrap(lambda _: hk.get_state("calls", [], init=jnp.zeros))(jnp.ones(1))
        hk.grad(lambda x: (hk.set_state("grad", 7.0), x)[1])(x)

    _, state = hk.transform_with_state(forward).apply({}, {}, None, 1.0)
    assert jax.tree.map(float, state) == {"~": {"calls": 0, "grad": 7}}


class Layer(hk.Module):
    def __call__(self, x):
        hk.set_state("calls", hk.get_state("calls", [], init=jnp.zeros) + 1)
        noise = jax.random.key_data(hk.next_rng_key())[0].astype("float32")
        return {"y": jnp.outer(x, hk.get_parameter("w", [3], init=jnp.ones)) + noise}


def test_eval_shape_keeps_nothing():
    def forward(x):
        shapes = hk.eval_shape(lambda x: Layer()(x), jax.ShapeDtypeStruct([2], jnp.float16))
        return shapes["y"], hk.next_rng_key(), Layer().module_name

    model = hk.transform_with_state(forward)
    params, state = model.init(jax.random.key(0), jnp.ones(2))
    assert (params, state) == ({}, {})
    params, state = {"layer": {"w": jnp.ones(3, "float32")}}, {"layer": {"calls": jnp.float32(4)}}
    (shape, key, name), after = model.apply(params, state, jax.random.key(0), jnp.ones(2))
    assert shape == jax.ShapeDtypeStruct((2, 3), jnp.float32)
    assert (name, after) == ("layer", state)
    assert (key == hk.PRNGSequence(jax.random.key(0)).next()).all()


def test_fast_eval_shape_inside_and_outside():
    inner = hk.transform_with_state(lambda x: Layer()(x))
    shapes = hk.experimental.fast_eval_shape(inner.init, jax.random.key(0), x=jnp.ones(2))
    array = jax.ShapeDtypeStruct
    assert shapes == ({"layer": {"w": array((3,), jnp.float32)}}, {"layer": {"calls": array((), jnp.float32)}})
    assert apply(lambda x: hk.experimental.fast_eval_shape(inner.init, 0, x), jnp.ones(2)) == shapes
    with pytest.raises(hk.JaxTransformError, match=r"under jax\.eval_shape, .*Expected hk\.eval_shape, which"):
        hk.transform(lambda x: hk.experimental.fast_eval_shape(lambda x: weight() * x, x)).init(None, 1.0)


def test_optimize_rng_use_splits_all_keys_at_once():
    def three():
        return [hk.next_rng_key(), *hk.next_rng_keys(2)]

    def forward():
        return [jax.random.key_data(k).tolist() for k in hk.experimental.optimize_rng_use(three)()]

    expected = [jax.random.key_data(k).tolist() for k in jax.random.split(jax.random.key(3), 4)[1:]]
    model = hk.transform(forward, apply_rng=True)
    assert model.apply({}, jax.random.key(3)) == expected
    model = hk.transform(lambda: hk.experimental.optimize_rng_use(three)(), apply_rng=True)
    jaxpr = jax.make_jaxpr(model.apply)({}, jax.random.key(3))
    assert str(jaxpr).count("random_split") == 1


def test_optimize_rng_use_runs_the_function_once_as_far_as_one_can_tell():
    def forward(x):
        y = hk.experimental.optimize_rng_use(lambda x: Layer()(x)["y"])(x)
        return y, Layer().module_name

    model = hk.transform_with_state(forward)
    params, state = model.init(jax.random.key(0), jnp.ones(2))
    assert (list(params), float(state["layer"]["calls"])) == (["layer"], 0)
    (_, name), state = model.apply(params, state, jax.random.key(0), jnp.ones(2))
    assert (name, float(state["layer"]["calls"])) == ("layer_1", 1)
    assert apply(lambda: hk.experimental.optimize_rng_use(lambda: 5)()) == 5


@pytest.mark.parametrize(
    ("run", "error", "message"),
    [
        (lambda: hk.jit(3), TypeError, "^jit: fun is 3 of type int, expected a function"),
        (
            lambda: hk.jit(scaled, static_argnums=5)(1.0, "a"),
            ValueError,
            "^jit: static_argnums has 5, expected the posit",
        ),
        (lambda: hk.jit(scaled)(1.0, "a"), TypeError, "static"),
        (lambda: hk.eval_shape(3), TypeError, "^eval_shape: fun is 3 of type int, expected a function"),
        (
            lambda: hk.experimental.fast_eval_shape(3),
            TypeError,
            "^fast_eval_shape: fun is 3 of type int, expected a func",
        ),
        (
            lambda: hk.experimental.optimize_rng_use(3),
            TypeError,
            "^optimize_rng_use: fun is 3 of type int, expected a f",
        ),
        (
            lambda: hk.jit(hk.next_rng_key)(),
            hk.MissingRNGError,
            "^next_rng_key: a random key is needed and there is none.*apply_rng=True",
        ),
    ],
)
def test_errors(run, error, message):
    with pytest.raises(error, match=message):
        hk.transform(run).apply({})


def test_outside_a_transform():
    for name in ("jit", "eval_shape", "optimize_rng_use"):
        function = getattr(hk, name, None) or getattr(hk.experimental, name)
        with pytest.raises(hk.UsageError, match=f"^{name}: used outside hk.transform"):
            function(jnp.sin)(1.0) if name != "eval_shape" else function(jnp.sin, 1.0)
