import dataclasses
import threading
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import haiku_like as hk

mp = hk.mixed_precision
F16, BF16, F32 = jnp.dtype("float16"), jnp.dtype("bfloat16"), jnp.dtype("float32")
X = np.ones(2, np.float32)
POLICY = mp.Policy(F16, BF16, F32)
FULL = mp.Policy(F32, F32, F32)


def dtypes(tree):
    return jax.tree.map(lambda x: x.dtype if hasattr(x, "dtype") else type(x), tree)


@dataclasses.dataclass
class Spy(hk.Module):
    """Tells `see` the dtypes that it meets; `below` runs inside."""

    see: Callable
    below: object = None
    name: str | None = None

    def __call__(self, x):
        w = hk.get_parameter("w", [2], init=jnp.ones)
        n = hk.get_parameter("n", [2], jnp.int32, init=jnp.ones)
        s = hk.get_state("s", [2], F32, init=jnp.ones)
        self.see((self.name, dtypes((x, w, n, s)), mp.current_policy()))
        if self.below is not None:
            self.below(x)
        return {"x": x, "i": n, "f": 1.5, "np": np.ones(2, np.float32), "none": None}

    def method(self, x):
        return x


@pytest.fixture(autouse=True)
def no_policies():
    yield
    assert mp.get_policy(Spy) is mp.get_policy(hk.Linear) is mp.current_policy() is None


def in_init(f):
    """Runs `f` under init, and returns what it returns with the parameters and the state."""
    out = []
    params, state = hk.transform_with_state(lambda: out.append(f())).init(None)
    return out[0], params, state


def test_what_a_policy_governs():
    seen = []

    def f():
        with mp.push_policy(Spy, POLICY):
            spy = Spy(seen.append)
            return spy(X), spy.method([jnp.ones(1, F32), 1.0, jnp.ones(1, jnp.int8)])

    (out, more), params, state = in_init(f)
    assert seen == [("spy", (BF16, BF16, jnp.int32, BF16), POLICY)]
    assert dtypes(out) == {"x": F32, "i": jnp.int32, "f": float, "np": F32, "none": None}
    assert dtypes(more) == [F32, float, jnp.int8]
    assert dtypes(params) == {"spy": {"w": F16, "n": jnp.int32}}
    assert dtypes(state) == {"spy": {"s": F32}}


def test_submodules_have_the_policy_of_their_parent_or_their_own():
    seen = []

    def f(with_own):
        below = Spy(seen.append, Spy(seen.append, name="deepest"), name="below")
        if with_own:
            mp.set_policy(below, FULL)
        above = Spy(seen.append, below, name="above")
        mp.set_policy(above, POLICY)
        above(X)

    _, params, _ = in_init(lambda: f(False))
    assert [(name, kinds[1], policy) for name, kinds, policy in seen] == [
        ("above", BF16, POLICY), ("below", BF16, POLICY), ("deepest", BF16, POLICY),
    ]  # fmt: skip
    assert {bundle["w"].dtype for bundle in params.values()} == {F16}
    seen.clear()
    _, params, _ = in_init(lambda: f(True))
    assert [(name, kinds[1], policy) for name, kinds, policy in seen] == [
        ("above", BF16, POLICY), ("below", F32, FULL), ("deepest", F32, FULL),
    ]  # fmt: skip
    assert (params["above"]["w"].dtype, params["below"]["w"].dtype) == (F16, F32)


def test_an_inner_policy_is_not_rounded_by_the_outer_one():
    class Third(hk.Module):
        def __call__(self):
            return hk.get_parameter("w", [], init=hk.initializers.Constant(1 / 3))

    class Outer(hk.Module):
        def __call__(self):
            return Third()().astype(F32)

    with mp.push_policy(Outer, mp.Policy(F32, BF16, F32)):
        rounded = in_init(lambda: Outer()())[0]
        with mp.push_policy(Third, FULL):
            exact = in_init(lambda: Outer()())[0]
    assert float(rounded) == float(jnp.bfloat16(1 / 3))
    assert float(exact) == float(np.float32(1 / 3))


def test_hooks_and_interceptors_around_and_inside():
    log = []

    def get(next_getter, value, context):
        log.append(("outside", value.dtype, context.original_dtype))
        value = next_getter(value)
        log.append(("outside, then", value.dtype))
        return value

    def intercept(next_f, args, kwargs, context):
        out = next_f(*args, **kwargs)
        log.append((context.method_name, dtypes(args), dtypes(out)))
        return out

    def get_inside(next_getter, value, context):
        log.append(("inside", value.dtype))
        return next_getter(value)

    class Getting(hk.Module):
        def __call__(self, x):
            with hk.custom_getter(get_inside):
                return hk.get_parameter("w", [], init=jnp.ones)

    def f():
        with hk.custom_getter(get), hk.intercept_methods(intercept):
            return Getting()(jnp.ones(1, F32))

    with mp.push_policy(Getting, POLICY):
        assert in_init(f)[0].dtype == F32
    assert log == [
        ("__init__", (), None), ("outside", F16, F32), ("inside", BF16), ("outside, then", BF16),
        ("__call__", (BF16,), BF16),
    ]  # fmt: skip


def test_a_policy_of_a_class_is_not_one_of_its_subclasses():
    class Base(hk.Module):
        def __call__(self):
            return hk.get_parameter("w", [], init=jnp.ones)

    class Derived(Base):
        pass

    with mp.push_policy(Base, mp.Policy(F16, F16, F16)):
        assert dtypes(in_init(lambda: (Base()(), Derived()(), Base()()))[0]) == (F16, F32, F16)
        assert mp.get_policy(Derived) is None


def test_set_get_and_clear():
    class Local(hk.Module):
        def __call__(self):
            return hk.get_parameter("w", [], init=jnp.ones)

    mp.set_policy(Local, POLICY)
    found = []
    thread = threading.Thread(target=lambda: found.append(mp.get_policy(Local)))
    thread.start()
    thread.join()
    assert mp.get_policy(Local) is found[0] is POLICY
    mp.clear_policy(Local)
    mp.clear_policy(Local)
    assert mp.get_policy(Local) is None
    assert in_init(lambda: Local()())[0].dtype == F32


def test_pushed_policies_nest_and_hold_in_one_thread():
    def elsewhere():
        found = []
        thread = threading.Thread(target=lambda: found.append(mp.get_policy(Spy)))
        thread.start()
        thread.join()
        return found[0]

    with mp.push_policy(Spy, POLICY):
        with mp.push_policy(Spy, FULL):
            assert (mp.get_policy(Spy), elsewhere()) == (FULL, None)
        assert mp.get_policy(Spy) is POLICY
        with mp.push_policy(hk.Linear, FULL):
            assert (mp.get_policy(Spy), mp.get_policy(hk.Linear)) == (POLICY, FULL)
    with pytest.raises(RuntimeError, match="inside"), mp.push_policy(Spy, POLICY):
        raise RuntimeError("inside")
    assert mp.get_policy(Spy) is None


def test_set_and_clear_in_a_block_hold_until_it_ends():
    mp.set_policy(Spy, FULL)
    with mp.push_policy(Spy, POLICY):
        mp.clear_policy(Spy)
        assert mp.get_policy(Spy) is None
        mp.set_policy(Spy, POLICY)
        assert mp.get_policy(Spy) is POLICY
    assert mp.get_policy(Spy) is FULL
    mp.clear_policy(Spy)


def test_blocks_in_two_threads_overlap():
    inside, left = threading.Event(), threading.Event()

    def work():
        with mp.push_policy(Spy, FULL):
            inside.set()
            left.wait(30)

    thread = threading.Thread(target=work)
    with mp.push_policy(Spy, POLICY):
        thread.start()
        inside.wait(30)
    left.set()
    thread.join()
    assert mp.get_policy(Spy) is None


def test_a_policy_of_one_module():
    def f():
        with mp.push_policy(Spy, POLICY):
            first, second = Spy(lambda seen: None), Spy(lambda seen: None)
            mp.set_policy(first, FULL)
            found = [mp.get_policy(first), mp.get_policy(second)]
            with mp.push_policy(first, POLICY):
                found.append(mp.get_policy(first))
                first(X), second(X)
            found.append(mp.get_policy(first))
            mp.clear_policy(first)
            found.append(mp.get_policy(first))
        assert mp.get_policy(first) is None
        return found

    found, params, _ = in_init(f)
    assert found == [FULL, POLICY, POLICY, FULL, POLICY]
    assert {bundle["w"].dtype for bundle in params.values()} == {F16}


def test_a_policy_of_a_frozen_module():
    @dataclasses.dataclass(frozen=True)
    class Frozen(hk.Module):
        def __call__(self, x):
            return x

    def f():
        module = Frozen()
        mp.set_policy(module, mp.Policy(F32, F32, F16))
        return module(jnp.ones(1, F32))

    assert in_init(f)[0].dtype == F16


def test_a_policy_is_any_object_with_three_dtypes():
    class Duck:
        param_dtype, compute_dtype, output_dtype = jnp.float32, "bfloat16", np.float16

    with mp.push_policy(hk.Linear, Duck()):
        model = hk.transform(lambda x: hk.Linear(2)(x))
        params = model.init(jax.random.key(0), jnp.ones([1, 3], F32))
        assert dtypes(params) == {"linear": {"w": F32, "b": F32}}
        out, grads = jax.value_and_grad(lambda params: model.apply(params, jnp.ones([1, 3], F32)).sum())(params)
    assert (out.dtype, dtypes(grads)) == (F16, dtypes(params))
    in_bf16 = jax.tree.map(lambda x: x.astype(BF16), params["linear"])
    expected = (jnp.ones([1, 3], BF16) @ in_bf16["w"] + in_bf16["b"][None]).astype(F16).sum()
    np.testing.assert_array_equal(out, expected)


def test_a_module_that_is_called_with_the_wrong_size_says_so_under_a_policy():
    def f():
        layer = hk.Linear(2)
        return layer(layer(jnp.ones([1, 3], F32)))

    with mp.push_policy(hk.Linear, POLICY), pytest.raises(ValueError, match="linear/w that this call created earlier"):
        hk.transform(f).init(0)


def test_an_exception_ends_the_government():
    class Failing(hk.Module):
        def __call__(self):
            raise RuntimeError("inside")

    def f():
        with pytest.raises(RuntimeError, match="inside"):
            Failing()()
        return mp.current_policy(), hk.get_parameter("w", [], init=jnp.ones).dtype

    with mp.push_policy(Failing, POLICY):
        assert in_init(f)[0] == (None, F32)


@pytest.mark.parametrize("function", [mp.set_policy, mp.push_policy, mp.get_policy, mp.clear_policy])
def test_wrong_arguments_are_refused(function):
    name = function.__name__
    policy = () if name in ("get_policy", "clear_policy") else (POLICY,)

    def call(cls, *policy):
        result = function(cls, *policy)
        return result.__enter__() if name == "push_policy" else result

    for wrong in (3, int, "linear", None):
        with pytest.raises(TypeError, match=f"{name}: cls is {wrong!r}, expected a subclass of hk.Module, such as hk."):
            call(wrong, *policy)
    if policy:
        for wrong, missing in ((None, "param_dtype, compute_dtype, output_dtype"), (np.ones(1), "param_dtype")):
            with pytest.raises(TypeError, match=rf"{name}: policy is .*, which has no {missing}.*; expected an object"):
                call(hk.Linear, wrong)
