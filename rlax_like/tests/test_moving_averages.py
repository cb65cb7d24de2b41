import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rlax_like as rlax


def run(update, state, xs):
    moments = None
    for x in xs:
        moments, state = update(x, state)
    return moments, state


def by_loop(xs, decay):
    """Mean and variance with the weight (1 - decay) decay^k for each element of the array k updates ago."""
    ages = np.arange(len(xs))[::-1]
    weights = np.concatenate([np.full(np.size(x), decay**k / np.size(x)) for x, k in zip(xs, ages, strict=True)])
    values = np.concatenate([np.ravel(np.float64(x)) for x in xs])
    mean = np.sum(weights * values) / np.sum(weights)
    return mean, np.sum(weights * (values - mean) ** 2) / np.sum(weights)


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.999])
def test_agreement_with_a_loop(decay):
    random = np.random.default_rng(0)
    xs = [jnp.float32(random.normal(size=(3, 2)) * (i + 1)) for i in range(5)]
    init, update = rlax.create_ema(decay)
    moments, state = run(update, init(xs[0]), xs)
    mean, variance = by_loop(xs, decay)
    np.testing.assert_allclose(moments.mean, mean, rtol=1e-4)
    np.testing.assert_allclose(moments.variance, variance, rtol=1e-3)
    again = state.debiased_moments()
    np.testing.assert_allclose([*again.to_tuple()], [*moments.to_tuple()], rtol=1e-5)
    np.testing.assert_allclose(state.decay_product, decay**5, rtol=1e-5)


def test_a_large_mean_leaves_the_variance():
    random = np.random.default_rng(0)
    xs = jnp.float32(1e4 + random.normal(size=(300, 64)))
    init, update = rlax.create_ema(0.99)
    _, moments = jax.lax.scan(lambda s, x: update(x, s)[::-1], init(xs[0]), xs)
    np.testing.assert_allclose(moments.variance[-1], 1.0, rtol=0.05)
    np.testing.assert_allclose(moments.mean[-1], 1e4, rtol=1e-5)
    # From the first update on.
    np.testing.assert_allclose(moments.variance[0], np.var(np.float64(xs[0])), rtol=1e-3)
    assert np.all(moments.variance >= 0)


def test_a_tree_and_its_state():
    init, update = rlax.create_ema(0.9)
    tree = {"a": jnp.array([1.0, 3.0]), "b": jnp.array(5)}
    state = init(tree)
    assert state.debiased_moments() == state.debiased_moments().replace()
    assert jax.tree.leaves(state.debiased_moments()) == [0.0] * 4
    moments, state = jax.jit(update)(tree, state)
    assert sorted(moments) == ["mean", "variance"]
    np.testing.assert_allclose([moments.mean["a"], moments.mean["b"]], [2.0, 5.0])
    np.testing.assert_allclose([moments.variance["a"], moments.variance["b"]], [1.0, 0.0])
    assert jax.tree.structure(state) == jax.tree.structure(init(tree))


def test_half_precision_is_averaged_in_float32():
    init, update = rlax.create_ema(0.999)
    x = jnp.ones(4, jnp.bfloat16)
    moments, state = run(update, init(x), [x] * 20)
    assert {y.dtype for y in jax.tree.leaves((moments, state))} == {jnp.dtype("float32")}
    np.testing.assert_allclose(moments.mean, 1.0, rtol=1e-6)


def test_over_devices():
    x = jnp.arange(16.0).reshape(8, 2)
    init, update = rlax.create_ema(0.9, pmean_axis_name="d")
    moments = jax.pmap(lambda x: update(x, init(x))[0], axis_name="d")(x)
    np.testing.assert_allclose(moments.mean, np.full(8, 7.5), rtol=1e-6)
    np.testing.assert_allclose(moments.variance, np.full(8, np.var(np.arange(16.0))), rtol=1e-5)


@pytest.mark.parametrize("decay", [-0.1, 1.0, 2.0, float("nan")])
def test_the_decay_is_below_1(decay):
    with pytest.raises(ValueError, match=r"create_ema: decay is .*, expected a number in \[0, 1\)"):
        rlax.create_ema(decay)


def test_errors():
    init, update = rlax.create_ema()
    with pytest.raises(ValueError, match=r"create_ema: tree has the structure .*, expected that of the state, .*init"):
        update({"b": jnp.ones(2)}, init({"a": jnp.ones(2)}))
    with pytest.raises(TypeError, match="create_ema: tree must be an array or a number, got 'x'"):
        init({"a": "x"})
