// SPDX-License-Identifier: Apache-2.0
#include "partita/calibration/calibrator.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/base/internal/logistic.hpp"
#include "partita/base/internal/over_ranks.hpp"
#include "partita/calibration/internal/distribution_row.hpp"
#include "partita/calibration/internal/logits_of.hpp"
#include "partita/calibration/linear_scaling.hpp"
#include "partita/softmax/internal/row_pass.hpp"

namespace partita {
namespace {

void scale_row(const TemperatureScaling& scaling, std::span<double> z) {
  for (double& value : z) value /= scaling.temperature;
}

void scale_row(const VectorScaling& scaling, std::span<double> z) {
  for (std::size_t k = 0; k < z.size(); ++k) z[k] = scaling.weights[k] * z[k] + scaling.bias[k];
}

template <class Scaling>
requires std::same_as<Scaling, MatrixScaling> || std::same_as<Scaling, DirichletCalibration>
void scale_row(const Scaling& scaling, std::span<double> z) {
  std::vector<double> out = scaling.bias;
  for (std::size_t k = 0; k < z.size(); ++k) {
    out[k] = std::inner_product(z.begin(), z.end(), &scaling.weights[k * z.size()], out[k]);
  }
  std::copy(out.begin(), out.end(), z.begin());
}

void scale_row(const PlattScaling& scaling, std::span<double> z) {
  z[1] = scaling.slope * (z[1] - z[0]) + scaling.intercept;
  z[0] = 0;
}

void scale_row(const BetaCalibration& calibration, std::span<double> log_prob) {
  log_prob[1] = calibration.a * log_prob[1] - calibration.b * log_prob[0] + calibration.c;
  log_prob[0] = 0;
}

/// Whether a calibrator takes logarithms of probabilities, and not logits, which may lie anywhere.
template <class P>
constexpr bool kOfProbabilities =
    std::same_as<P, DirichletCalibration> || std::same_as<P, BetaCalibration>;

double at(const IsotonicCurve& curve, double p, DType) { return curve(p); }
double at(const BinnedCurve& curve, double p, DType precision) { return curve(p, precision); }

/// Replaces the probabilities by those that the curves give.
template <class Curves>
void map_row(const Curves& curves, DType precision, DistributionRow& row) {
  const auto p = row.probabilities();
  const std::span<double> out = row.log_prob();
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

/// [rows, K], finite.
std::vector<double> log_probabilities(const Predictions& predictions, int threads) {
  return log_rows(predictions, threads, [&](std::size_t r, DistributionRow& row) {
    row.read(predictions, r);
    row.clip_zeros(predictions.precision());
  });
}

void check_two_classes(const Predictions& predictions, const char* method) {
  if (predictions.rows.columns() == 2) return;
  throw InvalidArgument(
      "logits", fmt::format("{} classes, but {} calibrates 2", predictions.rows.columns(), method));
}

LogisticFit fit_platt(const Predictions& predictions, std::span<const std::int64_t> labels,
                      int threads) {
  check_two_classes(predictions, "platt");
  const LogitsOf logits(predictions, /*finite=*/true, threads);
  const auto rows = static_cast<Eigen::Index>(labels.size());
  const auto ones = static_cast<double>(std::count(labels.begin(), labels.end(), 1));
  Eigen::MatrixXd features = Eigen::MatrixXd::Ones(rows, 2);
  Eigen::VectorXd targets(rows);
  for (Eigen::Index r = 0; r < rows; ++r) {
    const RowReader<double> row(logits.rows(), static_cast<std::size_t>(r));
    features(r, 0) = row.at(1) - row.at(0);
    if (!std::isfinite(features(r, 0))) {
      throw InvalidArgument("logits", fmt::format("row {}: expected finite logits", r));
    }
    targets[r] = labels[static_cast<std::size_t>(r)] == 1
                     ? (ones + 1) / (ones + 2)
                     : 1 / (static_cast<double>(rows) - ones + 2);
  }
  return fit_logistic(features, targets);
}

/// With a and b at least 0: one that comes out negative is left out of another fit.
LogisticFit fit_beta(const Predictions& predictions, std::span<const std::int64_t> labels,
                     int threads) {
  check_two_classes(predictions, "beta");
  const std::vector<double> log_prob = log_probabilities(predictions, threads);
  const auto rows = static_cast<Eigen::Index>(labels.size());
  Eigen::MatrixXd features = Eigen::MatrixXd::Ones(rows, 3);
  Eigen::VectorXd targets(rows);
  for (Eigen::Index r = 0; r < rows; ++r) {
    const auto at = 2 * static_cast<std::size_t>(r);
    features(r, 0) = log_prob[at + 1];
    features(r, 1) = -log_prob[at];
    targets[r] = labels[static_cast<std::size_t>(r)] == 1 ? 1 : 0;
  }
  std::vector<Eigen::Index> kept = {0, 1, 2};
  for (;;) {
    LogisticFit fit = fit_logistic(features(Eigen::all, kept), targets);
    const auto negative = std::find_if(kept.begin(), kept.end(), [&](const Eigen::Index& column) {
      return column < 2 && fit.weights[&column - kept.data()] < 0;
    });
    if (fit.status != FitStatus::converged || negative == kept.end()) {
      Eigen::VectorXd weights = Eigen::VectorXd::Zero(3);
      weights(kept) = fit.weights;
      fit.weights = weights;
      return fit;
    }
    kept.erase(negative);
  }
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
      return "histogram";
    case CalibrationMethod::dirichlet:
      return "dirichlet";
    case CalibrationMethod::platt:
      return "platt";
    case CalibrationMethod::beta:
      return "beta";
    case CalibrationMethod::binned_temperature:
      break;
  }
  return "binned-temperature";
}

std::span<const CalibrationMethod> calibration_methods() {
  using enum CalibrationMethod;
  static constexpr CalibrationMethod kAll[] = {
      temperature, vector, matrix, isotonic, histogram, dirichlet, platt, beta, binned_temperature};
  return kAll;
}

Calibrator::Calibrator(std::size_t classes, Parameters parameters)
    : classes_(classes), parameters_(std::move(parameters)) {}

void read_row(const Predictions& predictions, std::size_t r, const Calibrator* calibrator,
              DistributionRow& row) {
  if (calibrator == nullptr) return row.read(predictions, r);
  std::visit(
      [&]<class P>(const P& parameters) {
        if constexpr (std::same_as<P, BinnedTemperature>) {
          row.read(predictions, r);
          const double by = parameters.of_entropy ? entropy_of(row) : predictions.by_of(r);
          scale_row(TemperatureScaling{parameters.at(by)}, row.log_prob());
          row.softmax();
        } else if constexpr (requires { parameters.curves; }) {
          row.read(predictions, r);
          map_row(parameters.curves, predictions.precision(), row);
        } else {
          kOfProbabilities<P> ? row.read(predictions, r) : row.read_logits(predictions, r);
          constexpr bool kFinite = !std::same_as<P, TemperatureScaling>;
          if (kOfProbabilities<P> || (kFinite && predictions.are_probabilities)) {
            row.clip_zeros(predictions.precision());
          }
          scale_row(parameters, row.log_prob());
          row.softmax();
        }
      },
      calibrator->parameters());
}

JudgedRow judge(const DistributionRow& row, std::int64_t label) {
  const auto p = row.probabilities();
  const auto log_prob = row.log_prob();
  const auto y = static_cast<std::size_t>(label);
  const std::size_t top = row.top();
  const auto padded = row.padded_probabilities();
  double squares = kernels::of<double>().sum_squares(padded.data(), padded.size());
  squares += (1 - p[y]) * (1 - p[y]) - p[y] * p[y];
  return {
      .confidence = p[top], .right = top == y ? 1.0 : 0.0, .nll = -log_prob[y], .brier = squares};
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
    read_row(predictions, r, this, row);
    const std::span<const double> result =
        predictions.are_probabilities ? row.probabilities() : row.log_prob();
    visit(out.dtype(), [&]<Element T>(T) {
      T* const to = out.row_data<T>(r);
      const std::ptrdiff_t stride = out.column_stride();
      for (std::size_t k = 0; k < result.size(); ++k) {
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
  return fit_calibrator(method, predictions, labels, Group::alone(), options, threads, progress);
}

CalibratorFit fit_calibrator(CalibrationMethod method, const Predictions& predictions,
                             std::span<const std::int64_t> labels, Group& group,
                             const CalibrationOptions& options, int threads,
                             const Progress& progress) {
  const std::size_t classes = predictions.rows.columns();
  if (group.size() > 1 && method != CalibrationMethod::temperature) {
    throw InvalidArgument("method", fmt::format("{} is for rows of one process: a temperature can "
                                                "be fitted to those of several",
                                                name_of(method)));
  }
  together(group, [&] {
    check_labels(predictions.rows, labels);
    if (classes < 2) {
      throw InvalidArgument("logits",
                            "1 class: every probability is 1, there is nothing to calibrate");
    }
  });
  const auto found = [&](const auto& fit, auto parameters) {
    CalibratorFit out{{fit.status, fit.iterations, fit.gradient_residual}, std::nullopt};
    if (fit.status == FitStatus::converged) out.calibrator.emplace(classes, std::move(parameters));
    return out;
  };
  switch (method) {
    case CalibrationMethod::temperature: {
      const LogitsOf logits(predictions, /*finite=*/false, threads);
      const TemperatureFit fit = fit_temperature(logits.rows(), labels, group, threads, progress);
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
      return found(
          FitReport{},
          HistogramBinning{fit_curves(predictions, labels, threads, [&](auto p, auto is_class) {
            return fit_binned(p, is_class, options, predictions.precision());
          })});
    case CalibrationMethod::dirichlet: {
      const std::vector<double> log_prob = log_probabilities(predictions, threads);
      LinearFit fit = fit_linear_scaling({log_prob.data(), labels.size(), classes}, labels,
                                         /*matrix=*/true, threads, progress, options.odir);
      return found(fit, DirichletCalibration{std::move(fit.weights), std::move(fit.bias)});
    }
    case CalibrationMethod::platt: {
      const LogisticFit fit = fit_platt(predictions, labels, threads);
      return found(fit, PlattScaling{fit.weights[0], fit.weights[1]});
    }
    case CalibrationMethod::beta: {
      const LogisticFit fit = fit_beta(predictions, labels, threads);
      return found(fit, BetaCalibration{fit.weights[0], fit.weights[1], fit.weights[2]});
    }
    case CalibrationMethod::binned_temperature:
      break;
  }
  BinnedTemperatureFit fit =
      fit_binned_temperature(predictions, labels, options.bins, threads, progress);
  return found(fit, std::move(fit.scaling));
}

}  // namespace partita
