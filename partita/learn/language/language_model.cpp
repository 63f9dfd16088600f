// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/language/language_model.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "partita/base/internal/check.hpp"
#include "partita/learn/language/internal/layers.hpp"

namespace partita::language {

void LanguageModel::set_output(losses::OutputLayer adaptive) {
  output_ = std::move(adaptive);
  register_parameter("output_weight", output_.weight);
  register_parameter("output_bias", output_.bias);
  for (std::size_t i = 0; i < output_.tails.size(); ++i) {
    register_parameter(fmt::format("tail_projection_{}", i), output_.tails[i].projection);
    register_parameter(fmt::format("tail_weight_{}", i), output_.tails[i].weight);
  }
}

void check_language_model(std::int64_t vocabulary, std::int64_t dim, std::int64_t layers,
                          double dropout) {
  check_at_least("vocabulary", vocabulary, 1);
  check_at_least("dim", dim, 1);
  check_at_least("layers", layers, 1);
  check_in("dropout", dropout, "[0, 1)");
}

}  // namespace partita::language
