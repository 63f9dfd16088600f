// SPDX-License-Identifier: Apache-2.0
// Which estimator to take, at equal cost.
#pragma once

#include <cstdint>
#include <vector>

#include "apps/experiments/gradients/experiment.hpp"

namespace partita::app {

enum class Budget : std::uint8_t { evaluations, time };

inline constexpr double kEqualEvaluations = 1000;  ///< of f
inline constexpr double kEqualMicroseconds = 1000;

/// What one estimate costs, in evaluations of f or in microseconds.
double cost_of(const Measurement& at, Budget budget);

/// Whether its mean is off the exact gradient by more than five standard errors, which chance alone
/// does not produce.
bool is_biased(const Measurement& at);

/// The root mean square error of the mean of as many estimates as the budget pays for: √(bias² +
/// variance · cost / budget), with bias² less what chance adds to a measured one.
double error_at(const Measurement& at, Budget budget);

/// Each estimator at its best temperature and number of samples, by rising error.
/// @return pointers into the variant
std::vector<const Measurement*> ranking(const VariantResult& variant, Budget budget);

/// "rebar, τ = 0.5, k = 2"; the number of samples where several were measured.
std::string setting_of(const Measurement& at, const VariantResult& variant);

}  // namespace partita::app
