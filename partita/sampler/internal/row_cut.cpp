// SPDX-License-Identifier: Apache-2.0
// Filters that keep more than a list is good for: the cut, by passes over the row.
#include <hwy/contrib/sort/vqsort.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
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

/// A part of an axis along which the mass before a place grows: before `kept` it is surely below a
/// limit, before `out` surely not.
struct Bracket {
  double kept;
  double out;
  double mass_kept = 0;
  double mass_out;
};
enum class Side { kept, out, open };  // open: too near to the limit to tell

/// Narrows a bracket until it is enough(). @param look tells a place's side, and moves the bracket
template <class Look, class Enough>
void narrow_bracket(Bracket& bracket, double limit, double error, const Look& look,
                    const Enough& enough) {
  constexpr int kPasses = 40;
  double open_from = kInfinity;
  double open_to = -kInfinity;
  for (int i = 0; i < kPasses && !enough(); ++i) {
    const auto [kept, out, mass_kept, mass_out] = bracket;
    double place = kept + (out - kept) / 2;
    if (open_from <= open_to) {  // from both sides towards what is open
      place = i % 2 == 0 ? kept + (open_from - kept) / 2 : open_to + (out - open_to) / 2;
    } else if (i % 3 != 2) {  // by the masses, aside of the limit
      const double aim = limit + (i % 2 == 0 ? -error : error);
      place =
          kept + std::clamp((aim - mass_kept) / (mass_out - mass_kept), 0.02, 0.98) * (out - kept);
    }
    if (!(place > kept && place < out)) return;
    if (look(place) == Side::open) {
      open_from = std::min(open_from, place);
      open_to = std::max(open_to, place);
    }
  }
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
  Bracket depth{.kept = 0, .out = max_ - static_cast<double>(out), .mass_out = total};
  const auto look = [&](double place) {
    const auto middle = static_cast<T>(max_ - place);
    const double above = scan.sum_between(row, static_cast<double>(middle), kInfinity);
    if (above + error < p * total) {
      kept = std::min(kept, middle);
      depth.kept = place;
      depth.mass_kept = above;
      return Side::kept;
    }
    if (above - error < p * total) return Side::open;
    out = std::max(out, middle);
    depth.out = place;
    depth.mass_out = above;
    return Side::out;
  };
  int looks = 0;
  narrow_bracket(depth, p * total, 2 * error, look, [&] {
    const double least = std::exp((static_cast<double>(out) - max_) / chain_.first_temperature());
    if ((depth.mass_out - depth.mass_kept + error) / least < static_cast<double>(kShortList)) {
      return true;
    }
    if (++looks % 8 != 0) return false;
    // Is one crowded value all that is left?
    return RowScan<T>::part(row, std::nextafter(out, kept)).least ==
           RowScan<T>::part(row, kept).next;
  });
  std::vector<T> candidates = scan.collect_between(row, out, kept);
  hwy::Sorter()(candidates.data(), candidates.size(), hwy::SortDescending());
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
  Bracket bracket{
      .kept = 0, .out = 1.001 * std::max(center - tail, -center) + 1e-6, .mass_out = total};
  const double& kept = bracket.kept;
  const double& out = bracket.out;
  // Far more than what rounding moves.
  const double slack = 1e-6 * (1 + std::abs(max_) + std::abs(z_at(center - out)));
  const auto mass_within = [&](double distance, double margin) {
    return scan.sum_between(row, z_at(center - distance) - margin,
                            z_at(center + distance) + margin);
  };
  const auto look = [&](double place) {
    double mass = mass_within(place, slack);
    if (mass + error < p * total) {
      bracket.kept = place;
      bracket.mass_kept = mass;
      return Side::kept;
    }
    mass = mass_within(place, -slack);
    if (mass - error < p * total) return Side::open;
    bracket.out = place;
    bracket.mass_out = mass;
    return Side::out;
  };
  narrow_bracket(bracket, p * total, 2 * error, look, [&] {
    const double between = bracket.mass_out - bracket.mass_kept + error;
    return between / std::exp(center - out) < static_cast<double>(kShortList) ||
           out - kept < 8 * slack / temperature;
  });
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
  std::vector<T> below = scan.collect_between(row, to_low, least_inner);
  std::vector<T> above =
      inner_high < to_high
          ? scan.collect_between(row, std::nextafter(inner_high, kNever<T>), to_high)
          : std::vector<T>();
  hwy::Sorter()(below.data(), below.size(), hwy::SortDescending());
  hwy::Sorter()(above.data(), above.size(), hwy::SortAscending());
  std::vector<T> candidates(below.size() + above.size());
  const auto distance = [&](T z) { return std::abs(center - x(z)); };
  std::merge(below.begin(), below.end(), above.begin(), above.end(), candidates.begin(),
             [&](T a, T b) { return distance(a) < distance(b); });
  // The mean is known within this, and so the order of what lies on different sides of it.
  const double unsure = 2 * (high_mean - low_mean) + 1e-15 * (1 + std::abs(center) + out);
  if (unsure > slack / temperature) return std::nullopt;
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
    if (kept == 0 || distance(*z) > kept + unsure) {
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
