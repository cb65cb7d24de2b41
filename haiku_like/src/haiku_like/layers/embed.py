"""The embedding of integers in vectors."""

import enum
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp

from haiku_like import _checks
from haiku_like._core.module import Module
from haiku_like._core.variables import get_parameter
from haiku_like.initializers import Constant, TruncatedNormal
from haiku_like.layers.one_hot import one_hot

if TYPE_CHECKING:
    from jaxtyping import Array, ArrayLike, Float, Int

    from haiku_like.typing import Initializer


class EmbedLookupStyle(enum.Enum):
    """How `hk.Embed` finds the row of an id.

    `ARRAY_INDEX` takes rows by index: cheap, and the default. `ONE_HOT` multiplies one-hot vectors by the matrix: more
    arithmetic, which may still be faster on a TPU for a small vocabulary.

    Example:
      >>> import haiku_like as hk
      >>> list(hk.EmbedLookupStyle)
      [<EmbedLookupStyle.ARRAY_INDEX: 1>, <EmbedLookupStyle.ONE_HOT: 2>]
    """

    ARRAY_INDEX = 1
    ONE_HOT = 2


class Embed(Module):
    """Replaces each id by the row of a matrix: `y[...] = embeddings[ids[...]]`.

    Parameter: `embeddings` of shape `[vocab_size, embed_dim]`.

    An id outside `[0, vocab_size)` is no error, since ids may be traced. With `ARRAY_INDEX` it wraps once from the end
    like an index of Python's, -1 for the last row, and is then clipped to the first or last row; no gradient flows
    for an id that is clipped. With `ONE_HOT` it gives zeros.

    Args:
      vocab_size: The number of rows.
      embed_dim: The size of a row.
      embedding_matrix: Initial values for `embeddings`, in place of the two sizes. They are trained like any
        parameter: stop their gradient to keep them.
      w_init: Makes `embeddings`; a normal of deviation 1, cut at two deviations, by default. Not used if
        `embedding_matrix` is given.
      lookup_style: An `hk.EmbedLookupStyle` or its name.
      name: The module's name.
      precision: The precision of the product for `ONE_HOT`, as for `jax.lax.dot`. The highest gives rows as they are;
        less rounds them on accelerators.

    Raises:
      TypeError: a size is no integer.
      ValueError: neither `embedding_matrix` nor both sizes are given; a size is less than 1 or disagrees with the
        matrix; the matrix has not two axes; or `lookup_style` is unknown.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> forward = hk.transform(lambda ids: hk.Embed(1000, 64)(ids))
      >>> ids = jnp.array([[3, 1, 4], [1, 5, 9]])
      >>> params = forward.init(jax.random.key(0), ids)
      >>> forward.apply(params, ids).shape
      (2, 3, 64)
    """

    def __init__(
        self,
        vocab_size: int | None = None,
        embed_dim: int | None = None,
        embedding_matrix: "ArrayLike | None" = None,
        w_init: "Initializer | None" = None,
        lookup_style: "str | EmbedLookupStyle" = "ARRAY_INDEX",
        name: str | None = None,
        precision: "jax.lax.PrecisionLike" = jax.lax.Precision.HIGHEST,
    ):
        super().__init__(name=name)
        sizes = {
            argument: None if size is None else _checks.size("Embed", argument, size, minimum=1)
            for argument, size in (("vocab_size", vocab_size), ("embed_dim", embed_dim))
        }
        if embedding_matrix is not None:
            matrix = jnp.asarray(embedding_matrix)
            if matrix.ndim != 2:
                raise ValueError(f"Embed: embedding_matrix has shape {matrix.shape}, expected [vocab_size, embed_dim].")
            for (argument, size), found in zip(sizes.items(), matrix.shape, strict=True):
                if size not in (None, found):
                    raise ValueError(
                        f"Embed: {argument} is {size}, expected {found} after embedding_matrix of shape "
                        f"{matrix.shape}. Leave {argument} out."
                    )
            vocab_size, embed_dim = matrix.shape
            w_init, self._dtype = Constant(matrix), matrix.dtype
        elif vocab_size is None or embed_dim is None:
            raise ValueError(
                f"Embed: vocab_size is {vocab_size}, embed_dim is {embed_dim} and embedding_matrix is None, expected "
                f"both sizes or the matrix: hk.Embed(vocab_size=1000, embed_dim=64)."
            )
        else:
            self._dtype = jnp.float32
        _as_lookup_style(lookup_style)
        self.vocab_size = vocab_size
        self.embed_dim = embed_dim
        self.w_init = w_init or TruncatedNormal()
        self.lookup_style = lookup_style
        self.precision = precision

    @property
    def embeddings(self) -> "Float[Array, 'vocab_size embed_dim']":
        """The matrix, for example to use as the weights of an output layer."""
        return get_parameter("embeddings", [self.vocab_size, self.embed_dim], self._dtype, init=self.w_init)

    def __call__(
        self,
        ids: "Int[ArrayLike, '*batch']",
        lookup_style: "str | EmbedLookupStyle | None" = None,
        precision: "jax.lax.PrecisionLike" = None,
    ) -> "Float[Array, '*batch embed_dim']":
        """Returns the rows of `ids`, of shape `[*ids.shape, embed_dim]`.

        The dtype is that of the matrix; for `ONE_HOT` at least float32.

        Args:
          ids: Integers of any shape.
          lookup_style: As for the module; None for the module's.
          precision: As for the module; None for the module's.

        Raises:
          TypeError: `ids` are no integers.
          ValueError: `lookup_style` is unknown.
        """
        ids = jnp.asarray(ids)
        if not jnp.issubdtype(ids.dtype, jnp.integer):
            raise TypeError(
                f"Embed: ids of module {self.module_name!r} has dtype {ids.dtype}, expected integers. Convert them "
                f"with ids.astype(jnp.int32)."
            )
        style = _as_lookup_style(self.lookup_style if lookup_style is None else lookup_style)
        if style is EmbedLookupStyle.ARRAY_INDEX:
            return self.embeddings[ids]
        return jnp.dot(
            one_hot(ids, self.vocab_size),
            self.embeddings,
            precision=self.precision if precision is None else precision,
        )


def _as_lookup_style(style: object) -> EmbedLookupStyle:
    found = EmbedLookupStyle.__members__.get(style.upper()) if isinstance(style, str) else style
    if not isinstance(found, EmbedLookupStyle):
        raise ValueError(
            f"Embed: lookup_style is {style!r}, expected an hk.EmbedLookupStyle or its name: "
            f"{' or '.join(map(repr, EmbedLookupStyle.__members__))}."
        )
    return found
