import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rlax_like import _short_axis


@pytest.mark.parametrize("size", [0, 1, 8, 9, 51])
@pytest.mark.parametrize("batch", [(), (5,), (2, 3)])
def test_it_is_the_sum_and_so_is_its_derivative(batch, size):
    x = np.random.default_rng(0).normal(size=(*batch, size)).astype(np.float32)
    np.testing.assert_allclose(_short_axis.total(x), x.astype(np.float64).sum(-1), rtol=1e-5, atol=1e-5)
    w = np.random.default_rng(1).normal(size=batch).astype(np.float32)
    gradient = jax.grad(lambda x: jnp.sum(w * _short_axis.total(x)))(x)
    np.testing.assert_allclose(gradient, np.broadcast_to(w[..., None], x.shape), rtol=1e-6)
    if batch:
        np.testing.assert_allclose(jax.vmap(_short_axis.total)(x), _short_axis.total(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("by", [_short_axis._by_product, _short_axis._by_reduction])
def test_either_way_what_is_infinite_stays_so(by):
    x = jnp.ones(9).at[4].set(jnp.inf)
    assert by(x) == jnp.inf
    assert jnp.isnan(by(x.at[5].set(-jnp.inf)))
    assert by(jnp.arange(9.0)) == 36
