import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import haiku_like as hk


def data(key):
    return np.asarray(jax.random.key_data(key) if jnp.issubdtype(key.dtype, jax.dtypes.prng_key) else key)


def test_next_splits_the_internal_key_in_two():
    key = jax.random.PRNGKey(42)
    sequence = hk.PRNGSequence(key)
    for _ in range(3):
        key, expected = jax.random.split(key)
        np.testing.assert_array_equal(next(sequence), expected)


def test_take_splits_once():
    sequence = hk.PRNGSequence(0)
    expected = jax.random.split(jax.random.PRNGKey(0), 4)
    np.testing.assert_array_equal(jnp.stack(sequence.take(3)), expected[1:])
    np.testing.assert_array_equal(sequence.internal_state[0], expected[0])
    assert sequence.take(0) == ()


def test_reserved_keys_come_first_and_in_order():
    sequence = hk.PRNGSequence(0)
    sequence.reserve(2)
    key, first, second = jax.random.split(jax.random.PRNGKey(0), 3)
    third = jax.random.split(key)[1]
    np.testing.assert_array_equal(jnp.stack(sequence.take(3)), jnp.stack([first, second, third]))


def test_reserve_up_to_full_leaves_one_key_in_reserve():
    for reserved in (0, 1, 3):
        sequence = hk.PRNGSequence(0)
        sequence.reserve(reserved)
        sequence.reserve_up_to_full()
        assert len(sequence.internal_state[1]) == 1


def test_internal_state_can_be_saved_and_replaced():
    sequence = hk.PRNGSequence(0)
    sequence.reserve(2)
    other = hk.PRNGSequence(1)
    other.replace_internal_state(sequence.internal_state)
    for _ in range(4):
        np.testing.assert_array_equal(next(sequence), next(other))


def test_it_is_an_iterator_with_a_next_method():
    sequence = hk.PRNGSequence(0)
    assert iter(sequence) is sequence
    np.testing.assert_array_equal(sequence.next(), jax.random.split(jax.random.PRNGKey(0))[1])


@pytest.mark.parametrize("implementation", ["threefry2x32", "rbg", "unsafe_rbg"])
def test_typed_keys_of_any_implementation_stay_typed(implementation):
    key, same = (jax.random.key(0, impl=implementation) for _ in range(2))
    drawn = next(hk.PRNGSequence(key))
    assert drawn.dtype == key.dtype
    np.testing.assert_array_equal(data(drawn), data(jax.random.split(same)[1]))


@pytest.mark.parametrize("seed", [3, np.int64(3), np.uint8(3), jnp.int32(3)])
def test_an_integer_of_any_kind_is_a_seed(seed):
    np.testing.assert_array_equal(next(hk.PRNGSequence(seed)), next(hk.PRNGSequence(jax.random.PRNGKey(3))))


def test_a_seed_may_be_traced():
    np.testing.assert_array_equal(jax.jit(lambda s: next(hk.PRNGSequence(s)))(3), next(hk.PRNGSequence(3)))


def test_keys_may_be_traced_and_mapped():
    keys = jax.random.split(jax.random.PRNGKey(0), 3)
    drawn = jax.vmap(lambda key: next(hk.PRNGSequence(key)))(keys)
    np.testing.assert_array_equal(drawn, jnp.stack([next(hk.PRNGSequence(key)) for key in keys]))


@pytest.mark.parametrize(
    ("bad", "got"),
    [
        (None, "None of type NoneType"),
        (1.5, "1.5 of type float"),
        ("a", "'a' of type str"),
        (np.zeros(2, np.float32), "float32[2]"),
        (np.zeros(3, np.uint32), "uint32[3]"),
        (np.zeros([2, 2], np.uint32), "uint32[2, 2]"),
    ],
)
def test_anything_else_is_refused(bad, got):
    message = f"PRNGSequence: key_or_seed is {got}, expected one random key such as jax.random.key(0), or an integer"
    with pytest.raises(TypeError, match=re.escape(message)):
        hk.PRNGSequence(bad)


def test_a_batch_of_typed_keys_is_refused():
    with pytest.raises(TypeError, match=r"PRNGSequence: key_or_seed is key<fry>\[2\], expected one random key"):
        hk.PRNGSequence(jax.random.split(jax.random.key(0)))


def test_next_rng_keys_stacks_keys():
    take = hk.transform(lambda: hk.next_rng_keys(3), apply_rng=True)
    expected = jnp.stack(hk.PRNGSequence(0).take(3))
    np.testing.assert_array_equal(take.apply({}, 0), expected)
    assert take.apply({}, jax.random.key(0)).shape == (3,)


def test_next_rng_keys_needs_a_positive_number():
    with pytest.raises(TypeError, match=r"next_rng_keys: num is '2' of type str, expected an integer"):
        hk.transform(lambda: hk.next_rng_keys("2")).init(0)
    with pytest.raises(ValueError, match=r"next_rng_keys: num is 0, expected at least 1"):
        hk.transform(lambda: hk.next_rng_keys(0)).init(0)


def test_no_two_keys_are_alike():
    keys = hk.transform(lambda: [hk.next_rng_key() for _ in range(20)], apply_rng=True).apply({}, 0)
    assert len({tuple(data(key).tolist()) for key in keys}) == 20


def test_outside_transform_is_refused():
    for function in (hk.next_rng_key, lambda: hk.next_rng_keys(2)):
        with pytest.raises(hk.UsageError, match=r"next_rng_keys?: used outside hk.transform, expected use inside"):
            function()


def test_a_missing_key_names_the_remedy():
    draw = hk.transform(hk.next_rng_key)
    with pytest.raises(
        hk.MissingRNGError, match=r"next_rng_key: a random key is needed.*hk.transform\(f, apply_rng=Tr"
    ):
        draw.apply({})
    with pytest.raises(hk.MissingRNGError, match=r"init was given rng=None, expected a key: init\(jax.random.key\(0\)"):
        draw.init(None)
    with pytest.raises(hk.MissingRNGError, match=r"apply was given rng=None, expected a key"):
        hk.transform(hk.next_rng_key, apply_rng=True).apply({}, None)
    with pytest.raises(hk.MissingRNGError, match=r"apply was given rng=None"):
        hk.transform_with_state(hk.next_rng_key).apply({}, {}, None)


def test_init_and_apply_name_a_key_that_is_none():
    draw = hk.transform(hk.next_rng_key, apply_rng=True)
    with pytest.raises(TypeError, match=r"init: rng is float32\[3\], expected one random key"):
        draw.init(jnp.ones(3, jnp.float32))
    with pytest.raises(TypeError, match=r"apply: rng is float32\[3\], expected one random key"):
        draw.apply({}, jnp.ones(3, jnp.float32))


def test_a_sequence_begins_where_another_is():
    sequence = hk.PRNGSequence(0)
    sequence.reserve(3)
    next(sequence)
    np.testing.assert_array_equal(hk.PRNGSequence(sequence.internal_state).take(4), sequence.take(4))


@pytest.mark.parametrize("state", [3, (3,), (jax.random.PRNGKey(0), 3), (jax.random.PRNGKey(0), [1.5])])
def test_a_state_of_another_kind_is_refused(state):
    with pytest.raises(TypeError, match=r"PRNGSequence.replace_internal_state: state.* is .*, expected "):
        hk.PRNGSequence(0).replace_internal_state(state)


def test_reserve_up_to_full_keeps_the_first_keys():
    sequence, other = hk.PRNGSequence(0), hk.PRNGSequence(0)
    sequence.reserve(3)
    sequence.reserve_up_to_full()
    other.reserve(3)
    np.testing.assert_array_equal(next(sequence), next(other))


def test_raw_keys_of_the_default_implementation():
    with jax.default_prng_impl("rbg"):
        key = jax.random.PRNGKey(0)
        assert key.shape == (4,)
        np.testing.assert_array_equal(next(hk.PRNGSequence(key)), jax.random.split(key)[1])
        with pytest.raises(TypeError, match=r"key_or_seed is uint32\[2\]"):
            hk.PRNGSequence(jnp.zeros(2, jnp.uint32))
