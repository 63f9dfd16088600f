// SPDX-License-Identifier: Apache-2.0
// k distinct categories from a softmax, exactly: sampling without replacement.
//
//   partita::TopKSample s = partita::gumbel_top_k({z.data(), 64, 50257}, 10, stream);
//   s.indices[row * s.k + j]     // the j-th category drawn: with its probability among those
//                                // left before draw j
//   s.log_prob[...]              // its log-probability phi, before anything was drawn
//   s.perturbed[...]             // phi + Gumbel noise, descending in j
//
//   std::vector<std::int64_t> one = partita::gumbel_max(logits, stream);   // k = 1
//
// This is the Gumbel-top-k trick (Vieira 2014; Kool, van Hoof, Welling, "Stochastic beams and where
// to find them", ICML 2019): the k largest of phi_i + G_i, one independent standard Gumbel G_i
// each. The textbook draws V Gumbels and sorts. Here the noise is revealed from the top down, and
// only as far as needed: see gumbel_top_k.cpp. The distribution is the same, and a row costs about
// one pass over its logits.
//
// For k = 1 ... V the same stream gives the same leading draws: the result for k is a prefix of the
// result for k + 1.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "partita/base/parallel.hpp"
#include "partita/base/rows.hpp"
#include "partita/random/stream.hpp"

namespace partita {

/// Ordered samples without replacement from each row. Matrices are row-major [rows, k].
struct TopKSample {
  std::size_t rows = 0;
  std::size_t k = 0;
  std::vector<std::int64_t> indices;  ///< [rows, k] categories, best first; -1 in a failed row
  std::vector<double> perturbed;      ///< [rows, k] log_prob + Gumbel noise, in descending order
  std::vector<double> log_prob;       ///< [rows, k] normalized log-probability of each index
  std::vector<double> log_sum_exp;    ///< [rows] of the logits
  /// [rows] kappa: the perturbed log-probability of the (k+1)-th category; -inf if there is none.
  /// Importance weights need it: see inclusion_log_prob.
  std::vector<double> threshold;
};

struct TopKOptions {
  int threads = 1;                          ///< as in RowOptions
  std::vector<RowError>* errors = nullptr;  ///< as in RowOptions
  /// If false, log_sum_exp and threshold stay empty, log_prob holds the logits themselves and
  /// perturbed holds logit + noise (both larger by the row's log-sum-exp), and a row costs no more
  /// than its arg max. The draws are equally exact, but not the same ones.
  bool log_sum_exp = true;
};

/// Draws k distinct categories from softmax of every row, in order.
/// @param logits  [rows, V], finite or -inf (an impossible category, never drawn).
/// @param k       1 ... V.
/// @param streams the random stream of each row. A row's draws depend on its logits and stream
///        alone.
/// @throws InvalidArgument if k is out of range. A row that holds NaN or +inf, or fewer than k
///         possible categories, is a row error (RowOptions).
TopKSample gumbel_top_k(Rows logits, std::size_t k, const Streams& streams,
                        const TopKOptions& options = {});

/// One category from each row's softmax: gumbel_top_k with k = 1 and no log-sum-exp. [rows]; -1 in
/// a failed row.
std::vector<std::int64_t> gumbel_max(Rows logits, const Streams& streams,
                                     const RowOptions& options = {});

/// log of the probability that a category of log-probability `log_prob` is among the k drawn, given
/// the threshold kappa: log q = log(1 - exp(-exp(log_prob - kappa))) (Kool et al. 2019, eq. 12).
/// Its importance weight is exp(log_prob - log q); a threshold of -inf gives log q = 0.
double inclusion_log_prob(double log_prob, double threshold);

}  // namespace partita
