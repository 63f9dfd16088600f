// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/language/language_model.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>

#include "errors.hpp"
#include "partita/base/error.hpp"

namespace partita::language {
namespace {

using testing::message_of;

constexpr std::int64_t kVocabulary = 11;

std::shared_ptr<LanguageModel> lstm(double dropout = 0, bool tied = true) {
  return std::make_shared<LstmLanguageModel>(
      LstmOptions{
          .vocabulary = kVocabulary, .dim = 16, .layers = 2, .dropout = dropout, .tied = tied},
      Stream{.seed = 1});
}
std::shared_ptr<LanguageModel> transformer(double dropout = 0, bool tied = true) {
  return std::make_shared<TransformerLanguageModel>(TransformerOptions{.vocabulary = kVocabulary,
                                                                       .dim = 16,
                                                                       .layers = 2,
                                                                       .heads = 2,
                                                                       .dropout = dropout,
                                                                       .tied = tied},
                                                    Stream{.seed = 1});
}

Tensor some_tokens(std::int64_t rows, std::int64_t length) {
  const Random random(Stream{.seed = 9});
  return random.categorical(at::zeros({1, kVocabulary}), rows * length).view({rows, length});
}

/// The norm makes logits of one size of all models, so that 1e-5 means the same for each.
void make_weights_large(LanguageModel& model) {
  const at::NoGradGuard no_grad;
  for (Tensor& parameter : model.parameters()) parameter.mul_(4);
}

using Make = std::shared_ptr<LanguageModel> (*)(double, bool);
struct EveryModel : ::testing::TestWithParam<Make> {
  std::shared_ptr<LanguageModel> make(double dropout = 0, bool tied = true) const {
    return GetParam()(dropout, tied);
  }
};
INSTANTIATE_TEST_SUITE_P(Models, EveryModel, ::testing::Values(&lstm, &transformer),
                         [](const auto& made) { return made.index == 0 ? "Lstm" : "Transformer"; });

TEST_P(EveryModel, Shapes) {
  const auto model = make();
  const Tensor hidden = model->hidden(some_tokens(3, 7));
  EXPECT_EQ(hidden.sizes(), IntArrayRef({3, 7, 16}));
  EXPECT_EQ(model->logits(hidden).sizes(), IntArrayRef({3, 7, kVocabulary}));
}

// In steps of any length, what is computed is what it would be at once.
TEST_P(EveryModel, IncrementalIsWhole) {
  const auto model = make();
  make_weights_large(*model);
  const Tensor tokens = some_tokens(3, 9);
  const Tensor whole = model->logits(model->hidden(tokens)).log_softmax(-1);
  LanguageModel::Cache cache;
  std::vector<Tensor> parts;
  std::int64_t first = 0;
  for (const std::int64_t n : {4, 1, 1, 3}) {
    parts.push_back(model->hidden(tokens.narrow(1, first, n), cache));
    first += n;
  }
  const Tensor stepwise = model->logits(at::cat(parts, 1)).log_softmax(-1);
  EXPECT_LT((stepwise - whole).abs().max().item<double>(), 1e-5);
}

// A later token changes nothing before it, and every earlier one something after it.
TEST_P(EveryModel, IsCausal) {
  const auto model = make();
  const Tensor tokens = some_tokens(1, 6);
  const Tensor before = model->hidden(tokens);
  for (std::int64_t t = 0; t < 6; ++t) {
    const Tensor changed = tokens.clone();
    changed.select(1, t).add_(1).remainder_(kVocabulary);
    const Tensor difference = (model->hidden(changed) - before).abs().amax({0, 2});
    for (std::int64_t i = 0; i < 6; ++i) {
      EXPECT_EQ(difference[i].item<double>() > 1e-9, i >= t) << t << " changed, " << i;
    }
  }
}

TEST_P(EveryModel, BatchChangesNothing) {
  const auto model = make();
  const Tensor tokens = some_tokens(5, 6);
  const Tensor together = model->hidden(tokens);
  for (std::int64_t row = 0; row < 5; ++row) {
    const Tensor alone = model->hidden(tokens.narrow(0, row, 1))[0];
    EXPECT_LT((alone - together[row]).abs().max().item<double>(), 1e-6);
  }
}

TEST_P(EveryModel, CacheRowsCanBeReordered) {
  const auto model = make();
  const Tensor tokens = some_tokens(4, 5);
  const Tensor order = at::tensor({2, 2, 0, 3, 1, 2}, at::kLong);
  LanguageModel::Cache cache;
  model->hidden(tokens.narrow(1, 0, 3), cache);
  for (Tensor& tensor : cache) tensor = tensor.index_select(0, order);
  const Tensor later = model->hidden(tokens.index_select(0, order).narrow(1, 3, 2), cache);
  const Tensor expected = model->hidden(tokens).index_select(0, order).narrow(1, 3, 2);
  EXPECT_LT((later - expected).abs().max().item<double>(), 1e-6);
}

// Every parameter gets a gradient; in double, that of finite differences.
TEST_P(EveryModel, Gradients) {
  for (const bool tied : {true, false}) {
    const auto model = make(0, tied);
    model->to(at::kDouble);
    make_weights_large(*model);
    const Tensor tokens = some_tokens(2, 4);
    const Tensor weights = at::linspace(-1, 1, 8 * kVocabulary, at::kDouble);
    const auto value = [&] {
      return (model->logits(model->hidden(tokens)).log_softmax(-1).flatten() * weights).sum();
    };
    value().backward();
    const at::NoGradGuard no_grad;
    for (const auto& item : model->named_parameters()) {
      const Tensor flat = item.value().view(-1);
      const Tensor gradient = item.value().grad().view(-1);
      for (const std::int64_t i : {std::int64_t{0}, flat.numel() / 2}) {
        constexpr double kStep = 1e-5;
        const Tensor element = flat[i];
        element.add_(kStep);
        const auto above = value().item<double>();
        element.sub_(2 * kStep);
        const auto below = value().item<double>();
        element.add_(kStep);
        EXPECT_NEAR(gradient[i].item<double>(), (above - below) / (2 * kStep), 1e-6)
            << item.key() << '[' << i << ']';
      }
    }
  }
}

TEST_P(EveryModel, DropoutIsDrawnFromTheStream) {
  const auto model = make(0.3);
  const Tensor tokens = some_tokens(2, 5);
  const auto dropped = [&](std::uint64_t seed) {
    return model->hidden(tokens, Random(Stream{.seed = seed}));
  };
  EXPECT_TRUE(at::equal(dropped(1), dropped(1)));
  EXPECT_FALSE(at::equal(dropped(1), dropped(2)));
  EXPECT_TRUE(at::equal(model->hidden(tokens), model->hidden(tokens)));
}

TEST_P(EveryModel, SameSeedSameWeights) {
  const auto a = make()->parameters();
  const auto b = make()->parameters();
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_TRUE(at::equal(a[i], b[i]));
}

// Rotary positions: what a query makes of a key depends on how far it is, not on where.
TEST(TransformerLanguageModel, KnowsTheOrderOfTokens) {
  const auto model = transformer();
  make_weights_large(*model);
  const Tensor ab = at::tensor({1, 2, 3}, at::kLong).unsqueeze(0);
  const Tensor ba = at::tensor({2, 1, 3}, at::kLong).unsqueeze(0);
  EXPECT_GT((model->hidden(ab) - model->hidden(ba)).select(1, 2).abs().max().item<double>(), 1e-3);
}

TEST(LanguageModel, Refusals) {
  const auto lstm_error = [](const LstmOptions& options) {
    return message_of<InvalidArgument>([&] { LstmLanguageModel(options, Stream{}); });
  };
  EXPECT_EQ(lstm_error({}), "vocabulary: expected 1 or more, got 0");
  EXPECT_EQ(lstm_error({.vocabulary = 2, .dim = 0}), "dim: expected 1 or more, got 0");
  EXPECT_EQ(lstm_error({.vocabulary = 2, .layers = -1}), "layers: expected 1 or more, got -1");
  EXPECT_EQ(lstm_error({.vocabulary = 2, .dropout = 1}),
            "dropout: expected a number in [0, 1), got 1");
  EXPECT_EQ(message_of<InvalidArgument>([] {
              TransformerLanguageModel({.vocabulary = 2, .dim = 6, .heads = 2}, Stream{});
            }),
            "heads: expected a number twice which divides dim (6), got 2");
}

}  // namespace
}  // namespace partita::language
