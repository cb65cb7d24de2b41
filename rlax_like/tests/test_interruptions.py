import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rlax_like as rlax

fix = rlax.fix_step_type_on_interruptions


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([0, 1, 1, 0, 1], [0, 1, 2, 0, 1]),
        ([0, 1, 2, 0, 1], [0, 1, 2, 0, 1]),
        ([1, 0, 0, 1], [2, 0, 0, 1]),
        ([1], [1]),
        ([], []),
    ],
)
def test_by_hand(before, after):
    np.testing.assert_array_equal(fix(jnp.array(before, jnp.int32)), after)


@given(st.lists(st.integers(0, 2), min_size=6, max_size=6))
def test_agreement_with_a_loop(steps):
    expected = [2 if s == 1 and steps[i + 1 : i + 2] == [0] else s for i, s in enumerate(steps)]
    np.testing.assert_array_equal(fix(np.array(steps)), expected)


def test_a_batch_and_the_dtype():
    steps = jnp.array([[1, 0], [0, 1], [1, 1]], jnp.int8)
    out = jax.jit(fix)(steps)
    assert out.dtype == jnp.int8
    np.testing.assert_array_equal(out, jax.vmap(fix, in_axes=1, out_axes=1)(steps))
    np.testing.assert_array_equal(out, [[2, 0], [0, 1], [1, 1]])


def test_errors():
    with pytest.raises(
        ValueError, match=r"step_type holds a number that is not 0 \(first\), 1 \(middle\) or 2 \(last\)"
    ):
        fix(jnp.array([0, 3]))
    with pytest.raises(TypeError, match="step_type must be an integer array, got float32"):
        fix(jnp.array([0.0, 1.0]))
    with pytest.raises(ValueError, match=r"step_type has shape \(\), expected \[T, \*B\]"):
        fix(1)
