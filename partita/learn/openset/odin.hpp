// SPDX-License-Identifier: Apache-2.0
// ODIN (Liang, Li, Srikant, "Enhancing the reliability of out-of-distribution image detection in
// neural networks", ICLR 2018): the largest softmax probability at a high temperature, for an input
// moved slightly toward its predicted class. Known inputs gain more from this than unknown ones.
//
//   auto classify = [&](const Tensor& x) { return network->forward(x); };
//   Tensor in = odin_scores(classify, known, {.temperature = 1000, .epsilon = 0.0014});
//   Tensor out = odin_scores(classify, unknown);          // larger where known
#pragma once

#include <functional>

#include "partita/learn/tensor.hpp"

namespace partita::openset {

/// Logits [N, K] of inputs [N, ...], each row from its own input alone (so put a network with
/// dropout or batch normalization in its evaluation mode), differentiable in them.
using Classifier = std::function<Tensor(const Tensor& x)>;

/// The defaults are the paper's.
struct OdinOptions {
  double temperature = 1000;  ///< T, positive and finite
  double epsilon = 0.0014;    ///< how far each element moves, in units of the inputs; >= 0
};

/// x - epsilon sign(-d/dx log S(x; T)), S the largest of softmax(classify(x) / T): equation 2.
/// Leaves the gradients of the classifier's parameters as they are, and works under a NoGradGuard.
/// @param x [N, ...], floating-point
/// @throws InvalidArgument if an option is out of its range, if x is of another type, or if the
///         logits are not [N, K] or do not depend on x
Tensor odin_input(const Classifier& classify, const Tensor& x, const OdinOptions& options = {});

/// log S(x'; T), [N], for x' = odin_input(x): the logarithm of the paper's score, as in
/// LogitScore::msp; it orders inputs in the same way. No gradient flows through it.
/// @throws InvalidArgument as above
Tensor odin_scores(const Classifier& classify, const Tensor& x, const OdinOptions& options = {});

}  // namespace partita::openset
