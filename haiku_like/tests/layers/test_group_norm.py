import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import haiku_like as hk

RNG = np.random.RandomState(0)
IMAGES = RNG.normal(-1, 2, (2, 4, 3, 6)).astype(np.float32)


def group_norm(*args, **kwargs):
    return hk.transform(lambda x, *call: hk.GroupNorm(*args, **kwargs)(x, *call))


def reference(x, groups, axes, channel=-1, eps=1e-5):
    """Normalizes the channels of one group after the other; `axes` are those of the input."""
    parts = []
    for part in np.split(np.asarray(x, np.float64), groups, channel):
        parts.append((part - part.mean(axes, keepdims=True)) / np.sqrt(part.var(axes, keepdims=True) + eps))
    return np.concatenate(parts, channel)


def test_by_hand():
    f = group_norm(2, create_scale=False, create_offset=False, eps=0.0)
    np.testing.assert_allclose(f.apply({}, jnp.array([[1.0, 3.0, 10.0, 4.0]])), [[-1, 1, 1, -1]], rtol=1e-6)


@pytest.mark.parametrize("groups", [1, 2, 6])
def test_each_group_is_normalized(groups):
    f = group_norm(groups)
    params = f.init(None, IMAGES)
    assert jax.tree.map(jnp.shape, params) == {"group_norm": {"scale": (6,), "offset": (6,)}}
    np.testing.assert_allclose(f.apply(params, IMAGES), reference(IMAGES, groups, (1, 2, 3)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("data_format", ["channels_first", "NCHW"])
def test_channels_first(data_format):
    f = group_norm(2, data_format=data_format)
    params = f.init(None, IMAGES)
    assert jax.tree.map(jnp.shape, params) == {"group_norm": {"scale": (4, 1, 1), "offset": (4, 1, 1)}}
    np.testing.assert_allclose(f.apply(params, IMAGES), reference(IMAGES, 2, (1, 2, 3), 1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("axis", "data_format", "axes"),
    [
        ([1, 2], "NHWC", (1, 2)),
        (-1, "NHWC", 3),
        (3, "NHWC", 3),
        (slice(None), "NHWC", (0, 1, 2, 3)),
        ((-2, -1), "NHWC", (2, 3)),
        (1, "NCHW", 1),
        ([2, 3], "NCHW", (2, 3)),
        ((-2, -1), "NCHW", (2, 3)),
    ],
)
def test_axes_are_those_of_the_input(axis, data_format, axes):
    f = group_norm(2, axis, False, False, data_format=data_format)
    channel = 3 if data_format == "NHWC" else 1
    np.testing.assert_allclose(f.apply({}, IMAGES), reference(IMAGES, 2, axes, channel), rtol=1e-4, atol=1e-5)


def test_scale_and_offset_of_each_channel():
    scale, offset = RNG.normal(size=(2, 6)).astype(np.float32)
    expected = reference(IMAGES, 3, (1, 2, 3), eps=0.1) * scale + offset
    params = {"norm": {"scale": scale, "offset": offset}}
    np.testing.assert_allclose(
        group_norm(3, eps=0.1, name="norm").apply(params, IMAGES), expected, rtol=1e-4, atol=1e-5
    )
    f = group_norm(3, create_scale=False, create_offset=False, eps=0.1)
    np.testing.assert_allclose(f.apply({}, IMAGES, scale, offset), expected, rtol=1e-4, atol=1e-5)
    scale = RNG.normal(size=(2, 1, 1, 1)).astype(np.float32)
    expected = reference(IMAGES, 3, (1, 2, 3), eps=0.1) * scale + 2
    np.testing.assert_allclose(f.apply({}, IMAGES, scale, 2.0), expected, rtol=1e-4, atol=1e-5)
    f = group_norm(3, scale_init=hk.initializers.Constant(2.0), offset_init=hk.initializers.Constant(1.0))
    expected = 2 * reference(IMAGES, 3, (1, 2, 3)) + 1
    np.testing.assert_allclose(f.apply(f.init(None, IMAGES), IMAGES), expected, rtol=1e-4, atol=1e-5)


def test_one_module_takes_inputs_of_other_sizes():
    def run(x):
        norm = hk.GroupNorm(2)
        return norm(x), norm(x[:, :2]), norm(x[:, 0])

    f = hk.transform(run)
    whole, part, row = f.apply(f.init(None, IMAGES), IMAGES)
    np.testing.assert_allclose(whole, reference(IMAGES, 2, (1, 2, 3)), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(part, reference(IMAGES[:, :2], 2, (1, 2, 3)), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(row, reference(IMAGES[:, 0], 2, (1, 2)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("dtype", "rtol"), [(jnp.bfloat16, 2**-7), (jnp.float16, 2**-10)])
def test_half_precision_is_as_good_as_its_dtype(dtype, rtol):
    x = (300 * IMAGES).astype(dtype)  # In float16 the squares would be infinite.
    f = group_norm(2)
    out = f.apply(f.init(None, x), x)
    assert out.dtype == dtype
    np.testing.assert_allclose(np.asarray(out, np.float64), reference(x, 2, (1, 2, 3)), rtol=rtol, atol=rtol / 8)


@pytest.mark.usefixtures("x64")
def test_double_precision():
    f = group_norm(2, create_scale=False, create_offset=False)
    out = f.apply({}, IMAGES.astype(np.float64))
    np.testing.assert_allclose(out, reference(IMAGES, 2, (1, 2, 3)), rtol=1e-12)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        (
            {"groups": 4},
            ValueError,
            "groups of module 'group_norm' is 4, expected a divisor of 6, the number of channels",
        ),
        ({"groups": 0}, ValueError, "GroupNorm: groups is 0, expected 1 or more"),
        ({"groups": -1}, ValueError, "GroupNorm: groups is -1, expected 0 or more"),
        ({"groups": 2.0}, TypeError, "GroupNorm: groups is 2.0 of type float, expected an integer"),
        ({"axis": None}, TypeError, "GroupNorm: axis is None of type NoneType, expected an axis"),
        ({"axis": 4}, ValueError, "GroupNorm: axis is (4,), expected axes from -4 to 3, since the input has 4 axes"),
        ({"axis": (1, -3)}, ValueError, "GroupNorm: axis is (1, -3), expected each of the input's 4 axes at most once"),
        ({"axis": []}, ValueError, "GroupNorm: x of module 'group_norm' has shape (2, 4, 3, 6), none of whose axes is"),
        ({"data_format": "HWC"}, ValueError, "GroupNorm: data_format is 'HWC', expected 'channels_last'"),
        ({"create_scale": False, "scale_init": jnp.ones}, ValueError, "scale_init is given with create_scale=False"),
        ({"create_offset": False, "offset_init": jnp.ones}, ValueError, "offset_init is given with create_offset=F"),
    ],
)
def test_bad_arguments_are_refused(arguments, error, text):
    with pytest.raises(error, match=re.escape(text)):
        group_norm(**({"groups": 2} | arguments)).init(None, IMAGES)


def test_bad_calls_are_refused():
    f = group_norm(2)
    with pytest.raises(ValueError, match=r"x of module 'group_norm' has shape \(6,\), expected at least 2 axes"):
        f.init(None, IMAGES[0, 0, 0])
    with pytest.raises(
        TypeError, match="GroupNorm: x of module 'group_norm' is of type int64, expected an array of fl"
    ):
        f.init(None, IMAGES.astype(int))
    with pytest.raises(ValueError, match=r"has shape \(2, 0, 3, 6\), expected at least one value along the axes"):
        f.init(None, IMAGES[:, :0])
    with pytest.raises(ValueError, match="GroupNorm: scale is given and create_scale is True, expected one of the two"):
        f.init(None, IMAGES, jnp.ones(6))
    with pytest.raises(ValueError, match=r"GroupNorm: offset has shape \(3,\), expected one that broadcasts to"):
        group_norm(2, create_offset=False).init(None, IMAGES, None, jnp.ones(3))
