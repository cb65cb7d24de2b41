"""Vector quantization, the bottleneck of the VQ-VAE: by gradient, and by moving averages."""

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from haiku_like import _checks
from haiku_like._core.module import Module
from haiku_like._core.variables import get_parameter, get_state, set_state
from haiku_like.initializers import VarianceScaling
from haiku_like.layers import _cross_replica
from haiku_like.layers._normalize import array_of_floats, at_least_float32, check_not_empty, narrowed
from haiku_like.layers.moving_averages import ExponentialMovingAverage, check_decay

if TYPE_CHECKING:
    from jaxtyping import Array, Float, Int


class VectorQuantizer(Module):
    """Replaces each vector by the nearest of a set of embeddings, which are learned by gradient.

    `loss = mean((e - sg(x))^2) + commitment_cost mean((sg(e) - x)^2)`, where `e` is the embedding nearest to `x` and
    `sg` stops the gradient; the gradient of the output goes to `x` as if it were `x`. From van den Oord et al. (2017),
    "Neural discrete representation learning", https://arxiv.org/abs/1711.00937, equation 3.

    Parameter: `embeddings` of shape `[embedding_dim, num_embeddings]`.

    Args:
      embedding_dim: The length of the vectors.
      num_embeddings: How many embeddings.
      commitment_cost: The weight of the part of the loss that draws inputs to their embeddings.
      dtype: The dtype of `embeddings`.
      name: The module's name.
      cross_replica_axis: The name of an axis of `jax.pmap`, `jax.vmap` or `jax.shard_map`, over whose replicas the
        perplexity is taken too.

    Raises:
      TypeError: `embedding_dim` or `num_embeddings` is no integer.
      ValueError: one of them is not positive.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> def forward(x):
      ...     return hk.nets.VectorQuantizer(embedding_dim=2, num_embeddings=16, commitment_cost=0.25)(x, True)
      >>> forward = hk.transform(forward)
      >>> x = jax.random.normal(jax.random.key(0), [4, 3, 2])
      >>> params = forward.init(jax.random.key(1), x)
      >>> out = forward.apply(params, x)
      >>> sorted(out)
      ['distances', 'encoding_indices', 'encodings', 'loss', 'perplexity', 'quantize']
      >>> out["quantize"].shape, out["encoding_indices"].shape
      ((4, 3, 2), (4, 3))
    """

    def __init__(
        self,
        embedding_dim: int,
        num_embeddings: int,
        commitment_cost: float,
        dtype: Any = jnp.float32,
        name: str | None = None,
        cross_replica_axis: Hashable | None = None,
    ):
        super().__init__(name=name)
        self.embedding_dim = _positive("VectorQuantizer", "embedding_dim", embedding_dim)
        self.num_embeddings = _positive("VectorQuantizer", "num_embeddings", num_embeddings)
        self.commitment_cost = commitment_cost
        self.cross_replica_axis = cross_replica_axis
        self._dtype = dtype

    @property
    def embeddings(self) -> "Float[Array, 'embedding_dim num_embeddings']":
        """The embeddings, one a column."""
        shape = [self.embedding_dim, self.num_embeddings]
        return get_parameter("embeddings", shape, self._dtype, init=VarianceScaling(distribution="uniform"))

    def __call__(self, inputs: "Float[Array, '*batch embedding_dim']", is_training: bool) -> "dict[str, Array]":
        """Returns the nearest embeddings and the loss.

        Args:
          inputs: Of shape `[*batch, embedding_dim]`; `n` is the number of vectors in it.
          is_training: Makes no difference; it is here so that this module and `hk.nets.VectorQuantizerEMA` are called
            alike.

        Returns:
          A dictionary of `quantize`, the embeddings, of the shape of `inputs`; `loss`, a scalar; `perplexity`, a
          scalar, the exponential of the entropy of the use of embeddings: how many are in use; `encodings`, of shape
          `[n, num_embeddings]`, 1 for the nearest embedding and else 0; `encoding_indices`, of shape `[*batch]`; and
          `distances`, of shape `[n, num_embeddings]`, the squared distances.

        Raises:
          TypeError: `inputs` is no array of floats.
          ValueError: `inputs` is empty or has another last size than `embedding_dim`; or `cross_replica_axis` is not
            the name of a mapped axis.
        """
        del is_training
        return _nearest("VectorQuantizer", self, inputs, embeddings_learn=True)

    def quantize(self, encoding_indices: "Int[Array, '*batch']") -> "Float[Array, '*batch embedding_dim']":
        """Returns the embeddings with the given numbers.

        Args:
          encoding_indices: Integers from 0 to `num_embeddings - 1`; a greater one gives the last embedding.

        Raises:
          TypeError: `encoding_indices` is no array of integers.

        Example:
          >>> import haiku_like as hk, jax, jax.numpy as jnp
          >>> decode = hk.transform(lambda i: hk.nets.VectorQuantizer(2, 16, 0.25).quantize(i))
          >>> indices = jnp.array([3, 0, 3])
          >>> decode.apply(decode.init(jax.random.key(0), indices), indices).shape
          (3, 2)
        """
        return _embeddings_at("VectorQuantizer", self, encoding_indices)


class VectorQuantizerEMA(Module):
    """Replaces each vector by the nearest of a set of embeddings, which are moving averages of such vectors.

    `loss = commitment_cost mean((sg(e) - x)^2)`; the gradient of the output goes to `x` as if it were `x`. An embedding
    is the average `ema_dw` of the sums of vectors nearest to it over the average `ema_cluster_size` of their number,
    smoothed as `(size + epsilon) / (n + num_embeddings epsilon) n` with `n` the sum of all sizes. From van den Oord et
    al. (2017), "Neural discrete representation learning", https://arxiv.org/abs/1711.00937, appendix A.1.

    State: `embeddings` of shape `[embedding_dim, num_embeddings]`, and those of `~/ema_cluster_size` and `~/ema_dw`,
    see `hk.ExponentialMovingAverage`.

    Args:
      embedding_dim: The length of the vectors.
      num_embeddings: How many embeddings.
      commitment_cost: The weight of the loss.
      decay: How much of the old averages stays at each step, in `[0, 1)`.
      epsilon: Keeps the size of an embedding that is not in use from being 0.
      dtype: The dtype of the state.
      cross_replica_axis: The name of an axis of `jax.pmap`, `jax.vmap` or `jax.shard_map`, over whose replicas the
        averages and the perplexity are taken too.
      name: The module's name.

    Raises:
      TypeError: `embedding_dim` or `num_embeddings` is no integer.
      ValueError: one of them is not positive, or `decay` is not in `[0, 1)`.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> def forward(x):
      ...     return hk.nets.VectorQuantizerEMA(2, 16, commitment_cost=0.25, decay=0.9)(x, is_training=True)
      >>> forward = hk.transform_with_state(forward)
      >>> x = jax.random.normal(jax.random.key(0), [4, 3, 2])
      >>> params, state = forward.init(jax.random.key(1), x)
      >>> losses = []
      >>> for _ in range(2):
      ...     out, state = forward.apply(params, state, None, x)
      ...     losses.append(float(out["loss"]))
      >>> losses[1] < losses[0]
      True
    """

    def __init__(
        self,
        embedding_dim: int,
        num_embeddings: int,
        commitment_cost: float,
        decay: float,
        epsilon: float = 1e-5,
        dtype: Any = jnp.float32,
        cross_replica_axis: Hashable | None = None,
        name: str | None = None,
    ):
        super().__init__(name=name)
        check_decay("VectorQuantizerEMA", "decay", decay)
        self.embedding_dim = _positive("VectorQuantizerEMA", "embedding_dim", embedding_dim)
        self.num_embeddings = _positive("VectorQuantizerEMA", "num_embeddings", num_embeddings)
        self.commitment_cost = commitment_cost
        self.decay = decay
        self.epsilon = epsilon
        self.cross_replica_axis = cross_replica_axis
        self._dtype = dtype
        self._ema_cluster_size = ExponentialMovingAverage(decay, name="ema_cluster_size")
        self._ema_dw = ExponentialMovingAverage(decay, name="ema_dw")

    @property
    def embeddings(self) -> "Float[Array, 'embedding_dim num_embeddings']":
        """The embeddings, one a column."""
        shape = [self.embedding_dim, self.num_embeddings]
        return get_state("embeddings", shape, self._dtype, init=VarianceScaling(distribution="uniform"))

    @property
    def ema_cluster_size(self) -> ExponentialMovingAverage:
        """The average number of vectors nearest to each embedding, of shape `[num_embeddings]`."""
        self._ema_cluster_size.initialize([self.num_embeddings], self._dtype)
        return self._ema_cluster_size

    @property
    def ema_dw(self) -> ExponentialMovingAverage:
        """The average sum of the vectors nearest to each embedding, of shape `[embedding_dim, num_embeddings]`."""
        self._ema_dw.initialize([self.embedding_dim, self.num_embeddings], self._dtype)
        return self._ema_dw

    def __call__(self, inputs: "Float[Array, '*batch embedding_dim']", is_training: bool) -> "dict[str, Array]":
        """Returns the nearest embeddings and the loss, and in training moves the embeddings.

        Args:
          inputs: Of shape `[*batch, embedding_dim]`; `n` is the number of vectors in it.
          is_training: Whether to update the averages and the embeddings. The output is of the embeddings before that.

        Returns:
          The dictionary that `hk.nets.VectorQuantizer` returns.

        Raises:
          TypeError: `inputs` is no array of floats, or `is_training` is traced.
          ValueError: `inputs` is empty or has another last size than `embedding_dim`; or `cross_replica_axis` is not
            the name of a mapped axis.
        """
        is_training = _checks.flag("VectorQuantizerEMA", "is_training", is_training)
        out = _nearest("VectorQuantizerEMA", self, inputs, embeddings_learn=False)
        if is_training:
            self._update(jax.lax.stop_gradient(jnp.asarray(inputs)), out["encodings"])
        return out

    def quantize(self, encoding_indices: "Int[Array, '*batch']") -> "Float[Array, '*batch embedding_dim']":
        """Returns the embeddings with the given numbers.

        Args:
          encoding_indices: Integers from 0 to `num_embeddings - 1`; a greater one gives the last embedding.

        Raises:
          TypeError: `encoding_indices` is no array of integers.

        Example:
          >>> import haiku_like as hk, jax, jax.numpy as jnp
          >>> decode = hk.transform_with_state(lambda i: hk.nets.VectorQuantizerEMA(2, 16, 0.25, 0.9).quantize(i))
          >>> indices = jnp.array([3, 0, 3])
          >>> decode.apply(*decode.init(jax.random.key(0), indices), None, indices)[0].shape
          (3, 2)
        """
        return _embeddings_at("VectorQuantizerEMA", self, encoding_indices)

    def _update(self, inputs: jax.Array, encodings: jax.Array) -> None:
        dtype = encodings.dtype
        encodings = at_least_float32(encodings)
        vectors = inputs.reshape(-1, self.embedding_dim).astype(encodings.dtype)
        sizes, sums = jnp.sum(encodings, 0), vectors.T @ encodings
        if self.cross_replica_axis is not None:
            sizes = _cross_replica.total("VectorQuantizerEMA", sizes, self.cross_replica_axis)
            sums = _cross_replica.total("VectorQuantizerEMA", sums, self.cross_replica_axis)
        sizes = at_least_float32(self.ema_cluster_size(narrowed(sizes, dtype)))
        sums = at_least_float32(self.ema_dw(narrowed(sums, dtype)))
        total = jnp.sum(sizes)
        sizes = (sizes + self.epsilon) / (total + self.num_embeddings * self.epsilon) * total
        set_state("embeddings", narrowed(sums / sizes[None], dtype))


def _nearest(
    where: str, module: VectorQuantizer | VectorQuantizerEMA, inputs: Any, embeddings_learn: bool
) -> "dict[str, Array]":
    inputs = array_of_floats(where, module.module_name, "inputs", inputs)
    if inputs.shape[-1] != module.embedding_dim:
        raise ValueError(
            f"{where}: inputs of module {module.module_name!r} has shape {inputs.shape}, expected "
            f"[*batch, {module.embedding_dim}], with embedding_dim={module.embedding_dim} last. Project it with "
            f"hk.Linear({module.embedding_dim}), or build the module with embedding_dim={inputs.shape[-1]}."
        )
    check_not_empty(where, module.module_name, "inputs", inputs.shape, range(inputs.ndim))
    embeddings = module.embeddings
    dtype = jnp.result_type(inputs, embeddings)
    x, e = (at_least_float32(v.astype(dtype)) for v in (inputs, embeddings))
    vectors = x.reshape(-1, module.embedding_dim)
    distances = jnp.sum(vectors**2, 1, keepdims=True) - 2 * vectors @ e + jnp.sum(e**2, 0, keepdims=True)
    indices = jnp.argmin(distances, 1)
    encodings = jax.nn.one_hot(indices, module.num_embeddings, dtype=x.dtype)
    indices = indices.reshape(inputs.shape[:-1])
    nearest = e.T[indices]
    loss = module.commitment_cost * jnp.mean((jax.lax.stop_gradient(nearest) - x) ** 2)
    if embeddings_learn:
        loss = jnp.mean((nearest - jax.lax.stop_gradient(x)) ** 2) + loss
    shares = jnp.mean(encodings, 0)
    if module.cross_replica_axis is not None:
        shares = _cross_replica.mean(where, shares, module.cross_replica_axis)
    return {
        "quantize": (x + jax.lax.stop_gradient(nearest - x)).astype(dtype),
        "loss": narrowed(loss, dtype),
        "perplexity": jnp.exp(-jnp.sum(shares * jnp.log(shares + 1e-10))).astype(dtype),
        "encodings": encodings.astype(dtype),
        "encoding_indices": indices,
        "distances": narrowed(jnp.maximum(distances, 0), dtype),  # Rounding may make one negative.
    }


def _embeddings_at(where: str, module: VectorQuantizer | VectorQuantizerEMA, indices: Any) -> "Float[Array, '...']":
    dtype = getattr(indices, "dtype", type(indices))
    if not jnp.issubdtype(dtype, jnp.integer):
        raise TypeError(
            f"{where}: encoding_indices of module {module.module_name!r} is of type {dtype}, expected an array of "
            f"integers, such as the encoding_indices of the module's output."
        )
    return module.embeddings.T[jnp.asarray(indices)]


def _positive(where: str, name: str, value: int) -> int:
    if _checks.size(where, name, value) == 0:
        raise ValueError(f"{where}: {name} is 0, expected 1 or more.")
    return value
