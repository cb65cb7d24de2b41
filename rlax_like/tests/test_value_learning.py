import functools
import inspect
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rlax_like as rlax

FUNCTIONS = {
    f.__name__: f
    for f in (
        rlax.td_learning,
        rlax.sarsa,
        rlax.expected_sarsa,
        rlax.q_learning,
        rlax.double_q_learning,
        rlax.persistent_q_learning,
        rlax.qv_learning,
        rlax.qv_max,
    )
}
OF_ACTION_VALUES = [name for name in FUNCTIONS if name not in ("td_learning", "qv_max")]
each_function = pytest.mark.parametrize("name", FUNCTIONS)
each_of_action_values = pytest.mark.parametrize("name", OF_ACTION_VALUES)


def arguments(name, batch=(), num_actions=3, seed=0, dtype=np.float32):
    """Random arguments of a function, by name, all floating ones in `dtype`."""
    random = np.random.default_rng(seed)
    make = {
        "v": lambda: random.normal(size=batch).astype(dtype),
        "q": lambda: random.normal(size=(*batch, num_actions)).astype(dtype),
        "a": lambda: random.integers(num_actions, size=batch),
        "r": lambda: random.normal(size=batch).astype(dtype),
        "discount": lambda: random.uniform(size=batch).astype(dtype),
        "probs": lambda: random.dirichlet(np.ones(num_actions), size=batch).astype(dtype),
        "action": lambda: random.uniform(size=batch).astype(dtype),  # action_gap_scale
    }
    names = [p for p in inspect.signature(FUNCTIONS[name]).parameters if p != "stop_target_gradients"]
    return {p: make[p.split("_")[0]]() for p in names}


def by_loop(
    name,
    r_t,
    discount_t,
    v_tm1=None,
    v_t=None,
    q_tm1=None,
    a_tm1=None,
    q_t=None,
    a_t=None,
    probs_a_t=None,
    q_t_value=None,
    q_t_selector=None,
    action_gap_scale=None,
):
    """The error of each function in float64, one transition at a time, from its definition."""
    out = np.empty(np.shape(r_t), np.float64)
    for at in np.ndindex(*out.shape):

        def double(x, at=at):
            return np.asarray(x[at], np.float64)

        if name == "td_learning":
            value, prediction = double(v_t), double(v_tm1)
        elif name == "qv_max":
            value, prediction = max(double(q_t)), double(v_tm1)
        else:
            prediction = double(q_tm1)[a_tm1[at]]
            if name == "sarsa":
                value = double(q_t)[a_t[at]]
            elif name == "expected_sarsa":
                value = sum(p * q for p, q in zip(double(probs_a_t), double(q_t), strict=True))
            elif name == "q_learning":
                value = max(double(q_t))
            elif name == "persistent_q_learning":
                c = double(action_gap_scale)
                value = (1 - c) * max(double(q_t)) + c * double(q_t)[a_tm1[at]]
            elif name == "qv_learning":
                value = double(v_t)
            else:
                value = double(q_t_value)[list(double(q_t_selector)).index(max(double(q_t_selector)))]
        out[at] = double(r_t) + double(discount_t) * value - prediction
    return out


def test_by_hand():
    # A reward of 1, a discount of 0.5; the state left has the values 1 and 2, the state reached 3 and 5.
    q_tm1, q_t = jnp.array([1.0, 2.0]), jnp.array([3.0, 5.0])
    assert rlax.td_learning(2.0, 1.0, 0.5, 3.0) == 1.0 + 0.5 * 3.0 - 2.0
    assert rlax.sarsa(q_tm1, 0, 1.0, 0.5, q_t, 0) == 1.0 + 0.5 * 3.0 - 1.0
    assert rlax.expected_sarsa(q_tm1, 1, 1.0, 0.5, q_t, jnp.array([0.25, 0.75])) == 1.0 + 0.5 * 4.5 - 2.0
    assert rlax.q_learning(q_tm1, 1, 1.0, 0.5, q_t) == 1.0 + 0.5 * 5.0 - 2.0
    assert rlax.double_q_learning(q_tm1, 1, 1.0, 0.5, q_t, q_tm1[::-1]) == 1.0 + 0.5 * 3.0 - 2.0
    assert rlax.persistent_q_learning(q_tm1, 0, 1.0, 0.5, q_t, 0.25) == 1.0 + 0.5 * (0.75 * 5.0 + 0.25 * 3.0) - 1.0
    assert rlax.qv_learning(q_tm1, 1, 1.0, 0.5, 3.0) == 1.0 + 0.5 * 3.0 - 2.0
    assert rlax.qv_max(2.0, 1.0, 0.5, q_t) == 1.0 + 0.5 * 5.0 - 2.0


@each_function
@given(batch=st.sampled_from([(), (3,), (2, 1, 3)]), num_actions=st.sampled_from([1, 4]), seed=st.integers(0, 999))
def test_any_batch_agrees_with_a_loop(name, batch, num_actions, seed):
    args = arguments(name, batch, num_actions, seed)
    out = FUNCTIONS[name](**args)
    assert out.shape == batch
    assert out.dtype == jnp.float32
    np.testing.assert_allclose(out, by_loop(name, **args), rtol=1e-5, atol=1e-5)


@each_function
def test_an_empty_batch(name):
    assert FUNCTIONS[name](**arguments(name, (0,))).shape == (0,)


@each_function
def test_jit_vmap_and_pmap_change_nothing(name):
    function, args = FUNCTIONS[name], arguments(name, (8, 3))
    expected = function(**args)
    positional = tuple(args.values())
    np.testing.assert_allclose(jax.jit(function)(*positional), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(jax.vmap(function)(*positional), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(jax.vmap(jax.vmap(function))(*positional), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(jax.pmap(function)(*positional), expected, rtol=1e-5, atol=1e-6)
    mesh = jax.sharding.Mesh(np.array(jax.devices()), ("batch",))
    spec = jax.sharding.PartitionSpec("batch")
    sharded = jax.shard_map(function, mesh=mesh, in_specs=(spec,) * len(positional), out_specs=spec)
    np.testing.assert_allclose(sharded(*positional), expected, rtol=1e-5, atol=1e-6)


@each_function
@pytest.mark.parametrize(("dtype", "tolerance"), [(jnp.bfloat16, 5e-2), (jnp.float16, 5e-3)])
def test_half_precision_stays(name, dtype, tolerance):
    args = arguments(name, (4,), dtype=dtype)
    out = FUNCTIONS[name](**args)
    assert out.dtype == dtype
    np.testing.assert_allclose(np.asarray(out).astype(np.float64), by_loop(name, **args), atol=tolerance)


@each_function
@pytest.mark.usefixtures("x64")
def test_double_precision(name):
    args = arguments(name, (4,), dtype=np.float64)
    out = FUNCTIONS[name](**args)
    assert out.dtype == jnp.float64
    np.testing.assert_allclose(out, by_loop(name, **args), rtol=1e-12, atol=1e-12)


@each_function
def test_integer_and_boolean_rewards_and_discounts(name):
    args = arguments(name, (4,))
    whole = {**args, "r_t": np.array([1, 0, -1, 2]), "discount_t": np.array([True, False, True, True])}
    floats = {**args, "r_t": np.float32(whole["r_t"]), "discount_t": np.float32(whole["discount_t"])}
    np.testing.assert_array_equal(FUNCTIONS[name](**whole), FUNCTIONS[name](**floats))


@each_function
def test_a_discount_may_be_a_number(name):
    args = arguments(name, (4,))
    np.testing.assert_array_equal(
        FUNCTIONS[name](**{**args, "discount_t": 0.9}),
        FUNCTIONS[name](**{**args, "discount_t": np.full(4, 0.9, np.float32)}),
    )


TARGET = {"r_t", "discount_t", "v_t", "q_t", "probs_a_t", "q_t_value", "action_gap_scale"}


@each_function
@pytest.mark.parametrize("traced", [False, True])
def test_gradients_reach_the_target_only_where_asked(name, traced):
    args = arguments(name, (4,))
    real = {n: x for n, x in args.items() if not n.startswith("a_")}

    def total(real, stop):
        return FUNCTIONS[name](**{**args, **real}, stop_target_gradients=stop).sum()

    gradient = jax.grad(total)
    if traced:
        gradient = jax.jit(gradient)
    stopped, flowing = gradient(real, True), gradient(real, False)
    for argument in real:
        reaches = argument in TARGET
        assert np.any(np.asarray(flowing[argument]) != 0) == (reaches or argument in ("v_tm1", "q_tm1")), argument
        assert np.any(np.asarray(stopped[argument]) != 0) == (argument in ("v_tm1", "q_tm1")), argument
    prediction = "v_tm1" if "v_tm1" in real else "q_tm1"
    np.testing.assert_array_equal(stopped[prediction], flowing[prediction])


@each_function
@pytest.mark.usefixtures("x64")
def test_gradients_agree_with_finite_differences(name):
    args = arguments(name, (4,), dtype=np.float64)
    real = {n: x for n, x in args.items() if not n.startswith("a_")}
    total = functools.partial(lambda real: FUNCTIONS[name](**{**args, **real}, stop_target_gradients=False).sum())
    gradient = jax.grad(total)(real)
    direction = {n: np.random.default_rng(1).normal(size=x.shape) for n, x in real.items()}
    step = 1e-6
    ahead, behind = (total({n: x + s * direction[n] for n, x in real.items()}) for s in (step, -step))
    slope = sum(np.sum(gradient[n] * direction[n]) for n in real)
    np.testing.assert_allclose(slope, (ahead - behind) / (2 * step), rtol=1e-6)


@pytest.mark.parametrize("scale", [-0.1, 1.5, float("nan")])
def test_the_share_of_repeating_is_a_share(scale):
    with pytest.raises(ValueError, match=r"persistent_q_learning: action_gap_scale is .*, expected a number in \[0"):
        rlax.persistent_q_learning(jnp.zeros(2), 0, 0.0, 1.0, jnp.zeros(2), scale)


def test_repeating_leaves_the_best_action_best_and_widens_the_gap():
    # Two actions that both return to one state: with the values of the fixed point, the gap is larger.
    q = jnp.zeros(2)
    rewards = jnp.array([1.0, 0.9])
    for _ in range(200):
        q = q + jnp.stack([rlax.persistent_q_learning(q, a, rewards[a], 0.9, q, 0.5) for a in range(2)])
    assert float(q[0]) == pytest.approx(10.0, rel=1e-4)
    # 0.9 + 0.9 (0.5 * 10 + 0.5 q) = q
    assert float(q[1]) == pytest.approx(5.4 / 0.55, rel=1e-4)


def test_an_impossible_action_may_have_an_infinite_value():
    q_t, probs = jnp.array([1.0, -jnp.inf]), jnp.array([1.0, 0.0])
    assert rlax.expected_sarsa(jnp.array([0.0, 0.0]), 0, 0.0, 1.0, q_t, probs) == 1.0
    gradient = jax.grad(lambda p: rlax.expected_sarsa(jnp.zeros(2), 0, 0.0, 1.0, q_t, p, False))(probs)
    assert np.all(np.isfinite(gradient))
    assert rlax.q_learning(jnp.zeros(2), 0, 0.0, 1.0, q_t) == 1.0


def test_double_q_learning_takes_the_first_of_equal_actions():
    assert (
        rlax.double_q_learning(jnp.zeros(3), 0, 0.0, 1.0, jnp.array([1.0, 2.0, 3.0]), jnp.array([0.0, 5.0, 5.0])) == 2.0
    )


@each_of_action_values
def test_an_action_that_does_not_exist_gives_nan(name):
    args = arguments(name, (2,))
    out = FUNCTIONS[name](**{**args, "a_tm1": np.array([1, 3])})
    np.testing.assert_array_equal(np.isnan(out), [False, True])


@each_of_action_values
def test_actions_must_be_integers(name):
    args = arguments(name, (2,))
    for bad, got in ((np.zeros(2, np.float32), "float32[2]"), (np.zeros(2, bool), "bool[2]")):
        message = (
            f"{name}: a_tm1 must be an integer array, got {got}. An action is an index: cast it with a_tm1.astype("
        )
        with pytest.raises(TypeError, match=re.escape(message)):
            FUNCTIONS[name](**{**args, "a_tm1": bad})


@each_function
def test_each_argument_of_another_batch_is_named(name):
    args = arguments(name, (2,))
    for argument, value in args.items():
        wrong = {**args, argument: np.concatenate([value, value])}
        with pytest.raises(
            ValueError, match=rf"{name}: \w+ has shape \(\d.*\), expected \(\d.*\) like .*(v_tm1|q_)"
        ) as error:
            FUNCTIONS[name](**wrong)
        # The first argument sets the batch, so the next one is blamed for differing from it.
        if argument not in ("v_tm1", "q_tm1", "q_t_value", "q_t"):
            assert f"{name}: {argument} has shape" in str(error.value)


@each_of_action_values
def test_action_values_need_an_axis_of_actions(name):
    args = arguments(name)
    for argument in args:
        if argument.startswith("q_"):
            with pytest.raises(
                ValueError, match=rf"{name}: {argument} has shape \(\), expected \[\*B, A\]: one value per"
            ):
                FUNCTIONS[name](**{**args, argument: np.float32(1.0)})


@each_function
def test_what_is_no_array_is_named(name):
    args = arguments(name)
    for argument in args:
        with pytest.raises(TypeError, match=f"{name}: {argument} must be an array or a number, got 'x' of type str"):
            FUNCTIONS[name](**{**args, argument: "x"})


def test_the_parameters_are_those_of_rlax():
    order = "q_tm1 a_tm1 r_t discount_t"
    expected = {
        "td_learning": "v_tm1 r_t discount_t v_t",
        "sarsa": f"{order} q_t a_t",
        "expected_sarsa": f"{order} q_t probs_a_t",
        "q_learning": f"{order} q_t",
        "double_q_learning": f"{order} q_t_value q_t_selector",
        "persistent_q_learning": f"{order} q_t action_gap_scale",
        "qv_learning": f"{order} v_t",
        "qv_max": "v_tm1 r_t discount_t q_t",
    }
    for name, parameters in expected.items():
        signature = inspect.signature(FUNCTIONS[name])
        assert [*signature.parameters] == [*parameters.split(), "stop_target_gradients"]
        assert signature.parameters["stop_target_gradients"].default is True
