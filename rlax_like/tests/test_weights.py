import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rlax_like._precision import wide_reals, widen
from rlax_like._weights import expectation, weighted, weighted_sum


def test_an_infinite_value_of_weight_0_counts_0():
    weights, values = jnp.array([0.0, 0.5, 0.0]), jnp.array([-jnp.inf, 2.0, 3.0])
    np.testing.assert_array_equal(weighted(weights, values), [0.0, 1.0, 0.0])
    assert weighted_sum(weights, values) == 1.0
    gradients = jax.grad(weighted_sum, (0, 1))(weights, values)
    np.testing.assert_array_equal(gradients[0], [0.0, 2.0, 3.0])
    np.testing.assert_array_equal(gradients[1], weights)


@pytest.mark.parametrize("size", [0, 1, 8, 24, 25])
@pytest.mark.parametrize("batch", [(), (5,), (2, 3)])
def test_an_expectation_is_the_sum_and_so_is_its_derivative(batch, size):
    random = np.random.default_rng(0)
    p, x = (random.uniform(size=(*batch, size)).astype(np.float32) for _ in range(2))
    out, vjp = jax.vjp(expectation, p, x)
    np.testing.assert_allclose(out, np.sum(p.astype(np.float64) * x, -1), rtol=1e-5)
    w = random.normal(size=batch).astype(np.float32)
    for gradient, expected in zip(vjp(jnp.asarray(w)), (w[..., None] * x, w[..., None] * p), strict=True):
        np.testing.assert_allclose(gradient, expected, rtol=1e-5)
    if batch:
        np.testing.assert_allclose(jax.vmap(expectation)(p, x), out, rtol=1e-5)


def test_only_a_weight_of_0_hides_a_value():
    weights, values = jnp.array([0.0, 1.0, 1.0, jnp.nan]), jnp.array([jnp.nan, jnp.inf, jnp.nan, 0.0])
    np.testing.assert_array_equal(weighted(weights, values), [0.0, np.inf, np.nan, np.nan])


def test_half_precision_is_widened():
    for dtype, expected in ((jnp.bfloat16, jnp.float32), (jnp.float16, jnp.float32), (jnp.float32, jnp.float32)):
        assert widen(jnp.ones(2, dtype)).dtype == expected
    dtype, (x, y) = wide_reals("f", x=jnp.ones(2, jnp.bfloat16), y=3)
    assert (dtype, x.dtype, y.dtype) == (jnp.bfloat16, jnp.float32, jnp.float32)
