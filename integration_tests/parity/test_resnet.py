"""The residual networks in their full sizes: layouts like dm-haiku's, and the smallest one's numbers."""

import haiku as dm
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import haiku_like as hk

KEY = jax.random.PRNGKey(42)


def network(lib, depth, **config):
    return lib.transform_with_state(lambda x: getattr(lib.nets, f"ResNet{depth}")(7, **config)(x, is_training=True))


def layout(lib, depth, **config):
    trees = jax.eval_shape(network(lib, depth, **config).init, KEY, jnp.ones([1, 32, 32, 3]))
    return jax.tree.map(lambda x: (x.shape, x.dtype), tuple(map(dict, trees)))


@pytest.mark.thorough
@pytest.mark.parametrize("resnet_v2", [False, True])
@pytest.mark.parametrize("depth", [18, 34, 50, 101, 152, 200])
def test_layouts(depth, resnet_v2):
    assert layout(hk, depth, resnet_v2=resnet_v2) == layout(dm, depth, resnet_v2=resnet_v2)


def test_the_sizes_are_the_same():
    assert {d: dict(c) for d, c in hk.nets.ResNet.CONFIGS.items()} == dm.nets.ResNet.CONFIGS


@pytest.mark.thorough
@pytest.mark.optimized
def test_resnet18_gives_the_same_numbers():
    x = np.random.RandomState(0).uniform(-1, 1, (2, 32, 32, 3)).astype(np.float32)
    config = {"logits_config": {"w_init": jnp.ones}}
    ours, theirs = network(hk, 18, **config), network(dm, 18, **config)
    params, state = jax.jit(theirs.init)(KEY, x)
    jax.tree.map(np.testing.assert_array_equal, jax.jit(ours.init)(KEY, x), (params, state))
    (out, new_state), (dm_out, dm_new_state) = (jax.jit(f.apply)(params, state, None, x) for f in (ours, theirs))
    np.testing.assert_allclose(out, dm_out, rtol=1e-5)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), new_state, dm_new_state)
