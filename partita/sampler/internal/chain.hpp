// SPDX-License-Identifier: Apache-2.0
// The chain of one row's settings, divided by what it takes to do it. Not installed.
#pragma once

#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "partita/random/stream.hpp"
#include "partita/sampler/internal/rules.hpp"
#include "partita/sampler/settings.hpp"

namespace partita::sampler {

/// First edits of single tokens, which stand apart from the row; then a temperature, which only
/// scales it; then a filter, which looks at the most likely categories alone; and the rest, on what
/// that leaves.
class Chain {
 public:
  /// @param settings checked; must outlive the calls that follow
  /// @param stream   tells whether XTC happens: if not, it is no part of the chain
  void plan(const SamplerSettings& settings, const Stream& stream);
  /// What is left once first() has been applied to the row, or XTC if it is next.
  void drop_first();

  const SamplerSettings& settings() const { return *settings_; }
  const std::vector<SamplerStep>& edits() const { return edits_; }
  /// None if nothing filters, or what comes first is neither of these and needs the whole row.
  std::optional<SamplerStep> first() const { return first_; }
  const std::vector<SamplerStep>& rest() const { return rest_; }

  /// Whether logit bias, allowed tokens or edits() change single tokens.
  bool edits_tokens() const;
  /// That of the row when the first filter sees it.
  double first_temperature() const { return temperature_.value_or(1); }
  bool is_heated() const { return temperature_.has_value(); }
  /// Of all of the chain.
  double inverse_temperature() const { return inverse_temperature_; }

  /// The x that min_p asks for right after the first filter; -inf if it does not.
  double floor() const { return floor_; }
  /// Whether the rest ends in a temperature.
  bool heats_after() const { return heats_after_; }
  /// Whether a category can be drawn from the row and then looked at, and mostly be kept: only
  /// a temperature and a floor beside a filter that keeps much.
  bool draws_whole() const { return draws_whole_; }
  /// Whether the rest looks at all that first() leaves, as its edits do not.
  bool filters_again() const { return filters_again_; }
  /// Whether XTC comes before any filter.
  bool excludes_next() const {
    return !first_ && !rest_.empty() && rest_.front() == SamplerStep::xtc;
  }
  /// Whether nothing is left but a temperature that depends on the row's entropy.
  bool only_heats_by_entropy() const;

  /// A logit as apply_settings() changes it before the first filter. @param max the largest
  double scaled(double z, double max) const;
  double scaled_max(double max) const { return is_heated() ? 0 : max; }

  /// A logit at x as the first filter sees it, x <= 0: a little further down, to allow for
  /// rounding.
  template <class T>
  T below(double x, double max) const;
  /// A logit below which nothing is kept, by the cutoff of the first filter, if it has one, and by
  /// the floor.
  template <class T>
  T below_cutoff(const RowSums& sums, double max) const;
  /// A logit as the first filter sees it: relative to the largest.
  double x_of(double z, double max) const { return scaled(z, max) - scaled_max(max); }
  /// `low`, or a logit below it: nothing further down is equal to it relative to the largest.
  template <class T>
  T with_equals(T low, double max) const;

 private:
  /// @param may_edit whether the row has not yet been edited
  void plan_steps(const std::vector<SamplerStep>& steps, bool may_edit);

  const SamplerSettings* settings_ = nullptr;
  std::vector<SamplerStep> edits_;
  std::optional<double> temperature_;  // of the step before the first filter
  std::optional<SamplerStep> first_;
  std::vector<SamplerStep> rest_;
  double floor_ = -std::numeric_limits<double>::infinity();
  bool heats_after_ = false;
  bool draws_whole_ = false;
  bool filters_again_ = false;
  double inverse_temperature_ = 1;
};

}  // namespace partita::sampler
