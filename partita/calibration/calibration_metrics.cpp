// SPDX-License-Identifier: Apache-2.0
#include "partita/calibration/calibration_metrics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "partita/base/internal/check.hpp"
#include "partita/base/internal/over_ranks.hpp"
#include "partita/calibration/bins.hpp"
#include "partita/calibration/internal/distribution_row.hpp"
#include "partita/calibration/internal/judged_rows.hpp"
#include "partita/calibration/internal/row_chunks.hpp"
#include "partita/softmax/internal/row_pass.hpp"

namespace partita {
namespace {

/// From so many rows on, intervals are of groups.
constexpr std::size_t kGroupedRows = 20'000;

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

/// The sums of the bins of each class: of probabilities, and of rows that have its label.
class ClassBins {
 public:
  ClassBins(const Bins& bins, std::size_t classes, DType precision)
      : bins_(&bins),
        precision_(precision),
        classes_(classes),
        right_(bins.size() * classes),
        sums_(2 * right_) {}

  void add(std::span<const double> p, std::size_t label) {
    // Most probabilities are in the first bin, well below its edge: no search for those.
    const double low = 0.9 * bins_->upper[0];
    for (std::size_t k = 0; k < classes_; ++k) sums_[k] += p[k] <= low ? p[k] : 0;
    for (std::size_t k = 0; k < classes_; ++k) {
      if (p[k] > low) sums_[at(p[k], k)] += p[k];
    }
    sums_[right_ + at(p[label], label)] += 1;
  }

  ClassBins& operator+=(const ClassBins& other) {
    for (std::size_t i = 0; i < sums_.size(); ++i) sums_[i] += other.sums_[i];
    return *this;
  }

  void add_up(Group& group) { group.all_reduce(sums_, Reduction::sum); }

  /// Over all classes and bins: n_b |share of label k - mean p_k|.
  double total_gap() const {
    double total = 0;
    for (std::size_t k = 0; k < classes_; ++k) {
      for (std::size_t i = k; i < right_; i += classes_) {
        total += std::abs(sums_[right_ + i] - sums_[i]);
      }
    }
    return total;
  }

 private:
  std::size_t at(double p, std::size_t k) const { return bins_->of(p, precision_) * classes_ + k; }

  const Bins* bins_;
  DType precision_;
  std::size_t classes_;
  std::size_t right_;         // where the counts of rows begin
  std::vector<double> sums_;  // [2, bins, K]
};

/// Everything about the rows: this rank's predictions sorted by confidence, and of all ranks how
/// many they are and classwise_ece.
struct Pass {
  std::vector<Prediction> predictions;
  std::uint64_t rows = 0;
  double classwise_ece = 0;
};

Pass pass_over(const Predictions& predictions, std::span<const std::int64_t> labels,
               std::size_t bin_count, const Calibrator* calibrator, Group& group, int threads) {
  const std::size_t rows = predictions.rows.rows();
  const std::size_t classes = predictions.rows.columns();
  const DType precision = calibrator != nullptr ? DType::f64 : predictions.precision();
  const Bins bins = equal_width_bins(bin_count);
  Pass pass;
  pass.predictions.resize(rows);
  const ClassBins zero(bins, classes, precision);
  constexpr std::size_t kChunks = 64;  // each has its own bins of all classes
  ClassBins total = zero;
  together(group, [&] {
    total = sum_over_rows<ClassBins>(
        rows, threads,
        [&](std::size_t r, ClassBins& sum) {
          DistributionRow row;
          try {
            read_row(predictions, r, calibrator, row);
          } catch (const InvalidArgument& error) {
            throw InvalidArgument(error.argument(),
                                  "row " + std::to_string(r) + ": " + error.reason());
          }
          const JudgedRow judged = judge(row, labels[r]);
          pass.predictions[r] = {judged, bins.of(judged.confidence, precision)};
          sum.add(row.probabilities(), static_cast<std::size_t>(labels[r]));
        },
        zero, std::max<std::size_t>(256, (rows + kChunks - 1) / kChunks));
  });
  total.add_up(group);
  auto all = static_cast<double>(rows);
  group.all_reduce({&all, 1}, Reduction::sum);
  pass.rows = static_cast<std::uint64_t>(all);
  pass.classwise_ece = total.total_gap() / (all * static_cast<double>(classes));
  pass.predictions = sorted(pass.predictions);
  return pass;
}

/// The sums of bins, each row counted `count(i)` times.
template <class Bin, class Count>
std::vector<BinSum> sum_bins(std::span<const Prediction> sorted, std::size_t bins,
                             const Bin& bin_of, const Count& count) {
  std::vector<BinSum> sums(bins);
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    sums[bin_of(sorted[i])].add(count(i), sorted[i].confidence, sorted[i].right);
  }
  return sums;
}

/// Bins of equal mass of the rows as they are counted, n in all: see equal_mass_bins.
template <class Count>
std::vector<BinSum> sum_equal_mass(std::span<const Prediction> sorted, std::size_t n,
                                   std::size_t bins, const Count& count) {
  std::vector<BinSum> sums(bins);
  std::size_t b = 0;
  std::size_t seen = 0;  // how many rows come before
  double last = -1;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
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

/// What the metrics but classwise_ece are made of.
struct Totals {
  double nll = 0;
  double brier = 0;
  std::vector<BinSum> diagram;
  std::vector<BinSum> equal_mass;

  void add_up(Group& group) {
    std::vector<double*> parts = {&nll, &brier};
    for (auto* const sums : {&diagram, &equal_mass}) {
      for (BinSum& sum : *sums) {
        parts.insert(parts.end(), {&sum.count, &sum.confidence, &sum.right});
      }
    }
    std::vector<double> numbers;
    for (const double* part : parts) numbers.push_back(*part);
    group.all_reduce(numbers, Reduction::sum);
    for (std::size_t i = 0; i < parts.size(); ++i) *parts[i] = numbers[i];
  }

  CalibrationMetrics metrics(double rows) const {
    BinSum all;
    for (const BinSum& sum : diagram) all += sum;
    CalibrationMetrics out{};
    out.accuracy = all.right / rows;
    out.confidence = all.confidence / rows;
    out.nll = nll / rows;
    out.ece = ece_of(diagram, rows);
    out.mce = mce_of(diagram);
    out.adaptive_ece = ece_of(equal_mass, rows);
    out.debiased_ece = debiased_ece_of(diagram, rows);
    out.brier = brier / rows;
    return out;
  }
};

/// The rows to measure, each counted once or as often as a resample has it.
class Measured {
 public:
  Measured(const Predictions& predictions, std::span<const std::int64_t> labels,
           const CalibrationBins& options, const Calibrator* calibrator, Group& group, int threads)
      : options_(options),
        group_(group),
        pass_(pass_over(predictions, labels, options.bins, calibrator, group, threads)) {
    std::vector<double> confidences;
    for (const Prediction& row : pass_.predictions) confidences.push_back(row.confidence);
    std::vector<std::uint64_t> ends;
    for (std::size_t b = 1; b < options.bins; ++b) {  // as equal_mass_bins()
      ends.push_back((pass_.rows * b + options.bins - 1) / options.bins);
    }
    equal_mass_.upper = order_statistics(confidences, ends, group);
    equal_mass_.upper.push_back(1);
  }

  std::span<const Prediction> rows() const { return pass_.predictions; }
  std::size_t bins() const { return options_.bins; }

  /// @param sorted rows() or groups of them
  /// @param count  of each; all of them make rows().size()
  Totals resampled(std::span<const Prediction> sorted,
                   std::span<const std::uint32_t> counts) const {
    const auto count = [&](std::size_t i) { return static_cast<double>(counts[i]); };
    return totals(sorted, count, sum_equal_mass(sorted, rows().size(), bins(), count));
  }

  CalibrationEvaluation evaluate() const {
    const auto once = [](std::size_t) { return 1.0; };
    const auto by_mass = [&](const Prediction& row) {
      const auto& upper = equal_mass_.upper;  // what rounding put above 1 is in the last bin
      return static_cast<std::size_t>(
          std::lower_bound(upper.begin(), upper.end() - 1, row.confidence) - upper.begin());
    };
    Totals all = totals(rows(), once, sum_bins(rows(), bins(), by_mass, once));
    all.add_up(group_);
    CalibrationEvaluation out{};
    out.metrics = all.metrics(static_cast<double>(pass_.rows));
    out.metrics.classwise_ece = pass_.classwise_ece;
    const Bins edges = options_.equal_mass ? equal_mass_ : equal_width_bins(bins());
    for (const BinSum& sum : all.diagram) {
      const std::size_t b = out.bins.size();
      out.bins.push_back({edges.lower(b), edges.upper[b], static_cast<std::size_t>(sum.count),
                          sum.confidence / sum.count, sum.right / sum.count, std::nullopt});
    }
    return out;
  }

 private:
  template <class Count>
  Totals totals(std::span<const Prediction> sorted, const Count& count,
                std::vector<BinSum> equal_mass) const {
    Totals out;
    for (std::size_t i = 0; i < sorted.size(); ++i) {
      const double weight = count(i);
      if (weight > 0) out.nll += weight * sorted[i].nll;
      out.brier += weight * sorted[i].brier;
    }
    const auto by_width = [](const Prediction& row) { return row.bin; };
    out.diagram = options_.equal_mass ? equal_mass : sum_bins(sorted, bins(), by_width, count);
    out.equal_mass = std::move(equal_mass);
    return out;
  }

  CalibrationBins options_;
  Group& group_;
  Pass pass_;
  Bins equal_mass_;
};

}  // namespace

CalibrationEvaluation evaluate_calibration(const Predictions& predictions,
                                           std::span<const std::int64_t> labels,
                                           const CalibrationBins& bins,
                                           const Calibrator* calibrator, int threads) {
  return evaluate_calibration(predictions, labels, Group::alone(), bins, calibrator, threads);
}

CalibrationEvaluation evaluate_calibration(const Predictions& own,
                                           std::span<const std::int64_t> labels, Group& group,
                                           const CalibrationBins& bins,
                                           const Calibrator* calibrator, int threads) {
  together(group, [&] {
    check_labels(own.rows, labels);
    check_at_least("bins", bins.bins, 1);
  });
  check_same(group, "logits", fmt::format("{} classes in {} bins", own.rows.columns(), bins.bins));
  return Measured(own, labels, bins, calibrator, group, threads).evaluate();
}

CalibrationEvaluation evaluate_calibration(const Predictions& predictions,
                                           std::span<const std::int64_t> labels,
                                           const Stream& stream, const BootstrapOptions& options,
                                           const CalibrationBins& bins,
                                           const Calibrator* calibrator) {
  check_labels(predictions.rows, labels);
  check_at_least("bins", bins.bins, 1);
  options.check();
  const Measured measured(predictions, labels, bins, calibrator, Group::alone(), options.threads);
  CalibrationEvaluation out = measured.evaluate();
  constexpr std::size_t kMetrics = 8;
  const auto write = [&](std::span<const Prediction> rows, std::span<const std::uint32_t> counts,
                         std::span<double> to) {
    const Totals totals = measured.resampled(rows, counts);
    const CalibrationMetrics m = totals.metrics(static_cast<double>(measured.rows().size()));
    const double metrics[] = {m.accuracy, m.confidence,   m.nll,   m.ece,
                              m.mce,      m.adaptive_ece, m.brier, m.debiased_ece};
    std::copy(std::begin(metrics), std::end(metrics), to.begin());
    for (std::size_t b = 0; b < totals.diagram.size(); ++b) {
      to[kMetrics + b] = totals.diagram[b].right / totals.diagram[b].count;
    }
  };
  const std::size_t outputs = kMetrics + measured.bins();
  const std::span<const Prediction> rows = measured.rows();
  std::vector<Interval> intervals;
  if (rows.size() < kGroupedRows) {
    intervals = bootstrap(
        rows.size(), outputs, [&](auto counts, auto to) { write(rows, counts, to); }, stream,
        options);
  } else {
    const RowGroups groups(rows);
    const auto n = static_cast<double>(rows.size());
    // The deviation of a mean over a resample, from what its groups vary inside.
    const auto deviation = [&](std::span<const std::uint32_t> counts,
                               const std::vector<double>& variance) {
      return std::sqrt(std::inner_product(counts.begin(), counts.end(), variance.begin(), 0.0)) / n;
    };
    intervals = bootstrap_groups(
        groups.sizes, outputs,
        [&](auto counts, Draws& draws, auto to) {
          write(groups.means, counts, to);
          to[2] += deviation(counts, groups.nll_variance) * draws.normal();
          to[6] += deviation(counts, groups.brier_variance) * draws.normal();
        },
        stream, options);
  }
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
