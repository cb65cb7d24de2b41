import concurrent.futures
import contextlib
import copy
import dataclasses
import gc
import inspect
import pickle
import re
import subprocess
import sys
import threading
import weakref

import cloudpickle
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from haiku_like._core.frame import ambient
from haiku_like._core.settings import settings
from jax.test_util import check_grads

import haiku_like as hk


def mlp(x):
    return hk.nets.MLP([5, 2])(x)


X = np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3)


def test_apply_takes_no_key_by_default():
    f = hk.transform(mlp)
    params = f.init(jax.random.key(0), X)
    first, second = (jax.tree.map(np.asarray, layer) for layer in params.values())
    hidden = np.maximum(X @ first["w"] + first["b"], 0)
    np.testing.assert_allclose(f.apply(params, X), hidden @ second["w"] + second["b"], rtol=1e-5)


def test_apply_takes_a_key_where_asked():
    f = hk.transform(lambda x: hk.dropout(hk.next_rng_key(), 0.5, x), apply_rng=True)
    assert f.init(0, X) == {}
    first, same, other = (f.apply({}, key, X) for key in (0, jax.random.PRNGKey(0), 1))
    np.testing.assert_array_equal(first, same)
    assert not np.array_equal(first, other)


def test_arguments_go_through_by_keyword_too():
    f = hk.transform(lambda x, *, scale: hk.Linear(1)(x) * scale)
    params = f.init(rng=0, x=X, scale=2.0)
    np.testing.assert_allclose(f.apply(params=params, x=X, scale=2.0), 2 * f.apply(params, X, scale=1.0))
    with_state = hk.transform_with_state(lambda x: x)
    assert with_state.apply(params={}, state={}, rng=None, x=3) == (3, {})


def test_pure_functions_go_through_jax_transforms():
    f = hk.transform(mlp)
    params = f.init(0, X)
    out = f.apply(params, X)
    np.testing.assert_allclose(jax.jit(f.apply)(params, X), out, rtol=1e-6)
    np.testing.assert_allclose(jax.vmap(f.apply, (None, 0))(params, X), out, rtol=1e-6)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6),
        jax.vmap(f.init, (0, None))(jnp.arange(2), X)["mlp/~/linear_0"],
        jax.tree.map(lambda *x: jnp.stack(x), *(f.init(i, X)["mlp/~/linear_0"] for i in range(2))),
    )
    assert jax.eval_shape(f.init, 0, X)["mlp/~/linear_1"]["w"].shape == (5, 2)


@pytest.mark.optimized
def test_compiled_init_gives_the_same_values():
    f = hk.transform(mlp)
    jax.tree.map(np.testing.assert_array_equal, jax.jit(f.init)(0, X), f.init(0, X))


@pytest.mark.usefixtures("x64")
def test_gradients_agree_with_finite_differences():
    f = hk.transform(mlp)
    x = X.astype(np.float64)
    params = f.init(0, x)
    check_grads(lambda p: jnp.sum(f.apply(p, x) ** 2), (params,), order=1, modes=["rev"])


def test_it_works_over_many_devices():
    f = hk.transform(mlp)
    params = f.init(0, X)
    devices = jax.devices()
    mesh = jax.sharding.Mesh(np.array(devices), ("batch",))
    spec = jax.sharding.PartitionSpec
    x = np.tile(X, (len(devices), 1))
    sharded = jax.shard_map(f.apply, mesh=mesh, in_specs=(spec(), spec("batch")), out_specs=spec("batch"))
    np.testing.assert_allclose(sharded(params, x), f.apply(params, x), rtol=1e-6)
    pmapped = jax.pmap(f.apply, in_axes=(None, 0))(params, np.stack([X] * len(devices)))
    np.testing.assert_allclose(pmapped[-1], f.apply(params, X), rtol=1e-6)


def test_nothing_leaks():
    f = hk.transform_with_state(lambda x: hk.Linear(2)(x) + hk.get_state("s", [1, 2], init=jnp.zeros))
    with jax.checking_leaks():
        params, state = jax.jit(f.init)(0, X)
        jax.jit(f.apply)(params, state, None, X)


def test_transforms_nest():
    inner = hk.transform(lambda x: hk.Linear(2, name="inner")(x))

    def outer(x):
        params = inner.init(0, x)
        return hk.Linear(2, name="outer")(inner.apply(params, x))

    assert list(hk.transform(outer).init(0, X)) == ["outer"]


def test_the_pair_can_be_used_again():
    f = hk.transform(lambda: [hk.Linear(2)(X), hk.Linear(3)(X)])
    assert list(f.init(0)) == list(f.init(0)) == ["linear", "linear_1"]


def test_no_parameters_may_be_none():
    assert hk.transform(lambda x: x).apply(None, 3) == 3
    assert hk.transform_with_state(lambda x: x).apply(None, None, None, 3) == (3, {})


def test_state_under_transform_is_refused():
    def stateful():
        hk.set_state("s", 1)

    message = r": the function under hk.transform uses state \(~\), expected none. Use hk.transform_with_state"
    with pytest.raises(hk.NonEmptyStateError, match=f"init{message}"):
        hk.transform(stateful).init(None)
    with pytest.raises(hk.NonEmptyStateError, match=f"apply{message}"):
        hk.transform(stateful).apply({})


@pytest.mark.parametrize("transform", [hk.transform, hk.transform_with_state])
def test_what_is_no_function_is_refused(transform):
    message = f"{transform.__name__}: f is 3 of type int, expected a function that builds and calls modules"
    with pytest.raises(TypeError, match=message):
        transform(3)


@pytest.mark.parametrize("params", [jnp.zeros(2), [1], {"linear": jnp.zeros(2)}])
def test_parameters_of_another_kind_are_refused(params):
    message = re.escape("expected a dictionary {module path: {name: array}} as init returns it")
    with pytest.raises(TypeError, match=f"apply: params is of type .*{message}"):
        hk.transform(mlp).apply(params, X)
    with pytest.raises(TypeError, match=f"apply: state is of type .*{message}"):
        hk.transform_with_state(mlp).apply({}, params, None, X)


@pytest.mark.parametrize("key", [jax.random.key(0), jax.random.PRNGKey(0), None], ids=["typed", "raw", "none"])
def test_a_key_that_apply_does_not_take_is_explained(key):
    f = hk.transform(mlp)
    params = f.init(0, X)
    with pytest.raises(TypeError, match="positional argument") as caught:
        f.apply(params, key, X)
    assert "use hk.transform(f, apply_rng=True), which gives apply(params, rng, *args)" in caught.value.__notes__[0]


@pytest.mark.parametrize("key", [jax.random.key(0), jax.random.PRNGKey(0)], ids=["typed", "raw"])
def test_it_is_explained_where_the_key_was_taken_for_another_argument(key):
    f = hk.transform(lambda x, is_training=True: mlp(x))
    params = f.init(0, X)
    with pytest.raises((TypeError, ValueError)) as caught:
        f.apply(params, key, X)
    assert "takes no key" in caught.value.__notes__[0]


def test_an_error_of_the_function_itself_is_left_alone():
    def wrong(x, y):
        return x + y

    for args in ((1, "a"), (1,)):
        with pytest.raises(TypeError) as caught:
            hk.transform(wrong).apply({}, *args)
        assert not getattr(caught.value, "__notes__", [])


def test_signatures_are_true():
    def f(x, *rest, scale=1.0, **more):
        return x

    def shown(pair):
        return [str(inspect.signature(function)) for function in (pair.init, pair.apply)]

    assert shown(hk.transform(f)) == [
        "(rng, x, *rest, scale=1.0, **more)",
        "(params, x, *rest, scale=1.0, **more)",
    ]
    assert shown(hk.transform(f, apply_rng=True))[1] == "(params, rng, x, *rest, scale=1.0, **more)"
    assert shown(hk.transform_with_state(f)) == [
        "(rng, x, *rest, scale=1.0, **more)",
        "(params, state, rng, x, *rest, scale=1.0, **more)",
    ]
    assert shown(hk.transform(lambda x, /, y: x)) == ["(rng, x, /, y)", "(params, x, /, y)"]
    assert shown(hk.transform(max)) == ["(rng, *args, **kwargs)", "(params, *args, **kwargs)"]


def test_an_argument_named_like_one_of_ours_goes_by_position():
    f = hk.transform_with_state(lambda params, self: (params, self))
    assert str(inspect.signature(f.apply)) == "(params, state, rng, *args, **kwargs)"
    assert str(inspect.signature(f.init)) == "(rng, params, self)"
    assert f.apply({}, {}, None, 1, self=2) == ((1, 2), {})
    inspect.signature(f.apply).bind({}, {}, None, 1, self=2)


def test_static_arguments_by_name():
    def f(x, training):
        return hk.Linear(1)(x) if training else x

    model = hk.transform(f)
    params = jax.jit(model.init, static_argnames="training")(0, X, training=True)
    apply = jax.jit(model.apply, static_argnames="training")
    assert apply(params, X, True).shape == (4, 1)
    assert apply(params, X, training=False).shape == X.shape


def test_a_pair_looks_like_two_functions():
    pair = hk.transform(mlp)
    assert (pair.init.__name__, pair.apply.__name__) == ("init", "apply")
    assert [repr(function) for function in pair] == ["<init of mlp>", "<apply of mlp>"]
    assert "jit_apply" in jax.jit(pair.apply).lower(pair.init(0, X), X).as_text()


def test_a_pair_can_be_pickled_and_copied():
    x = np.ones([1, 3], np.float32)
    for pair in (hk.transform(mlp), hk.transform(mlp, apply_rng=True), hk.transform_with_state(mlp)):
        for same in (pickle.loads(pickle.dumps(pair)), copy.deepcopy(pair)):
            assert type(same) is type(pair)
            assert same.init is not pair.init
            jax.tree.map(np.testing.assert_array_equal, same.init(0, x), pair.init(0, x))
            assert str(inspect.signature(same.apply)) == str(inspect.signature(pair.apply))


LOAD = """
import pickle, sys
import jax, jax.numpy as jnp
import haiku_like as hk

pair, cls, x = pickle.load(sys.stdin.buffer)
params, state = pair.init(0, x)
out, state = pair.apply(params, state, None, x)
print(sorted(params), out.tolist(), jax.tree.leaves(state)[0].tolist())
hk.mixed_precision.set_policy(cls, hk.mixed_precision.Policy(*[jnp.bfloat16] * 3))
print(pair.apply(params, state, None, x)[0].dtype)
"""


def test_a_pair_with_local_modules_can_be_pickled_by_value():
    @dataclasses.dataclass
    class Scale(hk.Module):
        size: int = 2
        name: str | None = None

        def __call__(self, x):
            return x * hk.get_parameter("scale", [self.size], init=jnp.ones)

    class Twice(hk.Module):
        def __init__(self):
            super().__init__()
            self.scale = Scale()

        def __call__(self, x):
            return self.again(self.scale(x))

        @property
        def other(self):
            return Scale(name="other")

        def again(self, x):
            hk.set_state("calls", hk.get_state("calls", [], init=jnp.zeros) + 1)
            return self.other(x)

    pair = hk.transform_with_state(lambda x: Twice()(x))
    data = cloudpickle.dumps((pair, Twice, np.arange(2.0, dtype=np.float32)))
    loaded = subprocess.run([sys.executable, "-c", LOAD], input=data, capture_output=True, check=True)
    assert loaded.stdout.decode() == "['twice/~/scale', 'twice/~other/other'] [0.0, 1.0] 1.0\nbfloat16\n"


class Everything(hk.Module):
    """Uses all that is ambient, and waits for the other threads in the midst of each."""

    def __init__(self, number, wait, name=None):
        super().__init__(name)
        self.number, self.wait = number, wait
        self.inner = hk.transform_with_state(lambda: hk.get_parameter("w", [], init=hk.initializers.Constant(number)))

    def __call__(self):
        number, wait = self.number, self.wait
        init, updater = hk.lift_with_state(self.inner.init, name=f"lifted{number}")
        params, state = init(None)
        wait()
        inner, state = self.inner.apply(params, state, None)
        updater.update(state)
        calls = hk.get_state("calls", [], init=jnp.zeros)
        wait()
        hk.set_state("calls", calls + number)
        return inner + hk.get_parameter("v", [], init=jnp.zeros), hk.running_init(), hk.current_name()


def use_everything(number, wait):
    """Returns what depends on the hooks, policies, settings and scopes of this thread."""
    log = []

    def create(next_creator, shape, dtype, init, context):
        wait()
        log.append(context.full_name)
        return next_creator(shape, dtype, init) + number

    def get(next_getter, value, context):
        wait()
        return next_getter(value * number)

    def intercept(next_f, args, kwargs, context):
        wait()
        log.append((context.method_name, number))
        return next_f(*args, **kwargs)

    half = hk.mixed_precision.Policy(*[[jnp.float16, jnp.bfloat16, jnp.float32][number % 3]] * 3)
    with (
        hk.config.context(rng_reserve_size=number, module_auto_repr=bool(number % 2)),
        hk.mixed_precision.push_policy(Everything, half),
        hk.custom_creator(create),
        hk.custom_getter(get, state=True),
        hk.custom_setter(lambda next_setter, value, context: next_setter(value + number)),
        hk.intercept_methods(intercept),
        hk.name_scope(f"scope{number}"),
    ):
        for _ in range(number):
            Everything(number, wait, name="part")
        wait()
        module = Everything(number, wait, name="part")
        keys = hk.next_rng_key(), hk.next_rng_key()
        with hk.with_rng(number):
            wait()
            keys = *keys, hk.next_rng_key()
        text = repr(module).startswith("Everything(")
        return jax.tree.map(np.asarray, (module(), keys)), text, log


def run_everything(number, wait):
    model = hk.transform_with_state(lambda: use_everything(number, wait))
    outs = []
    for _ in range(2):
        params, state = model.init(number)
        out, state = model.apply(params, state, number)
        outs.append((jax.tree.map(np.asarray, (params, state)), out))
        wait()
    return outs


def test_threads_do_not_meet():
    count = 4
    alone = [run_everything(number, lambda: None) for number in range(1, count + 1)]
    barrier = threading.Barrier(count)
    together = {}

    def wait():  # The threads have unlike numbers of waits, so the last ones wait alone.
        with contextlib.suppress(threading.BrokenBarrierError):
            barrier.wait(timeout=0.5)

    def work(number):
        try:
            together[number] = run_everything(number, wait)
        finally:
            barrier.abort()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(1, count + 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(1, count + 1):
        assert jax.tree.structure(together[number]) == jax.tree.structure(alone[number - 1])
        jax.tree.map(np.testing.assert_array_equal, together[number], alone[number - 1])


def test_one_pair_serves_many_threads():
    model = hk.transform(lambda x: hk.nets.MLP([3, 2])(x) + hk.next_rng_keys(2).shape[0], apply_rng=True)
    params = model.init(0, X)
    apply = jax.jit(model.apply)
    expected = model.apply(params, 1, X)

    def work(_):
        for function in (model.apply, apply):
            np.testing.assert_allclose(function(params, 1, X), expected, rtol=1e-6)
        return list(model.init(0, X))

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        assert list(pool.map(work, range(12))) == [list(params)] * 12


def test_a_pair_may_run_inside_itself():
    def factorial(n):
        w = hk.get_parameter("w", [], init=jnp.ones)
        if n == 0:
            return w
        with hk.name_scope("inside"):
            inner = model.apply(model.init(None, n - 1), n - 1)
            return inner * n * hk.get_parameter("w", [], init=jnp.ones)

    model = hk.transform(factorial)
    params = model.init(None, 4)
    assert list(params) == ["~", "inside"]
    assert float(model.apply(params, 4)) == 24.0


class Failing(hk.Module):
    def __init__(self, fail):
        super().__init__()
        fail("__init__")
        self.fail = fail

    def __call__(self):
        self.fail("__call__")
        return hk.get_parameter("w", [], init=self.create)

    def create(self, shape, dtype):
        self.fail("init")
        return jnp.zeros(shape, dtype)


def ambient_state():
    return {name: getattr(ambient, name) for name in type(ambient).__annotations__}


PLACES = ["__init__", "__call__", "init", "hook", "inner", "method", "last"]


@pytest.mark.parametrize("place", PLACES)
def test_an_exception_leaves_nothing_behind(place):
    reached = []

    def fail(where):
        reached.append(where)
        if where == place:
            raise RuntimeError(place)

    def inner():
        fail("inner")

    def intercept(next_f, args, kwargs, context):
        if context.method_name == "__call__":
            fail("method")
        return next_f(*args, **kwargs)

    def get(next_getter, value, context):
        fail("hook")
        return next_getter(value)

    def f():
        policy = hk.mixed_precision.Policy(*[jnp.bfloat16] * 3)
        with (
            hk.config.context(rng_reserve_size=7),
            hk.mixed_precision.push_policy(Failing, policy),
            hk.custom_creator(lambda n, shape, dtype, init, c: n(shape, dtype, init), state=True),
            hk.custom_getter(get),
            hk.custom_setter(lambda n, value, c: n(value)),
            hk.intercept_methods(intercept),
            hk.name_scope("scope"),
            hk.with_rng(0),
        ):
            Failing(fail)()
            hk.transparent_lift(hk.transform(inner).init)(None)
            fail("last")

    before = ambient_state()
    for run in (lambda: hk.transform(f).init(None), lambda: hk.transform(f).apply({"scope/failing": {"w": X[0, 0]}})):
        if place in ("init", "inner") and reached:
            continue  # Neither is reached in apply.
        with pytest.raises(RuntimeError, match=place):
            run()
    assert place in reached
    assert ambient_state() == before
    assert hk.mixed_precision.get_policy(Failing) is None
    assert settings.rng_reserve_size == 1


def test_a_frame_does_not_outlive_its_call():
    class Big(hk.Module):
        def __call__(self):
            modules.append(weakref.ref(self))

    modules = []
    hk.transform(lambda: Big()()).init(None)
    gc.collect()
    assert modules[0]() is None
