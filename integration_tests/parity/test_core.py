"""The core under dm-haiku and haiku_like: JAX transforms, lifting, hooks, names and keys give the same numbers.

What a program returns, at init and at apply, its parameters and its state are all compared.
"""

import dataclasses
import itertools
import warnings

import haiku as dm
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import haiku_like as hk

KEY = jax.random.PRNGKey(42)
X = jnp.arange(3.0)
PAIR = jnp.ones(2)
ONE = jnp.float32(2)


def entries(tree):
    return [(path, name, np.asarray(tree[path][name])) for path in sorted(tree) for name in sorted(tree[path])]


def everything(lib, program, *args):
    """Runs a program under a library, and returns all that can be told apart."""
    returned = []

    def run(*args):
        returned.append(program(Kit(lib), *args))
        return returned[-1]

    model = lib.transform_with_state(run)
    params, state = model.init(KEY, *args)
    out, new_state = model.apply(params, state, KEY, *args)
    variables = map(entries, (params, state, new_state))
    return *variables, jax.tree.map(np.asarray, returned[0]), jax.tree.map(np.asarray, out)


def same(ours, theirs):
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        a, b = np.asarray(a), np.asarray(b)
        if a.dtype.kind == "U":
            assert a == b
        else:
            assert (a.shape, a.dtype) == (b.shape, b.dtype)
            np.testing.assert_allclose(a, b, rtol=2e-6, atol=2e-7)


class Kit:
    """A library, and a few modules built with it."""

    def __init__(self, lib):
        class Weight(lib.Module):
            def __call__(self):
                return lib.get_parameter("w", [], init=lib.initializers.RandomNormal())

        class Noisy(lib.Module):
            """Has a parameter, counts its calls and draws noise."""

            def __init__(self, name=None):
                super().__init__(name)
                self.weight = Weight()

            def __call__(self, x=1.0):
                count()
                return self.weight() * x + jax.random.normal(lib.next_rng_key())

        def count():
            calls = lib.get_state("calls", [], init=jnp.zeros)
            lib.set_state("calls", calls + 1)
            return calls

        self.lib, self.Weight, self.Noisy, self.count = lib, Weight, Noisy, count
        self.numbers = itertools.count(1)

    def __getattr__(self, name):
        return getattr(self.lib, name)


def program(*args):
    def register(f):
        PROGRAMS[f.__name__] = (f, args)
        return f

    return register


PROGRAMS = {}


@program(X)
def scan(lib, x):
    noisy = lib.Noisy()
    return lib.scan(lambda c, x: (c + noisy(x), lib.next_rng_key()), 0.0, x), lib.next_rng_key()


@program(X)
def scan_backwards_and_unrolled(lib, x):
    noisy = lib.Noisy()
    backwards = lib.scan(lambda c, x: (c + noisy(x), lib.next_rng_key()), 0.0, x, reverse=True)
    return backwards, lib.scan(lambda c, x: (c + noisy(x), c), 0.0, x, unroll=2), lib.next_rng_key()


@program(jnp.zeros([0]))
def scan_of_nothing(lib, x):
    noisy = lib.Noisy()
    return lib.scan(lambda c, x: (c + noisy(x), lib.next_rng_key()), ONE, x), lib.next_rng_key()


@program(X)
def map_(lib, x):
    return lib.map(lib.Noisy(), x), lib.next_rng_key()


@program(ONE)
def fori_loop(lib, x):
    noisy = lib.Noisy()
    return lib.fori_loop(0, 3, lambda i, c: noisy(c) + i, x), lib.next_rng_key()


@program(ONE)
def while_loop(lib, x):
    noisy = lib.Noisy()
    first = noisy(x)
    if lib.running_init():  # There dm-haiku can't.
        return first, lib.next_rng_key()
    return lib.while_loop(lambda c: c[0] < 3, lambda c: (c[0] + 1, noisy(c[1])), (0, x)), lib.next_rng_key()


@program(X)
def cond(lib, x):
    one, other = lib.Noisy(), lib.Noisy()
    one(), other()  # In branches alone, dm-haiku can't create.
    both = [lib.cond(x[i] > 1, one, other, x[i]) for i in (0, 2)]
    uneven = lib.cond(x[0] > 1, lambda x: (one(x), lib.next_rng_key())[0], lambda x: x, x[1])
    return both, uneven, lib.cond(x[0] > 1, x[1], one, x[2], other), lib.next_rng_key()


@program(jnp.array([0, 1, 7]))
def switch(lib, i):
    one, other = lib.Noisy(), lib.Noisy()
    one(), other()
    return [lib.switch(i[k], [one, lambda x: other(x) + one(x)], 2.0) for k in range(3)], lib.next_rng_key()


@program(X)
def vmap(lib, x):
    noisy = lib.Noisy()
    shared = lib.vmap(lambda x: (noisy(x), lib.next_rng_key()), split_rng=False)(x)
    own = lib.vmap(lambda x: (noisy(x), lib.next_rng_key()), split_rng=not lib.running_init())(x)
    return shared, own, lib.next_rng_key()


@program(ONE)
def remat(lib, x):
    noisy = lib.Noisy()
    new = lib.remat(lambda x: lib.Noisy()(x) + lib.Weight()())
    return lib.remat(noisy)(x), new(x), new(x), lib.Noisy()(x), lib.next_rng_key()


@program(ONE)
def grad(lib, x):
    noisy = lib.Noisy()
    with_auxiliary = lib.value_and_grad(lambda x, y: (noisy(x) * y, lib.Weight()()), argnums=(0, 1), has_aux=True)
    return lib.grad(noisy)(x), with_auxiliary(x, x), lib.next_rng_key()


@program(ONE)
def eval_shape(lib, x):
    noisy = lib.Noisy()
    noisy(x)
    shape = lib.eval_shape(lambda x: (noisy(x), lib.next_rng_key()), x)[0].shape
    return jnp.zeros(shape), lib.count(), lib.Weight()(), lib.next_rng_key()


@program(ONE)
def optimize_rng_use(lib, x):
    noisy = lib.Noisy()
    f = lib.experimental.optimize_rng_use(lambda x: noisy(x) + jax.random.normal(lib.next_rng_key()))
    return f(x), f(x), lib.next_rng_key()


@program(PAIR)
def layer_stack(lib, x):
    def layer(x):
        w_init = lib.initializers.RandomNormal()
        return lib.Linear(2, w_init=w_init)(x) + jax.random.normal(lib.next_rng_key()) + 0 * lib.count()

    # Of two lifted functions of one name, dm-haiku updates the state of the first alone, so these have two.
    first, second = (lib.layer_stack(3, name=name)(layer)(x) for name in ("first", "second"))
    in_module = lib.to_module(lambda x: lib.layer_stack(2, name="own")(layer)(x))("outer")
    return first, second, in_module(x), lib.layer_stack(0)(lambda x: x)(x), lib.next_rng_key()


@program(PAIR)
def layer_stack_with_inputs(lib, x):
    def layer(x, y, reverse=False):
        return lib.Weight()() * x + y, (y + 1 + reverse, lib.next_rng_key())

    forwards = lib.layer_stack(3, True)(layer)(x, X)
    backwards = lib.layer_stack(3, True, unroll=3, pass_reverse_to_layer_fn=True)(layer)(x, X, reverse=True)
    several = lib.layer_stack(2)(lambda x, y: (lib.Weight()() * y, x))(x, x)
    return forwards, backwards, several, lib.next_rng_key()


@program(PAIR)
def layer_stack_of_layer_stacks(lib, x):
    return lib.layer_stack(2)(lambda x: lib.layer_stack(3)(lambda x: lib.Noisy()(x) * x)(x))(x), lib.next_rng_key()


class Flat:
    def stacked_to_flat(self, stacked_module_name, scan_idx):
        return f"block_{scan_idx}/{stacked_module_name}"

    def flat_to_stacked(self, unstacked_module_name):
        block, slash, rest = unstacked_module_name.partition("/")
        return (rest, int(block[6:])) if slash and block.startswith("block_") else None


class FlatForHaiku(Flat, dm.LayerStackTransparencyMapping):
    pass


@program(PAIR)
def transparent_layer_stack(lib, x):
    def layer(x):
        return lib.Weight()() * x + lib.get_parameter("v", [], init=jnp.ones)

    mapping = Flat() if lib.lib is hk else FlatForHaiku()
    stack = lib.layer_stack(3, transparent=True, transparency_map=mapping)(layer)
    return lib.Weight()(), stack(x), lib.to_module(stack)("outer")(x), lib.next_rng_key()


def transform(lib, f):
    """The convention of dm-haiku, under both."""
    return lib.transform(f, apply_rng=True)


@program(ONE)
def lift(lib, x):
    def inner(x):
        return lib.Weight()() * x + jax.random.normal(lib.next_rng_key())

    model = transform(lib, inner)
    outs = []
    for _ in range(2):
        params = lib.lift(model.init, name="lifted_here")(lib.next_rng_key(), x)
        outs.append(model.apply(params, lib.next_rng_key(), x))
    reused = lib.lift(model.init, allow_reuse=True)
    reused(lib.next_rng_key(), x)
    outs.append(reused(lib.next_rng_key(), x)["weight"]["w"])
    lib.transparent_lift(model.init)(lib.next_rng_key(), x)
    with lib.name_scope("scope", method_name="encode"):
        lib.transparent_lift(model.init)(lib.next_rng_key(), x)
        lib.lift(model.init)(lib.next_rng_key(), x)
    batched = lib.lift(jax.vmap(model.init, (0, None)), name="batched")(jax.random.split(lib.next_rng_key(), 3), x)
    return outs, jax.vmap(model.apply, (0, None, None))(batched, lib.next_rng_key(), x), lib.next_rng_key()


@program(ONE)
def lift_with_state(lib, x):
    model = lib.transform_with_state(lambda x: lib.Noisy()(x))
    outs = []
    for init, updater in (lib.lift_with_state(model.init, name="inner"), lib.transparent_lift_with_state(model.init)):
        out, state = model.apply(*init(lib.next_rng_key(), x), lib.next_rng_key(), x)
        updater.update(state)
        outs.append(out)
    init, updater = lib.lift_with_state(model.init)
    init(lib.next_rng_key(), x)
    updater.ignore_update()
    return outs, lib.next_rng_key()


@program()
def names(lib):
    class Methods(lib.Module):
        def __call__(self):
            self.like_call(), self.like_other(), self.see_through()

        @lib.experimental.name_like("__call__")
        def like_call(self):
            return lib.Weight()()

        @lib.experimental.name_like("other")
        def like_other(self):
            return lib.Weight()()

        @lib.transparent
        def see_through(self):
            return lib.Weight()(), lib.get_parameter("w", [], init=jnp.ones)

    class SeeThrough(lib.Module):
        @lib.transparent
        def __init__(self):
            super().__init__()
            self.weight = lib.Weight()

    methods = Methods()
    methods.like_call(), methods.like_other(), methods.see_through(), methods()
    SeeThrough().weight()
    lib.Weight(name=lib.force_name("weight"))(), lib.Weight(name=lib.force_name("x/y"))()
    for method in ("__call__", "__init__", "encode"):
        with lib.name_scope("scope", method_name=method):
            lib.Weight()(), lib.get_parameter("z", [], init=jnp.ones), lib.Weight(name=lib.force_name("other/w"))()
            current = lib.experimental.current_name()

    def named():
        return lib.Weight()()

    named_module = lib.to_module(named)
    return current, named_module()(), named_module("other_name")(), named_module(name="other_name")()


@program()
def variables_of_modules(lib):
    class Outer(lib.Module):
        def __init__(self, given):
            super().__init__()
            self.own, self.given = lib.Weight(), given

        def __call__(self):
            self.own(), self.given(), lib.Weight()(), lib.count()
            return sorted(self.params_dict()), sorted(self.state_dict())

    given = lib.Weight()
    given()
    return Outer(given)(), Outer(lib.Weight())(), sorted(given.params_dict()), lib.Weight(name="outer_x")()


@program()
def keys(lib):
    maybe = lib.maybe_next_rng_key()
    with lib.with_rng(jax.random.PRNGKey(7)):
        other = lib.next_rng_key(), lib.next_rng_keys(2)
    lib.reserve_rng_keys(3)
    state = lib.maybe_get_rng_sequence_state()
    first = lib.next_rng_key()
    lib.replace_rng_sequence_state(state)
    return maybe, other, state, first, [lib.next_rng_key() for _ in range(5)]


@program()
def hooks(lib):
    log = []

    def creator(tag):
        def create(next_creator, shape, dtype, init, context):
            described = str(jnp.dtype(context.original_dtype)), str(tuple(context.original_shape))
            log.append((tag, context.full_name, context.module_name, context.name, *described))
            log.append(("lifted", str(context.lifted_prefix_name)))
            return next_creator(shape, dtype, init)

        return create

    def getter(factor):
        return lambda next_getter, value, context: next_getter(value * factor)

    def setter(next_setter, value, context):
        log.append(("set", context.full_name, str(context.original_shape), str(context.original_dtype)))
        return next_setter(value + 1) if context.name != "dropped" else lib.DO_NOT_STORE

    with (
        lib.custom_creator(creator("params")),
        lib.custom_creator(creator("state"), state=True, params=False),
        lib.custom_getter(getter(2)),
        lib.custom_getter(getter(3), params=False, state=True),
        lib.custom_setter(setter),
    ):
        out = lib.Noisy()(), lib.Weight()(), lib.Linear(2)(PAIR)
        lib.set_state("dropped", ONE)
        inner = transform(lib, lambda: lib.Weight()())
        with lib.name_scope("scope"):
            lib.lift(inner.init)(lib.next_rng_key()), lib.transparent_lift(inner.init)(lib.next_rng_key())
    return out, sorted(log), lib.get_params(), lib.get_current_state(), lib.get_initial_state()


@program()
def interceptors(lib):
    log = []

    def intercept(tag):
        def run(next_f, args, kwargs, context):
            log.append((tag, type(context.module).__name__, context.method_name, context.orig_class.__name__))
            return next_f(*args, **kwargs)

        return run

    class Derived(lib.Noisy):
        def __call__(self, x=1.0):
            return super().__call__(x) + self.method() + self.prop + len(self)

        def method(self):
            return 1

        @property
        def prop(self):
            return 1

        def __len__(self):
            return 1

    with lib.intercept_methods(intercept("outer")), lib.intercept_methods(intercept("inner")):
        return Derived()(), log


@pytest.mark.parametrize(
    ("name", "reserve"), [*((name, 1) for name in PROGRAMS), *((name, 3) for name in ("scan", "cond", "vmap", "keys"))]
)
def test_programs(name, reserve):
    run, args = PROGRAMS[name]
    with dm.config.context(rng_reserve_size=reserve), hk.config.context(rng_reserve_size=reserve):
        with warnings.catch_warnings(action="ignore"):
            theirs = everything(dm, run, *args)
        same(everything(hk, run, *args), theirs)


@dataclasses.dataclass(frozen=True)
class Node:
    """A random program: what to do, how often, and what is inside."""

    kind: str
    calls: int
    inside: tuple["Node", ...]


KINDS = ["module", "method", "shared", "scope", "lift", "transparent_lift", "remat", "grad", "vmap", "scan"]
LEAVES = st.builds(Node, st.sampled_from(["weight", "noisy", "state", "key"]), st.integers(1, 2), st.just(()))
PROGRAM_TREES = st.recursive(
    LEAVES,
    lambda inside: st.builds(
        Node, st.sampled_from(KINDS), st.integers(1, 2), st.lists(inside, min_size=1, max_size=2).map(tuple)
    ),
    max_leaves=8,
)


def run_node(lib, node):
    """Runs a node and returns a number that depends on everything in it.

    In the body of a scan dm-haiku can't build modules, so there the modules are those built before.
    """

    class Block(lib.Module):
        def __call__(self):
            return run_all(lib, node.inside)

        def method(self):
            return run_all(lib, node.inside)

    def once():
        if node.kind == "weight":
            return lib.Weight()()
        if node.kind == "noisy":
            return lib.Noisy()()
        if node.kind == "state":
            return lib.count()
        if node.kind == "key":
            return jax.random.normal(lib.next_rng_key())
        if node.kind == "module":
            return Block()()
        if node.kind == "method":
            return Block().method()
        if node.kind == "shared":
            block = Block()
            return block() + block()
        if node.kind == "scope":
            with lib.name_scope("scope"):
                return run_all(lib, node.inside)
        if node.kind in ("lift", "transparent_lift"):
            inner = lib.transform_with_state(lambda: run_all(lib, node.inside))
            if node.kind == "transparent_lift":
                with lib.name_scope("apart"):
                    init, updater = lib.transparent_lift_with_state(inner.init)
                    params, state = init(lib.next_rng_key())
                    out, state = inner.apply(params, state, lib.next_rng_key())
                    updater.update(state)
                return out
            # See layer_stack for why each has a name of its own.
            init, updater = lib.lift_with_state(inner.init, name="lifted_" + "x" * next(lib.numbers))
            params, state = init(lib.next_rng_key())
            out, state = inner.apply(params, state, lib.next_rng_key())
            updater.update(state)
            return out
        if node.kind == "remat":
            return lib.remat(lambda: run_all(lib, node.inside))()
        if node.kind == "grad":
            return lib.grad(lambda x: x * run_all(lib, node.inside))(1.0)
        if node.kind == "vmap":
            return lib.vmap(lambda x: x * run_all(lib, node.inside), split_rng=False)(X).sum()
        block = Block()
        return lib.scan(lambda c, x: (c + x * noisy_sum(block), None), block() * 0, X)[0]

    def noisy_sum(block):
        return jax.random.normal(lib.next_rng_key()) + lib.get_parameter("in_scan", [], init=jnp.ones)

    return sum(once() for _ in range(node.calls))


def run_all(lib, nodes):
    return sum((run_node(lib, node) for node in nodes), jnp.zeros([]))


@settings(max_examples=10)
@given(st.lists(PROGRAM_TREES, min_size=1, max_size=2))
def test_random_programs(nodes):
    def program(lib):
        return run_all(lib, nodes), lib.next_rng_key()

    def outcome(lib):
        try:
            return everything(lib, program)
        except ValueError as error:  # A lifted function may not be initialised twice in one place.
            return "exists already" if "exist" in str(error) and "already" in str(error) else str(error)

    ours, theirs = outcome(hk), outcome(dm)
    if isinstance(ours, str) or isinstance(theirs, str):
        assert ours == theirs
    else:
        same(ours, theirs)
