#include "partita/learn/estimators/unordered_set.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "partita/learn/estimators/leave_one_out.hpp"
#include "partita/learn/estimators/test_support.hpp"

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
    EXPECT_NEAR(variance_at_zero(estimator, 20'000) / variance, 1, 0.15) << "k = " << k;
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
    EXPECT_LT(variance_at_zero(unordered, 20'000), 0.95 * variance_at_zero(ordered, 20'000));
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

TEST(UnorderedSet, NamesWhatIsWrong) {
  const auto problem = testing::three_coins();
  EXPECT_EQ(testing::refusal(UnorderedSet({.samples = 9}), *problem.distribution(problem.theta)),
            "samples: UnorderedSet: expected at most 8 (the outcomes), got 9");
  EXPECT_THROW(UnorderedSet({.samples = 1}), InvalidArgument);
  EXPECT_THROW(SumAndSample({.samples = 0}), InvalidArgument);
  EXPECT_NO_THROW(UnorderedSet({.samples = 1, .baseline = false}));
}

}  // namespace
}  // namespace partita::estimators
