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
      : columns_(&columns), threads_(threads), rows_(rows) {}

  FilteredRow& operator[](std::size_t r) { return rows_[r]; }

  template <class Body>
  void for_each(const Body& body) {
    parallel_for(rows_.size(), threads_, [&](std::size_t first, std::size_t last) {
      for (std::size_t r = first; r < last; ++r) body(r, rows_[r]);
    });
  }

  void open() {
    split::RowExchange openings(*columns_, rows_.size(), 0, 4);
    for_each([&](std::size_t r, FilteredRow& row) {
      const auto& [max, fault, spared, spared_edited] = row.opening();
      const auto out = openings.of_row(r);
      out[0] = max;
      out[1] = fault.code();
      out[2] = spared;
      out[3] = spared_edited;
    });
    openings.exchange();
    for_each([&](std::size_t r, FilteredRow& row) {
      std::vector<FilteredRow::Opening> of_ranks;
      for (int rank = 0; rank < columns_->group().size(); ++rank) {
        const auto said = openings.of_row(rank, r);
        of_ranks.push_back({said[0], split::Fault(said[1]), said[2], said[3]});
      }
      row.take_openings(of_ranks);
    });
  }

  void add_up() {
    const bool is_needed = std::any_of(rows_.begin(), rows_.end(),
                                       [](const FilteredRow& row) { return row.needs_sums(); });
    if (!is_needed) return;
    split::RowExchange sums(*columns_, rows_.size(), sampler::SumOfRow::kNumbers, 0);
    for_each([&](std::size_t r, FilteredRow& row) {
      if (!row.needs_sums()) return;
      for (std::size_t s = columns_->first_shard(); s < columns_->last_shard(); ++s) {
        row.write_sums(s, sums.of_shard(r, s).data());
      }
    });
    sums.exchange();
    for_each([&](std::size_t r, FilteredRow& row) {
      if (row.needs_sums()) row.take_sums(sums.of_shards(r));
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
      split::RowExchange sizes(*columns_, rows_.size(), 0, 2);
      std::vector<double> own;
      for (std::size_t r = 0; r < rows_.size(); ++r) {
        const auto& [candidates, covered] = lists[r];
        sizes.of_row(r)[0] = static_cast<double>(candidates.ids.size());
        sizes.of_row(r)[1] = covered;
        own.insert(own.end(), candidates.ids.begin(), candidates.ids.end());
        own.insert(own.end(), candidates.logits.begin(), candidates.logits.end());
      }
      sizes.exchange();
      std::size_t longest = 0;
      for (int rank = 0; rank < columns_->group().size(); ++rank) {
        std::size_t length = 0;
        for (std::size_t r = 0; r < rows_.size(); ++r) {
          length += 2 * static_cast<std::size_t>(sizes.of_row(rank, r)[0]);
        }
        longest = std::max(longest, length);
      }
      own.resize(longest);
      const auto all = columns_->group().all_gather(own);

      lists.assign(rows_.size(), {});
      const double* at = all.data();
      for (int rank = 0; rank < columns_->group().size(); ++rank) {  // and so in columns' order
        const double* const next = at + own.size();
        for (std::size_t r = 0; r < rows_.size(); ++r) {
          const auto said = sizes.of_row(rank, r);
          const auto size = static_cast<std::ptrdiff_t>(said[0]);
          auto& [candidates, covered] = lists[r];
          for (const double* id = at; id != at + size; ++id) {
            candidates.ids.push_back(static_cast<std::int64_t>(*id));
          }
          candidates.logits.insert(candidates.logits.end(), at + size, at + 2 * size);
          covered = std::max(covered, said[1]);
          at += 2 * size;
        }
        at = next;
      }
      for_each([&](std::size_t r, FilteredRow& row) {
        if (row.waits_for_list()) row.take_list(std::move(lists[r].candidates), lists[r].covered);
      });
    }
  }

 private:
  const SplitColumns* columns_;
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
    const auto error =
        std::lower_bound(errors.begin(), errors.end(), i,
                         [](const RowError& each, std::size_t row) { return each.row < row; });
    if (error != errors.end() && error->row == i) throw InvalidArgument("logits", error->reason);
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
