import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import haiku_like as hk

RANDOM = np.random.RandomState(0)
QUERY, KEY, VALUE = (RANDOM.uniform(-2, 2, shape).astype(np.float32) for shape in ([2, 3, 4], [2, 5, 6], [2, 5, 7]))
INIT = hk.initializers.RandomNormal()


def attention(*args, w_init=INIT, **kwargs):
    def f(query, key, value, mask=None, **call):
        return hk.MultiHeadAttention(*args, w_init=w_init, **kwargs)(query, key, value, mask, **call)

    return hk.transform(f)


def parameters(f, *args):
    """Random parameters of the right shapes, which cost no compilation."""
    random = np.random.RandomState(1)
    shapes = jax.eval_shape(f.init, 0, *args)
    return jax.tree.map(lambda p: jnp.asarray(random.normal(size=p.shape), p.dtype), shapes)


def reference(params, query, key, value, mask, heads, keep=None):
    """One query, one head, one key at a time, in float64."""
    p = {
        path.rpartition("/")[2]: {name: np.asarray(x, np.float64) for name, x in bundle.items()}
        for path, bundle in params.items()
    }
    q, k, v = (
        (x.astype(np.float64) @ p[name]["w"] + p[name].get("b", 0)).reshape(*x.shape[:2], heads, -1)
        for name, x in (("query", query), ("key", key), ("value", value))
    )
    out = np.zeros([*q.shape[:3], v.shape[-1]])
    for b, t, h in np.ndindex(*q.shape[:3]):
        logits = np.array([q[b, t, h] @ k[b, s, h] / np.sqrt(q.shape[-1]) for s in range(k.shape[1])])
        if mask is not None:
            allowed = np.broadcast_to(mask, [q.shape[0], heads, q.shape[1], k.shape[1]])[b, h, t] != 0
            logits = np.where(allowed, logits, -np.inf) if allowed.any() else np.zeros_like(logits)
        weights = np.exp(logits - logits.max())
        weights /= weights.sum()
        if keep is not None:
            weights = weights * keep[b, h, t]
        out[b, t, h] = sum(w * v[b, s, h] for s, w in enumerate(weights))
    return out.reshape(*out.shape[:2], -1) @ p["linear"]["w"] + p["linear"].get("b", 0)


MASKS = {
    "none": None,
    "for all": np.tril(np.ones([1, 1, 3, 5], bool)),
    "for each head": RANDOM.uniform(size=[2, 2, 3, 5]) < 0.5,
    "for each key": np.array([1, 0, 1, 1, 0]).reshape(1, 1, 1, 5),
    "nothing allowed": np.zeros([1, 1, 1, 1]),
}


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS.keys())
def test_it_equals_the_loop(mask):
    f = attention(2, 4, b_init=INIT, value_size=3, model_size=5)
    params = parameters(f, QUERY, KEY, VALUE)
    out = f.apply(params, QUERY, KEY, VALUE, mask)
    np.testing.assert_allclose(out, reference(params, QUERY, KEY, VALUE, mask, 2), rtol=1e-4, atol=1e-4)


def test_paths_shapes_and_default_sizes():
    f = attention(3, 4)
    params = parameters(f, QUERY, KEY, VALUE)
    assert {path: jax.tree.map(jnp.shape, p) for path, p in params.items()} == {
        "multi_head_attention/query": {"w": (4, 12), "b": (12,)},
        "multi_head_attention/key": {"w": (6, 12), "b": (12,)},
        "multi_head_attention/value": {"w": (7, 12), "b": (12,)},
        "multi_head_attention/linear": {"w": (12, 12), "b": (12,)},
    }
    assert f.apply(params, QUERY, KEY, VALUE).shape == (2, 3, 12)


def test_initializers():
    x = jnp.ones([1, 100])
    f = hk.transform(lambda x: hk.MultiHeadAttention(2, 50, w_init_scale=2.0, b_init=jnp.ones)(x, x, x))
    params = f.init(0, x)
    for bundle in params.values():
        np.testing.assert_allclose(np.std(bundle["w"]), np.sqrt(2 / 100), rtol=0.03)
        assert (bundle["b"] == 1).all()
    without = parameters(attention(2, 4, with_bias=False, b_init=jnp.ones), QUERY, KEY, VALUE)
    assert all(list(p) == ["w"] for p in without.values())


def test_a_batch_is_as_its_elements():
    f = attention(2, 4)
    mask = MASKS["for each head"]
    params = parameters(f, QUERY, KEY, VALUE)
    out = f.apply(params, QUERY, KEY, VALUE, mask)
    for i in range(2):
        np.testing.assert_allclose(out[i], f.apply(params, QUERY[i], KEY[i], VALUE[i], mask[i]), rtol=1e-4, atol=1e-5)
    batch = jax.jit(jax.vmap(lambda *args: f.apply(params, *args)))(QUERY, KEY, VALUE, mask)
    np.testing.assert_allclose(batch, out, rtol=1e-4, atol=1e-5)
    more = f.apply(params, QUERY[None], KEY[None], VALUE[None], mask[None])
    np.testing.assert_allclose(more[0], out, rtol=1e-4, atol=1e-5)


def test_queries_may_share_keys():
    f = attention(2, 4)
    params = parameters(f, QUERY, KEY, VALUE)
    expected = f.apply(params, QUERY, np.stack([KEY[0]] * 2), np.stack([VALUE[0]] * 2))
    np.testing.assert_allclose(f.apply(params, QUERY, KEY[0], VALUE[0]), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(f.apply(params, QUERY, KEY[:1], VALUE[:1]), expected, rtol=1e-5, atol=1e-6)


def test_a_causal_mask_hides_the_future():
    f = attention(2, 4)
    mask = np.tril(np.ones([1, 1, 5, 5], bool))
    params = parameters(f, KEY, KEY, KEY)
    changed = KEY.copy()
    changed[:, 3:] += 1
    out, other = f.apply(params, KEY, KEY, KEY, mask), f.apply(params, changed, changed, changed, mask)
    np.testing.assert_array_equal(out[:, :3], other[:, :3])
    assert (out[:, 3:] != other[:, 3:]).any()


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_half_precision(dtype):
    f = attention(2, 4)
    args = [jnp.asarray(x, dtype) for x in (QUERY, KEY, VALUE)]
    params = parameters(f, *args)
    assert {x.dtype for x in jax.tree.leaves(params)} == {jnp.dtype(dtype)}
    mask = np.ones([1, 1, 3, 5])
    mask[..., 1, :] = 0  # A row with nothing to attend to.
    out = f.apply(params, *args, mask)
    assert out.dtype == dtype
    expected = reference(params, *(np.asarray(x, np.float64) for x in args), mask, 2)
    np.testing.assert_allclose(np.asarray(out, np.float64), expected, rtol=0.1, atol=0.3)


def test_dropout_drops_weights_of_attention():
    f = attention(2, 4)
    params = parameters(f, QUERY, KEY, VALUE)
    rng = jax.random.key(1)
    out = f.apply(params, QUERY, KEY, VALUE, dropout_rate=0.4, rng=rng)
    keep = np.asarray(hk.dropout(rng, 0.4, jnp.ones([2, 2, 3, 5])), np.float64)
    assert 0 < (keep == 0).mean() < 1
    np.testing.assert_allclose(out, reference(params, QUERY, KEY, VALUE, None, 2, keep), rtol=1e-4, atol=1e-4)


def test_dropout_that_is_off_changes_no_number():
    f = attention(2, 4)
    params = parameters(f, QUERY, KEY, VALUE)
    out = f.apply(params, QUERY, KEY, VALUE)
    np.testing.assert_array_equal(f.apply(params, QUERY, KEY, VALUE, dropout_rate=0.0, rng=jax.random.key(1)), out)
    with_dropout = hk.transform(
        lambda *args: hk.MultiHeadAttention(2, 4, w_init=INIT)(*args, dropout_rate=0.5, rng=hk.next_rng_key())
    )
    drawn = jax.eval_shape(with_dropout.init, 0, QUERY, KEY, VALUE)
    assert jax.tree.structure(drawn) == jax.tree.structure(params)


def test_bad_sizes_are_refused():
    def build(*args, **kwargs):
        hk.transform(lambda: hk.MultiHeadAttention(*args, **({"w_init": INIT} | kwargs))).init(0)

    for size in (0, -1):
        with pytest.raises(ValueError, match=f"MultiHeadAttention: num_heads is {size}, expected 1 or more"):
            build(size, 4)
        with pytest.raises(ValueError, match=f"MultiHeadAttention: key_size is {size}, expected 1 or more"):
            build(2, size)
        for name in ("value_size", "model_size"):
            with pytest.raises(ValueError, match=f"MultiHeadAttention: {name} is {size}, expected 1 or more"):
                build(2, 4, **{name: size})
    with pytest.raises(TypeError, match=r"MultiHeadAttention: num_heads is 2.0 of type float, expected an integer"):
        build(2.0, 4)
    for kwargs, state in (({"w_init": None}, "None"), ({"w_init_scale": 1.0}, "given")):
        with pytest.raises(ValueError, match=f"w_init and w_init_scale are both {state}, expected one of the two"):
            build(2, 4, **kwargs)


def test_bad_input_is_refused():
    f = attention(2, 4)
    params = parameters(f, QUERY, KEY, VALUE)

    def refused(error, message, *args, **kwargs):
        with pytest.raises(error, match=re.escape(message)):
            f.apply(params, *args, **kwargs)

    where = "of module 'multi_head_attention' "
    refused(ValueError, f"query {where}has shape (4,), expected two axes or more, [*bat", QUERY[0, 0], KEY, VALUE)
    refused(TypeError, f"MultiHeadAttention: key {where}is of type list, expected an arr", QUERY, KEY.tolist(), VALUE)
    refused(ValueError, f"value {where}has shape (2, 4, 7), expected [2, 5, value_in] li", QUERY, KEY, VALUE[:, :4])
    refused(ValueError, f"key {where}has shape (2, 5, 6), expected [*batch, keys, key_in] with", QUERY[0], KEY, VALUE)
    three = [np.concatenate([x, x])[:3] for x in (KEY, VALUE)]
    refused(ValueError, f"key {where}has shape (3, 5, 6), expected [*batch, keys, key_in] with", QUERY, *three)
    for shape in ((5,), (3, 5), (2, 3, 5), (1, 2, 2, 3, 5), (2, 2, 3, 4), (2, 3, 3, 5), (3, 2, 3, 5)):
        refused(
            ValueError,
            f"mask {where}has shape {shape}, expected (2, 2, 3, 5), [*batch, heads, queries, keys], with 1 where",
            QUERY, KEY, VALUE, np.ones(shape),
        )  # fmt: skip
    refused(TypeError, f"mask {where}is of type list, expected an array of numbers", QUERY, KEY, VALUE, [[True]])
    refused(ValueError, "rng is None and dropout_rate is given, expected both", QUERY, KEY, VALUE, dropout_rate=0.1)
    refused(ValueError, "dropout_rate is None and rng is given", QUERY, KEY, VALUE, rng=jax.random.key(0))
    refused(ValueError, "dropout: rate is 1.5", QUERY, KEY, VALUE, dropout_rate=1.5, rng=jax.random.key(0))
