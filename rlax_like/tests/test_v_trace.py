import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rlax_like as rlax

# Two steps with rewards 1 and 2 and a discount of 0.5.
V_TM1, V_T, R_T, RHO_TM1 = (jnp.array(x) for x in ([2.0, 4.0], [4.0, 8.0], [1.0, 2.0], [2.0, 0.5]))
BOTH = [rlax.vtrace_td_error_and_advantage, rlax.leaky_vtrace_td_error_and_advantage]


def test_by_hand():
    second = 0.5 * (2 + 0.5 * 8 - 4)
    first = 1 * (1 + 0.5 * 4 - 2) + 0.5 * 0.5 * 1 * second
    np.testing.assert_array_equal(rlax.vtrace(V_TM1, V_T, R_T, 0.5, RHO_TM1, lambda_=0.5), [first, second])
    first = 1.5 * (1 + 0.5 * 4 - 2) + 0.5 * 0.5 * 1 * second
    out = rlax.vtrace(V_TM1, V_T, R_T, 0.5, RHO_TM1, lambda_=0.5, clip_rho_threshold=1.5)
    np.testing.assert_array_equal(out, [first, second])


def test_leaky_by_hand():
    second = 0.5 * (2 + 0.5 * 8 - 4)
    first = (0.75 * 1 + 0.25 * 2) * ((1 + 0.5 * 4 - 2) + 0.5 * second)
    out = rlax.leaky_vtrace(V_TM1, V_T, R_T, 0.5, RHO_TM1, alpha_=0.75)
    np.testing.assert_array_equal(out, [first, second])


def test_advantages_by_hand():
    out = rlax.vtrace_td_error_and_advantage(V_TM1, V_T, R_T, 0.5, RHO_TM1, 0.5, clip_pg_rho_threshold=1.5)
    np.testing.assert_array_equal(out.errors, rlax.vtrace(V_TM1, V_T, R_T, 0.5, RHO_TM1, lambda_=0.5))
    q_estimate = [1 + 0.5 * (4 + 0.5 * 1), 2 + 0.5 * 8]
    np.testing.assert_array_equal(out.q_estimate, q_estimate)
    np.testing.assert_array_equal(out.pg_advantage, [1.5 * (q_estimate[0] - 2), 0.5 * (q_estimate[1] - 4)])


@pytest.mark.parametrize("function", BOTH)
def test_the_advantage_bootstraps_from_the_state_reached(function):
    # An episode was cut after the first step: the state reached has the value 4, and another one starts in one of 400.
    v_tm1, truncated_t = jnp.array([2.0, 400.0]), jnp.array([True, False])
    out = function(v_tm1, V_T, R_T, 0.5, jnp.ones(2), truncated_t=truncated_t)
    assert out.q_estimate[0] == 1 + 0.5 * 4
    assert out.pg_advantage[0] == 1 + 0.5 * 4 - 2
    assert out.errors[0] == 1 + 0.5 * 4 - 2


def test_on_policy_it_is_the_lambda_return():
    random = np.random.default_rng(0)
    v_tm1, v_t, r_t, discount_t, lambda_ = (random.uniform(size=(6, 2)).astype(np.float32) for _ in range(5))
    v_t[:-1] = v_tm1[1:]
    errors = rlax.vtrace(v_tm1, v_t, r_t, discount_t, np.ones((6, 2)), lambda_)
    np.testing.assert_allclose(errors, rlax.td_lambda(v_tm1, r_t, discount_t, v_t, lambda_), rtol=1e-4, atol=1e-5)


def test_leaking_nothing_is_v_trace_and_leaking_all_importance_sampling():
    random = np.random.default_rng(1)
    args = [random.uniform(size=6).astype(np.float32) for _ in range(4)] + [random.uniform(0, 3, size=6)]
    np.testing.assert_allclose(rlax.leaky_vtrace(*args), rlax.vtrace(*args), rtol=1e-6)
    v_tm1, v_t, r_t, discount_t, rho_tm1 = map(np.float64, args)
    out = 0.0
    for t in reversed(range(6)):
        out = rho_tm1[t] * (r_t[t] + discount_t[t] * v_t[t] - v_tm1[t] + discount_t[t] * out)
    np.testing.assert_allclose(rlax.leaky_vtrace(*args, alpha_=0)[0], out, rtol=1e-5)


def test_steps_that_are_masked_are_passed_over():
    random = np.random.default_rng(2)
    args = [random.uniform(size=5).astype(np.float32) for _ in range(5)]
    mask = np.array([True, False, False, True, True])
    out = rlax.vtrace(*args, sample_mask=mask)
    np.testing.assert_allclose(out[mask], rlax.vtrace(*(x[mask] for x in args)), rtol=1e-5)
    np.testing.assert_allclose(out[1:3], np.repeat(out[3], 2))


@pytest.mark.parametrize("ending", ["truncation", "termination"])
@pytest.mark.parametrize("function", [rlax.vtrace, *BOTH])
def test_a_masked_step_still_ends_its_episode(function, ending):
    random = np.random.default_rng(3)
    args = [random.uniform(size=6).astype(np.float32) for _ in range(5)]
    mask = np.array([True, True, False, True, False, True])
    truncated = np.zeros(6, bool)
    truncated[2] = ending == "truncation"
    if ending == "termination":
        args[3][2] = 0
    joined = function(*args, sample_mask=mask, truncated_t=truncated)
    split = [
        function(*(x[part] for x in args), sample_mask=mask[part], truncated_t=truncated[part])
        for part in (slice(3), slice(3, None))
    ]
    jax.tree.map(lambda j, a, b: np.testing.assert_allclose(j, np.concatenate([a, b]), rtol=1e-6), joined, *split)


def test_small_errors_of_large_values_are_not_rounded():
    # The target itself, 2^20 + 0.001, has no float32 near it.
    v_tm1, ratio = jnp.full(2, 2.0**20), jnp.full(2, 1e-3)
    out = rlax.vtrace(v_tm1, v_tm1, jnp.ones(2), jnp.ones(2), ratio, lambda_=0)
    np.testing.assert_allclose(out, [1e-3, 1e-3], rtol=1e-6)


def test_the_mask_must_be_boolean():
    with pytest.raises(TypeError, match=r"vtrace: sample_mask must be a boolean array, got float32\[2\]. Compare"):
        rlax.vtrace(V_TM1, V_T, R_T, 0.5, RHO_TM1, sample_mask=jnp.ones(2))
    with pytest.raises(ValueError, match=r"vtrace: sample_mask has shape \(3,\), expected \(2,\) like r_t"):
        rlax.vtrace(V_TM1, V_T, R_T, 0.5, RHO_TM1, sample_mask=jnp.ones(3, bool))


def test_the_derivative_of_targets_that_are_not_stopped():
    function = functools.partial(rlax.vtrace, stop_target_gradients=False)
    # d e_0 / d v_0 is -min(1, rho_0), and d e_0 / d v_1 is -discount min(1, rho_0) min(1, rho_1).
    jacobian = jax.jacobian(function)(V_TM1, V_T, R_T, 0.5, RHO_TM1)
    np.testing.assert_array_equal(jacobian, [[-1.0, -0.25], [0.0, -0.5]])
