"""Attention with several heads."""

import numpy as np

from integration_tests.parity.programs import Program, values

QUERY, KEY, VALUE = values(2, 3, 8), values(2, 5, 8, seed=1), values(2, 5, 8, seed=2)
MASK = np.random.RandomState(3).uniform(size=(2, 1, 3, 5)) < 0.6


def all_options(lib, query, key, value, mask):
    """Another size for everything, initializers, and a mask for each head."""
    attention = lib.MultiHeadAttention(
        2,
        3,
        w_init=lib.initializers.RandomNormal(),
        b_init=lib.initializers.Constant(0.5),
        value_size=4,
        model_size=5,
        name="options",
    )
    sizes = [attention.num_heads, attention.key_size, attention.value_size, attention.model_size]
    return attention(query, key[..., :6], value[..., :7], mask), sizes


def causal(lib, x):
    """Attention of a sequence to its own past, with one mask for all, without bias."""
    mask = np.tril(np.ones([1] * (x.ndim - 1) + [x.shape[-2]] * 2, bool))
    return lib.MultiHeadAttention(2, 4, 2.0, with_bias=False)(x, x, x, mask=mask)


def mask_of_numbers(lib, query, key, value):
    """A mask of numbers, and a query with nothing to attend to."""
    mask = np.array([[1.0, 0, 1, 1, 0], [0, 0, 0, 0, 0], [0, 1, 0, 0, 0]]).reshape((1,) * (query.ndim - 1) + (3, 5))
    return attention(lib, query, key, value, mask)


def attention(lib, *args):
    """Two heads of size 4."""
    return lib.MultiHeadAttention(2, 4, 1.0)(*args)


MHA = ("MultiHeadAttention",)
PROGRAMS = [
    Program("attention", MHA, attention, (QUERY, KEY, VALUE)),
    Program("attention_all_options", MHA, all_options, (QUERY, KEY, VALUE, MASK), batched=False),
    Program("attention_causal", MHA, causal, (QUERY[0],)),
    Program("attention_shared_keys", MHA, attention, (QUERY, KEY[0], VALUE[0]), halves=False, batched=False),
    # In float16, dm-haiku gives NaN for the query with nothing to attend to.
    Program("attention_mask_of_numbers", MHA, mask_of_numbers, (QUERY, KEY, VALUE), halves=False),
]
