// SPDX-License-Identifier: Apache-2.0
#include "partita/calibration/compare_calibrators.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "partita/base/internal/check.hpp"
#include "partita/calibration/internal/distribution_row.hpp"
#include "partita/calibration/internal/labeled_rows.hpp"
#include "partita/random/shuffle.hpp"

namespace partita {

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

/// What is said of each row by a calibrator that has not seen it.
struct HeldOut {
  ComparedCalibrator result;
  std::vector<double> nll;
  std::vector<double> brier;
  Confidences confidences;
};

/// The rows of each fold, in an order of chance: every folds-th of them.
std::vector<std::vector<std::size_t>> deal(std::size_t rows, std::size_t folds,
                                           const Stream& stream) {
  std::vector<std::size_t> order(rows);
  std::iota(order.begin(), order.end(), std::size_t{0});
  shuffle(order, stream);
  std::vector<std::vector<std::size_t>> out(folds);
  for (std::size_t i = 0; i < rows; ++i) out[i % folds].push_back(order[i]);
  return out;
}

/// Judges some of the rows.
void judge_rows(const Predictions& predictions, std::span<const std::int64_t> labels,
                std::span<const std::size_t> rows, const Calibrator* calibrator, int threads,
                HeldOut& to) {
  for_each_row<DistributionRow>(rows.size(), {.threads = threads},
                                [&](std::size_t i, DistributionRow& row) {
                                  const std::size_t r = rows[i];
                                  read_row(predictions, r, calibrator, row);
                                  const JudgedRow judged = judge(row, labels[r]);
                                  to.nll[r] = judged.nll;
                                  to.brier[r] = judged.brier;
                                  to.confidences.confidence[r] = std::min(1.0, judged.confidence);
                                  to.confidences.right[r] = static_cast<std::uint8_t>(judged.right);
                                });
}

/// Whether a method takes so many classes, and logits that may be -inf.
bool suits(CalibrationMethod method, std::size_t classes, bool finite) {
  using enum CalibrationMethod;
  if ((method == platt || method == beta) && classes != 2) return false;
  return finite || !(method == vector || method == matrix || method == platt);
}

bool all_finite(Rows rows) {
  for (std::size_t r = 0; r < rows.rows(); ++r) {
    for (std::size_t c = 0; c < rows.columns(); ++c) {
      if (!std::isfinite(RowReader<double>(rows, r).at(c))) return false;
    }
  }
  return true;
}

double mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

}  // namespace

std::vector<ComparedCalibrator> compare_calibrators(const Predictions& predictions,
                                                    std::span<const std::int64_t> labels,
                                                    const Stream& stream,
                                                    const CompareCalibratorsOptions& options) {
  check_labels(predictions.rows, labels);
  const std::size_t n = labels.size();
  check_between("folds", options.folds, 2, n, "rows");
  options.bootstrap.check();
  const int threads = options.bootstrap.threads;
  std::vector<HeldOut> all;
  const auto add = [&](std::optional<CalibrationMethod> method) {
    all.push_back({{.method = method},
                   std::vector<double>(n),
                   std::vector<double>(n),
                   {std::vector<double>(n), std::vector<std::uint8_t>(n)}});
  };
  add(std::nullopt);
  std::vector<std::size_t> every(n);
  std::iota(every.begin(), every.end(), std::size_t{0});
  judge_rows(predictions, labels, every, nullptr, threads, all.front());
  const bool finite = predictions.are_probabilities || all_finite(predictions.rows);
  for (const CalibrationMethod method : options.methods) {
    if (suits(method, predictions.rows.columns(), finite)) add(method);
  }

  const auto folds = deal(n, options.folds, stream.child(0));
  for (const auto& held_out : folds) {
    std::vector<std::size_t> others;
    for (const auto& fold : folds) {
      if (&fold != &held_out) others.insert(others.end(), fold.begin(), fold.end());
    }
    const LabeledRows training = copy_rows(predictions, labels, others);
    for (HeldOut& each : all) {
      if (!each.result.method || each.result.status != FitStatus::converged) continue;
      const CalibratorFit fit = fit_calibrator(*each.result.method, training.predictions,
                                               training.labels, options.calibration, threads);
      each.result.status = fit.report.status;
      if (!fit.calibrator) continue;
      judge_rows(predictions, labels, held_out, &*fit.calibrator, threads, each);
    }
  }

  for (HeldOut& each : all) {
    const bool fitted = each.result.status == FitStatus::converged;
    each.result.nll = fitted ? mean(each.nll) : kNan;
    each.result.brier = fitted ? mean(each.brier) : kNan;
    each.result.ece = fitted ? smooth_ece(each.confidences).value : kNan;
  }
  std::stable_sort(all.begin(), all.end(), [](const HeldOut& a, const HeldOut& b) {
    const auto last = [](const HeldOut& each) { return std::isnan(each.result.nll); };
    return last(a) != last(b) ? last(b) : a.result.nll < b.result.nll;
  });
  const std::vector<double>& best = all.front().nll;
  const auto over_best = [&](std::span<const std::uint32_t> counts, std::span<double> out) {
    for (std::size_t m = 0; m < all.size(); ++m) {
      double sum = 0;
      for (std::size_t r = 0; r < n; ++r) {
        if (counts[r] > 0) sum += counts[r] * (all[m].nll[r] - best[r]);
      }
      out[m] = all[m].result.status == FitStatus::converged ? sum / static_cast<double>(n) : kNan;
    }
  };
  const auto intervals = bootstrap(n, all.size(), over_best, stream.child(1), options.bootstrap);
  std::vector<ComparedCalibrator> result;
  for (std::size_t m = 0; m < all.size(); ++m) {
    result.push_back(all[m].result);
    result.back().nll_over_best = intervals[m];
  }
  return result;
}

}  // namespace partita
