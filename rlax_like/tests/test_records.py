import pickle
import re
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rlax_like as rlax

TARGET = rlax.PolicyTarget(actions=jnp.array([1, 2]), weights=jnp.array([0.5, 1.0]))
RECORDS = [rlax.PolicyTarget, rlax.EmaState, rlax.EmaMoments, rlax.KNNQueryResult, rlax.IntrinsicRewardState]


def test_it_is_a_mapping():
    assert isinstance(TARGET, Mapping)
    assert [*TARGET] == [*TARGET.keys()] == ["actions", "weights"]
    assert len(TARGET) == 2
    assert TARGET["weights"] is TARGET.weights
    assert [value is TARGET[key] for key, value in TARGET.items()] == [True, True]
    assert TARGET.get("none") is None
    assert "none" not in TARGET
    with pytest.raises(KeyError, match="none"):
        TARGET["none"]


def test_to_and_from_tuples():
    assert rlax.PolicyTarget.from_tuple(TARGET.to_tuple()) == TARGET
    with pytest.raises(
        ValueError, match=re.escape("PolicyTarget.from_tuple: args has 1 elements, expected 2: actions")
    ):
        rlax.PolicyTarget.from_tuple((1,))


def test_replace_makes_a_copy():
    changed = TARGET.replace(weights=1)
    assert (changed.weights, changed.actions is TARGET.actions) == (1, True)
    assert TARGET.weights.shape == (2,)
    with pytest.raises(TypeError, match="other"):
        TARGET.replace(other=1)


def test_it_is_frozen():
    with pytest.raises(AttributeError, match="cannot assign"):
        TARGET.weights = 1


@pytest.mark.parametrize("cls", RECORDS)
def test_it_is_a_pytree(cls):
    names = sorted(cls.__annotations__)
    record = cls(**{name: i for i, name in enumerate(names)})
    # Leaves come in the order of the names, as those of rlax do, so that states saved as leaves fit.
    assert jax.tree.leaves(record) == list(range(len(names)))
    doubled = jax.tree.map(lambda x: 2 * x, record)
    assert type(doubled) is cls
    assert doubled[names[-1]] == 2 * (len(names) - 1)
    paths = [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(record)]
    assert paths == [f".{name}" for name in names]


def test_it_goes_through_jit_scan_and_pickle():
    out = jax.jit(lambda t: t.replace(weights=t.weights + 1))(TARGET)
    np.testing.assert_array_equal(out.weights, [1.5, 2.0])
    out, _ = jax.lax.scan(lambda t, _: (t.replace(weights=t.weights * 2), None), TARGET, length=3)
    np.testing.assert_array_equal(out.weights, [4.0, 8.0])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(TARGET)).weights, TARGET.weights)
