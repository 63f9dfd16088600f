// SPDX-License-Identifier: Apache-2.0
#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "partita/base/error.hpp"
#include "partita/learn/internal/dropout.hpp"
#include "partita/learn/language/internal/layers.hpp"
#include "partita/learn/language/language_model.hpp"
#include "partita/learn/losses/adaptive_softmax.hpp"

namespace partita::language {
namespace {

constexpr double kLayerNormEpsilon = 1e-5;
constexpr double kRotaryBase = 10000;

/// Turns each pair (x_i, x_{i + d/2}) of a position's vector by the angle position * base^(-2i/d)
/// (Su et al. 2021, eq. 34): a product of two such vectors then depends on their distance alone.
/// @param x [B, heads, n, d] of positions first ... first + n - 1
Tensor rotate(const Tensor& x, std::int64_t first) {
  const std::int64_t half = x.size(3) / 2;
  const Tensor position = at::arange(first, first + x.size(2), x.options());
  const Tensor frequency =
      at::pow(kRotaryBase, at::arange(half, x.options()) / -static_cast<double>(half));
  const Tensor angle = position.unsqueeze(1) * frequency;  // [n, half]
  const Tensor cos = angle.cos();
  const Tensor sin = angle.sin();
  const Tensor a = x.narrow(3, 0, half);
  const Tensor b = x.narrow(3, half, half);
  return at::cat({a * cos - b * sin, a * sin + b * cos}, 3);
}

}  // namespace

TransformerLanguageModel::TransformerLanguageModel(const TransformerOptions& options,
                                                   const Random& random)
    : options_(options) {
  const auto& [vocabulary, dim, layers, heads, dropout, tied, cutoffs] = options;
  check_language_model(vocabulary, dim, layers, dropout);
  if (heads < 1 || dim % (2 * heads) != 0) {
    throw InvalidArgument(
        "heads", fmt::format("expected a number twice which divides dim ({}), got {}", dim, heads));
  }
  constexpr double kScale = 0.02;
  const auto weight = [&](const std::string& name, IntArrayRef shape, double scale) {
    return register_parameter(name, random.normal(shape, at::kFloat).mul_(scale));
  };
  const auto affine = [&](const std::string& name, std::int64_t out, std::int64_t in,
                          double scale) {
    return Affine{weight(name + "_weight", {out, in}, scale),
                  register_parameter(name + "_bias", at::zeros({out}))};
  };
  const std::int64_t width = dim;  // structured bindings cannot be captured
  const auto norm = [&](const std::string& name) {
    return Affine{register_parameter(name + "_weight", at::ones({width})),
                  register_parameter(name + "_bias", at::zeros({width}))};
  };
  const double last = kScale / std::sqrt(2.0 * static_cast<double>(layers));
  embedding_ = weight("embedding", {vocabulary, dim}, kScale);
  for (std::int64_t i = 0; i < layers; ++i) {
    const auto named = [&](const char* name) { return fmt::format("block{}_{}", i, name); };
    blocks_.push_back({.attention_norm = norm(named("attention_norm")),
                       .query_key_value = affine(named("query_key_value"), 3 * dim, dim, kScale),
                       .attention_out = affine(named("attention_out"), dim, dim, last),
                       .feed_norm = norm(named("feed_norm")),
                       .feed_in = affine(named("feed_in"), 4 * dim, dim, kScale),
                       .feed_out = affine(named("feed_out"), dim, 4 * dim, last)});
  }
  final_norm_ = norm("final_norm");
  if (!cutoffs.empty()) {
    set_output(losses::adaptive_layer(vocabulary, dim, cutoffs, random));
    return;
  }
  set_output(tied ? embedding_ : weight("output_weight", {vocabulary, dim}, kScale),
             register_parameter("output_bias", at::zeros({vocabulary})));
}

Tensor TransformerLanguageModel::attend(const Block& block, const Tensor& x, std::int64_t past,
                                        Tensor* keys_values) const {
  const std::int64_t batch = x.size(0);
  const std::int64_t n = x.size(1);
  const std::int64_t head_dim = options_.dim / options_.heads;
  // [3, B, heads, n, head_dim]
  const Tensor qkv = at::linear(x, block.query_key_value.weight, block.query_key_value.bias)
                         .view({batch, n, 3, options_.heads, head_dim})
                         .permute({2, 0, 3, 1, 4});
  const Tensor query = rotate(qkv[0], past);
  Tensor& keys = keys_values[0];
  Tensor& values = keys_values[1];
  keys = past == 0 ? rotate(qkv[1], past) : at::cat({keys, rotate(qkv[1], past)}, 2);
  values = past == 0 ? qkv[2] : at::cat({values, qkv[2]}, 2);
  Tensor scores =
      at::matmul(query, keys.transpose(2, 3)) / std::sqrt(static_cast<double>(head_dim));
  if (n > 1) {
    const Tensor future = at::ones({n, past + n}, x.options().dtype(at::kBool)).triu(past + 1);
    scores = scores.masked_fill(future, -std::numeric_limits<double>::infinity());
  }
  const Tensor mixed =
      at::matmul(scores.softmax(-1), values).transpose(1, 2).reshape({batch, n, options_.dim});
  return at::linear(mixed, block.attention_out.weight, block.attention_out.bias);
}

Tensor TransformerLanguageModel::hidden(const Tensor& tokens, Cache& cache,
                                        const std::optional<Random>& dropout) const {
  // Keys and values of each block, [B, heads, tokens so far, head_dim].
  const std::int64_t past = cache.empty() ? 0 : cache.front().size(2);
  cache.resize(2 * blocks_.size());
  const auto normalized = [&](const Tensor& x, const Affine& norm) {
    return at::layer_norm(x, {options_.dim}, norm.weight, norm.bias, kLayerNormEpsilon);
  };
  Tensor x = drop(at::embedding(embedding_, tokens), options_.dropout, dropout);
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    const Block& block = blocks_[i];
    const Tensor attended = attend(block, normalized(x, block.attention_norm), past, &cache[2 * i]);
    x = x + drop(attended, options_.dropout, dropout);
    const Tensor raised = at::gelu(
        at::linear(normalized(x, block.feed_norm), block.feed_in.weight, block.feed_in.bias));
    const Tensor fed = at::linear(raised, block.feed_out.weight, block.feed_out.bias);
    x = x + drop(fed, options_.dropout, dropout);
  }
  return normalized(x, final_norm_);
}

}  // namespace partita::language
