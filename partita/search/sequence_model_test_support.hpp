// SPDX-License-Identifier: Apache-2.0
// What every SequenceModel promises that computes the logits of a reference: for the tests of
// models that come from elsewhere.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <utility>
#include <vector>

#include "partita/search/ancestral.hpp"
#include "partita/search/search_test_support.hpp"
#include "partita/search/stochastic_beam.hpp"
#include "partita/search/unique.hpp"

namespace partita::testing {

/// The reference's logits after a prefix.
using ReferenceLogits = std::function<std::vector<double>(const Sequence& prefix)>;

inline void expect_logits(const SequenceModel& model, const ReferenceLogits& reference,
                          const std::vector<Sequence>& prefixes, DecodingState* state,
                          double tolerance) {
  const std::size_t columns = model.vocabulary_size();
  std::vector<float> logits(prefixes.size() * columns);
  model.next_logits(prefixes, state, {logits.data(), prefixes.size(), columns});
  for (std::size_t i = 0; i < prefixes.size(); ++i) {
    const std::vector<double> expected = reference(prefixes[i]);
    for (std::size_t token = 0; token < columns; ++token) {
      ASSERT_NEAR(logits[i * columns + token], expected[token], tolerance) << i << ' ' << token;
    }
  }
}

/// Rows that repeat, cross and vanish keep what they read. Tokens 3 ... 19 are appended.
inline void expect_reordered_rows_continue(const SequenceModel& model,
                                           const ReferenceLogits& reference,
                                           std::vector<Sequence> prefixes,
                                           const std::vector<std::vector<std::size_t>>& orders,
                                           double tolerance) {
  const auto state = model.start();
  Token next = 6;
  for (std::size_t step = 0;; ++step) {
    SCOPED_TRACE(step);
    expect_logits(model, reference, prefixes, state.get(), tolerance);
    if (step == orders.size()) break;
    state->reorder(orders[step]);
    std::vector<Sequence> moved;
    for (const std::size_t row : orders[step]) {
      moved.push_back(prefixes[row]);
      moved.back().push_back(next);
      next = next % 17 + 3;
    }
    prefixes = std::move(moved);
  }
}

/// What stochastic_beam.hpp promises of logits that do not depend on the batch. @param most > 64
inline void expect_a_smaller_beam_begins_a_larger_one(const SequenceModel& model,
                                                      const Sequence& prompt, std::size_t most,
                                                      const SearchOptions& options) {
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    const auto all = stochastic_beam_search(model, prompt, most, Stream{seed}, options);
    for (const std::size_t k : {1, 2, 13, 64}) {
      const auto beam = stochastic_beam_search(model, prompt, k, Stream{seed}, options);
      for (std::size_t i = 0; i < k; ++i) {
        EXPECT_EQ(beam.sequences[i].tokens, all.sequences[i].tokens) << seed << ' ' << k;
        EXPECT_NEAR(beam.sequences[i].log_prob, all.sequences[i].log_prob, 2e-5);
        EXPECT_NEAR(beam.sequences[i].perturbed, all.sequences[i].perturbed, 2e-5);
      }
      EXPECT_NEAR(beam.threshold, all.sequences[k].perturbed, 2e-5);
    }
    UniqueSampler unique(model, prompt, Stream{seed}, options);
    for (std::size_t i = 0; i < 20; ++i) {
      EXPECT_EQ(unique.next()->tokens, all.sequences[i].tokens) << seed << ' ' << i;
    }
  }
}

/// Pairs of sequences are drawn without replacement: of a model of five tokens, of which 2 ends,
/// and sequences of at most two tokens.
/// @param log_prob the reference's, of a whole sequence
inline void expect_the_law_of_drawing_without_replacement(
    const SequenceModel& model, const std::function<double(const Hypothesis&)>& log_prob) {
  std::vector<Hypothesis> leaves;
  std::vector<double> p;
  const auto add = [&](const Sequence& tokens, bool finished) {
    leaves.push_back({tokens, finished, 0});
    p.push_back(std::exp(log_prob(leaves.back())));
  };
  add({}, true);
  for (const Token a : {0, 1, 3, 4}) {
    add({a}, true);
    for (const Token b : {0, 1, 3, 4}) add({a, b}, false);
  }
  EXPECT_NEAR(std::accumulate(p.begin(), p.end(), 0.0), 1, 1e-12);
  constexpr std::size_t kSamples = 20000;
  const std::vector<Sequence> prompts(kSamples);
  std::vector<OrderedSample> samples;
  for (const StochasticBeam& beam :
       stochastic_beam_search(model, prompts, 2, Stream{.seed = 5}, {.max_length = 2})) {
    OrderedSample& sample = samples.emplace_back();
    sample.threshold = beam.threshold;
    for (const PerturbedHypothesis& y : beam.sequences) {
      const auto found = std::find_if(leaves.begin(), leaves.end(), [&](const Hypothesis& leaf) {
        return leaf.tokens == y.tokens && leaf.finished == y.finished;
      });
      sample.indices.push_back(static_cast<std::size_t>(found - leaves.begin()));
      sample.perturbed.push_back(y.perturbed);
    }
  }
  const OrderedSampleTest test = test_ordered_samples(p, samples);
  EXPECT_GT(test.tuples, 1e-6);
  EXPECT_GT(test.gumbels, 1e-6);
}

/// Searches from several threads find what one finds.
inline void expect_threads_change_nothing(const SequenceModel& model) {
  const SearchOptions options{.max_length = 8};
  SearchOptions threads = options;
  threads.threads = 3;
  const auto one = ancestral_samples(model, {}, 300, Stream{.seed = 6}, options);
  const auto three = ancestral_samples(model, {}, 300, Stream{.seed = 6}, threads);
  for (std::size_t i = 0; i < one.size(); ++i) EXPECT_EQ(one[i].tokens, three[i].tokens);
}

}  // namespace partita::testing
