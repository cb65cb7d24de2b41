import pytest

import haiku_like as hk

SAME = set(hk.experimental.__all__) & set(hk.__all__)


@pytest.mark.parametrize("name", sorted(SAME))
def test_names_that_are_no_longer_experimental_are_the_same(name):
    assert getattr(hk.experimental, name) is getattr(hk, name)


def test_names():
    assert {"custom_creator", "force_name", "lift_with_state", "name_like", "replace_rng_sequence_state"} <= SAME
    assert hk.experimental.ParamContext is hk.GetterContext
