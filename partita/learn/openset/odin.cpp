// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/openset/odin.hpp"

#include <fmt/format.h>
#include <torch/csrc/autograd/autograd.h>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"

namespace partita::openset {

namespace {

void check(const Tensor& x, const OdinOptions& options) {
  check_in("temperature", options.temperature, "(0, inf)");
  check_in("epsilon", options.epsilon, "[0, inf)");
  if (!x.is_floating_point() || x.dim() == 0) {
    throw InvalidArgument("x", "expected rows of floating-point numbers");
  }
}

/// log S [N], the logarithm of the largest probability.
Tensor log_largest(const Classifier& classify, const Tensor& x, double temperature) {
  const Tensor logits = classify(x);
  if (logits.dim() != 2 || logits.size(0) != x.size(0)) {
    throw InvalidArgument("classify", fmt::format("expected logits [{}, classes], got {}",
                                                  x.size(0), to_string(logits.sizes())));
  }
  return std::get<0>((logits / temperature).log_softmax(1).max(1));
}

}  // namespace

Tensor odin_input(const Classifier& classify, const Tensor& x, const OdinOptions& options) {
  check(x, options);
  const at::AutoGradMode grad_mode(true);
  const Tensor input = x.detach().clone().requires_grad_();
  // Rows do not depend on each other: the gradient of the sum holds that of each.
  const Tensor total = log_largest(classify, input, options.temperature).sum();
  if (!total.requires_grad()) {
    throw InvalidArgument("classify", "the logits have no gradient");
  }
  const Tensor gradient = torch::autograd::grad({total}, {input}, {}, /*retain_graph=*/false,
                                                /*create_graph=*/false, /*allow_unused=*/true)[0];
  if (!gradient.defined()) {
    throw InvalidArgument("classify", "the logits do not depend on the inputs");
  }
  return input.detach() + options.epsilon * gradient.sign();
}

Tensor odin_scores(const Classifier& classify, const Tensor& x, const OdinOptions& options) {
  const Tensor moved = odin_input(classify, x, options);
  const at::NoGradGuard no_grad;
  return log_largest(classify, moved, options.temperature);
}

}  // namespace partita::openset
