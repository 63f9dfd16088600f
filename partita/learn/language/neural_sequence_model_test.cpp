// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/language/neural_sequence_model.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <numeric>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/random/goodness_of_fit.hpp"
#include "partita/search/ancestral.hpp"
#include "partita/search/beam.hpp"
#include "partita/search/search_test_support.hpp"
#include "partita/search/stochastic_beam.hpp"
#include "partita/search/unique.hpp"

namespace partita::language {
namespace {

using namespace partita::testing;  // NOLINT(google-build-using-namespace)

/// Models with weights large enough for the tokens to differ in probability.
std::shared_ptr<LanguageModel> some_model(bool transformer, std::int64_t vocabulary) {
  std::shared_ptr<LanguageModel> model;
  const Random random(Stream{.seed = 3});
  if (transformer) {
    model = std::make_shared<TransformerLanguageModel>(
        TransformerOptions{.vocabulary = vocabulary, .dim = 8, .layers = 2, .heads = 2}, random);
  } else {
    model = std::make_shared<LstmLanguageModel>(
        LstmOptions{.vocabulary = vocabulary, .dim = 8, .layers = 2}, random);
  }
  const at::NoGradGuard no_grad;
  for (Tensor& parameter : model->parameters()) parameter.mul_(transformer ? 10 : 3);
  return model;
}

struct EveryKind : ::testing::TestWithParam<bool> {
  NeuralSequenceModel model_of(std::int64_t vocabulary) const {
    return {some_model(GetParam(), vocabulary), static_cast<Token>(vocabulary - 1)};
  }
};
INSTANTIATE_TEST_SUITE_P(Kinds, EveryKind, ::testing::Bool(),
                         [](const auto& kind) { return kind.param ? "Transformer" : "Lstm"; });

// The whole tree of 5 tokens and length 4 can be listed: 4^4 + 4^3 + ... + 1 = 341 leaves. Each of
// its sequences is included as often as sampling without replacement requires.
TEST_P(EveryKind, StochasticBeamHasItsDistribution) {
  constexpr std::size_t kRepetitions = 20000;
  const NeuralSequenceModel model = model_of(5);
  const SearchOptions options{.max_length = 4};
  const Support support(model, options);
  ASSERT_EQ(support.size(), 341U);
  ASSERT_NEAR(std::accumulate(support.p.begin(), support.p.end(), 0.0), 1, 1e-4);
  std::vector<OrderedSample> samples;
  for (const StochasticBeam& beam : stochastic_beam_search(
           model, std::vector<Sequence>(kRepetitions), 2, Stream{2026}, options)) {
    OrderedSample sample{{}, {}, beam.threshold};
    for (const PerturbedHypothesis& h : beam.sequences) {
      sample.indices.push_back(support.find(h));
      sample.perturbed.push_back(h.perturbed);
    }
    samples.push_back(std::move(sample));
  }
  const OrderedSampleTest test = test_ordered_samples(support.p, samples);
  EXPECT_GT(test.tuples, kFalseAlarm);
  EXPECT_GT(test.gumbels, kFalseAlarm);
}

/// What the model says of a sequence when it reads it at once.
double log_prob_at_once(const LanguageModel& model, const Hypothesis& h, Token end) {
  std::vector<std::int64_t> input{end};
  input.insert(input.end(), h.tokens.begin(), h.tokens.end());
  std::vector<std::int64_t> target(h.tokens.begin(), h.tokens.end());
  if (h.finished) target.push_back(end);
  input.resize(target.size());
  const Tensor row = model.logits(model.hidden(at::tensor(input, at::kLong).unsqueeze(0)));
  return row[0]
      .log_softmax(-1)
      .gather(1, at::tensor(target, at::kLong).unsqueeze(1))
      .sum()
      .item<double>();
}

// All searches, however their beams are reordered, give the log-probabilities of whole sequences;
// and prompts of several lengths go together.
TEST_P(EveryKind, SearchesGiveTheLogProbsOfWholeSequences) {
  const auto network = some_model(GetParam(), 12);
  const NeuralSequenceModel model(network, 11);
  const SearchOptions options{.max_length = 7};
  const auto check = [&](const Hypothesis& h) {
    EXPECT_NEAR(h.log_prob, log_prob_at_once(*network, h, 11), 1e-5);
  };
  for (const auto& h : ancestral_samples(model, {}, 50, Stream{4}, options)) check(h);
  for (const auto& h : beam_search(model, {}, 20, options)) check(h);
  for (const auto& h : stochastic_beam_search(model, {}, 20, {.seed = 5}, options).sequences)
    check(h);
  UniqueSampler sampler(model, {}, {.seed = 5}, options);
  for (int i = 0; i < 20; ++i) check(*sampler.next());

  const std::vector<Sequence> prompts{{1, 2, 3}, {}, {7}, {4, 5, 6}};
  const auto together = stochastic_beam_search(model, prompts, 9, Stream{6}, options);
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    const auto alone = stochastic_beam_search(model, prompts[i], 9, Stream{6}.child(i), options);
    ASSERT_EQ(alone.sequences.size(), together[i].sequences.size());
    for (std::size_t j = 0; j < alone.sequences.size(); ++j) {
      EXPECT_EQ(alone.sequences[j].tokens, together[i].sequences[j].tokens);
      EXPECT_NEAR(alone.sequences[j].log_prob, together[i].sequences[j].log_prob, 1e-5);
    }
  }
}

// An adaptive output's probabilities are exact: what a search says is what training measures.
TEST(NeuralSequenceModel, AdaptiveOutput) {
  const auto network = std::make_shared<LstmLanguageModel>(
      LstmOptions{.vocabulary = 9, .dim = 16, .cutoffs = {2, 5}}, Stream{.seed = 3});
  const at::NoGradGuard no_grad;
  for (Tensor& parameter : network->parameters()) parameter.mul_(3);
  const NeuralSequenceModel model(network, 0);
  const SearchOptions options{.max_length = 3};
  const Support support(model, options);
  EXPECT_NEAR(std::accumulate(support.p.begin(), support.p.end(), 0.0), 1, 1e-5);
  for (const auto& h : ancestral_samples(model, {}, 100, Stream{4}, options)) {
    EXPECT_NEAR(h.log_prob, log_prob_at_once(*network, h, 0), 1e-5);
    EXPECT_NEAR(h.log_prob, support.leaves[support.find(h)].log_prob, 1e-5);
  }
  const Tensor tokens = at::tensor({0, 3, 8, 1}, at::kLong).unsqueeze(0);
  const Tensor targets = at::tensor({3, 8, 1, 7}, at::kLong);
  const Tensor hidden = network->hidden(tokens)[0];
  const Tensor log_p = network->logits(hidden);
  EXPECT_LT(log_p.logsumexp(-1).abs().max().item<double>(), 1e-6);
  const auto evaluation = losses::evaluate({hidden, targets}, network->output());
  const Tensor each = log_p.gather(1, targets.unsqueeze(1)).squeeze(1);
  EXPECT_LT((evaluation.log_likelihood - each).abs().max().item<double>(), 1e-6);
}

TEST(NeuralSequenceModel, Refusals) {
  const auto network = some_model(false, 4);
  EXPECT_EQ(message_of<InvalidArgument>([] { NeuralSequenceModel(nullptr, 0); }),
            "model: expected a language model, got none");
  EXPECT_EQ(message_of<InvalidArgument>([&] { NeuralSequenceModel(network, 4); }),
            "end_token: expected -1..3 (-1: none), got 4");
  EXPECT_EQ(message_of<InvalidArgument>([&] { NeuralSequenceModel(network, -1); }),
            "start_token: expected 0..3, got -1");
  EXPECT_NO_THROW(NeuralSequenceModel(network, -1, 0));
}

}  // namespace
}  // namespace partita::language
