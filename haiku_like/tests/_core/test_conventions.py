import inspect
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import haiku_like as hk

X = np.ones([2, 3], np.float32)


def linear(x, scale=1.0):
    return hk.Linear(2)(x) * scale


def count():
    hk.set_state("n", hk.get_state("n", [], init=jnp.zeros) + 1)
    return hk.maybe_next_rng_key()


def functions():
    layer = hk.Linear(2)
    return layer, {"forward": layer, "twice": [lambda x: 2 * layer(x)]}


def signatures(pair):
    return [str(inspect.signature(f)) for f in (pair.init, *jax.tree.leaves(pair.apply))]


def test_without_state():
    stateful = hk.transform_with_state(linear)
    f = hk.without_state(stateful)
    params, _ = stateful.init(0, X)
    assert isinstance(f, hk.Transformed)
    jax.tree.map(np.testing.assert_array_equal, f.init(0, X), params)
    np.testing.assert_array_equal(f.apply(params, None, X, scale=3.0), stateful.apply(params, {}, None, X, 3.0)[0])
    assert signatures(f) == ["(rng, x, scale=1.0)", "(params, rng, x, scale=1.0)"]


def test_without_state_passes_the_key():
    f = hk.without_state(hk.transform_with_state(hk.next_rng_key))
    np.testing.assert_array_equal(f.apply({}, 3), next(hk.PRNGSequence(3)))


def test_without_state_refuses_state():
    f = hk.without_state(hk.transform_with_state(count))
    for name, run in (("init", lambda: f.init(None)), ("apply", lambda: f.apply({}, None))):
        with pytest.raises(hk.NonEmptyStateError, match=rf"without_state: {name}: the function uses state \(~\), expe"):
            run()


@pytest.mark.parametrize("apply_rng", [False, True])
def test_with_empty_state(apply_rng):
    stateless = hk.transform(linear, apply_rng=apply_rng)
    f = hk.with_empty_state(stateless)
    params, state = f.init(0, X)
    assert isinstance(f, hk.TransformedWithState)
    assert state == {}
    for empty in ({}, None, {"linear": {}}):
        out, state = f.apply(params, empty, None, X, scale=2.0)
        np.testing.assert_array_equal(out, hk.transform(linear).apply(params, X, 2.0))
        assert state == {}
    assert signatures(f) == ["(rng, x, scale=1.0)", "(params, state, rng, x, scale=1.0)"]


def test_with_empty_state_passes_the_key_to_those_who_take_it():
    f = hk.with_empty_state(hk.transform(hk.maybe_next_rng_key, apply_rng=True))
    np.testing.assert_array_equal(f.apply({}, {}, 3)[0], next(hk.PRNGSequence(3)))
    assert hk.with_empty_state(hk.transform(hk.maybe_next_rng_key)).apply({}, {}, 3) == (None, {})


def test_with_empty_state_refuses_state():
    f = hk.with_empty_state(hk.transform(linear))
    with pytest.raises(hk.NonEmptyStateError, match=r"with_empty_state: apply was given state of a, expected {}: the"):
        f.apply({}, {"a": {"s": 1}, "b": {}}, None, X)
    with pytest.raises(TypeError, match=r"apply: state is of type .*, expected a dictionary"):
        f.apply({}, jnp.ones(3), None, X)


def test_there_and_back():
    f = hk.without_state(hk.with_empty_state(hk.transform(linear)))
    params = f.init(0, X)
    np.testing.assert_array_equal(f.apply(params, None, X), hk.transform(linear).apply(params, X))


def test_without_apply_rng():
    f = hk.without_apply_rng(hk.transform(linear, apply_rng=True))
    params = f.init(0, X)
    np.testing.assert_array_equal(f.apply(params, X), hk.transform(linear).apply(params, X))
    assert signatures(f) == ["(rng, x, scale=1.0)", "(params, x, scale=1.0)"]
    with_state = hk.without_apply_rng(hk.transform_with_state(count))
    key, state = with_state.apply({}, {})
    assert (key, float(state["~"]["n"])) == (None, 1.0)
    assert signatures(with_state) == ["(rng)", "(params, state)"]


def test_without_apply_rng_of_several():
    for pair in (hk.multi_transform(functions), hk.multi_transform(functions, apply_rng=True)):
        f = hk.without_apply_rng(pair)
        params = f.init(0, X)
        np.testing.assert_array_equal(f.apply["twice"][0](params, X), 2 * f.apply["forward"](params, X))
        assert type(f) is hk.MultiTransformed
    f = hk.without_apply_rng(hk.multi_transform_with_state(functions))
    params, state = f.init(0, X)
    assert f.apply["forward"](params, state, X)[0].shape == (2, 2)


def test_without_apply_rng_changes_nothing_where_there_is_no_key():
    f = hk.transform(linear)
    again = hk.without_apply_rng(f)
    assert again.apply is f.apply
    twice = hk.without_apply_rng(hk.without_apply_rng(hk.transform_with_state(count)))
    assert signatures(twice) == ["(rng)", "(params, state)"]


def test_a_pair_of_other_functions_takes_a_key():
    f = hk.Transformed(lambda rng, x: {"rng": rng}, lambda params, rng, x: (params, rng, x))
    assert hk.without_apply_rng(f).apply(1, 2) == (1, None, 2)
    assert hk.with_empty_state(f).apply(1, {}, 2, 3) == ((1, 2, 3), {})


@pytest.mark.parametrize(
    ("convert", "wrong"),
    [
        (hk.without_state, hk.transform(linear)),
        (hk.with_empty_state, hk.transform_with_state(linear)),
        (hk.without_apply_rng, linear),
    ],
    ids=lambda x: getattr(x, "__name__", ""),
)
def test_another_kind_is_refused(convert, wrong):
    message = rf"{convert.__name__}: f is of type {type(wrong).__name__}, expected a pair hk\.(Multi)?Transformed"
    with pytest.raises(TypeError, match=message):
        convert(wrong)


def test_a_missing_key_is_still_explained():
    f = hk.without_apply_rng(hk.transform(hk.next_rng_key, apply_rng=True))
    with pytest.raises(hk.MissingRNGError, match=r"next_rng_key: a random key is needed and there is none. apply was"):
        f.apply({})


def test_converted_pairs_can_be_pickled():
    for pair in (
        hk.without_state(hk.transform_with_state(linear)),
        hk.without_apply_rng(hk.with_empty_state(hk.transform(linear))),
    ):
        same = pickle.loads(pickle.dumps(pair))
        assert signatures(same) == signatures(pair)
        jax.tree.map(np.testing.assert_array_equal, same.init(0, X), pair.init(0, X))
