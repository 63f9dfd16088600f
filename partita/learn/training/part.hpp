// SPDX-License-Identifier: Apache-2.0
// A part of what is trained: a network with its optimizer. A model has one of them, or several that
// take turns, as a generator and its discriminator do.
//
//   auto network = std::make_shared<torch::nn::LinearImpl>(2, 1);
//   training::Part part{"network", network,
//                       std::make_shared<torch::optim::Adam>(network->parameters())};
//   training::descend(part, losses::gaussian_nll(network->forward(x), y));
#pragma once

#include <torch/nn/module.h>
#include <torch/optim/optimizer.h>

#include <limits>
#include <memory>
#include <string>

#include "partita/base/group.hpp"
#include "partita/learn/tensor.hpp"

namespace partita::training {

struct Part {
  std::string name;  ///< unique among the parts of a model
  /// All that the part has learned lies in the parameters and buffers of its module.
  std::shared_ptr<torch::nn::Module> module;
  std::shared_ptr<torch::optim::Optimizer> optimizer = nullptr;  ///< nullptr: not trained
  /// Gradients whose norm over all parameters exceeds this are scaled down to it (Pascanu, Mikolov,
  /// Bengio 2013).
  double clip_norm = std::numeric_limits<double>::infinity();
  /// Those that train it together (loop.hpp), each with a copy of the module and the optimizer.
  Group* group = &Group::alone();
};

/// One step of the part's optimizer down the gradient of a loss. The gradient is taken with respect
/// to the part's parameters alone: other networks that the loss goes through keep their values and
/// their .grad(). A sparse gradient is made dense, since Adam takes no other.
/// @param loss a tensor of one element, on the part's device.
/// @throws InvalidArgument if the part has no optimizer.
void descend(const Part& part, const Tensor& loss);

}  // namespace partita::training
