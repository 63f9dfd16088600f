// SPDX-License-Identifier: Apache-2.0
#include "partita/base/internal/over_ranks.hpp"

#include <algorithm>
#include <bit>
#include <limits>

namespace partita {

namespace {

constexpr std::uint64_t kSign = std::uint64_t{1} << 63U;

/// Numbers in the order of doubles, and back.
std::uint64_t key_of(double x) {
  const auto bits = std::bit_cast<std::uint64_t>(x);
  return (bits & kSign) != 0 ? ~bits : bits | kSign;
}

double value_of(std::uint64_t key) {
  return std::bit_cast<double>((key & kSign) != 0 ? key & ~kSign : ~key);
}

}  // namespace

void throw_together(const InvalidArgument* own, Group& group) {
  if (group.size() == 1) {
    if (own != nullptr) throw *own;
    return;
  }
  std::string said;
  if (own != nullptr) said = own->argument() + '\0' + own->reason();
  const std::vector<std::string> all = all_gather_bytes(said, group);
  for (std::size_t rank = 0; rank < all.size(); ++rank) {
    if (all[rank].empty()) continue;
    const std::size_t end = all[rank].find('\0');
    throw InvalidArgument(all[rank].substr(0, end),
                          "rank " + std::to_string(rank) + ": " + all[rank].substr(end + 1));
  }
}

std::vector<double> order_statistics(std::span<const double> own,
                                     std::span<const std::uint64_t> wanted, Group& group) {
  std::vector<double> out;
  if (group.size() == 1) {
    for (const std::uint64_t rank : wanted) out.push_back(own[rank - 1]);
    return out;
  }
  // The least key up to which there are `wanted` values or more.
  std::vector<std::uint64_t> low(wanted.size(), key_of(-std::numeric_limits<double>::infinity()));
  std::vector<std::uint64_t> high(wanted.size(), key_of(std::numeric_limits<double>::infinity()));
  std::vector<double> counts(wanted.size());
  while (low != high) {
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      const double middle = value_of(low[i] + (high[i] - low[i]) / 2);
      counts[i] =
          static_cast<double>(std::upper_bound(own.begin(), own.end(), middle) - own.begin());
    }
    group.all_reduce(counts, Reduction::sum);
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      const std::uint64_t middle = low[i] + (high[i] - low[i]) / 2;
      if (counts[i] >= static_cast<double>(wanted[i])) {
        high[i] = middle;
      } else {
        low[i] = middle + 1;
      }
    }
  }
  for (const std::uint64_t key : low) out.push_back(value_of(key));
  return out;
}

}  // namespace partita
