// SPDX-License-Identifier: Apache-2.0
// The gradient estimators that experiments compare and train with. This header needs no libtorch.
#pragma once

#include <cstdint>

#include "apps/experiments/names.hpp"

namespace partita::app {

enum class EstimatorKind : std::uint8_t {
  // The score function, by its baseline.
  score,
  score_moving_average,
  score_leave_one_out,
  score_learned,
  score_control_variate,
  pathwise,
  // For discrete variables.
  concrete,
  straight_through_gumbel,
  gumbel_rao,
  straight_through,
  decoupled_straight_through,
  reinmax,
  reinmax_rao,
  relaxed_top_k,
  perturbed_top_k,
  implicit_mle,
  rebar,
  relax,
  double_control_variates,
  arm,
  disarm,
  arms,
  unordered_set,
  unordered_set_plain,
  sum_and_sample,
  enumeration,
  // For a policy: what an action is credited with, less its baseline.
  whole_return,
  reward_to_go,
  moving_average,
  leave_one_out,
  learned,
};

inline constexpr auto kEstimators = names<EstimatorKind>({
    {"score", EstimatorKind::score},
    {"score-moving-average", EstimatorKind::score_moving_average},
    {"score-leave-one-out", EstimatorKind::score_leave_one_out},
    {"score-learned", EstimatorKind::score_learned},
    {"score-control-variate", EstimatorKind::score_control_variate},
    {"pathwise", EstimatorKind::pathwise},
    {"concrete", EstimatorKind::concrete},
    {"straight-through-gumbel", EstimatorKind::straight_through_gumbel},
    {"gumbel-rao", EstimatorKind::gumbel_rao},
    {"straight-through", EstimatorKind::straight_through},
    {"decoupled-straight-through", EstimatorKind::decoupled_straight_through},
    {"reinmax", EstimatorKind::reinmax},
    {"reinmax-rao", EstimatorKind::reinmax_rao},
    {"relaxed-top-k", EstimatorKind::relaxed_top_k},
    {"perturbed-top-k", EstimatorKind::perturbed_top_k},
    {"implicit-mle", EstimatorKind::implicit_mle},
    {"rebar", EstimatorKind::rebar},
    {"relax", EstimatorKind::relax},
    {"double-control-variates", EstimatorKind::double_control_variates},
    {"arm", EstimatorKind::arm},
    {"disarm", EstimatorKind::disarm},
    {"arms", EstimatorKind::arms},
    {"unordered-set", EstimatorKind::unordered_set},
    {"unordered-set-plain", EstimatorKind::unordered_set_plain},
    {"sum-and-sample", EstimatorKind::sum_and_sample},
    {"enumeration", EstimatorKind::enumeration},
    {"whole-return", EstimatorKind::whole_return},
    {"reward-to-go", EstimatorKind::reward_to_go},
    {"moving-average", EstimatorKind::moving_average},
    {"leave-one-out", EstimatorKind::leave_one_out},
    {"learned", EstimatorKind::learned},
});

constexpr const char* name_of(EstimatorKind kind) { return name_of(kEstimators, kind); }

}  // namespace partita::app
