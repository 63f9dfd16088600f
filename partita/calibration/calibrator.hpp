// SPDX-License-Identifier: Apache-2.0
// Calibrators: fitted on held-out logits and labels, stored as JSON, then applied to other logits
// of the same network.
//
//   auto fit = partita::fit_calibrator(partita::CalibrationMethod::temperature, logits, labels);
//   if (fit.calibrator) partita::write_file("calibrator.json", fit.calibrator->to_json());
//   else std::cerr << name_of(fit.report.status) << '\n';
//
//   auto calibrator = partita::Calibrator::from_json(partita::read_file("calibrator.json"), "…");
//   calibrator.transform(logits, {log_prob.data(), n, classes});
//
// All of them take probabilities, too, as they are: see predictions.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "partita/base/parallel.hpp"
#include "partita/base/progress.hpp"
#include "partita/base/rows.hpp"
#include "partita/calibration/binned_temperature.hpp"
#include "partita/calibration/bins.hpp"
#include "partita/calibration/isotonic.hpp"
#include "partita/calibration/linear_scaling.hpp"
#include "partita/calibration/predictions.hpp"
#include "partita/calibration/temperature.hpp"

namespace partita {

enum class CalibrationMethod : std::uint8_t {
  temperature,
  vector,
  matrix,
  isotonic,
  histogram,
  dirichlet,
  platt,  // of two classes, as beta
  beta,
  binned_temperature,
};

/// All of them, in this order.
std::span<const CalibrationMethod> calibration_methods();

/// "temperature", ...
std::string_view name_of(CalibrationMethod method);

/// softmax(z / temperature): see temperature.hpp.
struct TemperatureScaling {
  double temperature = 1;
};

/// softmax(weights * z + bias), element by element: see linear_scaling.hpp.
struct VectorScaling {
  std::vector<double> weights;
  std::vector<double> bias;
};

/// softmax(W z + bias).
struct MatrixScaling {
  std::vector<double> weights;  ///< [K, K]; row k yields logit k
  std::vector<double> bias;
};

/// A curve for each class, fitted one-vs-rest; the results are divided by their sum (Zadrozny
/// and Elkan 2002). Two classes have one curve, that of class 1. Where all are 0, every class gets
/// 1/K.
struct IsotonicCalibration {
  std::vector<IsotonicCurve> curves;
};

/// The share of a bin's rows that were right; an empty bin keeps its midpoint.
struct BinnedCurve {
  Bins bins;
  std::vector<double> values;

  /// @param precision that of p: see Bins::of
  double operator()(double p, DType precision = DType::f64) const {
    return values[bins.of(p, precision)];
  }
};

/// Like IsotonicCalibration, with step functions (Zadrozny and Elkan 2001).
struct HistogramBinning {
  std::vector<BinnedCurve> curves;
};

/// softmax(W log p + bias), p the softmax or the given probabilities (Kull et al., "Beyond
/// temperature scaling: obtaining well-calibrated multi-class probabilities with Dirichlet
/// calibration", NeurIPS 2019).
struct DirichletCalibration {
  std::vector<double> weights;  ///< [K, K]; row k yields logit k
  std::vector<double> bias;     ///< adding up to 0
};

/// Two classes: p_1 = 1 / (1 + exp(-slope s - intercept)), s = z_1 - z_0, fitted to targets that
/// leave room for doubt, (n_1 + 1) / (n_1 + 2) for the n_1 rows of class 1 and 1 / (n_0 + 2) for
/// the others (Platt, "Probabilistic outputs for support vector machines", 1999).
struct PlattScaling {
  double slope = 1;
  double intercept = 0;
};

/// Two classes: the logit of p_1 is a log p_1 - b log(1 - p_1) + c, with a and b not negative
/// (Kull, Silva Filho, Flach, "Beta calibration", AISTATS 2017).
struct BetaCalibration {
  double a = 1;
  double b = 1;
  double c = 0;
};

class Calibrator {
 public:
  using Parameters = std::variant<TemperatureScaling, VectorScaling, MatrixScaling,
                                  IsotonicCalibration, HistogramBinning, DirichletCalibration,
                                  PlattScaling, BetaCalibration, BinnedTemperature>;

  /// @param parameters in the order of CalibrationMethod, fit for `classes`
  Calibrator(std::size_t classes, Parameters parameters);

  CalibrationMethod method() const { return static_cast<CalibrationMethod>(parameters_.index()); }
  std::size_t classes() const { return classes_; }
  const Parameters& parameters() const { return parameters_; }

  /// Writes calibrated log-probabilities, -inf where a probability is 0; or, for probabilities,
  /// calibrated probabilities. To vector and matrix scaling, a probability of 0 is the distance
  /// from 1 to the next number of its precision, as it is to Dirichlet, Platt and beta. A binned
  /// temperature by numbers needs predictions.by.
  /// @param out same shape; may share their memory
  /// @throws InvalidArgument if shapes differ, the columns are not classes(), or a row is bad
  void transform(const Predictions& predictions, MutableRows out,
                 const RowOptions& options = {}) const;

  /// One JSON object; numbers keep all their digits.
  std::string to_json() const;
  /// @param name stands for the path in errors. @throws DataError for what to_json() did not write
  static Calibrator from_json(std::string_view text, std::string_view name);

 private:
  std::size_t classes_;
  Parameters parameters_;
};

/// How a fit went. Methods without a search take one iteration, and leave no gradient.
struct FitReport {
  FitStatus status = FitStatus::converged;
  int iterations = 1;
  double gradient_residual = 0;
};

struct CalibratorFit {
  FitReport report;
  std::optional<Calibrator> calibrator;  ///< none unless the fit converged
};

struct CalibrationOptions {
  std::size_t bins = 15;    ///< histogram binning, binned temperature: number of bins, >= 1
  bool equal_mass = false;  ///< histogram binning: bins hold equally many rows
  OdirPenalty odir = {.off_diagonal = 1, .intercept = 1};  ///< Dirichlet calibration
};

/// Fits any method. The result is the same for any number of threads. A probability of 0 is as in
/// Calibrator::transform.
/// @throws InvalidArgument as fit_temperature
CalibratorFit fit_calibrator(CalibrationMethod method, const Predictions& predictions,
                             std::span<const std::int64_t> labels,
                             const CalibrationOptions& options = {}, int threads = 1,
                             const Progress& progress = {});

/// A temperature for the rows of all ranks: see fit_temperature(). Other methods are for a group of
/// one.
/// @throws InvalidArgument on every rank
CalibratorFit fit_calibrator(CalibrationMethod method, const Predictions& own,
                             std::span<const std::int64_t> labels, Group& group,
                             const CalibrationOptions& options = {}, int threads = 1,
                             const Progress& progress = {});

}  // namespace partita
