import abc
import copy
import dataclasses
import functools
import gc
import inspect
import pickle
import threading
import weakref
from typing import Any, Generic, Protocol, TypeVar

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
    hk.transform(lambda: out.append(f())).init(None)
    return out[0]


class Parent(hk.Module):
    def __init__(self, name=None):
        super().__init__(name)
        self.child = Leaf()

    def __call__(self):
        self.child()
        Leaf()()
        Leaf()()
        self.encode()
        self._private()
        _ = self.prop
        Leaf()()

    def encode(self):
        Leaf()()

    def _private(self):
        Leaf()()

    @property
    def prop(self):
        return Leaf()()


def test_paths_tell_which_method_built_a_submodule():
    assert paths(lambda: Parent()()) == [
        "parent/~/leaf",
        "parent/leaf",
        "parent/leaf_1",
        "parent/~encode/leaf",
        "parent/~_private/leaf",
        "parent/~prop/leaf",
        "parent/leaf_2",
    ]


def test_name_and_module_name():
    def build():
        return Parent(), Parent(name="other"), Parent()

    first, other, second = in_init(build)
    assert (first.module_name, other.module_name, second.module_name) == ("parent", "other", "parent_1")
    assert (first.child.module_name, first.child.name) == ("parent/~/leaf", "leaf")
    assert (repr(second.child), repr(other)) == ("Leaf()", "Parent(name='other')")


def test_each_run_of_a_method_numbers_afresh_so_that_parameters_are_shared():
    def call_twice():
        parent = Parent()
        parent()
        parent()

    assert paths(call_twice) == paths(lambda: Parent()())


def test_inherited_methods_count_apart_and_inherited_init_together():
    class Child(Parent):
        def __init__(self, name=None):
            super().__init__(name)
            self.second = Leaf()

        def __call__(self):
            Leaf(name="own")()
            super().__call__()
            self.second()
            Leaf(name="own")()

    assert paths(lambda: Child()()) == [
        "child/own",
        "child/~/leaf",
        "child/leaf",
        "child/leaf_1",
        "child/~encode/leaf",
        "child/~_private/leaf",
        "child/~prop/leaf",
        "child/leaf_2",
        "child/~/leaf_1",
        "child/own_1",
    ]


def test_static_class_and_special_methods_run_in_the_callers_scope():
    class Odd(hk.Module):
        def __call__(self):
            self.static()
            self.of_class()
            _ = self[0]

        @staticmethod
        def static():
            Leaf(name="s")()

        @classmethod
        def of_class(cls):
            Leaf(name="c")()

        def __getitem__(self, index):
            Leaf(name="g")()

    assert paths(lambda: Odd()()) == ["odd/s", "odd/c", "odd/g"]


def test_a_property_with_a_setter_keeps_it():
    class Settable(hk.Module):
        def __init__(self):
            super().__init__()
            self._size = 1

        @property
        def size(self):
            """The size."""
            return self._size

        @size.setter
        def size(self, value):
            self._size = value

    def run():
        module = Settable()
        module.size = 5
        return module.size

    assert in_init(run) == 5
    assert Settable.size.__doc__ == "The size."


def test_methods_keep_their_name_and_docstring():
    class Documented(hk.Module):
        def encode(self):
            """Encodes."""

    assert (Documented.encode.__name__, Documented.encode.__doc__) == ("encode", "Encodes.")


def test_dataclasses():
    @dataclasses.dataclass
    class Config(hk.Module):
        size: int
        name: str | None = None

        def __post_init__(self):
            self.child = Leaf()

        def __call__(self):
            self.child()
            return hk.get_parameter("w", [self.size], init=jnp.zeros)

    @dataclasses.dataclass(frozen=True)
    class Plain(hk.Module):
        size: int = 2

        def __call__(self):
            return hk.get_parameter("w", [self.size], init=jnp.zeros)

    def build():
        Config(1)()
        Config(2)()
        Config(3, "named")()
        Config(4, name="named")()
        Plain()()

    assert paths(build) == [
        "config/~/leaf",
        "config",
        "config_1/~/leaf",
        "config_1",
        "named/~/leaf",
        "named",
        "named_1/~/leaf",
        "named_1",
        "plain",
    ]
    assert in_init(lambda: Config(3, "named")).name == "named"


def test_protocols_and_abstract_classes_mix_in():
    class Callable(Protocol):
        def __call__(self): ...

    class Encoder(abc.ABC):
        @abc.abstractmethod
        def encode(self): ...

    class Both(hk.Module, Callable, Encoder):
        def __call__(self):
            return self.encode()

        def encode(self):
            return Leaf()()

    class Incomplete(hk.Module, Encoder):
        pass

    assert paths(lambda: Both()()) == ["both/~encode/leaf"]
    assert in_init(lambda: isinstance(Both(), Encoder))
    with pytest.raises(TypeError, match="abstract"):
        in_init(Incomplete)


def test_an_exception_leaves_the_scope_as_it_was():
    class Failing(hk.Module):
        def __init__(self, fail=False):
            super().__init__()
            if fail:
                raise RuntimeError("in init")

        def __call__(self):
            raise RuntimeError("in call")

    def build():
        with pytest.raises(RuntimeError, match="in init"):
            Failing(fail=True)
        with pytest.raises(RuntimeError, match="in call"):
            Failing()()
        Leaf()()

    assert paths(build) == ["leaf"]
    with pytest.raises(RuntimeError, match="in call"):
        hk.transform(lambda: Failing()()).init(None)
    with pytest.raises(hk.UsageError):
        Leaf()


def test_a_method_without_parameters_runs_outside_a_transform():
    class Sized(hk.Module):
        def double(self, size):
            return 2 * size

    module = in_init(Sized)
    assert module.double(3) == 6
    with pytest.raises(hk.UsageError, match=r"get_parameter: used outside hk.transform"):
        in_init(Leaf)()


def test_threads_do_not_see_each_other():
    barrier = threading.Barrier(4)
    found = {}

    def work(i):
        def build():
            barrier.wait(timeout=30)
            for _ in range(i + 1):
                Leaf(name=f"thread{i}")()

        for _ in range(20):
            found.setdefault(i, []).append(paths(build))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i in range(4):
        expected = [f"thread{i}", *(f"thread{i}_{n}" for n in range(1, i + 1))]
        assert found[i] == [expected] * 20


def test_a_module_outside_a_transform_is_refused_with_an_example():
    message = (
        r"Leaf: used outside hk.transform, expected use inside a function that hk.transform runs(.|\n)*forward.init"
    )
    with pytest.raises(hk.UsageError, match=message):
        Leaf()


def test_a_module_without_super_init_is_refused():
    class Forgetful(hk.Module):
        def __init__(self):
            pass

    class Late(hk.Module):
        def __init__(self):
            Leaf()
            super().__init__()

    class LateParameter(hk.Module):
        def __init__(self):
            hk.get_parameter("w", [], init=jnp.zeros)
            super().__init__()

    class LateMethod(hk.Module):
        def __init__(self):
            self.build()
            super().__init__()

        def build(self):
            hk.set_state("s", 0)

    with pytest.raises(
        hk.UsageError, match=r"Forgetful.__init__: runs in the __init__ of a module that has no name yet"
    ):
        in_init(Forgetful)
    with pytest.raises(hk.UsageError, match=r"module 'leaf': runs in the __init__ of a module that has no name yet"):
        in_init(Late)
    with pytest.raises(hk.UsageError, match=r"get_parameter: runs in the __init__ of a module that has no name yet"):
        in_init(LateParameter)
    with pytest.raises(hk.UsageError, match=r"LateMethod.build: runs in the __init__ of a module that has no name yet"):
        in_init(LateMethod)


def test_init_called_from_elsewhere_is_refused():
    def rename():
        Leaf().__init__(name="other")

    with pytest.raises(hk.UsageError, match=r"Leaf: hk.Module.__init__ was called by other code than the __init__ of"):
        in_init(rename)


def test_bad_names_are_refused():
    with pytest.raises(ValueError, match=r"Leaf: name is 'a/b', expected a Python identifier"):
        in_init(lambda: Leaf(name="a/b"))
    with pytest.raises(ValueError, match=r"module name 'l_1' is taken"):
        in_init(lambda: (Leaf(name="l_1"), Leaf(name="l_1")))


def test_isinstance_of_what_is_no_module():
    module = in_init(Leaf)
    assert isinstance(module, hk.Module)
    assert not isinstance(module, hk.Linear)
    for other in (3, "a", jnp.zeros(2), Leaf, None):
        assert not isinstance(other, hk.Module)
        assert not isinstance(other, hk.Linear)


def test_a_constructor_shows_its_parameters():
    assert list(inspect.signature(hk.Linear).parameters) == ["output_size", "with_bias", "w_init", "b_init", "name"]


def test_functions_as_defaults_of_a_dataclass():
    @dataclasses.dataclass
    class Dense(hk.Module):
        w_init: Any = jnp.zeros
        scale: Any = lambda x: 2 * x

        def __call__(self):
            return self.scale(hk.get_parameter("w", [2], init=self.w_init) + 1)

    f = hk.transform(lambda: Dense()())
    assert f.apply(f.init(None)).tolist() == [2.0, 2.0]


def test_a_dataclass_may_call_the_super_constructor():
    @dataclasses.dataclass
    class Calls(hk.Module):
        size: int = 1
        called: str | None = None

        def __post_init__(self):
            super().__init__(name=self.called)
            Leaf()()

    def build():
        Calls(), Calls(), Calls(called="other")
        Leaf(name="calls")()

    assert paths(build) == ["calls/~/leaf", "calls_1/~/leaf", "other/~/leaf", "calls_2"]


def test_a_dataclass_may_use_methods_and_parameters_while_it_is_made():
    @dataclasses.dataclass
    class Early(hk.Module):
        size: int = 1

        def __post_init__(self):
            self.build()

        def build(self):
            self.w = hk.get_parameter("w", [self.size], init=jnp.zeros)

    f = hk.transform(lambda: Early(3).w)
    assert f.apply(f.init(None)).shape == (3,)


def test_a_dataclass_with_slots_inheritance_and_init_only_fields():
    @dataclasses.dataclass(slots=True)
    class Slotted(hk.Module):
        size: int = 1
        name: str | None = None

        def __call__(self):
            Leaf()()

    @dataclasses.dataclass
    class Derived(Slotted):
        more: int = 2
        only: dataclasses.InitVar[int] = 3

    assert paths(lambda: (Slotted()(), Slotted(name="named")(), Derived(more=5)())) == [
        "slotted/leaf",
        "named/leaf",
        "derived/leaf",
    ]


def test_a_name_as_class_attribute():
    class Encoder(hk.Module):
        name = "enc"

        def __call__(self):
            Leaf()()

    assert paths(lambda: (Encoder()(), Encoder()(), Encoder(name="other")())) == [
        "enc/leaf",
        "enc_1/leaf",
        "other/leaf",
    ]


def test_setters_and_deleters_run_in_a_scope():
    class Settable(hk.Module):
        @property
        def value(self):
            return 0

        @value.setter
        def value(self, value):
            Leaf(name="setter")()

        @value.deleter
        def value(self):
            Leaf(name="deleter")()

    def build():
        module = Settable()
        module.value = 1
        del module.value

    assert paths(build) == ["settable/~value/setter", "settable/~value/deleter"]


def test_recursion_keeps_the_path():
    class Countdown(hk.Module):
        def __call__(self, n):
            Leaf()()
            return self(n - 1) if n else None

    assert paths(lambda: Countdown()(2)) == ["countdown/leaf"]


def test_a_module_can_be_copied():
    def build():
        parent = Parent()
        copy.deepcopy(parent)()
        return parent.module_name

    assert in_init(build) == "parent"


def test_numbers_in_names():
    def build():
        for name in ("l", "l_100", "l", "l_007", "l_007", "l_5"):
            Leaf(name=name)()

    assert paths(build) == ["l", "l_100", "l_101", "l_007", "l_007_1", "l_5"]

    class L100(hk.Module):
        def __call__(self):
            Leaf(name="l_100")()

    assert paths(lambda: L100(name="l_100")()) == ["l_100/l_100"]


def test_generic_modules():
    T = TypeVar("T")

    class Box(hk.Module, Generic[T]):
        def __init__(self, item: T):
            super().__init__()
            self.item = item

        def __call__(self) -> T:
            return self.item

    assert in_init(lambda: Box[int](3)()) == 3
    assert in_init(lambda: isinstance(Box(3), Box))


def test_abstract_properties_and_protocols_with_fields():
    class Sized(Protocol):
        size: int

    class Base(hk.Module, abc.ABC):
        @property
        @abc.abstractmethod
        def size(self): ...

    class Known(Base, Sized):
        @property
        def size(self):
            return 3

    assert in_init(lambda: Known().size) == 3
    with pytest.raises(TypeError, match="abstract"):
        in_init(Base)


def test_cached_properties_and_functions_of_jax_run_in_the_callers_scope():
    class Odd(hk.Module):
        @functools.cached_property
        def once(self):
            return Leaf()()

        twice = staticmethod(jax.jit(lambda x: 2 * x))

        def __call__(self):
            return self.once, self.once, self.twice(2)

    assert paths(lambda: Odd()()) == ["odd/leaf"]
    assert int(in_init(lambda: Odd()())[2]) == 4


def test_a_metaclass_argument_reaches_init_subclass():
    class Base(hk.Module):
        def __init_subclass__(cls, tag=None, **kwargs):
            super().__init_subclass__(**kwargs)
            cls.tag = tag

    class Tagged(Base, tag="x"):
        pass

    assert Tagged.tag == "x"


def test_modules_of_one_call_may_be_used_in_another():
    kept = []

    def first():
        kept.append(Leaf(name="kept"))

    def second():
        kept[0]()
        Leaf(name="kept")()

    hk.transform(first).init(None)
    assert paths(second) == ["kept"]


@dataclasses.dataclass
class Picklable(hk.Module):
    size: int = 1
    name: str | None = None

    def __call__(self):
        return Leaf()()


def test_a_module_can_be_pickled():
    same = pickle.loads(pickle.dumps(in_init(Picklable)))
    assert (same.module_name, same.size, repr(same)) == ("picklable", 1, repr(in_init(Picklable)))
    assert paths(lambda: same()) == ["picklable/leaf"]


def test_module_classes_are_not_kept_alive():
    class Local(hk.Module):
        def __call__(self):
            return Leaf()()

    with hk.mixed_precision.push_policy(Local, hk.mixed_precision.Policy(*[jnp.float32] * 3)):
        paths(lambda: Local()())
    reference = weakref.ref(Local)
    del Local
    gc.collect()
    assert reference() is None
