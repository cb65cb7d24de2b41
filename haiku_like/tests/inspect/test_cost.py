"""The counts against XLA's cost analysis of the same program, and against sums by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import haiku_like as hk


def info(f, *args):
    return hk.experimental.jaxpr_info.make_model_info(f)(*args)


def xla_flops(f, *args):
    return jax.jit(f).lower(*args).cost_analysis()["flops"]


def spec(*shape, dtype=jnp.float32):
    return jax.ShapeDtypeStruct(shape, dtype)


def conv(strides=(1, 1), padding="SAME", rhs_dilation=None, lhs_dilation=None, groups=1, batch_groups=1):
    return lambda x, w: lax.conv_general_dilated(
        x, w, strides, padding, lhs_dilation, rhs_dilation, ("NHWC", "HWIO", "NHWC"), groups, batch_groups
    )


@pytest.mark.parametrize(
    ("f", "args"),
    [
        (jnp.dot, [spec(5, 7), spec(7, 3)]),
        (lambda x, y: jnp.einsum("bij,bkj->bik", x, y), [spec(4, 5, 7), spec(4, 3, 7)]),
        (lambda x, y: jnp.tensordot(x, y, 2), [spec(4, 5, 7), spec(5, 7, 3)]),
        (conv(), [spec(2, 9, 8, 6), spec(3, 3, 6, 4)]),
        (conv(strides=(2, 3)), [spec(2, 9, 8, 6), spec(3, 2, 6, 4)]),
        (conv(padding="VALID", rhs_dilation=(2, 1)), [spec(2, 9, 8, 6), spec(3, 2, 6, 4)]),
        (conv(padding=[(2, 1), (0, 3)]), [spec(2, 9, 8, 6), spec(3, 2, 6, 4)]),
        (conv(groups=3), [spec(2, 9, 8, 6), spec(3, 3, 2, 9)]),
        (conv(groups=6), [spec(2, 9, 8, 6), spec(3, 3, 1, 12)]),
        (conv(padding=[(2, 2), (1, 2)], lhs_dilation=(2, 3)), [spec(2, 5, 4, 6), spec(3, 3, 6, 4)]),
        (lambda x: jnp.sum(x, axis=1), [spec(5, 7, 3)]),
        (lambda x, y: x * y + x, [spec(5, 7), spec(5, 7)]),
        (lambda x: lax.reduce_window(x, 0.0, lax.add, (2, 3), (1, 2), "VALID"), [spec(6, 9)]),
    ],
)
def test_the_count_is_that_of_xla(f, args):
    assert info(f, *args).flops == xla_flops(f, *args) > 0


def test_a_convolution_counts_pairs_of_an_input_and_a_tap():
    """By a loop over every place, tap and channel."""
    x, w = spec(1, 5, 4, 6), spec(3, 2, 3, 4)
    pairs = sum(
        0 <= 2 * i + di - 1 < 5 and 0 <= j + dj < 4  # Stride 2 and padding 1 above, and one column on the right.
        for i in range(3)
        for j in range(4)
        for di in range(3)
        for dj in range(2)
    )
    f = conv(strides=(2, 1), padding=[(1, 1), (0, 1)], groups=2)
    assert info(f, x, w).flops == 2 * pairs * 3 * 4


@pytest.mark.parametrize(
    ("f", "args", "flops"),
    [
        (jnp.tanh, [spec(5, 7)], 35),
        (lambda x: x**3, [spec(5)], 5),
        (jax.nn.relu, [spec(5, 7)], 35),
        (lambda x: jnp.cumsum(x), [spec(6)], 6),
        (lambda x: x.at[jnp.array([0, 1])].add(1.0), [spec(5, 3)], 6),
        (lambda x: x.T.reshape(-1)[:4].astype(jnp.bfloat16), [spec(5, 7)], 0),
        (lambda x: jnp.argmax(x) + jnp.sum(x > 0), [spec(5)], 0),
        (lambda x: x * 2 + 1, [spec(5, dtype=jnp.int32)], 0),
        (lambda x: lax.scan(lambda c, x: (c + x * x, None), 0.0, x)[0], [spec(7)], 14),
        (lambda x: lax.fori_loop(0, 7, lambda i, c: c * 2, x), [spec(3)], 21),
        (lambda x: lax.while_loop(lambda c: jnp.sum(c) < 3, lambda c: c + 1, x), [spec(3)], 5),
        (lambda x: lax.cond(x[0] > 0, lambda x: x + 1, lambda x: (x + 1) * 2, x), [spec(3)], 6),
        (jax.checkpoint(lambda x: jnp.sin(x) * 2), [spec(3)], 6),
        (jax.jit(lambda x: jax.jit(jnp.sin)(x) * 2), [spec(3)], 6),
        (jax.vmap(lambda x: x @ x), [spec(4, 3)], 24),
        (lambda x: x, [spec(3)], 0),
    ],
)
def test_counts_by_hand(f, args, flops):
    assert info(f, *args).flops == flops


def test_functions_with_their_own_derivatives_are_counted():
    @jax.custom_vjp
    def f(x):
        return jnp.sin(x) * 2

    f.defvjp(lambda x: (f(x), x), lambda x, g: (g * jnp.cos(x) * 2,))
    assert info(f, spec(3)).flops == 6
    assert info(jax.grad(lambda x: jnp.sum(f(x))), spec(3)).flops == 6 + 2 + 9


def test_an_unknown_operation_has_no_count():
    (call,) = info(lambda x: jax.pure_callback(np.sin, x, x), spec(3)).expressions
    assert (call.primitive, call.flops) == ("pure_callback", None)
    whole = info(lambda x: jnp.linalg.cholesky(x @ x, symmetrize_input=False), spec(3, 3))
    assert whole.flops == 54
    assert "cholesky: FLOP not known" in hk.experimental.jaxpr_info.format_module(whole)


def test_each_device_of_a_mesh_counts():
    mesh = jax.make_mesh((8,), ("i",), axis_types=(jax.sharding.AxisType.Auto,))
    spec_i = jax.sharding.PartitionSpec("i")
    f = jax.shard_map(lambda x: x * 2, mesh=mesh, in_specs=spec_i, out_specs=spec_i)
    assert info(f, spec(16, 3)).flops == 48


def test_bytes_are_those_read_and_written():
    (product,) = info(jnp.dot, spec(5, 7), spec(7, 3)).expressions
    assert product.bytes == 4 * (35 + 21 + 15)
    (square,) = info(lambda x: x * x, spec(5, dtype=jnp.bfloat16)).expressions
    assert square.bytes == 2 * (5 + 5)  # One array is read once.
    assert info(lambda c, x: lax.scan(lambda c, x: (c + x, None), c, x)[0], spec(), spec(7)).bytes == 7 * 12
    assert info(lambda k: jax.random.bits(k, (2,)), jax.random.key(0)).bytes > 0


def test_a_whole_network_has_the_count_of_xla():
    model = hk.transform_with_state(lambda x: hk.nets.ResNet18(10)(x, is_training=True))
    x = spec(2, 64, 64, 3)
    params, state = jax.eval_shape(model.init, jax.random.key(0), x)
    ours = info(lambda p, s, x: model.apply(p, s, None, x)[0], params, state, x).flops
    xla = xla_flops(lambda p, s, x: model.apply(p, s, None, x)[0], params, state, x)
    assert abs(ours - xla) / xla < 1e-3
