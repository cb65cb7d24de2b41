import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import haiku_like as hk
from haiku_like import compat

X = jnp.ones([3, 5])


class Net(hk.Module):
    """Calls a method, a helper, a property and submodules, and has state."""

    def __call__(self, x, *, scale=True):
        hk.set_state("calls", hk.get_state("calls", [], init=jnp.zeros) + 1)
        x = self.double(x)
        self._note(x)
        return {"out": hk.Linear(2)(x), "scale": self.size if scale else None}

    def double(self, x):
        return 2 * x

    def _note(self, x):
        pass

    @property
    def size(self):
        return jnp.float32(1)


def summary(f, *args, **kwargs):
    return hk.experimental.eval_summary(f)(*args, **kwargs)


def seen(calls):
    return [(call.module_details.module.module_name, call.module_details.method_name) for call in calls]


def test_each_call_of_a_method_is_listed_with_what_it_was_given_and_returned():
    calls = summary(hk.transform_with_state(lambda x: Net()(x, scale=True)), X)
    assert seen(calls) == [
        ("net", "__call__"),
        ("net", "double"),
        ("net", "_note"),
        ("net/linear", "__call__"),
        ("net", "size"),
    ]
    first = calls[0]
    assert repr((first.args_spec, first.kwargs_spec)) == "((f32[3,5],), {'scale': True})"
    assert repr(first.output_spec) == "{'out': f32[3,2], 'scale': f32[]}"
    assert [call.output_spec for call in calls][2] is None
    assert isinstance(first.context, hk.MethodContext)
    assert first.context.module is first.module_details.module


def test_a_module_has_all_its_variables_from_its_first_call_on():
    params = {"net/linear/b": "f32[2]", "net/linear/w": "f32[5,2]"}
    for call in summary(lambda x: Net()(x), X)[:3]:
        assert {name: repr(spec) for name, spec in call.module_details.params.items()} == params
        assert {name: repr(spec) for name, spec in call.module_details.state.items()} == {"net/calls": "f32[]"}


def test_the_call_stack_begins_with_the_method_itself():
    linear = summary(lambda x: Net()(x), X)[3]
    assert [(d.module.module_name, d.method_name) for d in linear.call_stack] == [
        ("net/linear", "__call__"),
        ("net", "__call__"),
    ]
    assert linear.call_stack[0] == linear.module_details


def noisy(x):
    return hk.dropout(hk.next_rng_key(), 0.5, hk.Linear(2)(x))


@pytest.mark.parametrize(
    "f",
    [
        noisy,
        hk.transform(noisy, apply_rng=True),
        compat.transform(noisy),
        hk.transform_with_state(noisy),
        hk.without_state(hk.transform_with_state(noisy)),
        hk.with_empty_state(compat.transform(noisy)),
    ],
)
def test_every_convention_of_a_function_that_asks_for_keys(f):
    assert seen(summary(f, X)) == [("linear", "__call__")]


@pytest.mark.parametrize(
    "f",
    [
        hk.transform(lambda rng: hk.Linear(2)(rng)),
        hk.without_apply_rng(compat.transform(lambda rng: hk.Linear(2)(rng))),
        hk.without_apply_rng(hk.transform_with_state(lambda rng: hk.Linear(2)(rng))),
    ],
)
def test_every_convention_without_a_key(f):
    assert seen(summary(f, X)) == [("linear", "__call__")]


def test_arrays_are_abstract_and_other_arguments_stay():
    def f(x, flag, names, key):
        assert flag is True
        assert names == ["a", "b"]
        with pytest.raises(jax.errors.ConcretizationTypeError):
            bool(x[0, 0])
        return hk.Linear(2)(x + jax.random.normal(key, x.shape))

    for x in (X, np.ones([3, 5], np.float32), jax.ShapeDtypeStruct([3, 5], jnp.float32)):
        (call,) = summary(f, x, True, names=["a", "b"], key=jax.random.key(0))
        assert repr(call.args_spec) == "(f32[3,5],)"


def test_nothing_is_computed():
    huge = jax.ShapeDtypeStruct([100_000, 100_000], jnp.float32)
    (call,) = summary(lambda x: hk.Linear(100_000)(x), huge)
    assert call.module_details.params["linear/w"].nbytes == 40_000_000_000


def test_helpers_of_the_librarys_own_modules_are_left_out():
    calls = summary(lambda x: hk.BatchNorm(True, True, 0.9)(x, True), X)
    assert not [name for _, name in seen(calls) if name.startswith("_") and name != "__call__"]


def test_calls_within_loops_branches_and_other_transformed_functions():
    inner = hk.transform(lambda x: hk.Linear(5, name="inner")(x))

    def f(x):
        layer = hk.Linear(5)
        x, _ = hk.scan(lambda x, _: (layer(x), None), x, None, length=3)
        x = hk.remat(hk.jit(layer))(x)
        x = hk.vmap(layer, split_rng=False)(x)
        return inner.apply(hk.lift(inner.init)(hk.maybe_next_rng_key(), x), x)

    assert seen(summary(f, X)) == [("linear", "__call__")] * 3 + [("inner", "__call__")]


def test_a_call_that_fails_says_why():
    with pytest.raises(ValueError, match="Linear: inputs of module 'linear' has shape"):
        summary(lambda x: hk.Linear(5)(x), jnp.float32(1))


def test_array_spec():
    spec = hk.experimental.ArraySpec((2, 3), jnp.dtype("bfloat16"))
    assert (spec.size, spec.nbytes, repr(spec)) == (6, 12, "bf16[2,3]")
    assert spec == hk.experimental.ArraySpec((2, 3), jnp.dtype("bfloat16"))
    with pytest.raises(AttributeError, match="cannot assign"):
        spec.shape = ()
    names = {"int8": "s8", "uint32": "u32", "bool": "bool", "complex64": "c64", "float8_e4m3fn": "f8_e4m3fn"}
    for name, short in names.items():
        assert repr(hk.experimental.ArraySpec((), jnp.dtype(name))) == f"{short}[]"
    assert repr(hk.experimental.ArraySpec((), jax.random.key(0).dtype)) == "key<fry>[]"


@pytest.mark.parametrize("tool", ["eval_summary", "tabulate"])
def test_other_things_than_functions_are_refused(tool):
    several = hk.multi_transform(lambda: (lambda x: x, {"f": lambda x: x}))
    for bad, kind in ((3, "int"), (several, "MultiTransformed")):
        with pytest.raises(TypeError, match=re.escape(f"{tool}: f is of type {kind}, expected a function that builds")):
            getattr(hk.experimental, tool)(bad)
