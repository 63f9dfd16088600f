// SPDX-License-Identifier: Apache-2.0
#include "partita/search/stochastic_beam.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <set>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/search/importance_weights.hpp"
#include "search_test_support.hpp"

namespace partita {
namespace {

using namespace partita::testing;  // NOLINT(google-build-using-namespace)
using ::testing::HasSubstr;

constexpr std::size_t kRepetitions = 100000;

OrderedSample as_indices(const Support& support, const StochasticBeam& beam) {
  OrderedSample sample{{}, {}, beam.threshold};
  for (const PerturbedHypothesis& h : beam.sequences) {
    sample.indices.push_back(support.find(h));
    sample.perturbed.push_back(h.perturbed);
  }
  return sample;
}

std::vector<StochasticBeam> many_beams(const SequenceModel& model, std::size_t k, std::size_t n,
                                       const SearchOptions& options) {
  return stochastic_beam_search(model, std::vector<Sequence>(n), k, Stream{2026}, options);
}

// The search as the paper writes it: a Gumbel for every child of every member of the beam, moved so
// that their largest is the parent's, and the k + 1 largest of all kept.
OrderedSample plain_search(const SequenceModel& model, const Support& support, std::size_t k,
                           Draws& draws, const SearchOptions& options) {
  std::vector<PerturbedHypothesis> beam(1);
  beam[0].perturbed = draws.gumbel();
  std::vector<bool> leaf{false};
  while (std::find(leaf.begin(), leaf.end(), false) != leaf.end()) {
    std::vector<std::pair<PerturbedHypothesis, bool>> all;
    for (std::size_t i = 0; i < beam.size(); ++i) {
      if (leaf[i]) {
        all.emplace_back(beam[i], true);
        continue;
      }
      std::vector<double> phi = next_log_probs(model, beam[i].tokens, options.filter);
      std::vector<double> gumbels;
      for (double& x : phi) gumbels.push_back((x += beam[i].log_prob) + draws.gumbel());
      condition_on_maximum(gumbels, beam[i].perturbed);
      for (std::size_t t = 0; t < phi.size(); ++t) {
        PerturbedHypothesis child{{beam[i].tokens, false, phi[t]}, gumbels[t]};
        child.finished = static_cast<Token>(t) == model.end_token();
        if (!child.finished) child.tokens.push_back(static_cast<Token>(t));
        all.emplace_back(child, child.finished || child.tokens.size() == options.max_length);
      }
    }
    std::sort(all.begin(), all.end(),
              [](const auto& a, const auto& b) { return a.first.perturbed > b.first.perturbed; });
    all.resize(std::min(all.size(), k + 1));
    beam.clear();
    leaf.clear();
    for (const auto& [hypothesis, is_leaf] : all) {
      beam.push_back(hypothesis);
      leaf.push_back(is_leaf);
    }
  }
  OrderedSample sample{{}, {}, beam[k].perturbed};
  for (std::size_t i = 0; i < k; ++i) {
    sample.indices.push_back(support.find(beam[i]));
    sample.perturbed.push_back(beam[i].perturbed);
  }
  return sample;
}

// The other way round (G5 of the lecture): an independent Gumbel for every leaf of the whole tree.
OrderedSample bottom_up(const Support& support, std::size_t k, Draws& draws) {
  std::vector<std::pair<double, std::size_t>> all;
  for (std::size_t i = 0; i < support.size(); ++i) {
    all.emplace_back(support.leaves[i].log_prob + draws.gumbel(), i);
  }
  std::sort(all.rbegin(), all.rend());
  OrderedSample sample{{}, {}, all[k].first};
  for (std::size_t i = 0; i < k; ++i) {
    sample.indices.push_back(all[i].second);
    sample.perturbed.push_back(all[i].first);
  }
  return sample;
}

struct StochasticBeamSample : ::testing::TestWithParam<std::size_t> {
  StatelessModel model{{.vocabulary = 3}};
  SearchOptions options{.max_length = 3};
  Support support{model, options};  // 15 sequences

  void expect_exact(const std::vector<OrderedSample>& samples) const {
    const OrderedSampleTest test = test_ordered_samples(support.p, samples);
    EXPECT_GT(test.tuples, kFalseAlarm);
    EXPECT_GT(test.gumbels, kFalseAlarm);
  }
};

TEST_P(StochasticBeamSample, HasItsDistribution) {
  std::vector<OrderedSample> samples;
  for (const auto& beam : many_beams(model, GetParam(), kRepetitions, options)) {
    samples.push_back(as_indices(support, beam));
  }
  expect_exact(samples);
}

TEST_P(StochasticBeamSample, HasItsDistributionInSinglePrecision) {
  const StatelessModel single({.vocabulary = 3, .dtype = DType::f32});
  std::vector<OrderedSample> samples;
  for (const auto& beam : many_beams(single, GetParam(), kRepetitions, options)) {
    samples.push_back(as_indices(support, beam));
  }
  expect_exact(samples);
}

TEST_P(StochasticBeamSample, HasThatOfThePlainSearch) {
  std::vector<OrderedSample> samples;
  Draws draws({3, 0});
  for (std::size_t i = 0; i < kRepetitions; ++i) {
    samples.push_back(plain_search(model, support, GetParam(), draws, options));
  }
  expect_exact(samples);
}

TEST_P(StochasticBeamSample, HasThatOfBottomUp) {
  std::vector<OrderedSample> samples;
  Draws draws({4, 0});
  for (std::size_t i = 0; i < kRepetitions; ++i) {
    samples.push_back(bottom_up(support, GetParam(), draws));
  }
  expect_exact(samples);
}

// The test itself: a temperature of 1.06 must not pass.
TEST_P(StochasticBeamSample, RefusesAnotherModel) {
  const SearchOptions warm = with_filter(options, 1.06);
  std::vector<OrderedSample> samples;
  for (const auto& beam : many_beams(model, GetParam(), kRepetitions, warm)) {
    samples.push_back(as_indices(support, beam));
  }
  EXPECT_LT(test_ordered_samples(support.p, samples).tuples, kFalseAlarm);
}

INSTANTIATE_TEST_SUITE_P(K, StochasticBeamSample, ::testing::Values(1, 2, 3));

// A larger vocabulary with impossible tokens, filtered: 40 leaves and more, pairs of them.
TEST(StochasticBeam, HasItsDistributionUnderFilters) {
  const CallableModel model(5, 4, [](std::span<const Token> prefix) {
    const auto n = static_cast<double>(prefix.size());
    const bool odd = !prefix.empty() && prefix.back() % 2 == 1;
    return std::vector<double>{1, 0.5 * n, odd ? kMinusInfinity : 2.0, -0.3, n - 1};
  });
  const SearchOptions options = with_filter({.max_length = 4}, 1.7, 3);
  const Support support(model, options);
  ASSERT_NEAR(std::accumulate(support.p.begin(), support.p.end(), 0.0), 1, 1e-12);
  std::vector<OrderedSample> samples;
  for (const auto& beam : many_beams(model, 2, 2 * kRepetitions, options)) {
    samples.push_back(as_indices(support, beam));
  }
  const OrderedSampleTest test = test_ordered_samples(support.p, samples);
  EXPECT_GT(test.tuples, kFalseAlarm);
  EXPECT_GT(test.gumbels, kFalseAlarm);
}

TEST(StochasticBeam, ReportsWhatItDrew) {
  const StatelessModel model({.vocabulary = 4});
  const SearchOptions options{.max_length = 4};
  const Support support(model, options);
  const StochasticBeam beam = stochastic_beam_search(model, {}, 20, {.seed = 5}, options);
  ASSERT_EQ(beam.sequences.size(), 20U);
  std::set<std::size_t> distinct;
  for (std::size_t i = 0; i < 20; ++i) {
    const PerturbedHypothesis& h = beam.sequences[i];
    const std::size_t leaf = support.find(h);
    distinct.insert(leaf);
    EXPECT_NEAR(h.log_prob, support.leaves[leaf].log_prob, 1e-12);
    EXPECT_GT(h.perturbed, i + 1 < 20 ? beam.sequences[i + 1].perturbed : beam.threshold);
    const double q = -std::expm1(-std::exp(h.log_prob - beam.threshold));
    EXPECT_NEAR(beam.weights[i], std::exp(h.log_prob) / q, 1e-12);
  }
  EXPECT_EQ(distinct.size(), 20U);
}

TEST(StochasticBeam, WholeSupport) {
  const StatelessModel model({.vocabulary = 3});
  const SearchOptions options{.max_length = 3};
  const Support support(model, options);
  for (const std::size_t k : {support.size(), support.size() + 1, std::size_t{1000}}) {
    const StochasticBeam beam = stochastic_beam_search(model, {}, k, {.seed = 5}, options);
    EXPECT_EQ(beam.sequences.size(), support.size());
    EXPECT_EQ(beam.threshold, kMinusInfinity);
    EXPECT_NEAR(std::accumulate(beam.weights.begin(), beam.weights.end(), 0.0), 1, 1e-12);
  }
  const StochasticBeam beam =
      stochastic_beam_search(model, {}, support.size() - 1, {.seed = 5}, options);
  EXPECT_GT(beam.threshold, kMinusInfinity);
}

// G7: the plain estimate is unbiased for any f, here one correlated with p; the normalized one errs
// less, as long as the sample is far from all there is.
TEST(StochasticBeam, EstimatesWithoutBias) {
  const StatelessModel model({.vocabulary = 3});
  const SearchOptions options{.max_length = 3};
  const Support support(model, options);
  std::vector<double> f;
  double exact = 0;
  for (std::size_t i = 0; i < support.size(); ++i) {
    f.push_back(5 + Stream{9, 9}.normal(i) + support.leaves[i].log_prob);
    exact += support.p[i] * f[i];
  }
  for (const std::size_t k : {2U, 5U, 12U}) {
    std::vector<double> plain;
    std::vector<double> total;  // the weights alone: f = 1
    double plain_error = 0;
    double normalized_error = 0;
    for (const StochasticBeam& beam : many_beams(model, k, kRepetitions, options)) {
      std::vector<double> log_prob;
      std::vector<double> values;
      for (const auto& h : beam.sequences) {
        log_prob.push_back(h.log_prob);
        values.push_back(f[support.find(h)]);
      }
      const Estimate e = estimate(log_prob, beam.threshold, values);
      plain.push_back(e.plain);
      total.push_back(std::accumulate(beam.weights.begin(), beam.weights.end(), 0.0));
      plain_error += std::pow(e.plain - exact, 2);
      normalized_error += std::pow(e.normalized - exact, 2);
    }
    EXPECT_LT(z_score(plain, exact), kFiveSigma) << k;
    EXPECT_LT(z_score(total, 1), kFiveSigma) << k;
    EXPECT_TRUE(normalized_error < plain_error || k == 12) << k;
  }
}

TEST(StochasticBeam, BeamForKIsPrefixOfBeamForMore) {
  const StatelessModel model({.vocabulary = 6});
  const SearchOptions options{.max_length = 5};
  const StochasticBeam longest = stochastic_beam_search(model, {}, 41, {1, 2}, options);
  for (const std::size_t k : {1U, 2U, 7U, 40U}) {
    const StochasticBeam beam = stochastic_beam_search(model, {}, k, {1, 2}, options);
    ASSERT_EQ(beam.sequences.size(), k);
    for (std::size_t i = 0; i < k; ++i) EXPECT_EQ(beam.sequences[i], longest.sequences[i]);
    EXPECT_EQ(beam.threshold, longest.sequences[k].perturbed);
  }
}

TEST(StochasticBeam, PromptsAreNotReturned) {
  const StatelessModel model({.vocabulary = 4});
  const std::vector<Sequence> prompts{{}, {0, 1}, {2}};
  const auto beams = stochastic_beam_search(model, prompts, 3, Stream{1}, {.max_length = 2});
  for (const auto& beam : beams) {
    for (const auto& h : beam.sequences) EXPECT_LE(h.tokens.size(), 2U);
  }
  const Sequence& first = beams[1].sequences[0].tokens;
  const double phi = beams[1].sequences[0].log_prob;
  ASSERT_FALSE(first.empty());
  EXPECT_LE(phi, next_log_probs(model, prompts[1])[static_cast<std::size_t>(first[0])]);
}

TEST(StochasticBeam, ModelWithoutEndToken) {
  const CallableModel bits(2, -1, [](auto) { return std::vector<double>{0, 0}; });
  const StochasticBeam beam = stochastic_beam_search(bits, {}, 8, {.seed = 1}, {.max_length = 3});
  std::set<Sequence> distinct;
  for (const auto& h : beam.sequences) {
    EXPECT_FALSE(h.finished);
    distinct.insert(h.tokens);
  }
  EXPECT_EQ(distinct.size(), 8U);
  EXPECT_EQ(beam.threshold, kMinusInfinity);
}

TEST(StochasticBeam, Refusals) {
  const StatelessModel model({.vocabulary = 3});
  const auto search = [&](std::size_t k, const SearchOptions& options) {
    return message_of<InvalidArgument>(
        [&] { stochastic_beam_search(model, {}, k, {.seed = 1}, options); });
  };
  EXPECT_THAT(search(0, {}), HasSubstr("k: expected 1 or more"));
  EXPECT_THAT(search(1, {.max_length = 0}), HasSubstr("max_length"));
  EXPECT_THAT(search(1, {.threads = 0}), HasSubstr("threads"));
  EXPECT_THAT(search(1, with_filter({}, 0)), HasSubstr("temperature"));
  EXPECT_THAT(message_of<InvalidArgument>([&] {
                stochastic_beam_search(model, std::vector<Sequence>{{0, 3}}, 1, Stream{1});
              }),
              HasSubstr("prompt: expected 0..2 (tokens), got 3"));
  const std::vector<Stream> too_few(1);
  EXPECT_THAT(message_of<InvalidArgument>([&] {
                stochastic_beam_search(model, std::vector<Sequence>(2), 1,
                                       std::span<const Stream>(too_few));
              }),
              HasSubstr("streams"));
}

}  // namespace
}  // namespace partita
