// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/seqgan/discriminator.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cmath>
#include <string>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/learn/internal/dropout.hpp"

namespace partita::seqgan {
namespace {

constexpr double kDeviation = 0.1;

/// Sequences that log_odds() reads at a time, so that their features stay in a cache.
constexpr std::int64_t kScoredAtOnce = 256;

}  // namespace

SequenceDiscriminator::SequenceDiscriminator(const SequenceDiscriminatorOptions& options,
                                             const Random& random)
    : options_(options) {
  check_at_least("vocabulary", options.vocabulary, 0);
  check_at_least("features", options.features, 1);
  check_at_least("filters", options.filters.size(), 1);
  check_in("dropout", options.dropout, "[0, 1)");
  check_in("gate_bias", options.gate_bias, "(-inf, inf)");
  if (options.vocabulary > 0) {
    embedding_ = register_parameter(
        "embedding",
        random.uniform({options.vocabulary, options.features}, at::kFloat).mul_(2).sub_(1));
  }
  const auto affine = [&](const std::string& name, IntArrayRef shape, double bias) {
    return Affine{
        register_parameter(name + "_weight", random.normal(shape, at::kFloat).mul_(kDeviation)),
        register_parameter(name + "_bias", at::full({shape[0]}, bias))};
  };
  std::int64_t total = 0;
  for (const auto& [width, count] : options.filters) {
    check_at_least("filters", width, 1, "elements");
    check_at_least("filters", count, 1);
    convolutions_.push_back(affine(fmt::format("convolution{}_{}", convolutions_.size(), width),
                                   {count, options.features, width}, kDeviation));
    total += count;
  }
  transform_ = affine("highway", {total, total}, 0);
  gate_ = affine("highway_gate", {total, total}, options.gate_bias);
  if (options.highway == HighwayWeights::glorot) {
    const at::NoGradGuard no_grad;
    const double bound = std::sqrt(6.0 / static_cast<double>(total + total));
    const auto uniform = [&](IntArrayRef shape) {
      return random.uniform(shape, at::kFloat).mul_(2).sub_(1).mul_(bound);
    };
    for (const auto& [weight, bias] : {transform_, gate_}) {
      weight.copy_(uniform(weight.sizes()));
      bias.add_(uniform(bias.sizes()));
    }
  }
  output_ = affine("output", {options.two_columns ? 2 : 1, total}, kDeviation);
}

Tensor SequenceDiscriminator::logits(const Tensor& sequences,
                                     const std::optional<Random>& dropout) const {
  for (const auto& [width, count] : options_.filters) {
    if (width <= sequences.size(1)) continue;
    throw InvalidArgument("filters", fmt::format("one is {} wide, but the sequences are {} long",
                                                 width, sequences.size(1)));
  }
  const Tensor x = (embedding_.defined() ? at::embedding(embedding_, sequences) : sequences)
                       .transpose(1, 2)
                       .contiguous();
  std::vector<Tensor> features;
  for (const auto& [weight, bias] : convolutions_) {
    features.push_back(at::amax(at::conv1d(x, weight, bias), -1).relu());
  }
  const Tensor h = at::cat(features, 1);
  const Tensor gate = at::linear(h, gate_.weight, gate_.bias).sigmoid();
  const Tensor highway =
      gate * at::linear(h, transform_.weight, transform_.bias).relu() + (1 - gate) * h;
  const Tensor scores =
      at::linear(drop(highway, options_.dropout, dropout), output_.weight, output_.bias);
  return options_.two_columns ? scores.select(-1, 0) - scores.select(-1, 1) : scores.squeeze(-1);
}

Tensor SequenceDiscriminator::log_odds(const Tensor& sequences) const {
  const at::NoGradGuard no_grad;
  std::vector<Tensor> blocks;
  for (const Tensor& block : sequences.split(kScoredAtOnce)) blocks.push_back(logits(block));
  return at::cat(blocks);
}

Tensor SequenceDiscriminator::penalty() const {
  return (output_.weight.square().sum() + output_.bias.square().sum()) / 2;
}

}  // namespace partita::seqgan
