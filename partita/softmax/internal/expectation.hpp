// SPDX-License-Identifier: Apache-2.0
// Expectations under the softmax of one row, in double. Not installed.
//
//   RowPass<double> pass;                                     // memory, reused from row to row
//   const Normalizer n = normalize(pass, row);                // log p_i = (z_i - max) - log_sum
//   double mean_logit = expectation(row, n, [](std::size_t, auto z, const double* weight) {
//     double sum = 0;
//     for (std::size_t i = 0; i < z.size(); ++i) {
//       if (weight[i] > 0) sum += weight[i] * z[i];
//     }
//     return sum;
//   });
#pragma once

#include <cmath>
#include <cstddef>

#include "partita/softmax/internal/kernels.hpp"
#include "partita/softmax/internal/row_pass.hpp"
#include "partita/softmax/softmax.hpp"

namespace partita {

/// @throws InvalidArgument if the row holds NaN or +inf, or only -inf.
inline Normalizer normalize(RowPass<double>& pass, const RowReader<double>& row) {
  pass.sum_exp_accurate(row);
  if (std::isinf(pass.max())) row.fail("every category is impossible (all -inf)");
  return {pass.max(), pass.log_sum(row)};
}

/// An expectation under a row's distribution: sum_block(b, z, weight) is what block b adds to the
/// sum over i of weight_i times something, with weights in proportion to the probabilities.
template <class SumBlock>
double expectation(const RowReader<double>& row, const Normalizer& n, const SumBlock& sum_block) {
  double buffer[kernels::kBlock];
  double weights[kernels::kBlock];
  double sum = 0;
  double total = 0;
  for (std::size_t b = 0; b < row.blocks(); ++b) {
    const auto z = row.block(b, buffer);
    total += kernels::of<double>().exp_accurate(z.data(), z.size(), n.max, weights).high;
    sum += sum_block(b, z, weights);
  }
  return sum / total;
}

/// H(p) = -sum p log p.
inline double row_entropy(const RowReader<double>& row, const Normalizer& p) {
  // Two terms that are never negative: nothing cancels.
  return p.log_sum + expectation(row, p, [&](std::size_t, auto z, const double* weight) {
           double sum = 0;
           for (std::size_t i = 0; i < z.size(); ++i) {
             if (weight[i] > 0) sum += weight[i] * (p.max - z[i]);
           }
           return sum;
         });
}

}  // namespace partita
