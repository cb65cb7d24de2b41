"""haiku_like in the place of dm-haiku: it loads what that pickled, and does not push it aside."""

import pickle
import subprocess
import sys

import haiku as dm
import jax
import numpy as np
import pytest

from haiku_like import compat

LOAD = """
import pickle, sys
import jax, numpy as np
from haiku_like import compat
compat.install_as_haiku()
import haiku as hk
for data in pickle.load(sys.stdin.buffer):
    params, state, key, x, out, carry = pickle.loads(data)
    assert type(params) is type(params["linear"]) is type(state) is dict
    assert type(carry) is hk.LSTMState
    model = hk.transform_with_state(lambda x: hk.BatchNorm(True, True, 0.9)(hk.Linear(2)(x), hk.running_init()))
    np.testing.assert_allclose(model.apply(params, state, None, x)[0], out, rtol=1e-5)
    jax.tree.map(np.testing.assert_array_equal, params, model.init(key, x)[0])
print("all is well")
"""


def test_pickles_of_dm_haiku_load():
    def f(x, is_training):
        return dm.BatchNorm(True, True, 0.9)(dm.Linear(2)(x), is_training=is_training)

    model = dm.transform_with_state(f)
    x = np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3)
    key = np.asarray(jax.random.PRNGKey(0))
    params, state = jax.tree.map(np.asarray, model.init(key, x, True))
    out = np.asarray(model.apply(params, state, None, x, False)[0])
    frozen = (dm.data_structures.to_immutable_dict(tree) for tree in (params, state))
    saved = (*frozen, key, x, out, dm.LSTMState(np.zeros(2), np.ones(2)))
    data = pickle.dumps([pickle.dumps(saved, protocol) for protocol in (2, 5)])
    loaded = subprocess.run([sys.executable, "-c", LOAD], input=data, capture_output=True)
    assert loaded.stdout == b"all is well\n", loaded.stderr.decode()


def test_dm_haiku_is_not_pushed_aside():
    with pytest.raises(RuntimeError, match=r"install_as_haiku: haiku is imported already, from .*haiku/__init__\.py,"):
        compat.install_as_haiku()
    assert sys.modules["haiku"] is dm
