// SPDX-License-Identifier: Apache-2.0
// Calibration without bins: the error of a smoothed reliability diagram, the diagram itself with
// its band, and a test of whether the probabilities could be calibrated (Błasiok, Nakkiran, "Smooth
// ECE: principled reliability diagrams via kernel smoothing", ICLR 2024).
//
//   const partita::Confidences c = partita::confidences_of(logits, labels);
//   partita::smooth_ece(c).value;                                    // 0.0531
//   partita::calibration_test(c, {.seed = 1}).p_value;               // 0.001: it is not chance
//   const auto diagram = partita::kernel_diagram(c, {.seed = 1});    // accuracy and band
//
// Rows are counted in 1024 equal cells of confidence, and stand at their middles when they are
// smoothed: the error is of second order, below 0.1 % of the result where the width is 0.01. So the
// cost of a resample does not depend on the number of rows.
#pragma once

#include <cstddef>
#include <vector>

#include "partita/calibration/confidences.hpp"
#include "partita/random/bootstrap.hpp"
#include "partita/random/stream.hpp"

namespace partita {

struct SmoothEce {
  double value;
  double bandwidth;  ///< sigma of the kernel
};

/// smECE_s = integral over t in [0, 1] of |mean over rows of (right - confidence) k_s(t,
/// confidence)|, where k_s is the Gaussian kernel of deviation s, reflected at 0 and 1; at the
/// width where smECE_s = s, but at least 1/512. There is no parameter, and it is consistent: within
/// constant factors of the distance from calibration (Blasiok and Nakkiran 2023).
/// @throws InvalidArgument as Confidences::check, of probabilities
SmoothEce smooth_ece(const Confidences& confidences);

struct CalibrationTest {
  double statistic;  ///< the smooth ECE
  double p_value;    ///< from 1 / (simulations + 1) to 1
};

/// Is this calibrated? The hypothesis: every row was right with the probability that its confidence
/// says. The p-value is the share of data sets, drawn so for the same confidences, whose smooth ECE
/// is as large, counting the one given: (1 + number) / (simulations + 1), so that it is at most a
/// with probability at most a (Monte Carlo test, Barnard 1963). Simulation i draws from
/// stream.child(i).
/// @param simulations 1 or more
/// @throws InvalidArgument as above
CalibrationTest calibration_test(const Confidences& confidences, const Stream& stream,
                                 std::size_t simulations = 999, int threads = 1);

/// Accuracy as a function of confidence, at the middles of 128 equal cells.
struct KernelDiagram {
  double bandwidth;
  std::vector<double> confidence;
  std::vector<double> accuracy;  ///< NaN where there are no rows within some widths
  std::vector<double> density;   ///< of the rows' confidences; its mean is 1
  std::vector<Interval> band;    ///< of the accuracy, pointwise, from resamples of rows
};

/// accuracy(t) = mean of right k_s(t, confidence) / density(t), density(t) = mean of k_s(t,
/// confidence), with the width of smooth_ece. Resample r draws from stream.child(r).
/// @throws InvalidArgument as above, or if an option is out of its range
KernelDiagram kernel_diagram(const Confidences& confidences, const Stream& stream,
                             const BootstrapOptions& options = {});

}  // namespace partita
