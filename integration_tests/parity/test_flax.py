"""The bridges to flax.linen of dm-haiku and haiku_like: the same layouts, initial values and outputs both ways."""

import haiku as dm
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import haiku_like as hk
from haiku_like import compat

pytest.importorskip("flax")

import haiku.experimental.flax as dm_flax
from flax import linen

KEY = jax.random.PRNGKey(42)
X = np.linspace(-1, 1, 24, dtype=np.float32).reshape(4, 6)
LIBRARIES = [(compat, hk.experimental.flax), (dm, dm_flax)]


def normed(lib, x):
    x = lib.BatchNorm(True, True, 0.9)(lib.nets.MLP([5, 3])(x), True)
    return lib.dropout(lib.next_rng_key(), 0.2, x)


def top_level(lib, x):
    lib.set_state("calls", lib.get_state("calls", [], init=jnp.zeros) + 1)
    return x * lib.get_parameter("w", [], init=lib.initializers.RandomNormal())


class Net(linen.Module):
    @linen.compact
    def __call__(self, x, method=None):
        x = linen.BatchNorm(use_running_average=False)(linen.Dense(4)(x) * self.param("s", linen.initializers.ones, ()))
        calls = self.variable("count", "calls", lambda: {"n": jnp.zeros(()), "list": [jnp.zeros(())]})
        if not self.is_initializing():
            calls.value = {**calls.value, "n": calls.value["n"] + 1}
        return x


def assert_same(results):
    (ours, theirs), trees = results, [jax.tree.structure(r) for r in results]
    assert trees[0] == trees[1]
    jax.tree.map(np.testing.assert_array_equal, ours, theirs)


@pytest.mark.parametrize("f", [normed, top_level])
def test_a_transformed_function_in_flax(f):
    results = []
    for lib, bridge in LIBRARIES:
        module = bridge.Module(lib.transform_with_state(lambda x, lib=lib: f(lib, x)))
        variables = module.init({"params": KEY, "apply": KEY}, X)
        out = module.apply(variables, X, rngs={"apply": KEY}, mutable=["state"])
        results.append((variables, bridge.flatten_flax_to_haiku(variables["params"]), out))
    assert_same(results)


def test_a_transformed_function_as_a_submodule_in_flax():
    results = []
    for lib, bridge in LIBRARIES:

        class Outer(linen.Module):
            def setup(self, lib=lib, bridge=bridge):
                self.inner = bridge.Module(lib.transform(lambda x: lib.nets.MLP([6])(x)))

            def __call__(self, x):
                return self.inner(self.inner(x))

        variables = Outer().init(KEY, X)
        results.append((variables, Outer().apply(variables, X)))
    assert_same(results)


def in_a_module(lib, bridge, x):
    class Outer(lib.Module):
        def __init__(self):
            super().__init__(name="outer")
            self.inner = bridge.lift(linen.Dense(6), name="inner")

        def __call__(self, x):
            return bridge.lift(linen.Dense(2), name="other")(self.inner(self.inner(x)))

    return Outer()(x)


@pytest.mark.parametrize(
    "f",
    [
        lambda lib, bridge, x: bridge.lift(linen.Dense(3), name="dense")(x),
        lambda lib, bridge, x: bridge.lift(Net(), name="net")(x),
        # Of one name for both, dm-haiku would give the first one the state of the second.
        lambda lib, bridge, x: [bridge.lift(Net(), name=name)(x) for name in ("first", "second")],
        lambda lib, bridge, x: (bridge.lift(Net(), name="net")(x), lib.Linear(2)(x), lib.next_rng_key()),
        in_a_module,
        lambda lib, bridge, x: bridge.lift(
            bridge.Module(lib.transform_with_state(lambda x: lib.nets.MLP([2])(x))), name="back"
        )(x),
    ],
)
def test_a_module_of_flax_in_a_transformed_function(f):
    results = []
    for lib, bridge in LIBRARIES:
        model = lib.transform_with_state(lambda x, lib=lib, bridge=bridge: f(lib, bridge, x))
        params, state = model.init(KEY, X)
        results.append((params, state, model.apply(params, state, KEY, X)))
    assert_same(results)
