// SPDX-License-Identifier: Apache-2.0
#include "partita/embedding/internal/window_trainer.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <string_view>
#include <vector>

#include "partita/random/fill.hpp"

namespace partita {
namespace {

constexpr EmbeddingModel kModels[] = {EmbeddingModel::skip_gram, EmbeddingModel::cbow};
constexpr EmbeddingLoss kLosses[] = {EmbeddingLoss::negative_sampling, EmbeddingLoss::nce,
                                     EmbeddingLoss::full};

struct SmallModel {
  std::size_t dim;
  std::vector<std::vector<double>> inputs;
  std::vector<std::vector<double>> outputs;
  std::vector<double> biases;
};

/// The losses of trainer.hpp, written as they stand there.
double loss_of(const SmallModel& model, const EmbeddingOptions& options,
               const std::vector<WordId>& context, WordId center,
               const std::vector<WordId>& negatives, const std::vector<double>& log_noise) {
  const auto log1pexp = [](double x) {
    return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x)));
  };
  std::vector<std::vector<double>> predictors;
  std::vector<double> mean(model.dim);
  for (const WordId c : context) {
    predictors.push_back(model.inputs[c]);
    for (std::size_t d = 0; d < model.dim; ++d) {
      mean[d] += model.inputs[c][d] / static_cast<double>(context.size());
    }
  }
  if (options.model == EmbeddingModel::cbow) predictors = {mean};
  double loss = 0;
  for (const auto& v : predictors) {
    const auto score = [&](WordId w) {
      double sum = options.loss == EmbeddingLoss::negative_sampling ? 0 : model.biases[w];
      for (std::size_t d = 0; d < model.dim; ++d) sum += model.outputs[w][d] * v[d];
      return sum;
    };
    if (options.loss == EmbeddingLoss::full) {
      double z = 0;
      for (WordId w = 0; w < model.outputs.size(); ++w) z += std::exp(score(w));
      loss += std::log(z) - score(center);
      continue;
    }
    const bool nce = options.loss == EmbeddingLoss::nce;
    const auto delta = [&](WordId w) { return score(w) - (nce ? log_noise[w] : 0); };
    loss += log1pexp(-delta(center));
    for (const WordId n : negatives) {
      if (nce || n != center) loss += log1pexp(delta(n));
    }
  }
  return loss;
}

TEST(WindowTrainer, AStepIsTheGradientOfTheLoss) {
  constexpr std::size_t kWords = 9;
  constexpr std::size_t kDim = 5;
  constexpr float kRate = 0.125F;
  const std::vector<WordId> words = {4, 1, 6, 1, 8, 2};  // 1 stands twice
  const Window window{0, 2, 0, 6};
  const std::vector<WordId> context = {4, 1, 1, 8, 2};
  const std::vector<WordId> negatives = {3, 6, 3, 7};  // the center, and one drawn twice
  std::vector<float> log_noise(kWords);
  fill_normal({1, 9}, 0, log_noise);
  for (const EmbeddingModel kind : kModels) {
    for (const EmbeddingLoss loss : kLosses) {
      const EmbeddingOptions options{.model = kind, .loss = loss, .dim = kDim, .negative = 4};
      EmbeddingWeights weights{{kWords, kDim}, {kWords, kDim}, std::vector<float>(kWords)};
      fill_normal({1, 5}, 0, weights.biases);
      SmallModel model{kDim, {}, {}, {weights.biases.begin(), weights.biases.end()}};
      for (std::size_t i = 0; i < kWords; ++i) {
        fill_normal({1, 1}, i * kDim, std::span(weights.inputs.row(i), kDim));
        fill_normal({1, 2}, i * kDim, std::span(weights.outputs.row(i), kDim));
        model.inputs.emplace_back(weights.inputs.row(i), weights.inputs.row(i) + kDim);
        model.outputs.emplace_back(weights.outputs.row(i), weights.outputs.row(i) + kDim);
      }
      SharedRows rows(weights);
      WindowTrainer trainer(options, weights.inputs.stride(), log_noise);
      const LossSum got = trainer.train(rows, words, window, negatives, kRate);

      const auto f = [&] {
        return loss_of(model, options, context, words[window.center], negatives,
                       {log_noise.begin(), log_noise.end()});
      };
      EXPECT_NEAR(got.sum, f(), 2e-6 * f());
      EXPECT_EQ(got.predictions, kind == EmbeddingModel::cbow ? 1 : context.size());
      const auto check = [&](double& parameter, float after, std::string_view what) {
        constexpr double kStep = 1e-5;
        const double before = parameter;
        parameter = before + kStep;
        const double above = f();
        parameter = before - kStep;
        const double below = f();
        parameter = before;
        const double gradient = (above - below) / (2 * kStep);
        EXPECT_NEAR(after, before - static_cast<double>(kRate) * gradient, 3e-6)
            << what << ", model " << static_cast<int>(kind) << ", loss " << static_cast<int>(loss);
      };
      for (std::size_t i = 0; i < kWords; ++i) {
        for (std::size_t d = 0; d < kDim; ++d) {
          check(model.inputs[i][d], weights.inputs.row(i)[d], fmt::format("input {}", i));
          check(model.outputs[i][d], weights.outputs.row(i)[d], fmt::format("output {}", i));
        }
        if (loss != EmbeddingLoss::negative_sampling) {
          check(model.biases[i], weights.biases[i], fmt::format("bias {}", i));
        }
        for (std::size_t d = kDim; d < weights.inputs.stride(); ++d) {
          EXPECT_EQ(weights.inputs.row(i)[d], 0.0F);
          EXPECT_EQ(weights.outputs.row(i)[d], 0.0F);
        }
      }
    }
  }
}

}  // namespace
}  // namespace partita
