import jax
import jax.numpy as jnp
import numpy as np
import pytest

import haiku_like as hk

KEY = jax.random.key(0)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_zeros_come_at_the_rate_and_the_mean_stays(rate):
    out = np.asarray(hk.dropout(KEY, rate, jnp.ones([400, 400])))
    np.testing.assert_allclose((out == 0).mean(), rate, atol=0.01)
    np.testing.assert_allclose(out.max(), 1 / (1 - rate), rtol=1e-6)
    np.testing.assert_allclose(out.mean(), 1.0, atol=0.02)


def test_rate_zero_changes_nothing():
    x = jnp.arange(3.0)
    assert hk.dropout(KEY, 0.0, x) is x


@pytest.mark.parametrize("axis", [0, -2])
def test_broadcast_dims_share_a_draw(axis):
    out = np.asarray(hk.dropout(KEY, 0.5, jnp.ones([30, 40]), broadcast_dims=[axis]))
    np.testing.assert_array_equal(out, np.broadcast_to(out[:1], out.shape))
    assert 0 < (out[0] == 0).sum() < 40


def test_the_gradient_is_the_mask():
    x = jnp.ones(50)
    out, gradient = hk.dropout(KEY, 0.5, x), jax.grad(lambda x: hk.dropout(KEY, 0.5, x).sum())(x)
    np.testing.assert_array_equal(out, gradient)


def test_the_rate_may_be_traced():
    x = jnp.ones(50)
    np.testing.assert_array_equal(jax.jit(hk.dropout)(KEY, 0.3, x), hk.dropout(KEY, 0.3, x))


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.float16])
def test_the_dtype_stays(dtype):
    assert hk.dropout(KEY, 0.5, jnp.ones(3, dtype)).dtype == dtype


def test_bad_input_is_refused():
    for rate in (1.0, 1.5, -0.1, float("nan")):
        with pytest.raises(ValueError, match=rf"dropout: rate is {rate}, expected 0 <= rate < 1"):
            hk.dropout(KEY, rate, jnp.ones(3))
    with pytest.raises(
        ValueError, match=r"dropout: broadcast_dims has axis 2, expected an axis of x of shape \(3, 4\)"
    ):
        hk.dropout(KEY, 0.5, jnp.ones([3, 4]), broadcast_dims=[2])
