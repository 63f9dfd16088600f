// SPDX-License-Identifier: Apache-2.0
#include "partita/calibration/temperature.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "calibration_test_support.hpp"
#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/softmax/divergence.hpp"
#include "partita/softmax/softmax.hpp"

namespace partita {
namespace {

using ::testing::HasSubstr;
using testing::Labeled;
using testing::make_labeled;
using testing::message_of;

/// N' in long double.
long double slope(const Labeled& data, long double beta) {
  long double total = 0;
  for (std::size_t r = 0; r < data.rows; ++r) {
    long double sum = 0;
    long double first = 0;
    const double* z = &data.logits[r * data.classes];
    const double max = *std::max_element(z, z + data.classes);
    for (std::size_t k = 0; k < data.classes; ++k) {
      const long double e = std::exp(beta * (static_cast<long double>(z[k]) - max));
      sum += e;
      first += e * z[k];
    }
    total += first / sum - z[data.labels[r]];
  }
  return total / static_cast<long double>(data.rows);
}

long double bisected_temperature(const Labeled& data, long double guess) {
  long double low = 0.5L / guess;
  long double high = 2 / guess;
  for (int i = 0; i < 60; ++i) {
    const long double middle = std::sqrt(low * high);
    (slope(data, middle) > 0 ? high : low) = middle;
  }
  return 1 / low;
}

TEST(Temperature, IsWhereTheSlopeIsZero) {
  for (const double truth : {0.05, 0.7, 1.0, 2.5, 60.0, 1e6}) {
    for (const std::size_t classes : {2U, 10U, 130U}) {
      const Labeled data = make_labeled(500, classes, truth, 1);
      const TemperatureFit fit = fit_temperature(data.view(), data.labels);
      ASSERT_EQ(fit.status, FitStatus::converged) << truth << " " << classes;
      const auto exact = static_cast<double>(bisected_temperature(data, truth));
      EXPECT_NEAR(fit.temperature / exact, 1, 1e-11) << truth << " " << classes;
      EXPECT_NEAR(fit.temperature / truth, 1, 0.4);
      EXPECT_LT(fit.iterations, 25);
    }
  }
}

/// To 11 digits.
void expect_optimal(const Labeled& data, const TemperatureFit& fit) {
  const long double beta = 1 / static_cast<long double>(fit.temperature);
  EXPECT_LT(slope(data, beta * (1 - 1e-11L)), 0);
  EXPECT_GT(slope(data, beta * (1 + 1e-11L)), 0);
}

TEST(Temperature, BeginsOnASampleOfManyRows) {
  constexpr std::size_t kRows = 20'000;  // every 9th is the sample
  for (const double truth : {0.3, 2.5}) {
    const Labeled data = make_labeled(kRows, 6, truth, 8);
    const std::vector<float> single(data.logits.begin(), data.logits.end());
    Labeled rounded = data;
    rounded.logits.assign(single.begin(), single.end());
    const TemperatureFit fit = fit_temperature({single.data(), kRows, 6}, data.labels);
    expect_optimal(rounded, fit);
    EXPECT_LE(fit.iterations, 3);
    const auto left =
        static_cast<double>(slope(rounded, 1 / static_cast<long double>(fit.temperature)));
    EXPECT_LE(std::abs(left), fit.gradient_residual + 1e-14);
    EXPECT_EQ(fit_temperature({single.data(), kRows, 6}, data.labels, 3).temperature,
              fit.temperature);
  }
}

TEST(Temperature, ASampleUnlikeTheRestDoesNotMislead) {
  constexpr std::size_t kRows = 20'000;
  for (const bool right : {false, true}) {  // no temperature is best for the sample
    Labeled data = make_labeled(kRows, 4, 2, 9);
    for (std::size_t r = 0; r < kRows; r += 9) {
      const double* z = &data.logits[4 * r];
      data.labels[r] = right ? std::max_element(z, z + 4) - z : std::min_element(z, z + 4) - z;
    }
    const TemperatureFit fit = fit_temperature(data.view(), data.labels);
    ASSERT_EQ(fit.status, FitStatus::converged);
    expect_optimal(data, fit);
  }
  Labeled wrong = make_labeled(kRows, 4, 2, 9);  // and for none of the rows
  for (std::size_t r = 0; r < kRows; ++r) {
    const double* z = &wrong.logits[4 * r];
    wrong.labels[r] = std::min_element(z, z + 4) - z;
  }
  EXPECT_EQ(fit_temperature(wrong.view(), wrong.labels).status, FitStatus::infinite_temperature);
}

TEST(Temperature, IdentitiesOfTheOptimum) {
  const Labeled data = make_labeled(3000, 20, 2, 2);
  const TemperatureFit fit = fit_temperature(data.view(), data.labels);
  std::vector<double> scaled = data.logits;
  for (double& z : scaled) z /= fit.temperature;
  const Rows rows{scaled.data(), data.rows, data.classes};
  const auto h = entropy(rows);
  const auto lse = log_sum_exp(rows);
  double mean_entropy = 0;
  double nll = 0;
  double label_logit = 0;
  double expected_logit = 0;
  for (std::size_t r = 0; r < data.rows; ++r) {
    const double* z = &data.logits[r * data.classes];
    const auto y = static_cast<std::size_t>(data.labels[r]);
    mean_entropy += h[r] / static_cast<double>(data.rows);
    nll += (lse[r] - scaled[r * data.classes + y]) / static_cast<double>(data.rows);
    label_logit += z[y] / static_cast<double>(data.rows);
    for (std::size_t k = 0; k < data.classes; ++k) {
      expected_logit +=
          std::exp(scaled[r * data.classes + k] - lse[r]) * z[k] / static_cast<double>(data.rows);
    }
  }
  EXPECT_NEAR(label_logit, expected_logit, 1e-10);
  EXPECT_NEAR(mean_entropy, nll, 1e-10);
  EXPECT_NEAR(fit.nll, nll, 1e-12);
  EXPECT_LT(fit.gradient_residual, 1e-10);
  EXPECT_LE(fit.nll, temperature_nll(data.view(), data.labels, 1));
  for (const double nearby : {0.999, 1.001}) {
    EXPECT_LT(fit.nll, temperature_nll(data.view(), data.labels, fit.temperature * nearby));
  }
}

/// Solves A x = b in place, by elimination with pivots.
std::vector<double> solve(std::vector<std::vector<double>> a, std::vector<double> b) {
  const std::size_t n = b.size();
  for (std::size_t i = 0; i < n; ++i) {
    std::size_t pivot = i;
    for (std::size_t j = i; j < n; ++j)
      pivot = std::abs(a[j][i]) > std::abs(a[pivot][i]) ? j : pivot;
    std::swap(a[i], a[pivot]);
    std::swap(b[i], b[pivot]);
    for (std::size_t j = i + 1; j < n; ++j) {
      const double factor = a[j][i] / a[i][i];
      for (std::size_t k = i; k < n; ++k) a[j][k] -= factor * a[i][k];
      b[j] -= factor * b[i];
    }
  }
  for (std::size_t i = n; i-- > 0;) {
    for (std::size_t k = i + 1; k < n; ++k) b[i] -= a[i][k] * b[k];
    b[i] /= a[i][i];
  }
  return b;
}

TEST(Temperature, HasTheLargestEntropyThatItsConstraintAllows) {
  // Maximizes the entropy of all rows' q at once, subject to sum_k q_ik = 1 for each row and to
  // sum_ik q_ik z_ik = sum_i z_iy, over the numbers q themselves: Newton's method for equality
  // constraints (Boyd and Vandenberghe, 10.3), which knows nothing of exponentials.
  const Labeled data = make_labeled(12, 4, 2, 5);
  const std::size_t n = data.rows;
  const std::size_t k = data.classes;
  double target = 0;
  for (std::size_t i = 0; i < n; ++i)
    target += data.logits[i * k + static_cast<std::size_t>(data.labels[i])];
  std::vector<double> q(n * k, 1.0 / static_cast<double>(k));
  for (int step = 0; step < 100; ++step) {
    // f = sum q log q has gradient 1 + log q and Hessian diag(1/q). With A the n + 1
    // constraints: A diag(q) A' v = A q - b - A (q (1 + log q)), dq = -q (1 + log q + A' v).
    std::vector<std::vector<double>> matrix(n + 1, std::vector<double>(n + 1));
    std::vector<double> right(n + 1);
    const auto gradient = [&](std::size_t i) { return 1 + std::log(q[i]); };
    right[n] = -target;
    for (std::size_t i = 0; i < n; ++i) right[i] = -1;
    for (std::size_t i = 0; i < n * k; ++i) {
      const std::size_t row = i / k;
      const double z = data.logits[i];
      matrix[row][row] += q[i];
      matrix[row][n] += q[i] * z;
      matrix[n][row] += q[i] * z;
      matrix[n][n] += q[i] * z * z;
      right[row] += q[i] - q[i] * gradient(i);
      right[n] += (q[i] - q[i] * gradient(i)) * z;
    }
    const std::vector<double> v = solve(matrix, right);
    double length = 1;
    std::vector<double> change(n * k);
    for (std::size_t i = 0; i < n * k; ++i) {
      change[i] = -q[i] * (gradient(i) + v[i / k] + v[n] * data.logits[i]);
      if (change[i] < 0) length = std::min(length, 0.9 * q[i] / -change[i]);  // q stays above 0
    }
    for (std::size_t i = 0; i < n * k; ++i) q[i] += length * change[i];
  }
  const TemperatureFit fit = fit_temperature(data.view(), data.labels);
  ASSERT_EQ(fit.status, FitStatus::converged);
  std::vector<double> scaled = data.logits;
  for (double& z : scaled) z /= fit.temperature;
  std::vector<double> p(q.size());
  softmax({scaled.data(), n, k}, {p.data(), n, k});
  for (std::size_t i = 0; i < q.size(); ++i) EXPECT_NEAR(q[i], p[i], 1e-10);
}

TEST(Temperature, EveryFormatAndThreadCount) {
  const Labeled data = make_labeled(3000, 100, 1.5, 3);
  const std::vector<float> single(data.logits.begin(), data.logits.end());
  const std::vector<double> rounded(single.begin(), single.end());
  std::vector<bfloat16> half;
  std::vector<double> half_rounded;
  for (const float z : single) {
    half.emplace_back(z);
    half_rounded.push_back(static_cast<double>(static_cast<float>(half.back())));
  }
  const auto fit = [&](const auto& z, int threads) {
    return fit_temperature({z.data(), data.rows, data.classes}, data.labels, threads);
  };
  EXPECT_NEAR(fit(single, 1).temperature, fit(rounded, 1).temperature, 1e-11);
  EXPECT_NEAR(fit(half, 1).temperature, fit(half_rounded, 1).temperature, 1e-11);
  for (const int threads : {2, 3, 7}) {
    EXPECT_EQ(fit(single, threads).temperature, fit(single, 1).temperature);
    EXPECT_EQ(fit(rounded, threads).nll, fit(rounded, 1).nll);
  }
  // Log-probabilities are logits: T is the same.
  std::vector<double> log_prob(rounded.size());
  log_softmax({rounded.data(), data.rows, data.classes},
              {log_prob.data(), data.rows, data.classes});
  EXPECT_NEAR(fit(log_prob, 1).temperature, fit(rounded, 1).temperature, 1e-11);
}

TEST(Temperature, Boundaries) {
  const auto status = [](const std::vector<double>& z, const std::vector<std::int64_t>& y) {
    const TemperatureFit fit = fit_temperature({z.data(), y.size(), z.size() / y.size()}, y);
    EXPECT_TRUE(std::isnan(fit.temperature));
    return fit.status;
  };
  EXPECT_EQ(status({2, 1, 0, 3}, {0, 1}), FitStatus::zero_temperature);
  EXPECT_EQ(status({2, 2, 0, 3}, {1, 1}), FitStatus::zero_temperature);  // a tie and a constant row
  EXPECT_EQ(status({2, 1, 0, 3}, {1, 0}), FitStatus::infinite_temperature);
  EXPECT_EQ(status({2, 0, 1, 3, 1, 2}, {2, 2}), FitStatus::infinite_temperature);  // N'(0) = 0
  EXPECT_EQ(status({2, 2, 3, 3}, {1, 0}), FitStatus::undetermined);
  EXPECT_EQ(status({2, 2, -INFINITY, 3, 3, 3}, {1, 0}), FitStatus::undetermined);
  EXPECT_EQ(status({5, 7}, {0, 0}), FitStatus::undetermined);  // one class
  // Just inside the two ends.
  const std::vector<double> almost{1e-3, 0, 0, 1};
  const std::vector<std::int64_t> y{1, 1};
  const TemperatureFit fit = fit_temperature({almost.data(), 2, 2}, y);
  EXPECT_EQ(fit.status, FitStatus::converged);
  EXPECT_LT(fit.temperature, 0.2);
}

TEST(Temperature, ImpossibleCategoriesCountForNothing) {
  Labeled data = make_labeled(500, 4, 2, 4);
  const TemperatureFit without = fit_temperature(data.view(), data.labels);
  std::vector<double> wide;
  for (std::size_t r = 0; r < data.rows; ++r) {
    wide.insert(wide.end(), &data.logits[r * 4], &data.logits[r * 4] + 4);
    wide.push_back(-INFINITY);
  }
  const TemperatureFit with = fit_temperature({wide.data(), data.rows, 5}, data.labels);
  EXPECT_NEAR(with.temperature, without.temperature, 1e-12);
}

TEST(Temperature, Refusals) {
  std::vector<double> z{1, 2, 3, 4, 5, -INFINITY};
  const auto refusal = [&](const std::vector<std::int64_t>& y) {
    return message_of<InvalidArgument>([&] { fit_temperature({z.data(), 2, 3}, y); });
  };
  EXPECT_EQ(refusal({0}), "labels: expected 2 (one for each row), got 1");
  EXPECT_EQ(refusal({0, 3}), "labels: row 1: expected 0..2, got 3");
  EXPECT_EQ(refusal({-1, 0}), "labels: row 0: expected 0..2, got -1");
  EXPECT_EQ(refusal({0, 2}),
            "labels: row 1: label 2 is impossible (probability 0) at every temperature");
  z[4] = NAN;
  EXPECT_EQ(refusal({0, 0}), "logits: row 1: NaN at column 1");
}

}  // namespace
}  // namespace partita
