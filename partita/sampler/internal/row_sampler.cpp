// SPDX-License-Identifier: Apache-2.0
#include "partita/sampler/internal/row_sampler.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "partita/base/error.hpp"
#include "partita/sampler/internal/edits.hpp"

namespace partita::sampler {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::size_t kAll = std::numeric_limits<std::size_t>::max();

bool is_edit(SamplerStep step) {
  return step == SamplerStep::no_repeat_ngram || step == SamplerStep::penalties ||
         step == SamplerStep::dry;
}

/// Keeps the most likely by a rule, so that it can be applied to a list of them.
bool is_filter(SamplerStep step) {
  return !is_edit(step) && step != SamplerStep::temperature && step != SamplerStep::xtc &&
         step != SamplerStep::adaptive_p;
}

/// log p_i = (z_i - max) - log sum, of a list; -inf if it is not there.
double log_prob_in(const Candidates& list, std::int64_t id) {
  const auto found = std::lower_bound(list.ids.begin(), list.ids.end(), id);
  if (found == list.ids.end() || *found != id) return -kInfinity;
  const auto& logits = list.logits;
  const double z_i = logits[static_cast<std::size_t>(found - list.ids.begin())];
  const double max = *std::max_element(logits.begin(), logits.end());
  CompensatedSum rest;  // all but one of the largest, whose term is 1
  bool skipped = false;
  for (const double z : logits) {
    if (!skipped && z == max) {
      skipped = true;
    } else {
      rest.add(std::exp(z - max));
    }
  }
  return (z_i - max) - std::log1p(rest.value());
}

}  // namespace

void RowSampler::reset(Rows logits, std::size_t row, const SamplerSettings& settings,
                       Stream stream) {
  settings.check(logits.columns());
  settings_ = &settings;
  stream_ = stream;
  has_kept_ = false;
  before_adaptation_.ids.clear();
  floats_.found_max = floats_.weighed = false;
  doubles_.found_max = doubles_.weighed = false;
  row_ = logits.slice(row, 1);
  plan();
}

/// Makes the edits that come first, and divides the rest of the chain.
void RowSampler::plan() {
  temperatures_.clear();
  rest_.clear();
  first_.reset();
  const SamplerSettings& s = *settings_;
  edits_.clear();
  bool is_leading = true;  // only edits and temperatures so far
  for (const SamplerStep step : s.order) {
    if (!s.uses(step)) continue;
    if (is_leading && is_edit(step) && temperatures_.empty()) {
      edits_.push_back(step);
    } else if (is_leading && step == SamplerStep::temperature && s.dynatemp_range == 0 &&
               !penalizes_after_temperature(s)) {
      temperatures_.push_back(s.temperature);
    } else if (is_leading && is_filter(step)) {
      first_ = step;
      is_leading = false;
    } else {
      rest_.push_back(step);
      is_leading = false;
    }
  }
  first_temperature_ = temperatures_.empty() ? 1 : temperatures_.front();
  if (!edits_.empty() || !s.logit_bias.empty() || !s.allowed.empty()) {
    const RowReader<double> reader(row_, 0);
    edited_.resize(row_.columns());
    reader.gather(0, 1, row_.columns(), edited_.data());
    const auto is_bad = [](double z) { return !(z < kInfinity); };
    if (std::any_of(edited_.begin(), edited_.end(), is_bad)) reader.check_values();
    apply_constraints(s, edited_);
    if (std::all_of(edited_.begin(), edited_.end(), [](double z) { return z == -kInfinity; })) {
      reader.fail("every category is impossible (all -inf)");
    }
    for (const SamplerStep step : edits_) {
      apply_step(step, s, stream_, row_.columns(), {}, edited_);
    }
    row_ = Rows(edited_.data(), 1, edited_.size());
  }
  // Only a floor and temperatures may follow the filter.
  const bool keeps_largest = first_ && (*first_ == SamplerStep::top_p ||
                                        *first_ == SamplerStep::top_k || has_cutoff(*first_, s));
  auto after = rest_.begin();
  if (keeps_largest && after != rest_.end() && *after == SamplerStep::min_p) ++after;
  floor_ = after == rest_.begin() ? -kInfinity : cutoff(SamplerStep::min_p, s, {}).low;
  const bool only_heats = std::all_of(after, rest_.end(), [&](SamplerStep step) {
    return step == SamplerStep::temperature && s.dynatemp_range == 0;
  });
  heats_after_ = only_heats && after != rest_.end();
  inverse_temperature_ = 1 / first_temperature_;
  if (heats_after_) inverse_temperature_ /= s.temperature;
  // Where little is kept, the list costs less than rejection.
  constexpr double kMuch = 0.5;
  const auto may_keep_much = [&] {
    if (!first_) return true;
    return (*first_ == SamplerStep::top_p && s.top_p >= kMuch) ||
           (*first_ == SamplerStep::typical && s.typical_p >= kMuch) || has_cutoff(*first_, s);
  };
  draws_whole_ = only_heats && may_keep_much();
}

const Candidates& RowSampler::kept() {
  if (!has_kept_) filter();
  has_kept_ = true;
  return kept_;
}

void RowSampler::filter() {
  is_double() ? find_max<double>() : find_max<float>();
  if (!first_) {
    take_all();
  } else if (is_double()) {
    filter_first<double>();
  } else {
    filter_first<float>();
  }
  kept_.compact();
  for (const SamplerStep step : rest_) {
    if (step == SamplerStep::adaptive_p) before_adaptation_ = kept_;
    apply_step(step, *settings_, stream_, row_.columns(), kept_.ids, kept_.logits);
    kept_.compact();
  }
}

template <class T>
void RowSampler::find_max() {
  Scans<T>& s = scans<T>();
  if (s.found_max) return;
  // One pass for the maxima and what else will be asked for.
  const Needs need = first_ ? needs(*first_) : Needs{};
  if (need.any_exp() || !first_) {
    s.filtered.weigh(reader<T>(), 1 / first_temperature_, need.x_exp);
    s.weighed = true;
  } else {
    s.filtered.find_max(reader<T>());
  }
  s.found_max = true;
  max_ = s.filtered.max();
}

/// A logit as apply_settings() changes it before the first filter.
double RowSampler::scaled(double z) const {
  double max = max_;
  for (const double t : temperatures_) {
    z = (z - max) / t;
    max = 0;
  }
  return z;
}

void RowSampler::scale_list() {
  if (temperatures_.empty()) return;
  for (double& z : kept_.logits) z = scaled(z);
}

void RowSampler::take_all() {
  kept_.ids.resize(row_.columns());
  for (std::size_t i = 0; i < kept_.ids.size(); ++i) kept_.ids[i] = static_cast<std::int64_t>(i);
  kept_.logits.resize(row_.columns());
  RowReader<double>(row_, 0).gather(0, 1, row_.columns(), kept_.logits.data());
  scale_list();
  covered_ = -kInfinity;
}

/// A logit below x as the first filter sees it: a little further down, to allow for rounding.
template <class T>
T RowSampler::below(double x) const {
  if (x == -kInfinity) return kNever<T>;
  const double distance = x * first_temperature_;
  const double z = max_ + distance - 1e-6 * (std::abs(distance) + std::abs(max_) + 1e-30);
  return std::max(static_cast<T>(z), std::numeric_limits<T>::lowest());
}

/// A logit below which the chain keeps nothing, by the cutoff of the first filter, if it has one,
/// and by the floor.
template <class T>
T RowSampler::below_cutoff(const RowSums& sums) const {
  const bool cuts = has_cutoff(*first_, *settings_);
  return below<T>(std::max(floor_, cuts ? cutoff(*first_, *settings_, sums).low : -kInfinity));
}

/// The categories with logit > low, and the first `equals` of those equal to it; false if they are
/// more than `most`.
template <class T>
bool RowSampler::collect_from(T low, std::size_t equals, std::size_t most) {
  kept_.ids.clear();
  kept_.logits.clear();
  if (low == kNever<T>) {
    take_all();
    return true;
  }
  covered_ = scaled(static_cast<double>(low)) - scaled_max();
  // Scaled by a temperature, neighbors of `low` in double may come to be its equals.
  if (std::is_same_v<T, double> && !temperatures_.empty()) {
    constexpr double kSlack = 0x1p-48;
    low -= static_cast<T>(kSlack * (std::abs(max_) + std::abs(max_ - static_cast<double>(low))));
  }
  if (!scans<T>().filtered.collect(reader<T>(), low, equals, most, kept_)) return false;
  scale_list();
  return true;
}

template <class T>
RowSums RowSampler::sums_within(Needs need) {
  Scans<T>& s = scans<T>();
  if (!s.found_max) find_max<T>();
  RowSums sums = s.filtered.sums();
  if (need.deviation) {
    const Bounds z = s.filtered.deviation(reader<T>());
    constexpr double kScaling = 1e-14;  // rounding by the temperatures
    sums.deviation = {z.low / first_temperature_ * (1 - kScaling),
                      z.high / first_temperature_ * (1 + kScaling)};
  }
  if (need.squares) {
    s.squared.weigh(reader<T>(), 2 / first_temperature_, false);
    sums.squares = s.squared.sums().exp;
  }
  return sums;
}

RowSums RowSampler::exact_sums(Needs need) {
  SumOfRow sum(need);
  const RowReader<double> row(row_, 0);
  const double max = scaled_max();
  double buffer[kernels::kBlock];
  for (std::size_t b = 0; b < row.blocks(); ++b) {
    for (const double z : row.block(b, buffer)) sum.add(scaled(z) - max);
  }
  return sum.sums();
}

template <class T>
void RowSampler::filter_first() {
  const SamplerStep step = *first_;
  const Needs need = needs(step);
  enum class Known { within_float, within_double, exactly };
  // Typical orders categories by their distance from the mean, which takes the mean itself.
  Known known = step == SamplerStep::typical ? Known::exactly
                : is_double()                ? Known::within_double
                                             : Known::within_float;
  const auto sums_now = [&] {
    return known == Known::exactly         ? exact_sums(need)
           : known == Known::within_double ? sums_within<double>(need)
                                           : sums_within<float>(need);
  };
  RowSums sums = sums_now();
  RowScan<T>& scan = scans<T>().filtered;
  const double max = scaled_max();
  std::size_t wanted = step == SamplerStep::top_k ? settings_->top_k : 128;
  const T floor = below<T>(floor_);
  T low = has_cutoff(step, *settings_) ? below_cutoff<T>(sums)
                                       : std::max(floor, scan.reached_by(reader<T>(), wanted));
  collect_from(low, step == SamplerStep::top_k ? settings_->top_k : kAll, kAll);
  while (true) {
    switch (decide(step, *settings_, kept_.logits, max, covered_, row_.columns(), sums)) {
      case Decision::made:
        return;
      case Decision::needs_categories: {
        // All of the list stays, and the floor takes away what is missing.
        if (floor != kNever<T> && low <= floor) return;
        const T before = low;
        while (low == before && low != kNever<T>) {
          wanted *= 16;
          low = has_cutoff(step, *settings_)
                    ? kNever<T>
                    : std::max(floor, scan.reached_by(reader<T>(), wanted));
        }
        // Among so many, single categories weigh less than the bounds leave open.
        if (wanted > kShortList && need.any_exp() && known != Known::exactly) {
          known = Known::exactly;
          sums = sums_now();
        }
        collect_from(low, kAll, kAll);
        break;
      }
      case Decision::needs_sums:
        known = known == Known::within_float ? Known::within_double : Known::exactly;
        sums = sums_now();
        break;
    }
  }
}

double RowSampler::log_prob(std::int64_t id) { return log_prob_in(kept(), id); }

double RowSampler::log_prob_before_adaptation(std::int64_t id) {
  const Candidates& list = kept();
  return log_prob_in(before_adaptation_.ids.empty() ? list : before_adaptation_, id);
}

template void RowSampler::find_max<float>();
template void RowSampler::find_max<double>();
template RowSums RowSampler::sums_within<float>(Needs);
template RowSums RowSampler::sums_within<double>(Needs);
template float RowSampler::below_cutoff<float>(const RowSums&) const;
template double RowSampler::below_cutoff<double>(const RowSums&) const;
template bool RowSampler::collect_from<float>(float, std::size_t, std::size_t);
template bool RowSampler::collect_from<double>(double, std::size_t, std::size_t);

}  // namespace partita::sampler
