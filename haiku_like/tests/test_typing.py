import pytest

import haiku_like as hk


class Callable(hk.Module):
    def __call__(self):
        return 1


class Silent(hk.Module):
    def encode(self):
        return 1


def test_modules_have_the_protocols():
    def check():
        for module in (Callable(), hk.Linear(1)):
            assert isinstance(module, hk.ModuleProtocol)
            assert isinstance(module, hk.SupportsCall)
        assert isinstance(Silent(), hk.ModuleProtocol)
        assert not isinstance(Silent(), hk.SupportsCall)

    hk.transform(check).init(None)


def test_others_have_not():
    class Duck:
        name, module_name = "duck", "a/duck"

        def params_dict(self): ...

        def state_dict(self): ...

    assert isinstance(Duck(), hk.ModuleProtocol)
    assert not isinstance(Duck(), hk.SupportsCall)
    for other in (Duck, hk.Linear, Callable, 3, None, lambda: 1):
        assert not isinstance(other, hk.ModuleProtocol)
        assert not isinstance(other, hk.SupportsCall)


def test_a_module_may_inherit_from_a_protocol_of_modules():
    class Encoder(hk.Module, hk.SupportsCall):
        def __call__(self):
            return self.module_name

    assert hk.transform(lambda: Encoder()()).apply({}) == "encoder"


def test_protocols_are_not_built():
    with pytest.raises(TypeError, match="Protocol"):
        hk.ModuleProtocol()
