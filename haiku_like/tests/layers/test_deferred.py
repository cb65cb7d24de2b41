import copy

import jax
import jax.numpy as jnp
import pytest

import haiku_like as hk

X = jnp.ones([2, 4])


class Model(hk.Module):
    built = 0

    def __init__(self, size=3, name=None):
        super().__init__(name=name)
        type(self).built += 1
        self.size = size
        self.head = hk.Linear(size)

    def __call__(self, x):
        return self.head(x)

    def encode(self, x):
        return hk.Linear(5)(x)

    @property
    def double(self):
        return 2 * self.size


def run(f):
    return hk.transform(f).init(0, X)


def value(f):
    """What `f` returns, given parameters that it created."""
    transformed = hk.transform(lambda: f(X))
    return transformed.apply(transformed.init(0))


def test_the_target_is_built_once_at_the_first_call():
    def f(x):
        Model.built = 0
        deferred = hk.Deferred(Model)
        assert Model.built == 0
        out = deferred(x)
        assert Model.built == 1
        deferred(x)
        assert isinstance(deferred.target, Model)
        assert Model.built == 1
        return out

    assert value(f).shape == (2, 3)


@pytest.mark.parametrize(
    "use",
    [
        lambda d: d.target,
        lambda d: d.size,
        lambda d: d.double,
        lambda d: setattr(d, "size", 4),
        lambda d: delattr(d, "size"),
    ],
)
def test_every_use_builds(use):
    def f(x):
        Model.built = 0
        use(hk.Deferred(Model))
        assert Model.built == 1

    run(f)


def test_siblings_are_numbered_in_the_order_in_which_they_are_built():
    def f(x):
        late = hk.Deferred(lambda: hk.Linear(3))
        hk.Linear(2)(x)
        late(x)

    assert {path: p["b"].shape for path, p in run(f).items()} == {"linear": (2,), "linear_1": (3,)}


def test_the_path_is_that_of_the_place_where_it_was_made():
    class Outer(hk.Module):
        def __init__(self):
            super().__init__()
            self.inner = hk.Deferred(lambda: hk.Linear(self.size))

        def __call__(self, x):
            self.size = x.shape[-1]
            return self.inner(x)

    class Other(hk.Module):
        def __call__(self, module, x):
            return hk.Linear(2)(module(x))

    assert list(run(lambda x: Outer()(x))) == ["outer/~/linear"]
    assert list(run(lambda x: Other()(hk.Deferred(lambda: hk.Linear(3)), x))) == ["linear", "other/linear"]


def test_attributes_are_the_targets():
    def f(x):
        deferred = hk.Deferred(Model)
        assert (deferred.size, deferred.double, deferred.module_name) == (3, 6, "model")
        deferred.size = 7
        assert deferred.target.size == deferred.size == 7
        deferred._private = 1
        assert deferred.target._private == deferred._private == 1
        del deferred.size
        assert not hasattr(deferred.target, "size")
        assert not hasattr(deferred, "size")
        return deferred.encode(x)

    assert value(f).shape == (2, 5)


def test_a_method_that_is_named_builds_when_it_is_called():
    def f(x):
        Model.built = 0
        encode = hk.Deferred(Model, call_methods=["__call__", "encode"]).encode
        assert Model.built == 0
        hk.Linear(1)(x)
        out = encode(x)
        assert Model.built == 1
        return out

    assert value(f).shape == (2, 5)
    assert list(run(f)) == ["linear", "model/~encode/linear"]


def test_a_factory_that_fails_may_be_tried_again():
    def f(x):
        results = [ValueError("once"), hk.Linear(2)]

        def factory():
            result = results.pop(0)
            if isinstance(result, Exception):
                raise result
            return result

        deferred = hk.Deferred(factory)
        with pytest.raises(ValueError, match="once"):
            deferred(x)
        return deferred(x)

    assert value(f).shape == (2, 2)


def test_it_shows_whether_it_is_built_without_building():
    def f(x):
        deferred = hk.Deferred(lambda: hk.Linear(2))
        assert repr(deferred) == "Deferred(not built yet)"
        deferred(x)
        assert repr(deferred) == f"Deferred({deferred.target!r})"

    run(f)


def test_copies_and_looks_at_private_names_build_nothing():
    def f(x):
        Model.built = 0
        deferred = hk.Deferred(Model)
        copied = copy.copy(deferred)
        assert not hasattr(deferred, "__len__")
        assert not hasattr(deferred, "_repr_html_")
        jax.tree.map(lambda x: x, [deferred])
        assert Model.built == 0
        return copied(x)

    assert value(f).shape == (2, 3)


def test_under_jit_and_grad():
    transformed = hk.transform(lambda x: hk.Deferred(lambda: hk.Linear(2))(x))
    params = jax.jit(transformed.init)(0, X)
    grads = jax.jit(jax.grad(lambda p: transformed.apply(p, X).sum()))(params)
    assert grads["linear"]["b"].tolist() == [2, 2]


def test_bad_input_is_refused():
    with pytest.raises(TypeError, match=r"Deferred: factory is 3 of type int, expected a function, such as lambda: hk"):
        run(lambda x: hk.Deferred(3))
    for methods in ("encode", [1]):
        with pytest.raises(TypeError, match=r"Deferred: call_methods is .*, expected a sequence of strings"):
            run(lambda x, methods=methods: hk.Deferred(Model, methods))
    with pytest.raises(TypeError, match=r"Deferred: call_methods is 3 of type int, expected a sequence"):
        run(lambda x: hk.Deferred(Model, 3))
    with pytest.raises(
        TypeError, match=r"Deferred: factory returned 3 of type int, which cannot be called, expected a"
    ):
        run(lambda x: hk.Deferred(lambda: 3)(x))
    with pytest.raises(AttributeError, match="'Model' object has no attribute 'nothing'"):
        run(lambda x: hk.Deferred(Model).nothing)
    with pytest.raises(AttributeError, match=r"attribute '_x' is read before the target is built.*deferred.target._x"):
        run(lambda x: hk.Deferred(Model)._x)
    with pytest.raises(AttributeError, match="'int' object has no attribute 'oops'"):
        run(lambda x: hk.Deferred(lambda: (1).oops).target)
    with pytest.raises(hk.UsageError, match=r"Deferred: used outside hk.transform"):
        hk.Deferred(Model)


@pytest.mark.parametrize(
    "wrap",
    [
        hk.jit,
        hk.remat,
        lambda f: hk.vmap(f, split_rng=False),
        lambda f: lambda x: hk.map(f, x),
        lambda f: lambda x: hk.cond(True, f, f, x),
        lambda f: lambda x: hk.value_and_grad(lambda x: (lambda y: (y.sum(), y))(f(x)), has_aux=True)(x)[0][1],
    ],
)
@pytest.mark.parametrize("inside", [False, True])
def test_built_in_the_body_of_a_wrapper_it_keeps_its_name(wrap, inside):
    def forward(x):
        deferred = hk.Deferred(lambda: hk.Linear(2))
        sizes = [3, 4] if inside else [4]

        def body(x):
            if inside:
                x = hk.Linear(3)(x)
            return deferred(x)

        out = wrap(body)(x)
        return out, [hk.Linear(n)(x) for n in sizes], deferred(jnp.ones(3 if inside else 5))

    model = hk.transform(forward)
    x = jnp.ones([2, 5])
    params = model.init(jax.random.key(0), x)
    shapes = {path: bundle["w"].shape for path, bundle in params.items()}
    assert shapes.pop("linear_1" if inside else "linear") == (3 if inside else 5, 2)
    assert (5, 4) in shapes.values()
    assert model.apply(params, x)[0].shape == (2, 2)
