import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import haiku_like as hk

X = np.linspace(-2, 3, 24, dtype=np.float32).reshape(2, 4, 3)


def linear(*args, **kwargs):
    return hk.transform(lambda x, **call: hk.Linear(*args, **kwargs)(x, **call))


@pytest.mark.parametrize("shape", [(3,), (4, 3), (2, 4, 3), (0, 3)])
def test_it_multiplies_and_adds_along_the_last_axis(shape):
    x = np.resize(X, shape)
    f = linear(5, b_init=hk.initializers.RandomNormal())
    params = f.init(0, x)
    w, b = (np.asarray(params["linear"][name], np.float64) for name in ("w", "b"))
    expected = np.einsum("...i,io->...o", x.astype(np.float64), w) + b
    np.testing.assert_allclose(f.apply(params, x), expected, rtol=1e-5, atol=1e-6)


def test_default_initial_values():
    params = linear(300).init(0, jnp.zeros([1, 400]))["linear"]
    np.testing.assert_allclose(np.std(params["w"]), 0.8796 / 20, rtol=0.01)
    assert np.abs(params["w"]).max() <= 2 / 20
    np.testing.assert_array_equal(params["b"], np.zeros(300))


def test_initializers_are_used():
    f = linear(2, w_init=hk.initializers.Constant(2.0), b_init=hk.initializers.Constant(1.0))
    np.testing.assert_allclose(
        f.apply(f.init(None, X), X), np.repeat(2 * X.sum(-1, keepdims=True) + 1, 2, -1), rtol=1e-6
    )


def test_without_bias():
    f = linear(2, with_bias=False)
    params = f.init(0, X)
    assert list(params["linear"]) == ["w"]
    np.testing.assert_allclose(f.apply(params, X), X @ params["linear"]["w"], rtol=1e-6)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.float16])
def test_parameters_and_output_have_the_dtype_of_the_input(dtype):
    f = linear(2)
    params = f.init(0, X.astype(dtype))
    assert {p.dtype for p in params["linear"].values()} == {jnp.dtype(dtype)}
    assert f.apply(params, X.astype(dtype)).dtype == dtype


@pytest.mark.usefixtures("x64")
def test_double_precision():
    f = linear(2)
    params = f.init(0, X.astype(np.float64))
    assert f.apply(params, X.astype(np.float64)).dtype == jnp.float64


def test_an_empty_output_or_input_is_no_error():
    assert linear(0).init(0, X)["linear"]["w"].shape == (3, 0)
    assert linear(2).init(0, jnp.zeros([4, 0]))["linear"]["w"].shape == (0, 2)


def test_the_precision_reaches_the_product():
    f = linear(2)
    jaxpr = str(jax.make_jaxpr(lambda p, x: f.apply(p, x, precision="highest"))(f.init(0, X), X))
    assert "HIGHEST" in jaxpr


def test_bad_input_is_refused():
    with pytest.raises(
        ValueError, match=re.escape("Linear: inputs of module 'linear' has shape (), expected [*batch, i")
    ):
        linear(2).init(0, jnp.float32(1.0))
    for bad, kind in (([[1.0]], "list"), (None, "NoneType"), (jax.random.key(0), "key<fry>")):
        with pytest.raises(
            TypeError, match=f"Linear: inputs of module 'linear' is of type {kind}, expected an array of"
        ):
            linear(2).init(0, bad)
    for bad in (None, 1.5, "2", True):
        with pytest.raises(TypeError, match=r"Linear: output_size is .* of type \w+, expected an integer"):
            linear(bad).init(0, X)
    with pytest.raises(ValueError, match=r"Linear: output_size is -1, expected 0 or more"):
        linear(-1).init(0, X)
    with pytest.raises(ValueError, match=r"Linear: b_init is given with with_bias=False, expected None"):
        linear(2, with_bias=False, b_init=jnp.zeros).init(0, X)
    with pytest.raises(TypeError, match=r"dtype is int32, expected a floating dtype.*x.astype\(jnp.float32\)"):
        linear(2).init(0, X.astype(np.int32))
