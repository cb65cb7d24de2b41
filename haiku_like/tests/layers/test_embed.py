import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import haiku_like as hk

IDS = np.array([[0, 1, 4], [2, 3, 1]])
MATRIX = np.random.RandomState(0).uniform(-1, 1, [5, 3]).astype(np.float32)
STYLES = list(hk.EmbedLookupStyle)

styles = pytest.mark.parametrize("style", STYLES, ids=lambda s: s.name)


def embed(*args, call=None, **kwargs):
    return hk.transform(lambda ids: hk.Embed(*args, **kwargs)(ids, **(call or {})))


def lookup(ids, style=hk.EmbedLookupStyle.ARRAY_INDEX):
    return embed(5, 3, lookup_style=style).apply({"embed": {"embeddings": jnp.asarray(MATRIX)}}, ids)


@styles
@pytest.mark.parametrize("ids", [IDS, 2, np.int8(4), [3, 0], jnp.zeros([0, 2], int), np.uint8([[4]])])
def test_rows_are_taken(ids, style):
    np.testing.assert_array_equal(lookup(ids, style), MATRIX[np.asarray(ids)])


def test_ids_out_of_range():
    ids = jnp.array([5, 70, -1, -5, -6, -70])
    np.testing.assert_array_equal(lookup(ids), MATRIX[[4, 4, 4, 0, 0, 0]])
    np.testing.assert_array_equal(lookup(ids, "ONE_HOT"), np.zeros([6, 3]))


@styles
def test_gradients_are_the_counts_of_the_ids_in_range(style):
    def total(matrix, ids):
        return embed(5, 3, lookup_style=style).apply({"embed": {"embeddings": matrix}}, ids).sum()

    grad = jax.grad(total)(jnp.asarray(MATRIX), jnp.array([0, 1, 1, 4, 9]))
    np.testing.assert_array_equal(grad, np.array([1, 2, 0, 0, 1])[:, None] * np.ones(3))


def test_default_initial_values():
    params = embed(400, 300).init(0, IDS)["embed"]["embeddings"]
    np.testing.assert_allclose(np.std(params), 0.8796, rtol=0.01)
    assert np.abs(params).max() <= 2


def test_a_given_matrix_is_the_initial_value():
    for kwargs in ({}, {"vocab_size": 5}, {"embed_dim": 3}, {"vocab_size": 5, "embed_dim": 3}):
        f = embed(embedding_matrix=MATRIX, **kwargs)
        params = f.init(None, IDS)
        np.testing.assert_array_equal(params["embed"]["embeddings"], MATRIX)
        np.testing.assert_array_equal(f.apply(params, IDS), MATRIX[IDS])
    assert embed(embedding_matrix=MATRIX.tolist()).init(None, IDS)["embed"]["embeddings"].shape == (5, 3)


def test_dtypes():
    half = embed(embedding_matrix=jnp.asarray(MATRIX, jnp.bfloat16))
    params = half.init(None, IDS)
    assert params["embed"]["embeddings"].dtype == jnp.bfloat16
    assert half.apply(params, IDS).dtype == jnp.bfloat16
    one_hot = embed(embedding_matrix=jnp.asarray(MATRIX, jnp.bfloat16), lookup_style="ONE_HOT")
    assert one_hot.apply(params, IDS).dtype == jnp.float32


def test_the_style_and_precision_of_a_call_go_first():
    params = {"embed": {"embeddings": jnp.asarray(MATRIX)}}

    def jaxpr(call, **kwargs):
        return str(jax.make_jaxpr(embed(5, 3, call=call, **kwargs).apply)(params, IDS))

    assert "dot_general" not in jaxpr({})
    assert "gather" not in jaxpr({"lookup_style": "one_hot"})
    assert "HIGHEST" in jaxpr({}, lookup_style="ONE_HOT")
    assert "HIGHEST" not in jaxpr({"precision": "high"}, lookup_style="ONE_HOT")
    assert "HIGHEST" not in jaxpr({}, lookup_style="ONE_HOT", precision="high")
    assert "HIGHEST" in jaxpr({"precision": "highest"}, lookup_style="ONE_HOT", precision="high")


def test_the_matrix_may_serve_as_output_weights():
    def f(ids):
        layer = hk.Embed(5, 3)
        return layer(ids) @ layer.embeddings.T

    params = hk.transform(f).init(0, IDS)
    assert list(params) == ["embed"]
    assert hk.transform(f).apply(params, IDS).shape == (2, 3, 5)


def test_jit_and_vmap():
    expected = MATRIX[IDS]
    np.testing.assert_array_equal(jax.jit(jax.vmap(lookup))(IDS), expected)


def test_bad_input_is_refused():
    for kwargs in ({}, {"vocab_size": 5}, {"embed_dim": 3}):
        with pytest.raises(ValueError, match=r"embedding_matrix is None, expected both sizes or the matrix: hk.Embed"):
            embed(**kwargs).init(0, IDS)
    for name, size, found in (("vocab_size", 4, 5), ("embed_dim", 4, 3)):
        message = f"Embed: {name} is {size}, expected {found} after embedding_matrix of shape (5, 3). Leave {name} out."
        with pytest.raises(ValueError, match=re.escape(message)):
            embed(embedding_matrix=MATRIX, **{name: size}).init(0, IDS)
        with pytest.raises(ValueError, match=f"Embed: {name} is 0, expected 1 or more"):
            embed(**({"vocab_size": 5, "embed_dim": 3} | {name: 0})).init(0, IDS)
        with pytest.raises(TypeError, match=f"Embed: {name} is 2.0 of type float, expected an integer"):
            embed(**({"vocab_size": 5, "embed_dim": 3} | {name: 2.0})).init(0, IDS)
    for shape in ((5,), (5, 3, 1)):
        message = f"Embed: embedding_matrix has shape {shape}, expected [vocab_size, embed_dim]."
        with pytest.raises(ValueError, match=re.escape(message)):
            embed(embedding_matrix=np.ones(shape)).init(0, IDS)
    for style in ("hash", None, 1):
        message = f"Embed: lookup_style is {style!r}, expected an hk.EmbedLookupStyle or its name: 'ARRAY_INDEX' or"
        with pytest.raises(ValueError, match=re.escape(message)):
            embed(5, 3, lookup_style=style).init(0, IDS)
    with pytest.raises(ValueError, match="Embed: lookup_style is 'hash', expected"):
        embed(5, 3, call={"lookup_style": "hash"}).init(0, IDS)
    for ids, dtype in ((np.ones(2, np.float32), "float32"), (np.array([True]), "bool")):
        with pytest.raises(TypeError, match=f"Embed: ids of module 'embed' has dtype {dtype}, expected integers"):
            embed(5, 3).init(0, ids)
