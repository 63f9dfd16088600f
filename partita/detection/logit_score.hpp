// SPDX-License-Identifier: Apache-2.0
// Scores for open-set detection that need only a classifier's logits: the larger, the more the row
// looks like what the classifier was trained on.
//
//   std::vector<double> in = partita::logit_scores(partita::LogitScore::energy, in_logits);
//   std::vector<double> out = partita::logit_scores(partita::LogitScore::energy, out_logits);
//   double area = partita::auroc(partita::roc_curve(in, out));   // partita/detection/roc.hpp
//
// Where a paper's score is larger for unknown rows, this is its negation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "partita/base/parallel.hpp"
#include "partita/base/rows.hpp"

namespace partita {

enum class LogitScore : std::uint8_t {
  msp,        ///< log max_i p_i (Hendrycks and Gimpel 2017), p = softmax(z / T): at most 0
  max_logit,  ///< max_i z_i (Hendrycks et al. 2022), whatever T
  entropy,    ///< -H(p) = sum_i p_i log p_i: at most 0
  energy,     ///< T log sum_i exp(z_i / T), minus the free energy of Liu et al. (2020)
};

/// One score per row. The maximum of the softmax is given as its logarithm, and both it and the
/// entropy keep their last digits near 0: rows whose largest probability rounds to 1 still differ.
///
/// Arithmetic is float for msp and energy of f32, bf16 and f16 logits at T = 1, otherwise double.
/// @param temperature T, positive and finite
/// @throws InvalidArgument if it is not. A row that holds NaN or +inf, or only -inf, is a row error
///         (RowOptions), and its score NaN.
std::vector<double> logit_scores(LogitScore score, Rows logits, double temperature = 1,
                                 const RowOptions& options = {});

/// Minus the generalized entropy: -sum of (p_i (1 - p_i))^gamma over the `largest` of the p_i (Liu,
/// Lochman, Zach, "GEN: Pushing the limits of softmax-based out-of-distribution detection", CVPR
/// 2023): at most 0. Arithmetic is double, and keeps its digits where a p_i is next to 1.
/// @param gamma   positive and finite. A small one makes much of classes that are hardly possible.
/// @param largest 1 or more; of fewer classes, all
/// @throws InvalidArgument as logit_scores
std::vector<double> generalized_entropy_scores(Rows logits, double gamma = 0.1,
                                               std::size_t largest = 100,
                                               const RowOptions& options = {});

}  // namespace partita
