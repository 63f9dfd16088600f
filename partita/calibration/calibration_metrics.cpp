// SPDX-License-Identifier: Apache-2.0
#include "partita/calibration/calibration_metrics.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "partita/calibration/bins.hpp"
#include "partita/calibration/internal/distribution_row.hpp"
#include "partita/calibration/internal/row_chunks.hpp"
#include "partita/softmax/internal/row_pass.hpp"

namespace partita {
namespace {

/// What the metrics of a row's prediction need.
struct Prediction : JudgedRow {
  std::size_t bin;  // of confidence, among those of equal width
};

/// Sums over the rows of a bin.
struct BinSum {
  double count = 0;
  double confidence = 0;
  double right = 0;

  void add(double weight, double conf, double is_right) {
    count += weight;
    confidence += weight * conf;
    right += weight * is_right;
  }
  BinSum& operator+=(const BinSum& other) {
    add(1, other.confidence, other.right);
    count += other.count - 1;
    return *this;
  }
  /// n_b |acc_b - conf_b|
  double gap() const { return std::abs(right - confidence); }
};

/// The bins of each class, [K, bins].
struct ClassBins {
  std::vector<BinSum> sums;

  ClassBins& operator+=(const ClassBins& other) {
    for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += other.sums[i];
    return *this;
  }
};

/// Everything about the rows: predictions sorted by confidence, and classwise_ece.
struct Pass {
  std::vector<Prediction> predictions;
  double classwise_ece = 0;
};

Pass pass_over(const Predictions& predictions, std::span<const std::int64_t> labels,
               std::size_t bin_count, const Calibrator* calibrator, int threads) {
  const std::size_t rows = predictions.rows.rows();
  const std::size_t classes = predictions.rows.columns();
  const DType precision = calibrator != nullptr ? DType::f64 : predictions.precision();
  const Bins bins = equal_width_bins(bin_count);
  Pass pass;
  pass.predictions.resize(rows);
  const ClassBins zero{std::vector<BinSum>(classes * bins.size())};
  constexpr std::size_t kChunks = 64;  // each has its own bins of all classes
  const ClassBins total = sum_over_rows<ClassBins>(
      rows, threads,
      [&](std::size_t r, ClassBins& sum) {
        DistributionRow row;
        try {
          read_row(predictions, r, calibrator, row);
        } catch (const InvalidArgument& error) {
          throw InvalidArgument(error.argument(),
                                "row " + std::to_string(r) + ": " + error.reason());
        }
        const auto p = row.probabilities();
        const auto label = static_cast<std::size_t>(labels[r]);
        const JudgedRow judged = judge(row, labels[r]);
        pass.predictions[r] = {judged, bins.of(judged.confidence, precision)};
        for (std::size_t k = 0; k < classes; ++k) {
          sum.sums[k * bins.size() + bins.of(p[k], precision)].add(1, p[k], k == label ? 1 : 0);
        }
      },
      zero, std::max<std::size_t>(256, (rows + kChunks - 1) / kChunks));
  for (const BinSum& sum : total.sums) pass.classwise_ece += sum.gap();
  pass.classwise_ece /= static_cast<double>(rows) * static_cast<double>(classes);
  std::sort(pass.predictions.begin(), pass.predictions.end(), [](const auto& a, const auto& b) {
    return a.confidence < b.confidence || (a.confidence == b.confidence && a.right < b.right);
  });
  return pass;
}

/// The sums of bins of equal width, each row counted `count(i)` times.
template <class Count>
std::vector<BinSum> sum_equal_width(std::span<const Prediction> sorted, std::size_t bins,
                                    const Count& count) {
  std::vector<BinSum> sums(bins);
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    sums[sorted[i].bin].add(count(i), sorted[i].confidence, sorted[i].right);
  }
  return sums;
}

/// Bins of equal mass of the rows as they are counted: see equal_mass_bins.
template <class Count>
std::vector<BinSum> sum_equal_mass(std::span<const Prediction> sorted, std::size_t bins,
                                   const Count& count) {
  std::vector<BinSum> sums(bins);
  const std::size_t n = sorted.size();
  std::size_t b = 0;
  std::size_t seen = 0;  // how many rows come before
  double last = -1;
  for (std::size_t i = 0; i < n; ++i) {
    const auto weight = static_cast<std::size_t>(count(i));
    if (weight == 0) continue;
    // The bin ends with the value of rank ceil(n (b + 1) / bins).
    if (sorted[i].confidence != last) {
      while (b + 1 < bins && seen >= (n * (b + 1) + bins - 1) / bins) ++b;
    }
    last = sorted[i].confidence;
    sums[b].add(static_cast<double>(weight), last, sorted[i].right);
    seen += weight;
  }
  return sums;
}

double ece_of(std::span<const BinSum> sums, double rows) {
  double total = 0;
  for (const BinSum& sum : sums) total += sum.gap();
  return total / rows;
}

double mce_of(std::span<const BinSum> sums) {
  double most = 0;
  for (const BinSum& sum : sums) {
    if (sum.count > 0) most = std::max(most, sum.gap() / sum.count);
  }
  return most;
}

double debiased_ece_of(std::span<const BinSum> sums, double rows) {
  double total = 0;
  for (const BinSum& sum : sums) {
    if (sum.count < 2) continue;
    const double accuracy = sum.right / sum.count;
    const double gap = sum.gap() / sum.count;
    total += sum.count * (gap * gap - accuracy * (1 - accuracy) / (sum.count - 1));
  }
  return std::sqrt(std::max(0.0, total / rows));
}

/// The rows to measure, each counted once or as often as a resample has it.
class Measured {
 public:
  Measured(const Predictions& predictions, std::span<const std::int64_t> labels,
           const CalibrationBins& options, const Calibrator* calibrator, int threads)
      : options_(options),
        pass_(pass_over(predictions, labels, options.bins, calibrator, threads)) {
    std::vector<double> confidences;
    for (const Prediction& row : pass_.predictions) confidences.push_back(row.confidence);
    bins_ = options.equal_mass ? equal_mass_bins(confidences, options.bins)
                               : equal_width_bins(options.bins);
  }

  std::size_t rows() const { return pass_.predictions.size(); }
  std::size_t bins() const { return bins_.size(); }

  /// All metrics but classwise_ece, and the sums of each bin of the diagram.
  template <class Count>
  std::vector<BinSum> measure(const Count& count, CalibrationMetrics& out) const {
    const std::span<const Prediction> sorted = pass_.predictions;
    const auto rows = static_cast<double>(sorted.size());
    double nll = 0;
    double brier = 0;
    for (std::size_t i = 0; i < sorted.size(); ++i) {
      const double weight = count(i);
      if (weight > 0) nll += weight * sorted[i].nll;
      brier += weight * sorted[i].brier;
    }
    const auto mass = sum_equal_mass(sorted, options_.bins, count);
    const auto sums = options_.equal_mass ? mass : sum_equal_width(sorted, bins_.size(), count);
    BinSum all;
    for (const BinSum& sum : sums) all += sum;
    out.accuracy = all.right / rows;
    out.confidence = all.confidence / rows;
    out.nll = nll / rows;
    out.ece = ece_of(sums, rows);
    out.mce = mce_of(sums);
    out.adaptive_ece = ece_of(mass, rows);
    out.debiased_ece = debiased_ece_of(sums, rows);
    out.brier = brier / rows;
    return sums;
  }

  CalibrationEvaluation evaluate() const {
    CalibrationEvaluation out{};
    out.metrics.classwise_ece = pass_.classwise_ece;
    for (const BinSum& sum : measure([](std::size_t) { return 1.0; }, out.metrics)) {
      const std::size_t b = out.bins.size();
      out.bins.push_back({bins_.lower(b), bins_.upper[b], static_cast<std::size_t>(sum.count),
                          sum.confidence / sum.count, sum.right / sum.count, std::nullopt});
    }
    return out;
  }

 private:
  CalibrationBins options_;
  Pass pass_;
  Bins bins_;
};

}  // namespace

CalibrationEvaluation evaluate_calibration(const Predictions& predictions,
                                           std::span<const std::int64_t> labels,
                                           const CalibrationBins& bins,
                                           const Calibrator* calibrator, int threads) {
  check_labels(predictions.rows, labels);
  return Measured(predictions, labels, bins, calibrator, threads).evaluate();
}

CalibrationEvaluation evaluate_calibration(const Predictions& predictions,
                                           std::span<const std::int64_t> labels,
                                           const Stream& stream, const BootstrapOptions& options,
                                           const CalibrationBins& bins,
                                           const Calibrator* calibrator) {
  check_labels(predictions.rows, labels);
  options.check();
  const Measured measured(predictions, labels, bins, calibrator, options.threads);
  CalibrationEvaluation out = measured.evaluate();
  constexpr std::size_t kMetrics = 8;
  const auto statistic = [&](std::span<const std::uint32_t> counts, std::span<double> to) {
    CalibrationMetrics m{};
    const auto sums =
        measured.measure([&](std::size_t i) { return static_cast<double>(counts[i]); }, m);
    const double metrics[] = {m.accuracy, m.confidence,   m.nll,   m.ece,
                              m.mce,      m.adaptive_ece, m.brier, m.debiased_ece};
    std::copy(std::begin(metrics), std::end(metrics), to.begin());
    for (std::size_t b = 0; b < sums.size(); ++b) to[kMetrics + b] = sums[b].right / sums[b].count;
  };
  const auto intervals =
      bootstrap(measured.rows(), kMetrics + measured.bins(), statistic, stream, options);
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  out.intervals = {.accuracy = intervals[0],
                   .confidence = intervals[1],
                   .nll = intervals[2],
                   .ece = intervals[3],
                   .mce = intervals[4],
                   .classwise_ece = {kNone, kNone},
                   .adaptive_ece = intervals[5],
                   .brier = intervals[6],
                   .debiased_ece = intervals[7]};
  for (std::size_t b = 0; b < out.bins.size(); ++b) {
    if (out.bins[b].count > 0) out.bins[b].accuracy_interval = intervals[kMetrics + b];
  }
  return out;
}

}  // namespace partita
