// SPDX-License-Identifier: Apache-2.0
// Filters that keep more than a list is good for: the cut, by passes over the row.
#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "partita/sampler/internal/row_sampler.hpp"

namespace partita::sampler {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::size_t kAll = std::numeric_limits<std::size_t>::max();

}  // namespace

/// Applies filters that keep much to the row itself, until one is left or a list is better.
void RowSampler::narrow() {
  if (has_kept_) return;
  while (is_double() ? narrow_once<double>() : narrow_once<float>()) {
  }
}

template <class T>
bool RowSampler::narrow_once() {
  const auto first = chain_.first();
  if (!first || chain_.draws_whole()) return false;
  if (!(chain_.filters_again() || first == SamplerStep::top_k) || !is_long<T>()) return false;
  if (!edits_.columns.empty()) {
    whole_ = row_ = edited_row();
    clear_edits();
    forget_scans();
    return narrow_once<double>();
  }
  const auto cut = find_cut<T>();
  if (!cut) return false;
  keep(*cut);
  chain_.drop_first();
  return true;
}

/// Whether the first filter keeps more than a list is good for, as far as is soon told.
template <class T>
bool RowSampler::is_long() {
  const SamplerStep step = *chain_.first();
  if (step == SamplerStep::top_k) {
    return chain_.settings().top_k > kShortList && chain_.settings().top_k < row_.columns();
  }
  if (step != SamplerStep::top_p && !has_cutoff(step, chain_.settings())) return false;
  find_max<T>();
  return !is_short<T>();
}

template <class T>
std::optional<RowSampler::Cut<T>> RowSampler::find_cut() {
  // Logits that are doubles may be equal once they are scaled.
  if (std::is_same_v<T, double> && chain_.is_heated()) return std::nullopt;
  find_max<T>();
  switch (*chain_.first()) {
    case SamplerStep::top_k:
      return find_top_k<T>();
    case SamplerStep::top_p:
      return find_top_p<T>();
    default:
      return find_cutoff<T>();
  }
}

template <class T>
std::optional<RowSampler::Cut<T>> RowSampler::find_cutoff() {
  const SamplerStep step = *chain_.first();
  const auto cut_by = [&](const RowSums& sums) -> std::optional<Cut<T>> {
    const Bounds cut = cutoff(step, chain_.settings(), sums);
    const T low = chain_.least_at<T>(cut.low, max_);
    const T high = chain_.least_at<T>(cut.high, max_);
    const auto count = [&](T limit) { return RowScan<T>::part(reader<T>(), limit).count; };
    if (low != high && count(low) != count(high)) return std::nullopt;
    return Cut<T>{low, kAll};
  };
  auto cut = cut_by(sums_within<T>(needs(step)));
  if (!cut && !is_double()) cut = cut_by(sums_within<double>(needs(step)));
  return cut ? cut : cut_by(exact_sums(needs(step)));
}

/// The k-th largest logit.
template <class T>
std::optional<RowSampler::Cut<T>> RowSampler::find_top_k() {
  const std::size_t k = chain_.settings().top_k;
  const RowReader<T> row = reader<T>();
  const auto part = [&](T limit) { return RowScan<T>::part(row, limit); };
  T high = static_cast<T>(max_);  // fewer than k are at it or above
  std::size_t above = 0;
  auto found = part(high);
  if (found.count < k) {
    above = found.count;
    found = part(std::numeric_limits<T>::lowest());
    if (found.count <= k) return Cut<T>{found.least, kAll};
    T middle = found.least / 2 + high / 2;
    for (bool halve = false; found.count > k; halve = !halve) {
      if (!(middle > found.least && middle < high)) break;
      const auto here = part(middle);
      if (here.count >= k) {
        found = here;
      } else {
        high = middle;
        above = here.count;
        if (!(here.next > found.least)) break;
      }
      // Where k lies between the two counts; every other time halfway.
      const double share =
          halve ? 0.5
                : static_cast<double>(found.count - k) / static_cast<double>(found.count - above);
      middle = found.least + static_cast<T>(share) * (high - found.least);
    }
  }
  return Cut<T>{found.least, found.count > k ? k - above : kAll};
}

/// The least likely that top_p keeps: float sums leave a few candidates, double ones tell them
/// apart.
template <class T>
std::optional<RowSampler::Cut<T>> RowSampler::find_top_p() {
  constexpr int kPasses = 40;
  const RowReader<T> row = reader<T>();
  const RowScan<T>& scan = scans<T>().filtered;
  const double p = chain_.settings().top_p;
  const double total = scan.total();
  const double error = 2 * RowScan<T>::kSumError * total;
  if (!((1 - p) / 2 * total > error)) return std::nullopt;
  // What is at `kept` or above is kept, and what is at `out` or below is not: all that is further
  // down weighs less than (1 - p) / 2.
  T kept = static_cast<T>(max_);
  T out = chain_.below<T>(std::log((1 - p) / 2 * total / static_cast<double>(row.columns())), max_);
  double above_kept = 0;
  double above_out = total;
  const auto may_be_between = [&] {
    const double weight = std::exp((static_cast<double>(out) - max_) / chain_.first_temperature());
    return (above_out - above_kept + error) / weight;
  };
  for (int i = 1; i < kPasses && may_be_between() > static_cast<double>(kShortList); ++i) {
    if (i % 8 == 0) {  // is one crowded value all that is left?
      const T least = RowScan<T>::part(row, std::nextafter(out, kept)).least;
      if (least == RowScan<T>::part(row, kept).next) break;
    }
    const double share =
        i % 3 == 0 ? 0.5 : std::clamp((above_out - p * total) / (above_out - above_kept), 0.1, 0.9);
    const T middle = out + static_cast<T>(share) * (kept - out);
    if (!(middle > out && middle < kept)) break;
    const double above = scan.sum_between(row, static_cast<double>(middle), kInfinity);
    if (above + error < p * total) {
      kept = middle;
      above_kept = above;
    } else if (above - error >= p * total) {
      out = middle;
      above_out = above;
    } else {
      break;
    }
  }
  std::vector<T> candidates = scan.collect_between(row, out, kept);
  std::sort(candidates.begin(), candidates.end(), std::greater<>());
  const Bounds sum = sums_within<double>(needs(SamplerStep::top_p)).exp;
  const double rounding = RowScan<double>::kSumError * sum.high;
  double above = doubles_.filtered.sum_between(
      reader<double>(), std::nextafter(static_cast<double>(kept), -kInfinity), kInfinity);
  for (auto z = candidates.begin(); z != candidates.end();) {
    if (above - rounding >= p * sum.high) break;
    if (!(above + rounding < p * sum.low)) return std::nullopt;
    kept = *z;
    const double x = chain_.scaled(static_cast<double>(kept), max_) - chain_.scaled_max(max_);
    for (; z != candidates.end() && *z == kept; ++z) above += std::exp(x);
  }
  return Cut<T>{kept, kAll};
}

/// Removes the rest from a copy of the row, in what is computed in.
template <class T>
void RowSampler::keep(Cut<T> cut) {
  const std::size_t n = row_.columns();
  narrowed_.resize(n * sizeof(double));
  const auto out = reinterpret_cast<T*>(narrowed_.data());
  const RowReader<T> row = reader<T>();
  for (std::size_t b = 0; b < row.blocks(); ++b) {
    row.visit_block(b, [&]<class E>(std::span<const E> z) {
      kernels::sampler_kernels<E>().keep_from(z.data(), std::min(z.size(), n - b * kernels::kBlock),
                                              cut.low, out + b * kernels::kBlock);
    });
  }
  for (std::size_t i = 0; i < n && cut.equals != kAll; ++i) {
    if (out[i] != cut.low) continue;
    if (cut.equals == 0) {
      out[i] = kNever<T>;
    } else {
      --cut.equals;
    }
  }
  row_ = Rows(static_cast<const T*>(out), 1, n);
  forget_scans();
}

template bool RowSampler::is_long<float>();
template bool RowSampler::is_long<double>();
template std::optional<RowSampler::Cut<float>> RowSampler::find_cut<float>();
template std::optional<RowSampler::Cut<double>> RowSampler::find_cut<double>();

}  // namespace partita::sampler
