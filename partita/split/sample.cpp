// SPDX-License-Identifier: Apache-2.0
#include "partita/split/sample.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/gumbel/internal/unanswered.hpp"
#include "partita/sampler/internal/draw_without_replacement.hpp"
#include "partita/split/gumbel_top_k.hpp"
#include "partita/split/internal/filtered_row.hpp"

namespace partita {

namespace {

using split::FilteredRow;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// The rows of a call. Each step is one exchange for all that take part in it, which is the same
/// rows on every rank.
class FilteredRows {
 public:
  FilteredRows(std::size_t rows, const SplitColumns& columns, int threads)
      : columns_(&columns),
        ranks_(static_cast<std::size_t>(columns.group().size())),
        threads_(threads),
        rows_(rows) {}

  FilteredRow& operator[](std::size_t r) { return rows_[r]; }

  template <class Body>
  void for_each(const Body& body) {
    parallel_for(rows_.size(), threads_, [&](std::size_t first, std::size_t last) {
      for (std::size_t r = first; r < last; ++r) body(r, rows_[r]);
    });
  }

  void open() {
    constexpr std::size_t kNumbers = 4;
    std::vector<double> own;
    for (const FilteredRow& row : rows_) {
      const auto& [max, fault, spared, spared_edited] = row.opening();
      own.insert(own.end(), {max, fault.code(), spared, spared_edited});
    }
    const auto all = columns_->group().all_gather(own);
    for_each([&](std::size_t r, FilteredRow& row) {
      std::vector<FilteredRow::Opening> openings;
      for (std::size_t rank = 0; rank < ranks_; ++rank) {
        const double* const said = &all[rank * own.size() + r * kNumbers];
        openings.push_back({said[0], split::Fault(said[1]), said[2], said[3]});
      }
      row.take_openings(openings);
    });
  }

  void add_up() {
    const bool is_needed = std::any_of(rows_.begin(), rows_.end(),
                                       [](const FilteredRow& row) { return row.needs_sums(); });
    if (!is_needed) return;
    constexpr std::size_t kNumbers = sampler::SumOfRow::kNumbers;
    const std::size_t length = split::most_shards(*columns_) * kNumbers;
    std::vector<double> own(rows_.size() * length);
    for_each([&](std::size_t r, FilteredRow& row) {
      if (row.needs_sums()) row.write_sums(&own[r * length]);
    });
    const auto all = columns_->group().all_gather(own);
    for_each([&](std::size_t r, FilteredRow& row) {
      if (!row.needs_sums()) return;
      std::vector<double> parts;
      for (int rank = 0; rank < columns_->group().size(); ++rank) {
        const auto shards = columns_->first_shard_of(rank + 1) - columns_->first_shard_of(rank);
        const auto said =
            all.begin() +
            static_cast<std::ptrdiff_t>(static_cast<std::size_t>(rank) * own.size() + r * length);
        parts.insert(parts.end(), said, said + static_cast<std::ptrdiff_t>(shards * kNumbers));
      }
      row.take_sums(parts);
    });
  }

  void gather_lists() {
    while (std::any_of(rows_.begin(), rows_.end(),
                       [](const FilteredRow& row) { return row.waits_for_list(); })) {
      // How long the lists are, and then the lists.
      struct List {
        sampler::Candidates candidates;
        double covered = -kInfinity;
      };
      std::vector<List> lists(rows_.size());
      for_each([&](std::size_t r, FilteredRow& row) {
        if (row.waits_for_list()) lists[r].covered = row.collect(lists[r].candidates);
      });
      std::vector<double> lengths;
      std::vector<double> own;
      for (const auto& [candidates, covered] : lists) {
        lengths.insert(lengths.end(), {static_cast<double>(candidates.ids.size()), covered});
        own.insert(own.end(), candidates.ids.begin(), candidates.ids.end());
        own.insert(own.end(), candidates.logits.begin(), candidates.logits.end());
      }
      const auto all_lengths = columns_->group().all_gather(lengths);
      std::vector<double> longest = {static_cast<double>(own.size())};
      columns_->group().all_reduce(longest, Reduction::max);
      own.resize(static_cast<std::size_t>(longest[0]));
      const auto all = columns_->group().all_gather(own);

      lists.assign(rows_.size(), {});
      for (std::size_t rank = 0; rank < ranks_; ++rank) {  // and so in the order of columns
        const double* at = all.data() + rank * own.size();
        for (std::size_t r = 0; r < rows_.size(); ++r) {
          const double* const said = &all_lengths[rank * lengths.size() + 2 * r];
          const auto size = static_cast<std::ptrdiff_t>(said[0]);
          auto& [candidates, covered] = lists[r];
          for (const double* id = at; id != at + size; ++id) {
            candidates.ids.push_back(static_cast<std::int64_t>(*id));
          }
          candidates.logits.insert(candidates.logits.end(), at + size, at + 2 * size);
          covered = std::max(covered, said[1]);
          at += 2 * size;
        }
      }
      for_each([&](std::size_t r, FilteredRow& row) {
        if (row.waits_for_list()) row.take_list(std::move(lists[r].candidates), lists[r].covered);
      });
    }
  }

 private:
  const SplitColumns* columns_;
  std::size_t ranks_;
  int threads_;
  std::vector<FilteredRow> rows_;
};

}  // namespace

TopKSample sample_without_replacement(Rows own, std::size_t k, const RowSettings& settings,
                                      const Streams& streams, const SplitColumns& columns,
                                      const RowOptions& options) {
  const std::size_t n = own.rows();
  check_between("k", k, 1, columns.columns(), "categories");
  check_size("logits", own.columns(), columns.size(), "this rank's columns");
  settings.check_covers(n);
  streams.check_covers(n);
  FilteredRows rows(n, columns, options.threads);
  rows.for_each([&](std::size_t r, FilteredRow& row) {
    row.reset(own, r, settings[r], streams[r], columns);
  });
  rows.open();
  rows.add_up();
  rows.gather_lists();

  // Rows that nothing filters, together.
  std::vector<std::size_t> unfiltered;
  std::vector<Stream> their_streams;
  for (std::size_t r = 0; r < n; ++r) {
    if (rows[r].failure() || rows[r].is_filtered()) continue;
    unfiltered.push_back(r);
    their_streams.push_back(streams[r]);
  }
  std::vector<double> heated(unfiltered.size() * columns.size());
  for (std::size_t i = 0; i < unfiltered.size(); ++i) {
    rows[unfiltered[i]].write_heated(heated.data() + i * columns.size());
  }
  std::vector<RowError> errors;
  TopKSample drawn = unanswered(0, k);
  if (!unfiltered.empty()) {
    drawn = gumbel_top_k(Rows(heated.data(), unfiltered.size(), columns.size()), k,
                         std::span<const Stream>(their_streams), columns,
                         {.threads = options.threads, .errors = &errors});
  }

  TopKSample sample = unanswered(n, k);
  for_each_row<TopDown>(n, options, [&](std::size_t r, TopDown& top_down) {
    if (rows[r].failure()) throw InvalidArgument(*rows[r].failure());
    if (rows[r].is_filtered()) {
      sampler::draw_without_replacement(rows[r].kept(), settings[r], streams[r], top_down, sample,
                                        r);
      return;
    }
    const auto i = static_cast<std::size_t>(
        std::lower_bound(unfiltered.begin(), unfiltered.end(), r) - unfiltered.begin());
    for (const RowError& error : errors) {
      if (error.row == i) throw InvalidArgument("logits", error.reason);
    }
    const auto copy = [&](const auto& from, auto& to) {
      std::copy_n(from.begin() + static_cast<std::ptrdiff_t>(i * k), k,
                  to.begin() + static_cast<std::ptrdiff_t>(r * k));
    };
    copy(drawn.indices, sample.indices);
    copy(drawn.perturbed, sample.perturbed);
    copy(drawn.log_prob, sample.log_prob);
    sample.log_sum_exp[r] = drawn.log_sum_exp[i];
    sample.threshold[r] = drawn.threshold[i];
  });
  return sample;
}

}  // namespace partita
