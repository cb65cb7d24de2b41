import abc
import dataclasses
import threading
from typing import Protocol

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
    assert repr(second.child) == "Leaf('parent_1/~/leaf')"


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

    with pytest.raises(hk.UsageError, match=r"Forgetful.__init__: returned without a call of super\(\).__init__"):
        in_init(Forgetful)
    with pytest.raises(hk.UsageError, match=r"module 'leaf': used in the __init__ of a module that has no name yet"):
        in_init(Late)
    with pytest.raises(hk.UsageError, match=r"get_parameter: used in the __init__ of a module that has no name yet"):
        in_init(LateParameter)
    with pytest.raises(hk.UsageError, match=r"set_state: used in the __init__ of a module that has no name yet"):
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
