// SPDX-License-Identifier: Apache-2.0
#include "partita/split/softmax.hpp"

#include <cmath>
#include <limits>

#include "partita/base/internal/check.hpp"
#include "partita/softmax/divergence.hpp"
#include "partita/softmax/internal/row_pass.hpp"
#include "partita/split/internal/shard_parts.hpp"

namespace partita {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

void check_own(Rows own, const SplitColumns& columns) {
  check_size("logits", own.columns(), columns.size(), "this rank's columns");
}

/// Reads the own shards of all rows into the messages.
void read_shards(Rows own, const SplitColumns& columns, int threads, split::Messages& messages) {
  for (std::size_t row = 0; row < own.rows(); ++row) messages.set_fault(row, split::Fault());
  std::vector<bool> has_fault(own.rows());
  for (std::size_t s = columns.first_shard(); s < columns.last_shard(); ++s) {
    const Rows shard = columns.shard_of(own, s);
    if (shard.columns() == 0) continue;
    std::vector<RowError> errors;
    const auto parts = normalizers(shard, RowOptions{.threads = threads, .errors = &errors});
    for (std::size_t row = 0; row < own.rows(); ++row) messages.set_part(row, s, parts[row]);
    for (const RowError& error : errors) {
      if (has_fault[error.row]) continue;
      has_fault[error.row] = true;
      messages.set_fault(error.row, split::Fault::find(shard, error.row, columns.shard_begin(s)));
    }
  }
}

/// result[row] = of(row, the row's normalizer, its shards'), where the row is good.
template <class Result, class Of>
std::vector<Result> each_row(const split::Messages& messages, std::size_t rows, Result failed,
                             const RowOptions& options, const Of& of) {
  struct None {};
  std::vector<Result> results(rows, failed);
  for_each_row<None>(rows, options, [&](std::size_t row, None&) {
    const std::vector<Normalizer> parts = messages.parts(row);
    messages.check(row, parts);
    results[row] = of(row, split::combined(parts), parts);
  });
  return results;
}

}  // namespace

std::vector<Normalizer> normalizers(Rows own, const SplitColumns& columns,
                                    const RowOptions& options) {
  check_own(own, columns);
  split::Messages messages(columns, own.rows(), 0);
  read_shards(own, columns, options.threads, messages);
  messages.exchange();
  return each_row(messages, own.rows(), Normalizer{kNaN, kNaN}, options,
                  [](std::size_t, const Normalizer& whole, const auto&) { return whole; });
}

std::vector<double> log_sum_exp(Rows own, const SplitColumns& columns, const RowOptions& options) {
  std::vector<double> sums;
  for (const Normalizer& each : normalizers(own, columns, options)) {
    sums.push_back(each.max + each.log_sum);
  }
  return sums;
}

std::vector<double> entropy(Rows own, const SplitColumns& columns, const RowOptions& options) {
  check_own(own, columns);
  split::Messages messages(columns, own.rows(), split::most_shards(columns));
  read_shards(own, columns, options.threads, messages);
  for (std::size_t s = columns.first_shard(); s < columns.last_shard(); ++s) {
    const Rows shard = columns.shard_of(own, s);
    std::vector<RowError> impossible;
    if (shard.columns() == 0) continue;
    const auto own_entropy =
        partita::entropy(shard, RowOptions{.threads = options.threads, .errors = &impossible});
    for (std::size_t row = 0; row < own.rows(); ++row)
      messages.extra(row)[s - columns.first_shard()] = own_entropy[row];
  }
  messages.exchange();
  return each_row(
      messages, own.rows(), kNaN, options,
      [&](std::size_t row, const Normalizer& whole, const std::vector<Normalizer>& parts) {
        // Which shard, and which of its categories: two entropies without a difference.
        CompensatedSum sum;
        for (int rank = 0; rank < columns.group().size(); ++rank) {
          const auto within = messages.extra(rank, row);
          const std::size_t first = columns.first_shard_of(rank);
          for (std::size_t s = first; s < columns.first_shard_of(rank + 1); ++s) {
            if (parts[s].max == -kInfinity) continue;
            const double share = split::log_share(parts[s], whole);
            sum.add(std::exp(share) * (within[s - first] - share));
          }
        }
        return sum.value();
      });
}

std::vector<double> cross_entropy(Rows own, std::span<const std::int64_t> targets,
                                  const SplitColumns& columns, const RowOptions& options) {
  check_own(own, columns);
  check_size("targets", targets.size(), own.rows(), "one for each row");
  for (const std::int64_t target : targets) check_index("targets", target, columns.columns());
  split::Messages messages(columns, own.rows(), 1);
  read_shards(own, columns, options.threads, messages);
  visit(own.dtype(), [&]<Element T>(T) {
    for (std::size_t row = 0; row < own.rows(); ++row) {
      const auto target = static_cast<std::size_t>(targets[row]);
      if (target < columns.first() || target >= columns.last()) continue;
      const auto place = static_cast<std::ptrdiff_t>(target - columns.first());
      messages.extra(row)[0] =
          static_cast<double>(own.row_data<T>(row)[place * own.column_stride()]);
    }
  });
  messages.exchange();
  return each_row(messages, own.rows(), kNaN, options,
                  [&](std::size_t row, const Normalizer& whole, const auto&) {
                    double logit =
                        -kInfinity;  // of the rank that holds the target; others say -inf
                    for (int rank = 0; rank < columns.group().size(); ++rank) {
                      logit = std::max(logit, messages.extra(rank, row)[0]);
                    }
                    return -whole.log_prob(logit);
                  });
}

}  // namespace partita
