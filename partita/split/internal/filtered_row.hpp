// SPDX-License-Identifier: Apache-2.0
// Internal to partita/split: one rank's part of a row under its settings, and what the ranks tell
// each other until all of them know what is kept of the whole row (sample.cpp).
#pragma once

#include <cstddef>
#include <limits>
#include <optional>
#include <span>
#include <variant>
#include <vector>

#include "partita/base/error.hpp"
#include "partita/base/rows.hpp"
#include "partita/random/stream.hpp"
#include "partita/sampler/filter.hpp"
#include "partita/sampler/internal/chain.hpp"
#include "partita/sampler/internal/row_scan.hpp"
#include "partita/sampler/internal/rules.hpp"
#include "partita/split/columns.hpp"
#include "partita/split/internal/shard_parts.hpp"

namespace partita::split {

class FilteredRow {
 public:
  /// What a rank says first.
  struct Opening {
    double max = -std::numeric_limits<double>::infinity();  ///< of its edited columns
    Fault fault;
    // no_repeat_ngram lets the most likely token of the row stay if it forbids all. That of this
    // rank's columns, before and after the edits that follow.
    double spared = -std::numeric_limits<double>::infinity();
    double spared_edited = -std::numeric_limits<double>::infinity();
  };

  /// Takes row r of this rank's columns, and edits it.
  void reset(Rows own, std::size_t r, const SamplerSettings& settings, const Stream& stream,
             const SplitColumns& columns);

  const Opening& opening() const { return opening_; }
  void take_openings(std::span<const Opening> of_ranks);

  // Then each shard's sums, if the first filter reads any.
  bool needs_sums() const;
  /// @param out [SumOfRow::kNumbers]
  void write_sums(std::size_t shard, double* out) const;
  /// @param parts those of all shards, in their order, one after the other
  void take_sums(std::span<const double> parts);

  // Then lists of what may be kept, until they reach far enough.
  bool waits_for_list() const { return !failure_ && is_filtered() && !has_kept_; }
  /// This rank's part of the list. Returns the x down to which it is complete.
  double collect(sampler::Candidates& out);
  /// @param list of all ranks, in the order of columns
  void take_list(sampler::Candidates list, double covered);

  /// Why the row has no sample, if it has none.
  const std::optional<InvalidArgument>& failure() const { return failure_; }

  /// Whether the chain does more than edit the row and heat it. (XTC may not happen.)
  bool is_filtered() const { return chain_.first() || !chain_.rest().empty(); }
  const sampler::Candidates& kept() const { return kept_; }
  /// This rank's columns as the first filter sees them. @param out [columns.size()]
  void write_heated(double* out) const;

 private:
  using Scan = std::variant<sampler::RowScan<float>, sampler::RowScan<double>>;

  void edit();
  void find_max();
  template <class T>
  double collect_from(sampler::RowScan<T>& scan, sampler::Candidates& out);

  const SplitColumns* columns_ = nullptr;
  sampler::Chain chain_;
  Stream stream_;
  Rows own_{static_cast<const float*>(nullptr), 0, 0};
  std::vector<double> edited_;  // own_, if edits were needed
  std::vector<double> spared_;  // what it is if no_repeat_ngram forbids all other tokens of the row
  Scan scan_;
  Opening opening_;
  std::optional<InvalidArgument> failure_;

  double max_ = 0;
  sampler::RowSums sums_;
  std::size_t wanted_ = 0;  // how many of the largest a list is to have
  bool has_kept_ = false;
  sampler::Candidates kept_;
};

}  // namespace partita::split
