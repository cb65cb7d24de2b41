import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

import haiku_like as hk


def mlp(x):
    return hk.nets.MLP([5, 2])(x)


X = np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3)


def test_apply_takes_no_key_by_default():
    f = hk.transform(mlp)
    params = f.init(jax.random.key(0), X)
    first, second = (jax.tree.map(np.asarray, layer) for layer in params.values())
    hidden = np.maximum(X @ first["w"] + first["b"], 0)
    np.testing.assert_allclose(f.apply(params, X), hidden @ second["w"] + second["b"], rtol=1e-5)


def test_apply_takes_a_key_where_asked():
    f = hk.transform(lambda x: hk.dropout(hk.next_rng_key(), 0.5, x), apply_rng=True)
    assert f.init(0, X) == {}
    first, same, other = (f.apply({}, key, X) for key in (0, jax.random.PRNGKey(0), 1))
    np.testing.assert_array_equal(first, same)
    assert not np.array_equal(first, other)


def test_arguments_go_through_by_keyword_too():
    f = hk.transform(lambda x, *, scale: hk.Linear(1)(x) * scale)
    params = f.init(rng=0, x=X, scale=2.0)
    np.testing.assert_allclose(f.apply(params=params, x=X, scale=2.0), 2 * f.apply(params, X, scale=1.0))
    with_state = hk.transform_with_state(lambda x: x)
    assert with_state.apply(params={}, state={}, rng=None, x=3) == (3, {})


def test_pure_functions_go_through_jax_transforms():
    f = hk.transform(mlp)
    params = f.init(0, X)
    out = f.apply(params, X)
    np.testing.assert_allclose(jax.jit(f.apply)(params, X), out, rtol=1e-6)
    np.testing.assert_allclose(jax.vmap(f.apply, (None, 0))(params, X), out, rtol=1e-6)
    jax.tree.map(np.testing.assert_array_equal, jax.jit(f.init)(0, X), params)
    jax.tree.map(
        np.testing.assert_array_equal,
        jax.vmap(f.init, (0, None))(jnp.arange(2), X)["mlp/~/linear_0"],
        jax.tree.map(lambda *x: jnp.stack(x), *(f.init(i, X)["mlp/~/linear_0"] for i in range(2))),
    )
    assert jax.eval_shape(f.init, 0, X)["mlp/~/linear_1"]["w"].shape == (5, 2)


@pytest.mark.usefixtures("x64")
def test_gradients_agree_with_finite_differences():
    f = hk.transform(mlp)
    x = X.astype(np.float64)
    params = f.init(0, x)
    check_grads(lambda p: jnp.sum(f.apply(p, x) ** 2), (params,), order=1, modes=["rev"])


def test_it_works_over_many_devices():
    f = hk.transform(mlp)
    params = f.init(0, X)
    devices = jax.devices()
    mesh = jax.sharding.Mesh(np.array(devices), ("batch",))
    spec = jax.sharding.PartitionSpec
    x = np.tile(X, (len(devices), 1))
    sharded = jax.shard_map(f.apply, mesh=mesh, in_specs=(spec(), spec("batch")), out_specs=spec("batch"))
    np.testing.assert_allclose(sharded(params, x), f.apply(params, x), rtol=1e-6)
    pmapped = jax.pmap(f.apply, in_axes=(None, 0))(params, np.stack([X] * len(devices)))
    np.testing.assert_allclose(pmapped[-1], f.apply(params, X), rtol=1e-6)


def test_nothing_leaks():
    f = hk.transform_with_state(lambda x: hk.Linear(2)(x) + hk.get_state("s", [1, 2], init=jnp.zeros))
    with jax.checking_leaks():
        params, state = jax.jit(f.init)(0, X)
        jax.jit(f.apply)(params, state, None, X)


def test_transforms_nest():
    inner = hk.transform(lambda x: hk.Linear(2, name="inner")(x))

    def outer(x):
        params = inner.init(0, x)
        return hk.Linear(2, name="outer")(inner.apply(params, x))

    assert list(hk.transform(outer).init(0, X)) == ["outer"]


def test_the_pair_can_be_used_again():
    f = hk.transform(lambda: [hk.Linear(2)(X), hk.Linear(3)(X)])
    assert list(f.init(0)) == list(f.init(0)) == ["linear", "linear_1"]


def test_no_parameters_may_be_none():
    assert hk.transform(lambda x: x).apply(None, 3) == 3
    assert hk.transform_with_state(lambda x: x).apply(None, None, None, 3) == (3, {})


def test_state_under_transform_is_refused():
    def stateful():
        hk.set_state("s", 1)

    message = r": the function under hk.transform uses state \(~\), expected none. Use hk.transform_with_state"
    with pytest.raises(hk.NonEmptyStateError, match=f"init{message}"):
        hk.transform(stateful).init(None)
    with pytest.raises(hk.NonEmptyStateError, match=f"apply{message}"):
        hk.transform(stateful).apply({})


@pytest.mark.parametrize("transform", [hk.transform, hk.transform_with_state])
def test_what_is_no_function_is_refused(transform):
    message = f"{transform.__name__}: f is 3 of type int, expected a function that builds and calls modules"
    with pytest.raises(TypeError, match=message):
        transform(3)


@pytest.mark.parametrize("params", [jnp.zeros(2), [1], {"linear": jnp.zeros(2)}])
def test_parameters_of_another_kind_are_refused(params):
    message = re.escape("expected a dictionary {module path: {name: array}} as init returns it")
    with pytest.raises(TypeError, match=f"apply: params is of type .*{message}"):
        hk.transform(mlp).apply(params, X)
    with pytest.raises(TypeError, match=f"apply: state is of type .*{message}"):
        hk.transform_with_state(mlp).apply({}, params, None, X)


@pytest.mark.parametrize("key", [jax.random.key(0), jax.random.PRNGKey(0), None], ids=["typed", "raw", "none"])
def test_a_key_that_apply_does_not_take_is_explained(key):
    f = hk.transform(mlp)
    params = f.init(0, X)
    with pytest.raises(TypeError, match="positional argument") as caught:
        f.apply(params, key, X)
    assert "use hk.transform(f, apply_rng=True), which gives apply(params, rng, *args)" in caught.value.__notes__[0]


@pytest.mark.parametrize("key", [jax.random.key(0), jax.random.PRNGKey(0)], ids=["typed", "raw"])
def test_it_is_explained_where_the_key_was_taken_for_another_argument(key):
    f = hk.transform(lambda x, is_training=True: mlp(x))
    params = f.init(0, X)
    with pytest.raises((TypeError, ValueError)) as caught:
        f.apply(params, key, X)
    assert "takes no key" in caught.value.__notes__[0]


def test_an_error_of_the_function_itself_is_left_alone():
    def wrong(x, y):
        return x + y

    for args in ((1, "a"), (1,)):
        with pytest.raises(TypeError) as caught:
            hk.transform(wrong).apply({}, *args)
        assert not getattr(caught.value, "__notes__", [])
