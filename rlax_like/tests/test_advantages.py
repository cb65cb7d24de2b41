import re

import jax.numpy as jnp
import numpy as np
import pytest

import rlax_like as rlax

R_T, V_TM1, V_T = jnp.array([1.0, 2.0, 3.0]), jnp.array([2.0, 4.0, 8.0]), jnp.array([4.0, 8.0, 16.0])


def test_by_hand():
    third = 3 + 0.5 * 16 - 8
    second = 2 + 0.5 * 8 - 4 + 0.5 * 0.25 * third
    first = 1 + 0.5 * 4 - 2 + 0.5 * 0.25 * second
    out = rlax.generalized_advantage_estimation(R_T, 0.5, V_TM1, V_T, 0.25)
    np.testing.assert_array_equal(out, [first, second, third])
    values = jnp.append(V_TM1, V_T[-1])
    np.testing.assert_array_equal(rlax.truncated_generalized_advantage_estimation(R_T, 0.5, 0.25, values), out)


def test_an_episode_that_was_cut_bootstraps_from_its_last_state():
    # The second step reaches a state of value 10, and the next episode starts in one of value 8.
    v_t = jnp.array([4.0, 10.0, 16.0])
    truncated_t = jnp.array([False, True, False])
    out = rlax.generalized_advantage_estimation(R_T, 0.5, V_TM1, v_t, 0.25, truncated_t=truncated_t)
    second = 2 + 0.5 * 10 - 4
    np.testing.assert_array_equal(out, [1 + 0.5 * 4 - 2 + 0.5 * 0.25 * second, second, 3 + 0.5 * 16 - 8])


def test_with_lambda_1_it_is_the_return_less_the_value():
    random = np.random.default_rng(0)
    r_t, discount_t, v_tm1, v_t = (random.uniform(size=(20, 3)).astype(np.float32) for _ in range(4))
    v_t[:-1] = v_tm1[1:]  # And the value of the last state is not 0.
    out = rlax.generalized_advantage_estimation(r_t, discount_t, v_tm1, v_t)
    np.testing.assert_allclose(out, rlax.discounted_returns(r_t, discount_t, v_t) - v_tm1, rtol=1e-4, atol=1e-5)


def test_with_any_lambda_it_is_the_lambda_return_less_the_value():
    random = np.random.default_rng(1)
    r_t, discount_t, v_tm1, v_t, lambda_ = (random.uniform(size=20).astype(np.float32) for _ in range(5))
    v_t[:-1] = v_tm1[1:]
    out = rlax.generalized_advantage_estimation(r_t, discount_t, v_tm1, v_t, lambda_)
    np.testing.assert_allclose(out, rlax.td_lambda(v_tm1, r_t, discount_t, v_t, lambda_), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("steps", [3, 5])
def test_values_have_one_step_more(steps):
    message = (
        f"truncated_generalized_advantage_estimation: values has shape ({steps},), expected (4,), one step more than "
        f"r_t. The last one is the value of the state that the last step reaches."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        rlax.truncated_generalized_advantage_estimation(R_T, 0.5, 0.25, jnp.ones(steps))
