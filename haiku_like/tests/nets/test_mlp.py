import jax
import jax.numpy as jnp
import numpy as np
import pytest

import haiku_like as hk

X = np.linspace(-2, 3, 12, dtype=np.float32).reshape(4, 3)


def mlp(*args, **kwargs):
    return hk.transform(lambda x, *call, **call_kwargs: hk.nets.MLP(*args, **kwargs)(x, *call, **call_kwargs))


def by_hand(params, x, activation, activate_final):
    layers = list(params.values())
    for i, layer in enumerate(layers):
        x = x @ np.asarray(layer["w"], np.float64) + np.asarray(layer.get("b", 0.0))
        if activate_final or i < len(layers) - 1:
            x = activation(x)
    return x


@pytest.mark.parametrize("activate_final", [False, True])
@pytest.mark.parametrize("with_bias", [False, True])
def test_layers_and_activations(activate_final, with_bias):
    b_init = hk.initializers.RandomNormal() if with_bias else None
    f = mlp([5, 4, 2], b_init=b_init, with_bias=with_bias, activation=jnp.tanh, activate_final=activate_final)
    params = f.init(0, X)
    assert list(params) == [f"mlp/~/linear_{i}" for i in range(3)]
    np.testing.assert_allclose(f.apply(params, X), by_hand(params, X, np.tanh, activate_final), rtol=1e-5, atol=1e-6)


def test_any_leading_axes():
    f = mlp([5, 2])
    params = f.init(0, X)
    np.testing.assert_allclose(f.apply(params, X.reshape(2, 2, 3)), f.apply(params, X).reshape(2, 2, 2), rtol=1e-6)
    assert f.apply(params, X[0]).shape == (2,)


def test_no_layers_return_the_input():
    np.testing.assert_array_equal(mlp([]).apply({}, X), X)


def test_dropout_zeroes_hidden_activations():
    f = mlp([400, 1], w_init=hk.initializers.Constant(1.0))
    x = jnp.ones([2, 1])
    params = f.init(None, x)
    # Each of the 400 hidden units is 0 or 2, half of them each.
    out = f.apply(params, x, dropout_rate=0.5, rng=jax.random.key(0))
    assert set(np.unique(np.asarray(out) % 2)) == {0.0}
    assert 300 < float(out[0, 0]) < 500
    assert float(f.apply(params, x)[0, 0]) == 400


def test_layers_draw_dropout_apart():
    def hidden(x):
        outs = []
        hk.nets.MLP([64, 64, 64], w_init=hk.initializers.Identity(), activation=lambda x: (outs.append(x), x)[1])(
            x, 0.5, jax.random.key(0)
        )
        return outs

    first, second = hk.transform(hidden).apply(
        hk.transform(lambda x: hk.nets.MLP([64] * 3, w_init=hk.initializers.Identity())(x)).init(
            None, jnp.ones([1, 64])
        ),
        jnp.ones([1, 64]),
    )
    assert 10 < float((first == 0).sum()) < 54
    assert float((second == 0).sum()) > float((first == 0).sum())


def test_reverse_decodes():
    def autoencoder(x):
        encoder = hk.nets.MLP([5, 2], activation=jnp.tanh, activate_final=True)
        code = encoder(x)
        decoder = encoder.reverse(activate_final=False)
        return code, decoder(code), decoder

    f = hk.transform(lambda x: autoencoder(x)[:2])
    params = f.init(0, X)
    assert list(params)[2:] == [f"mlp/~reverse/mlp_reversed/~/linear_{i}" for i in range(2)]
    code, out = f.apply(params, X)
    assert (code.shape, out.shape) == ((4, 2), (4, 3))
    decoder = dict(list(params.items())[2:])
    np.testing.assert_allclose(out, by_hand(decoder, np.asarray(code), np.tanh, False), rtol=1e-5, atol=1e-6)


def test_reverse_takes_a_name_and_keeps_settings():
    def build(x):
        encoder = hk.nets.MLP([5, 2], with_bias=False, activate_final=True)
        encoder(x)
        decoders.append(encoder.reverse(name="decoder"))

    decoders = []
    hk.transform(build).init(0, X)
    assert decoders[0].name == "decoder"
    assert decoders[0].activate_final
    assert not decoders[0].with_bias
    assert decoders[0].output_size == 3


def test_bad_input_is_refused():
    with pytest.raises(
        TypeError, match=r"MLP: output_sizes is 10 of type int, expected a sequence, such as \[300, 10\]"
    ):
        mlp(10).init(0, X)
    with pytest.raises(TypeError, match=r"MLP: activation is None of type NoneType, expected a function"):
        mlp([3, 3], activation=None).init(0, X)
    with pytest.raises(ValueError, match=r"MLP: b_init is given with with_bias=False, expected None"):
        mlp([2], with_bias=False, b_init=jnp.zeros).init(0, X)
    with pytest.raises(ValueError, match=r"MLP: rng is None and dropout_rate is given, expected both or neither"):
        mlp([2, 2]).init(0, X, 0.1)
    with pytest.raises(ValueError, match=r"MLP: dropout_rate is None and rng is given, expected both or neither"):
        mlp([2, 2]).init(0, X, None, jax.random.key(0))
    with pytest.raises(
        ValueError, match=r"MLP.reverse: module 'mlp' has not been called, so its input sizes are unknown"
    ):
        hk.transform(lambda: hk.nets.MLP([2]).reverse()).init(0)
