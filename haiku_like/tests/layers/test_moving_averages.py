import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import haiku_like as hk

VALUES = np.random.RandomState(0).normal(size=(6, 3)).astype(np.float32)
PARAMS = {
    "linear": {"w": jnp.ones([2, 3]), "b": jnp.zeros(3)},
    "mlp/~/linear_0": {"w": jnp.full([2], 2.0)},
    "~": {"temperature": jnp.float32(3)},
}


def ema(*args, **kwargs):
    return hk.transform_with_state(lambda x, **call: hk.ExponentialMovingAverage(*args, **kwargs)(x, **call))


def averages(f, values):
    params, state = f.init(None, values[0])
    outs = []
    for value in values:
        out, state = f.apply(params, state, None, value)
        outs.append(out)
        np.testing.assert_array_equal(state["exponential_moving_average"]["average"], out)
    return outs, state["exponential_moving_average"]


@pytest.mark.parametrize("decay", [0.0, 0.7, 0.999])
@pytest.mark.parametrize("zero_debias", [True, False])
def test_weights_fall_by_decay(decay, zero_debias):
    outs, state = averages(ema(decay, zero_debias), VALUES)
    for t, out in enumerate(outs, start=1):
        weights = (1 - decay) * decay ** np.arange(t)[::-1]
        if zero_debias:
            weights = weights / weights.sum()
        np.testing.assert_allclose(out, weights @ VALUES[:t].astype(np.float64), rtol=2e-3, atol=1e-6)
    assert state["counter"] == len(VALUES)
    assert state["counter"].dtype == jnp.int32


def test_warm_up_returns_the_last_value():
    outs, _ = averages(ema(0.5, zero_debias=False, warmup_length=2), [jnp.float32(x) for x in (8, 4, 2, 5)])
    assert [float(x) for x in outs] == [8, 4, 3, 4]


def test_a_call_that_does_not_update_leaves_no_trace():
    f = ema(0.5, zero_debias=False)
    params, state = f.init(None, jnp.float32(0))
    _, state = f.apply(params, state, None, jnp.float32(8))
    out, after = f.apply(params, state, None, jnp.float32(4), update_stats=False)
    assert (float(out), after) == (4, state)


def test_initialize_lets_the_average_be_read_and_keeps_what_is_there():
    def run(x):
        mean = hk.ExponentialMovingAverage(0.5)
        mean.initialize([2], jnp.bfloat16)
        before = mean.average
        return before, mean(x), mean.average

    f = hk.transform_with_state(run)
    params, state = f.init(None, jnp.ones(2, jnp.bfloat16))
    (before, out, after), state = f.apply(params, state, None, jnp.ones(2, jnp.bfloat16))
    assert (before.dtype, before.tolist(), out.tolist(), after.tolist()) == (jnp.bfloat16, [0, 0], [1, 1], [1, 1])
    assert f.apply(params, state, None, jnp.zeros(2, jnp.bfloat16))[0][0].tolist() == [1, 1]


def test_numbers_and_integers_are_averaged_as_floats():
    for value in (3, 3.0, np.int8(3), np.array(3), True, jnp.int32(3)):
        (out, *_), state = averages(ema(0.9), [value])
        assert (out.dtype, out.weak_type, round(float(out), 6)) == (jnp.float32, False, 1 if value is True else 3)
        assert state["hidden"].dtype == jnp.float32


def test_complex_values():
    outs, _ = averages(ema(0.5), [jnp.complex64(1j), jnp.complex64(4)])
    np.testing.assert_allclose(outs[-1], (1j + 2 * 4) / 3, rtol=1e-6)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_a_decay_that_rounds_to_one_in_half_precision_still_averages(dtype):
    outs, state = averages(ema(0.9999), [jnp.asarray(3, dtype)] * 2)
    assert [(x.dtype, float(x)) for x in outs] == [(dtype, 3)] * 2
    assert state["hidden"].dtype == dtype


def test_the_dtype_of_the_state_is_that_of_the_wider():
    f = ema(0.5)
    _, state = f.init(None, jnp.ones(2, jnp.bfloat16))
    out, state = f.apply({}, state, None, jnp.ones(2))
    assert out.dtype == state["exponential_moving_average"]["hidden"].dtype == jnp.float32
    out, state = f.apply({}, state, None, jnp.ones(2, jnp.bfloat16))
    assert out.dtype == state["exponential_moving_average"]["hidden"].dtype == jnp.float32


def test_it_runs_in_a_loop_with_a_traced_decay():
    f = hk.transform_with_state(lambda decay, x: hk.ExponentialMovingAverage(decay)(x))
    _, state = f.init(None, 0.7, VALUES[0])

    @jax.jit
    def run(decay):
        return jax.lax.scan(lambda state, x: f.apply({}, state, None, decay, x)[::-1], state, VALUES)[1]

    np.testing.assert_allclose(run(0.7), averages(ema(0.7), VALUES)[0], rtol=1e-5)


def test_bad_input_is_refused():
    for decay in (1.0, -0.1, 1.5, float("nan"), [0.5, 1.0]):
        with pytest.raises(
            ValueError, match=rf"ExponentialMovingAverage: decay is {re.escape(repr(decay))}, expected 0 <="
        ):
            ema(decay).init(None, VALUES)
    for decay in (None, "0.9"):
        with pytest.raises(ValueError, match=rf"decay is {decay!r}, expected 0 <= decay < 1"):
            ema(decay).init(None, VALUES)
    with pytest.raises(ValueError, match="warmup_length is -1, expected 0 or more"):
        ema(0.9, zero_debias=False, warmup_length=-1).init(None, VALUES)
    with pytest.raises(TypeError, match=r"warmup_length is 1.5 of type float, expected an integer"):
        ema(0.9, zero_debias=False, warmup_length=1.5).init(None, VALUES)
    with pytest.raises(ValueError, match=r"warmup_length is 3 with zero_debias=True, expected 0.*pass zero_debias=F"):
        ema(0.9, warmup_length=3).init(None, VALUES)
    for value, kind in (([1.0], "list"), ({"w": 1.0}, "dict"), (None, "NoneType"), (np.array(["a"]), "<U1")):
        with pytest.raises(
            TypeError,
            match=f"value of module 'exponential_moving_average' is of type {kind}, expected an array of numbers",
        ):
            ema(0.9).init(None, value)
    f = ema(0.9)
    _, state = f.init(None, VALUES[0])
    with pytest.raises(ValueError, match=r"has shape \(2,\), expected \(3,\), the shape of the average so far"):
        f.apply({}, state, None, VALUES[0, :2])
    with pytest.raises(TypeError, match="ExponentialMovingAverage: update_stats is traced, expected True or False"):
        jax.jit(f.init)(None, VALUES[0], update_stats=True)


def test_reading_before_any_value_is_refused():
    f = hk.transform_with_state(lambda: hk.ExponentialMovingAverage(0.9, name="mean").average)
    with pytest.raises(
        ValueError,
        match=r"ExponentialMovingAverage: average of module 'mean' has no value yet, expected a call that updates it, "
        r"or initialize\(shape\), before it is read. Pass apply the state that init returned",
    ):
        f.init(None)


# Averages of parameters.


def tree(*args, **kwargs):
    return hk.transform_with_state(lambda params, **call: hk.EMAParamsTree(*args, **kwargs)(params, **call))


def test_each_parameter_is_averaged():
    f = tree(0.5)
    _, state = f.init(None, PARAMS)
    out, state = f.apply({}, state, None, PARAMS)
    jax.tree.map(np.testing.assert_array_equal, out, PARAMS)
    out, state = f.apply({}, state, None, jax.tree.map(lambda x: x + 3, PARAMS))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b + 2, rtol=1e-6), out, PARAMS)
    assert list(state) == [
        "ema_params_tree/linear__w",
        "ema_params_tree/linear__b",
        "ema_params_tree/mlp___tilde___linear_0__w",
        "ema_params_tree/_tilde___temperature",
    ]
    assert all(list(bundle) == ["counter", "hidden", "average"] for bundle in state.values())


@pytest.mark.parametrize(
    ("ignore_regex", "averaged"),
    [
        ("", {"linear__w", "linear__b", "mlp___tilde___linear_0__w", "_tilde___temperature"}),
        (".*/b", {"linear__w", "mlp___tilde___linear_0__w", "_tilde___temperature"}),
        ("linear", {"mlp___tilde___linear_0__w", "_tilde___temperature"}),
        ("mlp/~/linear_0|~", {"linear__w", "linear__b"}),
        ("w", {"linear__w", "linear__b", "mlp___tilde___linear_0__w", "_tilde___temperature"}),
    ],
)
def test_what_is_ignored_stays_as_it_is(ignore_regex, averaged):
    f = tree(0.9, zero_debias=False, ignore_regex=ignore_regex, name="smooth")
    out, state = f.apply({}, f.init(None, PARAMS)[1], None, PARAMS)
    assert set(state) == {f"smooth/{name}" for name in averaged}
    for path, bundle in PARAMS.items():
        for name, value in bundle.items():
            is_averaged = f"{path}/{name}".replace("/", "__").replace("~", "_tilde_") in averaged
            np.testing.assert_allclose(out[path][name], value * (np.float32(0.1) if is_averaged else 1), rtol=1e-5)


def test_smoothed_parameters_of_a_model_under_jit():
    forward = hk.transform(lambda x: hk.nets.MLP([4, 2])(x))
    params = forward.init(jax.random.key(0), VALUES)
    f = tree(0.9, zero_debias=False, warmup_length=1)
    _, state = jax.jit(f.init)(None, params)
    smooth, state = jax.jit(f.apply)({}, state, None, params)
    jax.tree.map(np.testing.assert_array_equal, smooth, params)
    smooth, after = f.apply({}, state, None, jax.tree.map(jnp.zeros_like, params), update_stats=False)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, 0.9 * b, rtol=1e-6), smooth, params)
    jax.tree.map(np.testing.assert_array_equal, after, state)
    assert forward.apply(smooth, VALUES).shape == (6, 2)


def test_bad_trees_are_refused():
    for bad, kind in ((jnp.ones(2), r"\w+"), ([jnp.ones(2)], "list"), ({"w": jnp.ones(2)}, "dict")):
        with pytest.raises(
            TypeError, match=rf"EMAParamsTree: tree is of type {kind}, expected parameters {{module path"
        ):
            tree(0.9).init(None, bad)
    for regex in ("(", 3):
        with pytest.raises(
            ValueError, match=re.escape(f"EMAParamsTree: ignore_regex is {regex!r}, expected a regular")
        ):
            tree(0.9, ignore_regex=regex).init(None, PARAMS)
    with pytest.raises(ValueError, match="EMAParamsTree: decay is 2, expected 0 <= decay < 1"):
        tree(2).init(None, {})
    with pytest.raises(ValueError, match="EMAParamsTree: warmup_length is 2 with zero_debias=True"):
        tree(0.9, warmup_length=2).init(None, {})
