import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rlax_like as rlax

# Each function with itself in float64, by NumPy.
FUNCTIONS = {
    "identity": (rlax.identity, lambda x: x),
    "sigmoid": (rlax.sigmoid, lambda x: 1 / (1 + np.exp(-x))),
    "signed_logp1": (rlax.signed_logp1, lambda x: np.sign(x) * np.log1p(np.abs(x))),
    "signed_expm1": (rlax.signed_expm1, lambda x: np.sign(x) * np.expm1(np.abs(x))),
    "signed_hyperbolic": (
        rlax.signed_hyperbolic,
        lambda x: np.sign(x) * np.expm1(np.log1p(np.abs(x)) / 2) + 1e-3 * x,
    ),
    "power_half": (functools.partial(rlax.power, p=0.5), lambda x: power(x, 0.5)),
    "power_2": (functools.partial(rlax.power, p=2), lambda x: power(x, 2)),
    "power_4": (functools.partial(rlax.power, p=4.0), lambda x: power(x, 4)),
    "power_0.7": (functools.partial(rlax.power, p=0.7), lambda x: power(x, 0.7)),
    "power_array": (lambda x: rlax.power(x, jnp.asarray(2.0)), lambda x: power(x, 2)),
}
# Each function with its inverse.
PAIRS = {
    "signed_hyperbolic": (rlax.signed_hyperbolic, rlax.signed_parabolic),
    "signed_hyperbolic_without_eps": (lambda x: rlax.signed_hyperbolic(x, 0), lambda x: rlax.signed_parabolic(x, 0)),
    "signed_logp1": (rlax.signed_logp1, rlax.signed_expm1),
    "hyperbolic_sin": rlax.HYPERBOLIC_SIN_PAIR,
    "power": (lambda x: rlax.power(x, 0.5), lambda x: rlax.power(x, 2)),
    "power_0.3": (lambda x: rlax.power(x, 0.3), lambda x: rlax.power(x, 1 / 0.3)),
}
each_function = pytest.mark.parametrize("name", FUNCTIONS)
each_pair = pytest.mark.parametrize("name", PAIRS)


def power(x, p):
    return np.sign(x) * np.expm1(p * np.log1p(np.abs(x) / np.sqrt(p))) / np.sqrt(p)


def both_signs(magnitudes):
    return np.concatenate([-magnitudes, magnitudes]).astype(np.float32)


def test_by_hand():
    assert rlax.identity(2) == 2.0
    assert rlax.sigmoid(0) == 0.5
    assert rlax.logit(0.5) == 0.0
    np.testing.assert_allclose(rlax.logit(0.75), np.log(3), rtol=1e-6)
    np.testing.assert_allclose(rlax.signed_logp1(-1), -np.log(2), rtol=1e-6)
    np.testing.assert_allclose(rlax.signed_expm1(-1), 1 - np.e, rtol=1e-6)
    np.testing.assert_allclose(rlax.signed_hyperbolic(-8, 0.5), -6, rtol=1e-6)
    np.testing.assert_allclose(rlax.signed_parabolic(-6, 0.5), -8, rtol=1e-6)
    np.testing.assert_allclose(rlax.power(-1, 4), -((1.5**4 - 1) / 2), rtol=1e-6)


@each_function
def test_it_agrees_with_double_precision(name):
    function, expected = FUNCTIONS[name]
    x = both_signs(np.logspace(-6, 1.5, 500))
    np.testing.assert_allclose(function(x), expected(np.float64(x)), rtol=2e-5)
    x = x.reshape(2, 5, 100)
    np.testing.assert_allclose(function(x), expected(np.float64(x)), rtol=2e-5)


@each_pair
def test_the_inverse_gives_back_small_and_large_numbers(name):
    apply, apply_inv = PAIRS[name]
    x = both_signs(np.logspace(-6, 6, 2000))
    np.testing.assert_allclose(apply_inv(apply(x)), x, rtol=1e-5)
    x = x[np.abs(x) < 80]  # Beyond, e^x is infinite.
    np.testing.assert_allclose(apply(apply_inv(x)), x, rtol=1e-5)


@each_pair
def test_slopes_at_0_and_far_from_it(name):
    apply, apply_inv = PAIRS[name]
    at_0 = {"signed_hyperbolic": 0.501, "signed_hyperbolic_without_eps": 0.5}.get(name, 1.0)
    np.testing.assert_allclose(jax.grad(apply)(0.0), at_0, rtol=1e-6)
    np.testing.assert_allclose(jax.grad(apply_inv)(0.0), 1 / at_0, rtol=1e-6)
    np.testing.assert_allclose(jax.grad(apply)(-0.0), at_0, rtol=1e-6)
    x = both_signs(np.array([1e-6, 0.1, 3.0, 10.0]))
    slopes = jax.vmap(jax.grad(apply))(x) * jax.vmap(jax.grad(apply_inv))(apply(x))
    np.testing.assert_allclose(slopes, 1, rtol=1e-4)


@each_pair
def test_infinity_stays_and_spreads_no_nan(name):
    # The value of an impossible action, that nothing is made of.
    infinity = jnp.array([jnp.inf, -jnp.inf])
    for function in PAIRS[name]:
        np.testing.assert_array_equal(function(infinity), infinity)
        _, pull = jax.vjp(function, infinity)
        np.testing.assert_array_equal(pull(jnp.zeros(2))[0], 0)


@each_pair
@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_half_precision_stays(name, dtype):
    x = jnp.array([-3.0, -0.01, 0.0, 0.5, 4.0], dtype)
    for function in PAIRS[name]:
        out = function(x)
        assert out.dtype == dtype
        # Rounded once: as float32 does, with the same numbers.
        np.testing.assert_array_equal(out, function(x.astype(jnp.float32)).astype(dtype))


@pytest.mark.usefixtures("x64")
def test_double_precision():
    x = both_signs(np.logspace(-9, 9, 500)).astype(np.float64)
    out = rlax.signed_parabolic(rlax.signed_hyperbolic(x))
    assert out.dtype == jnp.float64
    np.testing.assert_allclose(out, x, rtol=1e-12)


@pytest.mark.parametrize("eps", [1e-3, 0.5, 10.0])
def test_a_known_eps_and_a_traced_one_agree(eps):
    # By way of another formula.
    x = both_signs(np.logspace(-12, 12, 500))
    y, slope = jax.vmap(jax.value_and_grad(lambda x: rlax.signed_parabolic(x, eps)))(x)
    traced_y, traced_slope = jax.vmap(jax.value_and_grad(rlax.signed_parabolic), (0, None))(x, jnp.float32(eps))
    np.testing.assert_allclose(y, traced_y, rtol=2e-6)
    np.testing.assert_allclose(slope, traced_slope, rtol=2e-6)


def test_logit_at_its_ends():
    np.testing.assert_array_equal(rlax.logit(jnp.array([0.0, 1.0])), [-jnp.inf, jnp.inf])
    assert jnp.isnan(rlax.logit(1.5))
    x = jnp.array([1e-30, 1e-6, 0.3, 0.999])
    np.testing.assert_allclose(rlax.sigmoid(rlax.logit(x)), x, rtol=1e-5)


def test_eps_of_each_element_and_its_derivative():
    x, eps = jnp.array([1.0, -3.0]), jnp.array([0.5, 0.0])
    expected = [rlax.signed_hyperbolic(1.0, 0.5), rlax.signed_hyperbolic(-3.0, 0.0)]
    np.testing.assert_allclose(rlax.signed_hyperbolic(x, eps), expected, rtol=1e-6)
    np.testing.assert_allclose(jax.grad(rlax.signed_hyperbolic, 1)(3.0, 0.1), 3.0, rtol=1e-6)
    # y(x, eps) solves x = h(y, eps), so that dy/deps = -y / h'(y).
    y = rlax.signed_parabolic(3.0, 0.1)
    slope = -y / jax.grad(rlax.signed_hyperbolic)(y, 0.1)
    np.testing.assert_allclose(jax.grad(rlax.signed_parabolic, 1)(3.0, 0.1), slope, rtol=1e-5)


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (rlax.signed_hyperbolic, (1.0, -0.1), "signed_hyperbolic: eps is -0.1, expected 0 or more."),
        (rlax.signed_parabolic, (1.0, -0.1), "signed_parabolic: eps is -0.1, expected 0 or more."),
        (rlax.signed_parabolic, (np.ones(2), np.ones(3)), "signed_parabolic: eps has shape (3,), expected (2,)"),
        (rlax.power, (1.0, 0), "power: p is 0, expected a positive number."),
        (rlax.power, (np.ones(2), np.ones(3)), "power: p has shape (3,), expected (2,)"),
    ],
)
def test_wrong_settings_are_named(function, arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        function(*arguments)


@pytest.mark.parametrize("name", ["identity", "sigmoid", "logit", "signed_logp1", "signed_expm1", "signed_hyperbolic"])
def test_what_is_not_real_is_named(name):
    with pytest.raises(TypeError, match=f"{name}: x must be a real array, got complex64"):
        getattr(rlax, name)(jnp.ones(2, jnp.complex64))
    with pytest.raises(TypeError, match=f"{name}: x must be an array or a number, got 'a' of type str"):
        getattr(rlax, name)("a")
