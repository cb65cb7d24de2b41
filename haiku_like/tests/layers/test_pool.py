import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import haiku_like as hk

X = np.random.RandomState(0).uniform(-1, 1, (2, 7, 6, 3)).astype(np.float32)


def by_hand(reduce, x, window, strides, padding):
    """One window after the other, in double precision; padding is left out."""
    x = x.astype(np.float64)
    if padding == "SAME":
        sizes = [-(-size // stride) for size, stride in zip(x.shape, strides, strict=True)]
        starts = [
            -(max(0, (n - 1) * stride + w - size) // 2)
            for n, stride, w, size in zip(sizes, strides, window, x.shape, strict=True)
        ]
    else:
        sizes = [(size - w) // stride + 1 for size, stride, w in zip(x.shape, strides, window, strict=True)]
        starts = [0] * x.ndim
    out = np.empty(sizes)
    for index in np.ndindex(*sizes):
        corners = [start + i * stride for start, i, stride in zip(starts, index, strides, strict=True)]
        out[index] = reduce(x[tuple(slice(max(0, c), c + w) for c, w in zip(corners, window, strict=True))])
    return out


POOLS = pytest.mark.parametrize(("pool", "reduce"), [(hk.avg_pool, np.mean), (hk.max_pool, np.max)])


@POOLS
@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize(
    ("window", "strides", "channel_axis", "full_window", "full_strides"),
    [
        ((3, 2, 1), (2, 1, 1), -1, (1, 3, 2, 1), (1, 2, 1, 1)),
        (3, 2, -1, (1, 3, 3, 1), (1, 2, 2, 1)),
        (2, 3, 1, (1, 1, 2, 2), (1, 1, 3, 3)),
        (2, 1, None, (1, 2, 2, 2), (1, 1, 1, 1)),
        # Sequences end at the last axis, wherever the channels are.
        ((2, 3), (2,), -1, (1, 1, 2, 3), (1, 1, 1, 2)),
        (np.array([2, 1, 3, 1]), [1, 2, 5, 1], 3, (2, 1, 3, 1), (1, 2, 5, 1)),
        ((), 1, -1, (1, 1, 1, 1), (1, 1, 1, 1)),
    ],
)
def test_each_output_reduces_its_window(
    pool, reduce, padding, window, strides, channel_axis, full_window, full_strides
):
    out = pool(X, window, strides, padding, channel_axis)
    np.testing.assert_allclose(out, by_hand(reduce, X, full_window, full_strides, padding), rtol=1e-5, atol=1e-6)


@POOLS
@given(st.integers(1, 9), st.integers(1, 12), st.integers(1, 5))
def test_lines(pool, reduce, size, window, stride):
    x = np.arange(size, dtype=np.float32)
    expected = by_hand(reduce, x, [window], [stride], "SAME")
    np.testing.assert_allclose(pool(x, (window,), (stride,), "SAME"), expected, rtol=1e-6)


@pytest.mark.parametrize(("module", "pool"), [("AvgPool", hk.avg_pool), ("MaxPool", hk.max_pool)])
def test_modules_do_what_the_functions_do(module, pool):
    settings = ((2, 3, 1), 2, "SAME", None)
    f = hk.transform(lambda x: getattr(hk, module)(*settings)(x))
    assert f.init(None, X) == {}
    np.testing.assert_array_equal(f.apply({}, X), pool(X, *settings))


def test_gradients():
    x = jnp.array([[1.0], [5.0], [2.0]])
    gradient = jax.grad(lambda x: hk.max_pool(x, (2, 1), 1, "SAME").sum())(x)
    np.testing.assert_array_equal(gradient, [[0], [2], [1]])
    gradient = jax.grad(lambda x: hk.avg_pool(x, (2, 1), 1, "SAME").sum())(x)
    np.testing.assert_array_equal(gradient, [[0.5], [1], [1.5]])


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, jnp.float32])
def test_the_dtype_stays(dtype):
    assert hk.avg_pool(X.astype(dtype), 2, 2, "SAME").dtype == dtype
    assert hk.max_pool(X.astype(dtype), 2, 2, "SAME").dtype == dtype


def test_half_precision_means_of_large_windows():
    x = np.full([1, 40, 40, 1], 1000, np.float16)  # The sum is beyond float16, the count beyond bfloat16.
    np.testing.assert_array_equal(hk.avg_pool(x, 40, 40, "VALID"), 1000)
    x = jnp.ones([1, 40, 40, 1], jnp.bfloat16)
    np.testing.assert_array_equal(hk.avg_pool(x, 40, 40, "VALID").astype(jnp.float32), 1)


def test_integers_and_booleans():
    x = np.array([[-7], [-9], [2]], np.int32)
    assert hk.max_pool(x, (2, 1), (2, 1), "VALID") == -7
    np.testing.assert_array_equal(hk.avg_pool(x, (2, 1), 1, "VALID"), [[-8], [-3.5]])
    assert hk.avg_pool(x, (2, 1), 1, "VALID").dtype == jnp.float32
    np.testing.assert_array_equal(hk.max_pool(x > 0, (2, 1), 1, "VALID"), [[False], [True]])


def test_minus_infinity_and_nan_are_values():
    x = jnp.array([[-jnp.inf], [-jnp.inf], [jnp.nan], [1.0]])
    np.testing.assert_array_equal(hk.max_pool(x, (2, 1), (2, 1), "VALID"), [[-np.inf], [np.nan]])


def test_an_empty_batch_is_no_error():
    assert hk.avg_pool(X[:0], 2, 2, "SAME").shape == (0, 4, 3, 3)
    assert hk.max_pool(X[:0], 2, 2, "VALID").shape == (0, 3, 3, 3)


@pytest.mark.parametrize("pool", [hk.avg_pool, hk.max_pool])
def test_bad_input_is_refused(pool):
    def message(kind, text, *args, **kwargs):
        with pytest.raises(kind, match=re.escape(f"{pool.__name__}: {text}")):
            pool(*args, **kwargs)

    for padding in ("same", "FULL", None, ((1, 1), (1, 1)), hk.pad.same):
        message(ValueError, f"padding is {padding!r}, expected 'SAME' or 'VALID'", X, 2, 2, padding)
    for axis in (4, -5, 1.5, "C", (1, 2)):
        text = f"channel_axis is {axis!r}, expected None or an axis of value of shape (2, 7, 6, 3)"
        message(ValueError, text, X, 2, 2, "SAME", axis)
    for name, sizes in (("window_shape", lambda size: (size, 1)), ("strides", lambda size: (1, size))):
        message(ValueError, f"{name} is 0, expected 1 or more along each axis", X, *sizes(0), "SAME")
        message(ValueError, f"{name} is (2, -1), expected 1 or more along each axis", X, *sizes((2, -1)), "SAME")
        message(TypeError, f"{name} is 2.5 of type float, expected an integer or a sequence", X, *sizes(2.5), "SAME")
        text = f"{name} is (1, 1, 1, 1, 1), expected at most 4 sizes, one for each axis of value, whose shape is (2, 7,"
        message(ValueError, text, X, *sizes((1, 1, 1, 1, 1)), "SAME")
        text = f"{name} is 2 and value has shape (6,), expected at least two axes, since an integer leaves the first"
        message(ValueError, text, X[0, 0, :, 0], *sizes(2), "SAME")
    text = (
        "window_shape is (8, 2, 1), expected sizes of at most those of value, whose shape is (2, 7, 6, 3): along axis 1"
    )
    message(ValueError, text, X, (8, 2, 1), 1, "VALID")
    for value, kind in (([1.0], "list"), (None, "NoneType"), (jax.random.key(0), "key<fry>")):
        message(TypeError, f"value is of type {kind}, expected an array of numbers", value, 2, 2, "SAME")


def test_values_that_have_no_mean_or_order_are_refused():
    with pytest.raises(TypeError, match=r"avg_pool: value has dtype bool, expected numbers. Convert it with"):
        hk.avg_pool(X > 0, 2, 2, "SAME")
    with pytest.raises(TypeError, match=r"MaxPool: value has dtype complex64, expected real numbers"):
        hk.transform(lambda x: hk.MaxPool(2, 2, "SAME")(x)).apply({}, X.astype(np.complex64))
    assert hk.avg_pool(X.astype(np.complex64), 2, 2, "SAME").dtype == jnp.complex64
