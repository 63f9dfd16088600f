// SPDX-License-Identifier: Apache-2.0
#include "partita/detection/internal/roc_points.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <string>

#include "partita/base/internal/over_ranks.hpp"

namespace partita {

namespace {

/// Scores at which blocks end, descending, the last of them -inf.
std::vector<double> ends_of_blocks(const RocCurve& own, Group& group, std::size_t block) {
  auto all = static_cast<double>(own.size() - 1);
  group.all_reduce({&all, 1}, Reduction::sum);
  std::vector<std::uint64_t> wanted;
  for (auto rank = static_cast<std::uint64_t>(all); rank > block;) wanted.push_back(rank -= block);
  std::vector<double> scores;  // ascending
  for (std::size_t i = own.size(); i-- > 1;) scores.push_back(own[i].threshold);
  std::vector<double> ends = order_statistics(scores, wanted, group);
  ends.push_back(-std::numeric_limits<double>::infinity());
  return ends;
}

/// What every rank says, in one list.
std::vector<OperatingPoint> gathered(std::span<const OperatingPoint> own, Group& group) {
  const std::string_view bytes(reinterpret_cast<const char*>(own.data()), own.size_bytes());
  std::vector<OperatingPoint> all;
  for (const std::string& said : all_gather_bytes(bytes, group)) {
    const std::size_t before = all.size();
    all.resize(before + said.size() / sizeof(OperatingPoint));
    if (!said.empty()) std::memcpy(all.data() + before, said.data(), said.size());
  }
  return all;
}

}  // namespace

void visit_points(const RocCurve& own, Group& group,
                  const std::function<void(const OperatingPoint&)>& visit, std::size_t block) {
  if (group.size() == 1) {
    std::for_each(own.begin() + 1, own.end(), visit);
    return;
  }
  OperatingPoint point{};
  std::size_t i = 1;
  for (const double end : ends_of_blocks(own, group, block)) {
    std::vector<OperatingPoint> some;  // with the counts of their scores alone
    for (; i < own.size() && own[i].threshold >= end; ++i) {
      some.push_back({own[i].threshold, own[i].true_positives - own[i - 1].true_positives,
                      own[i].false_positives - own[i - 1].false_positives});
    }
    std::vector<OperatingPoint> all = gathered(some, group);
    std::sort(all.begin(), all.end(),
              [](const auto& a, const auto& b) { return a.threshold > b.threshold; });
    for (std::size_t j = 0; j < all.size(); ++j) {
      point.threshold = all[j].threshold;
      point.true_positives += all[j].true_positives;
      point.false_positives += all[j].false_positives;
      if (j + 1 == all.size() || all[j + 1].threshold != point.threshold) visit(point);
    }
  }
}

}  // namespace partita
