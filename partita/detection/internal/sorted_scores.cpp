// SPDX-License-Identifier: Apache-2.0
#include "partita/detection/internal/sorted_scores.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>

#include "partita/base/error.hpp"
#include "partita/base/internal/over_ranks.hpp"

namespace partita {

namespace {

std::vector<double> ascending(const char* name, std::span<const double> scores) {
  const auto nan = std::find_if(scores.begin(), scores.end(), [](double s) { return s != s; });
  if (nan != scores.end()) {
    throw InvalidArgument(name, fmt::format("score {} is NaN", nan - scores.begin()));
  }
  std::vector<double> out(scores.begin(), scores.end());
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace

SortedScores::SortedScores(std::span<const double> in, std::span<const double> out) {
  const std::vector<double> known = ascending("in", in);
  const std::vector<double> unknown = ascending("out", out);
  std::size_t i = 0;
  std::size_t j = 0;
  while (i < known.size() || j < unknown.size()) {
    const double score =
        j == unknown.size() || (i < known.size() && known[i] < unknown[j]) ? known[i] : unknown[j];
    Run run{score, 0, 0};
    for (; i < known.size() && known[i] == score; ++i) ++run.in;
    for (; j < unknown.size() && unknown[j] == score; ++j) ++run.out;
    runs_.push_back(run);
  }
}

std::vector<double> SortedScores::ends_of_blocks(Group& group, std::size_t block) const {
  auto all = static_cast<double>(runs_.size());
  group.all_reduce({&all, 1}, Reduction::sum);
  std::vector<std::uint64_t> wanted;
  for (auto rank = static_cast<std::uint64_t>(all); rank > block;) wanted.push_back(rank -= block);
  std::vector<double> ends;
  if (!wanted.empty()) {
    std::vector<double> scores;
    for (const Run& run : runs_) scores.push_back(run.score);
    ends = order_statistics(scores, wanted, group);
  }
  ends.push_back(-std::numeric_limits<double>::infinity());
  return ends;
}

std::vector<SortedScores::Run> SortedScores::of_all_ranks(std::size_t& first, double end,
                                                          Group& group) const {
  std::size_t last = first;
  while (last > 0 && runs_[last - 1].score >= end) --last;
  const std::string_view own(reinterpret_cast<const char*>(runs_.data() + last),
                             (first - last) * sizeof(Run));
  first = last;
  std::vector<Run> all;
  for (const std::string& bytes : all_gather_bytes(own, group)) {
    const std::size_t before = all.size();
    all.resize(before + bytes.size() / sizeof(Run));
    if (!bytes.empty()) std::memcpy(all.data() + before, bytes.data(), bytes.size());
  }
  std::sort(all.begin(), all.end(), [](const Run& a, const Run& b) { return a.score > b.score; });
  std::vector<Run> merged;
  for (const Run& run : all) {
    if (merged.empty() || merged.back().score != run.score) {
      merged.push_back(run);
    } else {
      merged.back().in += run.in;
      merged.back().out += run.out;
    }
  }
  return merged;
}

}  // namespace partita
