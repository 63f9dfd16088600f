// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/estimators/unordered_set.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "partita/learn/estimators/leave_one_out.hpp"
#include "partita/learn/estimators/test_support.hpp"
#include "partita/random/goodness_of_fit.hpp"

namespace partita::estimators {
namespace {

/// The probability that the first draws without replacement from S and a rest are S, in any order:
/// the sum over all orders, F(T) = sum_{i in T} F(T \ i) p_i / (what is left before i).
long double set_probability(const std::vector<long double>& p, long double rest) {
  std::vector<long double> f(std::size_t{1} << p.size());
  f[0] = 1;
  for (std::size_t set = 1; set < f.size(); ++set) {
    for (std::size_t i = 0; i < p.size(); ++i) {
      if ((set >> i & 1U) == 0) continue;
      const std::size_t before = set & ~(std::size_t{1} << i);
      long double left = rest;
      for (std::size_t j = 0; j < p.size(); ++j) {
        if ((before >> j & 1U) == 0) left += p[j];
      }
      f[set] += f[before] * p[i] / left;
    }
  }
  return f.back();
}

std::vector<long double> without(std::vector<long double> p, std::size_t i) {
  p.erase(p.begin() + static_cast<std::ptrdiff_t>(i));
  return p;
}

TEST(LeaveOneOutRatios, EqualTheSumOverAllOrders) {
  std::mt19937_64 generator(1);
  long double worst = 0;
  for (const std::size_t k : {1, 2, 3, 5, 8, 10}) {
    for (const double spread : {0.0, 1.0, 10.0, 100.0}) {
      for (int repeat = 0; repeat < 5; ++repeat) {
        // Log-probabilities of S and of the rest, with up to e^100 between them.
        std::normal_distribution<double> normal(0, spread);
        std::vector<double> log_weight(k + 1);
        double sum = 0;
        for (double& x : log_weight) sum += std::exp(x = normal(generator));
        for (double& x : log_weight) x -= std::log(sum);
        std::vector<long double> p;
        for (std::size_t i = 0; i < k; ++i) {
          p.push_back(std::exp(static_cast<long double>(log_weight[i])));
        }
        const auto rest = std::exp(static_cast<long double>(log_weight[k]));

        const Tensor log_prob = testing::numbers(log_weight).unsqueeze(0);
        const auto ratios =
            leave_one_out_ratios(log_prob.narrow(1, 0, static_cast<std::int64_t>(k)),
                                 log_prob.select(1, static_cast<std::int64_t>(k)));
        const auto compare = [&](const Tensor& actual, long double expected) {
          worst = std::max(worst, std::abs(actual.item<double>() / expected - 1));
        };
        const long double all = set_probability(p, rest);
        for (std::size_t s = 0; s < k; ++s) {
          const auto at_s = static_cast<std::int64_t>(s);
          const long double one = set_probability(without(p, s), rest);
          compare(ratios.first[0][at_s], p[s] * one / all);
          for (std::size_t t = 0; t < k; ++t) {
            const Tensor actual = ratios.second[0][at_s][static_cast<std::int64_t>(t)];
            if (s == t) {
              compare(actual, p[s]);
            } else {
              const auto both = without(without(p, std::max(s, t)), std::min(s, t));
              compare(actual, p[t] * set_probability(both, rest) / one);
            }
          }
        }
      }
    }
  }
  EXPECT_LT(worst, 1e-13L);
}

TEST(LeaveOneOutRatios, OfTheWholeSupportAreProbabilities) {
  const Tensor log_prob = testing::numbers({0.2, -800, 1, -3}).log_softmax(0).unsqueeze(0);
  const Tensor nothing = at::full({1}, -std::numeric_limits<double>::infinity(), at::kDouble);
  const auto ratios = leave_one_out_ratios(log_prob, nothing);
  EXPECT_TRUE(at::allclose(ratios.first, log_prob.exp(), 1e-13, 0));
  EXPECT_TRUE(at::allclose(ratios.second, log_prob.exp().expand({1, 4, 4}), 1e-13, 0));
}

/// So many that a variance is known to some 3 %; k samples take a time of 2^k.
std::int64_t rows_for(std::int64_t k) { return k > 4 ? 5000 : 20'000; }

/// Variance of the gradient in eta, over rows.
double variance_at_zero(Estimator& estimator, std::int64_t rows) {
  return testing::estimates(testing::three_coins(), estimator, rows)
      .gradient.select(1, 0)
      .var()
      .item<double>();
}

TEST(UnorderedSet, HasTheVarianceOfThePaper) {
  // Known to two digits, hence 15 %: the curves of Kool, van Hoof, Welling 2020 at eta = 0.
  EXPECT_NEAR(testing::three_coins().gradient[0].item<double>(), -0.0450, 1e-15);
  const std::vector<std::pair<std::int64_t, double>> known = {
      {2, 6.3e-3}, {3, 2.3e-3}, {4, 1.1e-3}, {6, 3.0e-4}};
  for (const auto& [k, variance] : known) {
    UnorderedSet estimator({.samples = k});
    EXPECT_NEAR(variance_at_zero(estimator, rows_for(k)) / variance, 1, 0.15) << "k = " << k;
  }
}

TEST(UnorderedSet, IsExactOnTheWholeSupport) {
  for (const bool baseline : {false, true}) {
    UnorderedSet estimator({.samples = 8, .baseline = baseline});
    const auto problem = testing::three_coins();
    const auto got = testing::estimates(problem, estimator, 3);
    EXPECT_TRUE(at::allclose(got.gradient, problem.gradient.expand_as(got.gradient), 1e-12));
    EXPECT_TRUE(at::allclose(got.value, problem.value.expand_as(got.value), 1e-13));
  }
  SumAndSample estimator({.samples = 8});
  EXPECT_LT(variance_at_zero(estimator, 3), 1e-28);
}

TEST(UnorderedSet, IsTheMeanOfSumAndSampleGivenTheSet) {
  for (const std::int64_t k : {2, 4, 6}) {
    UnorderedSet unordered({.samples = k, .baseline = false});
    SumAndSample ordered({.samples = k});
    const std::int64_t rows = rows_for(k);
    EXPECT_LT(variance_at_zero(unordered, rows), 0.95 * variance_at_zero(ordered, rows));
  }
}

TEST(UnorderedSet, DrawsFromALargeSupport) {
  // 50,257 categories, without the V x V table of one-hot vectors.
  const Tensor logits = at::linspace(0, 5, 50257, at::kFloat).unsqueeze(0).set_requires_grad(true);
  const distributions::OneHotCategorical words{distributions::Logits(logits)};
  UnorderedSet estimator({.samples = 4});
  const auto [surrogate, value] = estimator(
      words, [](const Tensor& x) { return x.narrow(-1, 40000, 10257).sum(-1); }, Stream{1});
  surrogate.sum().backward();
  EXPECT_EQ(value.scalar_type(), at::kFloat);
  EXPECT_TRUE(logits.grad().isfinite().all().item<bool>());
  EXPECT_GT(logits.grad().abs().sum().item<double>(), 0);
}

/// The one-hot vectors of an Independent as numbers in base C, [..., M, C] -> [...].
std::vector<std::int64_t> numbers_of(const Tensor& outcomes) {
  const Tensor digits = outcomes.argmax(-1);
  Tensor number = digits.select(-1, 0);
  for (std::int64_t m = 1; m < digits.size(-1); ++m) {
    number = number * outcomes.size(-1) + digits.select(-1, m);
  }
  const Tensor flat = number.contiguous();
  return {flat.data_ptr<std::int64_t>(), flat.data_ptr<std::int64_t>() + flat.numel()};
}

// Two variables of three values, more outcomes than values of a variable: all 3024 ordered samples.
TEST(UnorderedSet, DrawsWithoutReplacementFromAProduct) {
  constexpr std::int64_t kRows = 100'000;  // 33 a cell on average: a mass off by a tenth shows
  constexpr std::int64_t kSamples = 4;
  const Tensor logits =
      at::stack({testing::numbers({0.5, -1, 0.2}), testing::numbers({0, 1.5, -0.5})});
  const distributions::Independent product(
      distributions::OneHotCategorical(
          distributions::Logits(logits.expand({kRows, 2, 3}).clone().set_requires_grad(true))),
      1);
  std::vector<std::int64_t> drawn;
  UnorderedSet estimator({.samples = kSamples});
  estimator(
      product,
      [&](const Tensor& x) {
        drawn = numbers_of(x.transpose(0, 1));  // [rows, samples]
        return x.sum({-1, -2});
      },
      Stream{.seed = 3});

  const Tensor p = logits.softmax(-1);
  std::vector<double> probability;
  for (std::int64_t i = 0; i < 9; ++i) {
    probability.push_back(p[0][i / 3].item<double>() * p[1][i % 3].item<double>());
  }
  std::vector<double> observed(6561);  // 9⁴
  std::vector<double> expected(observed.size());
  for (std::size_t row = 0; row < kRows; ++row) {
    std::int64_t cell = 0;
    for (std::size_t s = 0; s < kSamples; ++s) cell = cell * 9 + drawn[row * kSamples + s];
    ++observed[static_cast<std::size_t>(cell)];
  }
  for (std::size_t cell = 0; cell < expected.size(); ++cell) {
    double mass = kRows;
    double left = 1;
    std::vector<bool> taken(9);
    for (std::size_t divisor = 729; divisor > 0; divisor /= 9) {
      const std::size_t outcome = cell / divisor % 9;
      mass *= taken[outcome] ? 0 : probability[outcome] / left;
      left -= probability[outcome];
      taken[outcome] = true;
    }
    expected[cell] = mass;
  }
  for (std::size_t cell = 0; cell < expected.size(); ++cell) {
    ASSERT_TRUE(expected[cell] > 0 || observed[cell] == 0) << cell;
  }
  EXPECT_GT(chi_square_p_value(observed, expected), kFalseAlarm);
}

// 10^30 outcomes. Of f = sum_m w_m . x_m the gradient is known: p (w - p . w) of each variable.
TEST(UnorderedSet, DrawsFromManyVariables) {
  constexpr std::int64_t kRows = 4000;
  const Tensor theta = Random(Stream{.seed = 5}).normal({30, 10}, at::kDouble);
  const Tensor w = at::zeros({30, 10}, at::kDouble);
  w[0] = at::linspace(-1, 1, 10, at::kDouble);
  w[29] = at::linspace(2, 0, 10, at::kDouble).square();
  const Tensor p = theta.softmax(-1);
  const Tensor exact = p * (w - (p * w).sum(-1, true));

  const Tensor logits = theta.expand({kRows, 30, 10}).clone().set_requires_grad(true);
  const distributions::Independent product(
      distributions::OneHotCategorical(distributions::Logits(logits)), 1);
  for (const std::int64_t samples : {2, 5}) {
    UnorderedSet estimator({.samples = samples});
    logits.mutable_grad() = Tensor();
    const auto [surrogate, value] = estimator(
        product,
        [&](const Tensor& x) {
          return (x * w).sum({-1, -2});
        },
        Stream{.seed = 7});
    surrogate.sum().backward();
    const auto within = [](const Tensor& draws, const Tensor& mean) {
      const Tensor error = (draws.mean(0) - mean).abs();
      return (error < kFiveSigma * testing::standard_error(draws) + 1e-12).all().item<bool>();
    };
    EXPECT_TRUE(within(logits.grad(), exact)) << samples;
    EXPECT_TRUE(within(value, (p * w).sum())) << samples;
    // Along the gradient as a whole the interval is narrow: a factor of 1.2 would show.
    const Tensor along = (logits.grad() * exact).sum({-1, -2}) / exact.square().sum();
    EXPECT_LT(5 * testing::standard_error(along).item<double>(), 0.2);
    EXPECT_TRUE(within(along, at::ones({}, at::kDouble))) << samples;
  }
}

TEST(UnorderedSet, RowsDoNotDependOnTheBatch) {
  const auto values_of = [](std::int64_t rows) {
    const Tensor logits = Random(Stream{.seed = 5}).normal({6, 4, 3}, at::kDouble);
    const distributions::Independent product(
        distributions::OneHotCategorical(distributions::Logits(logits.slice(0, 0, rows))), 1);
    UnorderedSet estimator({.samples = 3});
    const Tensor w = at::arange(12, at::kDouble).view({4, 3}).sin();
    return estimator(
               product,
               [&](const Tensor& x) {
                 return (x * w).sum({-1, -2});
               },
               Stream{.seed = 7})
        .value;
  };
  EXPECT_TRUE(at::equal(values_of(6).slice(0, 0, 2), values_of(2)));
}

TEST(UnorderedSet, NamesWhatIsWrong) {
  const auto problem = testing::three_coins();
  EXPECT_EQ(testing::refusal(UnorderedSet({.samples = 9}), *problem.distribution(problem.theta)),
            "samples: UnorderedSet: expected at most 8 (the outcomes), got 9");
  const Tensor certain = testing::numbers({0, -std::numeric_limits<double>::infinity()});
  const distributions::Independent both(distributions::OneHotCategorical(distributions::Logits(
                                            at::stack({at::zeros({2}, at::kDouble), certain}))),
                                        1);
  EXPECT_EQ(testing::refusal(UnorderedSet({.samples = 3}), both),
            "samples: UnorderedSet: row 0 has fewer than 3 outcomes with p > 0");
  EXPECT_EQ(testing::refusal(UnorderedSet({.samples = 2}), both).substr(0, 3), "f: ");
  EXPECT_THROW(UnorderedSet({.samples = 1}), InvalidArgument);
  EXPECT_THROW(SumAndSample({.samples = 0}), InvalidArgument);
  EXPECT_NO_THROW(UnorderedSet({.samples = 1, .baseline = false}));
}

}  // namespace
}  // namespace partita::estimators
