// SPDX-License-Identifier: Apache-2.0
#include "partita/softmax/divergence.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace partita {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

Rows row(const std::vector<double>& z) { return {z.data(), 1, z.size()}; }

/// The textbook formulas in long double.
struct Reference {
  long double entropy = 0;
  long double cross_entropy = 0;
  long double kl = 0;
};

Reference reference(const std::vector<double>& p_logits, const std::vector<double>& q_logits) {
  const auto normalized = [](const std::vector<double>& z) {
    long double sum = 0;
    const long double max = *std::max_element(z.begin(), z.end());
    for (const double x : z) sum += std::exp(x - max);
    std::vector<long double> log_p;
    for (const double x : z) log_p.push_back(x - max - std::log(sum));
    return log_p;
  };
  const auto p = normalized(p_logits);
  const auto q = normalized(q_logits);
  Reference result;
  for (std::size_t i = 0; i < p.size(); ++i) {
    if (std::isinf(p[i])) continue;
    result.entropy -= std::exp(p[i]) * p[i];
    result.cross_entropy -= std::exp(p[i]) * q[i];
    result.kl += std::exp(p[i]) * (p[i] - q[i]);
  }
  return result;
}

TEST(Divergence, EqualLongDouble) {
  std::mt19937_64 random(3);
  for (const std::size_t n : {1UL, 2UL, 64UL, 1000UL, 50'000UL}) {
    for (const double sigma : {0.0, 1e-4, 1.0, 30.0}) {
      std::normal_distribution<double> normal(0, sigma + 1e-300);
      std::vector<double> p(n);
      std::vector<double> q(n);
      for (double& x : p) x = normal(random);
      for (double& x : q) x = normal(random);
      if (n > 2) p[1] = -kInfinity;
      const Reference expected = reference(p, q);
      EXPECT_NEAR(entropy(row(p))[0], static_cast<double>(expected.entropy),
                  1e-14 * (1 + static_cast<double>(expected.entropy)));
      EXPECT_NEAR(cross_entropy(row(p), row(q))[0], static_cast<double>(expected.cross_entropy),
                  1e-14 * (1 + static_cast<double>(expected.cross_entropy)));
      EXPECT_NEAR(kl_divergence(row(p), row(q))[0], static_cast<double>(expected.kl),
                  1e-14 * (1 + static_cast<double>(expected.kl)));
      EXPECT_EQ(kl_divergence(row(p), row(p))[0], 0);
    }
  }
}

TEST(Divergence, SmallEntropyKeepsItsDigits) {
  // p = (1 - e, e) with e = e^-50: H = e (1 + 50) to first order.
  EXPECT_NEAR(entropy(row({0, -50}))[0] / (51 * std::exp(-50)), 1, 1e-12);
  EXPECT_EQ(entropy(row({7, -kInfinity}))[0], 0);
  EXPECT_NEAR(entropy(row(std::vector<double>(1000, -3.0)))[0], std::log(1000), 1e-14);
}

TEST(Divergence, ImpossibleCategories) {
  const std::vector<double> p = {0, 0, -kInfinity};
  const std::vector<double> q = {0, 0, 0};
  EXPECT_NEAR(kl_divergence(row(p), row(q))[0], std::log(1.5), 1e-15);
  EXPECT_EQ(kl_divergence(row(q), row(p))[0], kInfinity);
  EXPECT_EQ(cross_entropy(row(q), row(p))[0], kInfinity);
  EXPECT_NEAR(cross_entropy(row(p), row(q))[0], std::log(3), 1e-15);
}

TEST(Divergence, BadInput) {
  const std::vector<double> good = {0, 1};
  const std::vector<double> bad = {0, std::nan("")};
  const std::vector<double> none = {-kInfinity, -kInfinity};
  EXPECT_THROW(entropy(row(bad)), InvalidArgument);
  EXPECT_THROW(entropy(row(none)), InvalidArgument);
  EXPECT_THROW(kl_divergence(row(good), row(bad)), InvalidArgument);
  EXPECT_THROW(kl_divergence(row(good), row({1, 2, 3})), InvalidArgument);
  std::vector<RowError> errors;
  EXPECT_TRUE(std::isnan(entropy(row(bad), {.errors = &errors})[0]));
  EXPECT_EQ(errors.size(), 1);
}

}  // namespace
}  // namespace partita
