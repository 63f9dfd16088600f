// SPDX-License-Identifier: Apache-2.0
// Filters that keep more than a list is good for: the cut, by passes over the row.
#include <algorithm>
#include <cmath>
#include <limits>

#include "partita/sampler/internal/least_where.hpp"
#include "partita/sampler/internal/row_sampler.hpp"

namespace partita::sampler {

namespace {

constexpr std::size_t kAll = std::numeric_limits<std::size_t>::max();

}  // namespace

/// Applies filters that keep much to the row itself, until one is left or a list is better.
void RowSampler::narrow() {
  if (is_narrowed_) return;
  while (is_double() ? narrow_once<double>() : narrow_once<float>()) {
  }
  is_narrowed_ = true;
}

template <class T>
bool RowSampler::narrow_once() {
  if (chain_.excludes_next()) return row_.columns() > kShortList && exclude_top_choices<T>();
  const auto first = chain_.first();
  if (first == SamplerStep::top_k && chain_.settings().top_k >= row_.columns() &&
      row_.columns() > kShortList) {
    chain_.drop_first();
    return true;
  }
  if (!first || chain_.draws_whole()) return false;
  if (!(chain_.filters_again() || first == SamplerStep::top_k) || !is_long<T>()) return false;
  if (!edits_.columns.empty()) {
    whole_ = row_ = edited_row();
    clear_edits();
    forget_scans();
    return narrow_once<double>();
  }
  return narrow_to(find_cut<T>());
}

/// Goes on with what a cut leaves, if there is one.
template <class T>
bool RowSampler::narrow_to(std::optional<Cut<T>> cut) {
  // The temperature has moved the row by its largest logit, which must stay.
  if (!cut || (chain_.is_heated() && static_cast<double>(cut->high) < max_)) return false;
  keep(*cut);
  chain_.drop_first();
  return true;
}

/// XTC that happens: nothing likelier stays than the least likely of the top choices.
template <class T>
bool RowSampler::exclude_top_choices() {
  if (!edits_.columns.empty()) return false;
  find_max<T>();
  const T largest = static_cast<T>(max_);
  const auto least_choice = [&](const RowSums& sums) -> std::optional<T> {
    const auto least_at = [&](double total) {
      const double cut = std::log(chain_.settings().xtc_threshold) + std::log(total);
      const T low = least_where(
          largest, [&](T z) { return chain_.x_of(static_cast<double>(z), max_) >= cut; });
      return RowScan<T>::part(reader<T>(), low).least;
    };
    const T least = least_at(sums.exp.low);
    return least == least_at(sums.exp.high) ? std::optional(least) : std::nullopt;
  };
  const Needs need = needs(SamplerStep::xtc);
  std::optional<T> least = least_choice(sums_within<T>(need));
  if (!least && !is_double()) least = least_choice(sums_within<double>(need));
  if (!least || is_blurred(*least)) return false;
  return narrow_to<T>(Cut<T>{.low = std::numeric_limits<T>::lowest(), .high = *least});
}

/// Whether the first filter keeps more than a list is good for, as far as is soon told.
template <class T>
bool RowSampler::is_long() {
  const SamplerStep step = *chain_.first();
  if (step == SamplerStep::top_k) {
    return chain_.settings().top_k > kShortList && chain_.settings().top_k < row_.columns();
  }
  if (step == SamplerStep::typical) return row_.columns() > kShortList;
  if (step != SamplerStep::top_p && !has_cutoff(step, chain_.settings())) return false;
  find_max<T>();
  return !is_short<T>();
}

template <class T>
std::optional<RowSampler::Cut<T>> RowSampler::find_cut() {
  find_max<T>();
  const SamplerStep step = *chain_.first();
  const bool is_mass = step == SamplerStep::top_p || step == SamplerStep::typical;
  if (is_mass) {  // equals stay together
    const T least = RowScan<T>::part(reader<T>(), std::numeric_limits<T>::lowest()).least;
    if (static_cast<double>(least) == max_) return Cut<T>{.low = least};
  }
  switch (step) {
    case SamplerStep::typical:
      return find_typical<T>();
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
    const auto least_at = [&](double x) {
      return least_where(static_cast<T>(max_),
                         [&](T z) { return chain_.x_of(static_cast<double>(z), max_) >= x; });
    };
    const T low = least_at(cut.low);
    const T high = least_at(cut.high);
    const auto count = [&](T limit) { return RowScan<T>::part(reader<T>(), limit).count; };
    if (low != high && count(low) != count(high)) return std::nullopt;
    return Cut<T>{.low = low};
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
    if (found.count <= k) return Cut<T>{.low = found.least};
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
      middle = found.least * static_cast<T>(1 - share) + high * static_cast<T>(share);
    }
  }
  if (is_blurred(found.least)) return std::nullopt;
  return Cut<T>{.low = found.least, .equals = found.count > k ? k - above : kAll};
}

/// Whether logits on either side of this one are equal to it for the filter, which sees their
/// distance from the largest.
template <class T>
bool RowSampler::is_blurred(T cut) {
  constexpr T kInfinity = std::numeric_limits<T>::infinity();
  const auto x = [&](T z) { return chain_.x_of(static_cast<double>(z), max_); };
  const T below = RowScan<T>::part(reader<T>(), cut).next;
  const T above = RowScan<T>::part(reader<T>(), std::nextafter(cut, kInfinity)).least;
  return x(below) == x(cut) || (above < kInfinity && x(above) == x(cut));
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
      kernels::sampler_kernels<E>().keep_between(z.data(),
                                                 std::min(z.size(), n - b * kernels::kBlock),
                                                 cut.low, cut.high, out + b * kernels::kBlock);
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

template bool RowSampler::is_blurred<float>(float);
template bool RowSampler::is_blurred<double>(double);
template bool RowSampler::is_long<float>();
template bool RowSampler::is_long<double>();
template std::optional<RowSampler::Cut<float>> RowSampler::find_cut<float>();
template std::optional<RowSampler::Cut<double>> RowSampler::find_cut<double>();

}  // namespace partita::sampler
