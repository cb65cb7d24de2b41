import jax
import jax.numpy as jnp
import numpy as np
import pytest

import haiku_like as hk


def test_layers_are_called_in_order():
    f = hk.transform(lambda x: hk.Sequential([lambda x: x + 1, lambda x: x * 2])(x))
    assert f.apply({}, 3) == 8


def test_modules_and_functions_mix():
    f = hk.transform(lambda x: hk.Sequential([hk.Linear(4), jax.nn.relu, hk.Linear(2)])(x))
    x = jnp.ones([3, 5])
    params = f.init(0, x)
    assert list(params) == ["linear", "linear_1"]
    hidden = np.maximum(x @ params["linear"]["w"], 0)
    np.testing.assert_allclose(f.apply(params, x), hidden @ params["linear_1"]["w"], rtol=1e-5)


def test_the_first_layer_takes_all_arguments():
    f = hk.transform(lambda *a, **k: hk.Sequential([lambda x, y, scale: (x + y) * scale, lambda x: -x])(*a, **k))
    assert f.apply({}, 1, 2, scale=10) == -30


def test_no_layers_return_the_input():
    assert hk.transform(lambda x: hk.Sequential([])(x)).apply({}, 7) == 7


def test_an_iterator_of_layers_is_read_once():
    assert hk.transform(lambda x: hk.Sequential(iter([jnp.sin, jnp.cos]))(x)).apply({}, 0.0) == 1.0


def test_what_is_no_layer_is_refused():
    with pytest.raises(
        TypeError, match=r"Sequential: layers is Linear\(output_size=3\) of type Linear, expected a sequence"
    ):
        hk.transform(lambda: hk.Sequential(hk.Linear(3))).init(None)
    with pytest.raises(
        TypeError, match=r"Sequential: layers\[1\] is 3 of type int, expected a function, such as hk.Linear"
    ):
        hk.transform(lambda: hk.Sequential([jnp.sin, 3])).init(None)
