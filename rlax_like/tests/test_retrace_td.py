import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rlax_like as rlax

# Two steps with rewards 1 and 2 and a discount of 0.5. The states that they reach have the values 3 and 6.
Q_TM1, Q_T = jnp.array([[1.0, 2.0], [3.0, 4.0]]), jnp.array([[2.0, 4.0], [4.0, 8.0]])
PI_T, A_TM1, A_T, R_T = jnp.full((2, 2), 0.5), jnp.array([0, 1]), jnp.array([1, 0]), jnp.array([1.0, 2.0])


def retrace(mu_t, lambda_=1.0, pi_t=PI_T, **settings):
    return rlax.retrace(Q_TM1, Q_T, A_TM1, A_T, R_T, 0.5, pi_t, jnp.array(mu_t), lambda_, **settings)


@pytest.mark.parametrize(("mu", "c"), [(1.0, 0.5), (0.5, 1.0), (0.25, 1.0), (0.0, 1.0)])
def test_by_hand(mu, c):
    first = 1 + 0.5 * (3 + 0.5 * c * (5 - 4))  # With a lambda of 0.5.
    np.testing.assert_allclose(retrace([mu, 1.0], 0.5), [first - 1, 5 - 4], rtol=1e-6)


def test_actions_of_any_kind_by_hand():
    args = (jnp.array([1.0, 4.0]), jnp.array([4.0]), jnp.array([3.0, 6.0]), R_T, 0.5)
    for log_rho, c in ((np.log(0.5), 0.5), (0.0, 1.0), (1000.0, 1.0), (-np.inf, 0.0)):
        out = rlax.retrace_continuous(*args, jnp.array([log_rho]), 0.5)
        np.testing.assert_allclose(out, [1 + 0.5 * (3 + 0.5 * c) - 1, 1], rtol=1e-6)


def test_lambda_of_each_step_may_have_one_for_the_last():
    args = (jnp.array([1.0, 4.0]), jnp.array([4.0]), jnp.array([3.0, 6.0]), R_T, 0.5, jnp.array([0.0]))
    expected = rlax.retrace_continuous(*args, 0.5)
    for lambda_ in ([0.5], [0.5, 9.0]):
        np.testing.assert_array_equal(rlax.retrace_continuous(*args, jnp.array(lambda_)), expected)


def test_ratios_that_overflow_have_derivatives():
    args = (jnp.array([1.0, 4.0]), jnp.array([4.0]), jnp.array([3.0, 6.0]), R_T, 0.5)

    def total(log_rho):
        return rlax.retrace_continuous(*args, jnp.array([log_rho]), 0.5, stop_target_gradients=False).sum()

    for log_rho in (1000.0, -jnp.inf):
        assert jax.grad(total)(log_rho) == 0


def test_half_precision_has_an_eps():
    # In float16, 1e-8 is 0: an action of probability 0 under both policies would be 0 / 0.
    args = [x.astype(jnp.float16) for x in (Q_TM1, Q_T)]
    pi_t = jnp.array([[1.0, 0.0], [0.0, 1.0]], jnp.float16)
    out = rlax.retrace(*args, A_TM1, A_T, R_T.astype(jnp.float16), 0.5, pi_t, jnp.zeros(2, jnp.float16), 1.0)
    np.testing.assert_array_equal(out, [1 + 0.5 * 2 - 1, 2 + 0.5 * 8 - 4])
