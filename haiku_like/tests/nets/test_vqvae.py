import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import haiku_like as hk

X = np.random.RandomState(0).normal(size=(2, 6, 3)).astype(np.float32)
EMBEDDINGS = np.random.RandomState(1).normal(size=(3, 5)).astype(np.float32)
PARAMS = {"vector_quantizer": {"embeddings": jnp.asarray(EMBEDDINGS)}}
KEY = jax.random.key(0)


def quantizer(*args, **kwargs):
    return hk.transform(lambda x, is_training=True: hk.nets.VectorQuantizer(*args, **kwargs)(x, is_training))


def quantizer_ema(*args, **kwargs):
    return hk.transform_with_state(
        lambda x, is_training=True: hk.nets.VectorQuantizerEMA(*args, **kwargs)(x, is_training)
    )


def reference(x, embeddings):
    """Returns what both quantizers return, but for the loss; one vector after the other."""
    x, embeddings = np.asarray(x, np.float64), np.asarray(embeddings, np.float64)
    vectors = x.reshape(-1, x.shape[-1])
    distances = np.array([[np.sum((v - e) ** 2) for e in embeddings.T] for v in vectors])
    indices = distances.argmin(1)
    shares = np.bincount(indices, minlength=embeddings.shape[1]) / len(indices)
    entropy = -sum(share * np.log(share) for share in shares if share)
    return {
        "quantize": embeddings.T[indices].reshape(x.shape),
        "perplexity": np.exp(entropy),
        "encodings": np.eye(embeddings.shape[1])[indices],
        "encoding_indices": indices.reshape(x.shape[:-1]),
        "distances": distances,
    }


def assert_is_reference(out, x, embeddings, **tolerance):
    for name, expected in reference(x, embeddings).items():
        np.testing.assert_allclose(np.asarray(out[name], np.float64), expected, err_msg=name, **tolerance)


def test_by_hand():
    params = {"vector_quantizer": {"embeddings": jnp.array([[0.0, 4.0], [0.0, 0.0]])}}
    out = quantizer(2, 2, 0.5).apply(params, jnp.array([[1.0, 0.0], [3.0, 1.0]]))
    np.testing.assert_array_equal(out["quantize"], [[0, 0], [4, 0]])
    np.testing.assert_array_equal(out["encoding_indices"], [0, 1])
    np.testing.assert_array_equal(out["encodings"], [[1, 0], [0, 1]])
    np.testing.assert_array_equal(out["distances"], [[1, 9], [10, 2]])
    np.testing.assert_allclose(out["loss"], 1.5 * (1 + 1 + 1) / 4)
    np.testing.assert_allclose(out["perplexity"], 2, rtol=1e-6)


@pytest.mark.parametrize("shape", [(2, 6, 3), (12, 3), (3,)])
def test_the_nearest_embeddings_come_back(shape):
    x = np.resize(X, shape)
    out = quantizer(3, 5, 0.25).apply(PARAMS, x, is_training=False)
    assert list(out) == ["quantize", "loss", "perplexity", "encodings", "encoding_indices", "distances"]
    assert out["encoding_indices"].dtype == jnp.int32
    assert_is_reference(out, x, EMBEDDINGS, rtol=1e-5, atol=1e-5)
    expected = 1.25 * np.mean((reference(x, EMBEDDINGS)["quantize"] - x) ** 2)
    np.testing.assert_allclose(out["loss"], expected, rtol=1e-5)


def test_gradients_pass_straight_through_and_embeddings_learn_from_the_loss_alone():
    f = quantizer(3, 5, 0.25)
    weights = np.random.RandomState(2).normal(size=X.shape).astype(np.float32)

    def quantized(params, x):
        return jnp.sum(weights * f.apply(params, x)["quantize"])

    to_params, to_inputs = jax.grad(quantized, (0, 1))(PARAMS, X)
    np.testing.assert_array_equal(to_params["vector_quantizer"]["embeddings"], np.zeros_like(EMBEDDINGS))
    np.testing.assert_allclose(to_inputs, weights, rtol=1e-6)
    to_params, to_inputs = jax.grad(lambda params, x: f.apply(params, x)["loss"], (0, 1))(PARAMS, X)
    parts = reference(X, EMBEDDINGS)
    error = 2 * (parts["quantize"] - X) / X.size
    np.testing.assert_allclose(to_inputs, -0.25 * error, rtol=1e-4, atol=1e-7)
    expected = error.reshape(-1, 3).T @ parts["encodings"]
    np.testing.assert_allclose(to_params["vector_quantizer"]["embeddings"], expected, rtol=1e-4, atol=1e-6)


def test_embeddings_begin_uniform():
    embeddings = quantizer(300, 4, 0.25).init(KEY, jnp.ones([1, 300]))["vector_quantizer"]["embeddings"]
    assert embeddings.shape == (300, 4)
    assert 0.099 < np.abs(embeddings).max() <= 0.1


def test_quantize_looks_embeddings_up():
    f = hk.transform(lambda i: hk.nets.VectorQuantizer(3, 5, 0.25).quantize(i))
    indices = jnp.array([[4, 0], [2, 2]])
    np.testing.assert_array_equal(f.apply(PARAMS, indices), EMBEDDINGS.T[np.asarray(indices)])
    np.testing.assert_array_equal(f.apply(PARAMS, 4), EMBEDDINGS.T[4])
    f = hk.transform_with_state(lambda i: hk.nets.VectorQuantizerEMA(3, 5, 0.25, 0.9).quantize(i))
    out, state = f.apply({}, {"vector_quantizer_ema": {"embeddings": EMBEDDINGS}}, None, indices)
    np.testing.assert_array_equal(out, EMBEDDINGS.T[np.asarray(indices)])
    assert list(state) == ["vector_quantizer_ema"]


# With moving averages.


def test_embeddings_move_to_the_smoothed_average_of_their_vectors():
    f = quantizer_ema(3, 5, 0.25, decay=0.9, epsilon=0.01)
    params, state = f.init(KEY, X)
    assert params == {}
    embeddings, sizes, sums, weight = state["vector_quantizer_ema"]["embeddings"], 0, 0, 0
    for x in (X, X + 0.5, 2 * X):
        out, state = f.apply({}, state, None, x)
        assert_is_reference(out, x, embeddings, rtol=1e-4, atol=1e-4)
        parts = reference(x, embeddings)
        np.testing.assert_allclose(out["loss"], 0.25 * np.mean((parts["quantize"] - x) ** 2), rtol=1e-4)
        sizes, sums, weight = (
            0.9 * old + 0.1 * new
            for old, new in (
                (sizes, parts["encodings"].sum(0)),
                (sums, x.reshape(-1, 3).T @ parts["encodings"]),
                (weight, 1),
            )
        )
        size, total = sizes / weight, sizes.sum() / weight
        embeddings = sums / weight / ((size + 0.01) / (total + 5 * 0.01) * total)
        np.testing.assert_allclose(state["vector_quantizer_ema"]["embeddings"], embeddings, rtol=1e-4, atol=1e-5)
        average = state["vector_quantizer_ema/~/ema_cluster_size"]["average"]
        np.testing.assert_allclose(average, size, rtol=1e-4, atol=1e-6)


def test_evaluation_changes_no_state():
    f = quantizer_ema(3, 5, 0.25, 0.9)
    _, state = f.init(KEY, X)
    out, after = f.apply({}, state, None, X, is_training=False)
    assert_is_reference(out, X, state["vector_quantizer_ema"]["embeddings"], rtol=1e-4, atol=1e-4)
    jax.tree.map(np.testing.assert_array_equal, after, state)


def test_the_averages_can_be_read_before_any_call():
    def run():
        module = hk.nets.VectorQuantizerEMA(3, 5, 0.25, 0.9)
        return module.ema_cluster_size.average, module.ema_dw.average, module.embeddings

    sizes, sums, embeddings = hk.transform_with_state(run).apply({}, {}, KEY)[0]
    assert (sizes.tolist(), sums.tolist(), embeddings.shape) == ([0] * 5, [[0] * 5] * 3, (3, 5))


def test_gradients_of_the_averaged_quantizer():
    f = quantizer_ema(3, 5, 0.25, 0.9)
    _, state = f.init(KEY, X)

    def quantized_and_state(x):
        out, state_after = f.apply({}, state, None, x)
        return out["quantize"].sum() + sum(jnp.sum(v) for v in jax.tree.leaves(state_after) if v.ndim)

    np.testing.assert_allclose(jax.grad(quantized_and_state)(X), np.ones_like(X), rtol=1e-6)


def over_vmap(f, in_axes):
    return jax.jit(jax.vmap(f, in_axes, axis_name="i"))


def over_pmap(f, in_axes):
    return jax.pmap(f, "i", in_axes=in_axes, devices=jax.devices()[:2])


@pytest.mark.parametrize("mapped", [over_vmap, over_pmap])
def test_replicas_share_averages_and_perplexity(mapped):
    f = quantizer_ema(3, 5, 0.25, 0.9, cross_replica_axis="i")
    joined = quantizer_ema(3, 5, 0.25, 0.9)
    _, state = joined.init(KEY, X)
    out, after = mapped(lambda state, x: f.apply({}, state, None, x), (None, 0))(state, X)
    expected, expected_after = joined.apply({}, state, None, X)
    np.testing.assert_allclose(out["perplexity"], [expected["perplexity"]] * 2, rtol=1e-6)
    np.testing.assert_allclose(out["loss"].mean(), expected["loss"], rtol=1e-5)
    np.testing.assert_array_equal(out["encoding_indices"], expected["encoding_indices"])
    for a, b in zip(jax.tree.leaves(after), jax.tree.leaves(expected_after), strict=True):
        np.testing.assert_allclose(a, np.stack([b, b]), rtol=1e-5, atol=1e-6)
    f = quantizer(3, 5, 0.25, cross_replica_axis="i")
    out = mapped(f.apply, (None, 0))(PARAMS, X)
    np.testing.assert_allclose(out["perplexity"], [reference(X, EMBEDDINGS)["perplexity"]] * 2, rtol=1e-5)


# Both.


@pytest.mark.parametrize(("dtype", "tolerance"), [(jnp.bfloat16, 2**-6), (jnp.float16, 2**-9)])
def test_half_precision(dtype, tolerance):
    x = (50 * X).astype(dtype)  # In float16 the sum of squares of some vectors would be infinite.
    params = jax.tree.map(lambda e: 50 * e.astype(dtype), PARAMS)
    out = quantizer(3, 5, 0.25, dtype).apply(params, x)
    assert {v.dtype for v in out.values()} == {jnp.dtype(dtype), jnp.dtype(jnp.int32)}
    assert_is_reference(out, x, params["vector_quantizer"]["embeddings"], rtol=tolerance, atol=tolerance)
    f = quantizer_ema(3, 5, 0.25, 0.9, dtype=dtype)
    _, state = f.init(KEY, x)
    for _ in range(2):
        out, state = f.apply({}, state, None, x)
        assert {v.dtype for v in out.values()} == {jnp.dtype(dtype), jnp.dtype(jnp.int32)}
        assert {v.dtype for v in jax.tree.leaves(state) if v.ndim} == {jnp.dtype(dtype)}
        assert all(bool(jnp.isfinite(v).all()) for v in jax.tree.leaves((out, state)))


@pytest.mark.usefixtures("x64")
def test_double_precision():
    params = jax.tree.map(lambda e: e.astype(np.float64), PARAMS)
    out = quantizer(3, 5, 0.25, np.float64).apply(params, X.astype(np.float64))
    assert {out[name].dtype for name in ("quantize", "loss", "perplexity", "distances")} == {jnp.dtype(np.float64)}
    assert_is_reference(out, X, EMBEDDINGS, rtol=1e-8, atol=1e-12)


def test_no_distance_is_negative():
    x = 100 + 0.01 * X.reshape(-1, 3)
    f = quantizer(3, 12, 0.25)
    out = f.apply({"vector_quantizer": {"embeddings": x.T}}, x)
    assert out["distances"].min() >= 0


@pytest.mark.parametrize("kind", ["VectorQuantizer", "VectorQuantizerEMA"])
@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"embedding_dim": 0}, ValueError, "embedding_dim is 0, expected 1 or more"),
        ({"embedding_dim": 3.0}, TypeError, "embedding_dim is 3.0 of type float, expected an integer"),
        ({"num_embeddings": 0}, ValueError, "num_embeddings is 0, expected 1 or more"),
        ({"num_embeddings": None}, TypeError, "num_embeddings is None of type NoneType, expected an integer"),
        ({"embedding_dim": 2}, ValueError, "has shape (2, 6, 3), expected [*batch, 2], with embedding_dim=2 last"),
        (
            {"cross_replica_axis": "i"},
            ValueError,
            "cross_replica_axis is 'i', expected the name of an axis that a tran",
        ),
    ],
)
def test_bad_arguments_are_refused(kind, arguments, error, text):
    arguments = {"embedding_dim": 3, "num_embeddings": 5, "commitment_cost": 0.25} | arguments
    f = quantizer(**arguments) if kind == "VectorQuantizer" else quantizer_ema(**arguments, decay=0.9)
    with pytest.raises(error, match=f"^{kind}: .*{re.escape(text)}"):
        f.init(KEY, X)


def test_bad_inputs_are_refused():
    for f, name in ((quantizer(3, 5, 0.25), "VectorQuantizer"), (quantizer_ema(3, 5, 0.25, 0.9), "VectorQuantizerEMA")):
        with pytest.raises(
            TypeError, match=f"^{name}: inputs of module .* is of type int64, expected an array of floats"
        ):
            f.init(KEY, X.astype(int))
        with pytest.raises(
            ValueError, match=rf"^{name}: inputs of module .* has shape \(0, 6, 3\), expected at least one"
        ):
            f.init(KEY, X[:0])
        with pytest.raises(ValueError, match=rf"^{name}: inputs of module .* has shape \(\), expected at least 1 axis"):
            f.init(KEY, jnp.float32(1))
    with pytest.raises(ValueError, match="VectorQuantizerEMA: decay is 1, expected 0 <= decay < 1"):
        quantizer_ema(3, 5, 0.25, 1).init(KEY, X)
    with pytest.raises(TypeError, match="VectorQuantizerEMA: is_training is traced, expected True or False"):
        jax.jit(quantizer_ema(3, 5, 0.25, 0.9).init)(KEY, X, True)
    for indices, kind in ((jnp.array([1.0]), "float32"), ([1, 2], "<class 'list'>")):
        with pytest.raises(
            TypeError, match=f"VectorQuantizer: encoding_indices of module .* is of type {kind}, expected an"
        ):
            hk.transform(lambda i=indices: hk.nets.VectorQuantizer(3, 5, 0.25).quantize(i)).init(KEY)
