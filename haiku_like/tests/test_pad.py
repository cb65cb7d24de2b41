import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import haiku_like as hk

KINDS = [hk.pad.valid, hk.pad.same, hk.pad.full, hk.pad.causal, hk.pad.reverse_causal]


@given(st.integers(1, 9), st.integers(10, 20))
def test_pad_functions_keep_what_they_promise(kernel, size):
    outputs = {kind: size + sum(kind(kernel)) - kernel + 1 for kind in KINDS}
    assert outputs[hk.pad.valid] == size - kernel + 1
    assert outputs[hk.pad.same] == outputs[hk.pad.causal] == outputs[hk.pad.reverse_causal] == size
    assert outputs[hk.pad.full] == size + kernel - 1
    assert 0 <= np.diff(hk.pad.same(kernel)) <= 1
    assert hk.pad.causal(kernel) == hk.pad.reverse_causal(kernel)[::-1] == (kernel - 1, 0)


def test_is_padfn():
    assert all(map(hk.pad.is_padfn, [*KINDS, KINDS, tuple(KINDS), lambda size: (size, size)]))
    assert not any(map(hk.pad.is_padfn, ["SAME", (1, 1), [(1, 1)], [], (), None, 3]))


@pytest.mark.parametrize("create", [hk.pad.create, hk.pad.create_from_padfn])
def test_functions_get_the_effective_size_of_the_kernel(create):
    sizes = []
    create(lambda size: (sizes.append(size), 0)[1:] * 2, (1, 2, 5), (3, 1, 2), 3)
    assert sizes == [1, 2, 9]
    assert create(hk.pad.same, 3, 2, 2) == ((2, 2), (2, 2))
    assert create([hk.pad.causal], [3, 4], [1], 2) == ((2, 0), (3, 0))
    assert create((hk.pad.valid, hk.pad.full), 3, (1, 2), 2) == ((0, 0), (4, 4))
    assert create(lambda size: np.array([size, 0]), 3, 1, 1) == ((3, 0),)


def test_pairs_are_spread_over_the_axes():
    for padding in ((1, 2), [1, 2], [(1, 2)], np.array([1, 2])):
        assert hk.pad.create_from_tuple(padding, 3) == hk.pad.create(padding, 3, 1, 3) == ((1, 2),) * 3
    assert hk.pad.create_from_tuple([[1, -2], (3, 4)], 2) == ((1, -2), (3, 4))
    assert hk.pad.create_from_tuple(((1, 2),), 1) == ((1, 2),)


def test_bad_input_is_refused():
    for padding in ("SAME", 3, None, (1, 2, 3), (1.5, 2), [(1, 2), (3, 4)], [(1, 2), 3, (4, 5)], [(1, 2, 3)], ()):
        message = f"pad.create_from_tuple: padding is {padding!r}, expected a pair of integers, how much to pad before"
        with pytest.raises(ValueError, match=re.escape(message) + ".*a sequence of 3 such pairs, one for each spatial"):
            hk.pad.create_from_tuple(padding, 3)
    with pytest.raises(ValueError, match=r"pad.create_from_padfn: padding is .*, expected a function such as hk.pad"):
        hk.pad.create_from_padfn([hk.pad.same] * 3, 3, 1, 2)
    with pytest.raises(ValueError, match=r"pad.create: padding is .*, expected a function .* or a sequence of 2, one"):
        hk.pad.create([hk.pad.same, "SAME"], 3, 1, 2)
    for name, arguments in (("kernel", ([1, 2, 3], 1)), ("rate", (1, [1, 2, 3]))):
        with pytest.raises(
            ValueError, match=rf"pad.create: {name} is \[1, 2, 3\], expected an integer or a sequence of 2"
        ):
            hk.pad.create(hk.pad.same, *arguments, 2)
    with pytest.raises(ValueError, match=r"pad.create: kernel is 0, expected 1 or more along each axis"):
        hk.pad.create(hk.pad.same, 0, 1, 2)
    with pytest.raises(
        TypeError, match=r"pad.create: rate is 1.5 of type float, expected an integer or a sequence of 2"
    ):
        hk.pad.create(hk.pad.same, 3, 1.5, 2)
    with pytest.raises(
        TypeError, match=r"pad.create: padding <lambda> returned 5 for a kernel of size 5, expected a pair of integers"
    ):
        hk.pad.create(lambda size: size, 3, 2, 1)
