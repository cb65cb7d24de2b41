import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import haiku_like as hk


def values(*shape, seed=0):
    return np.random.RandomState(seed).uniform(-1, 1, shape).astype(np.float32)


LINE, IMAGE = values(2, 5, 4), values(2, 4, 3, 4)


def transposed(module, *args, **kwargs):
    return hk.transform(lambda x, **call: getattr(hk, module)(*args, name="conv", **kwargs)(x, **call))


def shape_of(f, x):
    return jax.eval_shape(f.apply, jax.eval_shape(f.init, jax.random.key(0), x), x).shape


def full(x, w, stride):
    """Each input adds its kernel, mirrored, where its stride puts it: nothing is cut off. In double precision."""
    x, w = x.astype(np.float64), w.astype(np.float64)
    spatial = w.ndim - 2
    w = np.flip(w, range(spatial))
    sizes = [
        (size - 1) * step + kernel for size, step, kernel in zip(x.shape[1:], stride, w.shape[:spatial], strict=False)
    ]
    out = np.zeros((len(x), *sizes, w.shape[-2]))
    for index in np.ndindex(*x.shape[1:-1]):
        where = [slice(i * s, i * s + k) for i, s, k in zip(index, stride, w.shape[:spatial], strict=True)]
        out[(slice(None), *where)] += np.tensordot(x[(slice(None), *index)], w, (1, w.ndim - 1))
    return out


def cut(x, pads):
    """Cuts off what a convolution would have padded; what it would have left out is 0."""
    x = np.pad(x, [(0, 0), *[(max(0, -before), max(0, -after)) for before, after in pads], (0, 0)])
    kept = [slice(max(0, b), size - max(0, a)) for (b, a), size in zip(pads, x.shape[1:], strict=False)]
    return x[(slice(None), *kept)]


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "output_shape", "cuts"),
    [
        # What the convolution of that kernel and stride pads, along each axis.
        ((3, 2), (1, 1), "VALID", None, ((0, 0), (0, 0))),
        ((3, 2), (1, 1), "SAME", None, ((1, 1), (0, 1))),
        ((3, 4), (2, 2), "SAME", None, ((0, 1), (1, 1))),
        # A stride above the kernel: the convolution leaves out what lies between.
        ((1, 2), (3, 4), "VALID", None, ((0, -2), (0, -2))),
        ((1, 2), (3, 4), "SAME", None, ((0, -2), (0, -2))),
        ((3, 4), (2, 2), "SAME", (7, 5), ((1, 1), (1, 2))),
        ((3, 2), (2, 3), "valid", (10, 10), ((0, -1), (0, -2))),
        ((3, 2), (2, 1), [(1, 2), (0, 3)], None, ((1, 0), (1, -2))),
        ((3, 2), (2, 1), (1, 1), None, ((1, 1), (0, 0))),
    ],
)
def test_each_input_adds_its_kernel(kernel, stride, padding, output_shape, cuts):
    w, b = values(*kernel, 6, 4, seed=1), values(6, seed=2)
    f = transposed("Conv2DTranspose", 6, kernel, stride, output_shape, padding)
    expected = cut(full(IMAGE, w, stride), cuts) + b
    out = f.apply({"conv": {"w": w, "b": b}}, IMAGE)
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-5)
    if output_shape is not None:
        assert out.shape[1:3] == output_shape


def test_by_hand():
    f = transposed("Conv1DTranspose", 1, 3, stride=2, padding="VALID", with_bias=False)
    w = jnp.array([1.0, 10.0, 100.0]).reshape(3, 1, 1)
    out = f.apply({"conv": {"w": w}}, jnp.array([2.0, 3.0]).reshape(2, 1))
    np.testing.assert_array_equal(out[:, 0], [200, 20, 302, 30, 3])


@pytest.mark.parametrize(("module", "axes"), [("Conv1DTranspose", 1), ("Conv3DTranspose", 3), ("ConvNDTranspose", 4)])
def test_any_number_of_axes(module, axes):
    x, w, b = values(2, *[3, 2, 3, 2][:axes], 2), values(*[2, 1, 2, 1][:axes], 3, 2, seed=1), values(3, seed=2)
    settings = (axes, 3, w.shape[:axes]) if module == "ConvNDTranspose" else (3, w.shape[:axes])
    f = transposed(module, *settings, padding="VALID")
    expected = full(x, w, [1] * axes) + b
    np.testing.assert_allclose(f.apply({"conv": {"w": w, "b": b}}, x), expected, rtol=1e-5, atol=1e-6)


@given(st.integers(1, 9), st.integers(1, 5), st.integers(1, 5), st.sampled_from(["SAME", "VALID"]), st.data())
def test_a_convolution_undoes_the_shape(size, kernel, stride, padding, data):
    x = jnp.zeros([1, size, 1])
    least = (size - 1) * stride + (1 if padding == "SAME" else kernel)
    output_shape = data.draw(st.sampled_from([None, *range(least, least + stride)]))
    f = transposed("Conv1DTranspose", 1, kernel, stride, output_shape, padding)
    out = jnp.zeros(shape_of(f, x))
    if output_shape is not None:
        assert out.shape[1] == output_shape
    back = hk.transform(lambda x: hk.Conv1D(1, kernel, stride, padding=padding)(x))
    assert shape_of(back, out) == x.shape


@given(st.integers(1, 6), st.integers(1, 5), st.integers(1, 5), st.sampled_from(["SAME", "VALID"]))
def test_with_a_mirrored_kernel_it_is_the_transpose_of_a_convolution(size, kernel, stride, padding):
    w, x = values(kernel, 2, 3, seed=size), values(1, size, 3)
    y = transposed("Conv1DTranspose", 2, kernel, stride, padding=padding, with_bias=False).apply({"conv": {"w": w}}, x)
    forward = hk.transform(lambda y: hk.Conv1D(3, kernel, stride, padding=padding, with_bias=False)(y))
    _, pull_back = jax.vjp(lambda y: forward.apply({"conv1_d": {"w": w[::-1]}}, y), jnp.zeros_like(y))
    np.testing.assert_allclose(y, pull_back(jnp.asarray(x))[0], rtol=1e-5, atol=1e-6)


def test_channels_first():
    w, b = values(3, 2, 5, 4, seed=1), values(5, seed=2)
    last = transposed("Conv2DTranspose", 5, (3, 2), 2, (7, 6))
    first = transposed("Conv2DTranspose", 5, (3, 2), 2, (7, 6), data_format="NCHW")
    out = first.apply({"conv": {"w": w, "b": b[:, None, None]}}, np.moveaxis(IMAGE, -1, 1))
    expected = last.apply({"conv": {"w": w, "b": b}}, IMAGE)
    np.testing.assert_allclose(np.moveaxis(out, 1, -1), expected, rtol=1e-5, atol=1e-6)


def test_without_a_batch_axis():
    f, params = transposed("Conv1DTranspose", 2, 3, 2), {"conv": {"w": values(3, 2, 4), "b": values(2)}}
    np.testing.assert_allclose(f.apply(params, LINE[0]), f.apply(params, LINE)[0], rtol=1e-6)


def test_a_mask_hides_weights():
    mask, w = np.arange(12).reshape(3, 1, 4) % 2 == 0, values(3, 1, 4)
    masked = transposed("Conv1DTranspose", 1, 3, with_bias=False, mask=mask)
    plain = transposed("Conv1DTranspose", 1, 3, with_bias=False)
    np.testing.assert_array_equal(masked.apply({"conv": {"w": w}}, LINE), plain.apply({"conv": {"w": w * mask}}, LINE))


def test_default_initial_values():
    params = transposed("Conv2DTranspose", 30, 3).init(0, jnp.zeros([1, 2, 2, 500]))["conv"]
    assert params["w"].shape == (3, 3, 30, 500)
    np.testing.assert_allclose(np.std(params["w"]), 0.8796 / np.sqrt(9 * 500), rtol=0.01)
    np.testing.assert_array_equal(params["b"], np.zeros(30))


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.float16])
def test_parameters_and_output_have_the_dtype_of_the_input(dtype):
    f = transposed("Conv1DTranspose", 2, 3, w_init=jnp.ones)
    params = f.init(None, LINE.astype(dtype))
    assert {p.dtype for p in params["conv"].values()} == {jnp.dtype(dtype)}
    assert f.apply(params, LINE.astype(dtype)).dtype == dtype


def test_the_precision_reaches_the_convolution():
    f, params = transposed("Conv1DTranspose", 2, 3), {"conv": {"w": values(3, 2, 4), "b": values(2)}}
    assert "HIGHEST" in str(jax.make_jaxpr(lambda x: f.apply(params, x, precision="highest"))(LINE))


def test_empty_arrays_are_no_error():
    assert shape_of(transposed("Conv1DTranspose", 3, 3, 2), LINE[:0]) == (0, 10, 3)
    assert shape_of(transposed("Conv1DTranspose", 0, 3, 2), LINE) == (2, 10, 0)
    assert shape_of(transposed("Conv1DTranspose", 3, 3, 2), LINE[:, :0]) == (2, 0, 3)


def test_bad_input_is_refused():
    def message(kind, text, *args, x=IMAGE, module="Conv2DTranspose", **kwargs):
        with pytest.raises(kind, match=re.escape(text)):
            transposed(module, *args, **kwargs).init(0, x)

    message(ValueError, "Conv2DTranspose: kernel_shape is 0, expected 1 or more along each axis", 2, 0)
    message(ValueError, "Conv2DTranspose: stride is (1, 0), expected 1 or more along each axis", 2, 3, (1, 0))
    message(TypeError, "Conv2DTranspose: stride is 0.5 of type float, expected an integer or a sequence", 2, 3, 0.5)
    text = "Conv2DTranspose: output_shape is (7, 5, 6), expected an integer or a sequence of 2, one for each"
    message(ValueError, text, 2, 3, output_shape=(7, 5, 6))
    message(TypeError, "Conv2DTranspose: output_channels is None of type NoneType, expected an integer", None, 3)
    message(ValueError, "ConvNDTranspose: num_spatial_dims is 0, expected 1 or", 0, 2, 3, module="ConvNDTranspose")
    message(ValueError, "Conv2DTranspose: data_format is 'HWC', expected 'channels_last'", 2, 3, data_format="HWC")
    message(ValueError, "Conv2DTranspose: padding is 'FULL', expected one of 'SAME', 'VALID'.", 2, 3, padding="FULL")
    for padding in (hk.pad.same, None, (1, 2, 3), [(1, 1)] * 3):
        text = f"Conv2DTranspose: padding is {padding!r}, expected 'SAME', 'VALID', a pair of integers, how much to pad"
        message(ValueError, text, 2, 3, padding=padding)
    text = "Conv2DTranspose: padding is (1, 1) and output_shape is given, expected 'SAME' or 'VALID' with it"
    message(ValueError, text, 2, 3, padding=(1, 1), output_shape=7)
    text = "output_shape of module 'conv' is (7, 7), expected between 5 and 6 along spatial axis 1: the sizes of which"
    message(ValueError, f"Conv2DTranspose: {text} padding 'SAME', a kernel of size 3 and stride 2 leave 3", 2, 3, 2, 7)
    message(ValueError, "is (8, 8), expected between 9 and 10 along spatial axis 0", 2, 3, 2, 8, "VALID")
    text = "Conv2DTranspose: mask of module 'conv' has shape (3, 3, 4, 2), expected the shape of the weights, (3, 3, 2"
    message(ValueError, text, 2, 3, mask=np.ones([3, 3, 4, 2]))
    text = "Conv2DTranspose: inputs of module 'conv' has shape (2, 5), expected 4 axes: batch, 2 spatial, channels"
    message(ValueError, text, 2, 3, x=np.ones([2, 5]))
    message(TypeError, "Conv2DTranspose: inputs of module 'conv' is of type list, expected an array", 2, 3, x=[1.0])
    text = "Conv2DTranspose: inputs of module 'conv' has the spatial sizes (4, 3), of which a kernel of shape (3, 3)"
    message(ValueError, text, 2, 3, padding=(-9, 0))
    message(ValueError, text, 2, 3, padding=(-4, 0))
