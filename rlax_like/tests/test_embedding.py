import re

import jax.numpy as jnp
import numpy as np
import pytest

import rlax_like as rlax


def test_by_hand():
    features = jnp.array([[0.5, -0.5], [1.0, 2.0]])
    out = rlax.embed_oar(features, jnp.array([1, 3]), jnp.array([2, -1]), 3)
    np.testing.assert_allclose(out, [[0.5, -0.5, 0, 1, 0, np.tanh(2)], [1, 2, 0, 0, 0, np.tanh(-1)]], rtol=1e-6)


def test_no_batch_and_the_dtype():
    out = rlax.embed_oar(jnp.ones(2, jnp.bfloat16), 0, True, 2)
    assert (out.shape, out.dtype) == ((5,), jnp.bfloat16)


def test_errors():
    with pytest.raises(ValueError, match=re.escape("embed_oar: reward has shape (3,), expected (2,) like features")):
        rlax.embed_oar(jnp.ones([2, 4]), jnp.array([0, 1]), jnp.ones(3), 2)
    with pytest.raises(ValueError, match="embed_oar: num_actions is -1, expected 0 or more"):
        rlax.embed_oar(jnp.ones(4), 0, 0.0, -1)
    with pytest.raises(TypeError, match="embed_oar: action must be an integer array"):
        rlax.embed_oar(jnp.ones(4), 0.0, 0.0, 2)
