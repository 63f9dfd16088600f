// SPDX-License-Identifier: Apache-2.0
#include "partita/calibration/smooth_ece.hpp"

#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <unsupported/Eigen/FFT>
#include <utility>

#include "partita/base/internal/check.hpp"
#include "partita/base/internal/parallel_progress.hpp"
#include "partita/random/variates.hpp"

namespace partita {

namespace {

using Eigen::ArrayXd;
using Eigen::Index;
using Eigen::VectorXd;

constexpr Index kCells = 1024;
constexpr double kLeastWidth = 2.0 / kCells;  // what the cells resolve
constexpr Index kStep = 8;                    // cells of the grid to one point of the diagram

/// Masses at the middles of the cells, smoothed to any width. A Gaussian that is reflected at 0 and
/// 1 smooths a function of period 2, of which the other half is the mirror image: it multiplies the
/// k-th Fourier coefficient by exp(-(pi k width)^2 / 2).
class Smoother {
 public:
  explicit Smoother(const VectorXd& masses) {
    VectorXd both(2 * kCells);
    both << masses, masses.reverse();
    fourier().fwd(spectrum_, both);
  }

  /// Their density at the middles of the cells.
  ArrayXd density(double width) const {
    const ArrayXd k = ArrayXd::LinSpaced(kCells + 1, 0, kCells);
    const ArrayXd frequency = std::numbers::pi * width * k;
    const Spectrum damped = spectrum_.array() * (-0.5 * frequency.square()).exp();
    VectorXd both;
    fourier().inv(both, damped);
    return both.head(kCells).array() * static_cast<double>(kCells);
  }

 private:
  using Spectrum = Eigen::VectorXcd;

  static Eigen::FFT<double>& fourier() {
    using Fourier = Eigen::FFT<double>;
    thread_local Fourier fft(Fourier::impl_type(), Fourier::HalfSpectrum);  // keeps its tables
    return fft;
  }

  Spectrum spectrum_;  // of frequencies 0 to kCells: the others are their conjugates
};

/// The width that equals its error. The error does not grow with the width, so that it lies between
/// any width and its error: secants, kept between such ends.
SmoothEce fixed_point(const VectorXd& residuals) {
  constexpr double kPrecision = 1e-8;
  constexpr int kMost = 60;  // steps; five or six are usual
  const Smoother smoother(residuals);
  const auto error_at = [&](double width) { return smoother.density(width).abs().mean(); };
  double low = 0;
  double high = 1;
  SmoothEce last{};
  SmoothEce at{.value = error_at(0.05), .bandwidth = 0.05};
  for (int step = 0; step < kMost && std::abs(at.value - at.bandwidth) > kPrecision; ++step) {
    low = std::max(low, std::min(at.bandwidth, at.value));
    high = std::min(high, std::max(at.bandwidth, at.value));
    if (high <= kLeastWidth) return {error_at(kLeastWidth), kLeastWidth};
    const double slope = (at.value - last.value) / (at.bandwidth - last.bandwidth);
    double next = at.bandwidth + (at.value - at.bandwidth) / (1 - slope);
    if (step == 0 || !(next > low && next < high)) next = (low + high) / 2;
    last = std::exchange(at, {.value = error_at(next), .bandwidth = next});
  }
  return at;
}

/// Rows by the cell of their confidence.
struct Cells {
  VectorXd count = VectorXd::Zero(kCells);
  VectorXd right = VectorXd::Zero(kCells);
  VectorXd confidence = VectorXd::Zero(kCells);  // sums

  double rows() const { return count.sum(); }
  VectorXd residuals() const { return (right - confidence) / rows(); }
};

Cells cells_of(const Confidences& rows) {
  rows.check(/*probabilities=*/true);
  Cells cells;
  for (std::size_t r = 0; r < rows.rows(); ++r) {
    const double c = rows.confidence[r];
    const Index cell = std::min(kCells - 1, static_cast<Index>(c * kCells));
    cells.count[cell] += 1;
    cells.right[cell] += rows.right[r];
    cells.confidence[cell] += c;
  }
  return cells;
}

/// As many rows, drawn with replacement. Within a cell, a row has its mean confidence.
Cells resampled(const Cells& cells, const Stream& stream) {
  Draws draws(stream);
  Cells out;
  double drawn = cells.rows();  // that are to be distributed over the cells from here on
  double rows = drawn;          // that these cells have
  for (Index j = 0; j < kCells; ++j) {
    if (cells.count[j] == 0) continue;
    const double share = std::min(1.0, cells.count[j] / rows);
    out.count[j] = binomial_variate(draws, drawn, share);
    out.right[j] = binomial_variate(draws, out.count[j], cells.right[j] / cells.count[j]);
    out.confidence[j] = out.count[j] * cells.confidence[j] / cells.count[j];
    drawn -= out.count[j];
    rows -= cells.count[j];
  }
  return out;
}

/// The same rows, each right with the probability of its confidence.
Cells simulated(const Cells& cells, const Stream& stream) {
  Draws draws(stream);
  Cells out = cells;
  for (Index j = 0; j < kCells; ++j) {
    if (cells.count[j] == 0) continue;
    const double p = std::clamp(cells.confidence[j] / cells.count[j], 0.0, 1.0);
    out.right[j] = binomial_variate(draws, cells.count[j], p);
  }
  return out;
}

}  // namespace

SmoothEce smooth_ece(const Confidences& confidences) {
  return fixed_point(cells_of(confidences).residuals());
}

CalibrationTest calibration_test(const Confidences& confidences, const Stream& stream,
                                 std::size_t simulations, int threads) {
  check_at_least("simulations", simulations, 1);
  const Cells cells = cells_of(confidences);
  const double statistic = fixed_point(cells.residuals()).value;
  std::vector<double> values(simulations);
  parallel_for(simulations, threads, [&](std::size_t first, std::size_t last) {
    for (std::size_t i = first; i < last; ++i) {
      values[i] = fixed_point(simulated(cells, stream.child(i)).residuals()).value;
    }
  });
  const auto larger =
      std::count_if(values.begin(), values.end(), [&](double value) { return value >= statistic; });
  return {statistic, static_cast<double>(larger + 1) / static_cast<double>(simulations + 1)};
}

KernelDiagram kernel_diagram(const Confidences& confidences, const Stream& stream,
                             const BootstrapOptions& options) {
  options.check();
  const Cells cells = cells_of(confidences);
  KernelDiagram out{};
  out.bandwidth = fixed_point(cells.residuals()).bandwidth;
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  constexpr double kNoRows = 1e-9;  // as a density
  const auto accuracies = [&](const Cells& of, ArrayXd* density) {
    const ArrayXd all = Smoother(of.count / of.rows()).density(out.bandwidth);
    const ArrayXd right = Smoother(of.right / of.rows()).density(out.bandwidth);
    if (density != nullptr) *density = all;
    return ArrayXd((all > kNoRows).select((right / all).max(0).min(1), kNan));
  };
  ArrayXd density;
  const ArrayXd accuracy = accuracies(cells, &density);
  const auto points = static_cast<std::size_t>(kCells / kStep);
  std::vector<std::vector<double>> drawn(points, std::vector<double>(options.resamples));
  const auto some = [&](std::size_t first, std::size_t last) {
    for (std::size_t r = first; r < last; ++r) {
      const ArrayXd values = accuracies(resampled(cells, stream.child(r)), nullptr);
      for (std::size_t i = 0; i < points; ++i) {
        drawn[i][r] = values[kStep * static_cast<Index>(i) + kStep / 2];
      }
    }
  };
  parallel_for(options.resamples, options.threads, options.progress, "resamples", some);
  for (std::size_t i = 0; i < points; ++i) {
    const Index cell = kStep * static_cast<Index>(i) + kStep / 2;
    out.confidence.push_back((static_cast<double>(cell) + 0.5) / kCells);
    out.accuracy.push_back(accuracy[cell]);
    out.density.push_back(std::max(0.0, density[cell]));
    out.band.push_back(percentile_interval(std::move(drawn[i]), options.level));
  }
  return out;
}

}  // namespace partita
