// SPDX-License-Identifier: Apache-2.0
#include "partita/random/fill.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <numbers>
#include <vector>

#include "partita/random/goodness_of_fit.hpp"
#include "partita/random/internal/fill_kernels.hpp"
#include "targets.hpp"

namespace partita {
namespace {

using testing::OnTarget;
using testing::targets;

constexpr std::size_t kWords = 1U << 16U;

/// Random words, and all lengths of runs of 0 and 1 at either end: both tails, and everything
/// between.
std::vector<std::uint64_t> words_of_all_sizes() {
  std::vector<std::uint64_t> words;
  for (unsigned shift = 0; shift < 64; ++shift) {
    const std::uint64_t top = ~std::uint64_t{0} << shift;
    for (const std::uint64_t word : {top, ~top, std::uint64_t{1} << shift, top - 1, ~top + 2}) {
      words.push_back(word);
    }
  }
  const Stream stream{.seed = 21, .id = 4};
  for (std::uint64_t i = 0; words.size() < kWords; ++i) {
    const std::uint64_t word = stream.bits(i);
    words.push_back(i % 2 == 0 ? word : word >> (i / 2 % 64));
  }
  return words;
}

/// u as (distance to its nearer end, whether that is 1).
struct End {
  long double x;
  bool above;
};
End end_of(std::uint64_t word) {
  const bool above = word >> 63U != 0;
  return {(static_cast<long double>(above ? ~word : word) + 0.5L) * 0x1p-64L, above};
}

long double exponential(std::uint64_t word) {
  const auto [x, above] = end_of(word);
  return above ? -std::log1p(-x) : -std::log(x);
}
long double gumbel(std::uint64_t word) { return -std::log(exponential(word)); }
long double logistic(std::uint64_t word) {
  const auto [x, above] = end_of(word);
  const long double low = std::log(x / (1 - x));
  return above ? -low : low;
}

constexpr long double kPi = std::numbers::pi_v<long double>;

/// cos and sin of 2 pi u, exact at and near their zeros.
long double cosine(std::uint64_t word) {
  const auto u = static_cast<long double>(uniform_from_bits(word));
  const long double turns = std::abs(u - 0.5L);  // cos(2 pi u) = -cos(2 pi turns)
  return turns < 0.125L   ? -std::cos(2 * kPi * turns)
         : turns > 0.375L ? std::cos(2 * kPi * (0.5L - turns))
                          : std::sin(2 * kPi * (turns - 0.25L));
}
long double sine(std::uint64_t word) {
  const auto u = static_cast<long double>(uniform_from_bits(word));
  if (u < 0.125L) return std::sin(2 * kPi * u);
  if (u < 0.375L) return std::cos(2 * kPi * (u - 0.25L));
  if (u < 0.625L) return -std::sin(2 * kPi * (u - 0.5L));
  if (u < 0.875L) return -std::cos(2 * kPi * (u - 0.75L));
  return std::sin(2 * kPi * (u - 1));
}

/// The largest |value - reference| / max(|reference|, least) in epsilons.
template <class T>
class WorstError {
 public:
  explicit WorstError(long double least) : least_(least) {}
  void add(T value, long double reference) {
    const long double error = std::abs(static_cast<long double>(value) - reference) /
                              std::max(std::abs(reference), least_);
    worst_ = std::isfinite(value)
                 ? std::max(worst_, static_cast<double>(error / std::numeric_limits<T>::epsilon()))
                 : std::numeric_limits<double>::infinity();
  }
  double value() const { return worst_; }

 private:
  long double least_;
  double worst_ = 0;
};

template <class T>
class FillTest : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(FillTest, Types);

TYPED_TEST(FillTest, UniformIsTheStreamsOwnRoundedBelowOne) {
  using T = TypeParam;
  const auto words = words_of_all_sizes();
  for (const std::int64_t target : targets()) {
    const OnTarget on(target);
    std::vector<T> out(words.size());
    kernels::from_words<TypeParam>().uniform(words.data(), words.size(), out.data());
    const T most = 1 - std::numeric_limits<T>::epsilon() / 2;
    for (std::size_t i = 0; i < words.size(); ++i) {
      ASSERT_EQ(out[i], std::min(static_cast<T>(uniform_from_bits(words[i])), most)) << words[i];
    }
  }
}

TYPED_TEST(FillTest, IsWithinTheErrorThatIsStated) {
  using T = TypeParam;
  const auto words = words_of_all_sizes();
  const auto n = words.size();
  for (const std::int64_t target : targets()) {
    const OnTarget on(target);
    std::vector<T> out(n);
    kernels::from_words<TypeParam>().exponential(words.data(), n, out.data());
    WorstError<T> exponential_error(0);
    for (std::size_t i = 0; i < n; ++i) exponential_error.add(out[i], exponential(words[i]));
    EXPECT_LE(exponential_error.value(), 1.1) << hwy::TargetName(target);

    kernels::from_words<TypeParam>().gumbel(words.data(), n, out.data());
    WorstError<T> gumbel_error(1);
    for (std::size_t i = 0; i < n; ++i) gumbel_error.add(out[i], gumbel(words[i]));
    EXPECT_LE(gumbel_error.value(), 1.5) << hwy::TargetName(target);

    kernels::from_words<TypeParam>().logistic(words.data(), n, out.data());
    WorstError<T> logistic_error(1);
    for (std::size_t i = 0; i < n; ++i) logistic_error.add(out[i], logistic(words[i]));
    EXPECT_LE(logistic_error.value(), 1.7) << hwy::TargetName(target);

    const std::vector<std::uint64_t> reversed(words.rbegin(), words.rend());
    std::vector<T> pairs(2 * n);
    kernels::from_words<TypeParam>().normal(words.data(), reversed.data(), n, pairs.data());
    WorstError<T> normal_error(1e-30L);
    for (std::size_t i = 0; i < n; ++i) {
      if (reversed[i] < 1U << 11U) continue;  // uniform() is never 0, the angle here is
      const long double radius = std::sqrt(2 * exponential(words[i]));
      normal_error.add(pairs[2 * i], radius * cosine(reversed[i]));
      normal_error.add(pairs[2 * i + 1], radius * sine(reversed[i]));
    }
    EXPECT_LE(normal_error.value(), 2) << hwy::TargetName(target);
  }
}

/// All distributions by name, with the Stream's own draw.
template <class T>
struct Variate {
  const char* name;
  void (*fill)(const Stream&, std::uint64_t, std::span<T>);
  double (Stream::*draw)(std::uint64_t) const;
};
template <class T>
std::vector<Variate<T>> variates() {
  return {{"uniform", fill_uniform, &Stream::uniform},
          {"exponential", fill_exponential, &Stream::exponential},
          {"normal", fill_normal, &Stream::normal},
          {"gumbel", fill_gumbel, &Stream::gumbel},
          {"logistic", fill_logistic, &Stream::logistic}};
}

template <class T>
bool same_bits(std::span<const T> a, std::span<const T> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

TYPED_TEST(FillTest, IsTheStreamsOwnDraw) {
  using T = TypeParam;
  const Stream stream{.seed = 22, .id = 1};
  for (const auto& variate : variates<T>()) {
    std::vector<T> out(2000);
    variate.fill(stream, 5, out);
    for (std::size_t i = 0; i < out.size(); ++i) {
      const double draw = (stream.*variate.draw)(5 + i);
      // Stream's own cosine has an error of 1e-15 times the radius.
      ASSERT_NEAR(static_cast<double>(out[i]), draw,
                  5 * std::numeric_limits<T>::epsilon() * std::max(1.0, std::abs(draw)) + 1e-14)
          << variate.name << ", " << i;
    }
  }
}

TYPED_TEST(FillTest, DoesNotDependOnHowARangeIsSplit) {
  using T = TypeParam;
  const Stream stream{.seed = 23, .id = 1};
  for (const auto& variate : variates<T>()) {
    std::vector<T> whole(5000);
    variate.fill(stream, 3, whole);
    for (const std::size_t step : {1U, 2U, 3U, 7U, 31U, 512U, 513U, 1000U, 4999U}) {
      std::vector<T> parts(whole.size() + 1, T{-7});
      for (std::size_t i = 0; i < whole.size(); i += step) {
        variate.fill(stream, 3 + i,
                     std::span(parts).subspan(i, std::min<std::size_t>(step, whole.size() - i)));
      }
      EXPECT_EQ(parts.back(), T{-7}) << "wrote past its end";
      parts.pop_back();
      EXPECT_TRUE(same_bits<T>(whole, parts)) << variate.name << " in steps of " << step;
    }
  }
}

TYPED_TEST(FillTest, HasTheSameBitsOnEveryMachineWithFma) {
  using T = TypeParam;
  const Stream stream{.seed = 24, .id = 1};
  for (const auto& variate : variates<T>()) {
    std::vector<std::vector<T>> results;
    for (const std::int64_t target : targets()) {
      if (target > HWY_AVX2) continue;  // smaller is better
      const OnTarget on(target);
      variate.fill(stream, 0, results.emplace_back(100'000));
    }
    for (std::size_t i = 1; i < results.size(); ++i) {
      EXPECT_TRUE(same_bits<T>(results[0], results[i])) << variate.name;
    }
  }
}

TYPED_TEST(FillTest, HasItsDistribution) {
  using T = TypeParam;
  const std::vector<std::function<double(double)>> cdfs = {
      [](double x) { return x; }, [](double x) { return -std::expm1(-x); },
      [](double x) { return std::erfc(-x / std::numbers::sqrt2) / 2; },
      [](double x) { return std::exp(-std::exp(-x)); },
      [](double x) { return 1 / (1 + std::exp(-x)); }};
  const Stream stream{.seed = 25, .id = 1};
  for (std::size_t i = 0; i < cdfs.size(); ++i) {
    std::vector<T> out(1'000'000);
    variates<T>()[i].fill(stream, 0, out);
    EXPECT_GT(ks_p_value({out.begin(), out.end()}, cdfs[i]), kFalseAlarm) << variates<T>()[i].name;
  }
}

TEST(Fill, ReachesWhereFloatUniformsEnd) {
  // -log(-log(u)) of float uniforms is never over 16.6. Of 2^27 Gumbels, 2^27 e^-16.7 = 7.5 should
  // be over 16.7: none with probability 5e-4, more than 30 with 1e-9.
  std::vector<float> out(1U << 20U);
  int seen = 0;
  for (std::uint64_t i = 0; i < 1U << 7U; ++i) {
    fill_gumbel({.seed = 26, .id = 1}, i << 20U, out);
    for (const float g : out) seen += g > 16.7F ? 1 : 0;
  }
  EXPECT_GE(seen, 1);
  EXPECT_LE(seen, 30);
}

}  // namespace
}  // namespace partita
