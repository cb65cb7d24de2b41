"""What is traced once for all calls of the same shapes, and when it is written out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from haiku_like._traced_once import traced_once, written_out, written_out_eagerly

import haiku_like as hk


def counted(*static):
    """A function that notes the shapes it is traced with, and its notes."""
    notes = []

    @traced_once(*static)
    def scaled(x, factor):
        notes.append(np.shape(x))
        return factor * x + 1

    return scaled, notes


def test_calls_of_the_same_shape_share_a_trace():
    scaled, notes = counted()
    np.testing.assert_array_equal(jax.jit(lambda x: scaled(scaled(x, 2.0), 3.0))(jnp.ones(2)), [10, 10])
    np.testing.assert_array_equal(scaled(jnp.ones(2), 4.0), [5, 5])
    assert notes == [(2,)]
    np.testing.assert_array_equal(jax.grad(lambda x: jnp.sum(scaled(x, 2.0)))(jnp.ones(3)), [2, 2, 2])
    assert notes == [(2,), (3,)]


def test_static_arguments_have_traces_of_their_own():
    scaled, notes = counted("factor")
    for factor in (2, 3, 2):
        np.testing.assert_array_equal(scaled(jnp.ones(2), factor=factor), [factor + 1] * 2)
    assert len(notes) == 2


def test_it_is_written_out_where_asked_for():
    scaled, notes = counted()
    with written_out():
        equations = jax.make_jaxpr(lambda x: scaled(x, 2.0))(jnp.ones(2)).eqns
        assert [equation.primitive.name for equation in equations] == ["mul", "add"]
        scaled(jnp.ones(2), 2.0)
    assert len(notes) == 2
    with pytest.raises(TypeError), written_out():
        scaled(None, 2.0)
    scaled(jnp.ones(2), 2.0)
    scaled(jnp.ones(2), 2.0)
    assert len(notes) == 4


def test_eagerly_it_may_run_operation_by_operation():
    scaled, notes = counted()

    def run(x):
        with written_out_eagerly():
            return scaled(x, 2.0)

    for _ in range(2):
        run(jnp.ones(2))
    assert len(notes) == 2
    for _ in range(2):
        jax.jit(lambda x: run(x))(jnp.ones(2))
    assert len(notes) == 3


@pytest.mark.parametrize(
    "layers",
    [
        lambda x: hk.Sequential([hk.Linear(4) for _ in range(3)])(x),
        lambda x: hk.Sequential([hk.Conv1D(4, 3) for _ in range(3)])(x),
        lambda x: hk.Sequential([hk.LayerNorm(-1, True, True) for _ in range(3)])(x),
        lambda x: hk.Sequential([lambda y: hk.MultiHeadAttention(2, 2, 1.0, model_size=4)(y, y, y)] * 3)(x),
    ],
    ids=["linear", "conv", "layer_norm", "attention"],
)
def test_layers_give_the_same_numbers_written_out(layers):
    model = hk.transform(layers)
    x = jax.random.normal(jax.random.key(1), [2, 5, 4])
    params = model.init(jax.random.key(0), x)

    def loss(params):
        return jnp.sum(jnp.square(model.apply(params, x)))

    found = jax.value_and_grad(loss)(params)
    with written_out():
        expected = jax.value_and_grad(loss)(params)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-5), found, expected)
