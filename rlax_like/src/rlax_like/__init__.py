"""The mathematics of reinforcement learning as pure JAX functions."""

from rlax_like._version import __version__ as __version__
from rlax_like.categorical import categorical_cross_entropy as categorical_cross_entropy
from rlax_like.categorical import categorical_importance_sampling_ratios as categorical_importance_sampling_ratios
from rlax_like.categorical import categorical_kl_divergence as categorical_kl_divergence
from rlax_like.categorical import categorical_sample as categorical_sample
from rlax_like.collectives import AllSum as AllSum
from rlax_like.distributional import categorical_double_q_learning as categorical_double_q_learning
from rlax_like.distributional import categorical_l2_project as categorical_l2_project
from rlax_like.distributional import categorical_q_learning as categorical_q_learning
from rlax_like.distributional import categorical_td_learning as categorical_td_learning
from rlax_like.distributions import DiscreteDistribution as DiscreteDistribution
from rlax_like.distributions import clipped_entropy_softmax as clipped_entropy_softmax
from rlax_like.distributions import epsilon_greedy as epsilon_greedy
from rlax_like.distributions import greedy as greedy
from rlax_like.distributions import softmax as softmax
from rlax_like.indexing import batched_index as batched_index
from rlax_like.indexing import one_hot as one_hot
from rlax_like.losses import expectile_loss as expectile_loss
from rlax_like.losses import huber_loss as huber_loss
from rlax_like.losses import l2_loss as l2_loss
from rlax_like.losses import likelihood as likelihood
from rlax_like.losses import log_loss as log_loss
from rlax_like.mpo import LagrangePenalty as LagrangePenalty
from rlax_like.mpo import MpoOutputs as MpoOutputs
from rlax_like.mpo import compute_parametric_kl_penalty_and_dual_loss as compute_parametric_kl_penalty_and_dual_loss
from rlax_like.mpo import mpo_compute_weights_and_temperature_loss as mpo_compute_weights_and_temperature_loss
from rlax_like.mpo import mpo_loss as mpo_loss
from rlax_like.policy_gradients import clipped_surrogate_pg_loss as clipped_surrogate_pg_loss
from rlax_like.policy_gradients import dpg_loss as dpg_loss
from rlax_like.policy_gradients import entropy_loss as entropy_loss
from rlax_like.policy_gradients import policy_gradient_loss as policy_gradient_loss
from rlax_like.policy_gradients import qpg_loss as qpg_loss
from rlax_like.policy_gradients import rm_loss as rm_loss
from rlax_like.policy_gradients import rpg_loss as rpg_loss
from rlax_like.policy_targets import PolicyTarget as PolicyTarget
from rlax_like.policy_targets import constant_policy_targets as constant_policy_targets
from rlax_like.policy_targets import sampled_policy_distillation_loss as sampled_policy_distillation_loss
from rlax_like.policy_targets import zero_policy_targets as zero_policy_targets
from rlax_like.quantile import quantile_expected_sarsa as quantile_expected_sarsa
from rlax_like.quantile import quantile_q_learning as quantile_q_learning
from rlax_like.quantile import quantile_regression_loss as quantile_regression_loss
from rlax_like.qv_learning import qv_learning as qv_learning
from rlax_like.qv_learning import qv_max as qv_max
from rlax_like.value_learning import double_q_learning as double_q_learning
from rlax_like.value_learning import expected_sarsa as expected_sarsa
from rlax_like.value_learning import persistent_q_learning as persistent_q_learning
from rlax_like.value_learning import q_learning as q_learning
from rlax_like.value_learning import sarsa as sarsa
from rlax_like.value_learning import td_learning as td_learning
from rlax_like.vmpo import vmpo_compute_weights_and_temperature_loss as vmpo_compute_weights_and_temperature_loss
from rlax_like.vmpo import vmpo_loss as vmpo_loss

__all__ = [
    "AllSum",
    "DiscreteDistribution",
    "LagrangePenalty",
    "MpoOutputs",
    "PolicyTarget",
    "__version__",
    "batched_index",
    "categorical_cross_entropy",
    "categorical_double_q_learning",
    "categorical_importance_sampling_ratios",
    "categorical_kl_divergence",
    "categorical_l2_project",
    "categorical_q_learning",
    "categorical_sample",
    "categorical_td_learning",
    "clipped_entropy_softmax",
    "clipped_surrogate_pg_loss",
    "compute_parametric_kl_penalty_and_dual_loss",
    "constant_policy_targets",
    "double_q_learning",
    "dpg_loss",
    "entropy_loss",
    "epsilon_greedy",
    "expected_sarsa",
    "expectile_loss",
    "greedy",
    "huber_loss",
    "l2_loss",
    "likelihood",
    "log_loss",
    "mpo_compute_weights_and_temperature_loss",
    "mpo_loss",
    "one_hot",
    "persistent_q_learning",
    "policy_gradient_loss",
    "q_learning",
    "qpg_loss",
    "quantile_expected_sarsa",
    "quantile_q_learning",
    "quantile_regression_loss",
    "qv_learning",
    "qv_max",
    "rm_loss",
    "rpg_loss",
    "sampled_policy_distillation_loss",
    "sarsa",
    "softmax",
    "td_learning",
    "vmpo_compute_weights_and_temperature_loss",
    "vmpo_loss",
    "zero_policy_targets",
]
