import jax
import jax.numpy as jnp
import pytest
from haiku_like._jax_compat import current_trace, enclosing_transform


def test_traces_are_equal_where_a_value_may_go_and_unequal_elsewhere():
    outside = current_trace()
    inside = []

    def f(x):
        inside.append(current_trace())
        assert inside[-1] == current_trace()
        assert inside[-1] != outside
        jax.eval_shape(lambda x: inside.append(current_trace()), x)
        assert inside[-2] == current_trace()
        return jax.nn.relu(x)

    jax.jit(f)(1.0)
    jax.grad(f)(1.0)
    jax.vmap(f)(jnp.ones(2))
    assert len(inside) == 6
    assert all(a != b for i, a in enumerate(inside) for b in inside[:i])
    assert current_trace() == outside


@pytest.mark.parametrize(
    "context",
    [
        lambda: jax.default_matmul_precision("float32"),
        lambda: jax.named_scope("scope"),
        lambda: jax.numpy_rank_promotion("allow"),
        lambda: jax.numpy_dtype_promotion("strict"),
        lambda: jax.default_device(jax.devices()[-1]),
        lambda: jax.debug_nans(True),
        lambda: jax.transfer_guard("allow"),
        lambda: jax.checking_leaks(),
        lambda: jax.debug_key_reuse(True),
        lambda: jax.disable_jit(),
    ],
)
def test_settings_of_a_block_are_no_trace(context):
    def f(x):
        before = current_trace()
        with context():
            assert current_trace() == before
        return x

    f(1.0)
    jax.eval_shape(f, 1.0)


def test_the_transform_that_is_found_is_the_innermost_that_the_user_called():
    found = []

    def f(x):
        found.append(enclosing_transform())
        return x

    jax.jit(lambda x: jax.vmap(f)(x))(jnp.ones(2))
    jax.vmap(jax.grad(f))(jnp.ones(2))
    jax.jit(lambda x: jax.tree.map(f, [x]))(1.0)
    jax.jit(f).lower(1.0)
    jax.linear_transpose(f, 1.0)(1.0)
    assert enclosing_transform() is None
    assert found[:5] == ["jax.vmap", "jax.grad", "jax.jit", "jax.jit", "jax.linear_transpose"]
