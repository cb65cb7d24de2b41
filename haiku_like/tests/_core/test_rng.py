import copy
import pickle
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


def in_apply(f, key=0):
    return hk.transform(f, apply_rng=True).apply({}, key)


def drawn(seed, num=1):
    """The first keys of a sequence, one by one."""
    sequence = hk.PRNGSequence(seed)
    return [np.asarray(next(sequence)) for _ in range(num)]


def test_maybe_next_rng_key():
    assert in_apply(hk.maybe_next_rng_key, None) is None
    np.testing.assert_array_equal(in_apply(hk.maybe_next_rng_key), drawn(0)[0])
    both = in_apply(lambda: [hk.maybe_next_rng_key(), hk.next_rng_key()])
    np.testing.assert_array_equal(both, drawn(0, 2))


def test_reserve_rng_keys():
    def f():
        hk.reserve_rng_keys(0)
        hk.reserve_rng_keys(2)
        return [hk.next_rng_key() for _ in range(3)]

    key, *reserved = jax.random.split(jax.random.PRNGKey(0), 3)
    np.testing.assert_array_equal(in_apply(f), [*reserved, jax.random.split(key)[1]])
    with pytest.raises(TypeError, match=r"reserve_rng_keys: num is 1\.5 of type float, expected an integer"):
        in_apply(lambda: hk.reserve_rng_keys(1.5))
    with pytest.raises(ValueError, match="reserve_rng_keys: num is -1, expected 0 or more"):
        in_apply(lambda: hk.reserve_rng_keys(-1))


def test_take_needs_a_number():
    with pytest.raises(ValueError, match=r"PRNGSequence.take: num is -1, expected 0 or more"):
        hk.PRNGSequence(0).take(-1)
    with pytest.raises(TypeError, match=r"PRNGSequence.take: num is 2.0 of type float, expected an integer"):
        hk.PRNGSequence(0).take(2.0)


def test_with_rng_leaves_the_keys_outside_as_they_were():
    def f():
        first = hk.next_rng_key()
        with hk.with_rng(7):
            inside = [hk.next_rng_key(), hk.maybe_next_rng_key()]
            with hk.with_rng(jax.random.PRNGKey(8)):
                nested = hk.next_rng_key()
            inside.append(hk.next_rng_key())
        return [first, hk.next_rng_key()], inside, nested

    outside, inside, nested = in_apply(f)
    np.testing.assert_array_equal(outside, drawn(0, 2))
    np.testing.assert_array_equal(inside, drawn(7, 3))
    np.testing.assert_array_equal(nested, drawn(8)[0])


def test_with_rng_where_there_is_no_key():
    def f():
        with pytest.raises(RuntimeError, match="inside"), hk.with_rng(7):
            raise RuntimeError("inside")
        with hk.with_rng(7):
            return hk.next_rng_key(), hk.next_rng_keys(1)

    np.testing.assert_array_equal(in_apply(f, None)[0], drawn(7)[0])
    with pytest.raises(hk.MissingRNGError, match="next_rng_key: a random key is needed"):
        in_apply(lambda: (f(), hk.next_rng_key()), None)
    with pytest.raises(TypeError, match=r"with_rng: key is None of type NoneType, expected one random key"):
        in_apply(lambda: hk.with_rng(None).__enter__())


def test_with_rng_under_a_plain_transform():
    def f(x):
        def noisy(key, x):
            with hk.with_rng(key):
                return x + jax.random.normal(hk.next_rng_key()) + hk.jit(lambda: jax.random.normal(hk.next_rng_key()))()

        return jax.vmap(noisy)(jax.random.split(hk.next_rng_key(), 2), x), hk.next_rng_key()

    with jax.checking_leaks():
        out, after = in_apply(lambda: f(jnp.ones(2)))
    np.testing.assert_array_equal(after, drawn(0, 2)[1])
    for x, key in zip(out, jax.random.split(drawn(0)[0], 2), strict=True):
        first, second = drawn(key, 2)
        np.testing.assert_allclose(x, 1 + jax.random.normal(first) + jax.random.normal(second), rtol=1e-5)


def test_keys_from_outside_a_plain_transform_are_refused_under_it():
    def f(x):
        with hk.with_rng(0):
            return jax.vmap(lambda x: x + jax.random.normal(hk.next_rng_key()))(x)

    for run in (f, lambda x: jax.vmap(lambda x: x + jax.random.normal(hk.next_rng_key()))(x)):
        with pytest.raises(hk.JaxTransformError, match=r"next_rng_key: takes a random key under jax.vmap, which haiku"):
            in_apply(lambda run=run: run(jnp.ones(2)))


def test_the_state_of_the_sequence():
    def f():
        hk.reserve_rng_keys(3)
        hk.next_rng_key()
        state = hk.maybe_get_rng_sequence_state()
        first = [hk.next_rng_key() for _ in range(4)]
        hk.replace_rng_sequence_state(state)
        return state, first, [hk.next_rng_key() for _ in range(4)]

    (key, reserved), first, again = in_apply(f)
    assert len(reserved) == 2
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(first[:2], reserved)
    np.testing.assert_array_equal(first[2], jax.random.split(key)[1])


def test_the_state_of_no_sequence():
    assert in_apply(hk.maybe_get_rng_sequence_state, None) is None
    with pytest.raises(hk.MissingRNGError, match=r"replace_rng_sequence_state: a random key is needed and there is no"):
        in_apply(lambda: hk.replace_rng_sequence_state((jax.random.PRNGKey(0), ())), None)
    with pytest.raises(TypeError, match=r"replace_internal_state: state is 3, expected a pair as internal_state gives"):
        in_apply(lambda: hk.replace_rng_sequence_state(3))


def test_the_state_goes_through_jax_transforms():
    advance = hk.transform(lambda: (hk.next_rng_key(), hk.maybe_get_rng_sequence_state()), apply_rng=True)
    _, (key, reserved) = jax.jit(advance.apply)({}, 0)
    assert reserved == ()
    np.testing.assert_array_equal(next(hk.PRNGSequence((key, ()))), drawn(0, 2)[1])


@pytest.mark.parametrize("implementation", ["threefry2x32", "rbg", "unsafe_rbg"])
@pytest.mark.parametrize("typed", [True, False])
def test_every_function_takes_keys_of_every_implementation(implementation, typed):
    def f():
        keys = [hk.next_rng_key(), *hk.next_rng_keys(2), hk.maybe_next_rng_key()]
        hk.reserve_rng_keys(1)
        hk.replace_rng_sequence_state(hk.maybe_get_rng_sequence_state())
        with hk.with_rng(hk.next_rng_key()):
            return jnp.stack([*keys, hk.next_rng_key()]), hk.dropout(hk.next_rng_key(), 0.5, jnp.ones(3))

    with jax.default_prng_impl(implementation):
        key = jax.random.key(0) if typed else jax.random.PRNGKey(0)
        keys, _ = in_apply(f, key)
        params = hk.transform(lambda: hk.Linear(2)(jnp.ones(3))).init(jax.random.clone(key) if typed else key)
    assert keys.dtype == key.dtype
    assert keys.shape == (5, *key.shape)
    assert len({data(key).tobytes() for key in keys}) == 5
    assert params["linear"]["w"].shape == (3, 2)


def test_all_functions_are_refused_outside_a_transform():
    for function, *arguments in (
        (hk.maybe_next_rng_key,),
        (hk.reserve_rng_keys, 1),
        (hk.maybe_get_rng_sequence_state,),
        (hk.replace_rng_sequence_state, (jax.random.PRNGKey(0), ())),
        (lambda: hk.with_rng(0).__enter__(),),
    ):
        with pytest.raises(hk.UsageError, match=r"(rng|_key)\w*: used outside hk.transform, expected use inside a fun"):
            function(*arguments)


def test_a_sequence_can_be_copied_and_pickled():
    sequence = hk.PRNGSequence(0)
    sequence.reserve(2)
    for same in (copy.deepcopy(sequence), pickle.loads(pickle.dumps(sequence))):
        np.testing.assert_array_equal(same.take(3), copy.deepcopy(sequence).take(3))


def test_stacked_keys_count_as_fresh():
    """For jax_debug_key_reuse, keys that are joined by jnp.stack have been used."""
    with jax.debug_key_reuse(True):
        out = hk.transform(lambda: jax.vmap(jax.random.bits)(hk.next_rng_keys(2)), apply_rng=True).apply(
            {}, jax.random.key(0)
        )
    assert out[0] != out[1]
