// SPDX-License-Identifier: Apache-2.0
// The cuts of filters that keep a mass, by passes over the row: row_cut.cpp has the others.
#include <hwy/contrib/sort/vqsort.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "partita/sampler/internal/least_where.hpp"
#include "partita/sampler/internal/row_sampler.hpp"

namespace partita::sampler {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

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
    const auto from = z;
    z = std::find_if(from, candidates.end(), [&](T other) { return other != kept; });
    above += static_cast<double>(z - from) * std::exp(chain_.x_of(static_cast<double>(kept), max_));
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
    CompensatedSum group;  // of many equal ones each addition would round alike
    auto end = z;
    bool are_equal = true;
    for (; end != candidates.end() && (end == z || distance(*end) - distance(end[-1]) <= unsure);
         ++end) {
      group.add(std::exp(x(*end)));
      are_equal &= x(*end) == x(*z);
    }
    const double mass = group.value();
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

template std::optional<RowSampler::Cut<float>> RowSampler::find_top_p<float>();
template std::optional<RowSampler::Cut<double>> RowSampler::find_top_p<double>();
template std::optional<RowSampler::Cut<float>> RowSampler::find_typical<float>();
template std::optional<RowSampler::Cut<double>> RowSampler::find_typical<double>();

}  // namespace partita::sampler
