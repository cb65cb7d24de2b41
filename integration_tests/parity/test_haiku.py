"""The same programs under dm-haiku and haiku_like: the same paths, initial values bit for bit, and outputs."""

import dataclasses
import re
import warnings

import haiku as dm
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import haiku_like as hk

KEY = jax.random.PRNGKey(42)
X = np.linspace(-1, 1, 24, dtype=np.float32).reshape(4, 6)


def flat(tree):
    """Lists the leaves with their paths, in order of creation."""
    return [(path, name, np.asarray(value)) for path, bundle in tree.items() for name, value in bundle.items()]


def assert_identical(ours, theirs):
    assert [entry[:2] for entry in ours] == [entry[:2] for entry in theirs]
    for (path, name, a), (_, _, b) in zip(ours, theirs, strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype), f"{path}/{name}"
        np.testing.assert_array_equal(a, b, err_msg=f"{path}/{name}")


def compare(program, *args, key=KEY):
    """Runs `program(library, *args)` under both, by init and then by apply with what init gave."""
    ours = hk.transform_with_state(lambda *a: program(hk, *a))
    theirs = dm.transform_with_state(lambda *a: program(dm, *a))
    (params, state), (dm_params, dm_state) = ours.init(key, *args), theirs.init(key, *args)
    assert_identical(flat(params), flat(dm_params))
    assert_identical(flat(state), flat(dm_state))
    (out, state), (dm_out, dm_state) = ours.apply(params, state, key, *args), theirs.apply(params, state, key, *args)
    assert_identical(flat(state), flat(dm_state))
    jax.tree.map(np.testing.assert_array_equal, out, dm_out)


INITIALIZERS = [
    *(("Constant", (value,)) for value in (2, 0.5)),
    *(("Identity", args) for args in ((), (2.5,))),
    *(("Orthogonal", args) for args in ((), (1.3,), (1.0, 0), (1.0, -2))),
    *(("RandomNormal", args) for args in ((), (0.3, 1.5))),
    *(("RandomUniform", args) for args in ((), (-0.1, 0.3))),
    *(("TruncatedNormal", args) for args in ((), (0.3, 1.5), (0.3, 0.1, -1.0, 3.0))),
    *(("UniformScaling", args) for args in ((), (1.43,))),
    ("VarianceScaling", ()),
    *(
        ("VarianceScaling", (scale, mode, distribution))
        for scale in (1.3, 2.0)
        for mode in ("fan_in", "fan_out", "fan_avg")
        for distribution in ("truncated_normal", "normal", "uniform")
    ),
    *(("VarianceScaling", (1.3, "fan_avg", "uniform", axes)) for axes in ((), (0,), (1,), (0, 2), (-1,))),
]
SHAPES = [(7, 3), (3,), (2, 3, 4, 5), (0, 3)]


@pytest.mark.optimized
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.float16, jnp.complex64])
@pytest.mark.parametrize(("name", "args"), INITIALIZERS)
def test_initializers(name, args, dtype):
    compared = 0
    for shape in SHAPES if dtype == jnp.float32 else SHAPES[:1]:
        program = dm.transform(lambda shape=shape: getattr(dm.initializers, name)(*args)(shape, dtype))
        try:
            with warnings.catch_warnings(action="ignore"):
                theirs = program.apply({}, KEY)
        except Exception:  # What dm-haiku can't draw, such as an orthogonal vector, has nothing to compare with.
            continue
        ours = hk.transform(lambda shape=shape: getattr(hk.initializers, name)(*args)(shape, dtype), apply_rng=True)
        assert_identical([("", shape, np.asarray(ours.apply({}, KEY)))], [("", shape, np.asarray(theirs))])
        compared += 1
    can_not = (name == "Orthogonal" and dtype in (jnp.bfloat16, jnp.float16)) or (
        dtype == jnp.complex64 and (name in ("UniformScaling", "RandomUniform") or "uniform" in args)
    )
    assert compared >= (0 if can_not else 2 if dtype == jnp.float32 else 1)


@pytest.mark.optimized
@pytest.mark.parametrize("key", [0, KEY, jax.random.key(1), jax.random.key(2, impl="rbg")], ids=str)
def test_mlp(key):
    compare(lambda lib, x: lib.nets.MLP([5, 3, 2])(x), X, key=key)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.float16])
@pytest.mark.parametrize("shape", [(6,), (4, 6), (2, 2, 6), (0, 6)])
def test_linear(dtype, shape):
    compare(lambda lib, x: lib.Linear(3)(x), np.resize(X, shape).astype(dtype))
    compare(lambda lib, x: lib.Linear(3, with_bias=False)(x), np.resize(X, shape).astype(dtype))


@pytest.mark.usefixtures("x64")
def test_double_precision():
    compare(lambda lib, x: lib.nets.MLP([5, 3])(x), X.astype(np.float64))


def test_mlp_with_dropout_and_reverse():
    def program(lib, x):
        encoder = lib.nets.MLP([5, 3], activation=jnp.tanh, activate_final=True)
        code = encoder(x, 0.4, lib.next_rng_key())
        return encoder.reverse()(code), encoder.reverse(False, "decoder")(code, 0.2, lib.next_rng_key())

    compare(program, X)


def test_sequential_flatten_and_reshape():
    def program(lib, x):
        layers = [lib.Flatten(), lib.Linear(8), jax.nn.relu, lib.Reshape((2, -1)), lib.Linear(3, name="head"), jnp.tanh]
        return lib.Sequential(layers)(x), lib.Flatten(-2)(x), lib.Reshape((3, 2), preserve_dims=-1)(x)

    compare(program, X.reshape(2, 2, 6))


def test_state_and_keys():
    def program(lib, x):
        count = lib.get_state("count", [], jnp.int32, init=jnp.zeros)
        lib.set_state("count", count + 1)
        lib.set_state("set_only", x)
        return lib.next_rng_keys(3), lib.next_rng_key(), lib.get_state("count")

    compare(program, X)


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("broadcast_dims", [(), (0,), (-1,), (0, 1)])
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_dropout(rate, broadcast_dims, dtype):
    ours, theirs = (lib.dropout(KEY, rate, jnp.asarray(X, dtype), broadcast_dims) for lib in (hk, dm))
    assert ours.dtype == theirs.dtype
    np.testing.assert_array_equal(ours, theirs)


OPERATIONS = st.sampled_from(["next", "take", "reserve", "reserve_up_to_full"])


@given(st.integers(0, 2**31 - 1), st.lists(st.tuples(OPERATIONS, st.integers(0, 3)), max_size=8))
def test_rng_sequences(seed, operations):
    sequences = [lib.PRNGSequence(seed) for lib in (hk, dm)]
    for operation, number in operations:
        takes_number = operation in ("take", "reserve")
        ours, theirs = (getattr(s, operation)(*([number] if takes_number else [])) for s in sequences)
        jax.tree.map(np.testing.assert_array_equal, ours, theirs)
        jax.tree.map(np.testing.assert_array_equal, *(s.internal_state for s in sequences))


CLASS_NAMES = st.from_regex(r"[A-Z_][A-Za-z0-9_]{0,7}", fullmatch=True)


@given(CLASS_NAMES)
def test_default_module_names(class_name):
    def path(lib):
        return type(lib.Module)(class_name, (lib.Module,), {})().module_name

    found = []
    for lib in (hk, dm):
        lib.transform(lambda lib=lib: found.append(path(lib))).init(None)
    assert found[0] == found[1]


@dataclasses.dataclass(frozen=True)
class Spec:
    """A module to build: what it asks for, what it builds in each method, and how often it is called."""

    name: str | None
    subclass: bool
    parameters: int
    in_init: tuple["Spec", ...]
    in_call: tuple["Spec", ...]
    in_method: tuple["Spec", ...]
    calls: int


NAMES = st.sampled_from([None, None, None, "a", "b", "a_1", "a_10", "b_01"])


def specs(children):
    lists = st.lists(children, max_size=2).map(tuple)
    return st.builds(Spec, NAMES, st.booleans(), st.integers(0, 2), lists, lists, lists, st.integers(1, 2))


TREES = st.recursive(
    st.builds(Spec, NAMES, st.booleans(), st.just(1), st.just(()), st.just(()), st.just(()), st.integers(0, 2)),
    specs,
    max_leaves=12,
)


def run_tree(lib, spec):
    """Builds and calls the modules of a tree under a library."""

    class Block(lib.Module):
        def __init__(self, spec, name=None):
            super().__init__(name=name)
            self.spec = spec
            self.children = [make(child) for child in spec.in_init]

        def __call__(self):
            for i in range(self.spec.parameters):
                lib.get_parameter(f"w{i}", [2], init=lib.initializers.RandomNormal())
            for child in self.children:
                call(child)
            for child in self.spec.in_call:
                call(make(child))
            self.encode()

        def encode(self):
            for child in self.spec.in_method:
                call(make(child))

    class Other(Block):
        def __init__(self, spec, name=None):
            super().__init__(spec, name=name)
            self.extra = Block(Spec(None, False, 1, (), (), (), 1))

        def __call__(self):
            super().__call__()
            self.extra()

    def make(spec):
        return (Other if spec.subclass else Block)(spec, name=spec.name)

    def call(module):
        for _ in range(module.spec.calls):
            module()

    call(make(spec))
    call(make(spec))


@given(TREES)
def test_random_module_trees(tree):
    def outcome(lib):
        try:
            return flat(lib.transform(lambda: run_tree(lib, tree)).init(KEY))
        except ValueError as error:
            return "a name is taken" if re.search("is not unique|is taken in this scope", str(error)) else str(error)

    ours, theirs = outcome(hk), outcome(dm)
    if isinstance(ours, str) or isinstance(theirs, str):
        assert ours == theirs
    else:
        assert_identical(ours, theirs)
