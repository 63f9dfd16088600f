// SPDX-License-Identifier: Apache-2.0
#include "partita/split/gumbel_top_k.hpp"

#include <fmt/format.h>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/gumbel/internal/unanswered.hpp"
#include "partita/split/internal/top_of_rows.hpp"

namespace partita {

TopKSample gumbel_top_k(Rows own, std::size_t k, const Streams& streams,
                        const SplitColumns& columns, const RowOptions& options) {
  const std::size_t rows = own.rows();
  check_between("k", k, 1, columns.columns(), "categories");
  check_size("logits", own.columns(), columns.size(), "this rank's columns");
  streams.check_covers(rows);
  const split::TopOfRows top(own, k, streams, columns, options.threads);

  TopKSample sample = unanswered(rows, k);
  for_each_row<split::TopOfRow>(rows, options, [&](std::size_t row, split::TopOfRow& found) {
    top.read(row, found);
    if (found.largest.size() < k) {
      throw InvalidArgument("logits",
                            fmt::format("k = {}, but only {} categories are possible (not -inf)", k,
                                        found.largest.size()));
    }
    for (std::size_t j = 0; j < k; ++j) {
      sample.indices[row * k + j] = found.largest[j].index;
      sample.perturbed[row * k + j] = found.largest[j].perturbed;
      sample.log_prob[row * k + j] = found.normalizer.log_prob(found.largest[j].logit);
    }
    sample.log_sum_exp[row] = found.normalizer.max + found.normalizer.log_sum;
    sample.threshold[row] = found.next;
  });
  return sample;
}

std::vector<std::int64_t> gumbel_max(Rows own, const Streams& streams, const SplitColumns& columns,
                                     const RowOptions& options) {
  return gumbel_top_k(own, 1, streams, columns, options).indices;
}

}  // namespace partita
