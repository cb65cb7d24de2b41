import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rlax_like as rlax

X = jnp.arange(48.0).reshape(8, 2, 3)


@pytest.mark.parametrize("axis", [None, 0, (0, 1), ()])
@pytest.mark.parametrize("mapping", [jax.vmap, jax.pmap])
def test_sums_reach_over_the_mapped_axis(axis, mapping):
    expected = np.sum(np.sum(X, axis=0), axis=axis)
    out = mapping(lambda x: rlax.AllSum("d")(x, axis), axis_name="d")(X)
    np.testing.assert_allclose(out, np.broadcast_to(expected, (8, *expected.shape)))


def test_without_a_name_it_is_a_sum():
    np.testing.assert_array_equal(rlax.AllSum()(X, axis=(0, 2)), jnp.sum(X, axis=(0, 2)))
    assert rlax.AllSum()(jnp.array([True, True])) == 2
    assert rlax.AllSum()(3.0) == 3.0
