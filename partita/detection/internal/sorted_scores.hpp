// SPDX-License-Identifier: Apache-2.0
// Scores of known and unknown inputs that lie on several ranks, in the order of all. Not installed.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "partita/base/group.hpp"

namespace partita {

class SortedScores {
 public:
  SortedScores() = default;
  /// @throws InvalidArgument if one is NaN
  SortedScores(std::span<const double> in, std::span<const double> out);

  /// Calls visit(in, out) for each distinct score of all ranks, from the highest down, with how
  /// many known and unknown ones have that score or more. The same calls on every rank, which holds
  /// some `block` scores of others at a time.
  template <class Visit>
  void merge(Group& group, const Visit& visit, std::size_t block = std::size_t{1} << 16U) const {
    std::uint64_t in = 0;
    std::uint64_t out = 0;
    const std::vector<double> ends = ends_of_blocks(group, block);
    std::size_t first = runs_.size();
    for (const double end : ends) {
      for (const Run& run : of_all_ranks(first, end, group)) {
        visit(in += run.in, out += run.out);
      }
    }
  }

 private:
  /// A score, and how many have it.
  struct Run {
    double score;
    std::uint64_t in;
    std::uint64_t out;
  };

  /// Scores at which blocks end, descending.
  std::vector<double> ends_of_blocks(Group& group, std::size_t block) const;
  /// All ranks' runs from the scores below runs_[first] down to `end`, descending; `first` is moved
  /// behind this rank's own.
  std::vector<Run> of_all_ranks(std::size_t& first, double end, Group& group) const;

  std::vector<Run> runs_;  // ascending
};

}  // namespace partita
