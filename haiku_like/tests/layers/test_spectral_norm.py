import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import haiku_like as hk

W = np.random.RandomState(0).normal(size=(3, 4)).astype(np.float32)
KEY = jax.random.key(0)
PARAMS = {
    "linear": {"w": jnp.asarray(W), "b": jnp.ones(4)},
    "mlp/~/linear_0": {"w": jnp.asarray(2 * W.T)},
}


def spectral_norm(*args, **kwargs):
    return hk.transform_with_state(lambda w, **call: hk.SpectralNorm(*args, **kwargs)(w, **call))


def power_iteration(w, u, n_steps, eps=1e-4):
    """Returns the largest singular value and its right vector, in double precision."""
    w, u = np.asarray(w, np.float64), np.asarray(u, np.float64).ravel()
    for _ in range(n_steps):
        v = w @ u
        v = v / np.sqrt(v @ v + eps)
        u = v @ w
        u = u / np.sqrt(u @ u + eps)
    return v @ w @ u, u, v


@pytest.mark.parametrize("n_steps", [1, 3])
def test_the_steps_of_power_iteration(n_steps):
    f = spectral_norm(n_steps=n_steps)
    params, state = f.init(KEY, W)
    assert params == {}
    u0 = state["spectral_norm"]["u0"]
    assert u0.shape == (1, 4)
    sigma, u, _ = power_iteration(W, u0, n_steps)
    out, state = f.apply({}, state, None, W)
    np.testing.assert_allclose(out, W / sigma, rtol=1e-5)
    np.testing.assert_allclose(state["spectral_norm"]["sigma"], sigma, rtol=1e-5)
    np.testing.assert_allclose(state["spectral_norm"]["u0"], u[None], rtol=1e-4)


def test_many_calls_find_the_largest_singular_value():
    f = spectral_norm(eps=1e-12)
    _, state = f.init(KEY, W)
    apply = jax.jit(f.apply)
    for _ in range(50):
        out, state = apply({}, state, None, W)
    np.testing.assert_allclose(np.linalg.svd(out)[1].max(), 1, rtol=1e-5)
    np.testing.assert_allclose(state["spectral_norm"]["sigma"], np.linalg.svd(W)[1].max(), rtol=1e-5)


def test_rows_are_all_axes_but_the_last():
    f = spectral_norm(n_steps=2)
    kernel = np.random.RandomState(1).normal(size=(3, 3, 2, 5)).astype(np.float32)
    _, state = f.init(KEY, kernel)
    sigma, *_ = power_iteration(kernel.reshape(-1, 5), state["spectral_norm"]["u0"], 2)
    np.testing.assert_allclose(f.apply({}, state, None, kernel)[0], kernel / sigma, rtol=1e-4)


def test_a_call_that_does_not_update_leaves_no_trace():
    f = spectral_norm()
    _, state = f.init(KEY, W)
    out, _ = f.apply({}, state, None, W)
    again, after = f.apply({}, state, None, W, update_stats=False)
    np.testing.assert_array_equal(out, again)
    jax.tree.map(np.testing.assert_array_equal, after, state)


def test_the_gradient_takes_the_vectors_as_constants():
    f = spectral_norm(n_steps=1)
    _, state = f.init(KEY, W)
    weights = 1 + W
    gradient = jax.grad(lambda w: jnp.sum(jnp.asarray(weights, jnp.float32) * f.apply({}, state, None, w)[0]))(W)
    sigma, u, v = power_iteration(W, state["spectral_norm"]["u0"], 1)
    expected = weights / sigma - (weights * W).sum() / sigma**2 * np.outer(v, u)
    np.testing.assert_allclose(gradient, expected, rtol=1e-3, atol=1e-5)


def test_a_weight_of_zero_stays_zero_and_can_grow():
    f = spectral_norm()
    _, state = f.init(KEY, 0 * W)
    out, state = f.apply({}, state, None, 0 * W)
    np.testing.assert_array_equal(out, 0 * W)
    assert np.isfinite(jax.grad(lambda w: f.apply({}, state, None, w)[0].sum())(0 * W)).all()
    for _ in range(30):
        out, state = f.apply({}, state, None, W)
    np.testing.assert_allclose(np.linalg.svd(out)[1].max(), 1, rtol=1e-3)


@pytest.mark.parametrize(("dtype", "rtol"), [(jnp.bfloat16, 2**-7), (jnp.float16, 2**-10)])
def test_half_precision_is_as_good_as_its_dtype(dtype, rtol):
    w = (300 * W).astype(dtype)  # In float16 the squares would be infinite.
    f = spectral_norm(n_steps=3)
    _, state = f.init(KEY, w)
    sigma, *_ = power_iteration(w, state["spectral_norm"]["u0"], 3)
    out, state = f.apply({}, state, None, w)
    assert {out.dtype} == {x.dtype for x in jax.tree.leaves(state)} == {jnp.dtype(dtype)}
    np.testing.assert_allclose(np.asarray(out, np.float64), np.asarray(w, np.float64) / sigma, rtol=2 * rtol)


def test_properties():
    def run(w):
        norm = hk.SpectralNorm()
        before = norm.sigma
        norm(w)
        return before, norm.sigma, norm.u0

    f = hk.transform_with_state(run)
    (before, sigma, u0), state = f.apply({}, {}, KEY, W)
    assert before == 1
    assert (sigma, u0.tolist()) == (state["spectral_norm"]["sigma"], state["spectral_norm"]["u0"].tolist())
    with pytest.raises(
        ValueError, match="SpectralNorm: u0 of module 'spectral_norm' has no value yet, expected a call"
    ):
        hk.transform_with_state(lambda: hk.SpectralNorm().u0).init(KEY)


def test_bad_input_is_refused():
    for n_steps, error, text in (
        (0, ValueError, "n_steps is 0, expected 1 or more"),
        (-1, ValueError, "n_steps is -1, expected 0 or more"),
        (1.5, TypeError, "n_steps is 1.5 of type float, expected an integer"),
    ):
        with pytest.raises(error, match=f"SpectralNorm: {text}"):
            spectral_norm(n_steps=n_steps).init(KEY, W)
        with pytest.raises(error, match=f"SNParamsTree: {text}"):
            params_tree(n_steps=n_steps).init(KEY, PARAMS)
    f = spectral_norm()
    for bad in (W[0], W[0, 0]):
        text = f"SpectralNorm: value of module 'spectral_norm' has shape {bad.shape}, expected at least 2 axes"
        with pytest.raises((ValueError, TypeError), match=re.escape(text)):
            f.init(KEY, jnp.asarray(bad))
    with pytest.raises(
        TypeError, match="value of module 'spectral_norm' is of type int64, expected an array of floats"
    ):
        f.init(KEY, W.astype(int))
    with pytest.raises(ValueError, match=r"has shape \(1, 3, 4\) with error_on_non_matrix=True, expected two axes"):
        f.init(KEY, W[None], error_on_non_matrix=True)
    _, state = f.init(KEY, W)
    with pytest.raises(ValueError, match=r"has shape \(3, 2\), expected 4 columns as before. Build another module"):
        f.apply({}, state, None, W[:, :2])
    with pytest.raises(TypeError, match="SpectralNorm: update_stats is traced, expected True or False"):
        jax.jit(f.init)(KEY, W, update_stats=True)


# Parameters.


def params_tree(*args, **kwargs):
    return hk.transform_with_state(lambda params, **call: hk.SNParamsTree(*args, **kwargs)(params, **call))


def test_each_matrix_is_divided():
    f = params_tree(n_steps=2, ignore_regex=".*/b")
    _, state = f.init(KEY, PARAMS)
    assert list(state) == ["sn_params_tree/linear__w", "sn_params_tree/mlp___tilde__linear_0__w"]
    out, after = f.apply({}, state, None, PARAMS)
    np.testing.assert_array_equal(out["linear"]["b"], np.ones(4))
    for (path, name), place in {
        ("linear", "w"): "linear__w",
        ("mlp/~/linear_0", "w"): "mlp___tilde__linear_0__w",
    }.items():
        w = PARAMS[path][name]
        sigma, *_ = power_iteration(w, state[f"sn_params_tree/{place}"]["u0"], 2)
        np.testing.assert_allclose(out[path][name], w / sigma, rtol=1e-5)
        np.testing.assert_allclose(after[f"sn_params_tree/{place}"]["sigma"], sigma, rtol=1e-5)
    again, kept = f.apply({}, state, None, PARAMS, update_stats=False)
    jax.tree.map(np.testing.assert_array_equal, again, out)
    jax.tree.map(np.testing.assert_array_equal, kept, state)


def test_bad_trees_are_refused():
    with pytest.raises(
        ValueError, match=r"value of module 'sn_params_tree/linear__b' has shape \(4,\), expected at least 2"
    ):
        params_tree().init(KEY, PARAMS)
    with pytest.raises(TypeError, match=r"SNParamsTree: tree is of type list, expected parameters {module path"):
        params_tree().init(KEY, [W])
    with pytest.raises(ValueError, match=r"SNParamsTree: ignore_regex is '\[', expected a regular expression"):
        params_tree(ignore_regex="[").init(KEY, PARAMS)
