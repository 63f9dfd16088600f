// SPDX-License-Identifier: Apache-2.0
// Filters that keep more than a list is good for: the cut, by passes over the row.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <numeric>
#include <type_traits>

#include "partita/sampler/internal/row_sampler.hpp"

namespace partita::sampler {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::size_t kAll = std::numeric_limits<std::size_t>::max();

/// The least logit up to `max` that holds what larger ones do as well, as `max` does.
template <class T, class Predicate>
T least_where(T max, const Predicate& holds) {
  // By halves, of the integers that have the order of T.
  using Bits = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
  const auto flip = [](Bits bits) {
    return bits < 0 ? std::numeric_limits<Bits>::max() ^ bits : bits;
  };
  const auto value = [&](Bits order) { return std::bit_cast<T>(flip(order)); };
  Bits low = flip(std::bit_cast<Bits>(kNever<T>));
  Bits high = flip(std::bit_cast<Bits>(max));
  for (Bits middle = std::midpoint(low, high); middle != low; middle = std::midpoint(low, high)) {
    (holds(value(middle)) ? high : low) = middle;
  }
  return value(high);
}

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
  // The temperature has moved the row by its largest logit, which must stay.
  if (!cut || (chain_.is_heated() && static_cast<double>(cut->high) < max_)) return false;
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
  if (step == SamplerStep::typical) return row_.columns() > kShortList;
  if (step != SamplerStep::top_p && !has_cutoff(step, chain_.settings())) return false;
  find_max<T>();
  return !is_short<T>();
}

template <class T>
std::optional<RowSampler::Cut<T>> RowSampler::find_cut() {
  find_max<T>();
  switch (*chain_.first()) {
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
      middle = found.least + static_cast<T>(share) * (high - found.least);
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
    const double x = chain_.x_of(static_cast<double>(kept), max_);
    for (; z != candidates.end() && *z == kept; ++z) above += std::exp(x);
  }
  if (is_blurred(kept)) return std::nullopt;
  return Cut<T>{.low = kept};
}

/// The farthest from the mean that typical keeps, in the same way, on both sides of it.
template <class T>
std::optional<RowSampler::Cut<T>> RowSampler::find_typical() {
  constexpr int kPasses = 40;
  const RowReader<T> row = reader<T>();
  const RowScan<T>& scan = scans<T>().filtered;
  const double p = chain_.settings().typical_p;
  const RowSums sums = sums_within<double>(needs(SamplerStep::typical));
  const auto [low_mean, high_mean] = mean(sums);
  const double center = low_mean + (high_mean - low_mean) / 2;
  const double temperature = chain_.first_temperature();
  const auto z_at = [&](double x) { return max_ + x * temperature; };
  // What is within `kept` of the mean is kept, what is `out` away from it is not.
  const double total = scan.total();
  const double error = 2 * RowScan<T>::kSumError * total;
  if (!((1 - p) / 2 * total > error)) return std::nullopt;
  const double tail = std::log((1 - p) / 2 * total / static_cast<double>(row.columns()));
  double kept = 0;
  double out = 1.001 * std::max(center - tail, -center) + 1e-6;
  double mass_kept = 0;
  double mass_out = total;
  // Far more than what rounding moves.
  const double slack = 1e-6 * (1 + std::abs(max_) + std::abs(z_at(center - out)));
  const auto mass_within = [&](double distance, double margin) {
    return scan.sum_between(row, z_at(center - distance) - margin,
                            z_at(center + distance) + margin);
  };
  const auto may_be_between = [&] {
    return (mass_out - mass_kept + error) / std::exp(center - out);
  };
  for (int i = 1; i < kPasses && may_be_between() > static_cast<double>(kShortList); ++i) {
    const double share =
        i % 3 == 0 ? 0.5 : std::clamp((p * total - mass_kept) / (mass_out - mass_kept), 0.1, 0.9);
    const double middle = kept + share * (out - kept);
    if (middle - kept < 4 * slack / temperature || out - middle < 4 * slack / temperature) break;
    double mass = mass_within(middle, slack);
    if (mass + error < p * total) {
      kept = middle;
      mass_kept = mass;
      continue;
    }
    mass = mass_within(middle, -slack);
    if (mass - error < p * total) break;
    out = middle;
    mass_out = mass;
  }
  // Nearer than `kept`, as distances are computed, is what lies between two logits.
  const T max = static_cast<T>(max_);
  const auto x = [&](T z) { return chain_.x_of(static_cast<double>(z), max_); };
  const T inner_low = std::nextafter(
      least_where(max, [&](T z) { return x(z) >= center || center - x(z) < kept; }), kNever<T>);
  const auto is_beyond = [&](T z) { return x(z) > center && x(z) - center >= kept; };
  const T inner_high =
      is_beyond(max) ? least_where(max, is_beyond) : std::numeric_limits<T>::infinity();
  const auto to_low = static_cast<T>(z_at(center - out) - slack);
  const auto to_high = static_cast<T>(z_at(center + out) + slack);
  const T least_inner = std::nextafter(inner_low, max);
  std::vector<T> candidates = scan.collect_between(row, to_low, least_inner);
  if (inner_high < to_high) {
    const auto above = scan.collect_between(row, std::nextafter(inner_high, kNever<T>), to_high);
    candidates.insert(candidates.end(), above.begin(), above.end());
  }
  const auto distance = [&](T z) { return std::abs(center - x(z)); };
  std::sort(candidates.begin(), candidates.end(),
            [&](T a, T b) { return distance(a) < distance(b); });
  // The mean is known within this, and so the order of what lies on different sides of it.
  const double unsure = 2 * (high_mean - low_mean) + 1e-15 * (1 + std::abs(center) + out);
  const double rounding = RowScan<double>::kSumError * sums.exp.high;
  double nearer = doubles_.filtered.sum_between(reader<double>(), static_cast<double>(inner_low),
                                                static_cast<double>(inner_high));
  T low = least_inner;
  T high = std::nextafter(inner_high, kNever<T>);
  for (auto z = candidates.begin(); z != candidates.end();) {
    // A group whose order is open.
    double mass = 0;
    auto end = z;
    bool are_equal = true;
    for (; end != candidates.end() && (end == z || distance(*end) - distance(end[-1]) <= unsure);
         ++end) {
      mass += std::exp(x(*end));
      are_equal &= x(*end) == x(*z);
    }
    if (distance(*z) > kept + unsure) {
      if (nearer - rounding >= p * sums.exp.high) break;
      if (!(nearer + (are_equal ? 0 : mass) + rounding < p * sums.exp.low)) return std::nullopt;
    }
    for (; z != end; ++z) {
      low = std::min(low, *z);
      high = std::max(high, *z);
    }
    nearer += mass;
  }
  return Cut<T>{.low = low, .high = std::min(high, max)};
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

template bool RowSampler::is_long<float>();
template bool RowSampler::is_long<double>();
template std::optional<RowSampler::Cut<float>> RowSampler::find_cut<float>();
template std::optional<RowSampler::Cut<double>> RowSampler::find_cut<double>();

}  // namespace partita::sampler
