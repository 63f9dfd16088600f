// SPDX-License-Identifier: Apache-2.0
// A row of logits at an inverse temperature beta: q = softmax(beta z), and what a fit of beta needs
// to know about it, all in one pass.
//
//   partita::TemperedRow q = partita::tempered_row<float>(logits, row, max_of_row, 0.5);
//   q.log_sum;    // log sum_i exp(beta (z_i - max))
//   q.mean;       // E_q[z - max]
//   q.variance;   // Var_q[z]; the third and fourth cumulants, too
//
// Not installed.
#pragma once

#include <array>
#include <cstddef>

#include "partita/base/rows.hpp"

namespace partita {

struct TemperedRow {
  double log_sum;
  double mean;
  double variance;
  double third;   // cumulant of z under q: the derivative of the variance with respect to beta
  double fourth;  // and its derivative
};

/// @param max  the row's largest logit; finite
/// @param beta > 0. As it goes to 0, q becomes uniform over the categories that are possible.
/// T is the arithmetic: float (16-bit formats and f32) or double (any format). In float, terms have
/// a relative error of about 1e-7 |beta (z - max)|.
template <class T>
TemperedRow tempered_row(Rows logits, std::size_t row, double max, double beta);

namespace kernels {

/// The sums of x^k e^x for k = 0 to 4, where x = beta (z - max).
using TemperedSums = std::array<double, 5>;

/// Over z[0, n), a block as in kernels.hpp. What is impossible (-inf) or less likely than the
/// smallest normal number counts as that number, beside a term of 1 in the row.
TemperedSums tempered_sums(const float* z, std::size_t n, float max, float beta);
TemperedSums tempered_sums(const double* z, std::size_t n, double max, double beta);

}  // namespace kernels
}  // namespace partita
