// SPDX-License-Identifier: Apache-2.0
#include "partita/calibration/calibration_metrics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>
#include <utility>

#include "partita/base/internal/check.hpp"
#include "partita/base/internal/over_ranks.hpp"
#include "partita/calibration/bins.hpp"
#include "partita/calibration/internal/bin_sums.hpp"
#include "partita/calibration/internal/distribution_row.hpp"
#include "partita/calibration/internal/judged_rows.hpp"
#include "partita/calibration/internal/row_chunks.hpp"
#include "partita/softmax/internal/row_pass.hpp"

namespace partita {
namespace {

/// From so many rows on, intervals are of groups.
constexpr std::size_t kGroupedRows = 20'000;

/// The sums of the bins of each class: of probabilities, and of rows that have its label.
class ClassBins {
 public:
  ClassBins(const Bins& bins, std::size_t classes, DType precision)
      : bins_(&bins),
        precision_(precision),
        stride_(kernels::round_up(classes, kernels::kLanes)),
        right_(bins.size() * stride_),
        sums_(2 * right_),
        above_(stride_ / kernels::kLanes) {}

  void add(const DistributionRow& row, std::size_t label) {
    // Most probabilities are in the first bin, well below its edge: no search for those.
    const auto p = row.padded_probabilities();
    kernels::of<double>().add_up_to(p.data(), p.size(), 0.9 * bins_->upper[0], sums_.data(),
                                    above_.data());
    for (std::size_t g = 0; g < above_.size(); ++g) {
      for (unsigned bits = above_[g]; bits != 0; bits &= bits - 1) {
        const std::size_t k =
            g * kernels::kLanes + static_cast<std::size_t>(std::countr_zero(bits));
        sums_[at(p[k], k)] += p[k];
      }
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
    for (std::size_t k = 0; k < stride_; ++k) {
      for (std::size_t i = k; i < right_; i += stride_) {
        total += std::abs(sums_[right_ + i] - sums_[i]);
      }
    }
    return total;
  }

 private:
  std::size_t at(double p, std::size_t k) const { return bins_->of(p, precision_) * stride_ + k; }

  const Bins* bins_;
  DType precision_;
  std::size_t stride_;        // classes, and none up to a multiple of kLanes
  std::size_t right_;         // where the counts of rows begin
  std::vector<double> sums_;  // [2, bins, stride]
  std::vector<std::uint16_t> above_;
};

/// Everything about the rows: this rank's predictions sorted by confidence, and of all ranks how
/// many they are and classwise_ece.
struct Pass {
  std::vector<JudgedRow> predictions;
  std::vector<std::size_t> bin_ends;  // of equal width, among the predictions
  std::uint64_t rows = 0;
  double classwise_ece = 0;
};

/// How many of the first rows belong, of which none that does comes after one that does not.
template <class Belongs>
std::size_t end_of(std::span<const JudgedRow> sorted, const Belongs& belongs) {
  return static_cast<std::size_t>(std::partition_point(sorted.begin(), sorted.end(), belongs) -
                                  sorted.begin());
}

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
        [&, row = DistributionRow()](std::size_t r, ClassBins& sum) mutable {
          try {
            read_row(predictions, r, calibrator, row);
          } catch (const InvalidArgument& error) {
            throw InvalidArgument(error.argument(),
                                  "row " + std::to_string(r) + ": " + error.reason());
          }
          pass.predictions[r] = judge(row, labels[r]);
          sum.add(row, static_cast<std::size_t>(labels[r]));
        },
        zero, std::max<std::size_t>(256, (rows + kChunks - 1) / kChunks));
  });
  total.add_up(group);
  auto all = static_cast<double>(rows);
  group.all_reduce({&all, 1}, Reduction::sum);
  pass.rows = static_cast<std::uint64_t>(all);
  pass.classwise_ece = total.total_gap() / (all * static_cast<double>(classes));
  pass.predictions = sorted(pass.predictions);
  for (std::size_t b = 0; b < bins.size(); ++b) {
    pass.bin_ends.push_back(end_of(pass.predictions, [&](const JudgedRow& row) {
      return bins.of(row.confidence, precision) <= b;
    }));
  }
  return pass;
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
    confidences.reserve(rows().size());
    for (const JudgedRow& row : rows()) confidences.push_back(row.confidence);
    std::vector<std::uint64_t> ends;
    for (std::size_t b = 1; b < options.bins; ++b) {  // as equal_mass_bins()
      ends.push_back((pass_.rows * b + options.bins - 1) / options.bins);
    }
    equal_mass_.upper = order_statistics(confidences, ends, group);
    equal_mass_.upper.push_back(1);
  }

  std::span<const JudgedRow> rows() const { return pass_.predictions; }
  /// Where those of each bin of equal width end.
  std::span<const std::size_t> bin_ends() const { return pass_.bin_ends; }
  std::size_t bins() const { return options_.bins; }

  /// Each of rows() as often as it is counted; all counts make rows().size().
  Totals resampled(std::span<const std::uint32_t> counts) const {
    const auto count = [&](std::size_t i) { return static_cast<double>(counts[i]); };
    return totals(rows(), bin_ends(), count, sum_equal_mass(rows(), rows().size(), bins(), count));
  }
  /// The same of groups of them.
  Totals resampled(const RowGroups& groups, std::span<const std::uint32_t> counts) const {
    const auto count = [&](std::size_t i) { return static_cast<double>(counts[i]); };
    return totals(groups.means, groups.bin_ends, count,
                  sum_equal_mass(groups, rows().size(), bins(), counts));
  }

  CalibrationEvaluation evaluate() const {
    const auto once = [](std::size_t) { return 1.0; };
    std::vector<std::size_t> mass_ends;
    for (const double upper : equal_mass_.upper) {
      mass_ends.push_back(
          end_of(rows(), [&](const JudgedRow& row) { return row.confidence <= upper; }));
    }
    mass_ends.back() = rows().size();  // what rounding put above 1 is in the last bin
    Totals all = totals(rows(), bin_ends(), once, sum_bins(rows(), mass_ends, once));
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
  Totals totals(std::span<const JudgedRow> sorted, std::span<const std::size_t> ends,
                const Count& count, std::vector<BinSum> equal_mass) const {
    Totals out;
    for (std::size_t i = 0; i < sorted.size(); ++i) {
      const double weight = count(i);
      if (weight > 0) out.nll += weight * sorted[i].nll;
      out.brier += weight * sorted[i].brier;
    }
    out.diagram = options_.equal_mass ? equal_mass : sum_bins(sorted, ends, count);
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
  const auto write = [&](const Totals& totals, std::span<double> to) {
    const CalibrationMetrics m = totals.metrics(static_cast<double>(measured.rows().size()));
    const double metrics[] = {m.accuracy, m.confidence,   m.nll,   m.ece,
                              m.mce,      m.adaptive_ece, m.brier, m.debiased_ece};
    std::copy(std::begin(metrics), std::end(metrics), to.begin());
    for (std::size_t b = 0; b < totals.diagram.size(); ++b) {
      to[kMetrics + b] = totals.diagram[b].right / totals.diagram[b].count;
    }
  };
  const std::size_t outputs = kMetrics + measured.bins();
  const std::span<const JudgedRow> rows = measured.rows();
  std::vector<Interval> intervals;
  if (rows.size() < kGroupedRows) {
    intervals = bootstrap(
        rows.size(), outputs, [&](auto counts, auto to) { write(measured.resampled(counts), to); },
        stream, options);
  } else {
    const RowGroups groups(rows, measured.bin_ends());
    const auto n = static_cast<double>(rows.size());
    // The deviation of a mean over a resample, from what its groups vary inside.
    const auto deviation = [&](std::span<const std::uint32_t> counts,
                               const std::vector<double>& variance) {
      return std::sqrt(std::inner_product(counts.begin(), counts.end(), variance.begin(), 0.0)) / n;
    };
    intervals = bootstrap_groups(
        groups.sizes, outputs,
        [&](auto counts, Draws& draws, auto to) {
          write(measured.resampled(groups, counts), to);
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
