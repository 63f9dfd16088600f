// SPDX-License-Identifier: Apache-2.0
// A user of the installed package. Includes every public header, so that none needs one that is not
// installed.
#include <partita/base/error.hpp>
#include <partita/base/parallel.hpp>
#include <partita/base/progress.hpp>
#include <partita/base/rows.hpp>
#include <partita/gumbel/categorical.hpp>
#include <partita/gumbel/gumbel.hpp>
#include <partita/gumbel/gumbel_top_k.hpp>
#include <partita/io/archive.hpp>
#include <partita/io/file.hpp>
#include <partita/io/npy.hpp>
#include <partita/io/text.hpp>
#include <partita/random/fill.hpp>
#include <partita/random/stream.hpp>
#include <partita/random/variates.hpp>
#include <partita/sampler/filter.hpp>
#include <partita/sampler/sample.hpp>
#include <partita/sampler/settings.hpp>
#include <partita/search/ancestral.hpp>
#include <partita/search/beam.hpp>
#include <partita/search/importance_weights.hpp>
#include <partita/search/stochastic_beam.hpp>
#include <partita/search/unique.hpp>
#include <partita/softmax/divergence.hpp>
#include <partita/softmax/scalar.hpp>
#include <partita/softmax/softmax.hpp>
#include <partita/text/ngram.hpp>

#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

int main() {
  const std::vector<float> logits = {0, 1, 2, 3};
  const partita::Rows rows{logits.data(), 1, logits.size()};
  const double lse = partita::log_sum_exp(rows)[0];
  const double expected = std::log(1 + std::exp(1.0) + std::exp(2.0) + std::exp(3.0));
  const auto sample = partita::gumbel_top_k(rows, 4, partita::Stream{.seed = 1});
  std::int64_t sum = 0;
  for (const auto index : sample.indices) sum += index;
  const std::vector<std::string> lines{"one", "two"};
  const auto model =
      partita::train_ngram(partita::TextUnits::learn(partita::UnitKind::character, lines), lines);
  const auto beam = partita::stochastic_beam_search(model, {}, 3, {.seed = 1});
  std::printf("log-sum-exp %.6f, %zu words\n", lse, beam.sequences.size());
  return std::abs(lse - expected) < 1e-5 && sum == 6 && beam.sequences.size() == 3 ? 0 : 1;
}
