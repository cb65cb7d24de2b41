import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rlax_like as rlax

T, H, W, C, A = 3, 4, 6, 2, 3


def arrays(batch=(), seed=0):
    random = np.random.default_rng(seed)
    images = jnp.float32(random.normal(size=(T + 1, *batch, H, W, C)))
    actions = jnp.asarray(random.integers(A, size=(T, *batch)))
    values = jnp.float32(random.normal(size=(T + 1, *batch, H // 2, W // 2, A)))
    return images, actions, values


def rewards_by_loop(images):
    images = np.float64(images)
    out = np.zeros((T, H // 2, W // 2))
    for t, i, j in np.ndindex(*out.shape):
        cell = np.s_[2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
        out[t, i, j] = np.mean(np.abs(images[t + 1][cell] - images[t][cell]))
    return out


def test_pixel_rewards_agree_with_a_loop():
    images, *_ = arrays()
    np.testing.assert_allclose(rlax.pixel_control_rewards(images, 2), rewards_by_loop(images), rtol=1e-5)
    np.testing.assert_allclose(
        rlax.pixel_control_rewards(images, 1), jnp.abs(jnp.diff(images, axis=0)).mean(-1), rtol=1e-5
    )


def test_bytes_do_not_wrap_around():
    images = jnp.stack([jnp.full([2, 2, 1], 200, jnp.uint8), jnp.full([2, 2, 1], 10, jnp.uint8)])
    np.testing.assert_array_equal(rlax.pixel_control_rewards(images, 2), [[[190.0]]])
    out = rlax.pixel_control_loss(images, jnp.array([0]), jnp.zeros([2, 1, 1, 1]), 0.9, 2)
    np.testing.assert_allclose(out, [[[190.0**2 / 2]]])


@pytest.mark.parametrize("discount", [0.9, np.float32([0.9, 0.0, 0.5])])
def test_pixel_loss_agrees_with_a_loop(discount):
    images, actions, values = arrays()
    q, r = np.float64(values), rewards_by_loop(images)
    target, expected = q[T].max(-1), np.zeros(r.shape)
    for t in reversed(range(T)):
        target = r[t] + np.broadcast_to(discount, T)[t] * target
        expected[t] = (target - q[t][..., actions[t]]) ** 2 / 2
    np.testing.assert_allclose(rlax.pixel_control_loss(images, actions, values, discount, 2), expected, rtol=1e-4)


def test_no_gradient_flows_through_the_target():
    images, actions, values = arrays()
    loss = lambda images, values: rlax.pixel_control_loss(images, actions, values, 0.9, 2).sum()  # noqa: E731
    of_images, of_values = jax.grad(loss, (0, 1))(images, values)
    assert not np.any(of_images)
    assert not np.any(of_values[T])
    taken = np.eye(A, dtype=bool)[actions]
    assert not np.any(np.moveaxis(np.asarray(of_values[:T]), 0, 2)[:, :, ~taken])
    assert np.any(of_values[:T])


def test_a_batch_equals_vmap():
    images, actions, values = arrays((2,))
    out = rlax.pixel_control_loss(images, actions, values, 0.9, 2)
    mapped = jax.vmap(lambda *x: rlax.pixel_control_loss(*x, 0.9, 2), in_axes=1, out_axes=1)(images, actions, values)
    np.testing.assert_allclose(out, mapped, rtol=1e-5)
    one = rlax.pixel_control_loss(images, actions, values, jnp.full([T, 2], 0.9), 2)
    np.testing.assert_allclose(out, one, rtol=1e-5)


def test_feature_rewards_by_hand():
    features = jnp.array([[1.0, 2.0], [3.0, 0.5]])
    expected = {
        "feature": [3.0, 0.5], "absolute_change": [2.0, 1.5], "increase": [2.0, -1.5], "decrease": [-2.0, 1.5],
        "potential": [0.5, -1.75],
    }  # fmt: skip
    for kind, rewards in expected.items():
        np.testing.assert_allclose(rlax.feature_control_rewards(features, kind, 0.5), [rewards])
    np.testing.assert_allclose(rlax.feature_control_rewards(features), [expected["absolute_change"]])
    assert rlax.feature_control_rewards(features.astype(jnp.bfloat16), "potential", 0.5).dtype == jnp.bfloat16


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda *x: rlax.pixel_control_rewards(x[0], 4), "cell_size is 4, expected a divisor of the height 4 and the"),
        (lambda *x: rlax.pixel_control_rewards(x[0], 0), "cell_size is 0, expected a divisor"),
        (
            lambda *x: rlax.pixel_control_rewards(x[0][0], 2),
            "observations has shape (4, 6, 2), expected [T+1, *B, H, W",
        ),
        (
            lambda i, a, v: rlax.pixel_control_loss(i, a[:2], v, 0.9, 2),
            "pixel_control_loss: actions has shape (2,), expected (3,) like action_values",
        ),
        (
            lambda i, a, v: rlax.pixel_control_loss(i, a, v, np.ones(2), 2),
            "discount_factor has shape (2,), expected a number or (3,) like action_values",
        ),
        (
            lambda i, a, v: rlax.pixel_control_loss(i, a, v[:, :1], 0.9, 2),
            "pixel_control_rewards(observations) has shape (3, 2, 3), expected (3, 1, 3)",
        ),
        (lambda *x: rlax.feature_control_rewards(x[0], "none"), "cumulant_type is 'none', expected 'feature', 'abs"),
        (lambda *x: rlax.feature_control_rewards(x[0], "potential"), "discount is None, expected a number"),
        (lambda *x: rlax.feature_control_rewards(jnp.ones(3)), "features has shape (3,), expected [T+1, *B, D]"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call(*arrays())
