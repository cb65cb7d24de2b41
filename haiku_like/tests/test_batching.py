import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType
from jax.sharding import PartitionSpec as P

import haiku_like as hk

XS = jnp.arange(6.0).reshape(3, 2)


def weight():
    return hk.get_parameter("w", [], init=hk.initializers.Constant(3))


def apply(f, *args, rng=None):
    model = hk.transform(f, apply_rng=True)
    return model.apply(model.init(rng, *args), rng, *args)


@pytest.mark.parametrize(
    ("f", "options", "args"),
    [
        (lambda w, x: w * x, {}, (XS,)),
        (lambda w, x: w * x, {"in_axes": 1, "out_axes": -1}, (XS,)),
        (lambda w, x, y: w * x + y, {"in_axes": (0, None)}, (XS, 1.0)),
        (lambda w, x, y: w * x + y, {"in_axes": [0, -1]}, (XS, XS.T)),
        (lambda w, t, y: w * t["a"] + t["b"] * y, {"in_axes": ({"a": 0, "b": None}, 0)}, ({"a": XS, "b": 2.0}, XS)),
        (lambda w, x: {"x": x, "w": w, "none": None}, {"out_axes": {"x": 1, "w": None, "none": None}}, (XS,)),
        (lambda w, x: w * x - jax.lax.pmean(x, "i"), {"axis_name": "i"}, (XS,)),
        (lambda w: w * jax.lax.axis_index("i"), {"axis_name": "i", "axis_size": 4}, ()),
    ],
)
def test_vmap_agrees_with_jax(f, options, args):
    expected = jax.vmap(lambda *args: f(np.float32(3), *args), **options)(*args)

    def forward(split_rng, args):
        return hk.vmap(lambda *args: f(weight(), *args), split_rng=split_rng, **options)(*args)

    for split_rng in (True, False):
        out = apply(functools.partial(forward, split_rng), args)
        assert jax.tree.structure(out) == jax.tree.structure(expected)
        jax.tree.map(np.testing.assert_array_equal, out, expected)


def test_vmap_of_keywords_and_of_what_is_no_array():
    def f(x, mode, *, scale):
        return weight() * x * scale if mode == "scaled" else x

    def forward(xs):
        return hk.vmap(f, in_axes=(0, None), split_rng=True)(xs, "scaled", scale=jnp.arange(3.0))

    for rng in (None, jax.random.key(0)):
        assert apply(forward, jnp.ones(3), rng=rng).tolist() == [0, 3, 6]


def keys_of(split_rng, size=3, **options):
    """A program that returns the keys that the examples get, and the next one afterwards."""

    def forward():
        keys = hk.vmap(lambda _: hk.next_rng_keys(2), split_rng=split_rng, **options)(jnp.zeros(size))
        return jax.random.key_data(keys).reshape(-1, 2), jax.random.key_data(hk.next_rng_key())

    return hk.transform(forward, apply_rng=True)


@pytest.mark.parametrize("make_key", [jax.random.key, jax.random.PRNGKey])
def test_split_rng_gives_each_example_keys_of_its_own_in_apply(make_key):
    keys, after = keys_of(True).apply({}, make_key(1))
    assert len({tuple(k.tolist()) for k in (*keys, after)}) == 7
    sequence = hk.PRNGSequence(make_key(1))
    first, *_ = sequence.take(3)
    assert (keys[:2] == jax.random.key_data(jnp.stack(hk.PRNGSequence(first).take(2)))).all()
    assert (after == jax.random.key_data(next(sequence))).all()


def test_without_split_rng_all_examples_get_the_keys_of_one():
    keys, after = keys_of(False).apply({}, jax.random.key(1))
    sequence = hk.PRNGSequence(jax.random.key(1))
    expected = jax.random.key_data(jnp.stack(sequence.take(2)))
    assert keys.reshape(3, 2, 2).tolist() == [expected.tolist()] * 3
    assert (after == jax.random.key_data(next(sequence))).all()


def test_in_init_all_examples_share_their_parameters():
    def forward(xs):
        return hk.vmap(lambda x: x * hk.get_parameter("w", [], init=hk.initializers.RandomUniform()), split_rng=True)(
            xs
        )

    model = hk.transform(forward)
    params = model.init(jax.random.key(0), jnp.ones(3))
    alone = hk.transform(lambda: hk.get_parameter("w", [], init=hk.initializers.RandomUniform())).init(
        jax.random.key(0)
    )
    assert jax.tree.map(float, params) == jax.tree.map(float, alone)
    assert model.apply(params, jnp.ones(3)).tolist() == [float(params["~"]["w"])] * 3


def test_nested_batches_share_state_by_the_mean_over_both_axes():
    def f(x):
        mean = jax.lax.pmean(x, ("i", "j"))
        hk.set_state("mean", hk.get_state("mean", [], init=jnp.zeros) + mean)
        return x - mean

    def forward(xs):
        return hk.vmap(hk.vmap(f, axis_name="i", split_rng=False), axis_name="j", split_rng=False)(xs)

    model = hk.transform_with_state(forward)
    params, state = model.init(None, XS)
    for call in (model.apply, jax.jit(model.apply)):
        out, state = call(params, state, None, XS)
        assert out.tolist() == (XS - 2.5).tolist()
    assert float(state["~"]["mean"]) == 5


def mesh(*names):
    shape = (8,) if len(names) == 1 else (2, 4)
    return jax.make_mesh(shape, names, axis_types=(AxisType.Auto,) * len(names))


def test_shard_map_agrees_with_jax_and_shares_state():
    x = jnp.arange(16.0)

    def f(w, x):
        return w * x - jax.lax.pmean(x, "i"), jax.lax.psum(x.sum(), "i")

    def body(x):
        hk.set_state("mean", jax.lax.pmean(x.mean(), "i"))
        return f(weight(), x)

    specs = {"mesh": mesh("i"), "in_specs": P("i"), "out_specs": (P("i"), P())}
    model = hk.transform_with_state(lambda x: hk.shard_map(body, **specs)(x))
    params, _ = jax.jit(model.init)(None, x)
    assert jax.tree.map(float, params) == {"~": {"w": 3}}
    out, state = jax.jit(model.apply)(params, {}, None, x)
    expected = jax.jit(jax.shard_map(lambda x: f(3.0, x), **specs))(x)
    jax.tree.map(np.testing.assert_array_equal, out, expected)
    assert float(state["~"]["mean"]) == 7.5
    gradient = jax.jit(jax.grad(lambda params: model.apply(params, {}, None, x)[0][0].sum()))(params)
    assert float(gradient["~"]["w"]) == x.sum()


def test_shard_map_over_one_of_two_axes_of_the_mesh_that_is_set():
    def forward(x):
        return hk.shard_map(
            lambda x: weight() * jax.lax.psum(x, "j"), in_specs=[P("j")], out_specs=P(), axis_names={"j"}
        )(x)

    model = hk.transform(forward)
    use_mesh = getattr(jax, "set_mesh", None) or jax.sharding.use_mesh  # The name in jax 0.7.
    with use_mesh(mesh("i", "j")):
        out = jax.jit(model.apply)({"~": {"w": jnp.float32(3)}}, jnp.arange(4.0))
    assert out.tolist() == [18]


def test_each_shard_may_fold_its_index_into_the_key():
    def body(x):
        key = jax.random.fold_in(hk.next_rng_key(), jax.lax.axis_index("i"))
        return x + jax.random.key_data(key)[:1]

    def forward(x):
        return hk.shard_map(body, mesh=mesh("i"), in_specs=P("i"), out_specs=P("i"))(x)

    out = jax.jit(hk.transform(forward, apply_rng=True).apply)({}, jax.random.key(0), jnp.zeros(8, "uint32"))
    key = hk.PRNGSequence(jax.random.key(0)).next()
    expected = [jax.random.key_data(jax.random.fold_in(key, i))[0] for i in range(8)]
    assert out.tolist() == [int(k) for k in expected]


DIFFER = r"^{}: the function sets state, or creates parameters, that differ between the {}, expected the same for all\."


def sets_state(x):
    hk.set_state("s", x)
    return x


def creates_from_input(x):
    return x * hk.get_parameter("w", [], init=lambda *_: x)


def sharded(f, out_specs):
    return lambda: hk.shard_map(f, mesh=mesh("i"), in_specs=P("i"), out_specs=out_specs)(jnp.arange(8.0))


@pytest.mark.parametrize(
    ("run", "error", "message"),
    [
        (lambda: hk.vmap(3, split_rng=False), TypeError, "^vmap: fun is 3 of type int, expected a function"),
        (lambda: hk.vmap(jnp.sin), TypeError, "split_rng"),
        (
            lambda: hk.vmap(sets_state, split_rng=True)(XS),
            hk.UsageError,
            DIFFER.format("vmap", "examples of the batch"),
        ),
        (
            lambda: hk.vmap(creates_from_input, split_rng=False)(jnp.ones(3)),
            hk.UsageError,
            DIFFER.format("vmap", "examples of the batch") + r" Average over them: hk\.vmap\(\.\.\., axis_name='i'\)",
        ),
        (lambda: hk.vmap(jnp.sin, out_axes=None, split_rng=False)(XS), ValueError, "^at vmap out_axes"),
        (lambda: hk.vmap(jax.vmap(jnp.sin, out_axes=(0, None)), split_rng=False)(XS), ValueError, "out_axes"),
        (lambda: hk.vmap(jnp.add, split_rng=True)(XS, XS.T), ValueError, "inconsistent sizes"),
        (lambda: hk.shard_map(3, in_specs=P(), out_specs=P()), TypeError, "^shard_map: f is 3 of type int, expected a"),
        (
            sharded(sets_state, P("i")),
            hk.UsageError,
            DIFFER.format("shard_map", "shards") + " Average over them: jax.lax",
        ),
        (sharded(jnp.sin, P()), ValueError, "out_specs"),
    ],
)
def test_errors(run, error, message):
    with pytest.raises(error, match=message) as caught:
        hk.transform_with_state(run).init(jax.random.key(0))
    assert (caught.type is hk.UsageError) == (error is hk.UsageError)


def test_outside_a_transform():
    with pytest.raises(hk.UsageError, match=r"^vmap: used outside hk.transform"):
        hk.vmap(jnp.sin, split_rng=False)(XS)
    with pytest.raises(hk.UsageError, match=r"^shard_map: used outside hk.transform"):
        hk.shard_map(jnp.sin, mesh=mesh("i"), in_specs=P(), out_specs=P())(XS)
