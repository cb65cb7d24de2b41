"""The mathematics of reinforcement learning as pure JAX functions."""

from rlax_like._version import __version__ as __version__
from rlax_like.distributions import DiscreteDistribution as DiscreteDistribution
from rlax_like.distributions import epsilon_greedy as epsilon_greedy
from rlax_like.distributions import greedy as greedy
from rlax_like.distributions import softmax as softmax
from rlax_like.indexing import batched_index as batched_index
from rlax_like.indexing import one_hot as one_hot
from rlax_like.losses import huber_loss as huber_loss
from rlax_like.losses import l2_loss as l2_loss
from rlax_like.value_learning import double_q_learning as double_q_learning
from rlax_like.value_learning import expected_sarsa as expected_sarsa
from rlax_like.value_learning import q_learning as q_learning
from rlax_like.value_learning import sarsa as sarsa
from rlax_like.value_learning import td_learning as td_learning

__all__ = [
    "DiscreteDistribution",
    "__version__",
    "batched_index",
    "double_q_learning",
    "epsilon_greedy",
    "expected_sarsa",
    "greedy",
    "huber_loss",
    "l2_loss",
    "one_hot",
    "q_learning",
    "sarsa",
    "softmax",
    "td_learning",
]
