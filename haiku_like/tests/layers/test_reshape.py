import re

import jax
import jax.numpy as jnp
import pytest

import haiku_like as hk


def shape_after(module, shape):
    return hk.transform(lambda x: module()(x)).apply({}, jnp.zeros(shape)).shape


@pytest.mark.parametrize(
    ("preserve_dims", "expected"),
    [(1, (2, 12)), (2, (2, 3, 4)), (3, (2, 3, 4)), (7, (2, 3, 4)), (-1, (2, 3, 4)), (-2, (2, 12)), (-3, (24,))],
)
def test_flatten(preserve_dims, expected):
    assert shape_after(lambda: hk.Flatten(preserve_dims), (2, 3, 4)) == expected


def test_flatten_keeps_the_order_of_elements():
    x = jnp.arange(24.0).reshape(2, 3, 4)
    out = hk.transform(lambda x: hk.Flatten()(x)).apply({}, x)
    assert out.tolist() == [list(map(float, range(12))), list(map(float, range(12, 24)))]


def test_flatten_of_an_empty_batch():
    assert shape_after(hk.Flatten, (0, 3, 4)) == (0, 12)
    assert shape_after(hk.Flatten, ()) == ()


@pytest.mark.parametrize(
    ("output_shape", "preserve_dims", "expected"),
    [
        ((6, 2), 1, (2, 6, 2)),
        ((-1, 2), 1, (2, 6, 2)),
        ((2, -1, 3), 1, (2, 2, 2, 3)),
        ((2, 2), 2, (2, 3, 2, 2)),
        ((6, -1), -2, (2, 6, 2)),
        ([4, 3], 1, (2, 4, 3)),
    ],
)
def test_reshape(output_shape, preserve_dims, expected):
    assert shape_after(lambda: hk.Reshape(output_shape, preserve_dims), (2, 3, 4)) == expected


def test_reshape_under_jit_and_vmap():
    f = hk.transform(lambda x: hk.Reshape((6, 2))(x))
    x = jnp.zeros([5, 2, 3, 4])
    assert jax.jit(jax.vmap(lambda x: f.apply({}, x)))(x).shape == (5, 2, 6, 2)


def test_bad_input_is_refused():
    with pytest.raises(
        TypeError, match=r"Reshape: output_shape is 5 of type int, expected a sequence, such as \[6, -1\]"
    ):
        shape_after(lambda: hk.Reshape(5), (2, 3))
    for module in (hk.Flatten, lambda n: hk.Reshape((2,), n)):
        with pytest.raises(ValueError, match=r"(Flatten|Reshape): preserve_dims is 0, expected another integer"):
            shape_after(lambda module=module: module(0), (2, 3))
    with pytest.raises(
        ValueError, match=re.escape("Reshape: output_shape is (-1, -1), expected sizes, of which at most one is -1.")
    ):
        shape_after(lambda: hk.Reshape((-1, -1)), (2, 3))
    message = (
        "Reshape: inputs of module 'reshape' has shape (2, 3, 4), of which (3, 4) is reshaped, expected sizes that"
    )
    for output_shape in ((5,), (-1, 5), ()):
        with pytest.raises(ValueError, match=re.escape(message)):
            shape_after(lambda output_shape=output_shape: hk.Reshape(output_shape), (2, 3, 4))
