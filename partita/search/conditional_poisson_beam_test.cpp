// SPDX-License-Identifier: Apache-2.0
#include "partita/search/conditional_poisson_beam.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <vector>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/search/importance_weights.hpp"
#include "search_test_support.hpp"

namespace partita {
namespace {

using namespace partita::testing;  // NOLINT(google-build-using-namespace)

using Leaves = std::vector<std::size_t>;  // of a Support, ascending

/// The law of the last set, by summing over every history of the beam.
class AllHistories {
 public:
  AllHistories(const SequenceModel& model, const SearchOptions& options, std::size_t k)
      : model_(model), options_(options), k_(k), support_(model, options) {
    follow({{}}, 1);
  }

  const Support& support() const { return support_; }
  const std::map<Leaves, double>& sets() const { return sets_; }
  std::vector<double> inclusion() const {
    std::vector<double> pi(support_.size());
    for (const auto& [set, p] : sets_) {
      for (const std::size_t leaf : set) pi[leaf] += p;
    }
    return pi;
  }

 private:
  bool is_leaf(const Hypothesis& h) const {
    return h.finished || h.tokens.size() == options_.max_length;
  }

  void follow(const std::vector<Hypothesis>& beam, double probability) {
    if (std::all_of(beam.begin(), beam.end(), [&](const auto& h) { return is_leaf(h); })) {
      Leaves set;
      for (const Hypothesis& h : beam) set.push_back(support_.find(h));
      std::sort(set.begin(), set.end());
      sets_[set] += probability;
      return;
    }
    std::vector<Hypothesis> candidates;
    for (const Hypothesis& h : beam) {
      if (is_leaf(h)) {
        candidates.push_back(h);
        continue;
      }
      const std::vector<double> phi = next_log_probs(model_, h.tokens, options_.filter);
      for (std::size_t t = 0; t < phi.size(); ++t) {
        if (phi[t] == kMinusInfinity) continue;
        Hypothesis child{h.tokens, static_cast<Token>(t) == model_.end_token(),
                         h.log_prob + phi[t]};
        if (!child.finished) child.tokens.push_back(static_cast<Token>(t));
        candidates.push_back(child);
      }
    }
    const std::size_t size = std::min(k_, candidates.size());
    std::vector<std::pair<double, std::vector<Hypothesis>>> choices;
    double sum = 0;
    for (std::size_t mask = 0; mask < std::size_t{1} << candidates.size(); ++mask) {
      double weight = 1;
      std::vector<Hypothesis> kept;
      for (std::size_t i = 0; i < candidates.size(); ++i) {
        if ((mask >> i & 1U) == 0) continue;
        const double p = std::exp(candidates[i].log_prob);
        weight *= p / (1 - p);
        kept.push_back(candidates[i]);
      }
      if (kept.size() != size) continue;
      choices.emplace_back(weight, kept);
      sum += weight;
    }
    for (const auto& [weight, kept] : choices) follow(kept, probability * weight / sum);
  }

  const SequenceModel& model_;
  SearchOptions options_;
  std::size_t k_;
  Support support_;
  std::map<Leaves, double> sets_;
};

std::vector<ConditionalPoissonBeam> many(const SequenceModel& model, std::size_t k, std::size_t n,
                                         const SearchOptions& options,
                                         std::size_t hindsight_samples = 0) {
  return conditional_poisson_beam_search(model, std::vector<Sequence>(n), k, Stream{2021}, options,
                                         {.hindsight_samples = hindsight_samples});
}

TEST(ConditionalPoissonBeam, SetsHaveTheirLaw) {
  const StatefulModel model({.vocabulary = 3});
  const SearchOptions options{.max_length = 3};
  constexpr std::size_t kRepetitions = 20000;
  for (const std::size_t k : {1U, 2U, 3U}) {
    const AllHistories all(model, options, k);
    std::map<Leaves, double> counts;
    for (const auto& beam : many(model, k, kRepetitions, options)) {
      Leaves set;
      for (const Hypothesis& h : beam.sequences) set.push_back(all.support().find(h));
      std::sort(set.begin(), set.end());
      ++counts[set];
    }
    std::vector<double> observed;
    std::vector<double> expected;
    double covered = 0;
    for (const auto& [set, p] : all.sets()) {
      observed.push_back(counts[set]);
      expected.push_back(p * kRepetitions);
      covered += counts[set];
    }
    EXPECT_EQ(covered, kRepetitions);
    EXPECT_GT(chi_square_p_value(observed, expected), kFalseAlarm) << k;
  }
}

// After one step, the weights are p / pi.
TEST(ConditionalPoissonBeam, OneStepIsExact) {
  const StatelessModel model({.vocabulary = 8});
  const SearchOptions options{.max_length = 1};
  const AllHistories all(model, options, 3);
  const std::vector<double> pi = all.inclusion();
  for (const auto& beam : many(model, 3, 50, options)) {
    for (std::size_t i = 0; i < 3; ++i) {
      const std::size_t leaf = all.support().find(beam.sequences[i]);
      EXPECT_NEAR(beam.weights[i], all.support().p[leaf] / pi[leaf], 1e-12);
    }
  }
}

// E sum w f = E f for any f, whatever the number of histories. The more there are, the less each
// sequence's weight varies, down to p / pi.
TEST(ConditionalPoissonBeam, EstimatesWithoutBias) {
  const StatefulModel model({.vocabulary = 3});
  const SearchOptions options{.max_length = 3};
  const AllHistories all(model, options, 2);
  const Support& support = all.support();
  const std::vector<double> pi = all.inclusion();
  std::vector<double> f;
  double truth = 0;
  double least = 0;  // E sum w^2 by the weights p / pi
  for (std::size_t i = 0; i < support.size(); ++i) {
    f.push_back(5 + Stream{9, 9}.normal(i) + support.leaves[i].log_prob);
    truth += support.p[i] * f[i];
    least += support.p[i] * support.p[i] / pi[i];
  }
  std::vector<double> squares;
  for (const std::size_t histories : {1U, 2U, 8U}) {
    std::vector<double> estimates;
    std::vector<double> totals;
    double square = 0;
    const std::size_t n = histories == 8 ? 6000 : 20000;
    for (const auto& beam : many(model, 2, n, options, histories - 1)) {
      std::vector<double> values;
      for (const Hypothesis& h : beam.sequences) values.push_back(f[support.find(h)]);
      estimates.push_back(estimate(beam.weights, values).plain);
      totals.push_back(std::accumulate(beam.weights.begin(), beam.weights.end(), 0.0));
      for (const double w : beam.weights) square += w * w / static_cast<double>(n);
    }
    EXPECT_LT(z_score(estimates, truth), kFiveSigma) << histories;
    EXPECT_LT(z_score(totals, 1), kFiveSigma) << histories;
    squares.push_back(square);
  }
  EXPECT_GT(squares[0], squares[1]);
  EXPECT_GT(squares[1], squares[2]);
  EXPECT_NEAR(squares[2], least, 0.03 * least);
}

// With many histories, the weights are p / pi.
TEST(ConditionalPoissonBeam, HistoriesFindTheInclusionProbability) {
  const StatelessModel model({.vocabulary = 3});
  const SearchOptions options{.max_length = 3};
  const AllHistories all(model, options, 2);
  const std::vector<double> pi = all.inclusion();
  for (const auto& beam : many(model, 2, 3, options, 10000)) {
    for (std::size_t i = 0; i < 2; ++i) {
      const std::size_t leaf = all.support().find(beam.sequences[i]);
      // Five standard errors, were a history's W to vary as much as pi.
      EXPECT_NEAR(all.support().p[leaf] / beam.weights[i] / pi[leaf], 1, 0.05);
    }
  }
}

TEST(ConditionalPoissonBeam, WholeSupport) {
  const StatelessModel model({.vocabulary = 3, .dtype = DType::f32});
  const SearchOptions options{.max_length = 3};
  const Support support(model, options);
  const auto beam = conditional_poisson_beam_search(model, {}, 100, {.seed = 1}, options);
  ASSERT_EQ(beam.sequences.size(), support.size());
  for (std::size_t i = 0; i < support.size(); ++i) {
    EXPECT_EQ(beam.weights[i], std::exp(beam.sequences[i].log_prob));
    EXPECT_LE(beam.sequences[i].log_prob, beam.sequences[i == 0 ? 0 : i - 1].log_prob);
  }
}

// A first token that is certain, and a prompt: the odds of 1 are as finite as a double's.
TEST(ConditionalPoissonBeam, CertainPrefixes) {
  const CallableModel model(3, 2, [](std::span<const Token> prefix) {
    return prefix.size() == 2 ? std::vector<double>{0, kMinusInfinity, kMinusInfinity}
                              : std::vector<double>{0, 1, -60};
  });
  const auto beams = conditional_poisson_beam_search(model, std::vector<Sequence>{{1, 1}, {0}}, 3,
                                                     Stream{4}, {.max_length = 4});
  for (const auto& beam : beams) {
    EXPECT_EQ(beam.sequences.size(), 3U);
    for (const double weight : beam.weights) EXPECT_TRUE(std::isfinite(weight));
  }
  EXPECT_EQ(beams[0].sequences[0].tokens[0], 0);
}

TEST(ConditionalPoissonBeam, BatchAndThreadsChangeNothing) {
  const StatefulModel model({.vocabulary = 5});
  const std::vector<Sequence> prompts(20);
  SearchOptions options{.max_length = 5};
  const auto together = conditional_poisson_beam_search(model, prompts, 4, Stream{1}, options, {3});
  options.batch = 4;
  options.threads = 3;
  const auto apart = conditional_poisson_beam_search(model, prompts, 4, Stream{1}, options, {3});
  EXPECT_TRUE(
      conditional_poisson_beam_search(model, std::vector<Sequence>{}, 4, Stream{1}).empty());
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    EXPECT_EQ(together[i].sequences, apart[i].sequences);
    EXPECT_EQ(together[i].weights, apart[i].weights);
  }
}

TEST(ConditionalPoissonBeam, Refusals) {
  const StatelessModel model;
  const auto message = [&](std::size_t k, const SearchOptions& options) {
    return message_of<InvalidArgument>(
        [&] { conditional_poisson_beam_search(model, {}, k, {.seed = 1}, options); });
  };
  EXPECT_EQ(message(0, {}), "k: expected 1 or more, got 0");
  EXPECT_EQ(message(1, {.max_length = 0}), "max_length: expected 1 or more, got 0");
}

}  // namespace
}  // namespace partita
