import inspect
import re

import jax.numpy as jnp
import numpy as np
import pytest

import rlax_like as rlax

# What is learned is the square root of the values: 4 and 16 for the states, and for the actions in each.
ROOT = rlax.TxPair(jnp.sqrt, jnp.square)
R_T, V_T, A = jnp.array([1.0, 8.0]), jnp.array([2.0, 4.0]), jnp.array([1, 0])
Q = jnp.array([[1.0, 2.0], [4.0, 3.0]])
SECOND = 8 + 0.5 * 16


def test_lambda_returns_by_hand():
    first = 1 + 0.5 * (0.5 * 4 + 0.5 * SECOND)
    out = rlax.transformed_lambda_returns(ROOT, R_T, 0.5, V_T, 0.5)
    np.testing.assert_allclose(out, np.sqrt([first, SECOND]), rtol=1e-6)


def test_n_step_returns_by_hand():
    out = rlax.transformed_n_step_returns(ROOT, R_T, 0.5, V_T, 1)
    np.testing.assert_allclose(out, np.sqrt([1 + 0.5 * 4, SECOND]), rtol=1e-6)
    out = rlax.transformed_n_step_returns(ROOT, R_T, 0.5, V_T, 2)
    np.testing.assert_allclose(out, np.sqrt([1 + 0.5 * SECOND, SECOND]), rtol=1e-6)


def test_off_policy_returns_by_hand():
    pi_t = jnp.array([[0.5, 0.5], [1.0, 0.0]])
    first = 1 + 0.5 * (0.5 * 1 + 0.5 * 4 + 0.25 * (SECOND - 4))
    out = rlax.transformed_general_off_policy_returns_from_action_values(ROOT, Q, A, R_T, 0.5, 0.25, pi_t)
    np.testing.assert_allclose(out, np.sqrt([first, SECOND]), rtol=1e-6)
    out = rlax.transformed_retrace(Q, Q, A, A, R_T, 0.5, pi_t, jnp.array([1.0, 1.0]), 0.5, tx_pair=ROOT)
    np.testing.assert_allclose(out, np.sqrt([first, SECOND]) - [2, 4], rtol=1e-6)


def test_errors_of_action_values_by_hand():
    first = 1 + 0.5 * (0.5 * 4 + 0.5 * SECOND)
    out = rlax.transformed_q_lambda(Q, A, R_T, 0.5, Q, 0.5, tx_pair=ROOT)
    np.testing.assert_allclose(out, np.sqrt([first, SECOND]) - [2, 4], rtol=1e-6)
    out = rlax.transformed_n_step_q_learning(Q, A, Q, A, R_T, 0.5, 2, tx_pair=ROOT)
    np.testing.assert_allclose(out, np.sqrt([1 + 0.5 * SECOND, SECOND]) - [2, 4], rtol=1e-6)


def test_the_identity_changes_nothing():
    args = Q, A, R_T, 0.5, Q, 0.5
    np.testing.assert_array_equal(rlax.transformed_q_lambda(*args), rlax.q_lambda(*args))
    args = Q, Q, A, A, R_T, 0.5, jnp.full((2, 2), 0.5), jnp.array([0.5, 0.25]), 0.5
    np.testing.assert_array_equal(rlax.transformed_retrace(*args), rlax.retrace(*args))
    for name in ("transformed_q_lambda", "transformed_retrace", "transformed_n_step_q_learning"):
        assert inspect.signature(getattr(rlax, name)).parameters["tx_pair"].default is rlax.IDENTITY_PAIR


def test_the_greatest_value_is_not_that_of_the_greatest_number_if_the_pair_descends():
    # What is learned is less the values: the best action is the one of the lowest number.
    pair = rlax.TxPair(lambda x: -x, lambda y: -y)
    out = rlax.transformed_q_lambda(Q, A, R_T, 0.5, Q, 0, tx_pair=pair)
    np.testing.assert_allclose(out, [-(1 - 0.5 * 1) - 2, -(8 - 0.5 * 3) - 4], rtol=1e-6)


@pytest.mark.parametrize("maker", [rlax.muzero_pair, rlax.unbiased_transform_pair])
def test_distributions_of_values(maker):
    pair = maker(-10.0, 10.0, 21, rlax.SIGNED_HYPERBOLIC_PAIR)
    random = np.random.default_rng(0)
    v_t = random.dirichlet(np.ones(21), size=(4, 3)).astype(np.float32)
    r_t = random.normal(size=(4, 3)).astype(np.float32)
    expected = pair.apply(rlax.lambda_returns(r_t, 0.9, pair.apply_inv(v_t), 0.8))
    out = rlax.transformed_lambda_returns(pair, r_t, 0.9, v_t, 0.8)
    assert out.shape == (4, 3, 21)
    np.testing.assert_allclose(out, expected, atol=1e-6)
    expected = pair.apply(rlax.n_step_bootstrapped_returns(r_t, 0.9, pair.apply_inv(v_t), 2))
    np.testing.assert_allclose(rlax.transformed_n_step_returns(pair, r_t, 0.9, v_t, 2), expected, atol=1e-6)


def test_a_pair_that_adds_an_axis_gives_no_errors():
    message = (
        "transformed_n_step_q_learning: tx_pair makes targets of shape (2, 3), expected (2,) like the predictions. For "
        "distributions over bins, take transformed_lambda_returns and a cross-entropy."
    )
    pair = rlax.TxPair(rlax.twohot_pair(0.0, 20.0, 3).apply, rlax.identity)
    with pytest.raises(ValueError, match=re.escape(message)):
        rlax.transformed_n_step_q_learning(Q, A, Q, A, R_T, 0.5, 1, tx_pair=pair)
