import inspect
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import haiku_like as hk

X = np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3)


def autoencoder():
    encoder, decoder = hk.Linear(2, name="encoder"), hk.Linear(3, name="decoder")
    return lambda x, *, scale=1.0: decoder(encoder(x)) * scale, {"encode": encoder, "decode": [decoder, jnp.negative]}


def counters():
    def up(by=1):
        hk.set_state("n", hk.get_state("n", [], jnp.int32, init=jnp.zeros) + by)

    return up, (up, lambda: hk.get_state("n"), hk.maybe_next_rng_key)


def test_functions_share_their_parameters():
    f = hk.multi_transform(autoencoder)
    params = f.init(0, X, scale=2.0)
    assert list(params) == ["encoder", "decoder"]
    encoder, decoder = (jax.tree.map(np.asarray, params[name]) for name in ("encoder", "decoder"))
    encoded = np.asarray(f.apply["encode"](params, X))
    np.testing.assert_allclose(encoded, X @ encoder["w"] + encoder["b"], rtol=1e-5)
    decoded = f.apply["decode"][0](params, encoded)
    np.testing.assert_allclose(decoded, encoded @ decoder["w"] + decoder["b"], rtol=1e-5)
    assert f.apply["decode"][1](params, 3) == -3
    jax.tree.map(np.testing.assert_array_equal, params, hk.transform(lambda: autoencoder()[0](X)).init(0))


def test_the_tree_is_kept():
    f = hk.multi_transform(autoencoder)
    assert isinstance(f, hk.MultiTransformed)
    assert jax.tree.structure(f.apply) == jax.tree.structure({"decode": [0, 0], "encode": 0})
    alone = hk.multi_transform(lambda: (hk.Linear(1), lambda x: x))
    assert alone.apply({}, 3) == 3


def test_state_goes_from_one_function_to_another():
    f = hk.multi_transform_with_state(counters)
    assert isinstance(f, hk.MultiTransformedWithState)
    up, read, key = f.apply
    params, state = f.init(None)
    assert (params, int(state["~"]["n"])) == ({}, 0)
    _, state = up(params, state, None, by=5)
    _, state = up(params, state, None)
    n, same = read(params, state, None)
    assert (int(n), int(same["~"]["n"])) == (6, 6)
    np.testing.assert_array_equal(key(params, state, 3)[0], next(hk.PRNGSequence(3)))


@pytest.mark.parametrize("apply_rng", [False, True])
def test_keys(apply_rng):
    f = hk.multi_transform(lambda: (hk.maybe_next_rng_key, [hk.maybe_next_rng_key]), apply_rng=apply_rng)
    if apply_rng:
        np.testing.assert_array_equal(f.apply[0]({}, 3), next(hk.PRNGSequence(3)))
    else:
        assert f.apply[0]({}) is None
    with pytest.raises(hk.MissingRNGError, match=r"apply_rng=True" if not apply_rng else "rng=None"):
        hk.multi_transform(lambda: (hk.next_rng_key, hk.next_rng_key), apply_rng=apply_rng).apply(
            {}, *[None] * apply_rng
        )


def test_signatures_and_pickles():
    f = hk.multi_transform(autoencoder)
    same = pickle.loads(pickle.dumps(f))
    jax.tree.map(np.testing.assert_array_equal, same.init(0, X), f.init(0, X))
    np.testing.assert_array_equal(same.apply["encode"](same.init(0, X), X), f.apply["encode"](f.init(0, X), X))
    for pair in (f, same):
        assert str(inspect.signature(pair.init)) == "(rng, x, *, scale=1.0)"
        assert list(inspect.signature(pair.apply["encode"]).parameters) == ["params", "inputs", "precision"]
        assert repr(pair.init) == "<init of autoencoder>"
    assert str(inspect.signature(hk.multi_transform_with_state(lambda: (max, max)).apply)) == (
        "(params, state, rng, *args, **kwargs)"
    )


def test_under_jit_and_grad():
    f = hk.multi_transform(autoencoder)
    params = jax.jit(f.init)(0, X)
    grads = jax.jit(jax.grad(lambda params: jnp.sum(f.apply["encode"](params, X))))(params)
    np.testing.assert_allclose(grads["encoder"]["w"], np.repeat(X.sum(0)[:, None], 2, 1), atol=1e-6)
    assert not np.any(grads["decoder"]["w"])


def test_functions_may_draw_keys_and_keep_arrays_when_they_are_built():
    def noisy():
        noise, weight = jax.random.normal(hk.next_rng_key(), []), hk.get_parameter("w", [], init=jnp.ones)
        return lambda: noise, [lambda: noise * weight]

    with jax.checking_leaks():
        f = hk.multi_transform(noisy, apply_rng=True)
    assert float(f.apply[0](f.init(0), 1)) == float(jax.random.normal(next(hk.PRNGSequence(1)), []))


def test_it_may_be_built_inside_another():
    def outer():
        f = hk.multi_transform(autoencoder)
        return f.apply["encode"](hk.lift(f.init)(hk.next_rng_key(), X), X)

    assert list(hk.transform(outer).init(0)) == ["lifted/encoder", "lifted/decoder"]


@pytest.mark.parametrize("transform", [hk.multi_transform, hk.multi_transform_with_state])
@pytest.mark.parametrize(
    "returned",
    [None, lambda: 0, (lambda: 0, None), (lambda: 0, {}), (lambda: 0, {"a": 3}), (3, lambda: 0), (lambda: 0,) * 3],
)
def test_what_is_no_pair_is_refused(transform, returned):
    name = transform.__name__
    with pytest.raises(TypeError, match=rf"{name}: f returned .*, expected a pair \(template, functions\) of a functi"):
        transform(lambda: returned)


@pytest.mark.parametrize("transform", [hk.multi_transform, hk.multi_transform_with_state])
def test_what_is_no_function_is_refused(transform):
    with pytest.raises(TypeError, match=rf"{transform.__name__}: f is 3 of type int, expected a function that builds"):
        transform(3)


def test_state_under_multi_transform_is_refused():
    f = hk.multi_transform(counters)
    for run in (lambda: f.init(None), lambda: f.apply[0]({})):
        with pytest.raises(hk.NonEmptyStateError, match=r"uses state \(~\), expected none. Use hk.transform_with_stat"):
            run()
