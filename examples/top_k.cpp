// SPDX-License-Identifier: Apache-2.0
// Ten different categories from each row of logits, and the probability that each had of being
// among them: sampling without replacement.
#include <cmath>
#include <cstdio>
#include <vector>

#include "partita/gumbel/gumbel_top_k.hpp"

int main() {
  // Four rows of 50,000 logits, of any origin.
  const std::size_t rows = 4;
  const std::size_t categories = 50'000;
  std::vector<float> logits(rows * categories);
  for (std::size_t i = 0; i < logits.size(); ++i) {
    logits[i] = -std::log(static_cast<float>(1 + i % categories));  // Zipf's law
  }

  // A pure function of (logits, seed): the same on any machine and any number of threads.
  const partita::TopKSample sample =
      partita::gumbel_top_k({logits.data(), rows, categories}, 10, partita::Stream{.seed = 1});

  for (std::size_t row = 0; row < rows; ++row) {
    std::printf("row %zu, log-sum-exp %.4f:\n", row, sample.log_sum_exp[row]);
    for (std::size_t j = row * sample.k; j < (row + 1) * sample.k; ++j) {
      const double q =
          std::exp(partita::inclusion_log_prob(sample.log_prob[j], sample.threshold[row]));
      std::printf("  category %5lld   probability %.6f   inclusion %.4f\n",
                  static_cast<long long>(sample.indices[j]), std::exp(sample.log_prob[j]), q);
    }
  }
}
