import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec

import haiku_like as hk

RNG = np.random.RandomState(0)
X = RNG.normal(1, 2, (6, 3)).astype(np.float32)
IMAGES = RNG.normal(-1, 2, (2, 4, 3, 5)).astype(np.float32)
REPLICAS = 4
PARTS = RNG.normal(0.5, 2, (REPLICAS, 3, 2)).astype(np.float32)


def batch_norm(*args, **kwargs):
    def run(x, is_training=True, test_local_stats=False, **call):
        return hk.BatchNorm(*args, **kwargs)(x, is_training, test_local_stats, **call)

    return hk.transform_with_state(run)


def reference(x, axes, eps=1e-5):
    x = np.asarray(x, np.float64)
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + eps)


def test_by_hand():
    f = batch_norm(False, False, 0.5, eps=0.0)
    params, state = f.init(None, jnp.zeros([2, 2]))
    assert params == {}
    out, state = f.apply(params, state, None, jnp.array([[1.0, 2.0], [3.0, 6.0]]))
    np.testing.assert_array_equal(out, [[-1, -1], [1, 1]])
    out, state = f.apply(params, state, None, jnp.array([[4.0, 10.0], [6.0, 10.5]]))
    # The first step weighs 0.25 and the second 0.5, of 0.75.
    means, variances = state["batch_norm/~/mean_ema"]["average"], state["batch_norm/~/var_ema"]["average"]
    np.testing.assert_allclose(means, [[(2 + 2 * 5) / 3, (4 + 2 * 10.25) / 3]], rtol=1e-5)
    np.testing.assert_allclose(variances, [[(1 + 2 * 1) / 3, (4 + 2 * 0.0625) / 3]], rtol=1e-4)
    assert state["batch_norm/~/mean_ema"]["counter"] == 2


@pytest.mark.parametrize(
    ("data_format", "axis", "axes"),
    [
        ("channels_last", None, (0, 1, 2)),
        ("NHWC", None, (0, 1, 2)),
        ("channels_first", None, (0, 2, 3)),
        ("NCHW", None, (0, 2, 3)),
        ("BTHD", None, (0, 1, 2)),
        ("NHWC", [0, 1], (0, 1)),
        ("NCHW", 2, (2,)),
        ("NHWC", slice(1, 3), (1, 2)),
        ("NHWC", (0, -1), (0, 3)),
    ],
)
def test_it_normalizes_over_all_but_the_channels_or_the_given_axes(data_format, axis, axes):
    f = batch_norm(False, False, 0.9, axis=axis, data_format=data_format)
    out, state = f.apply(*f.init(None, IMAGES), None, IMAGES)
    np.testing.assert_allclose(out, reference(IMAGES, axes), rtol=1e-4, atol=1e-5)
    for name, moment in (("mean_ema", np.mean), ("var_ema", np.var)):
        average = state[f"batch_norm/~/{name}"]["average"]
        np.testing.assert_allclose(average, moment(IMAGES, axes, keepdims=True), rtol=1e-4, atol=1e-6)


def test_scale_and_offset():
    f = batch_norm(True, True, 0.9, 0.1, hk.initializers.Constant(3.0), hk.initializers.Constant(-1.0))
    params, state = f.init(None, IMAGES)
    assert jax.tree.map(jnp.shape, params) == {"batch_norm": {"scale": (1, 1, 1, 5), "offset": (1, 1, 1, 5)}}
    out, _ = f.apply(params, state, None, IMAGES)
    np.testing.assert_allclose(out, 3 * reference(IMAGES, (0, 1, 2), 0.1) - 1, rtol=1e-4, atol=1e-5)


def test_scale_and_offset_of_the_call():
    scale, offset = RNG.normal(size=(2, 1, 1, 5)), RNG.normal(size=5)
    f = batch_norm(False, False, 0.9)
    out, _ = f.apply({}, {}, None, IMAGES, scale=scale.astype(np.float32), offset=offset.astype(np.float32))
    np.testing.assert_allclose(out, scale * reference(IMAGES, (0, 1, 2)) + offset, rtol=1e-4, atol=1e-5)
    out, _ = f.apply({}, {}, None, IMAGES.astype(np.float16), scale=2.0)
    assert out.dtype == np.float16


def test_evaluation_uses_the_averages_and_changes_no_state():
    f = batch_norm(True, True, 0.9)
    params, state = f.init(None, X)
    for x in (X, 2 * X + 1):
        _, state = f.apply(params, state, None, x)
    weights = np.array([0.9, 1]) / 1.9
    mean = weights @ np.stack([X.mean(0), (2 * X + 1).mean(0)])
    var = weights @ np.stack([X.var(0), (2 * X + 1).var(0)])
    out, after = f.apply(params, state, None, X[:1], is_training=False)
    np.testing.assert_allclose(out, (X[:1] - mean) / np.sqrt(var + 1e-5), rtol=1e-4)
    out, local = f.apply(params, state, None, X, is_training=False, test_local_stats=True)
    np.testing.assert_allclose(out, reference(X, 0), rtol=1e-4, atol=1e-5)
    for unchanged in (after, local):
        jax.tree.map(np.testing.assert_array_equal, unchanged, state)


def test_the_variance_is_never_negative():
    x = (1e4 + np.random.RandomState(2).normal(0, 1e-3, (7, 40))).astype(np.float32)
    raw = jnp.mean(jnp.square(x), 0) - jnp.square(jnp.mean(x, 0))
    assert raw.min() < -1e-5  # Its root would be NaN.
    f = batch_norm(False, False, 0.9)
    out, state = f.apply({}, {}, None, x)
    assert np.isfinite(out).all()
    assert state["batch_norm/~/var_ema"]["average"].min() == 0


@pytest.mark.parametrize(("dtype", "rtol"), [(jnp.bfloat16, 2**-7), (jnp.float16, 2**-10)])
def test_half_precision_is_as_good_as_its_dtype(dtype, rtol):
    x = (300 * X).astype(dtype)  # In float16 the squares would be infinite.
    f = batch_norm(True, True, 0.9)
    params, state = f.init(None, x)
    assert {v.dtype for v in jax.tree.leaves((params, state)) if v.ndim} == {jnp.dtype(dtype)}
    out, state = f.apply(params, state, None, x)
    assert out.dtype == dtype
    np.testing.assert_allclose(np.asarray(out, np.float64), reference(x, 0), rtol=rtol, atol=rtol / 8)
    assert all(bool(jnp.isfinite(v).all()) for v in jax.tree.leaves(state))
    out, _ = f.apply(params, state, None, x, is_training=False)
    assert bool(jnp.isfinite(out).all())


def test_a_float32_state_stays_float32_on_half_precision_inputs():
    f = batch_norm(True, True, 0.9)
    params, state = f.init(None, X)
    out, state = f.apply(params, state, None, X.astype(jnp.bfloat16))
    assert {v.dtype for v in jax.tree.leaves(state) if v.ndim} == {jnp.dtype(jnp.float32)}
    assert out.dtype == jnp.float32


@pytest.mark.usefixtures("x64")
def test_double_precision():
    x = X.astype(np.float64)
    f = batch_norm(True, True, 0.9)
    out, _ = f.apply(*f.init(None, x), None, x)
    assert out.dtype == np.float64
    np.testing.assert_allclose(out, reference(x, 0), rtol=1e-12)


def test_the_gradient_is_that_of_the_batch():
    f = batch_norm(True, True, 0.9)
    params, state = f.init(None, X)
    weights = RNG.normal(size=X.shape).astype(np.float32)
    gradient = jax.grad(lambda x: jnp.sum(weights * f.apply(params, state, None, x)[0]))(X)
    n, deviation = len(X), np.sqrt(X.var(0) + 1e-5)
    normalized = reference(X, 0)
    expected = (n * weights - weights.sum(0) - normalized * (weights * normalized).sum(0)) / (n * deviation)
    np.testing.assert_allclose(gradient, expected, rtol=1e-3, atol=1e-5)


# Statistics over replicas.


def over_vmap(f):
    return jax.jit(jax.vmap(f, axis_name="i"))


def over_jit_under_vmap(f):
    return jax.vmap(jax.jit(f), axis_name="i")


def over_pmap(f):
    return jax.pmap(f, axis_name="i", devices=jax.devices()[:REPLICAS])


def over_shard_map(f):
    mesh = jax.make_mesh((REPLICAS,), ("i",), (jax.sharding.AxisType.Auto,), devices=jax.devices()[:REPLICAS])

    def on_one(x):
        return jax.tree.map(lambda y: y[None], f(x[0]))

    return jax.jit(jax.shard_map(on_one, mesh=mesh, in_specs=PartitionSpec("i"), out_specs=PartitionSpec("i")))


@pytest.mark.parametrize("mapped", [over_vmap, over_jit_under_vmap, over_pmap, over_shard_map])
@pytest.mark.parametrize("groups", [None, [[0, 3], [1, 2]], [[2], [0, 1, 3]]])
def test_replicas_share_the_statistics_of_the_joined_batch(mapped, groups):
    f = batch_norm(False, False, 0.9, cross_replica_axis="i", cross_replica_axis_index_groups=groups)

    def loss_and_more(x):
        def loss(x):
            out, state = f.apply({}, {}, None, x)
            return jnp.sum(out**3), (out, state)

        return jax.grad(loss, has_aux=True)(x)

    gradient, (out, state) = mapped(loss_and_more)(PARTS)
    joined = batch_norm(False, False, 0.9)
    for group in groups or [range(REPLICAS)]:
        group = list(group)
        batch = jnp.asarray(PARTS[group].reshape(-1, 2))
        expected, expected_state = joined.apply({}, {}, None, batch)
        np.testing.assert_allclose(np.asarray(out)[group].reshape(-1, 2), expected, rtol=1e-4, atol=1e-5)
        expected = jax.grad(lambda x: jnp.sum(joined.apply({}, {}, None, x)[0] ** 3))(batch)
        np.testing.assert_allclose(np.asarray(gradient)[group].reshape(-1, 2), expected, rtol=1e-3, atol=1e-4)
        for replica in group:
            for ours, theirs in zip(jax.tree.leaves(state), jax.tree.leaves(expected_state), strict=True):
                np.testing.assert_allclose(ours[replica], theirs, rtol=1e-5, atol=1e-6)


def test_under_vmap_one_state_serves_all():
    f = batch_norm(True, True, 0.9, cross_replica_axis="i")
    params, state = jax.vmap(f.init, (None, 0), None, axis_name="i")(None, PARTS)
    apply = jax.vmap(f.apply, (None, None, None, 0), (0, None), axis_name="i")
    for _ in range(2):
        out, state = apply(params, state, None, PARTS)
    np.testing.assert_allclose(out.reshape(-1, 2), reference(PARTS.reshape(-1, 2), 0), rtol=1e-4, atol=1e-5)
    assert state["batch_norm/~/mean_ema"]["average"].shape == (1, 2)


def test_one_example_a_replica():
    """The batch axis is vmapped away altogether: what users of vmap want."""
    f = batch_norm(False, False, 0.9, axis=[], cross_replica_axis="batch")
    out, state = jax.vmap(lambda x: f.apply({}, {}, None, x), out_axes=(0, None), axis_name="batch")(X)
    np.testing.assert_allclose(out, reference(X, 0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(state["batch_norm/~/var_ema"]["average"], X.var(0), rtol=1e-4)


def test_several_axes_of_replicas():
    f = batch_norm(False, False, 0.9, cross_replica_axis=("i", "j"))
    x = RNG.normal(size=(2, 3, 4, 2)).astype(np.float32)
    out = jax.vmap(jax.vmap(lambda x: f.apply({}, {}, None, x)[0], axis_name="j"), axis_name="i")(x)
    np.testing.assert_allclose(out.reshape(-1, 2), reference(x.reshape(-1, 2), 0), rtol=1e-4, atol=1e-5)


def test_bad_replicas_are_refused():
    with pytest.raises(
        ValueError,
        match=r"BatchNorm: cross_replica_axis is 'i', expected the name of an axis that a transform around this call "
        r"maps. Run init and apply under jax.pmap, jax.vmap or jax.shard_map with axis_name='i'",
    ):
        batch_norm(True, True, 0.9, cross_replica_axis="i").init(None, X)
    with pytest.raises(ValueError, match=r"cross_replica_axis_index_groups is \[\[0\]\] with cross_replica_axis=None"):
        batch_norm(True, True, 0.9, cross_replica_axis_index_groups=[[0]]).init(None, X)
    for groups in ([[0, 1], [2]], [[0, 1], [1, 2, 3]], [[0, 1, 2, 3], []], [[0, 1, 2, 4]]):
        f = batch_norm(True, True, 0.9, cross_replica_axis="i", cross_replica_axis_index_groups=groups)
        text = f"index_groups is {groups}, expected each replica from 0 to 3 in one group"
        with pytest.raises(ValueError, match=re.escape(text)):
            jax.vmap(f.init, (None, 0), axis_name="i")(None, PARTS)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"decay_rate": 1.0}, ValueError, "BatchNorm: decay_rate is 1.0, expected 0 <= decay_rate < 1"),
        ({"decay_rate": -0.1}, ValueError, "BatchNorm: decay_rate is -0.1, expected 0 <= decay_rate < 1"),
        ({"decay_rate": None}, ValueError, "BatchNorm: decay_rate is None, expected 0 <= decay_rate < 1"),
        ({"create_scale": False, "scale_init": jnp.ones}, ValueError, "scale_init is given with create_scale=False"),
        ({"create_offset": False, "offset_init": jnp.ones}, ValueError, "offset_init is given with create_offset=F"),
        ({"data_format": "HWCN"}, ValueError, "BatchNorm: data_format is 'HWCN', expected 'channels_last'"),
        ({"data_format": None}, ValueError, "BatchNorm: data_format is None, expected 'channels_last'"),
        ({"axis": "rows"}, TypeError, "BatchNorm: axis is 'rows' of type str, expected an axis"),
        ({"axis": 1.0}, TypeError, "BatchNorm: axis is 1.0 of type float, expected an axis"),
        ({"axis": [0, 2]}, ValueError, "BatchNorm: axis is (0, 2), expected axes from -2 to 1, since the input has 2"),
        ({"axis": -3}, ValueError, "BatchNorm: axis is (-3,), expected axes from -2 to 1"),
        ({"axis": [0, -2]}, ValueError, "BatchNorm: axis is (0, -2), expected each of the input's 2 axes at most once"),
    ],
)
def test_bad_arguments_are_refused(arguments, error, text):
    with pytest.raises(error, match=re.escape(text)):
        batch_norm(**({"create_scale": True, "create_offset": True, "decay_rate": 0.9} | arguments)).init(None, X)


def test_bad_calls_are_refused():
    f = batch_norm(True, True, 0.9)
    for bad, kind in ((X.astype(int), "int64"), ([[1.0]], "list"), (X + 1j, "complex64"), (None, "NoneType")):
        with pytest.raises(
            TypeError, match=f"inputs of module 'batch_norm' is of type {kind}, expected an array of floats. Convert"
        ):
            f.init(None, bad)
    with pytest.raises(ValueError, match=r"inputs of module 'batch_norm' has shape \(\), expected at least 1 axis"):
        f.init(None, jnp.float32(1))
    with pytest.raises(ValueError, match=r"has shape \(6,\), expected at least 2 axes"):
        batch_norm(True, True, 0.9, data_format="NCHW").init(None, X[:, 0])
    with pytest.raises(ValueError, match=r"has shape \(0, 3\), expected at least one value along the axes \(0,\)"):
        f.init(None, X[:0])
    for name in ("scale", "offset"):
        with pytest.raises(ValueError, match=f"BatchNorm: {name} is given and create_{name} is True, expected one of"):
            f.init(None, X, **{name: jnp.ones(3)})
        with pytest.raises(ValueError, match=rf"{name} has shape \(6,\), expected one that broadcasts to .* \(6, 3\)"):
            batch_norm(False, False, 0.9).init(None, X, **{name: jnp.ones(6)})
        with pytest.raises(ValueError, match=rf"{name} has shape \(2, 6, 3\), expected one that broadcasts to"):
            batch_norm(False, False, 0.9).init(None, X, **{name: jnp.ones([2, 6, 3])})
    for flag in ("is_training", "test_local_stats"):
        with pytest.raises(TypeError, match=f"BatchNorm: {flag} is traced, expected True or False. Mark it static"):
            jax.jit(f.init)(None, X, **{flag: True})
    with pytest.raises(
        ValueError, match=r"average of module 'batch_norm/~/mean_ema' has no value yet.*with is_training=True"
    ):
        f.init(None, X, is_training=False)


def test_public_attributes():
    def run():
        norm = hk.BatchNorm(True, False, 0.9, 0.1, axis=[0], data_format="NCHW", cross_replica_axis="i", name="norm")
        assert (norm.create_scale, norm.create_offset, norm.eps, norm.axis) == (True, False, 0.1, (0,))
        assert (norm.channel_index, norm.cross_replica_axis, norm.cross_replica_axis_index_groups) == (1, "i", None)
        assert (norm.mean_ema.module_name, norm.var_ema.module_name) == ("norm/~/mean_ema", "norm/~/var_ema")

    hk.transform(run).init(None)
