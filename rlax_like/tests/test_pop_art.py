import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rlax_like as rlax

STATE = rlax.PopArtState(jnp.array([1.0, 2.0, 3.0]), jnp.array([2.0, 3.0, 4.0]), jnp.array([5.0, 13.0, 25.0]))
LIMITS = {"scale_lb": 1e-3, "scale_ub": 1e6}


def art_by_loop(state, targets, indices, step):
    """Van Hasselt et al. (2016), eqs. 4 and 5, in float64, for the mean of each output."""
    shift, _, second = (np.float64(x) for x in state)
    shift, second = shift.copy(), second.copy()
    for i in range(len(shift)):
        mine = np.float64(targets)[np.asarray(indices) == i]
        if len(mine):
            shift[i] += step * (mine.mean() - shift[i])
            second[i] += step * ((mine**2).mean() - second[i])
    return shift, np.sqrt(second - shift**2), second


def test_both_forms():
    x, i = jnp.array([3.0, 5.0]), jnp.array([0, 2])
    np.testing.assert_allclose(rlax.normalize(STATE, x, i), [1.0, 0.5])
    np.testing.assert_allclose(rlax.unnormalize(STATE, jnp.array([1.0, 0.5]), i), x)
    out = rlax.unnormalize_linear(STATE, jnp.array([[1.0, 9.0, 9.0], [9.0, 9.0, 0.5]]), i)
    np.testing.assert_allclose(out.normalized, [1.0, 0.5])
    np.testing.assert_allclose(out.unnormalized, x)
    assert np.isnan(rlax.normalize(STATE, 1.0, 3))
    assert np.isnan(rlax.unnormalize_linear(STATE, jnp.ones(3), 3).unnormalized)


def test_a_step_of_the_statistics():
    targets, indices = jnp.array([4.0, 7.0, 9.0, 1.0]), jnp.array([0, 1, 1, 0])
    out = rlax.art(STATE, targets, indices, 0.25, **LIMITS)
    for x, expected in zip(out, art_by_loop(STATE, targets, indices, 0.25), strict=True):
        np.testing.assert_allclose(x, expected, rtol=1e-5)
    reshaped = rlax.art(STATE, targets.reshape(2, 2), indices.reshape(2, 2), 0.25, **LIMITS)
    np.testing.assert_array_equal(reshaped.shift, out.shift)
    ignored = rlax.art(STATE, targets, jnp.array([0, 3, -1, 0]), 0.25, **LIMITS)
    np.testing.assert_array_equal(ignored.shift[1:], STATE.shift[1:])


def test_a_large_batch_of_one_output_is_one_step():
    init, _ = rlax.popart(1, 0.1, **LIMITS)
    state = init()
    targets, indices = 5.0 + jnp.linspace(-1.0, 1.0, 64), jnp.zeros(64, int)
    step = jax.jit(lambda state: rlax.art(state, targets, indices, 0.1, **LIMITS))
    for _ in range(200):
        state = step(state)
    np.testing.assert_allclose(state.shift, [5.0], rtol=1e-5)
    np.testing.assert_allclose(state.scale, [np.std(np.float64(targets))], rtol=1e-4)


def test_a_large_mean_leaves_the_deviation():
    random = np.random.default_rng(0)
    targets = np.float32(1e4 + random.normal(size=(400, 16)))
    state = rlax.popart(1, 0.05, **LIMITS)[0]()
    state, _ = jax.lax.scan(
        lambda s, x: (rlax.art(s, x, jnp.zeros(16, int), 0.05, **LIMITS), None), state, jnp.asarray(targets)
    )
    np.testing.assert_allclose(state.scale, [1.0], rtol=0.15)


def test_statistics_that_do_not_fit_follow_the_moments():
    # A scale that was cut says nothing of the variance.
    cut = STATE._replace(scale=jnp.array([1e-3, 3.0, 4.0]))
    a, b = (rlax.art(s, jnp.array([4.0]), jnp.array([0]), 0.25, **LIMITS) for s in (cut, STATE))
    np.testing.assert_allclose(a.scale, b.scale, rtol=1e-6)


def test_the_scale_keeps_its_limits():
    targets, indices = jnp.array([1000.0, 3.0]), jnp.array([0, 2])
    out = rlax.art(STATE, targets, indices, 0.5, scale_lb=3.9, scale_ub=10.0)
    np.testing.assert_allclose(out.scale, [10.0, 3.9, 3.9], rtol=1e-6)


def test_the_outputs_stay():
    random = np.random.default_rng(0)
    params = {"w": jnp.float32(random.normal(size=(4, 3))), "b": jnp.float32(random.normal(size=3)), "other": "kept"}
    new = rlax.PopArtState(STATE.shift - 2, STATE.scale * 3, STATE.second_moment)
    inputs, indices = jnp.float32(random.normal(size=(5, 4))), jnp.array([0, 1, 2, 1, 0])

    def outputs(params, state):
        linear = inputs @ params["w"] + jnp.broadcast_to(params["b"], (5, 3))
        return rlax.unnormalize_linear(state, linear, indices).unnormalized

    changed = rlax.pop(params, STATE, new)
    assert changed["other"] == "kept"
    np.testing.assert_allclose(outputs(changed, new), outputs(params, STATE), rtol=1e-4, atol=1e-5)
    assert rlax.pop({"w": jnp.ones([2, 3], jnp.bfloat16), "b": jnp.ones(3)}, STATE, new)["w"].dtype == jnp.bfloat16


def test_popart_does_both():
    init, update = rlax.popart(3, 0.25, **LIMITS)
    params = {"w": jnp.ones([4, 3]), "b": jnp.zeros(3)}
    targets, indices = jnp.array([4.0, 7.0]), jnp.array([0, 1])
    state = init()
    np.testing.assert_array_equal(jnp.stack(state), [[0.0] * 3, [1.0] * 3, [1.0] * 3])
    out, new = jax.jit(update)(params, state, targets, indices)
    expected = rlax.art(state, targets, indices, 0.25, **LIMITS)
    np.testing.assert_allclose(new.scale, expected.scale, rtol=1e-6)
    np.testing.assert_allclose(out["w"], rlax.pop(params, state, expected)["w"], rtol=1e-6)


def test_no_gradient_flows_through_the_statistics():
    gradient = jax.grad(lambda x, s: sum(jnp.sum(y) for y in rlax.art(s, x, jnp.array([0]), 0.25, **LIMITS)), (0, 1))
    assert not any(np.any(g) for g in jax.tree.leaves(gradient(jnp.ones(1), STATE)))


def test_split_over_devices_it_is_the_same():
    targets, indices = jnp.arange(16.0).reshape(8, 2), jnp.arange(16).reshape(8, 2) % 3
    whole = rlax.art(STATE, targets, indices, 0.25, **LIMITS)
    split = jax.pmap(
        lambda x, i: rlax.art(STATE, x, i, 0.25, **LIMITS, axis_name="d"), axis_name="d"
    )(targets, indices)  # fmt: skip
    for a, b in zip(split, whole, strict=True):
        np.testing.assert_allclose(a, np.broadcast_to(b, (8, 3)), rtol=1e-5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: rlax.art(STATE, 1.0, 0, 1.5, 0.1, 1.0), "art: step_size is 1.5, expected a number in [0, 1]"),
        (lambda: rlax.art(STATE, 1.0, 0, 0.5, 0.0, 1.0), "art: scale_lb is 0.0, expected a positive number"),
        (lambda: rlax.popart(2, 0.5, 2.0, 1.0), "popart: scale_ub is 1.0, expected at least scale_lb = 2.0"),
        (lambda: rlax.popart(0, 0.5, 0.1, 1.0), "popart: num_outputs is 0, expected 1 or more"),
        (
            lambda: rlax.art(STATE, jnp.ones(2), 0, 0.5, 0.1, 1.0),
            "art: indices has shape (), expected (2,) like targets",
        ),
        (lambda: rlax.normalize(STATE, jnp.ones(2), 0), "normalize: indices has shape (), expected (2,) like unnormal"),
        (
            lambda: rlax.unnormalize_linear(STATE, jnp.ones(2), 0),
            "state.shift has shape (3,), expected (2,) like inputs",
        ),
        (
            lambda: rlax.pop({"w": jnp.ones([2, 3])}, STATE, STATE),
            "pop: params['b'] missing, expected the weights w and",
        ),
        (
            lambda: rlax.pop({"w": jnp.ones([2, 4]), "b": jnp.ones(4)}, STATE, STATE),
            "pop: params['w'] has shape (2, 4), expected [*I, 3] like old.shift",
        ),
        (
            lambda: rlax.normalize(STATE._replace(scale=jnp.ones(2)), 1.0, 0),
            "state.scale has shape (2,), expected (3,)",
        ),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()


def test_indices_are_integers():
    with pytest.raises(TypeError, match="normalize: indices must be an integer array"):
        rlax.normalize(STATE, 1.0, 0.0)
