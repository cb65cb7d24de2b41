"""Embeddings of integers."""

import jax.numpy as jnp
import numpy as np

from integration_tests.parity.programs import Program, values

IDS = np.array([[0, 1, 4], [2, 3, 1]], np.int32)
OUT_OF_RANGE = np.array([5, 70, -1, -5, -6, -70], np.int32)


def embed(*args, call=None, **kwargs):
    """A program that embeds ids."""
    return lambda lib, ids: lib.Embed(*args, **kwargs)(ids, **(call or {}))


def with_enum(lib, ids):
    """The style as a member of the enumeration, and the matrix itself."""
    layer = lib.Embed(5, 3, lookup_style=lib.EmbedLookupStyle.ONE_HOT)
    return layer(ids), layer(ids, lookup_style=lib.EmbedLookupStyle.ARRAY_INDEX), layer.embeddings, layer.vocab_size


PROGRAMS = [
    Program("embed", ("Embed",), embed(5, 3), (IDS,), halves=False),
    Program("embed_one_hot", ("Embed",), embed(5, 3, lookup_style="ONE_HOT"), (IDS,), halves=False),
    Program("embed_enum", ("Embed", "EmbedLookupStyle"), with_enum, (IDS,), halves=False),
    Program(
        "embed_one_hot_for_a_call",
        ("Embed",),
        embed(5, 3, w_init=jnp.ones, call={"lookup_style": "one_hot", "precision": "default"}),
        (IDS,),
        halves=False,
    ),
    Program(
        "embed_matrix",
        ("Embed",),
        lambda lib, ids, matrix: lib.Embed(embedding_matrix=matrix, vocab_size=5)(ids),
        (IDS, values(5, 3)),
        batched=False,
    ),
    Program(
        "embed_matrix_one_hot",
        ("Embed",),
        lambda lib, ids, matrix: lib.Embed(embedding_matrix=matrix, lookup_style="ONE_HOT")(ids),
        (IDS, values(5, 3)),
        halves=False,
        batched=False,
    ),
    Program("embed_out_of_range", ("Embed",), embed(5, 3), (OUT_OF_RANGE,), halves=False),
    Program(
        "embed_out_of_range_one_hot", ("Embed",), embed(5, 3, lookup_style="ONE_HOT"), (OUT_OF_RANGE,), halves=False
    ),
    Program("embed_of_one_id", ("Embed",), embed(300, 3), (np.int8(-3),), halves=False),
]
