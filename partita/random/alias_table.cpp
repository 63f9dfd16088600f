// SPDX-License-Identifier: Apache-2.0
#include "partita/random/alias_table.hpp"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"

namespace partita {

namespace {

using Real = long double;

/// The sum of the weights, each of them checked.
Real checked_sum(std::span<const double> weights) {
  check_between("weights", weights.size(), 1, std::uint64_t{1} << 32U);
  Real sum = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (!(weights[i] >= 0 && weights[i] <= std::numeric_limits<double>::max())) {
      throw InvalidArgument(
          "weights",
          fmt::format("category {}: expected 0 or a positive number, got {}", i, weights[i]));
    }
    sum += static_cast<Real>(weights[i]);
  }
  if (sum == 0) throw InvalidArgument("weights", "expected one above 0, all are 0");
  return sum;
}

template <class Index>
void fill_from(const AliasTable& table, const Stream& stream, std::uint64_t position,
               std::span<Index> out) {
  Draws draws(stream, position);
  for (Index& drawn : out) drawn = static_cast<Index>(table(draws.bits()));
}

}  // namespace

AliasTable::AliasTable(std::span<const double> weights) {
  constexpr Wide kColumn = Wide{1} << 64U;
  const Real sum = checked_sum(weights);
  const auto n = static_cast<Real>(weights.size());
  columns_.resize(weights.size());
  log_prob_.resize(weights.size());
  std::vector<Wide> share(
      weights.size());  // remaining share of each category that has not been placed
  std::vector<std::uint32_t> large;
  std::vector<std::uint32_t> small;
  for (std::uint32_t i = 0; i < columns_.size(); ++i) {
    const auto weight = static_cast<Real>(weights[i]);
    log_prob_[i] = static_cast<double>(weight == sum ? 0 : std::log(weight) - std::log(sum));
    share[i] = static_cast<Wide>(std::ldexp(weight / sum * n, 64));
    (share[i] < kColumn ? small : large).push_back(i);
    columns_[i] = {std::numeric_limits<std::uint64_t>::max(), i};
  }
  while (!small.empty() && !large.empty()) {
    const std::uint32_t column = small.back();
    const std::uint32_t giver = large.back();
    small.pop_back();
    columns_[column] = {static_cast<std::uint64_t>(share[column]), giver};
    share[giver] -= kColumn - share[column];
    if (share[giver] < kColumn) {
      large.pop_back();
      small.push_back(giver);
    }
  }
  // The shares of those not placed add up to their number, but for less than one column of
  // rounding: what is left here has a share of 1 each, keeps its column, and is not of weight 0.
}

void AliasTable::fill(const Stream& stream, std::uint64_t position,
                      std::span<std::uint32_t> out) const {
  fill_from(*this, stream, position, out);
}

void AliasTable::fill(const Stream& stream, std::uint64_t position,
                      std::span<std::int64_t> out) const {
  fill_from(*this, stream, position, out);
}

}  // namespace partita
