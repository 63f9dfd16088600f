// SPDX-License-Identifier: Apache-2.0
// Softmax and its relatives over rows of logits.
//
//   std::vector<float> z(64 * 50257), p(z.size());
//   partita::Rows logits{z.data(), 64, 50257};
//   partita::softmax(logits, {p.data(), 64, 50257}, {.threads = 2});
//   std::vector<double> lse = partita::log_sum_exp(logits);
//
// All are stable: the row's largest logit is subtracted first, so softmax(z + c) = softmax(z) and
// magnitudes to 1e30 are fine. -inf is an impossible category. A row with NaN or +inf is a row
// error (RowOptions): only that row fails, and the error names it.
//
// Arithmetic is float for f32, bf16 and f16 logits, double for f64 (or where the output is f64).
// Results do not depend on the number of threads, on the other rows, or on the machine's vectors.
#pragma once

#include <cstdint>
#include <vector>

#include "partita/base/parallel.hpp"
#include "partita/base/rows.hpp"

namespace partita {

/// log sum_i exp(z_i) of each row. -inf for a row of all -inf; NaN in a failed row.
/// Error at most 2 ulp (of the logits' format) of the larger of |max z| and |result|.
std::vector<double> log_sum_exp(Rows logits, const RowOptions& options = {});

/// What makes log-probabilities of a row's logits. z_i - log_sum_exp would lose log_sum where the
/// logits are large (to 1e30 they are fine here).
struct Normalizer {
  double max = 0;      ///< the largest logit
  double log_sum = 0;  ///< log sum_i exp(z_i - max) >= 0; to the last digits, however close to 0

  double log_prob(double logit) const { return (logit - max) - log_sum; }
};

/// That of each row; {-inf, 0} for a row of all -inf, {NaN, NaN} for a failed one.
std::vector<Normalizer> normalizers(Rows logits, const RowOptions& options = {});

/// p_i = exp(z_i) / sum_j exp(z_j), within 2 ulp of the output's format.
/// @param probabilities same shape as logits, any format; may share their memory. A failed row is
///        filled with NaN.
/// @throws InvalidArgument if the shapes differ. A row of all -inf is a row error: it has no
///         distribution.
void softmax(Rows logits, MutableRows probabilities, const RowOptions& options = {});

/// z_i - log sum_j exp(z_j), within 2 ulp of the output's format; -inf where z_i is. Otherwise as
/// softmax().
void log_softmax(Rows logits, MutableRows log_probabilities, const RowOptions& options = {});

/// Index of the largest logit of each row, the lowest one among ties; no exponential is taken.
/// -1 in a failed row. A row of all -inf is a row error.
std::vector<std::int64_t> argmax(Rows logits, const RowOptions& options = {});

}  // namespace partita
