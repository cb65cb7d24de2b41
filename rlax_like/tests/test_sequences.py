"""What holds for every operator over time, whatever it computes."""

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

PAIR = rlax.SIGNED_HYPERBOLIC_PAIR
A = 3  # The number of actions.
N = 2  # The n of n-step returns.


def squash(x):
    return np.sign(x) * (np.sqrt(np.abs(x) + 1) - 1) + 1e-3 * x


def stretch(y, eps=1e-3):
    return np.sign(y) * (((np.sqrt(1 + 4 * eps * (np.abs(y) + 1 + eps)) - 1) / (2 * eps)) ** 2 - 1)


# The definitions in float64, one sequence and one step at a time: `cut[t]` is whether nothing after step t counts.


def lambda_returns(r_t, discount_t, v_t, lambda_, cut):
    out = np.zeros(len(r_t))
    for t in reversed(range(len(r_t))):
        after = v_t[t] if cut[t] else (1 - lambda_[t]) * v_t[t] + lambda_[t] * out[t + 1]
        out[t] = r_t[t] + discount_t[t] * after
    return out


def n_step_returns(r_t, discount_t, v_t, lambda_t, cut, n=N):
    out = np.zeros(len(r_t))
    for t in range(len(r_t)):
        end = next(s for s in range(t, len(r_t)) if cut[s] or s == t + n - 1)
        window = slice(t, end + 1)
        out[t] = lambda_returns(*(x[window] for x in (r_t, discount_t, v_t, lambda_t)), np.arange(t, end + 1) == end)[0]
    return out


def off_policy_returns(r_t, discount_t, v_t, q_t, c_t, cut):
    out = np.zeros(len(r_t))
    for t in reversed(range(len(r_t))):
        out[t] = r_t[t] + discount_t[t] * (v_t[t] + (0 if cut[t] else c_t[t] * (out[t + 1] - q_t[t])))
    return out


def advantages(r_t, discount_t, v_tm1, v_t, lambda_, cut):
    """As the sum of discounted errors, not step by step."""
    errors = r_t + discount_t * v_t - v_tm1
    out = np.zeros(len(r_t))
    for t in range(len(r_t)):
        weight = 1.0
        for s in range(t, len(r_t)):
            out[t] += weight * errors[s]
            weight *= 0 if cut[s] else discount_t[s] * lambda_[s]
    return out


def v_trace(v_tm1, v_t, r_t, discount_t, rho_tm1, lambda_, clip_rho, clip_pg, alpha, mask, cut):
    def ratio(t, threshold):
        return alpha[t] * min(rho_tm1[t], threshold) + (1 - alpha[t]) * rho_tm1[t]

    errors, q_estimate, advantage = (np.zeros(len(r_t)) for _ in range(3))
    for t in reversed(range(len(r_t))):
        after = 0.0 if cut[t] else errors[t + 1]
        if mask[t]:
            error = r_t[t] + discount_t[t] * v_t[t] - v_tm1[t]
            errors[t] = ratio(t, clip_rho[t]) * error + discount_t[t] * lambda_[t] * ratio(t, 1) * after
        elif discount_t[t] != 0:
            errors[t] = after
        q_estimate[t] = r_t[t] + discount_t[t] * (v_t[t] + lambda_[t] * after)
        advantage[t] = ratio(t, clip_pg[t]) * (q_estimate[t] - v_tm1[t])
    return errors, advantage, q_estimate


def taken(q, a):
    return np.array([row[i] for row, i in zip(q, a, strict=True)])


def retrace_returns(a, q_t, cut):
    q_a_t, pi_a_t = taken(q_t, a["a_t"]), taken(a["pi_t"], a["a_t"])
    c_t = a["lambda_"] * np.minimum(1, pi_a_t / a["mu_t"])
    return off_policy_returns(a["r_t"], a["discount_t"], np.sum(a["pi_t"] * q_t, -1), q_a_t, c_t, cut)


def definition(name, a, cut):
    """What the operator of this name is, for arguments `a` of one sequence. Steps after `cut` are another episode's."""
    cut = np.append(cut[:-1], True)
    a = {"lambda_": np.ones(len(cut)), "sample_mask": np.ones(len(cut), bool), **a}
    reward = a["r_t"], a["discount_t"]
    if name in ("lambda_returns", "discounted_returns"):
        return lambda_returns(*reward, a["v_t"], a["lambda_"], cut)
    if name == "n_step_bootstrapped_returns":
        return n_step_returns(*reward, a["v_t"], a["lambda_t"], cut)
    if name == "generalized_advantage_estimation":
        return advantages(*reward, a["v_tm1"], a["v_t"], a["lambda_"], cut)
    if name == "truncated_generalized_advantage_estimation":
        return advantages(*reward, a["values"][:-1], a["values"][1:], a["lambda_"], cut)
    if name == "td_lambda":
        return lambda_returns(*reward, a["v_t"], a["lambda_"], cut) - a["v_tm1"]
    if name == "sarsa_lambda":
        return lambda_returns(*reward, taken(a["q_t"], a["a_t"]), a["lambda_"], cut) - taken(a["q_tm1"], a["a_tm1"])
    if name == "q_lambda":
        return lambda_returns(*reward, np.max(a["q_t"], -1), a["lambda_"], cut) - taken(a["q_tm1"], a["a_tm1"])
    if name == "general_off_policy_returns_from_action_values":
        v_t = np.sum(a["pi_t"] * a["q_t"], -1)
        return off_policy_returns(*reward, v_t, taken(a["q_t"], a["a_t"]), a["c_t"], cut)
    if name == "general_off_policy_returns_from_q_and_v":
        return off_policy_returns(*reward, a["v_t"], a["q_t"], a["c_t"], cut)
    if name == "retrace":
        return retrace_returns(a, a["q_t"], cut) - taken(a["q_tm1"], a["a_tm1"])
    if name == "retrace_continuous":
        c_t = a["lambda_"][: len(cut) - 1] * np.minimum(1, np.exp(a["log_rhos"]))
        return off_policy_returns(*reward, a["v_t"], a["q_t"], c_t, cut) - a["q_tm1"]
    if name in V_TRACE:
        ones = np.ones(len(cut))
        alpha = a.get("alpha", a.get("alpha_", ones))
        clip, clip_pg = a["clip_rho_threshold"], a.get("clip_pg_rho_threshold", ones)
        out = v_trace(
            a["v_tm1"], a["v_t"], *reward, a["rho_tm1"], a["lambda_"], clip, clip_pg, alpha, a["sample_mask"], cut
        )
        return out if "advantage" in name else out[0]
    if name == "transformed_lambda_returns":
        return squash(lambda_returns(*reward, stretch(a["v_t"]), a["lambda_"], cut))
    if name == "transformed_n_step_returns":
        return squash(n_step_returns(*reward, stretch(a["v_t"]), a["lambda_t"], cut))
    if name == "transformed_general_off_policy_returns_from_action_values":
        q_t = stretch(a["q_t"])
        v_t = np.sum(a["pi_t"] * q_t, -1)
        return squash(off_policy_returns(*reward, v_t, taken(q_t, a["a_t"]), a["c_t"], cut))
    prediction = taken(a["q_tm1"], a["a_tm1"])
    if name == "transformed_n_step_q_learning":
        v_t = stretch(taken(a["target_q_t"], a["a_t"]))
        return squash(n_step_returns(*reward, v_t, np.ones(len(cut)), cut)) - prediction
    if name == "transformed_q_lambda":
        return squash(lambda_returns(*reward, np.max(stretch(a["q_t"]), -1), a["lambda_"], cut)) - prediction
    if name == "transformed_retrace":
        return squash(retrace_returns(a, stretch(a["q_t"]), cut)) - prediction
    raise AssertionError(name)


V_TRACE = ["vtrace", "leaky_vtrace", "vtrace_td_error_and_advantage", "leaky_vtrace_td_error_and_advantage"]
NAMES = [
    "lambda_returns",
    "discounted_returns",
    "n_step_bootstrapped_returns",
    "generalized_advantage_estimation",
    "truncated_generalized_advantage_estimation",
    "td_lambda",
    "sarsa_lambda",
    "q_lambda",
    "general_off_policy_returns_from_action_values",
    "general_off_policy_returns_from_q_and_v",
    "retrace",
    "retrace_continuous",
    *V_TRACE,
    "transformed_lambda_returns",
    "transformed_n_step_returns",
    "transformed_general_off_policy_returns_from_action_values",
    "transformed_n_step_q_learning",
    "transformed_q_lambda",
    "transformed_retrace",
]
each_operator = pytest.mark.parametrize("name", NAMES)

SETTINGS = {"tx_pair", "n", "eps", "stop_target_gradients", "truncated_t", "sample_mask"}
ACTIONS = {"a_tm1", "a_t"}
PREDICTIONS = {"td_lambda": "v_tm1", **dict.fromkeys(V_TRACE, "v_tm1")} | {
    name: "q_tm1" for name in NAMES if "q_tm1" in inspect.signature(getattr(rlax, name)).parameters
}
PER_STEP = {"lambda_", "lambda_t", "alpha", "alpha_", "c_t", "clip_rho_threshold", "clip_pg_rho_threshold"}


def parameters(name):
    return [p for p in inspect.signature(getattr(rlax, name)).parameters if p not in SETTINGS]


def extra_steps(name, parameter):
    """How many steps the argument has more than the others."""
    if parameter == "values":
        return 1
    short = {"general_off_policy_returns_from_q_and_v": {"q_t", "c_t"}, "retrace_continuous": {"q_t", "log_rhos"}}
    return -1 if parameter in short.get(name, set()) else 0


def arguments(name, steps=5, batch=(), seed=0, dtype=np.float32):
    """Random arguments of an operator, by name, all floating ones in `dtype`."""
    random = np.random.default_rng(seed)

    def make(parameter):
        shape = (steps + extra_steps(name, parameter), *batch)
        if parameter in ACTIONS:
            return random.integers(A, size=shape)
        if parameter == "pi_t":
            return random.dirichlet(np.ones(A), size=shape).astype(dtype)
        if parameter in ("mu_t", "rho_tm1") or parameter.startswith("clip"):
            return random.uniform(0.3, 2.0, size=shape).astype(dtype)
        if parameter in PER_STEP or parameter == "discount_t":
            return random.uniform(size=shape).astype(dtype)
        of_actions = parameter in ("q_tm1", "q_t", "target_q_t") and {"pi_t", "a_tm1"} & set(every)
        per_action = (A,) if of_actions else ()
        return random.normal(size=(*shape, *per_action)).astype(dtype)

    every = parameters(name)
    return {parameter: make(parameter) for parameter in every}


def call(name, args, **settings):
    """Calls the operator, with its settings."""
    known = inspect.signature(getattr(rlax, name)).parameters
    settings = {**({"n": N} if "n" in known else {}), **({"tx_pair": PAIR} if "tx_pair" in known else {}), **settings}
    return getattr(rlax, name)(**args, **settings)


def by_definition(name, args, truncated=None, **masks):
    """The definition for each sequence of the batch, in float64."""
    steps, *batch = args["r_t"].shape
    truncated = np.zeros(args["r_t"].shape, bool) if truncated is None else truncated
    outs = []
    for at in np.ndindex(*batch):
        one = {
            n: x[(slice(None), *at)] if n in ACTIONS else np.asarray(x[(slice(None), *at)], np.float64)
            for n, x in (args | masks).items()
        }
        outs.append(definition(name, one, truncated[(slice(None), *at)]))
    outs = [out if isinstance(out, tuple) else (out,) for out in outs]
    stacked = [np.stack(part, -1).reshape(steps, *batch) for part in zip(*outs, strict=True)]
    return stacked if len(stacked) > 1 else stacked[0]


def assert_close(actual, expected, rtol=1e-4, atol=1e-4):
    for a, e in zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(np.asarray(a).astype(np.float64), np.asarray(e), rtol=rtol, atol=atol)


@functools.cache
def compiled(name, **settings):
    return jax.jit(lambda args, truncated_t=None: call(name, args, truncated_t=truncated_t, **settings))


def test_the_table_has_every_operator_over_time():
    functions = {n: getattr(rlax, n) for n in rlax.__all__ if inspect.isfunction(getattr(rlax, n))}
    assert {n for n, f in functions.items() if "truncated_t" in inspect.signature(f).parameters} == set(NAMES)


@each_operator
@given(
    shape=st.sampled_from([(1,), (5,), (4, 1, 2)]),
    truncations=st.sampled_from([0, 0.3, 1]),
    seed=st.integers(0, 99),
)
def test_it_is_what_its_definition_says(name, shape, truncations, seed):
    args = arguments(name, shape[0], shape[1:], seed)
    truncated = np.random.default_rng(seed).uniform(size=shape) < truncations
    out = compiled(name)(args, truncated)
    assert {x.shape for x in jax.tree.leaves(out)} == {shape}
    assert {x.dtype for x in jax.tree.leaves(out)} == {jnp.dtype(jnp.float32)}
    assert_close(out, by_definition(name, args, truncated))


@each_operator
def test_no_truncation_is_none(name):
    args = arguments(name)
    assert_close(compiled(name)(args), compiled(name)(args, np.zeros(5, bool)), rtol=1e-6, atol=1e-6)


GARBAGE = 7  # For the step between two episodes that belongs to neither.


def join(name, first, second, with_a_step_between):
    joined = {}
    for parameter in first:
        missing = with_a_step_between - extra_steps(name, parameter)
        if missing < 0:  # One value would do for the last state of the first episode and the first of the second one.
            pieces = first[parameter][:missing], second[parameter]
        else:
            step = np.full_like(first[parameter][:1], 1 if parameter in ACTIONS else GARBAGE)
            pieces = first[parameter], *[step] * missing, second[parameter]
        joined[parameter] = np.concatenate(pieces)
    return joined


@each_operator
@pytest.mark.parametrize("ending", ["truncation", "termination"])
def test_joined_episodes_equal_split_ones(name, ending):
    first, second = (arguments(name, 3, seed=seed) for seed in (0, 1))
    if ending == "termination":
        first["discount_t"][-1] = 0
    # One array of values cannot hold both the last state of an episode that was cut and the first one of the next.
    between = name == "truncated_generalized_advantage_estimation" and ending == "truncation"
    joined = join(name, first, second, int(between))
    truncated = np.zeros(len(joined["r_t"]), bool)
    truncated[2] = ending == "truncation"
    nowhere = np.zeros(3, bool)
    split = [compiled(name)(args, nowhere) for args in (first, second)]
    together = jax.tree.map(lambda x: np.delete(x, 3) if between else x, compiled(name)(joined, truncated))
    assert_close(together, jax.tree.leaves(jax.tree.map(lambda a, b: np.concatenate([a, b]), *split)), 1e-5, 1e-5)


@each_operator
def test_a_batch_is_vmap(name):
    args = arguments(name, 4, (1, 2))
    truncated = np.random.default_rng(0).uniform(size=(4, 1, 2)) < 0.3
    one = functools.partial(call, name)
    mapped = jax.jit(jax.vmap(lambda args, truncated: one(args, truncated_t=truncated), in_axes=2, out_axes=2))
    assert_close(mapped(args, truncated), jax.tree.leaves(compiled(name)(args, truncated)), 1e-5, 1e-5)


@pytest.mark.parametrize(
    "name", ["lambda_returns", "n_step_bootstrapped_returns", "retrace", "leaky_vtrace_td_error_and_advantage"]
)
def test_on_many_devices(name):
    args = arguments(name, 4, (8,))
    expected = jax.tree.leaves(compiled(name)(args))
    one = functools.partial(call, name)
    assert_close(jax.pmap(one, in_axes=1, out_axes=1)(args), expected, 1e-5, 1e-5)
    mesh = jax.sharding.Mesh(np.array(jax.devices()), ("batch",))
    spec = jax.sharding.PartitionSpec(None, "batch")
    sharded = jax.shard_map(one, mesh=mesh, in_specs=(spec,), out_specs=spec)
    assert_close(jax.jit(sharded)(args), expected, 1e-5, 1e-5)
    # Sharded rewards, and all else the same on each device.
    in_specs = ({n: spec if n == "r_t" else jax.sharding.PartitionSpec() for n in args},)
    alike = {n: x if n == "r_t" else np.repeat(x[:, :1], 8, 1) for n, x in args.items()}
    expected = jax.tree.leaves(compiled(name)(alike))
    sharded = jax.shard_map(one, mesh=mesh, in_specs=in_specs, out_specs=spec)
    assert_close(jax.jit(sharded)({n: x if n == "r_t" else x[:, :1] for n, x in alike.items()}), expected, 1e-5, 1e-5)


@each_operator
@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_half_precision_stays_and_is_rounded_once(name, dtype):
    args = arguments(name, dtype=dtype)
    out = compiled(name)(args)
    assert {x.dtype for x in jax.tree.leaves(out)} == {jnp.dtype(dtype)}
    widened = {n: x.astype(np.float32) if jnp.issubdtype(x.dtype, jnp.floating) else x for n, x in args.items()}
    assert_close(out, jax.tree.map(np.float32, compiled(name)(widened)), float(jnp.finfo(dtype).eps) / 1.99, 1e-5)
    assert_close(out, by_definition(name, args), 10 * float(jnp.finfo(dtype).eps), 10 * float(jnp.finfo(dtype).eps))


def test_a_number_has_more_digits_than_half_precision():
    # In bfloat16, 0.999 is 1.
    r_t = jnp.ones(4000, jnp.bfloat16)
    np.testing.assert_allclose(
        np.float32(rlax.discounted_returns(r_t, 0.999, 0)[0]), 1000 * (1 - 0.999**4000), rtol=5e-3
    )


def test_half_precision_is_accumulated_in_float32():
    # In bfloat16, 256 + 1 is 256.
    assert rlax.discounted_returns(jnp.ones(1000, jnp.bfloat16), 1, 0)[0] == 1000
    assert rlax.linear_recurrence(1, jnp.ones(1000, jnp.bfloat16))[0] == 1000


@each_operator
@pytest.mark.usefixtures("x64")
def test_double_precision_and_derivatives(name):
    args = arguments(name, 4, dtype=np.float64)
    truncated = np.array([False, True, False, False])
    real = {n: x for n, x in args.items() if n not in ACTIONS}
    random = np.random.default_rng(1)
    direction = {n: random.normal(size=x.shape) for n, x in real.items()}

    def function(real):
        out = call(name, args | real, truncated_t=truncated, stop_target_gradients=False)
        return sum(jnp.sum(jnp.cos(jnp.arange(4)) * x) for x in jax.tree.leaves(out)), out

    @jax.jit
    def derivatives(real):
        (_, forward), out = jax.jvp(lambda real: function(real)[0], (real,), (direction,)), function(real)[1]
        return out, forward, jax.grad(lambda real: function(real)[0])(real)

    out, forward, slope = derivatives(real)
    assert {x.dtype for x in jax.tree.leaves(out)} == {jnp.dtype(jnp.float64)}
    assert_close(out, by_definition(name, args, truncated), 1e-7, 1e-7)  # For the eps of Retrace, and the transform.
    np.testing.assert_allclose(sum(np.sum(slope[n] * direction[n]) for n in real), forward, rtol=1e-9)
    step = 1e-6
    ahead, behind = (
        sum(np.sum(np.cos(np.arange(4)) * x) for x in jax.tree.leaves(derivatives(moved)[0]))
        for moved in ({n: x + s * direction[n] for n, x in real.items()} for s in (step, -step))
    )
    np.testing.assert_allclose(forward, (ahead - behind) / (2 * step), rtol=1e-5)


@each_operator
def test_gradients_reach_the_target_only_where_asked(name):
    args = arguments(name)
    real = {n: x for n, x in args.items() if n not in ACTIONS}

    def total(real, stop):
        # Each error takes the prediction away once; the other results of V-trace are targets.
        out = call(name, args | real, stop_target_gradients=stop)
        return sum(jnp.sum(x) for x in jax.tree.leaves(out))

    gradient = jax.jit(jax.grad(total))
    stopped, flowing = gradient(real, True), gradient(real, False)
    prediction = PREDICTIONS.get(name)
    for argument in real:
        assert np.any(np.asarray(flowing[argument]) != 0), argument
        if argument != prediction:
            np.testing.assert_array_equal(stopped[argument], 0, err_msg=argument)
    if prediction is not None:
        of_each_step = np.asarray(stopped[prediction])
        of_each_step = of_each_step.sum(-1) if "a_tm1" in args else of_each_step
        np.testing.assert_allclose(of_each_step, -1, rtol=1e-6)


@pytest.mark.parametrize("name", ["lambda_returns", "td_lambda", "vtrace_td_error_and_advantage"])
def test_a_flag_that_is_traced_does_what_one_does_that_is_not(name):
    args = arguments(name)

    def gradient(args, stop):
        return jax.grad(lambda args: sum(jnp.sum(x) for x in call(name, args, stop_target_gradients=stop)))(args)

    for stop in (True, False):
        traced, known = jax.jit(lambda args, flag, stop=stop: (gradient(args, flag), gradient(args, stop)))(args, stop)
        assert_close(traced, jax.tree.leaves(known), 1e-6, 1e-6)


@each_operator
def test_integer_and_boolean_rewards_and_discounts(name):
    args = arguments(name, 4)
    whole = args | {"r_t": np.array([1, 0, -1, 2]), "discount_t": np.array([True, False, True, True])}
    floats = args | {"r_t": np.float32(whole["r_t"]), "discount_t": np.float32(whole["discount_t"])}
    jax.tree.map(np.testing.assert_array_equal, compiled(name)(whole), compiled(name)(floats))


@each_operator
def test_numbers_for_all_steps(name):
    args = arguments(name, 4, (2,))
    number = {n: 0.5 if n == "discount_t" else 1 for n in args if n in PER_STEP | {"discount_t"}}
    whole = {n: np.full(args[n].shape, x, np.float32) for n, x in number.items()}
    per_step = {n: x[:, 0] for n, x in whole.items() if n != "discount_t"}
    variants = number, whole | per_step, whole
    *others, expected = jax.jit(lambda args: [call(name, args | variant) for variant in variants])(args)
    for out in others:
        assert_close(out, jax.tree.leaves(expected), 1e-6, 1e-6)


@each_operator
def test_each_argument_of_another_shape_is_named(name):
    args = arguments(name, 3, (2,))
    for argument, value in args.items():
        for wrong in (np.concatenate([value, value, value]), value[..., None], value[:, 0]):
            if argument in PER_STEP and wrong.ndim == 1:
                continue
            with pytest.raises(ValueError, match=rf"{name}: \w+ has shape \(") as error:
                jax.eval_shape(functools.partial(call, name), args | {argument: wrong})
            if argument != "r_t":  # All others are compared with it.
                assert f"{name}: {argument} has shape {wrong.shape}, expected " in str(error.value)


@each_operator
def test_wrong_truncations_are_named(name):
    args = arguments(name, 3)
    message = f"{name}: truncated_t must be a boolean array, got float32[3]. Compare, for example truncated_t > 0."
    with pytest.raises(TypeError, match=re.escape(message)):
        jax.eval_shape(functools.partial(call, name, truncated_t=np.zeros(3, np.float32)), args)
    message = f"{name}: truncated_t has shape (2,), expected (3,) like r_t. Time comes first"
    with pytest.raises(ValueError, match=re.escape(message)):
        jax.eval_shape(functools.partial(call, name, truncated_t=np.zeros(2, bool)), args)


@each_operator
def test_no_step_and_no_time(name):
    args = {n: x[: extra_steps(name, n) if extra_steps(name, n) > 0 else 0] for n, x in arguments(name).items()}
    with pytest.raises(ValueError, match=re.escape(f"{name}: r_t has shape (0,), expected at least one step.")):
        jax.eval_shape(functools.partial(call, name), args)
    with pytest.raises(ValueError, match=re.escape(f"{name}: r_t has shape (), expected [T, *B]")):
        jax.eval_shape(functools.partial(call, name), args | {"r_t": 1.0})


@each_operator
def test_what_is_no_array_is_named(name):
    args = arguments(name)
    for argument in args:
        with pytest.raises(TypeError, match=f"{name}: {argument} must be an array or a number, got 'x' of type str"):
            call(name, args | {argument: "x"})


@each_operator
def test_actions_must_be_integers(name):
    args = arguments(name)
    for argument in ACTIONS & set(args):
        with pytest.raises(TypeError, match=rf"{name}: {argument} must be an integer array, got float32\[5\]"):
            call(name, args | {argument: np.zeros(5, np.float32)})


@pytest.mark.parametrize("name", [n for n in NAMES if "pi_t" in inspect.signature(getattr(rlax, n)).parameters])
def test_an_impossible_action_gives_no_nan(name):
    args = arguments(name, 4)
    args["pi_t"][:, 0], args["pi_t"][:, 1:] = 0, 0.5
    args["q_t"][:, 0] = -np.inf
    args["a_t"][:] = [0, 1, 0, 2]  # Another policy took it.
    if "c_t" in args:  # The traces, too, are 0 where the policy would not go.
        args["c_t"][[0, 2]] = 0
    real = {n: x for n, x in args.items() if n not in (*ACTIONS, "c_t")}
    total = jax.jit(jax.value_and_grad(lambda real: call(name, args | real, stop_target_gradients=False).sum()))
    value, gradient = total(real)
    assert np.isfinite(value)
    for argument, slope in gradient.items():
        assert not np.any(np.isnan(slope)), argument
