import jax.numpy as jnp
import numpy as np
import pytest

import haiku_like as hk


@pytest.mark.parametrize("x", [2, [0, 1, 3, -1], np.array([[1, 0]], np.uint8), jnp.array([0.0, 1.0, 1.5]), [True]])
def test_the_one_stands_at_the_class(x):
    out = hk.one_hot(x, 3)
    expected = np.zeros([*np.shape(x), 3])
    for index in np.ndindex(np.shape(x)):
        for c in range(3):
            expected[(*index, c)] = np.asarray(x)[index] == c
    assert out.dtype == jnp.float32
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.int32, bool])
def test_the_dtype_is_as_asked(dtype):
    assert hk.one_hot(jnp.array([1]), 2, dtype).tolist() == [[0, 1]]
    assert hk.one_hot(jnp.array([1]), 2, dtype).dtype == dtype


@pytest.mark.parametrize("x", [jnp.uint8(1), jnp.int8(-1), jnp.bfloat16(256), jnp.float16(2048)])
def test_more_classes_than_the_dtype_can_tell_apart(x):
    out = np.asarray(hk.one_hot(x, 3000))
    assert out.sum() == (x >= 0)
    assert out[int(x)] == (x >= 0)


def test_no_classes():
    assert hk.one_hot(jnp.array([1, 2]), 0).shape == (2, 0)


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="one_hot: num_classes is -1, expected 0 or more"):
        hk.one_hot(jnp.array([1]), -1)
    with pytest.raises(TypeError, match=r"one_hot: num_classes is 2.0 of type float, expected an integer"):
        hk.one_hot(jnp.array([1]), 2.0)
