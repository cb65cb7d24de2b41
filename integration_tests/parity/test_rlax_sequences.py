"""All operators of rlax that run over time, and the transforms of values: the same calls give the same numbers.

`CASES` holds calls of each operator, and `DIFFERENCES` what differs on purpose, with a test that it does. With `-s`,
`test_count` says how many there are.
"""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import rlax

import rlax_like

RANDOM = np.random.default_rng(0)
T, A, N = 7, 4, 9  # Steps, actions, bins.


def normal(*shape):
    return jnp.asarray(RANDOM.normal(size=shape), jnp.float32)


def uniform(*shape):
    return jnp.asarray(RANDOM.uniform(0.1, 0.9, size=shape), jnp.float32)


def integers(*shape):
    return jnp.asarray(RANDOM.integers(A, size=shape), jnp.int32)


def probs(*shape):
    return jax.nn.softmax(normal(*shape))


# One sequence; discounts of 0 are terminations.
R_T, DISCOUNT_T, V_T, V_TM1 = normal(T), uniform(T).at[2].set(0.0), normal(T), normal(T)
VALUES = normal(T + 1)  # Of all states: those left, and the last one.
REWARDS = {"r_t": R_T, "discount_t": DISCOUNT_T}
Q = {"q_tm1": normal(T, A), "q_t": normal(T, A)}
ACTIONS = {"a_tm1": integers(T), "a_t": integers(T)}
OFF_POLICY = {"pi_t": probs(T, A), "mu_t": uniform(T)}
Q_AND_V = {"q_t": normal(T - 1), "v_t": V_T}
RHO_TM1 = jnp.exp(normal(T))
MASK = jnp.array([True, True, False, False, True, True, False]).at[2].set(True)  # Not where an episode ends.
LAMBDAS = {"number": 0.7, "per_step": uniform(T)}
PAIRS = ["IDENTITY_PAIR", "SIGNED_HYPERBOLIC_PAIR", "SIGNED_LOGP1_PAIR", "HYPERBOLIC_SIN_PAIR"]

CASES = {}  # The name, and after a dot the variant: a call, what it is differentiated by, and the tolerance.


def add(name, call=None, *, fixed=None, tolerance=2e-5, **real):
    operator = name.split(".")[0]
    if call is None:

        def call(lib, **arguments):
            return getattr(lib, operator)(**arguments, **(fixed or {}))

    CASES[name] = (call, real, tolerance)


for kind, weight in LAMBDAS.items():
    weights = {"lambda_": jnp.asarray(weight)}
    add(f"lambda_returns.{kind}", **REWARDS, v_t=V_T, **weights)
    add(f"truncated_generalized_advantage_estimation.{kind}", **REWARDS, **weights, values=VALUES)
    add(f"td_lambda.{kind}", v_tm1=V_TM1, **REWARDS, v_t=V_T, **weights)
    add(f"sarsa_lambda.{kind}", fixed=ACTIONS, **Q, **REWARDS, **weights)
    add(f"q_lambda.{kind}", fixed={"a_tm1": ACTIONS["a_tm1"]}, **Q, **REWARDS, **weights)
    add(f"retrace.{kind}", fixed=ACTIONS, **Q, **REWARDS, **OFF_POLICY, **weights)
    of_log_rhos = {n: x[: T - 1] if x.ndim else x for n, x in weights.items()}
    add(f"retrace_continuous.{kind}", q_tm1=V_TM1, **Q_AND_V, **REWARDS, log_rhos=normal(T - 1), **of_log_rhos)
    for n in (1, 3, T, T + 5):
        add(f"n_step_bootstrapped_returns.{kind}_{n}", fixed={"n": n}, **REWARDS, v_t=V_T, lambda_t=weights["lambda_"])
    ratios = {"rho_tm1": RHO_TM1, "lambda_": weights["lambda_"]}
    # The one without a mask, the other with one.
    fixed = {"clip_rho_threshold": 1.3, "sample_mask": MASK if kind == "per_step" else None}
    add(f"vtrace.{kind}", fixed=fixed, v_tm1=V_TM1, v_t=V_T, **REWARDS, **ratios)
    add(f"leaky_vtrace.{kind}", fixed=fixed, v_tm1=V_TM1, v_t=V_T, **REWARDS, **ratios, alpha_=jnp.float32(0.3))
    for name in ("vtrace_td_error_and_advantage", "leaky_vtrace_td_error_and_advantage"):

        def of_values(lib, values, name=name, fixed=fixed, **arguments):
            # rlax bootstraps from the value of the next state left; here that of the state reached is the same. Under
            # its flag it lets gradients into the advantages and estimates, too: only those of the errors are compared.
            out = getattr(lib, name)(v_tm1=values[:-1], v_t=values[1:], clip_pg_rho_threshold=0.8, **fixed, **arguments)
            targets = tuple(out)[1:]
            return out.errors, *(jax.lax.stop_gradient(targets) if arguments["stop_target_gradients"] else targets)

        leak = {"alpha": jnp.float32(0.3)} if "leaky" in name else {}
        add(f"{name}.{kind}", of_values, values=VALUES, **REWARDS, **ratios, **leak)
add("lambda_returns.default", **REWARDS, v_t=V_T)
add("discounted_returns", **REWARDS, v_t=V_T)
add("discounted_returns.number", **REWARDS, v_t=jnp.float32(3.0))
of_actions = {"q_t": Q["q_t"], **REWARDS, "c_t": uniform(T), "pi_t": OFF_POLICY["pi_t"]}
add("general_off_policy_returns_from_action_values", fixed={"a_t": ACTIONS["a_t"]}, **of_actions)
add("general_off_policy_returns_from_q_and_v", **Q_AND_V, **REWARDS, c_t=uniform(T - 1))


def by_position(name, pair, order, **fixed):
    """A call of an operator that takes the pair first, and rlax only by position."""

    def call(lib, **arguments):
        return getattr(lib, name)(getattr(lib, pair), *((arguments | fixed)[n] for n in order.split()))

    return call


def by_keyword(name, pair, **fixed):
    return lambda lib, **arguments: getattr(lib, name)(**arguments, **fixed, tx_pair=getattr(lib, pair))


weight = jnp.float32(0.7)
for pair in ("SIGNED_HYPERBOLIC_PAIR", "HYPERBOLIC_SIN_PAIR"):
    flag, rounding = "stop_target_gradients", {"tolerance": 1e-3}  # rlax's inverses round.
    name = "transformed_lambda_returns"
    call = by_position(name, pair, f"r_t discount_t v_t lambda_ {flag}")
    add(f"{name}.{pair}", call, **REWARDS, v_t=V_T, lambda_=weight, **rounding)
    name = "transformed_n_step_returns"
    call = by_position(name, pair, f"r_t discount_t v_t n lambda_t {flag}", n=3)
    add(f"{name}.{pair}", call, **REWARDS, v_t=V_T, lambda_t=weight, **rounding)
    name = "transformed_general_off_policy_returns_from_action_values"
    call = by_position(name, pair, f"q_t a_t r_t discount_t c_t pi_t {flag}", a_t=ACTIONS["a_t"])
    add(f"{name}.{pair}", call, **of_actions, **rounding)
    name = "transformed_q_lambda"
    call = by_keyword(name, pair, a_tm1=ACTIONS["a_tm1"])
    add(f"{name}.{pair}", call, **Q, **REWARDS, lambda_=weight, **rounding)
    name = "transformed_retrace"
    add(f"{name}.{pair}", by_keyword(name, pair, **ACTIONS), **Q, **REWARDS, **OFF_POLICY, lambda_=weight, **rounding)
    name = "transformed_n_step_q_learning"
    call = by_keyword(name, pair, **ACTIONS, n=3)
    add(f"{name}.{pair}", call, q_tm1=Q["q_tm1"], target_q_t=Q["q_t"], **REWARDS, **rounding)

# Away from 0, where rlax's derivatives are wrong and its inverses round.
X = jnp.array([-40.0, -3.0, -0.6, 0.3, 1.0, 2.0, 17.0])
for name in ("identity", "sigmoid", "signed_logp1", "signed_expm1", "signed_hyperbolic", "signed_parabolic"):
    add(name, x=X, tolerance=1e-4)
for name in ("signed_hyperbolic", "signed_parabolic"):
    add(f"{name}.eps", x=X, eps=jnp.float32(0.1), tolerance=1e-4)
add("logit", x=jax.nn.sigmoid(0.1 * X))
for p in (0.5, 0.7, 1.0, 2.0, 3):
    add(f"power.{p}", fixed={"p": p}, x=X, tolerance=1e-4)
for pair in [*PAIRS, "DISCOUNT_TRANSFORM_PAIR"]:
    x = 0.05 * X if pair == "DISCOUNT_TRANSFORM_PAIR" else X
    add(f"{pair}.apply", lambda lib, x, pair=pair: getattr(lib, pair).apply(x), x=x, tolerance=1e-4)
    add(f"{pair}.apply_inv", lambda lib, x, pair=pair: getattr(lib, pair).apply_inv(x), x=x, tolerance=1e-4)
add("compose_tx", lambda lib, x: lib.compose_tx(lib.SIGNED_HYPERBOLIC_PAIR, lib.SIGNED_LOGP1_PAIR).apply(x), x=X)
add("TxPair", lambda lib, x: lib.TxPair(apply=jnp.exp, apply_inv=jnp.log).apply_inv(x), x=jnp.abs(X))

# rlax shifts numbers among bins by up to 1e-5 of a bin and more.
BINS = {"min_value": -20.0, "max_value": 20.0, "num_bins": N}
add("transform_to_2hot", fixed=BINS, scalar=X, tolerance=1e-3)
add("transform_from_2hot", fixed=BINS, probs=probs(3, 2, N))
for maker in ("twohot_pair", "muzero_pair", "unbiased_transform_pair"):

    def made(lib, x, p, maker=maker):
        tx = () if maker == "twohot_pair" else (lib.SIGNED_HYPERBOLIC_PAIR,)
        pair = getattr(lib, maker)(-20.0, 20.0, N, *tx)
        return pair.apply(x), pair.apply_inv(p)

    add(maker, made, x=X, p=probs(3, 2, N), tolerance=1e-3)

OPERATORS = sorted({name.split(".")[0] for name in CASES})


def results(name):
    """For each setting of the flag, the result and the gradients of each library."""
    call, real, _ = CASES[name]
    operator = getattr(rlax, name.split(".")[0])
    flagged = callable(operator) and "stop_target_gradients" in inspect.signature(operator).parameters

    def total(real, lib, flag):
        out = call(lib, **real, **({} if flag is None else {"stop_target_gradients": flag}))
        return sum(jnp.sum(x * jnp.cos(jnp.arange(x.size)).reshape(x.shape)) for x in jax.tree.leaves(out)), out

    def everything(real):
        differentiated = jax.value_and_grad(total, has_aux=True)
        return {
            flag: [jax.tree.leaves(differentiated(real, lib, flag)) for lib in (rlax_like, rlax)]
            for flag in ((True, False) if flagged else (None,))
        }

    return jax.jit(everything)(real)


@pytest.mark.parametrize("name", CASES)
def test_the_same_numbers_and_gradients(name):
    _, _, tolerance = CASES[name]
    for ours, theirs in results(name).values():
        for a, b in zip(ours, theirs, strict=True):
            assert (a.shape, a.dtype) == (b.shape, b.dtype)
            np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


BATCHED = {
    "lambda_returns.per_step": {},
    "n_step_bootstrapped_returns.number_3": {"n": 3},
    "retrace.number": ACTIONS,
    "vtrace.per_step": {"sample_mask": MASK, "clip_rho_threshold": 1.3},
}


@pytest.mark.parametrize("name", BATCHED)
def test_a_batch_is_vmap_of_rlax(name):
    call, real, tolerance = CASES[name]
    real = {n: jnp.stack([x, x[::-1]], axis=1) if x.ndim else x for n, x in real.items()}
    axes = {n: 1 if x.ndim else None for n, x in real.items()}
    expected = jax.vmap(lambda real: call(rlax, **real), in_axes=(axes,), out_axes=1)(real)
    fixed = {n: jnp.stack([x, x], axis=1) if jnp.ndim(x) else x for n, x in BATCHED[name].items()}
    out = getattr(rlax_like, name.split(".")[0])(**real, **fixed)
    np.testing.assert_allclose(out, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("operator", [name for name in OPERATORS if inspect.isfunction(getattr(rlax_like, name))])
def test_parameters_and_defaults(operator):
    ours, theirs = (dict(inspect.signature(getattr(lib, operator)).parameters) for lib in (rlax_like, rlax))
    if ours.pop("truncated_t", None) is not None:  # It may only be given by name.
        assert "r_t" in theirs
    if next(iter(ours)) == "tx_pair":  # rlax takes it, too, but its signature does not say so.
        assert operator.startswith("transformed_")
        del ours["tx_pair"]
    assert list(ours) == list(theirs)
    for parameter, default in theirs.items():
        if parameter == "tx_pair":
            assert ours[parameter].default is rlax_like.IDENTITY_PAIR
            assert default.default is rlax.IDENTITY_PAIR
        else:
            assert ours[parameter].default == default.default, parameter


# Each difference, as docs/differences.md of rlax_like has it: what both do is asserted.

DIFFERENCES = {}


def difference(test):
    DIFFERENCES[test.__name__] = test
    return test


def both(function):
    return function(rlax_like), function(rlax)


V_TRACE_ARGUMENTS = (V_TM1, V_T, R_T, DISCOUNT_T, RHO_TM1)


@difference
def v_trace_bootstraps_from_the_state_reached():
    ours, theirs = both(lambda lib: lib.vtrace_td_error_and_advantage(*V_TRACE_ARGUMENTS))
    errors = np.append(theirs.errors[1:], 0)
    for out, v_t in ((ours, V_T), (theirs, jnp.append(V_TM1[1:], V_T[-1]))):
        np.testing.assert_allclose(out.q_estimate, R_T + DISCOUNT_T * (v_t + errors), rtol=1e-5, atol=1e-6)


@difference
def v_trace_stops_gradients_at_its_advantages():
    def slope(lib):
        return jax.grad(lambda v_tm1: lib.vtrace_td_error_and_advantage(v_tm1, *V_TRACE_ARGUMENTS[1:])[1].sum())(V_TM1)

    ours, theirs = both(slope)
    assert np.all(ours == 0)
    assert np.any(theirs != 0)


@difference
def a_masked_step_still_ends_its_episode():
    mask = jnp.arange(T) != 2
    ours, theirs = both(lambda lib: lib.vtrace(*V_TRACE_ARGUMENTS, sample_mask=mask))
    assert ours[2] == 0
    assert theirs[2] == theirs[3] != 0


@difference
def an_impossible_action_gives_no_nan():
    q_t = Q["q_t"].at[:, 0].set(-jnp.inf)
    arguments = q_t, jnp.full(T, 1), R_T, DISCOUNT_T, uniform(T), jax.nn.softmax(q_t)
    ours, theirs = both(lambda lib: lib.general_off_policy_returns_from_action_values(*arguments))
    assert np.all(np.isfinite(ours))
    assert np.any(np.isnan(theirs))


@difference
def the_dtype_of_n_step_returns_stays():
    arguments = [x.astype(jnp.bfloat16) for x in (R_T, DISCOUNT_T, V_T)]
    ours, theirs = both(lambda lib: lib.n_step_bootstrapped_returns(*arguments, 3))
    assert (ours.dtype, theirs.dtype) == (jnp.bfloat16, jnp.float32)


@difference
def half_precision_is_accumulated_in_float32():
    arguments = jnp.ones(1000, jnp.bfloat16), jnp.ones(1000, jnp.bfloat16), jnp.zeros(1000, jnp.bfloat16)
    ours, theirs = both(lambda lib: lib.lambda_returns(*arguments)[0])
    assert ours == 1000
    assert theirs < 300


@difference
def the_derivatives_of_signed_transforms_at_0_are_exact():
    slopes = {"signed_logp1": 1, "signed_expm1": 1, "signed_hyperbolic": 0.501, "signed_parabolic": 1.996}
    for name, slope in slopes.items():
        ours, theirs = both(lambda lib, name=name: jax.grad(getattr(lib, name))(0.0))
        np.testing.assert_allclose(ours, slope, rtol=1e-4)
        assert abs(theirs - slope) > 0.4


@difference
def inverses_give_back_small_numbers():
    ours, theirs = both(lambda lib: lib.signed_parabolic(lib.signed_hyperbolic(jnp.float32(1e-4))))
    np.testing.assert_allclose(ours, 1e-4, rtol=1e-5)
    assert abs(theirs - 1e-4) > 1e-5


@difference
def two_hot_is_exact_and_not_negative():
    numbers = jnp.linspace(-1.0, 1.0, 101)
    ours, theirs = both(lambda lib: lib.transform_to_2hot(numbers, -1.0, 1.0, 401))
    bins = np.linspace(-1, 1, 401)
    np.testing.assert_allclose(np.sum(np.float64(ours) * bins, -1), numbers, atol=1e-7)
    assert np.min(ours) >= 0
    assert np.max(np.abs(np.sum(np.float64(theirs) * bins, -1) - numbers)) > 1e-6


@difference
def one_distribution_has_one_mean():
    ours, theirs = both(lambda lib: lib.transform_from_2hot(jnp.array([0.5, 0.5, 0.0]), -1.0, 1.0, 3))
    assert (ours.shape, theirs.shape) == ((), (1,))
    number = jnp.float32(0.5)
    ours, theirs = both(lambda lib: lib.unbiased_transform_pair(-1.0, 1.0, 3, lib.IDENTITY_PAIR).apply(number))
    assert (ours.shape, theirs.shape) == ((3,), (1, 3))


@difference
def settings_that_make_no_sense_raise_an_error():
    assert jnp.isnan(rlax.power(jnp.float32(1.0), -1.0))
    assert jnp.all(jnp.isnan(rlax.transform_to_2hot(jnp.float32(1.0), -1.0, 1.0, 1)))
    for call in (
        lambda: rlax_like.power(1.0, -1.0),
        lambda: rlax_like.transform_to_2hot(1.0, -1.0, 1.0, 1),
        lambda: rlax_like.transform_to_2hot(1.0, 1.0, -1.0, 3),
        lambda: rlax_like.signed_hyperbolic(1.0, -0.1),
    ):
        with pytest.raises(ValueError, match="expected"):
            call()


@difference
def eps_may_be_0():
    with pytest.raises(ZeroDivisionError):
        rlax.signed_parabolic(jnp.float32(1.0), 0.0)
    np.testing.assert_allclose(rlax_like.signed_parabolic(1.0, 0.0), 3.0, rtol=1e-6)


@difference
def more_is_accepted():
    for call in (
        lambda lib: lib.lambda_returns(R_T, DISCOUNT_T, V_T, 1),
        lambda lib: lib.lambda_returns(R_T, 0.9, V_T),
        lambda lib: lib.lambda_returns(R_T > 0, DISCOUNT_T > 0, V_T),
        lambda lib: lib.lambda_returns(*(jnp.stack([x, x], 1) for x in (R_T, DISCOUNT_T, V_T))),
        lambda lib: lib.signed_logp1(1),
    ):
        assert np.all(np.isfinite(call(rlax_like)))
        with pytest.raises(AssertionError):
            call(rlax)


@pytest.mark.parametrize("name", DIFFERENCES)
def test_it_differs_on_purpose(name):
    DIFFERENCES[name]()


def test_count():
    """Every operator of rlax that we give truncations has a case."""
    functions = {n: getattr(rlax_like, n) for n in dir(rlax) if inspect.isfunction(getattr(rlax_like, n, None))}
    over_time = {n for n, function in functions.items() if "truncated_t" in inspect.signature(function).parameters}
    assert len(over_time) == 21
    assert over_time <= set(OPERATORS)
    count = f"{len(OPERATORS)} of {len(OPERATORS)} operators"
    print(f"\n{count} in {len(CASES)} calls, {len(DIFFERENCES)} deliberate differences")
