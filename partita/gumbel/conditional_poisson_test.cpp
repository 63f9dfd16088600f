// SPDX-License-Identifier: Apache-2.0
#include "partita/gumbel/conditional_poisson.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/random/goodness_of_fit.hpp"
#include "partita/softmax/scalar.hpp"
#include "partita/softmax/softmax.hpp"

namespace partita {
namespace {

using testing::message_of;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

Rows row_of(const std::vector<double>& z) { return Rows(std::span(z)); }

/// Everything by a sum over all subsets, in long double.
struct Enumerated {
  std::vector<std::vector<bool>> sets;
  std::vector<double> log_p;
  double log_normalizer;
  std::vector<double> included, excluded;

  Enumerated(const std::vector<double>& z, std::size_t k) : included(z.size()), excluded(z.size()) {
    std::vector<bool> set(z.size());
    std::fill(set.begin(), set.begin() + static_cast<std::ptrdiff_t>(k), true);
    std::vector<long double> scores;
    do {
      sets.push_back(set);
      long double score = 0;
      for (std::size_t i = 0; i < z.size(); ++i) score += set[i] ? z[i] : 0.0;
      scores.push_back(score);
    } while (std::prev_permutation(set.begin(), set.end()));
    const long double most = *std::ranges::max_element(scores);
    long double sum = 0;
    for (const long double each : scores) sum += std::exp(each - most);
    log_normalizer = static_cast<double>(most + std::log(sum));
    std::vector<long double> in(z.size()), out(z.size());
    for (std::size_t s = 0; s < sets.size(); ++s) {
      log_p.push_back(static_cast<double>(scores[s] - most - std::log(sum)));
      for (std::size_t i = 0; i < z.size(); ++i) {
        (sets[s][i] ? in : out)[i] += std::exp(scores[s] - most) / sum;
      }
    }
    std::ranges::copy(in, included.begin());
    std::ranges::copy(out, excluded.begin());
  }

  std::vector<double> covariance_times(const std::vector<double>& v) const {
    double mean = 0;
    for (std::size_t i = 0; i < v.size(); ++i) mean += included[i] * v[i];
    std::vector<double> product(v.size());
    for (std::size_t s = 0; s < sets.size(); ++s) {
      double sum = -mean;
      for (std::size_t i = 0; i < v.size(); ++i) sum += sets[s][i] ? v[i] : 0;
      for (std::size_t i = 0; i < v.size(); ++i) {
        if (sets[s][i]) product[i] += std::exp(log_p[s]) * sum;
      }
    }
    return product;
  }
};

double log_prob(const ConditionalPoisson& law, const std::vector<double>& z,
                const std::vector<bool>& set) {
  double sum = -law.log_chance();
  for (std::size_t i = 0; i < z.size(); ++i) {
    sum += log_sigmoid(set[i] ? z[i] - law.shift() : law.shift() - z[i]);
  }
  return sum;
}

/// a = b to a part in 1e13, or a part of `scale`.
void expect_near(double a, double b, const std::string& what, double scale = 0) {
  if (a == b) return;  // infinities
  EXPECT_NEAR(a, b, 1e-13 * std::max(scale, std::abs(b))) << what;
}

std::vector<std::vector<double>> rows_of_logits() {
  std::vector<std::vector<double>> rows = {
      {0.3},
      {1, 2},
      {0, 0, 0, 0, 0},
      {1, -2, 0.5, 3, 0, -1},
      {1, -kInfinity, 0.5, 3, -kInfinity, 0, 2},
      {1e4, -1e4, 0, 9999, -9999, 1e4, 3},            // gaps that no exponential holds
      {1e4, 1e4 + 1, 1e4 - 2, 1e4 + 0.5},             // a large part in common
      {0, -1000, -2000, -3000, -4000, -5000},         //
      {-40, 40, -39, 41, 0, 38, -800, 700, 1, 2, 3},  // marginals of 1e-17 next to those of 1
      {1e300, 1e300, 0, -1e300},
  };
  Draws draws(Stream{.seed = 61});
  for (const std::size_t n : {8U, 9U, 13U}) {
    std::vector<double> z(n);
    for (double& each : z) each = 3 * draws.normal();
    rows.push_back(z);
  }
  return rows;
}

TEST(ConditionalPoisson, IsTheSumOverAllSubsets) {
  Draws draws(Stream{.seed = 62});
  for (const std::vector<double>& z : rows_of_logits()) {
    const auto possible = z.size() - static_cast<std::size_t>(std::ranges::count(z, -kInfinity));
    for (std::size_t k = 0; k <= possible; ++k) {
      const std::string what = "V = " + std::to_string(z.size()) + ", k = " + std::to_string(k);
      const ConditionalPoisson law(row_of(z), k);
      const Enumerated all(z, k);
      const double largest = *std::ranges::max_element(z);
      expect_near(law.log_normalizer(), all.log_normalizer, what, 1 + std::abs(largest));
      for (std::size_t s = 0; s < all.sets.size(); ++s) {
        expect_near(log_prob(law, z, all.sets[s]), all.log_p[s], what, 10);
      }
      // Each to a part of itself, down to where doubles end.
      const ConditionalPoisson::Marginals found = law.marginals();
      std::vector<double> v(z.size());
      for (double& each : v) each = draws.normal() + 5;
      const std::vector<double> product = law.covariance_times(v);
      const std::vector<double> right = all.covariance_times(v);
      for (std::size_t i = 0; i < z.size(); ++i) {
        expect_near(found.included[i], all.included[i], what, 1e-290);
        expect_near(found.excluded[i], all.excluded[i], what, 1e-290);
        expect_near(product[i], right[i], what, 100);
      }
    }
  }
}

TEST(ConditionalPoisson, OfOneIsTheSoftmax) {
  std::vector<double> z(1000);
  Draws draws(Stream{.seed = 63});
  for (double& each : z) each = 4 * draws.normal();
  const ConditionalPoisson law(row_of(z), 1);
  expect_near(law.log_normalizer(), log_sum_exp(row_of(z))[0], "log-sum-exp");
  std::vector<double> p(z.size());
  softmax(row_of(z), MutableRows(std::span(p)));
  const std::vector<double> included = law.marginals().included;
  for (std::size_t i = 0; i < z.size(); ++i) expect_near(included[i], p[i], "softmax");
}

TEST(ConditionalPoisson, EqualLogitsCountSubsets) {
  for (const auto& [n, k] : {std::pair<std::size_t, std::size_t>{1000, 300},
                             {1000, 900},
                             {100'000, 17},
                             {30'001, 1000}}) {
    const std::vector<double> z(n, 2.5);
    const ConditionalPoisson law(row_of(z), k);
    const auto a = static_cast<double>(n);
    const auto b = static_cast<double>(k);
    double log_choose = 0;
    for (double i = 0; i < b; ++i) log_choose += std::log((a - i) / (b - i));
    EXPECT_NEAR(law.log_normalizer() / (log_choose + 2.5 * b), 1, 1e-12);
    const ConditionalPoisson::Marginals found = law.marginals();
    for (const std::size_t i : {std::size_t{0}, n / 2, n - 1}) {
      EXPECT_NEAR(found.included[i] / (b / a), 1, 1e-12);
      EXPECT_NEAR(found.excluded[i] / ((a - b) / a), 1, 1e-12);
    }
  }
}

TEST(ConditionalPoisson, DrawsFollowTheLaw) {
  constexpr std::uint64_t kDraws = 50'000;
  const std::vector<std::vector<double>> rows = {{1, -2, 0.5, 3, 0, -1},
                                                 {1, -kInfinity, 0.5, 3, -kInfinity, 0, 2},
                                                 {700, 0, 0.5, -700, 1, -1}};
  for (const std::vector<double>& z : rows) {
    for (const std::size_t k : {1U, 2U, 3U, 4U, 5U}) {
      const ConditionalPoisson law(row_of(z), k);
      const Enumerated all(z, k);
      std::vector<double> observed(std::size_t{1} << z.size());
      std::vector<double> expected(observed.size());
      for (std::size_t s = 0; s < all.sets.size(); ++s) {
        std::size_t cell = 0;
        for (std::size_t i = 0; i < z.size(); ++i) cell |= std::size_t{all.sets[s][i]} << i;
        expected[cell] = kDraws * std::exp(all.log_p[s]);
      }
      std::vector<std::int64_t> members(k);
      for (std::uint64_t draw = 0; draw < kDraws; ++draw) {
        law.draw(Stream{.seed = 64}.child(draw), members);
        std::size_t cell = 0;
        for (const std::int64_t i : members) cell |= std::size_t{1} << i;
        ++observed[cell];
      }
      EXPECT_GT(chi_square_p_value(observed, expected), kFalseAlarm) << z.size() << " " << k;
    }
  }
}

TEST(ConditionalPoisson, DrawsAreSetsInOrder) {
  std::vector<double> z(3000);
  Draws draws(Stream{.seed = 65});
  for (double& each : z) each = 3 * draws.normal();
  for (const std::size_t k : {0U, 1U, 77U, 1500U, 2990U, 3000U}) {
    const ConditionalPoisson law(row_of(z), k);
    std::vector<std::int64_t> members(k);
    std::vector<std::int64_t> again(k);
    law.draw(Stream{.seed = 66}, members);
    law.draw(Stream{.seed = 66}, again);
    EXPECT_EQ(members, again);
    EXPECT_TRUE(std::ranges::adjacent_find(members, std::greater_equal<>()) == members.end());
    EXPECT_TRUE(k == 0 || (members.front() >= 0 && members.back() < 3000));
  }
}

TEST(ConditionalPoisson, SaysWhatIsWrong) {
  const auto message = [](const std::vector<double>& z, std::size_t k) {
    return message_of<InvalidArgument>([&] { ConditionalPoisson(row_of(z), k); });
  };
  EXPECT_EQ(message({1, 2, 3}, 4), "k: expected 0..3 (categories), got 4");
  EXPECT_EQ(message({1, -kInfinity, 3}, 3), "k: expected 0..2 (possible categories), got 3");
  EXPECT_EQ(message({1, kNaN, 3}, 1), "logits: NaN at column 1");
  EXPECT_EQ(message({1, kInfinity, 3}, 1), "logits: +inf at column 1");
  EXPECT_EQ(message({}, 0), "logits: expected 1 or more (categories), got 0");
  const std::vector<double> z = {1, 2, 3};
  const ConditionalPoisson law(row_of(z), 2);
  std::vector<std::int64_t> members(3);
  EXPECT_EQ(message_of<InvalidArgument>([&] { law.draw(Stream{}, members); }),
            "members: expected 2 (k), got 3");
  EXPECT_EQ(message_of<InvalidArgument>([&] { law.covariance_times(std::vector<double>(2)); }),
            "v: expected 3 (one for each category), got 2");
}

// Whose differences and sums a double does not hold.
TEST(ConditionalPoisson, LogitsMayBeOfAnySize) {
  const std::vector<double> z = {1e308, 1e308, -1e308, -1e308};
  const double log_e[] = {0, 1e308, kInfinity, 1e308, 0};  // 2e308 is no double
  for (std::size_t k = 0; k <= z.size(); ++k) {
    const ConditionalPoisson law(Rows{z.data(), 1, z.size()}, k);
    const std::vector<double> included = law.marginals().included;
    for (std::size_t i = 0; i < z.size(); ++i) {
      const double heads = i < 2 ? std::min(1.0, static_cast<double>(k) / 2)
                                 : std::max(0.0, static_cast<double>(k) / 2 - 1);
      EXPECT_DOUBLE_EQ(included[i], heads) << k << ' ' << i;
    }
    const double found = law.log_normalizer();
    EXPECT_TRUE(found == log_e[k] || std::abs(found - log_e[k]) <= 1e-12 * (1 + log_e[k])) << k;
  }
}

}  // namespace
}  // namespace partita
