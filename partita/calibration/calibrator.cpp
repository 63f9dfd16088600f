// SPDX-License-Identifier: Apache-2.0
#include "partita/calibration/calibrator.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/calibration/internal/distribution_row.hpp"
#include "partita/calibration/internal/logits_of.hpp"
#include "partita/calibration/linear_scaling.hpp"
#include "partita/softmax/internal/row_pass.hpp"

namespace partita {
namespace {

constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();

void scale_row(const TemperatureScaling& scaling, std::span<double> z) {
  for (double& value : z) value /= scaling.temperature;
}

void scale_row(const VectorScaling& scaling, std::span<double> z) {
  for (std::size_t k = 0; k < z.size(); ++k) z[k] = scaling.weights[k] * z[k] + scaling.bias[k];
}

void scale_row(const MatrixScaling& scaling, std::span<double> z) {
  std::vector<double> out = scaling.bias;
  for (std::size_t k = 0; k < z.size(); ++k) {
    out[k] = std::inner_product(z.begin(), z.end(), &scaling.weights[k * z.size()], out[k]);
  }
  std::copy(out.begin(), out.end(), z.begin());
}

double at(const IsotonicCurve& curve, double p, DType) { return curve(p); }
double at(const BinnedCurve& curve, double p, DType precision) { return curve(p, precision); }

/// Replaces the probabilities by those that the curves give.
template <class Curves>
void map_row(const Curves& curves, DType precision, DistributionRow& row) {
  const auto p = row.probabilities();
  std::vector<double>& out = row.log_prob();
  if (curves.size() == 1) {
    const double one = at(curves[0], p[1], precision);
    out[0] = 1 - one;
    out[1] = one;
  } else {
    double total = 0;
    for (std::size_t k = 0; k < p.size(); ++k) total += out[k] = at(curves[k], p[k], precision);
    for (double& value : out) {
      value = total > 0 ? value / total : 1 / static_cast<double>(p.size());
    }
  }
  row.take_probabilities();
}

/// The curve of each class, or of class 1 alone if there are two.
template <class Fit>
auto fit_curves(const Predictions& predictions, std::span<const std::int64_t> labels, int threads,
                const Fit& fit) {
  const std::size_t rows = predictions.rows.rows();
  const std::size_t classes = predictions.rows.columns();
  std::vector<double> p(rows * classes);  // by column: each class is fitted by itself
  for_each_row<DistributionRow>(rows, {.threads = threads},
                                [&](std::size_t r, DistributionRow& row) {
                                  row.read(predictions, r);
                                  for (std::size_t k = 0; k < classes; ++k)
                                    p[k * rows + r] = row.probabilities()[k];
                                });
  const std::size_t first = classes == 2 ? 1 : 0;
  std::vector<decltype(fit(std::span<const double>(), std::span<const double>()))> curves(classes -
                                                                                          first);
  parallel_for(curves.size(), threads, [&](std::size_t from, std::size_t to) {
    std::vector<double> is_class(rows);
    for (std::size_t c = from; c < to; ++c) {
      const std::size_t k = first + c;
      for (std::size_t r = 0; r < rows; ++r) {
        is_class[r] = std::cmp_equal(labels[r], k) ? 1 : 0;
      }
      curves[c] = fit(std::span(p).subspan(k * rows, rows), is_class);
    }
  });
  return curves;
}

BinnedCurve fit_binned(std::span<const double> p, std::span<const double> is_class,
                       const CalibrationOptions& options, DType precision) {
  BinnedCurve curve;
  if (options.equal_mass) {
    std::vector<double> sorted(p.begin(), p.end());
    std::sort(sorted.begin(), sorted.end());
    curve.bins = equal_mass_bins(sorted, options.bins);
  } else {
    curve.bins = equal_width_bins(options.bins);
  }
  std::vector<double> rows(curve.bins.size());
  std::vector<double> right(curve.bins.size());
  for (std::size_t r = 0; r < p.size(); ++r) {
    const std::size_t b = curve.bins.of(p[r], precision);
    rows[b] += 1;
    right[b] += is_class[r];
  }
  for (std::size_t b = 0; b < rows.size(); ++b) {
    const double middle = (curve.bins.lower(b) + curve.bins.upper[b]) / 2;
    curve.values.push_back(rows[b] > 0 ? right[b] / rows[b] : middle);
  }
  return curve;
}

}  // namespace

std::string_view name_of(CalibrationMethod method) {
  switch (method) {
    case CalibrationMethod::temperature:
      return "temperature";
    case CalibrationMethod::vector:
      return "vector";
    case CalibrationMethod::matrix:
      return "matrix";
    case CalibrationMethod::isotonic:
      return "isotonic";
    case CalibrationMethod::histogram:
      break;
  }
  return "histogram";
}

Calibrator::Calibrator(std::size_t classes, Parameters parameters)
    : classes_(classes), parameters_(std::move(parameters)) {}

void calibrate_row(const Calibrator& calibrator, const Predictions& predictions, std::size_t r,
                   DistributionRow& row) {
  std::visit(
      [&]<class P>(const P& parameters) {
        if constexpr (requires { parameters.curves; }) {
          row.read(predictions, r);
          map_row(parameters.curves, predictions.precision(), row);
        } else {
          row.read_logits(predictions, r);
          constexpr bool kHasWeights = requires { parameters.weights; };
          if (kHasWeights && predictions.are_probabilities) row.clip_zeros(predictions.precision());
          scale_row(parameters, row.log_prob());
          row.softmax();
        }
      },
      calibrator.parameters());
}

void Calibrator::transform(const Predictions& predictions, MutableRows out,
                           const RowOptions& options) const {
  const Rows rows = predictions.rows;
  check_size("logits", rows.columns(), classes_, "classes of the calibrator");
  if (rows.rows() != out.rows() || out.columns() != classes_) {
    throw InvalidArgument("out", fmt::format("expected the logits' shape [{}, {}], got [{}, {}]",
                                             rows.rows(), classes_, out.rows(), out.columns()));
  }
  for_each_row<DistributionRow>(rows.rows(), options, [&](std::size_t r, DistributionRow& row) {
    calibrate_row(*this, predictions, r, row);
    const auto result = predictions.are_probabilities ? row.probabilities()
                                                      : std::span<const double>(row.log_prob());
    visit(out.dtype(), [&]<Element T>(T) {
      T* const to = out.row_data<T>(r);
      const std::ptrdiff_t stride = out.column_stride();
      for (std::size_t k = 0; k < classes_; ++k) {
        using Rounded = std::conditional_t<std::same_as<T, double>, double, float>;
        to[static_cast<std::ptrdiff_t>(k) * stride] = T(static_cast<Rounded>(result[k]));
      }
    });
  });
}

CalibratorFit fit_calibrator(CalibrationMethod method, const Predictions& predictions,
                             std::span<const std::int64_t> labels,
                             const CalibrationOptions& options, int threads,
                             const Progress& progress) {
  check_labels(predictions.rows, labels);
  const std::size_t classes = predictions.rows.columns();
  if (classes < 2) {
    throw InvalidArgument("logits",
                          "1 class: every probability is 1, there is nothing to calibrate");
  }
  const auto found = [&](const auto& fit, auto parameters) {
    CalibratorFit out{{fit.status, fit.iterations, fit.gradient_residual}, std::nullopt};
    if (fit.status == FitStatus::converged) out.calibrator.emplace(classes, std::move(parameters));
    return out;
  };
  switch (method) {
    case CalibrationMethod::temperature: {
      const LogitsOf logits(predictions, /*finite=*/false, threads);
      const TemperatureFit fit = fit_temperature(logits.rows(), labels, threads, progress);
      return found(fit, TemperatureScaling{fit.temperature});
    }
    case CalibrationMethod::vector: {
      const LogitsOf logits(predictions, /*finite=*/true, threads);
      LinearFit fit =
          fit_linear_scaling(logits.rows(), labels, /*matrix=*/false, threads, progress);
      return found(fit, VectorScaling{std::move(fit.weights), std::move(fit.bias)});
    }
    case CalibrationMethod::matrix: {
      const LogitsOf logits(predictions, /*finite=*/true, threads);
      LinearFit fit = fit_linear_scaling(logits.rows(), labels, /*matrix=*/true, threads, progress);
      return found(fit, MatrixScaling{std::move(fit.weights), std::move(fit.bias)});
    }
    case CalibrationMethod::isotonic:
      return found(FitReport{},
                   IsotonicCalibration{fit_curves(predictions, labels, threads, fit_isotonic)});
    case CalibrationMethod::histogram:
      break;
  }
  return found(FitReport{}, HistogramBinning{fit_curves(
                                predictions, labels, threads, [&](auto p, auto is_class) {
                                  return fit_binned(p, is_class, options, predictions.precision());
                                })});
}

}  // namespace partita
