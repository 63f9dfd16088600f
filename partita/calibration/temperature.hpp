// SPDX-License-Identifier: Apache-2.0
// Temperature scaling: one number T that divides a network's logits, so that its probabilities
// match how often it is right (Guo, Pleiss, Sun, Weinberger, "On calibration of modern neural
// networks", ICML 2017, arXiv 1706.04599).
//
//   partita::TemperatureFit fit = partita::fit_temperature(logits, labels, /*threads=*/2);
//   if (fit.status == partita::FitStatus::converged) use(fit.temperature);
//
// With beta = 1/T, the fit minimizes the mean negative log-likelihood
//
//   N(beta) = mean over rows of LSE(beta z) - beta z_y,
//
// which is convex in beta (not in T). N' = mean(E_q z) - mean(z_y) with q = softmax(beta z), and
// the further derivatives are means of the cumulants of z under q: all come from one pass over the
// rows. Where N' = 0 the average logit of the labels is the one that q expects, and the mean
// entropy of q equals N; among all distributions with that average, q has the largest entropy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include "partita/base/fit_status.hpp"
#include "partita/base/group.hpp"
#include "partita/base/progress.hpp"
#include "partita/base/rows.hpp"

namespace partita {

struct TemperatureFit {
  FitStatus status = FitStatus::converged;
  double temperature = std::numeric_limits<double>::quiet_NaN();  ///< NaN unless converged
  double nll = std::numeric_limits<double>::quiet_NaN();          ///< N, in nats
  double gradient_residual = 0;  ///< |N'| = |mean E_q z - mean z_y| is at most this at the end
  int iterations = 0;            ///< passes over all rows for N and its derivatives
};

/// Newton's method on log beta, within a bracket that only shrinks; where the step is short, to the
/// root of the Taylor polynomial of N' of degree 3, whose remainder says when no further pass is
/// needed. With many rows it begins where some of them have their optimum.
/// @param logits logits or log-probabilities [n, K]; -inf is an impossible category. Memory that is
///        mapped from a file is read once an iteration.
/// @param labels [n], in 0..K-1
/// @throws InvalidArgument if there are fewer or more labels than rows, a label is out of range
///         or impossible in its row, or a row has NaN or +inf, or no category that is possible
/// The result is the same for any number of threads. f32 and 16-bit logits are summed in single
/// precision until beta is good to five digits, and in double from then on.
TemperatureFit fit_temperature(Rows logits, std::span<const std::int64_t> labels, int threads = 1,
                               const Progress& progress = {});

/// The same for the rows of all ranks, of which each has one or more: every rank calls it with its
/// own, and gets the same fit. Five numbers travel in a pass, whatever the rows. How rows are
/// divided changes the result by the rounding of sums.
/// @throws InvalidArgument on every rank if one has reason to, or classes or formats differ.
TemperatureFit fit_temperature(Rows own, std::span<const std::int64_t> labels, Group& group,
                               int threads = 1, const Progress& progress = {});

/// N at another temperature. @param temperature > 0 @throws InvalidArgument as fit_temperature
double temperature_nll(Rows logits, std::span<const std::int64_t> labels, double temperature,
                       int threads = 1);

/// @throws InvalidArgument naming the first row whose label is not in 0..columns-1, or `labels` if
///         their number differs from that of the rows
void check_labels(Rows logits, std::span<const std::int64_t> labels);

}  // namespace partita
