// SPDX-License-Identifier: Apache-2.0
#include "apps/experiments/nce/contenders.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cmath>

#include "partita/learn/losses/hierarchical_softmax.hpp"
#include "partita/learn/losses/in_batch.hpp"
#include "partita/learn/losses/nce.hpp"
#include "partita/learn/losses/sampled_softmax.hpp"

namespace partita::app {
namespace {

using losses::NoiseDistribution;
using losses::OutputBatch;
using losses::OutputLayer;
using losses::OutputLoss;

constexpr std::int64_t kNoise = 25;

/// The batch's other targets as negatives; a bias is one more number of each vector.
class InBatchLoss : public OutputLoss {
 public:
  /// @param log_q [V], undefined for none
  explicit InBatchLoss(Tensor log_q = {}) : log_q_(std::move(log_q)) {}

 private:
  Tensor losses(const OutputBatch& batch, const OutputLayer& output,
                const Random& /*random*/) const override {
    const Tensor& words = batch.targets;
    const Tensor one = at::ones({words.size(0), 1}, batch.hidden.options());
    const Tensor rows = at::embedding(output.weight, words, -1, false, /*sparse=*/true);
    const Tensor bias = output.bias.index_select(0, words).unsqueeze(-1);
    return losses::in_batch_softmax(
        at::cat({batch.hidden, one}, -1), at::cat({rows, bias}, -1),
        {.log_q = log_q_.defined() ? log_q_.index_select(0, words) : Tensor(),
         .ids = words,
         .reduction = losses::Reduction::none});
  }

  Tensor log_q_;
};

Contender nce(std::int64_t k) {
  return {fmt::format("NCE, k = {}", k), LossKind::nce, k,
          [k](const Frequencies& of, const Model&) {
            return std::make_unique<losses::NceLoss>(of.noise, losses::NceOptions{.noise = k});
          }};
}

/// The logit of the first turn at each inner node of a tree over words of these counts.
Tensor turn_logits(const losses::HuffmanTree& tree, const std::vector<std::uint64_t>& counts) {
  const auto v = static_cast<std::int64_t>(counts.size());
  const auto paths = tree.paths(at::arange(v));
  const Tensor weights =
      at::tensor(std::vector<double>(counts.begin(), counts.end()), at::kDouble).unsqueeze(-1);
  const auto sum = [&](double side) {
    const Tensor here = weights * (paths.turn == side);
    return at::zeros({v - 1}, at::kDouble).index_add(0, paths.node.flatten(), here.flatten());
  };
  return (sum(1) / sum(-1)).log();
}

}  // namespace

Model::Model(std::int64_t contexts, const Tensor& bias, std::int64_t dim, const Stream& stream) {
  const Random random(stream);
  const auto embedding = [&](std::int64_t rows) {
    return random.normal({rows, dim}, at::kFloat).div_(std::sqrt(static_cast<double>(dim)));
  };
  context = embedding(contexts).set_requires_grad(true);
  output.weight = embedding(bias.size(0)).set_requires_grad(true);
  output.bias = bias.to(at::kFloat).clone().set_requires_grad(true);
  log_z = random.normal({contexts}, at::kFloat).set_requires_grad(true);
}

std::vector<Contender> contenders() {
  using std::make_unique;
  using Loss = std::unique_ptr<OutputLoss>;
  return {{"full softmax", LossKind::full, 0,
           [](const auto&, const Model&) { return make_unique<losses::FullSoftmaxLoss>(); }},
          nce(100),
          nce(25),
          nce(5),
          nce(1),
          {"NCE, k = 25, learned log Z", LossKind::nce_log_z, kNoise,
           [](const Frequencies& of, const Model& model) {
             return make_unique<losses::NceLoss>(
                 of.noise, losses::NceOptions{.noise = kNoise, .log_z = model.log_z});
           }},
          {"negative sampling, k = 25", LossKind::negative_sampling, kNoise,
           [](const Frequencies& of, const Model&) {
             return make_unique<losses::NegativeSamplingLoss>(
                 of.noise, losses::NegativeSamplingOptions{.noise = kNoise});
           }},
          {"sampled softmax, k = 25", LossKind::sampled, kNoise,
           [](const Frequencies& of, const Model&) {
             return make_unique<losses::SampledSoftmaxLoss>(
                 of.noise, losses::SampledSoftmaxOptions{.noise = kNoise});
           }},
          {"sampled softmax, log-uniform, k = 25", LossKind::sampled_log_uniform, kNoise,
           [](const Frequencies& of, const Model&) {
             return make_unique<losses::SampledSoftmaxLoss>(
                 NoiseDistribution::log_uniform(of.noise.size()),
                 losses::SampledSoftmaxOptions{.noise = kNoise});
           }},
          {"in-batch negatives, less log q", LossKind::in_batch, 0,
           [](const Frequencies& of, const Model&) -> Loss {
             return make_unique<InBatchLoss>(of.log_unigram.to(at::kFloat));
           }},
          {"InfoNCE", LossKind::info_nce, 0,
           [](const Frequencies&, const Model&) -> Loss { return make_unique<InBatchLoss>(); }},
          {"hierarchical softmax", LossKind::hierarchical, 0, [](const Frequencies&, const Model&) {
             return make_unique<losses::HierarchicalSoftmaxLoss>();
           }}};
}

Model model_for(LossKind kind, const Frequencies& frequencies, std::int64_t dim,
                const Stream& stream) {
  const auto v = static_cast<std::int64_t>(frequencies.counts.size());
  if (kind == LossKind::hierarchical) {
    const auto tree = std::make_shared<losses::HuffmanTree>(frequencies.counts);
    Model model(v, turn_logits(*tree, frequencies.counts), dim, stream);
    model.output.tree = tree;
    return model;
  }
  const bool lacks_q = kind == LossKind::negative_sampling || kind == LossKind::info_nce;
  return {v, lacks_q ? at::zeros_like(frequencies.log_unigram) : frequencies.log_unigram, dim,
          stream};
}

Tensor missing_log_q(const Contender& contender, const Frequencies& frequencies) {
  if (contender.kind == LossKind::info_nce) return frequencies.log_unigram.to(at::kFloat);
  if (contender.kind != LossKind::negative_sampling) return {};
  return frequencies.noise.log_expected_count(at::arange(frequencies.noise.size()), contender.noise,
                                              at::kFloat);
}

}  // namespace partita::app
