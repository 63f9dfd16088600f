// SPDX-License-Identifier: Apache-2.0
// The draw of a RowSampler: from the whole row, or from the list of what is kept.
#include <algorithm>
#include <cmath>
#include <limits>

#include "partita/sampler/internal/row_sampler.hpp"

namespace partita::sampler {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::size_t kAll = std::numeric_limits<std::size_t>::max();

// Positions of a row's stream. XTC's coin is at 0 (filter.cpp).
constexpr std::uint64_t kFromList = 1;
constexpr std::uint64_t kFromRow = 4;  // and after it, one attempt each

}  // namespace

/// Whether what the first filter keeps makes a short list.
template <class T>
bool RowSampler::is_short() {
  RowScan<T>& scan = scans<T>().filtered;
  kept_.ids.clear();
  kept_.logits.clear();
  if (has_cutoff(*chain_.first(), chain_.settings())) {
    sums_ = sums_within<T>(needs(*chain_.first()));
    const T low = chain_.below_cutoff<T>(sums_, max_);
    is_listed_ = low != kNever<T> && collect_from(low, kShortList);
    return is_listed_;
  }
  if (chain_.floor() != -kInfinity) {
    if (scan.collect(reader<T>(), chain_.below<T>(chain_.floor(), max_), kAll, kShortList, kept_))
      return true;
    kept_.ids.clear();
    kept_.logits.clear();
  }
  // If a temperature follows, drawing from the row takes a pass more, and many if a filter follows;
  // look for a list first.
  if (*chain_.first() != SamplerStep::top_p) return false;
  if (!chain_.heats_after() && !chain_.filters_again()) return false;
  const T low =
      scan.reached_by(reader<T>(), chain_.draws_whole() ? kShortList / 16 : kShortList / 2);
  if (low == kNever<T> || !collect_from(low, kShortList)) return false;
  const double max = chain_.scaled_max(max_);
  return decide(*chain_.first(), chain_.settings(), kept_.logits, max, covered_, row_.columns(),
                scan.sums()) == Decision::made;
}

/// Whether the first filter and the floor keep this category. The first filter has refused those
/// not above `refused`.
template <class T>
bool RowSampler::keeps(std::int64_t id, double& refused) {
  const RowReader<T> row = reader<T>();
  const RowScan<T>& scan = scans<T>().filtered;
  const double z = reader<double>().at(static_cast<std::size_t>(id));
  const double max = chain_.scaled_max(max_);
  const double x = chain_.scaled(z, max_) - max;
  const double error = RowScan<T>::kSumError * scan.total();
  if (x < chain_.floor()) return false;
  const auto closer = [&] {  // what the bounds leave open
    if constexpr (std::is_same_v<T, float>) {
      sums_ = sums_within<double>(needs(*chain_.first()));
      return keeps<double>(id, refused);
    } else {
      const auto& ids = kept().ids;
      return std::binary_search(ids.begin(), ids.end(), id);
    }
  };
  if (has_cutoff(*chain_.first(), chain_.settings())) {
    const Bounds cut = cutoff(*chain_.first(), chain_.settings(), sums_);
    return x >= cut.high || (x >= cut.low && closer());
  }
  const RowSums sums = scan.sums();
  if (*chain_.first() == SamplerStep::top_p) {
    if (z <= refused) return false;
    if (scan.sum_between_at_most(z, kInfinity, z) + 2 * error <
        chain_.settings().top_p * sums.exp.low) {
      return true;
    }
    const double above = scan.sum_between(row, z, kInfinity);
    if (above + error < chain_.settings().top_p * sums.exp.low) return true;
    if (above - error < chain_.settings().top_p * sums.exp.high) return closer();
    refused = z;
    return false;
  }
  // Typical: what is nearer to the mean lies between x and the place as far on its other side, and
  // that place is known within bounds.
  const double p = chain_.settings().typical_p;
  const auto [low_mean, high_mean] = mean(sums);
  const double slack = 1e-6 * (1 + std::abs(max_) + std::abs(x * chain_.first_temperature()));
  const auto opposite = [&](double mean) {
    return max_ + (2 * mean - x) * chain_.first_temperature();
  };
  const double low = x >= low_mean ? opposite(low_mean) - slack : z;
  const double high = x <= high_mean ? opposite(high_mean) + slack : z;
  if (scan.sum_between_at_most(low, high, z) + 2 * error < p * sums.exp.low) return true;
  const double most = scan.sum_between(row, low, high, z);
  if (most + error < p * sums.exp.low) return true;
  double least = 0;
  if (x > high_mean) least = scan.sum_between(row, opposite(high_mean) + slack, z - slack);
  if (x < low_mean) least = scan.sum_between(row, z + slack, opposite(low_mean) - slack);
  if (least - error >= p * sums.exp.high) return false;
  return closer();
}

/// Draws from the row at all temperatures until keep(category); nothing after kAttempts. Long rows
/// are drawn from by the bounds that their largest logits give, as long as those serve.
template <class T, class Keep>
std::optional<std::int64_t> RowSampler::draw_until(const Keep& keep) {
  const RowReader<T> row = reader<T>();
  Scans<T>& s = scans<T>();
  const double beta = chain_.inverse_temperature();
  const bool is_weighed = s.weighed && !chain_.heats_after();
  bool is_bound = false;
  if (!is_weighed && row.columns() >= kLongRow) {
    find_max<T>();
    is_bound = s.drawn.bound(s.filtered, beta);
  }
  if (!is_weighed && !is_bound) s.drawn.weigh(row, beta, false);
  const RowScan<T>& scan = is_weighed ? s.filtered : s.drawn;
  for (std::uint64_t attempt = 0; attempt < kAttempts; ++attempt) {
    std::optional<std::int64_t> id;
    if (is_bound) {
      id = s.drawn.draw_by_bounds(row, stream_, (attempt + 1) * kAttempts, kAttempts);
      if (!id) {
        is_bound = false;
        s.drawn.weigh(row, beta, false);
      }
    }
    if (!id) id = scan.draw(row, stream_.uniform(kFromRow + attempt));
    if (keep(*id)) return id;
  }
  return std::nullopt;
}

template <class T>
std::optional<std::int64_t> RowSampler::draw_whole() {
  if (!chain_.first()) return draw_until<T>([](std::int64_t) { return true; });
  find_max<T>();
  if (is_short<T>()) return std::nullopt;
  double refused = -kInfinity;
  return draw_until<T>([&](std::int64_t id) { return keeps<T>(id, refused); });
}

/// The temperature from sums in double: as accurate as the weights of the draw, and more.
template <class T>
std::int64_t RowSampler::draw_by_entropy() {
  const RowReader<double> row = reader<double>();
  doubles_.drawn.weigh(row, 1, true);
  const Bounds h = entropy(doubles_.drawn.sums());
  const std::size_t possible =
      RowScan<double>::part(row, std::numeric_limits<double>::lowest()).count;
  const double temperature =
      dynamic_temperature(chain_.settings(), h.low + (h.high - h.low) / 2, possible);
  RowScan<T>& scan = scans<T>().drawn;
  scan.weigh(reader<T>(), 1 / temperature, false);
  return scan.draw(reader<T>(), stream_.uniform(kFromRow));
}

std::int64_t RowSampler::draw() {
  narrow();
  if (chain_.only_heats_by_entropy() && row_.columns() > kShortList) {
    return is_double() ? draw_by_entropy<double>() : draw_by_entropy<float>();
  }
  if (chain_.draws_whole()) {
    const auto id = is_double() ? draw_whole<double>() : draw_whole<float>();
    if (id) return *id;
  }
  const Candidates& list = kept();
  const double max = *std::max_element(list.logits.begin(), list.logits.end());
  weights_.resize(list.logits.size());
  double total = 0;
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    total += weights_[i] = std::exp(list.logits[i] - max);
  }
  double target = stream_.uniform(kFromList) * total;
  return list.ids[choose(weights_.data(), weights_.size(), target)];
}

template bool RowSampler::is_short<float>();
template bool RowSampler::is_short<double>();

}  // namespace partita::sampler
