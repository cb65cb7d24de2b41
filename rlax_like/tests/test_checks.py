import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rlax_like import _checks


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ((1, 2), jnp.float32),
        ((True, 2), jnp.float32),
        ((jnp.bfloat16(1), 2), jnp.bfloat16),
        ((jnp.bfloat16(1), np.int32(2)), jnp.bfloat16),
        ((jnp.bfloat16(1), 2.0), jnp.bfloat16),
        ((jnp.bfloat16(1), jnp.float32(2)), jnp.float32),
        ((np.zeros(2, bool), np.zeros(2, np.float16)), jnp.float16),
    ],
)
def test_reals_promotes_the_floating_arguments(values, dtype):
    assert [x.dtype for x in _checks.reals("f", a=values[0], b=values[1])] == [dtype, dtype]


@pytest.mark.usefixtures("x64")
def test_reals_keeps_double_precision():
    (x,) = _checks.reals("f", x=np.zeros(2))
    assert x.dtype == jnp.float64
    (x,) = _checks.reals("f", x=1)
    assert x.dtype == jnp.float64


@pytest.mark.parametrize("bad", ["a", None, [1.0], np.float32, jax.random.key])
def test_what_is_no_array_is_refused(bad):
    for check in (_checks.reals, _checks.integers):
        with pytest.raises(TypeError, match=r"f: x must be an array or a number, got .*Convert it with jnp.asarray"):
            check("f", x=bad)


@pytest.mark.parametrize("bad", [1j, np.zeros(2, np.complex64), jax.random.key(0)])
def test_what_is_not_real_is_refused(bad):
    with pytest.raises(TypeError, match=r"f: x must be a real array, got (complex|key)"):
        _checks.reals("f", x=bad)


@pytest.mark.parametrize("bad", [1.0, True, np.zeros(2, np.float32)])
def test_what_is_no_integer_is_refused(bad):
    with pytest.raises(TypeError, match=r"f: a_t must be an integer array, got (float|bool).*a_t.astype\(jnp.int32\)"):
        _checks.integers("f", a_t=bad)


def test_a_condition_on_a_traced_value_passes():
    concrete = jnp.array([1.0, -1.0])

    @jax.jit
    def under_jit(traced):
        assert _checks.holds(lambda x: x > 0, traced)
        assert not _checks.holds(lambda x: x > 0, concrete)
        return traced

    under_jit(-1.0)
