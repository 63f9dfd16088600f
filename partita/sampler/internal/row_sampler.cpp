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
  stream_ = stream;
  is_narrowed_ = has_kept_ = false;
  before_adaptation_.ids.clear();
  forget_scans();
  row_ = logits.slice(row, 1);
  chain_.plan(settings, stream);
  clear_edits();
  if (chain_.edits_tokens()) edit();
  whole_ = row_;
}

void RowSampler::forget_scans() {
  is_listed_ = false;
  floats_.found_max = floats_.weighed = false;
  doubles_.found_max = doubles_.weighed = false;
}

/// Makes the edits that come first.
void RowSampler::edit() {
  const Rows given = row_;
  if (!edit_apart()) {
    row_ = given;
    edit_copy();
  }
}

/// The allowed tokens on a copy of the row in its own format, the other edits apart. False if that
/// leaves nothing, or there is a bad number, or too many.
bool RowSampler::edit_apart() {
  const SamplerSettings& s = chain_.settings();
  // Every token takes its place among the others: a bias of most is quicker on a copy.
  if (s.logit_bias.size() > std::max<std::size_t>(1024, row_.columns() / 16)) return false;
  if (!s.allowed.empty() && !visit(row_.dtype(), [&]<Element E>(E) { return mask<E>(); })) {
    return false;
  }
  auto& ids = edited_tokens_.ids;
  auto& logits = edited_tokens_.logits;
  const RowReader<double> row(row_, 0);
  bool proper = true;
  const auto lookup = [&](std::int32_t token) {
    const auto found = std::lower_bound(ids.begin(), ids.end(), token);
    const auto place = logits.begin() + (found - ids.begin());
    if (found != ids.end() && *found == token) return &*place;
    const double z = row.at(static_cast<std::size_t>(token));
    proper &= z < kInfinity;
    ids.insert(found, token);
    return &*logits.insert(place, z);
  };
  apply_logit_bias(s, lookup);
  for (const SamplerStep step : chain_.edits()) {
    switch (step) {
      case SamplerStep::no_repeat_ngram:
        for (const std::int32_t token : banned_tokens(s)) *lookup(token) = -kInfinity;
        break;
      case SamplerStep::penalties:
        apply_penalties(s, lookup);
        break;
      default:
        apply_dry(s, lookup);
    }
  }
  if (!proper) return false;
  bool possible =
      std::any_of(logits.begin(), logits.end(), [](double z) { return z != -kInfinity; });
  edits_ = {ids, logits};
  floats_.set_apart(edits_);
  const RowReader<float> others(row_, 0, edits_);
  float buffer[kernels::kBlock];
  for (std::size_t b = 0; b < others.blocks() && !possible; ++b) {
    const auto z = others.block(b, buffer);
    possible = std::any_of(z.begin(), z.end(), [](float x) { return x != kNever<float>; });
  }
  return possible;
}

/// All edits on a copy of the row, in double.
void RowSampler::edit_copy() {
  const SamplerSettings& s = chain_.settings();
  clear_edits();
  const RowReader<double> reader(row_, 0);
  reader.check_values();
  edited_.resize(row_.columns());
  reader.gather(0, 1, row_.columns(), edited_.data());
  apply_logit_bias(s,
                   [&](std::int32_t token) { return &edited_[static_cast<std::size_t>(token)]; });
  apply_allowed(s, edited_);
  if (std::all_of(edited_.begin(), edited_.end(), [](double z) { return z == -kInfinity; })) {
    reader.fail("every category is impossible (all -inf)");
  }
  for (const SamplerStep step : chain_.edits()) {
    apply_step(step, s, stream_, row_.columns(), {}, edited_);
  }
  row_ = Rows(edited_.data(), 1, edited_.size());
}

/// Copies what is allowed. False if there is NaN or +inf anywhere.
template <class E>
bool RowSampler::mask() {
  const std::size_t n = row_.columns();
  const std::ptrdiff_t stride = row_.column_stride();
  masked_.resize(n * sizeof(E));
  E* const out = reinterpret_cast<E*>(masked_.data());
  const E* in = row_.row_data<E>(0);
  const E kForbidden(-std::numeric_limits<float>::infinity());
  bool proper = true;
  for (std::size_t i = 0; i < n; ++i, in += stride) {
    proper &= static_cast<double>(*in) < kInfinity;
    out[i] = chain_.settings().allowed[i] != 0 ? *in : kForbidden;
  }
  row_ = Rows(out, 1, n);
  return proper;
}

void RowSampler::clear_edits() {
  edited_tokens_.ids.clear();
  edited_tokens_.logits.clear();
  edits_ = {};
  floats_.set_apart({});
}

Rows RowSampler::edited_row() {
  if (edits_.columns.empty()) return whole_;
  edited_.resize(whole_.columns());
  RowReader<double>(whole_, 0, edits_).gather(0, 1, whole_.columns(), edited_.data());
  return {edited_.data(), 1, edited_.size()};
}

const Candidates& RowSampler::kept() {
  if (has_kept_) return kept_;
  narrow();
  filter();
  has_kept_ = true;
  return kept_;
}

void RowSampler::filter() {
  is_double() ? find_max<double>() : find_max<float>();
  if (!chain_.first()) {
    is_double() ? take_possible<double>() : take_possible<float>();
  } else if (is_double()) {
    filter_first<double>();
  } else {
    filter_first<float>();
  }
  kept_.compact();
  for (const SamplerStep step : chain_.rest()) {
    if (step == SamplerStep::adaptive_p) before_adaptation_ = kept_;
    apply_step(step, chain_.settings(), stream_, row_.columns(), kept_.ids, kept_.logits);
    kept_.compact();
  }
}

template <class T>
void RowSampler::find_max() {
  Scans<T>& s = scans<T>();
  if (s.found_max) return;
  // One pass for the maxima and what else will be asked for.
  const Needs need = chain_.first()           ? needs(*chain_.first())
                     : chain_.excludes_next() ? needs(SamplerStep::xtc)
                                              : Needs{};
  if (need.any_exp()) {
    s.filtered.weigh(reader<T>(), 1 / chain_.first_temperature(), need.x_exp);
    s.weighed = true;
  } else {
    s.filtered.find_max(reader<T>());
  }
  s.found_max = true;
  max_ = s.filtered.max();
}

void RowSampler::scale_list() {
  if (!chain_.is_heated()) return;
  for (double& z : kept_.logits) z = chain_.scaled(z, max_);
}

void RowSampler::take_all() {
  kept_.ids.resize(row_.columns());
  for (std::size_t i = 0; i < kept_.ids.size(); ++i) kept_.ids[i] = static_cast<std::int64_t>(i);
  kept_.logits.resize(row_.columns());
  reader<double>().gather(0, 1, row_.columns(), kept_.logits.data());
  scale_list();
  covered_ = -kInfinity;
}

template <class T>
void RowSampler::take_possible() {
  if (!edits_.columns.empty()) return take_all();  // T may not hold them
  keep_list(Cut<T>{.low = std::numeric_limits<T>::lowest()});
}

/// The list of what a cut leaves.
template <class T>
void RowSampler::keep_list(Cut<T> cut) {
  kept_.ids.clear();
  kept_.logits.clear();
  scans<T>().filtered.collect(reader<T>(), cut.low, cut.equals, kAll, kept_);
  if (static_cast<double>(cut.high) < max_) {
    for (double& z : kept_.logits) {
      if (z > static_cast<double>(cut.high)) z = -kInfinity;
    }
    kept_.compact();
  }
  scale_list();
}

/// The categories with logit >= low; false if they are more than `most`.
template <class T>
bool RowSampler::collect_from(T low, std::size_t most) {
  kept_.ids.clear();
  kept_.logits.clear();
  if (low == kNever<T>) {
    take_all();
    return true;
  }
  covered_ = chain_.scaled(static_cast<double>(low), max_) - chain_.scaled_max(max_);
  low = chain_.with_equals(low, max_);
  if (!scans<T>().filtered.collect(reader<T>(), low, kAll, most, kept_)) return false;
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
    sums.deviation = {z.low / chain_.first_temperature() * (1 - kScaling),
                      z.high / chain_.first_temperature() * (1 + kScaling)};
  }
  if (need.least) {
    auto least =
        static_cast<double>(RowScan<T>::part(reader<T>(), std::numeric_limits<T>::lowest()).least);
    for (const double z : std::is_same_v<T, double> ? std::span<const double>{} : edits_.logits) {
      if (z != -kInfinity) least = std::min(least, z);
    }
    sums.least = chain_.scaled(least, max_) - chain_.scaled_max(max_);
  }
  if (need.squares) {
    s.squared.weigh(reader<T>(), 2 / chain_.first_temperature(), false);
    sums.squares = s.squared.sums().exp;
  }
  return sums;
}

RowSums RowSampler::exact_sums(Needs need) {
  SumOfRow sum(need);
  const RowReader<double> row = reader<double>();
  const double max = chain_.scaled_max(max_);
  double buffer[kernels::kBlock];
  for (std::size_t b = 0; b < row.blocks(); ++b) {
    for (const double z : row.block(b, buffer)) sum.add(chain_.scaled(z, max_) - max);
  }
  return sum.sums();
}

template <class T>
void RowSampler::filter_first() {
  const SamplerStep step = *chain_.first();
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
  const auto found_long = [&] {
    const auto cut = edits_.columns.empty() ? find_cut<T>() : std::nullopt;
    if (cut) keep_list(*cut);
    return cut.has_value();
  };
  const bool is_at_once = step == SamplerStep::top_k || step == SamplerStep::typical;
  if (is_at_once && is_long<T>() && found_long()) return;
  RowSums sums = is_listed_ ? sums_ : sums_now();
  RowScan<T>& scan = scans<T>().filtered;
  const double max = chain_.scaled_max(max_);
  std::size_t wanted = step == SamplerStep::top_k ? chain_.settings().top_k : 128;
  const T floor = chain_.below<T>(chain_.floor(), max_);
  T low = has_cutoff(step, chain_.settings())
              ? chain_.below_cutoff<T>(sums, max_)
              : std::max(floor, scan.reached_by(reader<T>(), wanted));
  if (step == SamplerStep::top_k && low != kNever<T>) {
    kept_.ids.clear();
    kept_.logits.clear();
    covered_ = chain_.x_of(static_cast<double>(low), max_);
    scan.collect_top_k(reader<T>(), chain_.with_equals(low, max_), wanted, kept_);
    scale_list();
  } else if (!is_listed_) {
    collect_from(low, kAll);
  }
  while (true) {
    switch (decide(step, chain_.settings(), kept_.logits, max, covered_, row_.columns(), sums)) {
      case Decision::made:
        return;
      case Decision::needs_categories: {
        // All of the list stays, and the floor takes away what is missing.
        if (floor != kNever<T> && low <= floor) return;
        const T before = low;
        while (low == before && low != kNever<T>) {
          wanted *= 16;
          low = has_cutoff(step, chain_.settings())
                    ? kNever<T>
                    : std::max(floor, scan.reached_by(reader<T>(), wanted));
        }
        if (wanted > kShortList && step == SamplerStep::top_p && found_long()) return;
        // Among so many, single categories weigh less than the bounds leave open.
        if (wanted > kShortList && need.any_exp() && known != Known::exactly) {
          known = Known::exactly;
          sums = sums_now();
        }
        collect_from(low, kAll);
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
template bool RowSampler::collect_from<float>(float, std::size_t);
template bool RowSampler::collect_from<double>(double, std::size_t);

}  // namespace partita::sampler
