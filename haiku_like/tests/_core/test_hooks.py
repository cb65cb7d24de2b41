import copy
import dataclasses
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import haiku_like as hk


def in_init(f, key=None):
    """Runs `f` under init, and returns what it returns with the parameters and the state."""
    out = []
    params, state = hk.transform_with_state(lambda: out.append(f())).init(key)
    return out[0], params, state


def weight(value=1.0):
    return hk.get_parameter("w", [2], init=hk.initializers.Constant(value))


class Weight(hk.Module):
    def __call__(self):
        return weight()


def test_a_creator_makes_the_parameter():
    def in_half_and_doubled(next_creator, shape, dtype, init, context):
        return 2 * next_creator(shape, jnp.bfloat16, init)

    def f():
        with hk.custom_creator(in_half_and_doubled):
            inside = weight(3.0)
        return inside, hk.get_parameter("v", [2], init=jnp.ones)

    (inside, outside), params, _ = in_init(f)
    assert (inside.dtype, outside.dtype) == (jnp.bfloat16, jnp.float32)
    np.testing.assert_array_equal(inside.astype(float), [6.0, 6.0])
    assert params["~"]["w"] is inside
    replaced = hk.transform(f).apply({"~": {"w": jnp.zeros(2), "v": jnp.zeros(2)}})
    np.testing.assert_array_equal(replaced[0], [0.0, 0.0])  # In apply there is nothing to create.


def test_hooks_run_from_the_outermost_to_the_innermost():
    log = []

    def creator(tag):
        def create(next_creator, shape, dtype, init, context):
            log.append(f"create {tag}")
            return next_creator(shape, dtype, init) + tag

        return create

    def getter(tag):
        def get(next_getter, value, context):
            log.append(f"get {tag}")
            return next_getter(value * tag)

        return get

    def setter(tag):
        def set_(next_setter, value, context):
            log.append(f"set {tag}")
            return next_setter(value * tag)

        return set_

    def f():
        with (
            hk.custom_creator(creator(1.0)),
            hk.custom_getter(getter(2.0)),
            hk.custom_setter(setter(2)),
            hk.custom_creator(creator(10.0)),
            hk.custom_getter(getter(3.0)),
            hk.custom_setter(setter(3)),
        ):
            hk.set_state("s", 1)
            return weight(1.0)

    out, params, state = in_init(f)
    assert log == ["set 2", "set 3", "create 1.0", "create 10.0", "get 2.0", "get 3.0"]
    assert params["~"]["w"].tolist() == [12.0, 12.0]
    assert out.tolist() == [72.0, 72.0]
    assert state == {"~": {"s": 6}}


def test_a_hook_need_not_call_the_next():
    def f():
        with (
            hk.custom_getter(lambda next_getter, value, context: jnp.full(context.original_shape, 7.0)),
            hk.custom_getter(lambda next_getter, value, context: pytest.fail("the outer getter does not call it")),
            hk.custom_creator(lambda next_creator, shape, dtype, init, context: jnp.full(shape, 5.0)),
            hk.custom_setter(lambda next_setter, value, context: 3),
        ):
            hk.set_state("s", 1)
            return weight()

    out, params, state = in_init(f)
    assert (out.tolist(), params["~"]["w"].tolist(), state) == ([7.0, 7.0], [5.0, 5.0], {"~": {"s": 3}})


def test_what_a_getter_returns_is_not_stored():
    def f():
        with hk.custom_getter(lambda next_getter, value, context: next_getter(-value)):
            first = weight()
            second = weight()
        return first, second, weight()

    (first, second, after), params, _ = in_init(f)
    assert (first.tolist(), second.tolist(), after.tolist()) == ([-1.0, -1.0], [-1.0, -1.0], [1.0, 1.0])
    assert params["~"]["w"].tolist() == [1.0, 1.0]


@pytest.mark.parametrize(("params", "state"), [(True, False), (False, True), (True, True), (False, False)])
def test_hooks_of_parameters_and_of_state_are_apart(params, state):
    def f():
        with (
            hk.custom_creator(lambda n, shape, dtype, init, c: 10 * n(shape, dtype, init), params=params, state=state),
            hk.custom_getter(lambda n, value, c: n(value + 1), params=params, state=state),
        ):
            return weight()[0], hk.get_state("s", [], init=jnp.ones)

    (w, s), stored, states = in_init(f)
    assert (float(w), float(stored["~"]["w"][0])) == ((11.0, 10.0) if params else (1.0, 1.0))
    assert (float(s), float(states["~"]["s"])) == ((11.0, 10.0) if state else (1.0, 1.0))


def test_what_hooks_are_told():
    contexts = {}

    def create(next_creator, shape, dtype, init, context):
        contexts[f"create {context.full_name}"] = context
        assert (shape, dtype, init) == (context.original_shape, context.original_dtype, context.original_init)
        return next_creator(shape, dtype, init)

    def get(next_getter, value, context):
        contexts[f"get {context.full_name}"] = context
        return next_getter(value)

    def set_(next_setter, value, context):
        contexts[f"set {context.full_name}"] = context
        return next_setter(value)

    class Inner(hk.Module):
        def __call__(self):
            hk.get_parameter("w", [2, 3], jnp.float16, init=jnp.ones)
            hk.set_state("s", {"a": jnp.zeros([2], jnp.int32), "b": 1.5, "c": None})
            return self

    def f():
        hk.get_state("top", (), jnp.int32, init=jnp.zeros)
        with hk.custom_creator(create, state=True), hk.custom_getter(get, state=True), hk.custom_setter(set_):
            hk.get_state("s", [1], init=jnp.zeros)
            hk.get_state("top")
            with hk.name_scope("outer"):
                return Inner()()

    module, _, _ = in_init(f)
    assert list(contexts) == [
        "create ~/s", "get ~/s", "get ~/top", "create outer/inner/w", "get outer/inner/w", "set outer/inner/s",
    ]  # fmt: skip
    for kind in ("create", "get"):
        expected = hk.GetterContext("outer/inner/w", module, jnp.float16, (2, 3), jnp.ones, None)
        assert contexts[f"{kind} outer/inner/w"] == expected
        assert (expected.module_name, expected.name) == ("outer/inner", "w")
        assert contexts[f"{kind} ~/s"] == hk.GetterContext("~/s", None, jnp.float32, (1,), jnp.zeros, None)
    expected = hk.SetterContext(
        full_name="outer/inner/s",
        module=module,
        original_dtype={"a": jnp.int32, "b": None, "c": None},
        original_shape={"a": (2,), "b": None, "c": None},
    )
    assert contexts["set outer/inner/s"] == expected
    assert (expected.module_name, expected.name, expected.lifted_prefix_name) == ("outer/inner", "s", None)


def test_do_not_store():
    def f(getter):
        with hk.custom_creator(lambda *args: hk.DO_NOT_STORE), hk.custom_getter(getter):
            return weight()

    def constant(next_getter, value, context):
        assert value is hk.DO_NOT_STORE
        return next_getter(jnp.full(context.original_shape, 4.0, context.original_dtype))

    out, params, _ = in_init(lambda: f(constant))
    assert (out.tolist(), params) == ([4.0, 4.0], {})
    assert hk.transform(lambda: f(constant)).apply({}).tolist() == [4.0, 4.0]
    with pytest.raises(TypeError, match=r"~/w by a custom creator is DO_NOT_STORE.*Let a custom getter return the val"):
        in_init(lambda: f(lambda next_getter, value, context: next_getter(value)))


def test_do_not_store_of_state():
    def f():
        with hk.custom_creator(lambda *args: hk.DO_NOT_STORE, params=False, state=True):
            created = hk.get_state("created", [], init=jnp.zeros)
        hk.set_state("kept", 1)
        with hk.custom_setter(lambda *args: hk.DO_NOT_STORE):
            hk.set_state("kept", 2)
            hk.set_state("dropped", 3)
        return created

    created, _, state = in_init(f)
    assert created is hk.DO_NOT_STORE
    assert state == {"~": {"kept": 1}}


def test_there_is_one_do_not_store():
    assert repr(hk.DO_NOT_STORE) == "DO_NOT_STORE"
    assert pickle.loads(pickle.dumps(hk.DO_NOT_STORE)) is copy.deepcopy(hk.DO_NOT_STORE) is hk.DO_NOT_STORE


def test_a_creator_may_store_another_thing_of_which_a_getter_makes_the_parameter():
    def quantized(next_creator, shape, dtype, init, context):
        value = next_creator(shape, dtype, init)
        scale = jnp.max(jnp.abs(value)) / 127
        return {"scale": scale, "steps": jnp.round(value / scale).astype(jnp.int8)}

    def dequantized(next_getter, value, context):
        return next_getter(value["steps"] * value["scale"])

    def f():
        with hk.custom_creator(quantized), hk.custom_getter(dequantized):
            return hk.get_parameter("w", [3], init=lambda shape, dtype: jnp.array([-1.0, 0.5, 2.0], dtype))

    out, params, _ = in_init(f)
    np.testing.assert_allclose(out, [-1.0, 0.5, 2.0], atol=0.01)
    assert params["~"]["w"]["steps"].dtype == jnp.int8
    np.testing.assert_array_equal(hk.transform(f).apply(params), out)


def test_a_parameter_that_apply_lacks_is_missed_whatever_a_creator_says():
    for create in (lambda n, shape, *_: jnp.ones(shape), lambda n, shape, dtype, init, context: n(shape, dtype, init)):

        def f(create=create):
            with hk.custom_creator(create):
                return weight()

        with pytest.raises(ValueError, match=r"parameter ~/w is missing from the params passed to apply"):
            hk.transform(f).apply({})


@pytest.mark.parametrize(
    ("got", "error", "message"),
    [
        (jnp.zeros(3), ValueError, r"has shape \(3,\), expected \(2,\)"),
        (None, TypeError, r"is None of type NoneType, expected an array of shape \(2,\)"),
        ((jnp.zeros(2), 1), TypeError, r"is \(Array.*of type tuple, expected an array of shape \(2,\)"),
        (0.5, ValueError, r"has shape \(\), expected \(2,\)"),
    ],
)
def test_a_hook_that_returns_another_thing_is_named(got, error, message):
    def created():
        with hk.custom_creator(lambda *args: got):
            weight()

    def found():
        with hk.custom_getter(lambda *args: got):
            weight()

    with pytest.raises(error, match=f"get_parameter: parameter ~/w that a custom creator returned {message}. A creato"):
        in_init(created)
    with pytest.raises(error, match=f"get_parameter: parameter ~/w that a custom getter returned {message}. A getter "):
        in_init(found)
    with pytest.raises(error, match="that a custom getter returned"):
        hk.transform(found).apply({"~": {"w": jnp.zeros(2)}})


def test_a_stored_parameter_of_another_shape_is_not_blamed_on_a_getter():
    def f():
        with hk.custom_getter(lambda next_getter, value, context: next_getter(2 * value)):
            return weight()

    with pytest.raises(ValueError, match=r"~/w in the params passed to apply has shape \(3,\), expected \(2,\)"):
        hk.transform(f).apply({"~": {"w": jnp.zeros(3)}})


def test_a_parameter_that_is_refused_is_not_kept():
    def f():
        with pytest.raises(ValueError, match="custom getter"), hk.custom_getter(lambda *args: jnp.zeros(3)):
            weight()
        return hk.get_params()

    assert in_init(f)[:2] == ({}, {})


def test_hooks_reach_into_modules_and_other_transformed_functions_and_end_with_the_block():
    inner = hk.transform(lambda: Weight()())

    def f():
        with hk.custom_getter(lambda next_getter, value, context: next_getter(value + 1)):
            module = Weight()
            inside = module(), inner.apply({"weight": {"w": jnp.zeros(2)}})
        return *inside, module()

    assert [x.tolist() for x in in_init(f)[0]] == [[2.0, 2.0], [1.0, 1.0], [1.0, 1.0]]


def test_a_getter_may_use_modules_and_keys():
    def noisy(next_getter, value, context):
        return next_getter(value + 0 * jax.random.normal(hk.next_rng_key(), value.shape) + Weight(name="extra")())

    def f():
        with hk.custom_getter(lambda n, v, c: n(v) if c.module_name == "extra" else noisy(n, v, c)):
            return weight()

    out, params, _ = in_init(f, 0)
    assert (out.tolist(), sorted(params)) == ([2.0, 2.0], ["extra", "~"])


def test_hooks_under_jit_and_grad():
    def f(scale):
        with hk.custom_getter(lambda next_getter, value, context: next_getter(value * scale)):
            return jnp.sum(weight() ** 2)

    model = hk.transform(f)
    params = model.init(None, 1.0)
    assert float(jax.jit(model.apply)(params, 3.0)) == 18.0
    assert jax.grad(model.apply)(params, 3.0)["~"]["w"].tolist() == [18.0, 18.0]
    assert float(jax.grad(model.apply, argnums=1)(params, 3.0)) == 12.0


@pytest.mark.parametrize(
    ("hook", "argument", "form"),
    [
        (hk.custom_creator, "creator", "next_creator, shape, dtype, init, context"),
        (hk.custom_getter, "getter", "next_getter, value, context"),
        (hk.custom_setter, "setter", "next_setter, value, context"),
        (hk.intercept_methods, "interceptor", "next_f, args, kwargs, context"),
    ],
)
def test_what_is_no_hook_is_refused(hook, argument, form):
    message = rf"{hook.__name__}: {argument} is 3 of type int, expected a function {argument}\({form}\)"
    with pytest.raises(TypeError, match=message):
        in_init(lambda: hook(3))
    if hook is not hk.intercept_methods:
        with pytest.raises(hk.UsageError, match=f"{hook.__name__}: used outside hk.transform"):
            hook(lambda *args: None)


class Methods(hk.Module):
    def __init__(self, size, *, scale=1, name=None):
        super().__init__(name)
        self.size, self.scale = size, scale

    def __call__(self, x, *, y=0):
        return self._private(x) + y + self.prop

    def _private(self, x):
        return x * self.scale

    @property
    def prop(self):
        return self.size

    @prop.setter
    def prop(self, value):
        self.size = value

    @hk.transparent
    def see_through(self):
        return 1

    def __len__(self):
        return 1

    @staticmethod
    def static():
        return 1


class Derived(Methods):
    def __call__(self, x, *, y=0):
        return super().__call__(x, y=y)


def test_interceptors_run_around_methods_and_properties():
    log = []

    def record(next_f, args, kwargs, context):
        log.append((context.method_name, args, kwargs, context.orig_class.__name__))
        return next_f(*args, **kwargs)

    def f():
        with hk.intercept_methods(record):
            module = Derived(2, scale=3)
            out = module(5, y=1)
            module.prop = 4
            module.see_through(), len(module), module.static()
        module(1)
        return out

    assert in_init(f)[0] == 18
    assert log == [
        ("__init__", (2,), {"scale": 3}, "Derived"),
        ("__call__", (5,), {"y": 1}, "Derived"),
        ("__call__", (5,), {"y": 1}, "Methods"),
        ("_private", (5,), {}, "Methods"),
        ("prop", (), {}, "Methods"),
        ("prop", (4,), {}, "Methods"),
    ]


def test_interceptors_change_arguments_and_outputs_from_the_outermost_to_the_innermost():
    def plus(next_f, args, kwargs, context):
        return next_f(args[0] + 1, **kwargs) * 2 if context.method_name == "__call__" else next_f(*args, **kwargs)

    def times(next_f, args, kwargs, context):
        return next_f(args[0] * 10, **kwargs) + 3 if context.method_name == "__call__" else next_f(*args, **kwargs)

    def f():
        module = Methods(0)
        with hk.intercept_methods(plus), hk.intercept_methods(times):
            both = module(1)
        with hk.intercept_methods(lambda next_f, args, kwargs, context: "never called"):
            neither = module(1)
        return both, neither

    assert in_init(f)[0] == (2 * (10 * (1 + 1) + 3), "never called")


def test_the_original_method_is_not_intercepted():
    calls = []

    def f():
        def once(next_f, args, kwargs, context):
            calls.append(context.method_name)
            return context.orig_method(*args, **kwargs)

        module = Methods(1, scale=2)
        with hk.intercept_methods(once), hk.intercept_methods(lambda *args: pytest.fail("the outer one skips it")):
            return module._private(3)

    assert in_init(f)[0] == 6
    assert calls == ["_private"]


def test_an_interceptor_may_use_the_module_that_is_built():
    paths = []

    def record(next_f, args, kwargs, context):
        out = next_f(*args, **kwargs)
        paths.append((context.module.module_name, context.method_name))
        return out

    def f():
        with hk.intercept_methods(record):
            return hk.nets.MLP([1])(jnp.ones([1, 1]))

    in_init(f, 0)
    assert paths == [
        ("mlp/~/linear_0", "__init__"),
        ("mlp", "__init__"),
        ("mlp/~/linear_0", "__call__"),
        ("mlp", "__call__"),
    ]


def test_interceptors_see_no_helpers_of_layers():
    names = set()

    def record(next_f, args, kwargs, context):
        names.add((type(context.module).__name__, context.method_name))
        return next_f(*args, **kwargs)

    def f():
        with hk.intercept_methods(record):
            x = jnp.ones([2, 2])
            return hk.MultiHeadAttention(1, 2, 1.0)(x, x, x), hk.ExponentialMovingAverage(0.9)(x)

    jax.eval_shape(lambda: in_init(f, 0))
    classes = ("MultiHeadAttention", "Linear", "ExponentialMovingAverage")
    assert names == {(name, method) for name in classes for method in ("__init__", "__call__")}


def test_interceptors_work_on_dataclasses_and_outside_a_transform_mean_nothing():
    @dataclasses.dataclass
    class Data(hk.Module):
        size: int = 1

        def __call__(self):
            return self.size

    names = []
    with hk.intercept_methods(lambda next_f, args, kwargs, context: (names.append(context.method_name), next_f())[1]):
        module, _, _ = in_init(Data)
        assert module() == 1
    assert names == ["__init__"]


def test_an_exception_in_a_hook_or_under_it_ends_it():
    def fail(*args):
        raise RuntimeError("in the hook")

    def f():
        for block in (hk.custom_creator(fail), hk.custom_getter(fail), hk.custom_setter(fail)):
            with pytest.raises(RuntimeError, match="in the hook"), block:
                hk.set_state("s", weight())
        with pytest.raises(RuntimeError, match="in the hook"), hk.intercept_methods(fail):
            Methods(1)
        hk.set_state("s", 1)
        return weight(), Methods(1, name="methods").module_name

    (out, path), _, state = in_init(f)
    assert (out.tolist(), path, state) == ([1.0, 1.0], "methods", {"~": {"s": 1}})
