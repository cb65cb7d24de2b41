import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import haiku_like as hk

RNG = np.random.RandomState(0)
X = RNG.normal(1, 2, (4, 5, 3)).astype(np.float32)
IMAGES = RNG.normal(-1, 2, (2, 4, 3, 5)).astype(np.float32)


def layer_norm(*args, **kwargs):
    return hk.transform(lambda x, *call, **named: hk.LayerNorm(*args, **kwargs)(x, *call, **named))


def instance_norm(*args, **kwargs):
    return hk.transform(lambda x, *call: hk.InstanceNorm(*args, **kwargs)(x, *call))


def reference(x, axes, eps=1e-5):
    x = np.asarray(x, np.float64)
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + eps)


def test_by_hand():
    f = layer_norm(-1, False, False, eps=0.0)
    np.testing.assert_allclose(f.apply({}, jnp.array([[1.0, 3.0], [10.0, 4.0]])), [[-1, 1], [1, -1]], rtol=1e-6)


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize(
    ("axis", "axes"),
    [(-1, 2), (0, 0), ([1, 2], (1, 2)), ((-1, 0), (0, 2)), (slice(1, None), (1, 2)), (range(3), (0, 1, 2))],
)
def test_mean_and_variance_along_axes(axis, axes, fast):
    f = layer_norm(axis, False, False, use_fast_variance=fast)
    np.testing.assert_allclose(f.apply({}, X), reference(X, axes), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("param_axis", "shape"),
    [
        (None, (3,)),
        (-1, (3,)),
        (2, (3,)),
        (0, (4, 1, 1)),
        ([1, -1], (1, 5, 3)),
        (slice(1, 2), (1, 5, 1)),
        ([], (1, 1, 1)),
    ],
)
def test_the_axes_of_the_parameters(param_axis, shape):
    f = layer_norm(-1, True, True, param_axis=param_axis)
    assert jax.tree.map(jnp.shape, f.init(None, X)) == {"layer_norm": {"scale": shape, "offset": shape}}
    scale, offset = RNG.normal(size=(2, *shape))
    params = {"layer_norm": {"scale": jnp.asarray(scale, jnp.float32), "offset": jnp.asarray(offset, jnp.float32)}}
    np.testing.assert_allclose(f.apply(params, X), reference(X, -1) * scale + offset, rtol=1e-4, atol=1e-5)


def test_initializers_eps_and_the_lack_of_parameters():
    f = layer_norm(-1, True, False, 0.1, hk.initializers.Constant(3.0))
    params = f.init(None, X)
    assert list(params["layer_norm"]) == ["scale"]
    np.testing.assert_allclose(f.apply(params, X), 3 * reference(X, -1, 0.1), rtol=1e-4, atol=1e-5)
    f = layer_norm(-1, False, True, offset_init=hk.initializers.Constant(3.0))
    np.testing.assert_allclose(f.apply(f.init(None, X), X), 3 + reference(X, -1), rtol=1e-4, atol=1e-5)


def test_scale_and_offset_of_the_call():
    scale = RNG.normal(size=(4, 1, 3)).astype(np.float32)
    out = layer_norm(-1, False, False).apply({}, X, scale=scale, offset=2.0)
    np.testing.assert_allclose(out, reference(X, -1) * scale + 2, rtol=1e-4, atol=1e-5)


def test_the_default_variance_is_exact_far_from_zero_and_the_fast_one_not_negative():
    x = (1e4 + RNG.normal(0, 1e-3, (40, 7))).astype(np.float32)
    assert (jnp.mean(jnp.square(x), 1) - jnp.square(jnp.mean(x, 1))).min() < -1e-5  # Its root would be NaN.
    assert np.isfinite(layer_norm(-1, False, False, use_fast_variance=True).apply({}, x)).all()
    x = (1e4 + 10 * RNG.normal(size=(40, 7))).astype(np.float32)
    np.testing.assert_allclose(layer_norm(-1, False, False).apply({}, x), reference(x, -1), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize(("dtype", "rtol"), [(jnp.bfloat16, 2**-7), (jnp.float16, 2**-10)])
def test_half_precision_is_as_good_as_its_dtype(dtype, rtol, fast):
    x = (300 * X).astype(dtype)  # In float16 the squares would be infinite.
    f = layer_norm(slice(1, None), True, True, use_fast_variance=fast)
    params = f.init(None, x)
    assert {p.dtype for p in jax.tree.leaves(params)} == {jnp.dtype(dtype)}
    out = f.apply(params, x)
    assert out.dtype == dtype
    np.testing.assert_allclose(np.asarray(out, np.float64), reference(x, (1, 2)), rtol=rtol, atol=rtol / 8)
    assert f.apply(jax.tree.map(lambda p: p.astype(jnp.float32), params), x).dtype == jnp.float32


@pytest.mark.usefixtures("x64")
def test_double_precision():
    out = layer_norm(-1, False, False).apply({}, X.astype(np.float64))
    assert out.dtype == np.float64
    np.testing.assert_allclose(out, reference(X, -1), rtol=1e-12)


def test_constant_inputs_give_the_offset_and_a_finite_gradient():
    x = jnp.full([2, 3], 0.1)
    for fast in (False, True):
        f = layer_norm(-1, False, False, use_fast_variance=fast)
        np.testing.assert_allclose(f.apply({}, x), jnp.zeros([2, 3]), atol=1e-5)
        assert np.isfinite(jax.grad(lambda x, f=f: f.apply({}, x)[0, 0])(x)).all()


# InstanceNorm.


@pytest.mark.parametrize(
    ("data_format", "axes", "shape"),
    [("channels_last", (1, 2), (5,)), ("NHWC", (1, 2), (5,)), ("channels_first", (2, 3), (1, 4, 1, 1))],
)
def test_instance_norm_normalizes_over_space(data_format, axes, shape):
    f = instance_norm(True, True, data_format=data_format)
    params = f.init(None, IMAGES)
    assert jax.tree.map(jnp.shape, params) == {"instance_norm": {"scale": shape, "offset": shape}}
    np.testing.assert_allclose(f.apply(params, IMAGES), reference(IMAGES, axes), rtol=1e-4, atol=1e-5)


def test_instance_norm_needs_space():
    for x, data_format, axis in ((X[0], "NHWC", "slice(1, -1, None)"), (X[0], "NCHW", "slice(2, None, None)")):
        with pytest.raises(
            ValueError,
            match=re.escape(
                f"InstanceNorm: inputs of module 'instance_norm' has shape (5, 3), none of whose axes is axis={axis}, "
                f"expected at least one to normalize along"
            ),
        ):
            instance_norm(True, True, data_format=data_format).init(None, x)
    with pytest.raises(ValueError, match="InstanceNorm: data_format is 'CHWN', expected 'channels_last'"):
        instance_norm(True, True, data_format="CHWN").init(None, IMAGES)
    with pytest.raises(ValueError, match="InstanceNorm: scale_init is given with create_scale=False"):
        instance_norm(False, True, scale_init=jnp.ones).init(None, IMAGES)
    with pytest.raises(ValueError, match="InstanceNorm: scale is given and create_scale is True"):
        instance_norm(True, True).init(None, IMAGES, jnp.ones(5))
    assert issubclass(hk.InstanceNorm, hk.LayerNorm)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"axis": None}, TypeError, "LayerNorm: axis is None of type NoneType, expected an axis, a sequence"),
        ({"axis": [0, "a"]}, TypeError, "LayerNorm: axis is [0, 'a'] of type list, expected an axis"),
        ({"axis": 3}, ValueError, "LayerNorm: axis is (3,), expected axes from -3 to 2, since the input has 3 axes"),
        ({"axis": [2, -1]}, ValueError, "LayerNorm: axis is (2, -1), expected each of the input's 3 axes at most once"),
        ({"axis": []}, ValueError, "has shape (4, 5, 3), none of whose axes is axis=(), expected at least one"),
        ({"param_axis": 1.5}, TypeError, "LayerNorm: param_axis is 1.5 of type float, expected an axis"),
        ({"param_axis": -4}, ValueError, "LayerNorm: param_axis is (-4,), expected axes from -3 to 2"),
        ({"param_axis": [0, 0]}, ValueError, "LayerNorm: param_axis is (0, 0), expected each of the input's 3 axes"),
        ({"create_scale": False, "scale_init": jnp.ones}, ValueError, "scale_init is given with create_scale=False"),
        ({"create_offset": False, "offset_init": jnp.ones}, ValueError, "offset_init is given with create_offset=F"),
    ],
)
def test_bad_arguments_are_refused(arguments, error, text):
    with pytest.raises(error, match=re.escape(text)):
        layer_norm(**({"axis": -1, "create_scale": True, "create_offset": True} | arguments)).init(None, X)


def test_bad_calls_are_refused():
    f = layer_norm(-1, True, True)
    for bad, kind in ((X.astype(int), "int64"), ([[1.0]], "list")):
        with pytest.raises(TypeError, match=f"LayerNorm: inputs of module 'layer_norm' is of type {kind}, expected an"):
            f.init(None, bad)
    with pytest.raises(
        ValueError, match=r"LayerNorm: inputs of module 'layer_norm' has shape \(\), expected at least 1"
    ):
        f.init(None, jnp.float32(1))
    with pytest.raises(ValueError, match=r"has shape \(4, 0\), expected at least one value along the axes \(1,\)"):
        f.init(None, X[:, :0, 0])
    for name in ("scale", "offset"):
        with pytest.raises(ValueError, match=f"LayerNorm: {name} is given and create_{name} is True, expected one of"):
            f.init(None, X, **{name: jnp.ones(3)})
        with pytest.raises(ValueError, match=rf"LayerNorm: {name} has shape \(4,\), expected one that broadcasts to"):
            layer_norm(-1, False, False).init(None, X, **{name: jnp.ones(4)})
