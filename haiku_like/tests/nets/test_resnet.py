import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import haiku_like as hk

BN = {"create_scale": True, "create_offset": True, "decay_rate": 0.9}
X = np.random.RandomState(0).uniform(-1, 1, (2, 5, 4, 8)).astype(np.float32)


def conv(x, w, stride):
    """A convolution with padding SAME, in double precision."""
    kernel = len(w)
    sizes = [-(-size // stride) for size in x.shape[1:3]]
    pads = [max(0, (n - 1) * stride + kernel - size) for n, size in zip(sizes, x.shape[1:3], strict=True)]
    x = np.pad(x, [(0, 0), *[(pad // 2, pad - pad // 2) for pad in pads], (0, 0)])
    out = np.empty((len(x), *sizes, w.shape[-1]))
    for i, j in np.ndindex(*sizes):
        window = x[:, i * stride : i * stride + kernel, j * stride : j * stride + kernel]
        out[:, i, j] = np.einsum("nhwi,hwio->no", window, w)
    return out


def norm(x, p):
    return (x - x.mean((0, 1, 2))) / np.sqrt(x.var((0, 1, 2)) + 1e-5) * p["scale"] + p["offset"]


def relu(x):
    return np.maximum(x, 0)


def block_by_hand(x, p, resnet_v2, bottleneck, stride):
    strides = [1, stride, 1] if bottleneck else [stride, 1]
    out, shortcut = x, x
    if resnet_v2:
        for i, step in enumerate(strides):
            out = relu(norm(out, p[f"batchnorm_{i}"]))
            if i == 0 and "shortcut_conv" in p:
                shortcut = conv(out, p["shortcut_conv"]["w"], stride)
            out = conv(out, p[f"conv_{i}"]["w"], step)
        return out + shortcut
    if "shortcut_conv" in p:
        shortcut = norm(conv(x, p["shortcut_conv"]["w"], stride), p["shortcut_batchnorm"])
    for i, step in enumerate(strides):
        out = norm(conv(out, p[f"conv_{i}"]["w"], step), p[f"batchnorm_{i}"])
        out = relu(out) if i < len(strides) - 1 else out
    return relu(out + shortcut)


def random_like(shapes):
    return jax.tree.map(lambda s: np.random.RandomState(s.size).uniform(-1, 1, s.shape).astype(np.float32), shapes)


@pytest.mark.parametrize("resnet_v2", [False, True])
@pytest.mark.parametrize(
    ("bottleneck", "stride", "use_projection"), [(False, 2, True), (True, 2, True), (True, 1, False)]
)
def test_blocks(resnet_v2, bottleneck, stride, use_projection):
    kind = hk.nets.ResNet.BlockV2 if resnet_v2 else hk.nets.ResNet.BlockV1
    f = hk.transform_with_state(lambda x: kind(8, stride, use_projection, BN, bottleneck, "block")(x, True, False))
    params, state = jax.tree.map(random_like, jax.eval_shape(f.init, jax.random.key(0), X))
    by_name = {path.removeprefix("block/~/"): bundle for path, bundle in params.items()}
    expected = block_by_hand(X.astype(np.float64), by_name, resnet_v2, bottleneck, stride)
    np.testing.assert_allclose(jax.jit(f.apply)(params, state, None, X)[0], expected, rtol=1e-4, atol=1e-4)


def test_a_bottleneck_of_the_first_version_starts_as_the_identity():
    f = hk.transform_with_state(lambda x: hk.nets.ResNet.BlockV1(8, 1, False, BN, True)(x, True, False))
    params, state = jax.jit(f.init)(jax.random.key(0), X)
    np.testing.assert_array_equal(jax.jit(f.apply)(params, state, None, X)[0], relu(X))


def test_the_network_by_hand():
    """One block of each version, between the first convolution, the pool, and the last layer."""
    images = np.random.RandomState(1).uniform(-1, 1, (3, 6, 6, 2)).astype(np.float32)
    for resnet_v2 in (False, True):

        def forward(x, resnet_v2=resnet_v2):
            config = {"bottleneck": False, "channels_per_group": (4,) * 4, "use_projection": (False,) * 4}
            net = hk.nets.ResNet(
                (0, 0, 1, 0), 3, resnet_v2=resnet_v2, initial_conv_config={"output_channels": 4, "kernel_shape": 3},
                strides=(1, 1, 1, 1), **config,
            )  # fmt: skip
            return net(x, is_training=False, test_local_stats=True)

        f = hk.transform_with_state(forward)
        params, state = jax.tree.map(random_like, jax.eval_shape(f.init, jax.random.key(0), images))
        p = {path.removeprefix("res_net/~/"): bundle for path, bundle in params.items()}
        out = conv(images.astype(np.float64), p["initial_conv"]["w"], 2)
        if not resnet_v2:
            out = relu(norm(out, p["initial_batchnorm"]))
        # 3 pixels become 2: windows of 3 with stride 2 around the first and the third.
        out = np.pad(out, [(0, 0), (1, 1), (1, 1), (0, 0)], constant_values=-np.inf)
        out = np.stack([np.stack([out[:, i : i + 3, j : j + 3].max((1, 2)) for j in (0, 2)], 1) for i in (0, 2)], 1)
        block = {path.removeprefix("block_group_2/~/block_0/~/"): bundle for path, bundle in p.items()}
        out = block_by_hand(out, block, resnet_v2, False, 1)
        if resnet_v2:
            out = relu(norm(out, p["final_batchnorm"]))
        expected = out.mean((1, 2)) @ p["logits"]["w"] + p["logits"]["b"]
        np.testing.assert_allclose(jax.jit(f.apply)(params, state, None, images)[0], expected, rtol=1e-4, atol=1e-4)


def layout(net, images=(1, 64, 64, 3), dtype=jnp.float32, **call):
    f = hk.transform_with_state(lambda x: net()(x, **{"is_training": True} | call))
    params, state = jax.eval_shape(f.init, jax.random.key(0), jnp.zeros(images, dtype))
    return params, state, jax.eval_shape(f.apply, params, state, None, jnp.zeros(images, dtype))[0]


@pytest.mark.parametrize(
    ("net", "count"),
    [
        (hk.nets.ResNet18, 11_689_512),
        (hk.nets.ResNet34, 21_797_672),
        (hk.nets.ResNet50, 25_557_032),
        (hk.nets.ResNet101, 44_549_160),
        (hk.nets.ResNet152, 60_192_808),
        (hk.nets.ResNet200, 64_673_832),
    ],
)
def test_the_networks_have_the_published_numbers_of_parameters(net, count):
    params, _, out = layout(lambda: net(1000))
    assert sum(p.size for p in jax.tree.leaves(params)) == count
    assert out.shape == (1, 1000)


def test_configurations_reach_the_layers():
    def small(**config):
        return lambda: hk.nets.ResNet([1] * 4, 3, bottleneck=False, channels_per_group=(4,) * 4, **config)

    bn_config, logits_config = {"create_offset": False}, {"name": "head", "with_bias": False}
    conv_config = {"output_channels": 6, "kernel_shape": 3, "with_bias": True, "name": "stem"}
    params, _, _ = layout(small(bn_config=bn_config, logits_config=logits_config, initial_conv_config=conv_config))
    assert {name: p.shape for name, p in params["res_net/~/stem"].items()} == {"w": (3, 3, 3, 6), "b": (6,)}
    assert list(params["res_net/~/head"]) == ["w"]
    assert list(params["res_net/~/initial_batchnorm"]) == ["scale"]
    assert (bn_config, logits_config["name"], conv_config["name"]) == ({"create_offset": False}, "head", "stem")
    params, state, out = layout(small(resnet_v2=True, strides=(2, 1, 1, 1), name="net"), dtype=jnp.bfloat16)
    assert out.dtype == jnp.bfloat16
    assert "net/~/final_batchnorm" in params
    assert "net/~/initial_batchnorm" not in params
    assert params["net/~/block_group_0/~/block_0/~/shortcut_conv"]["w"].shape == (1, 1, 64, 4)
    assert state["net/~/block_group_3/~/block_0/~/batchnorm_1/~/mean_ema"]["average"].shape == (1, 1, 1, 4)


def test_the_last_layer_starts_as_zero_unless_told_otherwise():
    def f(**config):
        return hk.transform_with_state(lambda x: hk.nets.ResNet([0] * 4, 3, logits_config=config)(x, True))

    x = np.ones([1, 8, 8, 1], np.float32)
    params, _ = f().init(jax.random.key(0), x)
    np.testing.assert_array_equal(params["res_net/~/logits"]["w"], np.zeros([64, 3]))
    params, _ = f(w_init=jnp.ones).init(jax.random.key(0), x)
    np.testing.assert_array_equal(params["res_net/~/logits"]["w"], np.ones([64, 3]))


def test_bad_input_is_refused():
    def message(kind, text, *args, images=(1, 8, 8, 3), **kwargs):
        with pytest.raises(kind, match=re.escape(text)):
            layout(lambda: hk.nets.ResNet(*args, **kwargs), images)

    for name in ("channels_per_group", "use_projection", "strides"):
        text = f"ResNet: {name} is (1, 1, 1), expected a sequence of 4, one for each group of blocks"
        message(ValueError, text, [1] * 4, 3, **{name: (1, 1, 1)})
    message(ValueError, "ResNet: blocks_per_group is [1, 1], expected a sequence of 4, one for each", [1, 1], 3)
    message(TypeError, "ResNet: blocks_per_group is 18 of type int, expected a sequence, such as (3, 4, 6, 3)", 18, 3)
    message(TypeError, "BlockGroup: num_blocks is 1.5 of type float, expected an integer", [1.5] * 4, 3)
    message(TypeError, "ResNet: num_classes is None of type NoneType, expected an integer", [1] * 4, None)
    text = "ResNet: inputs of module 'res_net' has shape (8, 8, 3), expected images [N, H, W, C]. Add a batch axis"
    message(ValueError, text, [1] * 4, 3, images=(8, 8, 3))
    text = "BlockV1: inputs of module 'res_net/~/block_group_0/~/block_0' has a shortcut of shape (1, 2, 2, 64), exp"
    message(ValueError, f"{text}ected (1, 2, 2, 256), the shape", [1] * 4, 3, use_projection=(False,) * 4)
    with pytest.raises(TypeError, match=r"ResNet18: inputs of module 'res_net18' is of type list, expected an array"):
        hk.transform_with_state(lambda: hk.nets.ResNet18(3)([[1.0]], True)).init(0)
