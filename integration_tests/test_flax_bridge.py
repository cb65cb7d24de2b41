"""Modules of flax.linen in transformed functions, and transformed functions in flax.linen."""

import doctest
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import haiku_like as hk
from haiku_like import compat

KEY = jax.random.key(0)
X = jnp.linspace(-1, 1, 6).reshape(2, 3)


linen = pytest.importorskip("flax.linen")
bridge = hk.experimental.flax


def test_the_examples_run():
    failed, tried = doctest.testmod(sys.modules[bridge.Module.__module__])
    assert (failed, tried > 0) == (0, True)


def test_it_imports_by_its_dotted_names():
    code = """if True:
        from haiku_like import compat
        compat.install_as_haiku()
        import haiku.experimental.flax
        import haiku_like.experimental.flax
        import haiku_like as hk
        assert hk.experimental.flax.Module is haiku.experimental.flax.Module
    """
    subprocess.run([sys.executable, "-W", "error::UserWarning", "-c", code], check=True)


def mlp(x):
    return hk.nets.MLP([4, 2], w_init=hk.initializers.RandomNormal())(x)


def normed(x, is_training=True):
    return hk.BatchNorm(True, True, 0.9)(hk.Linear(2)(x), is_training)


def noisy(x):
    return hk.dropout(hk.next_rng_key(), 0.5, x) * hk.get_parameter("scale", [], init=hk.initializers.RandomNormal())


def counting(x):
    hk.set_state("calls", hk.get_state("calls", [], init=jnp.zeros) + 1)
    return x * hk.get_state("calls")


def stream(name, rngs):
    """The first key that a module of flax draws from a stream."""

    class Key(linen.Module):
        @linen.compact
        def __call__(self):
            return self.make_rng(name)

    return Key().apply({}, rngs=rngs)


class Norm(linen.Module):
    """Submodules, a parameter of its own, a collection of its own, and a stream of keys."""

    @linen.compact
    def __call__(self, x, train=True):
        x = linen.Dense(4)(x) * self.param("scale", linen.initializers.ones, ())
        x = linen.BatchNorm(use_running_average=not train)(x)
        calls = self.variable("count", "calls", lambda: jnp.zeros(()))
        if not self.is_initializing():
            calls.value += 1
        return linen.Dropout(0.5, deterministic=not self.has_rng("dropout"))(x)

    def half(self, x):
        return self(x) / 2


def test_parameters_are_nested_by_their_paths_and_are_those_of_the_function():
    variables = bridge.Module(hk.transform(mlp)).init(KEY, X)
    assert list(variables) == ["params"]
    expected = hk.transform(mlp).init(stream("params", {"params": KEY}), X)
    jax.tree.map(np.testing.assert_array_equal, bridge.flatten_flax_to_haiku(variables["params"]), expected)
    assert variables["params"]["mlp"]["~"]["linear_0"]["w"].shape == (3, 4)
    out = bridge.Module(hk.transform(mlp)).apply(variables, X)
    np.testing.assert_array_equal(out, hk.transform(mlp).apply(expected, X))


@pytest.mark.parametrize(
    "f",
    [
        mlp,
        hk.transform(mlp),
        hk.transform(mlp, apply_rng=True),
        compat.transform(mlp),
        hk.transform_with_state(mlp),
        hk.without_apply_rng(hk.transform_with_state(mlp)),
        hk.without_state(hk.transform_with_state(mlp)),
    ],
)
def test_every_convention(f):
    module = bridge.Module(f)
    variables = module.init(KEY, X)
    assert list(variables["params"]) == ["mlp"]
    assert module.apply(variables, X).shape == (2, 2)


def test_state_is_that_before_the_first_call_and_changes_where_it_is_mutable():
    module, model = bridge.Module(hk.transform_with_state(normed)), hk.transform_with_state(normed)
    variables = module.init(KEY, X)
    params, state = model.init(stream("params", {"params": KEY}), X)
    jax.tree.map(np.testing.assert_array_equal, bridge.flatten_flax_to_haiku(variables["state"]), state)
    out, changed = module.apply(variables, X, mutable=["state"])
    expected, state = model.apply(params, state, None, X)
    np.testing.assert_array_equal(out, expected)
    jax.tree.map(np.testing.assert_array_equal, bridge.flatten_flax_to_haiku(changed["state"]), state)


def test_state_that_is_only_read_need_not_be_mutable():
    from flax.errors import ModifyScopeVariableError

    module = bridge.Module(hk.transform_with_state(normed))
    variables = module.init(KEY, X)
    assert module.apply(variables, X, is_training=True, mutable=["state"])[0].shape == (2, 2)
    variables = {**variables, **module.apply(variables, X, mutable=["state"])[1]}
    assert module.apply(variables, X, is_training=False).shape == (2, 2)
    with pytest.raises(ModifyScopeVariableError, match='collection "state" is immutable'):
        module.apply(variables, X, is_training=True)


def test_keys_come_from_the_streams_params_and_apply():
    module, model = bridge.Module(noisy), hk.transform(noisy, apply_rng=True)
    rngs = {"params": KEY, "apply": jax.random.key(1)}
    variables = module.init(rngs, X)
    params = model.init(stream("params", rngs), X)
    assert variables["params"]["~"]["scale"] == params["~"]["scale"]
    out = module.apply(variables, X, rngs={"apply": jax.random.key(2)})
    np.testing.assert_array_equal(out, model.apply(params, stream("apply", {"apply": jax.random.key(2)}), X))
    with pytest.raises(hk.MissingRNGError, match="apply was given rng=None"):
        module.apply(variables, X)


def test_it_is_a_submodule_like_any_other():
    class Outer(linen.Module):
        def setup(self):
            self.counter = bridge.Module(counting)

        @linen.compact
        def __call__(self, x):
            x = bridge.Module(hk.transform(mlp))(x) + bridge.Module(mlp, name="named")(x)
            return linen.Dense(1)(self.counter(self.counter(x)))

    variables = Outer().init(KEY, X)
    assert set(variables["params"]) == {"Module_0", "named", "Dense_0"}
    assert variables["state"] == {"counter": {"~": {"calls": 0}}}
    _, changed = Outer().apply(variables, X, mutable=["state"])
    assert changed["state"] == {"counter": {"~": {"calls": 2}}}


def test_under_transforms_of_jax_and_flax():
    module = bridge.Module(hk.transform(mlp))
    variables = jax.jit(module.init)(KEY, X)
    loss = jax.jit(lambda v: jnp.sum(module.apply(v, X) ** 2))
    assert all(jnp.any(g != 0) for g in jax.tree.leaves(jax.grad(loss)(variables)))
    shapes = jax.tree.map(jnp.shape, variables)
    assert jax.tree.map(lambda s: s.shape, jax.eval_shape(module.init, KEY, X)) == shapes
    mapped = linen.vmap(bridge.Module, variable_axes={"params": 0}, split_rngs={"params": True})
    variables = mapped(hk.transform(lambda x: hk.Linear(2)(x))).init(KEY, X)
    assert variables["params"]["linear"]["w"].shape == (2, 3, 2)


def test_static_and_named_arguments_are_passed_on():
    module = bridge.Module(lambda x, *, times, kind: x * times if kind == "product" else x)
    np.testing.assert_array_equal(module.apply({}, X, times=3, kind="product"), 3 * X)


def test_a_function_that_cannot_be_a_module_is_refused():
    with pytest.raises(TypeError, match=r"flax.Module: transformed is of type int, expected a function"):
        bridge.Module(3).init(KEY, X)

    class Clash(hk.Module):
        def __call__(self, x):
            hk.get_parameter("linear", [], init=jnp.ones)
            return hk.Linear(2)(x)

    for f in (Clash, lambda: lambda x: Clash()(x)):
        with pytest.raises(ValueError, match=r"flax.Module: at '\w+(/linear)?' a parameter .* name of a submodule"):
            bridge.Module(lambda x, f=f: f()(x)).init(KEY, X)


def test_variables_are_kept_by_their_paths_in_flax():
    params, state = hk.transform_with_state(lambda x: bridge.lift(Norm(), name="net")(x)).init(KEY, X)
    assert jax.tree.map(jnp.shape, params) == {
        "net/~": {"scale": ()},
        "net/Dense_0": {"kernel": (3, 4), "bias": (4,)},
        "net/BatchNorm_0": {"scale": (4,), "bias": (4,)},
    }
    assert jax.tree.map(jnp.shape, state) == {
        "net/batch_stats/BatchNorm_0": {"mean": (4,), "var": (4,)},
        "net/count/~": {"calls": ()},
    }


def test_it_computes_what_the_module_does():
    model = hk.transform_with_state(lambda x, **kwargs: bridge.lift(Norm(), name="net")(x, **kwargs))
    params, state = model.init(KEY, X)
    own = Norm().init(hk.PRNGSequence(KEY).next(), X)
    jax.tree.map(np.testing.assert_array_equal, params["net/Dense_0"], own["params"]["Dense_0"])
    out, state = model.apply(params, state, None, X)
    expected, changed = Norm().apply(own, X, mutable=["batch_stats", "count"])
    np.testing.assert_array_equal(out, expected)
    for name in ("mean", "var"):
        stats = changed["batch_stats"]["BatchNorm_0"]
        np.testing.assert_array_equal(state["net/batch_stats/BatchNorm_0"][name], stats[name])
    assert state["net/count/~"]["calls"] == 1


def test_other_methods_and_streams_of_keys():
    def f(x):
        lifted = bridge.lift(Norm(), name="net")
        return lifted(x), lifted(x, method="half"), lifted(x, rngs={"dropout": hk.next_rng_key()})

    model = hk.transform_with_state(f)
    (full, half, dropped), state = model.apply(*model.init(KEY, X), jax.random.key(1), X)
    np.testing.assert_array_equal(full / 2, half)
    assert jnp.all((dropped == 0) | (dropped == 2 * full))
    assert jnp.any(dropped == 0)
    assert jnp.any(dropped != 0)
    assert state["net/count/~"]["calls"] == 3


def test_calls_share_parameters_and_a_name_that_is_taken_is_numbered():
    def f(x):
        first, second = bridge.lift(linen.Dense(3), name="d"), bridge.lift(linen.Dense(3), name="d")
        return second(first(first(x)))

    model = hk.transform(f)
    params = model.init(KEY, X)
    assert list(params) == ["d/~", "d_1/~"]
    first, second = (lambda x, p=p: np.asarray(x @ p["kernel"]) + np.asarray(p["bias"]) for p in params.values())
    np.testing.assert_allclose(model.apply(params, X), second(first(first(X))), rtol=1e-6)


def test_names_in_modules():
    class Outer(hk.Module):
        def __init__(self):
            super().__init__()
            self.inner = bridge.lift(linen.Dense(3), name="inner")

        def __call__(self, x):
            return bridge.lift(linen.Dense(3), name="other")(self.inner(x))

    assert list(hk.transform(lambda x: Outer()(x)).init(KEY, X)) == ["outer/~/inner/~", "outer/other/~"]


def test_in_a_loop_and_under_a_gradient():
    def f(x):
        layer = bridge.lift(linen.Dense(3), name="layer")
        if hk.running_init():
            layer(x)
        return hk.scan(lambda x, _: (layer(x), None), x, None, length=2)[0]

    model = hk.transform(f)
    params = model.init(KEY, X)
    kernel, bias = np.asarray(params["layer/~"]["kernel"]), np.asarray(params["layer/~"]["bias"])
    out = jax.jit(model.apply)(params, X)
    np.testing.assert_allclose(out, (np.asarray(X) @ kernel + bias) @ kernel + bias, rtol=1e-5, atol=1e-6)
    gradient = jax.grad(lambda params: jnp.sum(model.apply(params, X)))(params)
    assert jnp.all(gradient["layer/~"]["bias"] != 0)


def test_nothing_to_keep_needs_no_key():
    model = hk.transform(lambda x: bridge.lift(linen.Dropout(0.5, deterministic=True), name="drop")(x))
    assert model.init(None, X) == {}
    np.testing.assert_array_equal(model.apply({}, X), X)


def test_what_cannot_be_lifted_is_refused():
    with pytest.raises(TypeError, match=r"flax.lift: mod is .*Dense.* of type type, expected a module of flax"):
        bridge.lift(linen.Dense, name="a")
    with pytest.raises(hk.UsageError, match=r"used outside hk\.transform"):
        bridge.lift(linen.Dense(2), name="a")
    with pytest.raises(ValueError, match="'a b'"):
        hk.transform(lambda x: bridge.lift(linen.Dense(2), name="a b")(x)).init(KEY, X)
    with pytest.raises(hk.NonEmptyStateError, match="net/count/~"):
        hk.transform(lambda x: bridge.lift(Norm(), name="net")(x)).init(KEY, X)


@pytest.mark.parametrize("f", [mlp, normed, lambda x: x * hk.get_parameter("w", [], init=jnp.ones), counting])
def test_there_and_back(f):
    """A function as a module of flax, and that as a module here."""
    inner = bridge.Module(hk.transform_with_state(f))
    model = hk.transform_with_state(lambda x: bridge.lift(inner, name="back")(x))
    params, state = model.init(KEY, X)
    plain = hk.transform_with_state(f)
    expected_params, expected_state = plain.init(stream("params", {"params": hk.PRNGSequence(KEY).next()}), X)
    assert {path.removeprefix("back/") for path in params} == set(expected_params)
    assert {path.removeprefix("back/state/") for path in state} == set(expected_state)
    out, state = model.apply(params, state, None, X)
    expected, expected_state = plain.apply(expected_params, expected_state, None, X)
    np.testing.assert_array_equal(out, expected)
    for path, bundle in expected_state.items():
        jax.tree.map(np.testing.assert_array_equal, state[f"back/state/{path}"], bundle)


def test_flattening():
    flat = bridge.flatten_flax_to_haiku
    assert flat({}) == {}
    assert flat({"a": {"b": 1, "c": {}}, "d": [2]}) == {"a": {"b": 1}, "~": {"d": [2]}}
    assert flat({"a": {"~": {"b": {"w": 1}}, "w": 2}}) == {"a/~/b": {"w": 1}, "a": {"w": 2}}
    from flax.core import freeze

    assert flat(freeze({"a": {"b": 1}})) == {"a": {"b": 1}}
    with pytest.raises(TypeError, match="flatten_flax_to_haiku: collection is of type NoneType, expected a dictionary"):
        flat(None)
    with pytest.raises(TypeError, match="flatten_flax_to_haiku: collection has the key 1, expected strings alone"):
        flat({"a": {1: 2}})
