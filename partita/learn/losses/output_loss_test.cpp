// SPDX-License-Identifier: Apache-2.0
// What holds for every output loss: gradients, sparsity, independence of threads and batches, and
// what is refused; and the full softmax with its evaluation.
#include "partita/learn/losses/output_loss.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "errors.hpp"
#include "output_loss_test_support.hpp"
#include "partita/base/error.hpp"
#include "partita/learn/losses/nce.hpp"
#include "partita/learn/losses/sampled_softmax.hpp"

namespace partita::losses {
namespace {

using partita::testing::message_of;
using testing::gradients;
using testing::integers;
using testing::largest_difference;
using testing::leaf;
using testing::SmallModel;

constexpr std::int64_t kNoise = 4;

enum class Kind { nce, nce_one_z, nce_context_z, negative_sampling, sampled_softmax };

struct Case {
  Kind kind;
  bool shared;
  bool masked;
};

std::ostream& operator<<(std::ostream& out, const Case& c) {
  return out << "kind " << static_cast<int>(c.kind) << (c.shared ? ", shared" : "")
             << (c.masked ? ", masked" : "");
}

std::vector<Case> all_cases() {
  std::vector<Case> out;
  for (const Kind kind : {Kind::nce, Kind::nce_one_z, Kind::nce_context_z, Kind::negative_sampling,
                          Kind::sampled_softmax}) {
    for (const bool shared : {false, true}) {
      for (const bool masked : {false, true}) out.push_back({kind, shared, masked});
    }
  }
  return out;
}

NoiseDistribution noise_over(std::int64_t outputs) {
  std::vector<double> weights;
  for (std::int64_t i = 0; i < outputs; ++i) weights.push_back(1.0 / static_cast<double>(i + 1));
  return NoiseDistribution(weights);
}

std::unique_ptr<OutputLoss> make(const Case& c, const NoiseDistribution& noise,
                                 const Tensor& log_z) {
  switch (c.kind) {
    case Kind::negative_sampling:
      return std::make_unique<NegativeSamplingLoss>(
          noise, NegativeSamplingOptions{
                     .noise = kNoise, .shared_noise = c.shared, .mask_accidental_hits = c.masked});
    case Kind::sampled_softmax:
      return std::make_unique<SampledSoftmaxLoss>(
          noise, SampledSoftmaxOptions{
                     .noise = kNoise, .shared_noise = c.shared, .mask_accidental_hits = c.masked});
    default:
      return std::make_unique<NceLoss>(noise, NceOptions{.noise = kNoise,
                                                         .shared_noise = c.shared,
                                                         .mask_accidental_hits = c.masked,
                                                         .log_z = log_z});
  }
}

/// The loss of each row from all B V scores, written out.
Tensor dense_losses(const Case& c, const NoiseDistribution& noise, const OutputBatch& batch,
                    const OutputLayer& output, const Tensor& log_z, const Stream& stream) {
  const std::int64_t rows = batch.targets.size(0);
  const Tensor drawn = c.shared ? noise.draw({kNoise}, stream).expand({rows, kNoise})
                                : noise.draw({rows, kNoise}, stream);
  const Tensor words = at::cat({batch.targets.unsqueeze(1), drawn}, 1);
  const Tensor all = batch.hidden.mm(output.weight.t()) + output.bias;
  Tensor delta = all.gather(1, words);
  if (c.kind != Kind::negative_sampling) {
    delta = delta - (noise.log_prob(words, at::kDouble) + std::log(kNoise));
  }
  if (c.kind == Kind::nce_one_z) delta = delta - log_z;
  if (c.kind == Kind::nce_context_z) delta = delta - log_z.index({batch.contexts}).unsqueeze(1);
  const Tensor is_data = at::zeros_like(delta).index_fill(1, integers({0}), 1);
  const Tensor hit = (drawn == batch.targets.unsqueeze(1)).logical_and(at::scalar_tensor(c.masked));
  const Tensor kept = at::cat({at::ones({rows, 1}, at::kDouble), 1 - hit.to(at::kDouble)}, 1);
  if (c.kind == Kind::sampled_softmax) {
    const Tensor u = kept * delta.exp();
    return -(u.select(1, 0) / u.sum(1)).log();
  }
  const Tensor p = delta.sigmoid();
  return -(kept * (is_data * p.log() + (1 - is_data) * (1 - p).log())).sum(1);
}

class EveryOutputLoss : public ::testing::TestWithParam<Case> {
 protected:
  SmallModel model_;
  NoiseDistribution noise_ = noise_over(7);
  Tensor log_z_ = GetParam().kind == Kind::nce_one_z ? leaf(at::scalar_tensor(0.3, at::kDouble))
                  : GetParam().kind == Kind::nce_context_z ? leaf(testing::normal({3}, 5))
                                                           : Tensor();
  std::unique_ptr<OutputLoss> loss_ = make(GetParam(), noise_, log_z_);

  void SetUp() override {
    if (GetParam().kind == Kind::nce_context_z) model_.batch.contexts = integers({0, 2, 2, 0, 2});
  }
  std::vector<Tensor> leaves() const {
    auto out = model_.leaves();
    if (log_z_.defined()) out.push_back(log_z_);
    return out;
  }
  Tensor sum(std::uint64_t seed = 6) const {
    return (*loss_)(model_.batch, model_.output, Stream{.seed = seed}, Reduction::sum);
  }
};

TEST_P(EveryOutputLoss, GradientsAreFiniteDifferences) {
  const auto found = gradients([&] { return sum(); }, leaves());
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_LT(largest_difference(found[i], testing::slope([&] { return sum(); }, leaves()[i])),
              2e-9)
        << i;
  }
}

TEST_P(EveryOutputLoss, EqualsTheDenseFormulaWithItsGradients) {
  const Stream stream{.seed = 6};
  const auto dense = [&] {
    return dense_losses(GetParam(), noise_, model_.batch, model_.output, log_z_, stream);
  };
  EXPECT_LT(
      largest_difference((*loss_)(model_.batch, model_.output, stream, Reduction::none), dense()),
      1e-13);
  EXPECT_NEAR((*loss_)(model_.batch, model_.output, stream).item<double>(),
              dense().mean().item<double>(), 1e-13);
  const auto found = gradients([&] { return sum(); }, leaves());
  const auto expected = gradients([&] { return dense().sum(); }, leaves());
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_LT(largest_difference(found[i], expected[i]), 1e-13) << i;
  }
}

TEST_P(EveryOutputLoss, SecondDerivativesAreThoseOfTheDenseFormula) {
  const auto curvature = [&](const Tensor& loss) {
    Tensor total = at::zeros({}, at::kDouble);
    for (const Tensor& g : torch::autograd::grad({loss}, leaves(), {}, true, true)) {
      total = total + g.square().sum();
    }
    return torch::autograd::grad({total}, leaves());
  };
  const auto found = curvature(sum());
  const auto expected = curvature(
      dense_losses(GetParam(), noise_, model_.batch, model_.output, log_z_, Stream{.seed = 6})
          .sum());
  for (std::size_t i = 0; i < found.size(); ++i) {
    const Tensor g = found[i].is_sparse() ? found[i].to_dense() : found[i];
    EXPECT_LT(largest_difference(g, expected[i]), 1e-11) << i;
  }
}

TEST_P(EveryOutputLoss, WorksWithoutABiasAndInSinglePrecisionAndInBfloat16) {
  const OutputLayer without{model_.output.weight};
  const OutputLayer zero{model_.output.weight, at::zeros({7}, at::kDouble)};
  const Stream stream{.seed = 8};
  EXPECT_TRUE((*loss_)(model_.batch, without, stream, Reduction::none)
                  .equal((*loss_)(model_.batch, zero, stream, Reduction::none)));
  EXPECT_TRUE(
      torch::autograd::grad({(*loss_)(model_.batch, without, stream)}, {model_.output.weight})[0]
          .is_sparse());
  for (const auto& [type, tolerance] :
       {std::pair(at::kFloat, 1e-5), std::pair(at::kBFloat16, 0.2)}) {
    OutputBatch batch = model_.batch;
    batch.hidden = batch.hidden.to(type);
    const OutputLayer output{leaf(model_.output.weight.to(type)),
                             leaf(model_.output.bias.to(type))};
    const Tensor log_z = log_z_.defined() ? leaf(log_z_.to(type)) : Tensor();
    const auto loss = make(GetParam(), noise_, log_z);
    const Tensor each = (*loss)(batch, output, stream, Reduction::none);
    EXPECT_EQ(each.scalar_type(), type);
    EXPECT_LT(
        largest_difference(each, (*loss_)(model_.batch, model_.output, stream, Reduction::none)),
        tolerance);
    const Tensor g = torch::autograd::grad({each.sum()}, {output.weight})[0];
    const Tensor exact = gradients([&] { return sum(8); }, {model_.output.weight})[0];
    EXPECT_LT(largest_difference(g.to_dense(), exact), tolerance);
  }
}

TEST_P(EveryOutputLoss, TouchesOnlyTheRowsItDrew) {
  constexpr std::int64_t kOutputs = 100'000;
  const SmallModel large(5, kOutputs, 3);
  OutputBatch batch = large.batch;
  batch.contexts = model_.batch.contexts;
  const auto loss = make(GetParam(), noise_over(kOutputs), log_z_);
  const Tensor value = (*loss)(batch, large.output, Stream{.seed = 9});
  const auto found = torch::autograd::grad({value}, {large.output.weight, large.output.bias});
  for (const Tensor& g : found) {
    ASSERT_TRUE(g.is_sparse());
    EXPECT_EQ(g.sizes()[0], kOutputs);
    EXPECT_LE(g._nnz(), 5 * (1 + kNoise));
  }
  const Tensor rows = found[0].coalesce().indices()[0];
  const Tensor noise = GetParam().shared
                           ? noise_over(kOutputs).draw({kNoise}, Stream{.seed = 9})
                           : noise_over(kOutputs).draw({5, kNoise}, Stream{.seed = 9});
  const Tensor drawn = std::get<0>(at::_unique(at::cat({batch.targets, noise.flatten()})));
  EXPECT_TRUE(rows.equal(drawn));
  EXPECT_TRUE(found[1].coalesce().indices()[0].equal(drawn));
}

TEST_P(EveryOutputLoss, DoesNotDependOnThreadsNorOnTheRowsThatFollow) {
  const SmallModel large(600, 2000, 40);
  OutputBatch batch = large.batch;
  batch.contexts = at::arange(600).remainder(3);
  const auto loss = make(GetParam(), noise_over(2000), log_z_);
  const auto run = [&] {
    const Tensor each = (*loss)(batch, large.output, Stream{.seed = 10}, Reduction::none);
    const auto g = torch::autograd::grad({each.sum()}, large.leaves());
    return std::vector<Tensor>{each, g[0], g[1].to_dense(), g[2].to_dense()};
  };
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  const auto one = run();
  at::set_num_threads(3);
  const auto three = run();
  at::set_num_threads(before);
  for (std::size_t i = 0; i < one.size(); ++i) EXPECT_TRUE(one[i].equal(three[i])) << i;

  OutputBatch some{batch.hidden.narrow(0, 0, 100), batch.targets.narrow(0, 0, 100),
                   batch.contexts.narrow(0, 0, 100)};
  EXPECT_LT(largest_difference((*loss)(some, large.output, Stream{.seed = 10}, Reduction::none),
                               one[0].narrow(0, 0, 100)),
            1e-13);
  EXPECT_FALSE((*loss)(batch, large.output, Stream{.seed = 11}, Reduction::none).equal(one[0]));
}

TEST_P(EveryOutputLoss, KnowsASingleOutput) {
  SmallModel model(5, 1, 2);
  model.batch.targets = at::zeros({5}, at::kLong);
  model.batch.contexts = model_.batch.contexts;
  const Case& c = GetParam();
  const auto loss = make(c, NoiseDistribution::uniform(1), log_z_);
  const Tensor each = (*loss)(model.batch, model.output, Stream{}, Reduction::none);
  EXPECT_TRUE(each.isfinite().all().item<bool>());
  if (c.kind == Kind::sampled_softmax) {  // the target among itself and k copies, or alone
    const double expected = c.masked ? 0 : std::log(1 + kNoise);
    EXPECT_LT(largest_difference(each, at::full({5}, expected, at::kDouble)), 1e-14);
  }
}

INSTANTIATE_TEST_SUITE_P(Output, EveryOutputLoss, ::testing::ValuesIn(all_cases()));

TEST(FullSoftmaxLoss, IsCrossEntropy) {
  const SmallModel model;
  const FullSoftmaxLoss loss;
  const Tensor scores = model.batch.hidden.mm(model.output.weight.t()) + model.output.bias;
  const Tensor expected = cross_entropy(scores, model.batch.targets, Reduction::none);
  EXPECT_LT(
      largest_difference(loss(model.batch, model.output, Stream{}, Reduction::none), expected),
      1e-14);
  const testing::Scalar mean = [&] { return loss(model.batch, model.output, Stream{}); };
  const auto found = gradients(mean, model.leaves());
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_LT(largest_difference(found[i], testing::slope(mean, model.leaves()[i])), 1e-9);
  }
}

TEST(TargetLikelihood, IsExactOverManyBlocks) {
  // 1,500 rows are two blocks, and 5,000 outputs two for the first of them.
  const SmallModel model(1500, 5000, 8);
  const TargetLikelihood found = evaluate(model.batch, model.output);
  const Tensor scores = model.batch.hidden.mm(model.output.weight.t()) + model.output.bias;
  const Tensor log_z = scores.logsumexp(-1);
  const Tensor log_p =
      scores.log_softmax(-1).gather(1, model.batch.targets.unsqueeze(1)).squeeze(1);
  EXPECT_LT(largest_difference(found.log_z, log_z), 1e-13);
  EXPECT_LT(largest_difference(found.log_likelihood, log_p), 1e-13);
  EXPECT_FALSE(found.log_likelihood.requires_grad());
  EXPECT_NEAR(found.mean_log_likelihood(), log_p.mean().item<double>(), 1e-13);
  EXPECT_NEAR(found.perplexity(), std::exp(-log_p.mean().item<double>()), 1e-9);
  EXPECT_NEAR(found.mean_log_z(), log_z.mean().item<double>(), 1e-13);
  EXPECT_NEAR(found.log_z_deviation(), log_z.std().item<double>(), 1e-12);
}

TEST(TargetLikelihood, OfUniformScores) {
  const OutputBatch batch{at::zeros({1, 2}), integers({3})};
  const TargetLikelihood found = evaluate(batch, {at::zeros({10, 2})});
  EXPECT_NEAR(found.perplexity(), 10, 1e-5);
  EXPECT_NEAR(found.mean_log_z(), std::log(10), 1e-6);
  EXPECT_EQ(found.log_z_deviation(), 0);
}

TEST(OutputLoss, RefusesWhatDoesNotFit) {
  const SmallModel model;
  const NceLoss nce(noise_over(7));
  const auto refusal = [&](const OutputBatch& batch, const OutputLayer& output) {
    const auto full =
        message_of<InvalidArgument>([&] { FullSoftmaxLoss()(batch, output, Stream{}); });
    EXPECT_EQ(message_of<InvalidArgument>([&] { nce(batch, output, Stream{}); }), full);
    EXPECT_EQ(message_of<InvalidArgument>([&] { evaluate(batch, output); }), full);
    return full;
  };
  const auto& [batch, output] = model;
  EXPECT_EQ(refusal({batch.hidden, integers({0, 1, 2, 3, 7})}, output),
            "targets: row 4: expected 0..6, got 7");
  EXPECT_EQ(refusal({batch.hidden, integers({0, -1, 2, 3, 7})}, output),
            "targets: row 1: expected 0..6, got -1");
  EXPECT_EQ(refusal({batch.hidden, integers({0, 1})}, output),
            "targets: expected integers [5], one for each row of hidden, got Long [2]");
  EXPECT_EQ(refusal({batch.hidden, at::zeros({5})}, output),
            "targets: expected integers [5], one for each row of hidden, got Float [5]");
  EXPECT_EQ(refusal({batch.hidden.narrow(1, 0, 4), batch.targets}, output),
            "hidden: expected Double [B, 19], as weight has it, got Double [5, 4]");
  EXPECT_EQ(refusal({batch.hidden.to(at::kFloat), batch.targets}, output),
            "hidden: expected Double [B, 19], as weight has it, got Float [5, 19]");
  EXPECT_EQ(refusal({batch.hidden.narrow(0, 0, 0), batch.targets}, output),
            "hidden: expected Double [B, 19], as weight has it, got Double [0, 19]");
  EXPECT_EQ(refusal(batch, {output.weight, output.bias.narrow(0, 0, 6)}),
            "bias: expected Double [7], a number for each row of weight, got Double [6]");
  EXPECT_EQ(refusal(batch, {output.bias}),
            "weight: expected floating-point [V, d], got Double [7]");

  const Tensor hidden = batch.hidden.detach().clone();
  hidden[3][2] = std::nan("");
  EXPECT_EQ(refusal({hidden, batch.targets}, output),
            "hidden: row 3: with this output layer its loss is NaN");
}

}  // namespace
}  // namespace partita::losses
