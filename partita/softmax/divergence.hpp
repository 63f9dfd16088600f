// SPDX-License-Identifier: Apache-2.0
// Entropy, cross-entropy and Kullback-Leibler divergence of categorical distributions given by
// their logits, in nats.
//
//   std::vector<double> h = partita::entropy(logits);
//   std::vector<double> d = partita::kl_divergence(p_logits, q_logits);   // KL(p || q), row by row
//
// With p = softmax(z): 0 log 0 = 0, so a category impossible under p (-inf) adds nothing, and one
// that is possible under p but not under q makes the cross-entropy and KL(p || q) +inf. Arithmetic
// is in double, whatever the format. A row that holds NaN or +inf, or only -inf, is a row error
// (RowOptions), and its result NaN.
#pragma once

#include <vector>

#include "partita/base/parallel.hpp"
#include "partita/base/rows.hpp"

namespace partita {

/// H(p) = -sum p log p = log sum exp(z) - sum p z, between 0 and log V.
std::vector<double> entropy(Rows logits, const RowOptions& options = {});

/// H(p, q) = -sum p log q. @throws InvalidArgument if the shapes differ.
std::vector<double> cross_entropy(Rows p_logits, Rows q_logits, const RowOptions& options = {});

/// KL(p || q) = sum p (log p - log q) >= 0; exactly 0 for identical rows.
/// @throws InvalidArgument if the shapes differ.
std::vector<double> kl_divergence(Rows p_logits, Rows q_logits, const RowOptions& options = {});

}  // namespace partita
