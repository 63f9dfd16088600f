// SPDX-License-Identifier: Apache-2.0
// Sums over the counts that a distribution makes likely, however many those are. Internal.
//
//   const CountNodes nodes = count_nodes(mean, sd, tail, highest);
//   (nodes.weight * p(nodes.at) * f(nodes.at)).sum(0)       // E f(X)
//
// Up to 1024 counts are summed one by one. More are a smooth function of the count, whose sum is
// its integral (by Gauss's rule, over stretches of a standard deviation) but for Euler and
// Maclaurin's correction where it begins at 0; the relative error is then below 1e-9
// (count_sums_test.cpp). What lies outside has a probability below 1e-18.
#pragma once

#include "partita/learn/tensor.hpp"

namespace partita::distributions {

/// [nodes, batch], in double; without gradients. Members of the batch that need fewer nodes have
/// weights of 0.
struct CountNodes {
  Tensor at;
  Tensor weight;
};

/// Of unimodal distributions.
/// @param mean, sd, tail, highest [batch]: mean and standard deviation; how far the upper tail
/// takes
///        to fall by a factor of e; the largest count, or +inf.
CountNodes count_nodes(const Tensor& mean, const Tensor& sd, const Tensor& tail,
                       const Tensor& highest);

/// -E log p(X), from log p at the nodes, [nodes, batch].
Tensor entropy_at(const CountNodes& nodes, const Tensor& log_p);

}  // namespace partita::distributions
