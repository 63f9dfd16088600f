// SPDX-License-Identifier: Apache-2.0
// The rows of a batch that this process computes, where several train one model together.
//
//   const Share share = Share::of(64, group);       // rank 1 of 4: rows 16 ... 31
//   Tensor x = share.of(batch);                     // [16, ...]
//   Random noise = Random(stream).of(share);        // the numbers that those rows get in [64, ...]
//   Tensor loss = share.weight() * loss_of(x, noise).mean();   // all ranks' add up to the whole's
#pragma once

#include <cstdint>

#include "partita/base/group.hpp"
#include "partita/learn/tensor.hpp"

namespace partita {

struct Share {
  std::int64_t first = 0;
  std::int64_t size = 0;
  std::int64_t total = 0;

  /// The rank's own of `total` rows, next to each other; the ranks' sizes differ by 1 at most.
  /// @throws InvalidArgument if there are fewer rows than ranks.
  static Share of(std::int64_t total, const Group& group);

  bool is_whole() const { return size == total; }
  /// The own rows of x, whose dimension `dim` has `total`: a view.
  Tensor of(const Tensor& x, std::int64_t dim = 0) const;
  /// The weight of a mean over the own rows in the mean over all.
  double weight() const { return static_cast<double>(size) / static_cast<double>(total); }
};

/// Every rank's own rows, one after the other, on each of them: what Share::of(x) takes apart.
/// @param own [share.size, ...], of integers below 2^53 or floating-point, on any device
Tensor all_rows(const Tensor& own, const Share& share, Group& group);

}  // namespace partita
