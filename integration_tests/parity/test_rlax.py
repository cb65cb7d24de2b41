"""The same calls to rlax and rlax_like: the same numbers and gradients."""

import functools
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import rlax
from hypothesis import given
from hypothesis import strategies as st

import rlax_like

VALUE_LEARNING = ["td_learning", "sarsa", "expected_sarsa", "q_learning", "double_q_learning"]
NAMES = [
    *VALUE_LEARNING,
    "l2_loss",
    "huber_loss",
    "epsilon_greedy",
    "greedy",
    "softmax",
    "batched_index",
    "one_hot",
]


@pytest.mark.parametrize("name", NAMES)
def test_parameters_and_defaults(name):
    ours, theirs = (inspect.signature(getattr(lib, name)).parameters for lib in (rlax_like, rlax))
    assert list(ours) == list(theirs)
    for parameter, default in theirs.items():
        assert ours[parameter].default == default.default, parameter


def arguments(name, seed, dtype=np.float32):
    random = np.random.default_rng(seed)
    make = {
        "v": lambda: random.normal(size=()),
        "q": lambda: random.integers(-2, 3, size=4),  # Integers, so that there are ties.
        "a": lambda: random.integers(4),
        "r": lambda: random.normal(),
        "discount": lambda: random.uniform(),
        "probs": lambda: random.dirichlet(np.ones(4)),
    }
    parameters = [p for p in inspect.signature(getattr(rlax, name)).parameters if p != "stop_target_gradients"]
    return {p: jnp.asarray(make[p.split("_")[0]](), jnp.int32 if p.startswith("a_") else dtype) for p in parameters}


@pytest.mark.parametrize("name", VALUE_LEARNING)
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.float16])
@pytest.mark.parametrize("stop", [True, False])
def test_value_learning(name, dtype, stop):
    tolerance = {"rtol": 1e-6, "atol": 1e-6} if dtype == jnp.float32 else {"rtol": 2e-2, "atol": 2e-2}
    for seed in range(5):
        args = arguments(name, seed, dtype)
        ours, theirs = (getattr(lib, name)(**args, stop_target_gradients=stop) for lib in (rlax_like, rlax))
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
        np.testing.assert_allclose(np.float64(ours), np.float64(theirs), **tolerance)
        real = {n: x for n, x in args.items() if not n.startswith("a_")}
        gradients = []
        for lib in (rlax_like, rlax):
            function = functools.partial(getattr(lib, name), stop_target_gradients=stop)
            gradients.append(jax.grad(lambda real, f=function, args=args: f(**{**args, **real}))(real))
        jax.tree.map(lambda a, b: np.testing.assert_allclose(np.float64(a), np.float64(b), **tolerance), *gradients)


@pytest.mark.parametrize("name", VALUE_LEARNING)
def test_a_batch_is_vmap_of_rlax(name):
    batches = [arguments(name, seed) for seed in range(6)]
    args = tuple(jnp.stack(values) for values in zip(*(b.values() for b in batches), strict=True))
    np.testing.assert_allclose(
        getattr(rlax_like, name)(*args), jax.vmap(getattr(rlax, name))(*args), rtol=1e-6, atol=1e-6
    )


@given(st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=5), st.sampled_from([0.25, 1.0, 3.0]))
def test_losses(x, delta):
    x = jnp.array(x, jnp.float32)
    np.testing.assert_allclose(rlax_like.huber_loss(x, delta), rlax.huber_loss(x, delta), rtol=1e-6)
    np.testing.assert_allclose(rlax_like.l2_loss(x), rlax.l2_loss(x), rtol=1e-6)
    np.testing.assert_allclose(rlax_like.l2_loss(x, x[::-1]), rlax.l2_loss(x, x[::-1]), rtol=1e-6)


POLICIES = {
    "epsilon_greedy": lambda lib: lib.epsilon_greedy(0.3),
    "greedy": lambda lib: lib.greedy(),
    "softmax": lambda lib: lib.softmax(),
    "softmax_warm": lambda lib: lib.softmax(2.5),
}


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES.keys())
@pytest.mark.parametrize("batch", [(), (3,), (2, 3)])
def test_policies(policy, batch):
    ours, theirs = policy(rlax_like), policy(rlax)
    random = np.random.default_rng(0)
    x = jnp.asarray(random.integers(-2, 3, size=(*batch, 4)), jnp.float32)
    actions = jnp.asarray(random.integers(4, size=batch))
    np.testing.assert_allclose(ours.probs(x), theirs.probs(x), rtol=1e-6)
    np.testing.assert_allclose(ours.entropy(x), theirs.entropy(x), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(ours.logprob(actions, x), theirs.logprob(actions, x), rtol=1e-5, atol=1e-6)
    if theirs.kl is not None:
        y = jnp.flip(x, -1)
        np.testing.assert_allclose(ours.kl(x, y), theirs.kl(x, y), rtol=1e-4, atol=1e-6)
    for seed in range(30):
        key = jax.random.PRNGKey(seed)
        np.testing.assert_array_equal(ours.sample(key, x), theirs.sample(key, x))


def test_epsilon_given_with_the_call():
    x = jnp.array([1.0, 3.0, 2.0])
    for args, kwargs in (((0.4,), {}), ((), {"epsilon": 0.4})):
        ours, theirs = (lib.epsilon_greedy().probs(x, *args, **kwargs) for lib in (rlax_like, rlax))
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)


@pytest.mark.parametrize("keepdims", [False, True])
def test_batched_index(keepdims):
    values = jnp.arange(24.0).reshape(2, 3, 4)
    indices = jnp.array([[0, 3, -1], [2, 4, -4]])  # 4 is off the axis.
    ours, theirs = (lib.batched_index(values, indices, keepdims) for lib in (rlax_like, rlax))
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.int32, jnp.bfloat16])
def test_one_hot(dtype):
    indices = jnp.array([[0, 2], [3, -1]])
    ours, theirs = (lib.one_hot(indices, 3, dtype) for lib in (rlax_like, rlax))
    assert ours.dtype == theirs.dtype
    np.testing.assert_array_equal(ours, theirs)
