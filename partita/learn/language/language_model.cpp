#include "partita/learn/language/language_model.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "partita/base/error.hpp"
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
  const auto check = [](const char* name, std::int64_t value) {
    if (value < 1) throw InvalidArgument(name, fmt::format("expected 1 or more, got {}", value));
  };
  check("vocabulary", vocabulary);
  check("dim", dim);
  check("layers", layers);
  if (!(dropout >= 0 && dropout < 1)) {
    throw InvalidArgument("dropout", fmt::format("expected 0 <= p < 1, got {}", dropout));
  }
}

}  // namespace partita::language
