// SPDX-License-Identifier: Apache-2.0
#include "partita/calibration/binned_temperature.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "partita/base/internal/check.hpp"
#include "partita/calibration/bins.hpp"
#include "partita/calibration/internal/distribution_row.hpp"
#include "partita/calibration/internal/labeled_rows.hpp"
#include "partita/calibration/internal/logits_of.hpp"

namespace partita {

namespace {

std::vector<double> numbers_of(const Predictions& predictions, int threads) {
  const bool of_entropy = predictions.by.empty();
  std::vector<double> numbers(predictions.rows.rows());
  for_each_row<DistributionRow>(numbers.size(), {.threads = threads},
                                [&](std::size_t r, DistributionRow& row) {
                                  if (of_entropy) row.read(predictions, r);
                                  numbers[r] = of_entropy ? entropy_of(row) : predictions.by_of(r);
                                });
  return numbers;
}

/// Where bins end, but for the last: after every n / bins-th number, and not between equal ones.
std::vector<double> edges(std::vector<double> numbers, std::size_t bins) {
  std::sort(numbers.begin(), numbers.end());
  std::vector<double> upper = equal_mass_bins(numbers, bins).upper;
  upper.pop_back();
  upper.erase(std::unique(upper.begin(), upper.end()), upper.end());
  if (!upper.empty() && upper.back() == numbers.back()) upper.pop_back();
  return upper;
}

std::size_t bin_of(const std::vector<double>& upper, double number) {
  return static_cast<std::size_t>(std::lower_bound(upper.begin(), upper.end(), number) -
                                  upper.begin());
}

}  // namespace

double BinnedTemperature::at(double number) const { return temperatures[bin_of(upper, number)]; }

BinnedTemperatureFit fit_binned_temperature(const Predictions& predictions,
                                            std::span<const std::int64_t> labels, std::size_t bins,
                                            int threads, const Progress& progress) {
  check_at_least("bins", bins, 1);
  check_labels(predictions.rows, labels);
  if (!predictions.by.empty()) {
    check_size("by", predictions.by.size(), labels.size(), "one for each row");
  }
  const auto fit = [&](const Predictions& rows, std::span<const std::int64_t> y) {
    const LogitsOf logits(rows, /*finite=*/false, threads);
    return fit_temperature(logits.rows(), y, threads, progress);
  };
  const TemperatureFit all = fit(predictions, labels);
  BinnedTemperatureFit out{.status = all.status};
  if (all.status != FitStatus::converged) return out;
  const std::vector<double> numbers = numbers_of(predictions, threads);
  out.scaling.of_entropy = predictions.by.empty();
  out.scaling.upper = edges(numbers, bins);
  std::vector<std::vector<std::size_t>> rows(out.scaling.upper.size() + 1);
  for (std::size_t r = 0; r < numbers.size(); ++r) {
    rows[bin_of(out.scaling.upper, numbers[r])].push_back(r);
  }
  for (const auto& of_bin : rows) {
    const LabeledRows own = copy_rows(predictions, labels, of_bin);
    const TemperatureFit found = fit(own.predictions, own.labels);
    const bool converged = found.status == FitStatus::converged;
    out.scaling.temperatures.push_back(converged ? found.temperature : all.temperature);
    out.iterations = std::max(out.iterations, found.iterations);
    out.gradient_residual = std::max(out.gradient_residual, found.gradient_residual);
  }
  return out;
}

}  // namespace partita
