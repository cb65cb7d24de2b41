import jax.numpy as jnp
import numpy as np

import rlax_like as rlax

# Two steps with rewards 1 and 2 and a discount of 0.5; in each state, the first action was taken.
Q_TM1, Q_T = jnp.array([[2.0, 3.0], [5.0, 1.0]]), jnp.array([[4.0, 6.0], [8.0, 2.0]])
A_TM1, A_T, R_T = jnp.array([0, 0]), jnp.array([0, 1]), jnp.array([1.0, 2.0])


def test_td_lambda_by_hand():
    second = 2 + 0.5 * 8
    first = 1 + 0.5 * (0.5 * 4 + 0.5 * second)
    out = rlax.td_lambda(jnp.array([2.0, 5.0]), R_T, 0.5, jnp.array([4.0, 8.0]), 0.5)
    np.testing.assert_array_equal(out, [first - 2, second - 5])


def test_sarsa_lambda_by_hand():
    second = 2 + 0.5 * 2
    first = 1 + 0.5 * (0.5 * 4 + 0.5 * second)
    out = rlax.sarsa_lambda(Q_TM1, A_TM1, R_T, 0.5, Q_T, A_T, 0.5)
    np.testing.assert_array_equal(out, [first - 2, second - 5])


def test_q_lambda_by_hand():
    second = 2 + 0.5 * 8
    first = 1 + 0.5 * (0.5 * 6 + 0.5 * second)
    out = rlax.q_lambda(Q_TM1, A_TM1, R_T, 0.5, Q_T, 0.5)
    np.testing.assert_array_equal(out, [first - 2, second - 5])


def test_with_lambda_0_they_are_the_errors_of_one_step():
    out = rlax.sarsa_lambda(Q_TM1, A_TM1, R_T, 0.5, Q_T, A_T, 0)
    np.testing.assert_array_equal(out, rlax.sarsa(Q_TM1, A_TM1, R_T, 0.5, Q_T, A_T))
    out = rlax.q_lambda(Q_TM1, A_TM1, R_T, 0.5, Q_T, 0)
    np.testing.assert_array_equal(out, rlax.q_learning(Q_TM1, A_TM1, R_T, 0.5, Q_T))


def test_an_action_that_does_not_exist_gives_nan():
    out = rlax.q_lambda(Q_TM1, jnp.array([0, 2]), R_T, 0.5, Q_T, 0.5)
    np.testing.assert_array_equal(jnp.isnan(out), [False, True])
    out = rlax.sarsa_lambda(Q_TM1, A_TM1, R_T, 0.5, Q_T, jnp.array([2, 0]), 0.5)
    np.testing.assert_array_equal(jnp.isnan(out), [True, False])


def test_an_impossible_action_does_not_count():
    q_t = jnp.array([[4.0, -jnp.inf], [-jnp.inf, 2.0]])
    np.testing.assert_array_equal(rlax.q_lambda(Q_TM1, A_TM1, R_T, 0.5, q_t, 1.0), [1 + 0.5 * 3 - 2, 3 - 5])
