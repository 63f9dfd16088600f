#include "partita/calibration/calibrator.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/calibration/internal/log_softmax_row.hpp"
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

/// Replaces log-probabilities by those that the curves give.
template <class Curves>
void map_row(const Curves& curves, std::span<const double> p, std::span<double> log_prob) {
  if (curves.size() == 1) {
    const double one = curves[0](p[1]);
    log_prob[0] = std::log(1 - one);
    log_prob[1] = std::log(one);
    return;
  }
  double total = 0;
  for (std::size_t k = 0; k < p.size(); ++k) total += log_prob[k] = curves[k](p[k]);
  for (double& value : log_prob) {
    value = total > 0 ? std::log(value / total) : -std::log(static_cast<double>(p.size()));
  }
}

/// The curve of each class, or of class 1 alone if there are two.
template <class Fit>
auto fit_curves(Rows logits, std::span<const std::int64_t> labels, int threads, const Fit& fit) {
  const std::size_t rows = logits.rows();
  const std::size_t classes = logits.columns();
  std::vector<double> p(rows * classes);  // by column: each class is fitted by itself
  for_each_row<LogSoftmaxRow>(rows, {.threads = threads},
                              [&](std::size_t r, LogSoftmaxRow& softmax) {
                                std::vector<double> row(classes);
                                RowReader<double>(logits, r).gather(0, 1, classes, row.data());
                                softmax(row);
                                for (std::size_t k = 0; k < classes; ++k)
                                  p[k * rows + r] = softmax.probabilities()[k];
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
                       const CalibrationOptions& options) {
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
    const std::size_t b = curve.bins.of(p[r]);
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

void Calibrator::transform_row(std::span<double> row) const {
  LogSoftmaxRow softmax;
  std::visit(
      [&]<class P>(const P& parameters) {
        if constexpr (requires { parameters.curves; }) {
          softmax(row);
          map_row(parameters.curves, softmax.probabilities(), row);
        } else {
          scale_row(parameters, row);
          softmax(row);
        }
      },
      parameters_);
}

void Calibrator::transform(Rows logits, MutableRows log_probabilities,
                           const RowOptions& options) const {
  check_size("logits", logits.columns(), classes_, "classes of the calibrator");
  if (logits.rows() != log_probabilities.rows() || log_probabilities.columns() != classes_) {
    throw InvalidArgument(
        "log_probabilities",
        fmt::format("expected the logits' shape [{}, {}], got [{}, {}]", logits.rows(), classes_,
                    log_probabilities.rows(), log_probabilities.columns()));
  }
  for_each_row<std::vector<double>>(
      logits.rows(), options, [&](std::size_t r, std::vector<double>& row) {
        row.resize(classes_);
        RowReader<double>(logits, r).gather(0, 1, classes_, row.data());
        transform_row(row);
        visit(log_probabilities.dtype(), [&]<Element T>(T) {
          T* const out = log_probabilities.row_data<T>(r);
          const std::ptrdiff_t stride = log_probabilities.column_stride();
          for (std::size_t k = 0; k < classes_; ++k) {
            using Rounded = std::conditional_t<std::same_as<T, double>, double, float>;
            out[static_cast<std::ptrdiff_t>(k) * stride] = T(static_cast<Rounded>(row[k]));
          }
        });
      });
}

CalibratorFit fit_calibrator(CalibrationMethod method, Rows logits,
                             std::span<const std::int64_t> labels,
                             const CalibrationOptions& options, int threads,
                             const Progress& progress) {
  check_labels(logits, labels);
  const std::size_t classes = logits.columns();
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
      const TemperatureFit fit = fit_temperature(logits, labels, threads, progress);
      return found(fit, TemperatureScaling{fit.temperature});
    }
    case CalibrationMethod::vector: {
      LinearFit fit = fit_linear_scaling(logits, labels, /*matrix=*/false, threads, progress);
      return found(fit, VectorScaling{std::move(fit.weights), std::move(fit.bias)});
    }
    case CalibrationMethod::matrix: {
      LinearFit fit = fit_linear_scaling(logits, labels, /*matrix=*/true, threads, progress);
      return found(fit, MatrixScaling{std::move(fit.weights), std::move(fit.bias)});
    }
    case CalibrationMethod::isotonic:
      return found(FitReport{},
                   IsotonicCalibration{fit_curves(logits, labels, threads, fit_isotonic)});
    case CalibrationMethod::histogram:
      break;
  }
  return found(FitReport{},
               HistogramBinning{fit_curves(logits, labels, threads, [&](auto p, auto is_class) {
                 return fit_binned(p, is_class, options);
               })});
}

}  // namespace partita
