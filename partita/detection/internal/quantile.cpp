// SPDX-License-Identifier: Apache-2.0
#include "partita/detection/internal/quantile.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "partita/softmax/internal/row_pass.hpp"

namespace partita {

namespace {

constexpr std::uint64_t kSign = std::uint64_t{1} << 63;
constexpr unsigned kDigit = 16;  // bits

/// Whole numbers in the order of the values.
std::uint64_t key_of(double value) {
  const auto bits = std::bit_cast<std::uint64_t>(value);
  return (bits & kSign) != 0 ? ~bits : bits | kSign;
}

double value_of(std::uint64_t key) {
  return std::bit_cast<double>((key & kSign) != 0 ? key & ~kSign : ~key);
}

/// The least rank r, from 1, with r / n >= share.
std::uint64_t rank_of(double share, double n) {
  auto rank = std::max(1.0, std::ceil(share * n));
  while (rank > 1 && (rank - 1) / n >= share) rank -= 1;  // the product was rounded up
  return static_cast<std::uint64_t>(rank);
}

}  // namespace

double quantile(Rows values, double share) {
  const auto n = static_cast<double>(values.rows()) * static_cast<double>(values.columns());
  std::uint64_t rank = rank_of(share, n);
  std::uint64_t prefix = 0;  // the digits of the result's key that are found
  std::vector<double> row(values.columns());
  for (unsigned shift = 64 - kDigit;; shift -= kDigit) {
    std::vector<std::uint64_t> counts(std::size_t{1} << kDigit);  // of values that begin with them
    for (std::size_t r = 0; r < values.rows(); ++r) {
      RowReader<double>(values, r).gather(0, 1, row.size(), row.data());
      for (const double value : row) {
        const std::uint64_t begin = key_of(value) >> shift;
        if (begin >> kDigit == prefix) ++counts[begin & (counts.size() - 1)];
      }
    }
    std::uint64_t digit = 0;
    for (; counts[digit] < rank; ++digit) rank -= counts[digit];
    prefix = prefix << kDigit | digit;
    if (shift == 0) return value_of(prefix);
  }
}

}  // namespace partita
