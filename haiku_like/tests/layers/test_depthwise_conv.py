import re

import jax.numpy as jnp
import numpy as np
import pytest

import haiku_like as hk


def values(*shape, seed=0):
    return np.random.RandomState(seed).uniform(-1, 1, shape).astype(np.float32)


IMAGE = values(2, 7, 6, 3)


def layer(module, *args, **kwargs):
    return hk.transform(lambda x: getattr(hk, module)(*args, name="conv", **kwargs)(x))


def channel_by_channel(module, x, w, b, *args, **kwargs):
    """Each channel through an ordinary convolution of its own."""
    outs = []
    multiplier = w.shape[-1] // x.shape[-1]
    for i, (kernels, biases) in enumerate(zip(np.split(w, x.shape[-1], -1), np.split(b, x.shape[-1]), strict=True)):
        f = hk.transform(lambda x: getattr(hk, module)(multiplier, *args, name="conv", **kwargs)(x))
        outs.append(f.apply({"conv": {"w": kernels, "b": biases}}, x[..., i : i + 1]))
    return np.concatenate(outs, -1)


@pytest.mark.parametrize(
    ("kernel", "stride", "rate", "padding"),
    [
        ((3, 2), 1, 1, "SAME"),
        (3, (2, 1), (1, 2), "VALID"),
        (3, 1, 2, (hk.pad.causal, hk.pad.same)),
        (2, 2, 1, ((1, 2), (0, 3))),
        (2, 2, 1, (1, 0)),
    ],
)
def test_channels_do_not_mix(kernel, stride, rate, padding):
    kernel_shape = (kernel, kernel) if isinstance(kernel, int) else kernel
    w, b = values(*kernel_shape, 1, 6, seed=1), values(6, seed=2)
    f = layer("DepthwiseConv2D", 2, kernel, stride, rate, padding)
    expected = channel_by_channel("Conv2D", IMAGE, w, b, kernel, stride, rate, padding)
    np.testing.assert_allclose(f.apply({"conv": {"w": w, "b": b}}, IMAGE), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("module", "axes"), [("DepthwiseConv1D", 1), ("DepthwiseConv3D", 3)])
def test_other_numbers_of_axes(module, axes):
    x, w, b = values(2, *[4, 3, 2][:axes], 3), values(*[2] * axes, 1, 6, seed=1), values(6, seed=2)
    expected = channel_by_channel(module.removeprefix("Depthwise"), x, w, b, 2)
    np.testing.assert_allclose(layer(module, 2, 2).apply({"conv": {"w": w, "b": b}}, x), expected, rtol=1e-5, atol=1e-6)


def test_by_hand():
    f = layer("DepthwiseConv1D", 2, 2, padding="VALID", with_bias=False)
    w = jnp.array([[1.0, 0.0, 5.0, 1.0], [0.0, 1.0, 5.0, -1.0]]).reshape(2, 1, 4)
    x = jnp.array([[1.0, 10.0], [2.0, 30.0]])
    np.testing.assert_array_equal(f.apply({"conv": {"w": w}}, x), [[1, 2, 200, -20]])


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_channels_first(axes):
    module = f"DepthwiseConv{axes}D"
    x, w, b = values(2, *[4, 3, 2][:axes], 3), values(*[2] * axes, 1, 6, seed=1), values(6, seed=2)
    last, first = layer(module, 2, 2), layer(module, 2, 2, data_format="channels_first")
    out = first.apply({"conv": {"w": w, "b": b.reshape(6, *[1] * axes)}}, np.moveaxis(x, -1, 1))
    expected = last.apply({"conv": {"w": w, "b": b}}, x)
    np.testing.assert_allclose(np.moveaxis(out, 1, -1), expected, rtol=1e-5, atol=1e-6)


def test_without_a_batch_axis():
    f, params = layer("DepthwiseConv2D", 1, 2), {"conv": {"w": values(2, 2, 1, 3), "b": values(3)}}
    np.testing.assert_allclose(f.apply(params, IMAGE[0]), f.apply(params, IMAGE)[0], rtol=1e-6)


def test_default_initial_values():
    params = layer("DepthwiseConv2D", 5, 3).init(0, jnp.zeros([1, 2, 2, 400]))["conv"]
    assert params["w"].shape == (3, 3, 1, 2000)
    np.testing.assert_allclose(np.std(params["w"]), 0.8796 / 3, rtol=0.02)
    np.testing.assert_array_equal(params["b"], np.zeros(2000))


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_parameters_and_output_have_the_dtype_of_the_input(dtype):
    f = layer("DepthwiseConv2D", 2, 3, w_init=jnp.ones)
    params = f.init(None, IMAGE.astype(dtype))
    assert {p.dtype for p in params["conv"].values()} == {jnp.dtype(dtype)}
    assert f.apply(params, IMAGE.astype(dtype)).dtype == dtype


def test_a_separable_convolution_is_one_with_a_kernel_of_rank_one():
    f = layer("SeparableDepthwiseConv2D", 2, (3, 2), stride=2)
    column, row, b = values(3, 1, 1, 6), values(1, 2, 1, 6, seed=1), values(6, seed=2)
    first, second = "conv/~/depthwise_conv2_d", "conv/~/depthwise_conv2_d_1"
    out = f.apply({first: {"w": column}, second: {"w": row, "b": b}}, IMAGE)
    # The columns take both strides, so the rows slide over every second pixel.
    whole = layer("DepthwiseConv2D", 2, (3, 2), 2, (1, 2), [(1, 1), (0, 2)])
    expected = whole.apply({"conv": {"w": column * row, "b": b}}, IMAGE)
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-6)


def test_the_separable_convolution_passes_its_settings_on():
    settings = {"w_init": hk.initializers.Constant(2.0), "data_format": "NCHW", "padding": hk.pad.causal}
    f = layer("SeparableDepthwiseConv2D", 1, 2, b_init=jnp.ones, **settings)
    x = jnp.ones([1, 3, 4, 4])
    params = f.init(None, x)
    assert {path: list(bundle) for path, bundle in params.items()} == {
        "conv/~/depthwise_conv2_d": ["w"],
        "conv/~/depthwise_conv2_d_1": ["w", "b"],
    }
    np.testing.assert_array_equal(f.apply(params, x)[0, 0, :2, :2], [[5, 9], [9, 17]])
    without = layer("SeparableDepthwiseConv2D", 1, 2, with_bias=False, **settings).init(None, x)
    assert [list(bundle) for bundle in without.values()] == [["w"], ["w"]]


def test_bad_input_is_refused():
    def message(kind, text, *args, x=IMAGE, module="DepthwiseConv2D", **kwargs):
        with pytest.raises(kind, match=re.escape(text)):
            layer(module, *args, **kwargs).init(0, x)

    message(TypeError, "DepthwiseConv2D: channel_multiplier is 1.0 of type float, expected an integer", 1.0, 3)
    message(ValueError, "DepthwiseConv2D: channel_multiplier is -1, expected 0 or more", -1, 3)
    message(ValueError, "DepthwiseConv2D: kernel_shape is (3, 0), expected 1 or more along each axis", 1, (3, 0))
    message(ValueError, "DepthwiseConv2D: stride is 0, expected 1 or more along each axis", 1, 3, 0)
    message(
        ValueError, "DepthwiseConv2D: rate is [1, 2, 3], expected an integer or a sequence of 2", 1, 3, 1, [1, 2, 3]
    )
    message(
        ValueError, "DepthwiseConv2D: padding is 'FULL', expected one of 'SAME', 'VALID', 'SA", 1, 3, padding="FULL"
    )
    message(ValueError, "DepthwiseConv2D: padding is None, expected 'SAME', 'VALID'", 1, 3, padding=None)
    message(ValueError, "DepthwiseConv2D: data_format is 'HWC', expected 'channels_last'", 1, 3, data_format="HWC")
    text = "DepthwiseConv2D: inputs of module 'conv' has shape (2, 5), expected 4 axes: batch, 2 spatial, channels"
    message(ValueError, text, 1, 3, x=np.ones([2, 5]))
    message(TypeError, "DepthwiseConv2D: inputs of module 'conv' is of type NoneType, expected an array", 1, 3, x=None)
    text = "DepthwiseConv2D: inputs of module 'conv' has the spatial sizes (7, 6), of which a kernel of shape (8, 8)"
    message(ValueError, text, 1, 8, padding="VALID")
    text = "SeparableDepthwiseConv2D: kernel_shape is (1, 2, 3), expected an integer or a sequence of 2"
    message(ValueError, text, 1, (1, 2, 3), module="SeparableDepthwiseConv2D")
    text = "DepthwiseConv2D: inputs of module 'conv/~/depthwise_conv2_d' has shape (3, 3), expected 4 axes"
    message(ValueError, text, 1, 3, x=np.ones([3, 3]), module="SeparableDepthwiseConv2D")
