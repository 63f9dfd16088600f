// SPDX-License-Identifier: Apache-2.0
#include "partita/gumbel/gumbel_top_k.hpp"

#include <fmt/format.h>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/gumbel/gumbel.hpp"
#include "partita/gumbel/internal/unanswered.hpp"
#include "partita/gumbel/top_down.hpp"

namespace partita {

TopKSample gumbel_top_k(Rows logits, std::size_t k, const Streams& streams,
                        const TopKOptions& options) {
  const std::size_t rows = logits.rows();
  check_between("k", k, 1, logits.columns(), "categories");
  streams.check_covers(rows);
  const bool exact = options.log_sum_exp;
  TopKSample sample = unanswered(rows, k, exact);
  for_each_row<TopDown>(
      rows, {options.threads, options.errors}, [&](std::size_t row, TopDown& top_down) {
        const Normalizer normalizer = top_down.reset(
            logits, row, exact ? TopDown::Weights::exact : TopDown::Weights::bounded);
        top_down.start(streams[row]);
        std::vector<TopDown::Item> items;
        items.reserve(k);
        while (items.size() < k) {
          const auto item = top_down.next();
          if (!item) {
            throw InvalidArgument(
                "logits", fmt::format("k = {}, but only {} categories are possible (not -inf)", k,
                                      items.size()));
          }
          items.push_back(*item);
        }
        for (std::size_t j = 0; j < k; ++j) {
          sample.indices[row * k + j] = items[j].index;
          sample.perturbed[row * k + j] = items[j].perturbed;
          sample.log_prob[row * k + j] = normalizer.log_prob(items[j].logit);
        }
        if (exact) {
          sample.log_sum_exp[row] = normalizer.max + normalizer.log_sum;
          sample.threshold[row] = top_down.peek();
        }
      });
  return sample;
}

std::vector<std::int64_t> gumbel_max(Rows logits, const Streams& streams,
                                     const RowOptions& options) {
  return gumbel_top_k(logits, 1, streams,
                      {.threads = options.threads, .errors = options.errors, .log_sum_exp = false})
      .indices;
}

double inclusion_log_prob(double log_prob, double threshold) {
  return gumbel_log_survival(threshold, log_prob);
}

}  // namespace partita
