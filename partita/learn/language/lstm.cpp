// SPDX-License-Identifier: Apache-2.0
#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cmath>

#include "partita/learn/internal/dropout.hpp"
#include "partita/learn/language/internal/layers.hpp"
#include "partita/learn/language/language_model.hpp"
#include "partita/learn/losses/adaptive_softmax.hpp"

namespace partita::language {

LstmLanguageModel::LstmLanguageModel(const LstmOptions& options, const Random& random)
    : options_(options) {
  const auto& [vocabulary, dim, layers, dropout, tied, cutoffs] = options;
  check_language_model(vocabulary, dim, layers, dropout);
  const double bound = 1 / std::sqrt(static_cast<double>(dim));
  const auto parameter = [&](const std::string& name, IntArrayRef shape) {
    return register_parameter(name, random.uniform(shape, at::kFloat).mul_(2).sub_(1).mul_(bound));
  };
  embedding_ = parameter("embedding", {vocabulary, dim});
  for (std::int64_t layer = 0; layer < layers; ++layer) {
    const auto named = [&](const char* name) { return fmt::format("{}_l{}", name, layer); };
    layers_.push_back({parameter(named("weight_ih"), {4 * dim, dim}),
                       parameter(named("weight_hh"), {4 * dim, dim}),
                       parameter(named("bias_ih"), {4 * dim}),
                       parameter(named("bias_hh"), {4 * dim})});
  }
  if (!cutoffs.empty()) {
    set_output(losses::adaptive_layer(vocabulary, dim, cutoffs, random));
    return;
  }
  set_output(tied ? embedding_ : parameter("output_weight", {vocabulary, dim}),
             register_parameter("output_bias", at::zeros({vocabulary})));
}

Tensor LstmLanguageModel::hidden(const Tensor& tokens, Cache& cache,
                                 const std::optional<Random>& dropout) const {
  // Hidden and cell state of each layer, [B, dim].
  if (cache.empty()) {
    cache.assign(2 * layers_.size(),
                 at::zeros({tokens.size(0), options_.dim}, embedding_.options()));
  }
  Tensor x = drop(at::embedding(embedding_, tokens), options_.dropout, dropout);
  for (std::size_t layer = 0; layer < layers_.size(); ++layer) {
    Tensor* const state = &cache[2 * layer];
    const bool trains = at::GradMode::is_enabled();  // cuDNN has a backward for nothing else
    auto [y, h, c] = at::lstm(x, {state[0].unsqueeze(0), state[1].unsqueeze(0)}, layers_[layer],
                              /*has_biases=*/true, /*num_layers=*/1, /*dropout=*/0, trains,
                              /*bidirectional=*/false, /*batch_first=*/true);
    state[0] = h.squeeze(0);
    state[1] = c.squeeze(0);
    x = drop(y, options_.dropout, dropout);
  }
  return x;
}

}  // namespace partita::language
