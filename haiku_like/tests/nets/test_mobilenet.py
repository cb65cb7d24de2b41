import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import haiku_like as hk


def layout(*args, images=(1, 32, 32, 3), dtype=jnp.float32, **kwargs):
    f = hk.transform_with_state(lambda x: hk.nets.MobileNetV1(*args, **kwargs)(x, is_training=True))
    params, state = jax.eval_shape(f.init, jax.random.key(0), jnp.zeros(images, dtype))
    return params, state, jax.eval_shape(f.apply, params, state, None, jnp.zeros(images, dtype))[0]


def test_it_has_the_published_number_of_parameters():
    params, _, out = layout()
    assert sum(p.size for p in jax.tree.leaves(params)) == 4_231_976
    assert out.shape == (1, 1000)
    assert layout(dtype=jnp.bfloat16)[2].dtype == jnp.bfloat16


def test_one_block_by_hand():
    """All weights 1 over an image of ones, without normalization: each layer counts what its kernels see."""
    f = hk.transform_with_state(lambda x: hk.nets.MobileNetV1((2,), (3,), 2, use_bn=False)(x, is_training=False))
    x = np.ones([1, 7, 7, 1], np.float32)
    params, state = jax.tree.map(lambda s: np.ones(s.shape, np.float32), jax.eval_shape(f.init, jax.random.key(0), x))
    first = np.full([3, 3], 9 + 1)  # Windows of 3 with stride 2, without padding: 7 pixels become 3.
    # With one pixel of padding and stride 2, 3 pixels become 2, each with 2 pixels of its window inside.
    depthwise = np.full([2, 2], 2 * 2 * first[0, 0] + 1)
    pointwise = 32 * depthwise + 1
    expected = 3 * pointwise.mean() + 1
    np.testing.assert_array_equal(f.apply(params, state, None, x)[0], [[expected, expected]])


def test_activations_are_rectified():
    f = hk.transform_with_state(lambda x: hk.nets.MobileNetV1((1,), (3,), 2, use_bn=False)(x, is_training=False))
    x = np.ones([1, 3, 3, 1], np.float32)
    params, state = jax.tree.map(lambda s: -np.ones(s.shape, np.float32), jax.eval_shape(f.init, jax.random.key(0), x))
    np.testing.assert_array_equal(f.apply(params, state, None, x)[0], [[-1, -1]])


def test_batch_norm_takes_the_place_of_biases():
    params, state, _ = layout((1,), (4,), 2)
    block = "mobile_net_v1/mobile_net_v1_block"
    assert {path: set(bundle) for path, bundle in params.items()} == {
        "mobile_net_v1/conv2_d": {"w"},
        "mobile_net_v1/batch_norm": {"scale", "offset"},
        f"{block}/depthwise_conv": {"w"},
        f"{block}/batch_norm": {"scale", "offset"},
        f"{block}/pointwise_conv": {"w"},
        f"{block}/batch_norm_1": {"scale", "offset"},
        "mobile_net_v1/logits": {"w", "b"},
    }
    assert len(state) == 6
    params, state, _ = layout((1,), (4,), 2, use_bn=False)
    assert [set(bundle) for bundle in params.values()] == [{"w", "b"}] * 4
    assert not state


def test_bad_input_is_refused():
    def message(kind, text, *args, **kwargs):
        with pytest.raises(kind, match=re.escape(text)):
            layout(*args, **kwargs)

    text = "MobileNetV1: strides has length 2, expected 1, the length of channels: one of each for each block"
    message(ValueError, text, (1, 2), (8,))
    message(TypeError, "MobileNetV1: strides is 1 of type int, expected a sequence, such as (1, 2, 1)", 1, (8,))
    message(TypeError, "MobileNetV1: channels is None of type NoneType, expected a sequence", (1,), None)
    message(TypeError, "MobileNetV1: num_classes is 2.0 of type float, expected an integer", (1,), (8,), 2.0)
    text = "MobileNetV1: inputs of module 'mobile_net_v1' has shape (8, 8, 3), expected images [N, H, W, C]. Add a"
    message(ValueError, text, (1,), (8,), images=(8, 8, 3))
    text = "Conv2D: inputs of module 'mobile_net_v1/conv2_d' has the spatial sizes (2, 8), of which a kernel of shape"
    message(ValueError, text, (1,), (8,), images=(1, 2, 8, 3))
    with pytest.raises(TypeError, match=r"MobileNetV1: inputs of module 'mobile_net_v1' is of type list, expected an"):
        hk.transform_with_state(lambda: hk.nets.MobileNetV1()([[1.0]], True)).init(0)
