"""Draws in blocks beside those of jax.random: the same values bit for bit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from haiku_like._jax_compat import DRAWS_ALIKE_IN_BLOCKS

import haiku_like as hk
from haiku_like import _draws

SERVES = DRAWS_ALIKE_IN_BLOCKS and not jax.config.read("jax_disable_most_optimizations")
pytestmark = pytest.mark.optimized

KEYS = [jax.random.PRNGKey(3), jax.random.key(4)]
SHAPES = [(), (0,), (3,), (4096,), (7, 11, 5), (4097, 4), (64, 3), (512, 1), (300, 77), (512, 257)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("key", KEYS, ids=["raw", "typed"])
def test_blocks_have_the_values_of_jax_random(key, shape):
    assert _draws._serves(key, jnp.float32, 1.0) == SERVES
    pairs = [
        (_draws.uniform(key, shape, jnp.float32, -0.3, 0.77), jax.random.uniform(key, shape, "float32", -0.3, 0.77))
    ]
    scale = jnp.float32(0.3)
    for bounds in ((-2.0, 2.0), (-0.5, 3)):
        out = _draws.truncated_normal(key, *bounds, shape, jnp.float32, 0.3)
        pairs.append((out, scale * jax.random.truncated_normal(key, *bounds, shape, "float32")))
    for ours, expected in pairs:
        assert (ours.shape, ours.dtype, ours.weak_type) == (expected.shape, expected.dtype, False)
        np.testing.assert_array_equal(ours, expected)


def test_other_draws_are_those_of_jax_random():
    key = KEYS[1]
    others = [
        (jax.random.key(0, impl="rbg"), jnp.float32, 1.0),
        (jax.device_put(key, jax.devices()[1]), jnp.float32, 1.0),
        (key, jnp.bfloat16, 1.0),
        (key, jnp.float32, jnp.float32(1)),
    ]
    for key, dtype, stddev in others:
        assert not _draws._serves(key, dtype, stddev)
        expected = jnp.asarray(stddev, dtype) * jax.random.truncated_normal(key, -2.0, 2.0, (3, 5), dtype)
        out = _draws.truncated_normal(key, -2.0, 2.0, (3, 5), dtype, stddev)
        np.testing.assert_array_equal(out, expected)
        assert out.devices() == expected.devices()


def test_under_a_transform_the_draws_are_traced():
    model = hk.transform(lambda: hk.get_parameter("w", [3, 5], init=hk.initializers.TruncatedNormal()))
    eager = model.init(KEYS[0])
    jax.tree.map(np.testing.assert_array_equal, jax.jit(lambda: model.init(KEYS[0]))(), eager)
    many = jax.vmap(model.init)(jnp.stack([KEYS[0], jax.random.PRNGKey(9)]))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a[0], b, rtol=1e-6), many, eager)


def test_a_network_compiles_no_sampler_for_each_shape(monkeypatch):
    if not SERVES:
        pytest.skip("here blocks are rounded otherwise")

    def never(*_, **__):
        raise AssertionError

    for name in ("truncated_normal", "uniform"):
        monkeypatch.setattr(jax.random, name, never)
    sizes = [5, 6]
    inits = [hk.initializers.VarianceScaling(), hk.initializers.UniformScaling()]

    def forward(x):
        for size, init in zip(sizes, inits, strict=True):
            x = hk.Linear(size, w_init=init)(x)
        return x

    assert len(hk.transform(forward).init(0, jnp.ones([2, 3], jnp.float32))) == 2
