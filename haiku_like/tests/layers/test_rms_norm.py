import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import haiku_like as hk

X = np.random.RandomState(0).normal(1, 2, (4, 5, 3)).astype(np.float32)


def rms_norm(*args, **kwargs):
    return hk.transform(lambda x: hk.RMSNorm(*args, **kwargs)(x))


def reference(x, axes, eps=1e-5):
    x = np.asarray(x, np.float64)
    return x / np.sqrt((x**2).mean(axes, keepdims=True) + eps)


def test_by_hand():
    f = rms_norm(-1, eps=0.0, create_scale=False)
    np.testing.assert_allclose(f.apply({}, jnp.array([[1.0, 7.0], [-3.0, 3.0]])), [[0.2, 1.4], [-1, 1]], rtol=1e-6)


@pytest.mark.parametrize(("axis", "axes"), [(-1, 2), (0, 0), ([1, -1], (1, 2)), (slice(None, 2), (0, 1))])
def test_mean_square_along_axes(axis, axes):
    f = rms_norm(axis, 0.1, hk.initializers.Constant(3.0))
    params = f.init(None, X)
    assert jax.tree.map(jnp.shape, params) == {"rms_norm": {"scale": (3,)}}
    np.testing.assert_allclose(f.apply(params, X), 3 * reference(X, axes, 0.1), rtol=1e-5)


@pytest.mark.parametrize(("param_axis", "shape"), [(2, (3,)), (0, (4, 1, 1)), ([1, 2], (1, 5, 3))])
def test_the_axes_of_the_scale(param_axis, shape):
    f = rms_norm(-1, param_axis=param_axis, name="norm")
    assert jax.tree.map(jnp.shape, f.init(None, X)) == {"norm": {"scale": shape}}
    scale = np.random.RandomState(1).normal(size=shape).astype(np.float32)
    np.testing.assert_allclose(f.apply({"norm": {"scale": scale}}, X), reference(X, -1) * scale, rtol=1e-5)


@pytest.mark.parametrize(("dtype", "rtol"), [(jnp.bfloat16, 2**-7), (jnp.float16, 2**-10)])
def test_half_precision_is_as_good_as_its_dtype(dtype, rtol):
    x = (300 * X).astype(dtype)  # In float16 the squares would be infinite.
    f = rms_norm(-1)
    out = f.apply(f.init(None, x), x)
    assert out.dtype == dtype
    np.testing.assert_allclose(np.asarray(out, np.float64), reference(x, -1), rtol=rtol)


@pytest.mark.usefixtures("x64")
def test_double_precision():
    np.testing.assert_allclose(
        rms_norm(-1, create_scale=False).apply({}, X.astype(np.float64)), reference(X, -1), rtol=1e-12
    )


def test_zero_has_a_finite_gradient():
    f = rms_norm(-1, create_scale=False)
    np.testing.assert_allclose(jax.jacobian(lambda x: f.apply({}, x))(jnp.zeros(2)), np.eye(2) / 1e-5**0.5, rtol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"axis": "last"}, TypeError, "RMSNorm: axis is 'last' of type str, expected an axis"),
        ({"axis": 3}, ValueError, "RMSNorm: axis is (3,), expected axes from -3 to 2, since the input has 3 axes"),
        ({"axis": (1, 1)}, ValueError, "RMSNorm: axis is (1, 1), expected each of the input's 3 axes at most once"),
        (
            {"axis": slice(3, None)},
            ValueError,
            "none of whose axes is axis=slice(3, None, None), expected at least one",
        ),
        ({"param_axis": 3}, ValueError, "RMSNorm: param_axis is (3,), expected axes from -3 to 2"),
        (
            {"create_scale": False, "scale_init": jnp.ones},
            ValueError,
            "RMSNorm: scale_init is given with create_scale=F",
        ),
    ],
)
def test_bad_arguments_are_refused(arguments, error, text):
    with pytest.raises(error, match=re.escape(text)):
        rms_norm(**({"axis": -1} | arguments)).init(None, X)


def test_bad_inputs_are_refused():
    with pytest.raises(
        TypeError, match="RMSNorm: inputs of module 'rms_norm' is of type int64, expected an array of fl"
    ):
        rms_norm(-1).init(None, X.astype(int))
    with pytest.raises(
        ValueError, match=r"RMSNorm: inputs of module 'rms_norm' has shape \(\), expected at least 1 axis"
    ):
        rms_norm(-1).init(None, jnp.float32(1))
    with pytest.raises(ValueError, match=r"has shape \(4, 0\), expected at least one value along the axes \(1,\)"):
        rms_norm(-1).init(None, X[:, :0, 0])
