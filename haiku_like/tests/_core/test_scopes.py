import functools
import inspect

import jax
import jax.numpy as jnp
import pytest

import haiku_like as hk


class Leaf(hk.Module):
    """Holds one parameter, so that its path shows."""

    def __call__(self):
        return hk.get_parameter("w", [], init=jnp.zeros)


def paths(f):
    return list(hk.transform(f).init(None))


def in_init(f):
    """Runs `f` under init and returns what it returns."""
    out = []
    hk.transform_with_state(lambda: out.append(f())).init(None)
    return out[0]


def test_a_block_is_a_module_of_its_own():
    def f():
        Leaf()()
        for _ in range(2):
            with hk.name_scope("block"):
                Leaf()()
                hk.get_parameter("v", [], init=jnp.zeros)
                with hk.name_scope("inner"):
                    Leaf()()
        Leaf(name="block")()
        Leaf()()

    assert paths(f) == [
        "leaf", "block/leaf", "block", "block/inner/leaf", "block_1/leaf", "block_1", "block_1/inner/leaf",
        "block_2", "leaf_1",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("method", "expected"),
    [("__call__", "block/leaf"), ("__init__", "block/~/leaf"), ("encode", "block/~encode/leaf")],
)
def test_a_block_may_stand_for_any_method(method, expected):
    def f():
        with hk.name_scope("block", method_name=method):
            hk.get_parameter("v", [], init=jnp.zeros)
            Leaf()()

    assert paths(f) == ["block", expected]


def test_a_block_in_a_method_and_a_module_across_blocks():
    class Outer(hk.Module):
        def encode(self):
            with hk.name_scope("block"):
                leaf = Leaf()
            leaf()
            Leaf()()
            return hk.current_name()

    assert paths(lambda: Outer().encode()) == ["outer/~encode/block/leaf", "outer/~encode/leaf"]
    assert in_init(lambda: Outer().encode()) == "outer"


def test_an_exception_ends_the_block():
    def f():
        with pytest.raises(RuntimeError, match="inside"), hk.name_scope("block"):
            raise RuntimeError("inside")
        return hk.current_name()

    assert in_init(f) == "~"


def test_current_name():
    class Outer(hk.Module):
        def __init__(self):
            super().__init__()
            self.at_init = hk.current_name()
            self.child = Leaf()

        def __call__(self):
            with hk.name_scope("block"):
                in_block = hk.current_name()
            return self.at_init, hk.current_name(), in_block, self.prop

        @property
        def prop(self):
            return hk.current_name()

    assert in_init(lambda: (hk.current_name(), *Outer()())) == ("~", "outer", "outer", "outer/block", "outer")


def test_forced_names_are_whole_paths():
    def f():
        Leaf()()
        Leaf(name=hk.force_name("leaf"))()
        with hk.name_scope("block"):
            Leaf(name=hk.force_name("a/~/b"))()
            Leaf(name=hk.force_name("a/~/b"))()
            with hk.name_scope(hk.force_name("x/y")):
                Leaf()()
            Leaf(name="a")()
        Leaf()()

    assert paths(f) == ["leaf", "a/~/b", "x/y/leaf", "block/a", "leaf_1"]
    module = in_init(lambda: Leaf(name=hk.force_name("a/b")))
    assert (module.module_name, module.name, repr(module)) == ("a/b", "b", "Leaf(name='a/b')")


def test_a_forced_name_shares_parameters():
    def f():
        hk.get_parameter("w", [], init=jnp.ones)
        return Leaf(name=hk.force_name("~"))()

    assert float(in_init(f)) == 1.0


def test_name_like_names_as_another_method_does():
    class Methods(hk.Module):
        def __call__(self):
            Leaf()()

        @hk.name_like("__call__")
        def like_call(self):
            Leaf()()

        @hk.name_like("encode")
        def like_encode(self):
            Leaf()()

        @property
        @hk.name_like("__init__")
        def like_init(self):
            Leaf()()

    def f():
        methods = Methods()
        methods.like_encode(), methods.like_call(), methods()
        _ = methods.like_init

    assert paths(f) == ["methods/~encode/leaf", "methods/leaf", "methods/~/leaf"]


def test_init_may_be_named_like_another_method():
    class Flat(hk.Module):
        @hk.name_like("__call__")
        def __init__(self):
            super().__init__()
            self.leaf = Leaf()

        def __call__(self):
            self.leaf()
            Leaf()()

    assert paths(lambda: Flat()()) == ["flat/leaf"]  # Both runs number afresh, so they share.


def test_transparent_methods_run_in_the_callers_scope():
    class Block(hk.Module):
        @hk.transparent
        def __init__(self, name=None):
            super().__init__(name)
            self.leaf = Leaf()

        @hk.transparent
        def __call__(self):
            self.leaf()
            Leaf()()
            hk.get_parameter("v", [], init=jnp.zeros)
            return hk.current_name()

        def opaque(self):
            Leaf()()

    class Outer(hk.Module):
        def __call__(self):
            block = Block()
            return block(), block.opaque(), block.module_name

    assert paths(lambda: Block()()) == ["leaf", "leaf_1", "~"]
    assert paths(lambda: Outer()()) == ["outer/leaf", "outer/leaf_1", "outer", "outer/block/~opaque/leaf"]
    assert in_init(lambda: Outer()()) == ("outer", None, "outer/block")


def test_decorators_work_below_and_above_others():
    def logged(method):
        @functools.wraps(method)
        def run(self, *args):
            return method(self, *args)

        return run

    class Block(hk.Module):
        @logged
        @hk.transparent
        def above(self):
            Leaf()()

        @property
        @hk.transparent
        def prop(self):
            Leaf()()

        @hk.transparent
        @logged
        def below(self):
            Leaf()()

    def f():
        block = Block()
        block.above(), block.below()
        _ = block.prop

    assert paths(f) == ["leaf", "leaf_1", "leaf_2"]


def test_a_method_with_the_marks_of_another_still_has_its_scope():
    class Base(hk.Module):
        def __call__(self):
            return hk.current_name()

    class Derived(Base):
        @functools.wraps(Base.__call__)
        def __call__(self):
            Leaf()()
            return hk.current_name(), super().__call__()

    assert paths(lambda: Derived()()) == ["derived/leaf"]
    assert in_init(lambda: Derived()()) == ("derived", "derived")


def test_a_function_becomes_a_module():
    def encoder(x, *, scale=2.0):
        """Encodes."""
        return Leaf()() + x * scale

    Encoder = hk.to_module(encoder)  # noqa: N806 (a class)

    def f():
        shared = Encoder()
        out = shared(1.0), shared(2.0, scale=3.0), Encoder()(1.0), Encoder("other")(1.0), Encoder(name="other")(1.0)
        return [float(x) for x in out]

    assert in_init(f) == [2.0, 6.0, 2.0, 2.0, 2.0]
    assert paths(f) == ["encoder/leaf", "encoder_1/leaf", "other/leaf", "other_1/leaf"]
    assert issubclass(Encoder, hk.Module)
    assert Encoder.__doc__ == "Encodes."
    assert str(inspect.signature(Encoder.__call__)) == "(self, /, x, *, scale=2.0)"


def test_functions_without_a_name_or_with_odd_arguments_become_modules():
    def odd(self, args, kwargs):
        return Leaf()() + self + args + kwargs

    odd_module, unnamed = hk.to_module(odd), hk.to_module(functools.partial(odd, 1.0, 2.0))

    def f():
        return odd_module()(self=1.0, args=2.0, kwargs=3.0), unnamed()(3.0), hk.to_module(lambda: Leaf()())()()

    assert paths(f) == ["odd/leaf", "to_module_wrapper/leaf", "to_module_wrapper_1/leaf"]
    assert in_init(lambda: hk.to_module(max)()(1, 2)) == 2  # It has no signature.


def test_variables_of_a_module():
    class Counted(Leaf):
        def __call__(self):
            hk.set_state("calls", hk.get_state("calls", [], init=jnp.zeros) + 1)
            return super().__call__()

    class Outer(hk.Module):
        def __init__(self, given):
            super().__init__()
            self.own, self.given = Counted(name="own"), given

        def __call__(self):
            self.own(), self.given(), Leaf(name="inside")()
            hk.get_parameter("v", [], init=jnp.zeros)
            hk.set_state("s", 1)

    def f():
        given = Counted(name="given")
        outer, other = Outer(given), Outer(given)
        outer()
        Leaf(name="outer_x")()
        listed = [sorted(m.params_dict()) for m in (outer, other, given)]
        return listed, {n: float(x) for n, x in outer.state_dict().items()}, sorted(other.state_dict())

    params, state, of_other = in_init(f)
    assert params == [["given/w", "outer/inside/w", "outer/v", "outer/~/own/w"], [], ["given/w"]]
    assert state == {"outer/~/own/calls": 1.0, "given/calls": 1.0, "outer/s": 1.0}
    assert of_other == []


def test_variables_of_a_module_in_apply():
    def f():
        with hk.name_scope("block"):
            leaf = Leaf()
            leaf()
        return leaf.params_dict()

    model = hk.transform(f)
    assert model.apply({"block/leaf": {"w": jnp.ones([])}, "block": {"v": 1}}) == {"block/leaf/w": 1.0}


def test_what_can_be_named_is_checked():
    with pytest.raises(ValueError, match=r"name_scope: name is 'a/b', expected a Python identifier"):
        in_init(lambda: hk.name_scope("a/b").__enter__())
    with pytest.raises(TypeError, match=r"name_scope: name is 3 of type int, expected a string"):
        in_init(lambda: hk.name_scope(3).__enter__())
    with pytest.raises(TypeError, match=r"name_scope: method_name is None, expected a string such as '__call__'"):
        in_init(lambda: hk.name_scope("a", method_name=None).__enter__())
    for name in ("", None, 3):
        with pytest.raises(TypeError, match=r"force_name: name is .*, expected a string that is not empty, such as 'e"):
            hk.force_name(name)
    with pytest.raises(TypeError, match=r"name_like: method_name is 3, expected a string such as '__call__'"):
        hk.name_like(3)
    with pytest.raises(TypeError, match=r"to_module: f is 3 of type int, expected a function"):
        hk.to_module(3)
    for decorator, name in ((hk.transparent, "transparent"), (hk.name_like("a"), "name_like")):
        with pytest.raises(TypeError, match=rf"{name}: method is .* of type property, expected a function in the body"):
            decorator(property(lambda self: 3))


def test_outside_a_transform_nothing_has_a_name():
    module = in_init(Leaf)
    for function, name in (
        (hk.current_name, "current_name"),
        (lambda: hk.name_scope("a").__enter__(), "name_scope"),
        (module.params_dict, "params_dict"),
        (module.state_dict, "state_dict"),
    ):
        with pytest.raises(hk.UsageError, match=f"{name}: used outside hk.transform, expected use inside a function"):
            function()


def test_names_show_in_what_jax_compiles():
    class Block(hk.Module):
        def __call__(self, x):
            return self.encode(x) + 1.0

        def encode(self, x):
            with hk.name_scope("inner"):
                return jnp.sin(x)

    lowered = jax.jit(hk.transform(lambda x: Block()(x)).apply).lower({}, 1.0)
    assert "block/block.encode/" in lowered.as_text(debug_info=True)
