"""The mathematics of reinforcement learning as pure JAX functions."""

from rlax_like._version import __version__ as __version__
from rlax_like.advantages import generalized_advantage_estimation as generalized_advantage_estimation
from rlax_like.advantages import (
    truncated_generalized_advantage_estimation as truncated_generalized_advantage_estimation,
)
from rlax_like.bellman import (
    transformed_general_off_policy_returns_from_action_values as transformed_general_off_policy_returns_from_action_values,  # noqa: E501
)
from rlax_like.bellman import transformed_lambda_returns as transformed_lambda_returns
from rlax_like.bellman import transformed_n_step_q_learning as transformed_n_step_q_learning
from rlax_like.bellman import transformed_n_step_returns as transformed_n_step_returns
from rlax_like.bellman import transformed_q_lambda as transformed_q_lambda
from rlax_like.bellman import transformed_retrace as transformed_retrace
from rlax_like.categorical import categorical_cross_entropy as categorical_cross_entropy
from rlax_like.categorical import categorical_importance_sampling_ratios as categorical_importance_sampling_ratios
from rlax_like.categorical import categorical_kl_divergence as categorical_kl_divergence
from rlax_like.categorical import categorical_sample as categorical_sample
from rlax_like.clipping import clip_gradient as clip_gradient
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
from rlax_like.embedding import embed_oar as embed_oar
from rlax_like.episodic_memory import IntrinsicRewardState as IntrinsicRewardState
from rlax_like.episodic_memory import KNNQueryResult as KNNQueryResult
from rlax_like.episodic_memory import episodic_memory_intrinsic_rewards as episodic_memory_intrinsic_rewards
from rlax_like.episodic_memory import knn_query as knn_query
from rlax_like.exploration import add_dirichlet_noise as add_dirichlet_noise
from rlax_like.exploration import add_gaussian_noise as add_gaussian_noise
from rlax_like.exploration import add_ornstein_uhlenbeck_noise as add_ornstein_uhlenbeck_noise
from rlax_like.gaussian import ContinuousDistribution as ContinuousDistribution
from rlax_like.gaussian import gaussian_diagonal as gaussian_diagonal
from rlax_like.gaussian import multivariate_normal_kl_divergence as multivariate_normal_kl_divergence
from rlax_like.general_value_functions import feature_control_rewards as feature_control_rewards
from rlax_like.general_value_functions import pixel_control_loss as pixel_control_loss
from rlax_like.general_value_functions import pixel_control_rewards as pixel_control_rewards
from rlax_like.indexing import batched_index as batched_index
from rlax_like.indexing import one_hot as one_hot
from rlax_like.interruptions import fix_step_type_on_interruptions as fix_step_type_on_interruptions
from rlax_like.losses import expectile_loss as expectile_loss
from rlax_like.losses import huber_loss as huber_loss
from rlax_like.losses import l2_loss as l2_loss
from rlax_like.losses import likelihood as likelihood
from rlax_like.losses import log_loss as log_loss
from rlax_like.masks import lhs_broadcast as lhs_broadcast
from rlax_like.masks import replace_masked as replace_masked
from rlax_like.masks import tree_replace_masked as tree_replace_masked
from rlax_like.model_learning import extract_subsequences as extract_subsequences
from rlax_like.model_learning import sample_start_indices as sample_start_indices
from rlax_like.moving_averages import EmaMoments as EmaMoments
from rlax_like.moving_averages import EmaState as EmaState
from rlax_like.moving_averages import create_ema as create_ema
from rlax_like.mpo import LagrangePenalty as LagrangePenalty
from rlax_like.mpo import MpoOutputs as MpoOutputs
from rlax_like.mpo import compute_parametric_kl_penalty_and_dual_loss as compute_parametric_kl_penalty_and_dual_loss
from rlax_like.mpo import mpo_compute_weights_and_temperature_loss as mpo_compute_weights_and_temperature_loss
from rlax_like.mpo import mpo_loss as mpo_loss
from rlax_like.multistep_td import q_lambda as q_lambda
from rlax_like.multistep_td import sarsa_lambda as sarsa_lambda
from rlax_like.multistep_td import td_lambda as td_lambda
from rlax_like.off_policy import (
    general_off_policy_returns_from_action_values as general_off_policy_returns_from_action_values,
)
from rlax_like.off_policy import general_off_policy_returns_from_q_and_v as general_off_policy_returns_from_q_and_v
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
from rlax_like.pop_art import PopArtOutput as PopArtOutput
from rlax_like.pop_art import PopArtState as PopArtState
from rlax_like.pop_art import art as art
from rlax_like.pop_art import normalize as normalize
from rlax_like.pop_art import pop as pop
from rlax_like.pop_art import popart as popart
from rlax_like.pop_art import unnormalize as unnormalize
from rlax_like.pop_art import unnormalize_linear as unnormalize_linear
from rlax_like.quantile import quantile_expected_sarsa as quantile_expected_sarsa
from rlax_like.quantile import quantile_q_learning as quantile_q_learning
from rlax_like.quantile import quantile_regression_loss as quantile_regression_loss
from rlax_like.qv import qv_learning as qv_learning
from rlax_like.qv import qv_max as qv_max
from rlax_like.recurrence import linear_recurrence as linear_recurrence
from rlax_like.retrace_td import retrace as retrace
from rlax_like.retrace_td import retrace_continuous as retrace_continuous
from rlax_like.returns import discounted_returns as discounted_returns
from rlax_like.returns import lambda_returns as lambda_returns
from rlax_like.returns import n_step_bootstrapped_returns as n_step_bootstrapped_returns
from rlax_like.squashed import squashed_gaussian as squashed_gaussian
from rlax_like.transforms import identity as identity
from rlax_like.transforms import logit as logit
from rlax_like.transforms import power as power
from rlax_like.transforms import sigmoid as sigmoid
from rlax_like.transforms import signed_expm1 as signed_expm1
from rlax_like.transforms import signed_hyperbolic as signed_hyperbolic
from rlax_like.transforms import signed_logp1 as signed_logp1
from rlax_like.transforms import signed_parabolic as signed_parabolic
from rlax_like.trees import conditional_update as conditional_update
from rlax_like.trees import periodic_update as periodic_update
from rlax_like.trees import transpose_first_axis_to_last as transpose_first_axis_to_last
from rlax_like.trees import transpose_last_axis_to_first as transpose_last_axis_to_first
from rlax_like.trees import tree_fn as tree_fn
from rlax_like.trees import tree_map_zipped as tree_map_zipped
from rlax_like.trees import tree_select as tree_select
from rlax_like.trees import tree_split_key as tree_split_key
from rlax_like.trees import tree_split_leaves as tree_split_leaves
from rlax_like.two_hot import transform_from_2hot as transform_from_2hot
from rlax_like.two_hot import transform_to_2hot as transform_to_2hot
from rlax_like.tx_pairs import DISCOUNT_TRANSFORM_PAIR as DISCOUNT_TRANSFORM_PAIR
from rlax_like.tx_pairs import HYPERBOLIC_SIN_PAIR as HYPERBOLIC_SIN_PAIR
from rlax_like.tx_pairs import IDENTITY_PAIR as IDENTITY_PAIR
from rlax_like.tx_pairs import SIGNED_HYPERBOLIC_PAIR as SIGNED_HYPERBOLIC_PAIR
from rlax_like.tx_pairs import SIGNED_LOGP1_PAIR as SIGNED_LOGP1_PAIR
from rlax_like.tx_pairs import TxPair as TxPair
from rlax_like.tx_pairs import compose_tx as compose_tx
from rlax_like.tx_pairs import muzero_pair as muzero_pair
from rlax_like.tx_pairs import twohot_pair as twohot_pair
from rlax_like.tx_pairs import unbiased_transform_pair as unbiased_transform_pair
from rlax_like.v_trace import VTraceOutput as VTraceOutput
from rlax_like.v_trace import leaky_vtrace as leaky_vtrace
from rlax_like.v_trace import leaky_vtrace_td_error_and_advantage as leaky_vtrace_td_error_and_advantage
from rlax_like.v_trace import vtrace as vtrace
from rlax_like.v_trace import vtrace_td_error_and_advantage as vtrace_td_error_and_advantage
from rlax_like.value_learning import double_q_learning as double_q_learning
from rlax_like.value_learning import expected_sarsa as expected_sarsa
from rlax_like.value_learning import persistent_q_learning as persistent_q_learning
from rlax_like.value_learning import q_learning as q_learning
from rlax_like.value_learning import sarsa as sarsa
from rlax_like.value_learning import td_learning as td_learning
from rlax_like.vmpo import vmpo_compute_weights_and_temperature_loss as vmpo_compute_weights_and_temperature_loss
from rlax_like.vmpo import vmpo_loss as vmpo_loss

__all__ = [
    "DISCOUNT_TRANSFORM_PAIR",
    "HYPERBOLIC_SIN_PAIR",
    "IDENTITY_PAIR",
    "SIGNED_HYPERBOLIC_PAIR",
    "SIGNED_LOGP1_PAIR",
    "AllSum",
    "ContinuousDistribution",
    "DiscreteDistribution",
    "EmaMoments",
    "EmaState",
    "IntrinsicRewardState",
    "KNNQueryResult",
    "LagrangePenalty",
    "MpoOutputs",
    "PolicyTarget",
    "PopArtOutput",
    "PopArtState",
    "TxPair",
    "VTraceOutput",
    "__version__",
    "add_dirichlet_noise",
    "add_gaussian_noise",
    "add_ornstein_uhlenbeck_noise",
    "art",
    "batched_index",
    "categorical_cross_entropy",
    "categorical_double_q_learning",
    "categorical_importance_sampling_ratios",
    "categorical_kl_divergence",
    "categorical_l2_project",
    "categorical_q_learning",
    "categorical_sample",
    "categorical_td_learning",
    "clip_gradient",
    "clipped_entropy_softmax",
    "clipped_surrogate_pg_loss",
    "compose_tx",
    "compute_parametric_kl_penalty_and_dual_loss",
    "conditional_update",
    "constant_policy_targets",
    "create_ema",
    "discounted_returns",
    "double_q_learning",
    "dpg_loss",
    "embed_oar",
    "entropy_loss",
    "episodic_memory_intrinsic_rewards",
    "epsilon_greedy",
    "expected_sarsa",
    "expectile_loss",
    "extract_subsequences",
    "feature_control_rewards",
    "fix_step_type_on_interruptions",
    "gaussian_diagonal",
    "general_off_policy_returns_from_action_values",
    "general_off_policy_returns_from_q_and_v",
    "generalized_advantage_estimation",
    "greedy",
    "huber_loss",
    "identity",
    "knn_query",
    "l2_loss",
    "lambda_returns",
    "leaky_vtrace",
    "leaky_vtrace_td_error_and_advantage",
    "lhs_broadcast",
    "likelihood",
    "linear_recurrence",
    "log_loss",
    "logit",
    "mpo_compute_weights_and_temperature_loss",
    "mpo_loss",
    "multivariate_normal_kl_divergence",
    "muzero_pair",
    "n_step_bootstrapped_returns",
    "normalize",
    "one_hot",
    "periodic_update",
    "persistent_q_learning",
    "pixel_control_loss",
    "pixel_control_rewards",
    "policy_gradient_loss",
    "pop",
    "popart",
    "power",
    "q_lambda",
    "q_learning",
    "qpg_loss",
    "quantile_expected_sarsa",
    "quantile_q_learning",
    "quantile_regression_loss",
    "qv_learning",
    "qv_max",
    "replace_masked",
    "retrace",
    "retrace_continuous",
    "rm_loss",
    "rpg_loss",
    "sample_start_indices",
    "sampled_policy_distillation_loss",
    "sarsa",
    "sarsa_lambda",
    "sigmoid",
    "signed_expm1",
    "signed_hyperbolic",
    "signed_logp1",
    "signed_parabolic",
    "softmax",
    "squashed_gaussian",
    "td_lambda",
    "td_learning",
    "transform_from_2hot",
    "transform_to_2hot",
    "transformed_general_off_policy_returns_from_action_values",
    "transformed_lambda_returns",
    "transformed_n_step_q_learning",
    "transformed_n_step_returns",
    "transformed_q_lambda",
    "transformed_retrace",
    "transpose_first_axis_to_last",
    "transpose_last_axis_to_first",
    "tree_fn",
    "tree_map_zipped",
    "tree_replace_masked",
    "tree_select",
    "tree_split_key",
    "tree_split_leaves",
    "truncated_generalized_advantage_estimation",
    "twohot_pair",
    "unbiased_transform_pair",
    "unnormalize",
    "unnormalize_linear",
    "vmpo_compute_weights_and_temperature_loss",
    "vmpo_loss",
    "vtrace",
    "vtrace_td_error_and_advantage",
    "zero_policy_targets",
]
