import haiku_like as hk


def test_nothing_changes():
    inputs, state = {"x": 1}, [object()]
    f = hk.transform(lambda: hk.IdentityCore()(inputs, state))
    assert f.init(None) == {}
    assert f.apply({}) == (inputs, state)


def test_there_is_no_state():
    f = hk.transform(lambda batch_size: hk.IdentityCore().initial_state(batch_size))
    assert f.apply({}, None) == f.apply({}, 3) == ()
