"""Statistics over replicas under dm-haiku and haiku_like: the same numbers under pmap, vmap and shard_map."""

import warnings

import haiku as dm
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec

import haiku_like as hk

KEY = jax.random.PRNGKey(0)
REPLICAS = 4
X = np.random.RandomState(0).normal(0.5, 2, (REPLICAS, 6, 3)).astype(np.float32)
GROUPS = [[0, 2], [3, 1]]


def batch_norm(groups=None):
    def run(lib, x):
        norm = lib.BatchNorm(True, True, 0.9, cross_replica_axis="i", cross_replica_axis_index_groups=groups)
        return norm(x, is_training=True), norm(x, is_training=False)

    return run


def vector_quantizer(lib, x):
    return lib.nets.VectorQuantizer(3, 5, 0.25, cross_replica_axis="i")(x, is_training=True)


def vector_quantizer_ema(lib, x):
    return lib.nets.VectorQuantizerEMA(3, 5, 0.25, 0.9, cross_replica_axis="i")(x, is_training=True)


def over_vmap(f):
    return jax.jit(jax.vmap(f, axis_name="i"))


def over_pmap(f):
    return jax.pmap(f, axis_name="i", devices=jax.devices()[:REPLICAS])


def over_shard_map(f):
    mesh = jax.make_mesh((REPLICAS,), ("i",), (jax.sharding.AxisType.Auto,), devices=jax.devices()[:REPLICAS])

    def on_one(x):
        return jax.tree.map(lambda y: y[None], f(x[0]))

    # dm-haiku's groups fail where shard_map checks what varies.
    spec = PartitionSpec("i")
    return jax.jit(jax.shard_map(on_one, mesh=mesh, in_specs=spec, out_specs=spec, check_vma=False))


@pytest.mark.parametrize(
    ("program", "mapped"),
    [
        (batch_norm(), over_vmap),
        (batch_norm(), over_pmap),
        (batch_norm(), over_shard_map),
        (batch_norm(GROUPS), over_pmap),
        (batch_norm(GROUPS), over_shard_map),
        (vector_quantizer, over_vmap),
        (vector_quantizer_ema, over_vmap),
        (vector_quantizer_ema, over_pmap),
    ],
)
def test_the_same_numbers(program, mapped):
    def init_and_two_steps(lib, x):
        f = lib.transform_with_state(lambda x: program(lib, x))
        params, state = f.init(KEY, x)
        outs = []
        for step in (x, 2 * x):
            out, new_state = f.apply(params, state, None, step)
            outs.append((out, dict(new_state)))
            state = new_state
        gradient = jax.grad(lambda x: sum(jnp.sum(y**2) for y in floats(f.apply(params, state, None, x)[0])))(x)
        return dict(params), outs, gradient

    with warnings.catch_warnings(action="ignore"):
        theirs = mapped(lambda x: init_and_two_steps(dm, x))(X)
    ours = mapped(lambda x: init_and_two_steps(hk, x))(X)
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6 * np.abs(b).max())


def floats(tree):
    return [x for x in jax.tree.leaves(tree) if jnp.issubdtype(x.dtype, jnp.floating)]
