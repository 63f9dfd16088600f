// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/random.hpp"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <numbers>

#include <vector>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/learn/rows.hpp"
#include "partita/random/goodness_of_fit.hpp"

namespace partita {
namespace {

using testing::message_of;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

Random from_stream(std::uint64_t seed) { return Stream{.seed = seed, .id = 5}; }
at::Generator torch_generator(std::uint64_t seed) {
  return at::make_generator<at::CPUGeneratorImpl>(seed);
}
Random from_torch(std::uint64_t seed) { return torch_generator(seed); }
std::vector<Random> both_sources(std::uint64_t seed) {
  return {from_stream(seed), from_torch(seed)};
}

struct Variate {
  const char* name;
  std::function<Tensor(const Random&, IntArrayRef, const at::TensorOptions&)> draw;
  std::function<double(double)> cdf;
};
const std::vector<Variate>& variates() {
  static const std::vector<Variate> all = {
      {"uniform", [](const auto& r, auto shape, auto& o) { return r.uniform(shape, o); },
       [](double x) { return x; }},
      {"exponential", [](const auto& r, auto shape, auto& o) { return r.exponential(shape, o); },
       [](double x) { return -std::expm1(-x); }},
      {"normal", [](const auto& r, auto shape, auto& o) { return r.normal(shape, o); },
       [](double x) { return std::erfc(-x / std::numbers::sqrt2) / 2; }},
      {"gumbel", [](const auto& r, auto shape, auto& o) { return r.gumbel(shape, o); },
       [](double x) { return std::exp(-std::exp(-x)); }},
      {"logistic", [](const auto& r, auto shape, auto& o) { return r.logistic(shape, o); },
       [](double x) { return 1 / (1 + std::exp(-x)); }}};
  return all;
}

/// Everything that a Random draws, of about `n` elements in one tensor: what the properties that
/// all share are checked on. The leading dimension is `n`.
struct Generator {
  const char* name;
  std::function<Tensor(const Random&, std::int64_t n)> draw;
};
std::vector<Generator> generators() {
  std::vector<Generator> all;
  for (const Variate& variate : variates()) {
    all.push_back({variate.name, [&variate](const Random& r, std::int64_t n) {
                     return variate.draw(r, {n, 3}, at::TensorOptions(at::kFloat));
                   }});
  }
  const auto full = [](std::int64_t n, double value) {
    return at::full({n, 3}, value, at::kDouble);
  };
  all.push_back({"log_standard_gamma", [=](const Random& r, std::int64_t n) {
                   return r.log_standard_gamma(full(n, 0.7));
                 }});
  all.push_back(
      {"poisson", [=](const Random& r, std::int64_t n) { return r.poisson(full(n, 12)); }});
  all.push_back({"binomial", [=](const Random& r, std::int64_t n) {
                   return r.binomial(full(n, 40), full(n, 0.4));
                 }});
  all.push_back(
      {"von_mises", [=](const Random& r, std::int64_t n) { return r.von_mises(full(n, 2)); }});
  all.push_back({"categorical", [](const Random& r, std::int64_t n) {
                   return r.categorical(at::arange(60, at::kFloat).view({3, 20}).sin(), n);
                 }});
  return all;
}

TEST(Random, DrawsHaveTheirDistributions) {
  for (const Variate& variate : variates()) {
    for (const Random& random : both_sources(1)) {
      for (const auto type : {at::kFloat, at::kDouble}) {
        const Tensor draws = variate.draw(random, {500, 400}, type);
        EXPECT_EQ(draws.scalar_type(), type);
        EXPECT_EQ(draws.sizes(), IntArrayRef({500, 400}));
        EXPECT_GT(ks_p_value(to_vector(draws), variate.cdf), kFalseAlarm)
            << variate.name << ", " << type;
      }
    }
  }
}

TEST(Random, DrawsAreTheStreamsOwn) {
  const Stream stream{.seed = 3, .id = 9};
  const Random random = stream;
  const Tensor e = random.exponential({6}, at::kDouble);
  const Tensor g = random.gumbel({2, 2}, at::kDouble);  // positions go on at a multiple of 4
  for (std::int64_t i = 0; i < 6; ++i) {
    EXPECT_DOUBLE_EQ(e[i].item<double>(), stream.exponential(static_cast<std::uint64_t>(i)));
  }
  EXPECT_DOUBLE_EQ(g[1][1].item<double>(), stream.gumbel(8 + 3));
}

TEST(Random, SixteenBitDrawsStayInside) {
  for (const Random& random : both_sources(2)) {
    for (const auto type : {at::kHalf, at::kBFloat16}) {
      const Tensor u = random.uniform({200'000}, type);
      EXPECT_EQ(u.scalar_type(), type);
      EXPECT_LT(u.max().item<double>(), 1);
      EXPECT_GT(u.min().item<double>(), 0);
      const Tensor e = random.exponential({200'000}, type);
      EXPECT_GT(e.min().item<double>(), 0);
      EXPECT_EQ(random.log_standard_gamma(at::full({3}, 2.0, type)).scalar_type(), type);
    }
  }
}

TEST(Random, TailsGoOnWhereFloatUniformsEnd) {
  // A float uniform is a multiple of 2^-24 (torch's) or 2^-53 near 0, and so is an exponential made
  // of it near 0. Of 2^22 draws 2^22 2^-14 = 256 should be under 2^-14, nearly all of them with
  // digits below 2^-28, where a coarse one has none.
  for (const Random& random : both_sources(3)) {
    const Tensor e = random.exponential({1 << 22}, at::kFloat);
    EXPECT_GT(e.min().item<double>(), 0);
    const Tensor small = e.masked_select(e < 0x1p-14F).to(at::kDouble);
    EXPECT_GT(small.numel(), 256 - 5 * 16);
    EXPECT_LT(small.numel(), 256 + 5 * 16);
    const Tensor grains = small * 0x1p28;
    EXPECT_GT((grains != grains.round()).sum().item<std::int64_t>(), small.numel() * 9 / 10);
  }
  // -log(-log(u)) of torch's float uniforms is at most 15.9. 2^27 e^-15.95 = 15.9 of these Gumbels
  // should be over 15.95: none with probability 1e-7, more than 45 with 1e-9.
  std::int64_t over = 0;
  const Random random = from_stream(4);
  for (int i = 0; i < 128; ++i) {
    over += (random.gumbel({1 << 20}, at::kFloat) > 15.95).sum().item<std::int64_t>();
  }
  EXPECT_GE(over, 1);
  EXPECT_LE(over, 45);
}

TEST(Random, LogGammasHaveTheirDistribution) {
  constexpr std::int64_t kDraws = 100'000;
  for (const Random& random : both_sources(5)) {
    // By torch's own CDF.
    for (const double a : {0.1, 1.0, 3.5, 1e3}) {
      const Tensor concentration = at::full({kDraws}, a, at::kDouble);
      const Tensor draws = random.log_standard_gamma(concentration).exp();
      EXPECT_GT(ks_p_value(to_vector(at::special_gammainc(concentration, draws)),
                           [](double p) { return p; }),
                kFalseAlarm)
          << a;
    }
    // X underflows, and a log X is minus an exponential within O(a).
    const Tensor tiny = random.log_standard_gamma(at::full({kDraws}, 1e-6, at::kFloat));
    EXPECT_TRUE(tiny.isfinite().all().item<bool>());
    EXPECT_GT(ks_p_value(to_vector(tiny * -1e-6), [](double x) { return -std::expm1(-x); }),
              kFalseAlarm);
    // The cube root is normal (Wilson and Hilferty 1931).
    const double a = 1e6;
    const Tensor large = random.log_standard_gamma(at::full({kDraws}, a, at::kDouble));
    const Tensor z = (at::exp((large - std::log(a)) / 3) - (1 - 1 / (9 * a))) * std::sqrt(9 * a);
    EXPECT_GT(
        ks_p_value(to_vector(z), [](double x) { return std::erfc(-x / std::numbers::sqrt2) / 2; }),
        kFalseAlarm);
  }
}

/// p-value of counts 0 ... size - 1 (and more, pooled) against a mass function.
double counts_p_value(const Tensor& draws, std::int64_t size,
                      const std::function<double(double)>& log_probability) {
  std::vector<double> observed(static_cast<std::size_t>(size) + 1);
  for (const double k : to_vector(draws)) {
    ++observed[static_cast<std::size_t>(std::min(k, static_cast<double>(size)))];
  }
  std::vector<double> expected;
  double rest = 1;
  for (std::int64_t k = 0; k < size; ++k) {
    const double p = std::exp(log_probability(static_cast<double>(k)));
    expected.push_back(p * static_cast<double>(draws.numel()));
    rest -= p;
  }
  expected.push_back(std::max(rest, 1e-12) * static_cast<double>(draws.numel()));
  return chi_square_p_value(observed, expected);
}

TEST(Random, CountsHaveTheirDistributions) {
  const auto log_factorial = [](double k) { return std::lgamma(k + 1); };
  for (const Random& random : both_sources(6)) {
    for (const double rate : {0.3, 4.0, 25.0}) {
      const Tensor draws = random.poisson(at::full({100'000}, rate, at::kFloat));
      EXPECT_GT(
          counts_p_value(draws, 60,
                         [&](double k) { return k * std::log(rate) - rate - log_factorial(k); }),
          kFalseAlarm)
          << rate;
    }
    for (const double p : {0.05, 0.4, 0.95}) {
      const double n = 50;
      const Tensor draws =
          random.binomial(at::full({100'000}, n, at::kFloat), at::full({100'000}, p, at::kFloat));
      // In single precision probs is not quite p: far from seen in 1e5 draws.
      EXPECT_GT(counts_p_value(draws, 51,
                               [&](double k) {
                                 return log_factorial(n) - log_factorial(k) - log_factorial(n - k) +
                                        k * std::log(p) + (n - k) * std::log1p(-p);
                               }),
                kFalseAlarm)
          << p;
    }
  }
}

TEST(Random, ElementwiseDrawsTakeEachElementsOwnParameters) {
  const Random random = from_stream(7);
  const Tensor rate = at::tensor({0.0, 1e6, -1.0, kNaN, kInfinity}, at::kDouble);
  const Tensor counts = random.poisson(rate);
  EXPECT_EQ(counts[0].item<double>(), 0);
  EXPECT_NEAR(counts[1].item<double>(), 1e6, 6e3);
  EXPECT_TRUE(counts.slice(0, 2, 4).isnan().all().item<bool>());
  EXPECT_EQ(counts[4].item<double>(), kInfinity);
  const Tensor probs = at::tensor({0.0, 1.0, 0.5, 0.5}, at::kDouble);
  const Tensor total = at::tensor({9.0, 9.0, 0.0, 1e6}, at::kDouble);
  const Tensor successes = random.binomial(total, probs);
  EXPECT_EQ(successes[0].item<double>(), 0);
  EXPECT_EQ(successes[1].item<double>(), 9);
  EXPECT_EQ(successes[2].item<double>(), 0);
  EXPECT_NEAR(successes[3].item<double>(), 5e5, 3e3);
  EXPECT_EQ(message_of<InvalidArgument>([&] { random.binomial(total, probs.slice(0, 0, 3)); }),
            "probs: expected the shape of total_count, [4], got [3]");
  // Not contiguous, with a gradient that is not to be recorded.
  const Tensor weights = at::rand({3, 5}, at::kDouble).t().set_requires_grad(true);
  EXPECT_FALSE(random.log_standard_gamma(weights).requires_grad());
  EXPECT_EQ(random.von_mises(weights).sizes(), IntArrayRef({5, 3}));
}

TEST(Random, FewerDrawsArePrefixesOfMore) {
  for (const Generator& generator : generators()) {
    const Tensor few = generator.draw(from_stream(8), 32);
    const Tensor many = generator.draw(from_stream(8), 5001);
    EXPECT_TRUE(at::equal(few, many.slice(0, 0, 32))) << generator.name;
  }
}

TEST(Random, DrawsDoNotDependOnTheNumberOfThreads) {
  const int before = at::get_num_threads();
  for (const Generator& generator : generators()) {
    for (const auto source : {from_stream, from_torch}) {
      at::set_num_threads(1);
      const Tensor one = generator.draw(source(9), 20'001);
      at::set_num_threads(3);
      EXPECT_TRUE(at::equal(one, generator.draw(source(9), 20'001))) << generator.name;
    }
  }
  at::set_num_threads(before);
}

TEST(Random, IsAHandle) {
  for (const Generator& generator : generators()) {
    for (const auto source : {from_stream, from_torch}) {
      const Random random = source(10);
      const Random copy = random;  // NOLINT(performance-unnecessary-copy-initialization)
      const Tensor first = generator.draw(random, 10);
      const Tensor second = generator.draw(copy, 10);
      EXPECT_FALSE(at::equal(first, second)) << generator.name;
      const Random again = source(10);
      EXPECT_TRUE(at::equal(first, generator.draw(again, 10))) << generator.name;
      EXPECT_TRUE(at::equal(second, generator.draw(again, 10))) << generator.name;
    }
    // A Stream is a value: passed twice, it gives the same draws.
    const Stream stream{.seed = 11, .id = 0};
    EXPECT_TRUE(at::equal(generator.draw(stream, 10), generator.draw(stream, 10)))
        << generator.name;
  }
}

TEST(Random, LeavesTorchsGlobalSeedAlone) {
  at::manual_seed(5);
  const Tensor expected = at::rand({4});
  at::manual_seed(5);
  for (const Generator& generator : generators()) {
    for (const Random& random : both_sources(12)) generator.draw(random, 100);
  }
  EXPECT_TRUE(at::equal(at::rand({4}), expected));
}

TEST(Random, ForksDiffer) {
  for (const Random& random : both_sources(13)) {
    const Stream a = random.fork();
    const Stream b = random.fork();
    EXPECT_NE(a, b);
  }
  EXPECT_EQ(from_stream(13).fork(), from_stream(13).fork());
}

TEST(Random, CategoriesFollowTheSoftmax) {
  const Tensor logits =
      at::tensor({0.5, -kInfinity, 2.0, -1.0, 0.0, 3.0}, at::kDouble).view({2, 3});
  for (const Random& random : both_sources(14)) {
    for (const auto type : {at::kFloat, at::kDouble, at::kBFloat16, at::kHalf}) {
      constexpr std::int64_t kDraws = 100'000;
      const Tensor draws = random.categorical(logits.to(type), kDraws);
      ASSERT_EQ(draws.sizes(), IntArrayRef({kDraws, 2}));
      ASSERT_EQ(draws.scalar_type(), at::kLong);
      const Tensor p = logits.softmax(-1) * static_cast<double>(kDraws);
      for (std::int64_t row = 0; row < 2; ++row) {
        const Tensor observed = at::bincount(draws.select(1, row), {}, 3);
        EXPECT_GT(chi_square_p_value(to_vector(observed), to_vector(p[row])), kFalseAlarm) << type;
      }
    }
  }
}

TEST(Random, CategoriesOfAnyStrides) {
  const Tensor logits = at::randn({700, 6}, torch_generator(19));
  const Tensor drawn = from_stream(19).categorical(logits.t().contiguous(), 50);
  EXPECT_TRUE(at::equal(from_stream(19).categorical(logits.t(), 50), drawn));
  EXPECT_TRUE(at::equal(from_stream(19).categorical(logits.t().expand({6, 700}), 50), drawn));
  // A row's draws do not depend on the rows after it.
  EXPECT_TRUE(
      at::equal(from_stream(19).categorical(logits.t().slice(0, 0, 4), 50), drawn.slice(1, 0, 4)));
}

TEST(Random, RefusesLogitsThatAreNone) {
  const Random random = from_stream(15);
  EXPECT_EQ(message_of<InvalidArgument>([&] { random.categorical(at::zeros({3}), 2); }),
            "logits: expected [rows, V], got [3]");
  EXPECT_EQ(message_of<InvalidArgument>([&] {
              random.categorical(at::zeros({3, 0}), 2);
            }),
            "logits: expected [rows, V], got [3, 0]");
  EXPECT_EQ(message_of<InvalidArgument>([&] {
              random.categorical(at::zeros({3, 2}), -1);
            }),
            "count: expected 0 or more, got -1");
  const Tensor bad = at::zeros({3, 2});
  bad[1][0] = kNaN;
  EXPECT_EQ(message_of<InvalidArgument>([&] { random.categorical(bad, 4); }),
            "logits: row 1: NaN at column 0");
  EXPECT_EQ(random.categorical(at::zeros({3, 2}), 0).sizes(), IntArrayRef({0, 3}));
  EXPECT_EQ(random.categorical(at::zeros({0, 2}), 4).sizes(), IntArrayRef({4, 0}));
}

TEST(Random, DrawsOnAnotherDeviceAreTheSame) {
  if (!at::hasCUDA()) GTEST_SKIP() << "no CUDA";
  const at::Device cuda(at::kCUDA);
  for (const Variate& variate : variates()) {
    const auto options = at::TensorOptions(at::kFloat);
    const Tensor there = variate.draw(from_stream(16), {100}, options.device(cuda));
    EXPECT_TRUE(there.is_cuda());
    EXPECT_TRUE(at::equal(there.cpu(), variate.draw(from_stream(16), {100}, options)))
        << variate.name;
  }
  const Tensor rate = at::full({100}, 20.0, at::kDouble);
  EXPECT_TRUE(
      at::equal(from_stream(17).poisson(rate.to(cuda)).cpu(), from_stream(17).poisson(rate)));
  const Tensor logits = at::randn({4, 50});
  const Tensor there = from_stream(18).categorical(logits.to(cuda), 30);
  EXPECT_TRUE(there.is_cuda());
  EXPECT_TRUE(at::equal(there.cpu(), from_stream(18).categorical(logits, 30)));
}

}  // namespace
}  // namespace partita
