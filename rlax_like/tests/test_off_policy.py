import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rlax_like as rlax

# Two steps with rewards 1 and 2 and a discount of 0.5. The states that they reach have the values 3 and 6.
Q_T, PI_T = jnp.array([[2.0, 4.0], [4.0, 8.0]]), jnp.array([[0.5, 0.5], [0.5, 0.5]])
A_T, R_T, V_T = jnp.array([1, 0]), jnp.array([1.0, 2.0]), jnp.array([3.0, 6.0])


def test_by_hand():
    second = 2 + 0.5 * 6
    first = 1 + 0.5 * (3 + 0.25 * (second - 4))
    out = rlax.general_off_policy_returns_from_action_values(Q_T, A_T, R_T, 0.5, jnp.array([0.25, 9.0]), PI_T)
    np.testing.assert_array_equal(out, [first, second])
    out = rlax.general_off_policy_returns_from_q_and_v(jnp.array([4.0]), V_T, R_T, 0.5, jnp.array([0.25]))
    np.testing.assert_array_equal(out, [first, second])


def test_with_traces_of_lambda_on_policy_it_is_expected_sarsa_lambda_and_without_expected_sarsa():
    out = rlax.general_off_policy_returns_from_action_values(Q_T, A_T, R_T, 0.5, 0, PI_T)
    np.testing.assert_array_equal(out, R_T + 0.5 * V_T)


def test_where_the_episode_was_cut_the_action_taken_next_does_not_count():
    truncated_t = jnp.array([True, False])
    for q_t in (4.0, jnp.inf, -jnp.inf):  # It is another episode's.
        out = rlax.general_off_policy_returns_from_q_and_v(
            jnp.array([q_t]), V_T, R_T, 0.5, jnp.array([0.25]), truncated_t=truncated_t
        )
        np.testing.assert_array_equal(out, [1 + 0.5 * 3, 5])


@pytest.mark.parametrize("num_actions", [1, 8, 9])
def test_any_number_of_actions(num_actions):
    random = np.random.default_rng(num_actions)
    q_t, pi_t = random.normal(size=(3, num_actions)), random.dirichlet(np.ones(num_actions), size=3)
    args = random.integers(num_actions, size=3), random.normal(size=3), 0.9, random.uniform(size=3)
    out = jax.jit(rlax.general_off_policy_returns_from_action_values)(q_t, *args, pi_t)
    a_t, r_t, discount_t, c_t = args
    q_a_t = q_t[np.arange(3), a_t]
    expected = rlax.general_off_policy_returns_from_q_and_v(
        q_a_t[:-1], np.sum(q_t * pi_t, -1), r_t, discount_t, c_t[:-1]
    )
    np.testing.assert_allclose(out, expected, rtol=1e-5)


def test_without_actions_the_values_are_of_no_shape_that_fits():
    with pytest.raises(ValueError, match=r"q_t has shape \(2, 2\), expected \(2, A\)|pi_t has shape \(2, 3\)"):
        rlax.general_off_policy_returns_from_action_values(Q_T, A_T, R_T, 0.5, 0, jnp.ones((2, 3)))


@pytest.mark.parametrize("argument", ["q_t", "c_t"])
def test_one_step_less(argument):
    args = {"q_t": jnp.array([4.0]), "v_t": V_T, "r_t": R_T, "discount_t": 0.5, "c_t": jnp.array([0.25])}
    message = (
        f"general_off_policy_returns_from_q_and_v: {argument} has shape (2,), expected (1,), one step less than r_t. "
        f"Leave out the last step, after which no action is known."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        rlax.general_off_policy_returns_from_q_and_v(**{**args, argument: jnp.ones(2)})


def test_a_single_step():
    empty = jnp.zeros(0)
    assert rlax.general_off_policy_returns_from_q_and_v(empty, V_T[:1], R_T[:1], 0.5, empty) == 2.5
