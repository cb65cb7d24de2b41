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


LINE, IMAGE = values(2, 9, 4), values(2, 7, 6, 4)


def conv(module, *args, **kwargs):
    return hk.transform(lambda x, **call: getattr(hk, module)(*args, name="conv", **kwargs)(x, **call))


def shape_of(module, x, *args, **kwargs):
    f = conv(module, *args, **kwargs)
    params = jax.eval_shape(f.init, jax.random.key(0), x)
    return jax.eval_shape(f.apply, params, x).shape


def by_hand(x, w, b, stride, rate, pads, groups=1):
    """One output after the other, in double precision."""
    x, w = np.pad(x.astype(np.float64), [(0, 0), *pads, (0, 0)]), w.astype(np.float64)
    spatial = w.ndim - 2
    spans = [(size - 1) * step + 1 for size, step in zip(w.shape, rate, strict=False)]
    sizes = [(size - span) // step + 1 for size, span, step in zip(x.shape[1:], spans, stride, strict=False)]
    out = np.empty((len(x), *sizes, w.shape[-1]))
    for index in np.ndindex(*sizes):
        where = [slice(i * s, i * s + span, r) for i, s, span, r in zip(index, stride, spans, rate, strict=True)]
        windows, kernels = np.split(x[(slice(None), *where)], groups, -1), np.split(w, groups, -1)
        axes = (range(1, spatial + 2), range(spatial + 1))
        parts = [np.tensordot(window, kernel, axes) for window, kernel in zip(windows, kernels, strict=True)]
        out[(slice(None), *index)] = np.concatenate(parts, -1)
    return out + b


@pytest.mark.parametrize(
    ("kernel", "stride", "rate", "padding", "pads", "groups"),
    [
        ((3, 2), (1, 1), (1, 1), "VALID", ((0, 0), (0, 0)), 1),
        ((3, 2), (1, 1), (1, 1), "SAME", ((1, 1), (0, 1)), 1),
        ((3, 2), (1, 1), (1, 1), "same_lower", ((1, 1), (1, 0)), 1),
        # 7 -> 3 strides by 3 from the first pixel; 6 -> 3 by 2.
        ((3, 3), (3, 2), (1, 1), "SAME", ((1, 1), (0, 1)), 2),
        ((2, 3), (1, 2), (3, 2), (4, 1), ((4, 1), (4, 1)), 1),
        ((3, 2), (1, 1), (1, 2), [(0, 2), (3, 1)], ((0, 2), (3, 1)), 4),
        ((3, 2), (1, 1), (2, 1), hk.pad.causal, ((4, 0), (1, 0)), 1),
        ((3, 2), (2, 2), (1, 1), [hk.pad.full, hk.pad.same], ((2, 2), (0, 1)), 1),
    ],
)
def test_each_output_is_a_sum_over_its_window(kernel, stride, rate, padding, pads, groups):
    w, b = values(*kernel, 4 // groups, 8, seed=1), values(8, seed=2)
    f = conv("Conv2D", 8, kernel, stride, rate, padding, feature_group_count=groups)
    expected = by_hand(IMAGE, w, b, stride, rate, pads, groups)
    np.testing.assert_allclose(f.apply({"conv": {"w": w, "b": b}}, IMAGE), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("module", "axes"), [("Conv1D", 1), ("Conv3D", 3), ("ConvND", 4)])
def test_any_number_of_axes(module, axes):
    x, w, b = values(2, *[4, 3, 3, 2][:axes], 2), values(*[2, 1, 2, 1][:axes], 2, 3, seed=1), values(3, seed=2)
    settings = (axes, 3, w.shape[:axes]) if module == "ConvND" else (3, w.shape[:axes])
    f = conv(module, *settings, padding="VALID")
    expected = by_hand(x, w, b, [1] * axes, [1] * axes, [(0, 0)] * axes)
    np.testing.assert_allclose(f.apply({"conv": {"w": w, "b": b}}, x), expected, rtol=1e-5, atol=1e-6)


def test_an_average_by_hand():
    f = conv("Conv1D", 1, 3, padding=hk.pad.causal, with_bias=False)
    x = jnp.array([3.0, 6.0, 9.0, 0.0])[:, None]
    np.testing.assert_allclose(f.apply({"conv": {"w": jnp.full([3, 1, 1], 1 / 3)}}, x)[:, 0], [1, 3, 6, 5], rtol=1e-6)


@pytest.mark.parametrize("data_format", ["NCHW", "channels_first", "NC..."])
def test_channels_first(data_format):
    w, b = values(3, 2, 4, 5, seed=1), values(5, seed=2)
    last, first = conv("Conv2D", 5, (3, 2), 2), conv("Conv2D", 5, (3, 2), 2, data_format=data_format)
    out = first.apply({"conv": {"w": w, "b": b[:, None, None]}}, np.moveaxis(IMAGE, -1, 1))
    expected = last.apply({"conv": {"w": w, "b": b}}, IMAGE)
    np.testing.assert_allclose(np.moveaxis(out, 1, -1), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("data_format", ["NWC", "NCW"])
def test_without_a_batch_axis(data_format):
    f = conv("Conv1D", 5, 3, data_format=data_format)
    params = {"conv": {"w": values(3, LINE.shape[1 if data_format == "NCW" else 2], 5)}}
    params["conv"]["b"] = values(5, 1) if data_format == "NCW" else values(5)
    out = f.apply(params, LINE[0])
    np.testing.assert_allclose(out, f.apply(params, LINE)[0], rtol=1e-6)
    assert out.ndim == 2


def test_a_mask_hides_weights():
    mask = np.arange(12).reshape(3, 4, 1) % 2 == 0
    w = values(3, 4, 1)
    masked, plain = conv("Conv1D", 1, 3, with_bias=False, mask=mask), conv("Conv1D", 1, 3, with_bias=False)
    expected = plain.apply({"conv": {"w": w * mask}}, LINE)
    np.testing.assert_array_equal(masked.apply({"conv": {"w": w}}, LINE), expected)
    half = masked.apply({"conv": {"w": w.astype(jnp.bfloat16)}}, LINE.astype(jnp.bfloat16))
    assert half.dtype == jnp.bfloat16


def test_default_initial_values():
    params = conv("Conv2D", 300, 3, feature_group_count=2).init(0, jnp.zeros([1, 2, 2, 64]))["conv"]
    assert params["w"].shape == (3, 3, 32, 300)
    np.testing.assert_allclose(np.std(params["w"]), 0.8796 / np.sqrt(9 * 32), rtol=0.01)
    np.testing.assert_array_equal(params["b"], np.zeros(300))


def test_initializers_are_used():
    f = conv("Conv1D", 2, 1, w_init=hk.initializers.Constant(2.0), b_init=hk.initializers.Constant(1.0))
    out = f.apply(f.init(None, LINE), LINE)
    np.testing.assert_allclose(out, np.repeat(2 * LINE.sum(-1, keepdims=True) + 1, 2, -1), rtol=1e-5, atol=1e-6)


def test_attributes():
    built = []
    hk.transform(lambda: built.append(hk.Conv2D(5, 3, (1, 2), 2, [(1, 1), (0, 2)], data_format="NCHW"))).init(None)
    (module,) = built
    assert (module.num_spatial_dims, module.output_channels, module.kernel_shape) == (2, 5, (3, 3))
    assert (module.stride, module.kernel_dilation, module.padding) == ((1, 2), (2, 2), ((1, 1), (0, 2)))
    assert (module.data_format, module.channel_index, module.feature_group_count) == ("NCHW", 1, 1)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.float16])
def test_parameters_and_output_have_the_dtype_of_the_input(dtype):
    f = conv("Conv1D", 2, 3, w_init=jnp.ones)
    x = LINE.astype(dtype)
    params = f.init(None, x)
    assert {p.dtype for p in params["conv"].values()} == {jnp.dtype(dtype)}
    assert f.apply(params, x).dtype == dtype


def test_other_parameters_than_inputs_promote():
    params = {"conv": {"w": values(3, 4, 2), "b": values(2)}}
    assert conv("Conv1D", 2, 3).apply(params, LINE.astype(jnp.bfloat16)).dtype == jnp.float32


def test_the_precision_reaches_the_convolution():
    f, params = conv("Conv1D", 2, 3), {"conv": {"w": values(3, 4, 2), "b": values(2)}}
    jaxpr = str(jax.make_jaxpr(lambda x: f.apply(params, x, precision="highest"))(LINE))
    assert "HIGHEST" in jaxpr


def test_empty_arrays_are_no_error():
    assert shape_of("Conv1D", LINE[:0], 3, 2) == (0, 9, 3)
    assert shape_of("Conv1D", LINE, 0, 2) == (2, 9, 0)
    assert shape_of("Conv1D", LINE[..., :0], 3, 2) == (2, 9, 3)
    assert shape_of("Conv1D", LINE[:, :0], 3, 2) == (2, 0, 3)


@given(st.integers(1, 12), st.integers(1, 4), st.integers(1, 4), st.integers(1, 3))
def test_sizes_of_outputs(size, kernel, stride, rate):
    x = jnp.zeros([1, size, 1])
    assert shape_of("Conv1D", x, 1, kernel, stride, rate, "SAME")[1] == -(-size // stride)
    span = (kernel - 1) * rate + 1
    if span <= size:
        assert shape_of("Conv1D", x, 1, kernel, stride, rate, "VALID")[1] == (size - span) // stride + 1


def test_bad_settings_are_refused():
    def message(kind, text, *args, module="Conv2D", **kwargs):
        with pytest.raises(kind, match=re.escape(text)):
            conv(module, *args, **kwargs).init(0, IMAGE)

    for name in ("kernel_shape", "stride", "rate"):
        for kind, value, text in (
            (ValueError, (3, 0), "(3, 0), expected 1 or more along each axis"),
            (ValueError, -1, "-1, expected 1 or more along each axis"),
            (ValueError, [1, 2, 3], "[1, 2, 3], expected an integer or a sequence of 2, one for each spatial axis"),
            (TypeError, 1.5, "1.5 of type float, expected an integer or a sequence of 2, one for each spatial axis"),
            (TypeError, None, "None of type NoneType, expected an integer"),
        ):
            message(kind, f"Conv2D: {name} is {text}", 2, **{"kernel_shape": 3} | {name: value})
    message(TypeError, "Conv2D: output_channels is '3' of type str, expected an integer", "3", 3)
    message(ValueError, "Conv2D: output_channels is -3, expected 0 or more", -3, 3)
    text = "Conv2D: output_channels is 5, expected a multiple of feature_group_count=2, so that each group has as many"
    message(ValueError, text, 5, 3, feature_group_count=2)
    message(ValueError, "Conv2D: feature_group_count is 0, expected 1 or more", 2, 3, feature_group_count=0)
    message(ValueError, "ConvND: num_spatial_dims is 0, expected 1 or more", 0, 2, 3, module="ConvND")
    message(
        ValueError, "Conv2D: data_format is 'HWC', expected 'channels_last', 'channels_first'", 2, 3, data_format="HWC"
    )
    text = "Conv2D: padding is 'FULL', expected one of 'SAME', 'VALID', 'SAME_LOWER'"
    message(ValueError, text, 2, 3, padding="FULL")
    for padding in (None, 1, ("SAME", "VALID"), (1, 2, 3), [(1, 1)] * 3):
        text = (
            f"Conv2D: padding is {padding!r}, expected 'SAME', 'VALID', 'SAME_LOWER', a function such as hk.pad.causal"
        )
        message(ValueError, text, 2, 3, padding=padding)
    message(ValueError, "Conv2D: padding is [<function", 2, 3, padding=[hk.pad.same] * 3)
    text = "Conv2D: padding <lambda> returned (1,) for a kernel of size 3, expected a pair of integers"
    message(TypeError, text, 2, 3, padding=lambda size: (1,))


def test_bad_inputs_are_refused():
    def message(kind, text, x, module="Conv2D", **kwargs):
        with pytest.raises(kind, match=re.escape(text)):
            conv(module, 4, 3, **kwargs).init(0, x)

    for x in (IMAGE[None], IMAGE[0, 0], IMAGE[0, 0, 0, 0]):
        text = f"Conv2D: inputs of module 'conv' has shape {np.shape(x)}, expected 4 axes: batch, 2 spatial, channels"
        message(ValueError, text, np.asarray(x))
    for x, kind in (
        (IMAGE.tolist(), "list"),
        (None, "NoneType"),
        (jax.random.key(0), "key<fry>"),
        (np.array("a"), "<U1"),
    ):
        message(TypeError, f"Conv2D: inputs of module 'conv' is of type {kind}, expected an array of numbers", x)
    message(TypeError, "dtype is int32, expected a floating dtype", IMAGE.astype(np.int32))
    text = "Conv2D: inputs of module 'conv' has 3 channels, expected a multiple of feature_group_count=2. With data_"
    message(ValueError, text, IMAGE[..., :3], feature_group_count=2)
    text = "Conv2D: mask of module 'conv' has shape (3, 3), expected the shape of the weights, (3, 3, 4, 4)"
    message(ValueError, text, IMAGE, mask=np.ones([3, 3]))
    text = (
        "inputs of module 'conv' has the spatial sizes (7, 6), of which a kernel of shape (3, 3) with rate (3, 3) and"
    )
    message(ValueError, f"Conv2D: {text} padding 'VALID' leaves nothing", IMAGE, rate=3, padding="VALID")
    message(ValueError, "padding ((-3, -3), (-3, -3)) leaves nothing, expected larger", IMAGE, padding=(-3, -3))


def test_other_channels_than_in_init_are_refused():
    f = conv("Conv1D", 2, 3, w_init=jnp.ones)
    with pytest.raises(
        ValueError, match=r"conv/w in the params passed to apply has shape \(3, 4, 2\), expected \(3, 3"
    ):
        f.apply(f.init(None, LINE), LINE[..., :3])
