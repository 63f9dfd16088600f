// SPDX-License-Identifier: Apache-2.0
#include "partita/sampler/internal/chain.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "partita/sampler/filter.hpp"
#include "partita/sampler/internal/edits.hpp"

namespace partita::sampler {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

bool is_edit(SamplerStep step) {
  return step == SamplerStep::no_repeat_ngram || step == SamplerStep::penalties ||
         step == SamplerStep::dry;
}

/// Keeps the most likely by a rule, so that it can be applied to a list of them.
bool is_filter(SamplerStep step) {
  return !is_edit(step) && step != SamplerStep::temperature && step != SamplerStep::xtc &&
         step != SamplerStep::adaptive_p;
}

/// Where little is kept, a list costs less than rejection.
bool may_keep_much(SamplerStep filter, const SamplerSettings& s) {
  constexpr double kMuch = 0.5;
  return (filter == SamplerStep::top_p && s.top_p >= kMuch) ||
         (filter == SamplerStep::typical && s.typical_p >= kMuch) || has_cutoff(filter, s);
}

}  // namespace

void Chain::plan(const SamplerSettings& s, const Stream& stream) {
  settings_ = &s;
  temperature_.reset();
  inverse_temperature_ = 1;
  std::vector<SamplerStep> steps;
  for (const SamplerStep step : s.order) {
    if (!s.uses(step) || (step == SamplerStep::xtc && !excludes_top_choices(s, stream))) continue;
    steps.push_back(step);
    if (step == SamplerStep::temperature && s.dynatemp_range == 0) {
      inverse_temperature_ = 1 / s.temperature;
    }
  }
  edits_.clear();
  plan_steps(steps, true);
}

void Chain::drop_first() {
  const std::vector<SamplerStep> left(rest_.begin() + (first_ ? 0 : 1), rest_.end());
  plan_steps(left, false);
}

bool Chain::only_heats_by_entropy() const {
  return !first_ && rest_.size() == 1 && rest_.front() == SamplerStep::temperature &&
         settings_->dynatemp_range > 0;
}

void Chain::plan_steps(const std::vector<SamplerStep>& steps, bool may_edit) {
  const SamplerSettings& s = *settings_;
  first_.reset();
  rest_.clear();
  bool is_leading = true;  // only edits and a temperature so far
  for (const SamplerStep step : steps) {
    if (may_edit && is_leading && is_edit(step) && !temperature_) {
      edits_.push_back(step);
    } else if (is_leading && step == SamplerStep::temperature && s.dynatemp_range == 0 &&
               !penalizes_after_temperature(s)) {
      temperature_ = s.temperature;
    } else if (is_leading && is_filter(step)) {
      first_ = step;
      is_leading = false;
    } else {
      rest_.push_back(step);
      is_leading = false;
    }
  }
  // Only a floor and a temperature may follow the filter.
  const bool keeps_largest = first_ && (*first_ == SamplerStep::top_p ||
                                        *first_ == SamplerStep::top_k || has_cutoff(*first_, s));
  auto after = rest_.begin();
  if (keeps_largest && after != rest_.end() && *after == SamplerStep::min_p) ++after;
  floor_ = after == rest_.begin() ? -kInfinity : cutoff(SamplerStep::min_p, s, {}).low;
  const bool only_heats = std::all_of(after, rest_.end(), [&](SamplerStep step) {
    return step == SamplerStep::temperature && s.dynatemp_range == 0;
  });
  heats_after_ = only_heats && after != rest_.end();
  const auto reads_all = [&](SamplerStep step) {
    return is_filter(step) || step == SamplerStep::xtc ||
           (step == SamplerStep::temperature && s.dynatemp_range > 0);
  };
  filters_again_ = first_ && std::any_of(rest_.begin(), rest_.end(), reads_all) &&
                   std::none_of(rest_.begin(), rest_.end(), is_edit);
  draws_whole_ = only_heats && (!first_ || may_keep_much(*first_, s));
}

bool Chain::edits_tokens() const {
  return !edits_.empty() || !settings_->logit_bias.empty() || !settings_->allowed.empty();
}

double Chain::scaled(double z, double max) const {
  return temperature_ ? (z - max) / *temperature_ : z;
}

template <class T>
T Chain::below(double x, double max) const {
  if (x == -kInfinity) return -std::numeric_limits<T>::infinity();
  const double distance = x * first_temperature();
  const double z = max + distance - 1e-6 * (std::abs(distance) + std::abs(max) + 1e-30);
  return std::max(static_cast<T>(z), std::numeric_limits<T>::lowest());
}

template <class T>
T Chain::below_cutoff(const RowSums& sums, double max) const {
  const bool cuts = has_cutoff(*first_, *settings_);
  const double cut = cuts ? cutoff(*first_, *settings_, sums).low : -kInfinity;
  return below<T>(std::max(floor_, cut), max);
}

template <class T>
T Chain::with_equals(T low, double max) const {
  constexpr double kSlack = 0x1p-48;
  const double distance = std::abs(max - static_cast<double>(low));
  return low - static_cast<T>(kSlack * (std::abs(max) + distance));
}

template float Chain::below<float>(double, double) const;
template double Chain::below<double>(double, double) const;
template float Chain::below_cutoff<float>(const RowSums&, double) const;
template double Chain::below_cutoff<double>(const RowSums&, double) const;
template float Chain::with_equals<float>(float, double) const;
template double Chain::with_equals<double>(double, double) const;

}  // namespace partita::sampler
