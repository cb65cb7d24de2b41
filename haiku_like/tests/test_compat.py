import inspect
import subprocess
import sys
import types

import pytest

import haiku_like as hk
from haiku_like import compat


def test_transform_takes_a_key_by_default():
    def f(x):
        return hk.maybe_next_rng_key(), x

    assert list(inspect.signature(compat.transform(f).apply).parameters) == ["params", "rng", "x"]
    assert compat.transform(f).apply({}, None, 3) == (None, 3)
    assert compat.transform(f).apply({}, 7, 3)[0] is not None
    assert compat.transform(f, apply_rng=False).apply({}, 3) == (None, 3)
    assert compat.without_apply_rng(compat.transform(f)).apply({}, 3) == (None, 3)


def test_multi_transform_takes_a_key_by_default():
    def functions():
        return lambda: None, {"key": hk.maybe_next_rng_key}

    assert compat.multi_transform(functions).apply["key"]({}, None) is None
    assert compat.multi_transform(functions).apply["key"]({}, 7) is not None
    assert compat.multi_transform(functions, apply_rng=False).apply["key"]({}) is None


def test_all_else_is_the_same():
    others = {"transform", "multi_transform", "install_as_haiku"}
    assert set(compat.__all__) == {*hk.__all__, "install_as_haiku"}
    for name in set(compat.__all__) - others:
        assert getattr(compat, name) is getattr(hk, name)
    for name in others - {"install_as_haiku"}:
        assert getattr(compat, name) is not getattr(hk, name)


PROGRAM = """
import pickle
import numpy as np
from haiku_like import compat
compat.install_as_haiku()
compat.install_as_haiku()
import haiku as hk
import haiku.nets
import haiku.data_structures as ds
from haiku.experimental import jaxpr_info, tabulate
import haiku.experimental.jaxpr_info
from haiku import initializers, mixed_precision
assert hk is compat and haiku.nets is hk.nets and ds is hk.data_structures
import haiku_like
assert initializers is haiku_like.initializers
import haiku_like.experimental.jaxpr_info
assert haiku_like.experimental.jaxpr_info is jaxpr_info
assert jaxpr_info is haiku.experimental.jaxpr_info
try:
    import haiku.none_such
except ImportError:
    pass
else:
    raise AssertionError

class Model(hk.Module):
    def __call__(self, x):
        return hk.nets.MLP([2])(x)

model = hk.transform(lambda x: Model()(x))
x = np.ones([1, 3], np.float32)
params = model.init(0, x)
assert list(params) == ["model/mlp/~/linear_0"], list(params)
assert model.apply(params, None, x).shape == (1, 2)

# What dm-haiku pickles: a class by its place in there, and a dictionary.
flat_mapping = b"chaiku._src.data_structures\\nFlatMapping\\n"
old = flat_mapping + b"((dVlinear\\n" + flat_mapping + b"((dVw\\nI1\\nstRstR."
flat = pickle.loads(old)
assert type(flat) is type(flat["linear"]) is dict and flat == {"linear": {"w": 1}}, flat
with hk.config.context(restore_flatmap=True):
    restored = pickle.loads(old)
assert type(restored) is type(restored["linear"]) is ds.FlatMapping and restored == flat, restored
state = pickle.loads(b"chaiku._src.recurrent\\nLSTMState\\n(I1\\nI2\\ntR.")
assert type(state) is hk.LSTMState and state.cell == 2
assert type(pickle.loads(pickle.dumps(restored))) is ds.FlatMapping
print("all is well")
"""


def test_install_as_haiku():
    run = subprocess.run([sys.executable, "-W", "error", "-c", PROGRAM], capture_output=True, text=True)
    assert (run.stdout, run.stderr) == ("all is well\n", "")


def test_it_does_not_replace_another_haiku(monkeypatch):
    before = {name for name in sys.modules if name.startswith("haiku.")}
    other = types.ModuleType("haiku")
    monkeypatch.setitem(sys.modules, "haiku", other)
    with pytest.raises(RuntimeError, match=r"install_as_haiku: haiku is imported already, from .*, expected no other"):
        compat.install_as_haiku()
    assert sys.modules["haiku"] is other
    assert {name for name in sys.modules if name.startswith("haiku.")} == before
