import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import haiku_like as hk

X = np.random.RandomState(0).uniform(-1, 1, [2, 3, 4, 5]).astype(np.float32)


def bias(*args, multiplier=None, **kwargs):
    return hk.transform(lambda x: hk.Bias(*args, **kwargs)(x, multiplier))


@pytest.mark.parametrize(
    ("bias_dims", "expected"),
    [
        (None, (3, 4, 5)),
        ([-1], (5,)),
        ([1], (3, 1, 1)),
        ([3, 1], (3, 1, 5)),
        ([-3, -2], (3, 4, 1)),
        ([2, -2], (4, 1)),
        ([], ()),
        ((np.int64(3),), (5,)),
    ],
)
def test_the_bias_has_the_axes_asked_for(bias_dims, expected):
    f = bias(bias_dims=bias_dims, b_init=hk.initializers.RandomNormal())
    params = f.init(0, X)
    b = np.asarray(params["bias"]["b"])
    assert b.shape == expected
    np.testing.assert_allclose(f.apply(params, X), X + b, rtol=1e-6)


@pytest.mark.parametrize(
    ("output_size", "shape"), [(4, (2, 4)), ([4], (2, 4)), ((3, 4), (0, 3, 4)), (None, (7, 1, 2)), ([0], (2, 0))]
)
def test_the_size_is_checked_where_it_is_given(output_size, shape):
    f = bias(output_size)
    assert f.apply(f.init(None, jnp.ones(shape)), jnp.ones(shape)).shape == shape


def test_attributes():
    def f(x):
        layer = hk.Bias(bias_dims=[-1])
        before = layer.bias_shape
        layer(x)
        return before, layer.bias_shape, layer.input_size, layer.output_size

    assert hk.transform(f).apply({"bias": {"b": jnp.zeros(5)}}, X) == (None, (5,), (3, 4, 5), None)


@pytest.mark.parametrize("multiplier", [-1, 0.5, np.float32(2), jnp.arange(5.0), jnp.ones([2, 1, 1, 1]) * 3])
def test_the_multiplier_scales_the_bias(multiplier):
    f = bias(b_init=hk.initializers.Constant(0.25), multiplier=multiplier)
    out = f.apply(f.init(None, X), X)
    np.testing.assert_allclose(out, X + 0.25 * np.asarray(multiplier), rtol=1e-6)
    assert out.dtype == jnp.float32


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, jnp.int32])
def test_the_dtype_stays(dtype):
    f = bias()
    x = jnp.ones([2, 3], dtype)
    params = f.init(None, x)
    assert params["bias"]["b"].dtype == f.apply(params, x).dtype == dtype


def test_vmap_and_grad():
    f = bias(b_init=jnp.ones)
    x = jnp.arange(12.0).reshape(2, 2, 3)
    params = f.init(None, x[0])
    np.testing.assert_array_equal(jax.vmap(lambda x: f.apply(params, x))(x), x + 1)
    grads = jax.grad(lambda p: f.apply(p, x[0]).sum())(params)
    np.testing.assert_array_equal(grads["bias"]["b"], [2, 2, 2])


def test_bad_input_is_refused():
    for shape in ((), (3,)):
        with pytest.raises(ValueError, match=re.escape(f"Bias: inputs of module 'bias' has shape {shape}, expected")):
            bias().init(None, jnp.ones(shape))
    with pytest.raises(TypeError, match="Bias: inputs of module 'bias' is of type list, expected an array of numbers"):
        bias().init(None, [[1.0]])
    with pytest.raises(ValueError, match=re.escape("shape (2, 3), expected [batch, 4] after output_size=(4,). Leave")):
        bias(4).init(None, jnp.ones([2, 3]))
    for dims in ([0], [-4], [4], [-5]):
        message = f"bias_dims of module 'bias' is {dims}, expected axes of the inputs of shape (2, 3, 4, 5) other than"
        with pytest.raises(ValueError, match=re.escape(message)):
            bias(bias_dims=dims).init(None, X)
    with pytest.raises(TypeError, match=r"Bias: bias_dims is \[1.0\], expected integers"):
        bias(bias_dims=[1.0]).init(None, X)
    with pytest.raises(TypeError, match=r"Bias: bias_dims is 1 of type int, expected a sequence, such as \[-1\]"):
        bias(bias_dims=1).init(None, X)
    with pytest.raises(TypeError, match=r"Bias: output_size is 1.5 of type float, expected an integer"):
        bias([1.5]).init(None, X)
    for multiplier in (jnp.ones(4), jnp.ones([1, 1, 1, 1, 1])):
        message = f"Bias: multiplier of module 'bias' has shape {multiplier.shape}, expected a number or a shape that"
        with pytest.raises(ValueError, match=re.escape(message)):
            bias(multiplier=multiplier).init(None, X)
