// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/training/part.hpp"

#include <torch/csrc/autograd/autograd.h>
#include <torch/nn/utils/clip_grad.h>

#include <cmath>
#include <utility>
#include <vector>

#include "partita/base/error.hpp"
#include "partita/learn/training/internal/ranks.hpp"

namespace partita::training {

void descend(const Part& part, const Tensor& loss) {
  if (part.optimizer == nullptr) {
    throw InvalidArgument("part", part.name + " has no optimizer");
  }
  std::vector<Tensor> parameters;
  for (const auto& group : part.optimizer->param_groups()) {
    parameters.insert(parameters.end(), group.params().begin(), group.params().end());
  }
  std::vector<Tensor> gradients =
      torch::autograd::grad({loss}, parameters, /*grad_outputs=*/{}, /*retain_graph=*/c10::nullopt,
                            /*create_graph=*/false, /*allow_unused=*/true);
  for (Tensor& gradient : gradients) {
    if (gradient.defined() && gradient.is_sparse()) gradient = gradient.to_dense();
  }
  add_up(parameters, gradients, *part.group);
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    parameters[i].mutable_grad() = std::move(gradients[i]);
  }
  if (std::isfinite(part.clip_norm)) torch::nn::utils::clip_grad_norm_(parameters, part.clip_norm);
  part.optimizer->step();
  for (Tensor& parameter : parameters) parameter.mutable_grad() = Tensor();
}

}  // namespace partita::training
