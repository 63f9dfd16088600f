// SPDX-License-Identifier: Apache-2.0
#include "partita/calibration/linear_scaling.hpp"

#include <fmt/format.h>
#include <lbfgs.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/calibration/internal/distribution_row.hpp"
#include "partita/calibration/internal/row_chunks.hpp"
#include "partita/softmax/internal/row_pass.hpp"

namespace partita {
namespace {

constexpr int kMostIterations = 5000;
constexpr double kTolerance = 1e-9;  // for the gradient's norm, with logits of mean square 1
/// What L-BFGS may leave when rounding ends its line search.
constexpr double kGoodEnough = 1e-6;

/// Value and gradient of the likelihood of some rows, and whether all of them are right.
struct Terms {
  double value = 0;
  bool right = true;
  std::vector<double> gradient;

  Terms& operator+=(const Terms& other) {
    value += other.value;
    right = right && other.right;
    for (std::size_t i = 0; i < gradient.size(); ++i) gradient[i] += other.gradient[i];
    return *this;
  }
};

/// Parameters are the weights and, after them, the bias; logits are divided by `scale`, which makes
/// both parts of the gradient alike in size.
class Objective {
 public:
  Objective(Rows logits, std::span<const std::int64_t> labels, bool matrix,
            const OdirPenalty& penalty, int threads, const Progress& progress)
      : logits_(logits),
        labels_(labels),
        classes_(logits.columns()),
        weights_(matrix ? classes_ * classes_ : classes_),
        penalty_(penalty),
        threads_(threads),
        progress_(progress) {
    double largest = 0;  // squares are taken of shares of it, which neither overflow nor vanish
    for (std::size_t r = 0; r < logits.rows(); ++r) {
      for (std::size_t k = 0; k < classes_; ++k) {
        const double z = RowReader<double>(logits, r).at(k);
        if (!std::isfinite(z)) {
          throw InvalidArgument("logits", fmt::format("row {}: {} at column {}", r, z, k));
        }
        largest = std::max(largest, std::abs(z));
      }
    }
    if (largest == 0) return;
    const auto squares =
        sum_over_rows<double>(logits.rows(), threads_, [&](std::size_t r, double& sum) {
          for (std::size_t k = 0; k < classes_; ++k) {
            const double z = RowReader<double>(logits, r).at(k) / largest;
            sum += z * z;
          }
        });
    scale_ = largest * std::sqrt(squares / static_cast<double>(logits.rows() * classes_));
  }

  std::size_t weights() const { return weights_; }
  std::size_t size() const { return weights_ + classes_; }
  double scale() const { return scale_; }

  /// The terms of the mean NLL and the penalty.
  Terms at(const double* parameters) const {
    constexpr std::size_t kChunks = 16;
    Terms zero;
    zero.gradient.resize(size());
    auto terms = sum_over_rows<Terms>(
        logits_.rows(), threads_,
        [&, z = std::vector<double>(classes_), softmax = DistributionRow()](
            std::size_t r, Terms& sum) mutable { add_row(r, parameters, z, softmax, sum); },
        zero, std::max<std::size_t>(256, (logits_.rows() + kChunks - 1) / kChunks));
    const auto rows = static_cast<double>(logits_.rows());
    terms.value /= rows;
    for (double& g : terms.gradient) g /= rows;
    add_penalty(parameters, terms);
    return terms;
  }

  static lbfgsfloatval_t evaluate(void* self, const lbfgsfloatval_t* x, lbfgsfloatval_t* gradient,
                                  int n, lbfgsfloatval_t) {
    const Terms terms = static_cast<const Objective*>(self)->at(x);
    std::copy_n(terms.gradient.begin(), n, gradient);
    return terms.value;
  }

  static int report(void* self, const lbfgsfloatval_t*, const lbfgsfloatval_t*, lbfgsfloatval_t,
                    lbfgsfloatval_t, lbfgsfloatval_t, lbfgsfloatval_t, int, int iteration, int) {
    auto& objective = *static_cast<Objective*>(self);
    objective.iterations_ = iteration;
    if (objective.progress_) {
      objective.progress_({static_cast<std::uint64_t>(iteration), 0, "iterations"});
    }
    return 0;
  }
  int iterations() const { return iterations_; }

 private:
  bool matrix() const { return weights_ > classes_; }

  void add_penalty(const double* x, Terms& terms) const {
    const auto k = static_cast<double>(classes_);
    const auto add = [&](std::size_t i, double factor, double unit) {
      const double parameter = x[i] / unit;
      terms.value += factor * parameter * parameter;
      terms.gradient[i] += 2 * factor * parameter / unit;
    };
    const bool off_diagonal = matrix() && penalty_.off_diagonal > 0;
    for (std::size_t i = 0; off_diagonal && i < weights_; ++i) {
      if (i % (classes_ + 1) != 0) add(i, penalty_.off_diagonal / (k * (k - 1)), scale_);
    }
    for (std::size_t i = weights_; penalty_.intercept > 0 && i < size(); ++i) {
      add(i, penalty_.intercept / k, 1);
    }
  }

  /// @param z, softmax memory, kept from row to row
  void add_row(std::size_t r, const double* w, std::vector<double>& z, DistributionRow& softmax,
               Terms& sum) const {
    const double* const bias = w + weights_;
    RowReader<double>(logits_, r).gather(0, 1, classes_, z.data());
    for (double& value : z) value /= scale_;
    softmax.resize(classes_);
    const std::span<double> scaled = softmax.log_prob();
    std::copy_n(bias, classes_, scaled.begin());
    for (std::size_t k = 0; k < classes_; ++k) {
      scaled[k] +=
          matrix() ? std::inner_product(z.begin(), z.end(), w + k * classes_, 0.0) : w[k] * z[k];
    }
    const auto y = static_cast<std::size_t>(labels_[r]);
    sum.right = sum.right && scaled[y] == *std::max_element(scaled.begin(), scaled.end());
    softmax.softmax();
    sum.value -= scaled[y];
    double* const gradient = sum.gradient.data();
    const auto p = softmax.probabilities();
    for (std::size_t k = 0; k < classes_; ++k) {
      const double error = p[k] - (k == y ? 1 : 0);
      gradient[weights_ + k] += error;
      if (!matrix()) {
        gradient[k] += error * z[k];
        continue;
      }
      double* const row = gradient + k * classes_;
      for (std::size_t j = 0; j < classes_; ++j) row[j] += error * z[j];
    }
  }

  Rows logits_;
  std::span<const std::int64_t> labels_;
  std::size_t classes_;
  std::size_t weights_;
  OdirPenalty penalty_;
  int threads_;
  const Progress& progress_;
  double scale_ = 1;
  int iterations_ = 0;
};

bool some_class_has_no_label(std::size_t classes, std::span<const std::int64_t> labels) {
  std::vector<bool> seen(classes);
  for (const std::int64_t y : labels) seen[static_cast<std::size_t>(y)] = true;
  return std::find(seen.begin(), seen.end(), false) != seen.end();
}

}  // namespace

LinearFit fit_linear_scaling(Rows logits, std::span<const std::int64_t> labels, bool matrix,
                             int threads, const Progress& progress, const OdirPenalty& penalty) {
  check_in("off_diagonal", penalty.off_diagonal, "[0, inf)");
  check_in("intercept", penalty.intercept, "[0, inf)");
  check_labels(logits, labels);
  Objective objective(logits, labels, matrix, penalty, threads, progress);
  LinearFit fit;
  const std::size_t classes = logits.columns();
  if (some_class_has_no_label(classes, labels)) {
    fit.status = FitStatus::not_attained;
    return fit;
  }
  std::vector<double> x(objective.size());
  // The logits as they are, unless their softmax is one-hot, which leaves no slope to descend.
  constexpr double kMostScale = 100;
  const double start = std::min(objective.scale(), kMostScale);
  for (std::size_t k = 0; k < classes; ++k) x[matrix ? k * (classes + 1) : k] = start;
  lbfgs_parameter_t parameters;
  ::lbfgs_parameter_init(&parameters);
  parameters.m = 20;
  parameters.epsilon = kTolerance;
  parameters.max_iterations = kMostIterations;
  ::lbfgs(static_cast<int>(x.size()), x.data(), nullptr, Objective::evaluate, Objective::report,
          &objective, &parameters);

  const Terms end = objective.at(x.data());
  double largest = 0;           // of the gradient by what L-BFGS changes
  double unscaled_largest = 0;  // and by the parameters themselves
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double unscaled = i < objective.weights() ? objective.scale() : 1;
    largest = std::max(largest, std::abs(end.gradient[i]));
    unscaled_largest = std::max(unscaled_largest, std::abs(end.gradient[i]) * unscaled);
  }
  fit.iterations = objective.iterations();
  fit.gradient_residual = unscaled_largest;
  if (end.right) {
    fit.status = FitStatus::not_attained;
  } else if (!(largest < kGoodEnough)) {
    fit.status = FitStatus::iteration_limit;
  }
  for (std::size_t i = 0; i < objective.weights(); ++i) {
    fit.weights.push_back(x[i] / objective.scale());
  }
  fit.bias.assign(x.begin() + static_cast<std::ptrdiff_t>(objective.weights()), x.end());
  const double mean = std::accumulate(fit.bias.begin(), fit.bias.end(), 0.0) /
                      static_cast<double>(classes);  // which changes no probability
  for (double& b : fit.bias) b -= mean;
  return fit;
}

}  // namespace partita
