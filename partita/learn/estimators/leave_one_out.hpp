// SPDX-License-Identifier: Apache-2.0
// Probabilities of unordered samples without replacement: for UnorderedSet, and for estimates from
// what a stochastic beam search found (examples/sequence_estimators.cpp).
//
//   auto weights = leave_one_out_ratios(log_prob, log_rest).first;      // [rows, k]
//   Tensor mean = (weights * f).sum(-1);                                // estimates E f, unbiased
#pragma once

#include "partita/learn/tensor.hpp"

namespace partita::estimators {

/// For sets S of k outcomes, with p^C(S) the probability that the first |S| draws without
/// replacement from C are S in any order (Kool, van Hoof, Welling 2020):
struct LeaveOneOutRatios {
  /// [rows, k]: p(s) R(S, s), R(S, s) = p^{D \ s}(S \ s) / p(S).
  Tensor first;
  /// [rows, k, k]: p(s') R^{D \ s}(S, s'), R^{D \ s}(S, s') = p^{D \ s, s'}(S \ s, s') /
  /// p^{D \ s}(S \ s); on the diagonal p(s).
  Tensor second;
};

/// By the trapezoidal rule on p(S) = integral_0^inf e^-x prod_{i in S} (1 - e^{-x p_i / p(D \ S)})
/// dx (appendix B there, with v = e^-x) in y = log x, where it converges exponentially: relative
/// error below 1e-13 (tested for k <= 10 against the sum over all orders), in double.
/// @param log_prob [rows, k], log-probabilities of the outcomes in S.
/// @param log_rest [rows], log p(D \ S); -inf if S covers the support.
LeaveOneOutRatios leave_one_out_ratios(const Tensor& log_prob, const Tensor& log_rest);

}  // namespace partita::estimators
