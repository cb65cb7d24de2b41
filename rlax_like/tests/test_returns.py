import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rlax_like as rlax

# Three steps with rewards 1, 2, 3 and a discount of 0.5; the states that they reach have the values 4, 8 and 16.
R_T, DISCOUNT_T, V_T = jnp.array([1.0, 2.0, 3.0]), jnp.full(3, 0.5), jnp.array([4.0, 8.0, 16.0])
CUT_AFTER_SECOND = jnp.array([False, True, False])


def test_lambda_returns_by_hand():
    third = 3 + 0.5 * 16
    second = 2 + 0.5 * (0.25 * 8 + 0.75 * third)
    first = 1 + 0.5 * (0.25 * 4 + 0.75 * second)
    np.testing.assert_array_equal(rlax.lambda_returns(R_T, DISCOUNT_T, V_T, 0.75), [first, second, third])
    first = 1 + 0.5 * (0.25 * 4 + 0.75 * 6)
    out = rlax.lambda_returns(R_T, DISCOUNT_T, V_T, 0.75, truncated_t=CUT_AFTER_SECOND)
    np.testing.assert_array_equal(out, [first, 2 + 0.5 * 8, third])


def test_lambda_at_its_ends():
    np.testing.assert_array_equal(rlax.lambda_returns(R_T, DISCOUNT_T, V_T, 0), R_T + DISCOUNT_T * V_T)
    np.testing.assert_array_equal(
        rlax.lambda_returns(R_T, DISCOUNT_T, V_T), rlax.discounted_returns(R_T, DISCOUNT_T, V_T)
    )


def test_discounted_returns_by_hand():
    np.testing.assert_array_equal(rlax.discounted_returns(R_T, 0.5, 16), [1 + 0.5 * 7.5, 2 + 0.5 * 11, 3 + 0.5 * 16])
    out = rlax.discounted_returns(R_T, jnp.array([0.5, 0.0, 0.5]), V_T)
    np.testing.assert_array_equal(out, [1 + 0.5 * 2, 2, 11])
    out = rlax.discounted_returns(R_T, 0.5, V_T, truncated_t=CUT_AFTER_SECOND)
    np.testing.assert_array_equal(out, [1 + 0.5 * 6, 2 + 0.5 * 8, 11])


@pytest.mark.parametrize(
    ("n", "expected"),
    [
        (1, [1 + 0.5 * 4, 2 + 0.5 * 8, 11]),
        (2, [1 + 0.5 * 2 + 0.25 * 8, 2 + 0.5 * 11, 11]),
        (3, [1 + 0.5 * 2 + 0.25 * 3 + 0.125 * 16, 2 + 0.5 * 11, 11]),
        (99, [1 + 0.5 * 2 + 0.25 * 3 + 0.125 * 16, 2 + 0.5 * 11, 11]),
    ],
)
def test_n_step_returns_by_hand(n, expected):
    np.testing.assert_array_equal(rlax.n_step_bootstrapped_returns(R_T, DISCOUNT_T, V_T, n), expected)


def test_n_step_returns_end_where_the_episode_was_cut():
    out = rlax.n_step_bootstrapped_returns(R_T, DISCOUNT_T, V_T, 3, truncated_t=CUT_AFTER_SECOND)
    np.testing.assert_array_equal(out, [1 + 0.5 * 2 + 0.25 * 8, 2 + 0.5 * 8, 11])


@pytest.mark.parametrize("n", [1, 2, 3, 7, 20, 31, 32])
def test_n_step_returns_of_any_n_agree_with_windows_of_lambda_returns(n):
    random = np.random.default_rng(n)
    r_t, discount_t, v_t, lambda_t = (random.uniform(size=32).astype(np.float32) for _ in range(4))
    out = rlax.n_step_bootstrapped_returns(r_t, discount_t, v_t, n, lambda_t)
    beyond = (r_t, 0), (discount_t, 1), (v_t, v_t[-1]), (lambda_t, 1)
    padded = [np.concatenate([x, np.full(n, fill, np.float32)]) for x, fill in beyond]
    windows = [np.stack([x[t : t + n] for t in range(32)], -1) for x in padded]
    np.testing.assert_allclose(out, rlax.lambda_returns(*windows)[0], rtol=1e-5)


@pytest.mark.parametrize(
    ("n", "kind", "message"),
    [
        (0, ValueError, "n is 0, expected at least 1."),
        (1.5, TypeError, "n must be an integer, got 1.5. The program depends on it: do not trace it."),
    ],
)
def test_a_wrong_n_is_named(n, kind, message):
    with pytest.raises(kind, match=re.escape(f"n_step_bootstrapped_returns: {message}")):
        rlax.n_step_bootstrapped_returns(R_T, DISCOUNT_T, V_T, n)


def test_a_traced_n_is_named():
    with pytest.raises(TypeError, match=r"n_step_bootstrapped_returns: n must be an integer, got .*: do not trace it"):
        jax.jit(lambda n: rlax.n_step_bootstrapped_returns(R_T, DISCOUNT_T, V_T, n))(2)


def test_the_message_of_a_wrong_shape():
    message = (
        "lambda_returns: discount_t has shape (4,), expected (3,) or a number like r_t. Time comes first, then any "
        "batch, the same for all arguments."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        rlax.lambda_returns(R_T, jnp.ones(4), V_T)
