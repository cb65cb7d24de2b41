"""The mathematics of reinforcement learning as pure JAX functions."""

from rlax_like._version import __version__ as __version__
from rlax_like.categorical import categorical_cross_entropy as categorical_cross_entropy
from rlax_like.categorical import categorical_importance_sampling_ratios as categorical_importance_sampling_ratios
from rlax_like.categorical import categorical_kl_divergence as categorical_kl_divergence
from rlax_like.categorical import categorical_sample as categorical_sample
from rlax_like.distributions import DiscreteDistribution as DiscreteDistribution
from rlax_like.distributions import clipped_entropy_softmax as clipped_entropy_softmax
from rlax_like.distributions import epsilon_greedy as epsilon_greedy
from rlax_like.distributions import greedy as greedy
from rlax_like.distributions import softmax as softmax
from rlax_like.indexing import batched_index as batched_index
from rlax_like.indexing import one_hot as one_hot
from rlax_like.losses import huber_loss as huber_loss
from rlax_like.losses import l2_loss as l2_loss
from rlax_like.qv_learning import qv_learning as qv_learning
from rlax_like.qv_learning import qv_max as qv_max
from rlax_like.value_learning import double_q_learning as double_q_learning
from rlax_like.value_learning import expected_sarsa as expected_sarsa
from rlax_like.value_learning import persistent_q_learning as persistent_q_learning
from rlax_like.value_learning import q_learning as q_learning
from rlax_like.value_learning import sarsa as sarsa
from rlax_like.value_learning import td_learning as td_learning

__all__ = [
    "DiscreteDistribution",
    "__version__",
    "batched_index",
    "categorical_cross_entropy",
    "categorical_importance_sampling_ratios",
    "categorical_kl_divergence",
    "categorical_sample",
    "clipped_entropy_softmax",
    "double_q_learning",
    "epsilon_greedy",
    "expected_sarsa",
    "greedy",
    "huber_loss",
    "l2_loss",
    "one_hot",
    "persistent_q_learning",
    "q_learning",
    "qv_learning",
    "qv_max",
    "sarsa",
    "softmax",
    "td_learning",
]
