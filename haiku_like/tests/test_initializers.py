import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import haiku_like as hk

init = hk.initializers
MATRIX = [400, 300]


def draw(initializer, shape=MATRIX, dtype=jnp.float32, seed=0):
    return hk.transform(lambda: initializer(shape, dtype), apply_rng=True).apply({}, seed)


RANDOM = [
    init.RandomNormal(0.1),
    init.TruncatedNormal(0.1),
    init.RandomUniform(-0.1, 0.1),
    init.VarianceScaling(),
    init.VarianceScaling(2.0, "fan_out", "normal"),
    init.VarianceScaling(1.0, "fan_avg", "uniform"),
    init.UniformScaling(),
    init.Orthogonal(),
]
ids = [type(i).__name__ for i in RANDOM]


@pytest.mark.parametrize("initializer", [*RANDOM, init.Identity(), init.Constant(2.0)])
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.float16])
def test_shape_and_dtype_are_as_asked(initializer, dtype):
    value = draw(initializer, [3, 4, 5], dtype)
    assert (value.shape, value.dtype) == ((3, 4, 5), dtype)
    assert bool(jnp.all(jnp.isfinite(value)))


@pytest.mark.parametrize("initializer", RANDOM, ids=ids)
@pytest.mark.usefixtures("x64")
def test_double_precision(initializer):
    assert draw(initializer, [4, 5], jnp.float64).dtype == jnp.float64


@pytest.mark.parametrize("initializer", RANDOM, ids=ids)
def test_a_draw_depends_on_the_key_alone(initializer):
    np.testing.assert_array_equal(draw(initializer), draw(initializer))
    assert not np.array_equal(draw(initializer), draw(initializer, seed=1))


def moments(initializer, shape=MATRIX):
    value = np.asarray(draw(initializer, shape), np.float64)
    return value.mean(), value.std(), value.min(), value.max()


def test_random_normal():
    mean, std, _, _ = moments(init.RandomNormal(stddev=0.5, mean=2.0))
    np.testing.assert_allclose([mean, std], [2.0, 0.5], atol=0.01)


def test_truncated_normal():
    # A standard normal cut at two deviations has a deviation of 0.8796.
    mean, std, low, high = moments(init.TruncatedNormal(stddev=0.5, mean=2.0))
    np.testing.assert_allclose([mean, std, low, high], [2.0, 0.5 * 0.8796, 1.0, 3.0], atol=0.01)
    _, _, low, high = moments(init.TruncatedNormal(1.0, 0.0, lower=-1.0, upper=3.0))
    assert low >= -1.0
    assert 2.0 < high <= 3.0


def test_complex_truncated_normal_cuts_both_parts():
    value = np.asarray(draw(init.TruncatedNormal(), MATRIX, jnp.complex64))
    for part in (value.real, value.imag):
        np.testing.assert_allclose([part.std(), np.abs(part).max()], [0.8796, 2.0], atol=0.01)
    assert abs(np.mean(value.real * value.imag)) < 0.01


def test_random_uniform():
    mean, std, low, high = moments(init.RandomUniform(1.0, 3.0))
    np.testing.assert_allclose([mean, std, low, high], [2.0, 2 / 12**0.5, 1.0, 3.0], atol=0.01)


@pytest.mark.parametrize(("mode", "fan"), [("fan_in", 400), ("fan_out", 300), ("fan_avg", 350)])
@pytest.mark.parametrize("distribution", ["truncated_normal", "normal", "uniform"])
def test_variance_scaling_has_the_variance_it_says(mode, fan, distribution):
    mean, std, _, _ = moments(init.VarianceScaling(3.0, mode, distribution))
    np.testing.assert_allclose(std, (3.0 / fan) ** 0.5, rtol=0.01)
    assert abs(mean) < 0.001


def test_variance_scaling_counts_the_receptive_field():
    # A convolution of 3 x 5 from 40 to 60 channels: 600 inputs, 900 outputs.
    shape = [3, 5, 40, 60]
    for mode, fan in (("fan_in", 600), ("fan_out", 900)):
        np.testing.assert_allclose(moments(init.VarianceScaling(1.0, mode, "normal"), shape)[1], fan**-0.5, rtol=0.02)


def test_variance_scaling_with_given_axes():
    for mode, fan in (("fan_in", 30), ("fan_out", 800)):
        initializer = init.VarianceScaling(1.0, mode, "normal", fan_in_axes=[0, 2])
        np.testing.assert_allclose(moments(initializer, [3, 800, 10])[1], fan**-0.5, rtol=0.02)


def test_variance_scaling_of_small_shapes():
    assert draw(init.VarianceScaling(), []).shape == ()
    assert draw(init.VarianceScaling(), [0, 3]).shape == (0, 3)
    np.testing.assert_allclose(moments(init.VarianceScaling(1.0, "fan_in", "normal"), [10000])[1], 0.01, rtol=0.02)


def test_uniform_scaling():
    _, _, low, high = moments(init.UniformScaling(2.0))
    bound = 2.0 * (3 / 400) ** 0.5
    np.testing.assert_allclose([low, high], [-bound, bound], rtol=0.01)


@pytest.mark.parametrize("shape", [[5, 5], [7, 3], [3, 7], [2, 3, 4], [4, 1]])
@pytest.mark.parametrize("axis", [-1, 0, 1])
def test_orthogonal(shape, axis):
    value = np.asarray(draw(init.Orthogonal(2.0, axis), shape), np.float64)
    matrix = np.moveaxis(value, axis, -1).reshape(-1, shape[axis])
    small = matrix.T @ matrix if matrix.shape[0] >= matrix.shape[1] else matrix @ matrix.T
    np.testing.assert_allclose(small, 4.0 * np.eye(len(small)), atol=1e-5)


def test_orthogonal_is_uniform_over_signs():
    values = jax.vmap(lambda seed: draw(init.Orthogonal(), [2, 2], seed=seed))(jnp.arange(2000))
    np.testing.assert_allclose(values.mean(0), np.zeros([2, 2]), atol=0.06)
    np.testing.assert_allclose(jnp.linalg.det(values).mean(), 0.0, atol=0.06)


def test_identity_and_constant():
    np.testing.assert_array_equal(draw(init.Identity(3.0), [2, 3]), [[3, 0, 0], [0, 3, 0]])
    np.testing.assert_array_equal(draw(init.Identity(), [4, 2, 2]), np.stack([np.eye(2)] * 4))
    np.testing.assert_array_equal(draw(init.Constant(np.arange(2)), [3, 2]), [[0, 1]] * 3)
    assert draw(init.Constant(1), [2], jnp.int32).dtype == jnp.int32


@pytest.mark.parametrize("initializer", [init.Orthogonal(), init.Identity()])
def test_a_vector_is_no_matrix(initializer):
    message = f"{type(initializer).__name__}: shape is [3], expected at least two dimensions."
    with pytest.raises(ValueError, match=re.escape(message)):
        draw(initializer, [3])


@pytest.mark.parametrize("initializer", RANDOM, ids=ids)
def test_an_integer_dtype_is_refused(initializer):
    message = (
        f"{type(initializer).__name__}: dtype is int32, expected a floating dtype. A layer makes its parameters in"
    )
    with pytest.raises(TypeError, match=message):
        draw(initializer, [3, 3], jnp.int32)


def test_settings_out_of_range_are_refused():
    with pytest.raises(ValueError, match=r"VarianceScaling: scale is -1.0, expected 0 or more"):
        init.VarianceScaling(-1.0)
    with pytest.raises(ValueError, match=r"VarianceScaling: mode is 'in', expected one of \('fan_in', 'fan_out'"):
        init.VarianceScaling(1.0, "in")
    with pytest.raises(
        ValueError, match=r"VarianceScaling: distribution is 'gauss', expected one of \('truncated_norm"
    ):
        init.VarianceScaling(1.0, "fan_in", "gauss")
    with pytest.raises(ValueError, match=r"TruncatedNormal: lower is 2.0, expected less than upper=2.0"):
        init.TruncatedNormal(lower=2.0)


def test_axes_that_do_not_exist_are_refused():
    with pytest.raises(ValueError, match=r"Orthogonal: axis is 5, expected an axis of the shape \[3, 3\]"):
        draw(init.Orthogonal(axis=5), [3, 3])
    with pytest.raises(
        ValueError, match=r"VarianceScaling: fan_in_axes has 5, expected an axis of the shape \[3, 3, 3\]"
    ):
        draw(init.VarianceScaling(fan_in_axes=[5]), [3, 3, 3])


def test_a_variance_of_zero_gives_zeros():
    np.testing.assert_array_equal(draw(init.VarianceScaling(0.0), [2, 3]), np.zeros([2, 3]))


def test_bounds_of_a_truncated_normal_may_be_arrays():
    value = draw(init.TruncatedNormal(lower=jnp.array([[-1.0, 1.0]]), upper=jnp.array([[1.0, 2.0]])), [50, 2])
    assert bool(jnp.all(jnp.abs(value[:, 0]) <= 1) & jnp.all(value[:, 1] >= 1))


def test_strict_dtype_promotion():
    with jax.numpy_dtype_promotion("strict"):
        for initializer in RANDOM:
            assert draw(initializer, [3, 4], jnp.bfloat16).dtype == jnp.bfloat16
        assert hk.dropout(jax.random.key(0), 0.5, jnp.ones(3, jnp.bfloat16)).dtype == jnp.bfloat16


def test_random_initializers_need_a_transform():
    with pytest.raises(hk.UsageError, match=r"next_rng_key: used outside hk.transform"):
        init.RandomNormal()([2], jnp.float32)
