#include "partita/softmax/filter.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "partita/base/error.hpp"

namespace partita {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::vector<double> logs(std::vector<double> p) {
  for (double& x : p) x = std::log(x);
  return p;
}

std::vector<std::size_t> kept(const std::vector<double>& z) {
  std::vector<std::size_t> result;
  for (std::size_t i = 0; i < z.size(); ++i) {
    if (z[i] != -kInfinity) result.push_back(i);
  }
  return result;
}

template <class Apply>
std::vector<std::size_t> kept_after(std::vector<double> z, const Apply& apply) {
  apply(std::span(z));
  return kept(z);
}

using Indices = std::vector<std::size_t>;
const std::vector<double> kRow = logs({0.1, 0.4, 0.05, 0.3, 0.15});

TEST(Filter, TopK) {
  const auto top = [](std::size_t k) { return [k](auto z) { apply_top_k(z, k); }; };
  EXPECT_EQ(kept_after(kRow, top(1)), (Indices{1}));
  EXPECT_EQ(kept_after(kRow, top(3)), (Indices{1, 3, 4}));
  EXPECT_EQ(kept_after(kRow, top(99)).size(), 5);
  EXPECT_EQ(kept_after({1, 1, 1, 1}, top(2)), (Indices{0, 1}));
}

TEST(Filter, TopPIsTheSmallestSetThatReachesP) {
  const auto nucleus = [](double p) { return [p](auto z) { apply_top_p(z, p); }; };
  EXPECT_EQ(kept_after(kRow, nucleus(0.39)), (Indices{1}));
  EXPECT_EQ(kept_after(kRow, nucleus(0.41)), (Indices{1, 3}));
  EXPECT_EQ(kept_after(kRow, nucleus(0.71)), (Indices{1, 3, 4}));
  EXPECT_EQ(kept_after(kRow, nucleus(1e-9)), (Indices{1}));
  EXPECT_EQ(kept_after(kRow, nucleus(1)).size(), 5);
}

TEST(Filter, TopPEqualsSortingEverything) {
  std::mt19937_64 random(1);
  std::normal_distribution<double> normal(0, 1);
  for (const double p : {0.05, 0.5, 0.9, 0.999}) {
    std::vector<double> z(3000);
    for (double& x : z) x = normal(random);
    std::vector<double> sorted = z;
    std::sort(sorted.rbegin(), sorted.rend());
    double total = 0;
    for (const double x : sorted) total += std::exp(x);
    std::size_t count = 0;
    for (double mass = 0; mass < p * total; ++count) mass += std::exp(sorted[count]);
    apply_top_p(z, p);
    EXPECT_EQ(kept(z).size(), count);
    EXPECT_EQ(*std::max_element(z.begin(), z.end()), sorted[0]);
  }
}

TEST(Filter, MinPIsRelativeToTheLargest) {
  const auto min_p = [](double p) { return [p](auto z) { apply_min_p(z, p); }; };
  EXPECT_EQ(kept_after(kRow, min_p(0.3)), (Indices{1, 3, 4}));
  EXPECT_EQ(kept_after(kRow, min_p(1)), (Indices{1}));
  EXPECT_EQ(kept_after(kRow, min_p(0)).size(), 5);
}

TEST(Filter, TypicalPrefersWhatIsAsSurprisingAsTheAverage) {
  // Entropy of kRow is 1.39 nats; -log p = 2.30, 0.92, 3.00, 1.20, 1.90: distances .91 .48 1.60 .19
  // .50.
  const auto typical = [](double p) { return [p](auto z) { apply_typical(z, p); }; };
  EXPECT_EQ(kept_after(kRow, typical(0.2)), (Indices{3}));
  EXPECT_EQ(kept_after(kRow, typical(0.65)), (Indices{1, 3}));
  EXPECT_EQ(kept_after(kRow, typical(0.75)), (Indices{1, 3, 4}));
}

TEST(Filter, TemperatureKeepsTheMaximumFiniteHoweverCold) {
  std::vector<double> z = {2, 1, -kInfinity};
  apply_temperature(z, 0.5);
  EXPECT_DOUBLE_EQ(z[0] - z[1], 2);
  EXPECT_EQ(z[2], -kInfinity);
  z = {2, 1};
  apply_temperature(z, 1e-320);
  EXPECT_EQ(z[0], 0);
  EXPECT_EQ(z[1], -kInfinity);
  z = {2, 1};
  apply_temperature(z, 1);
  EXPECT_EQ(z, (std::vector<double>{2, 1}));
}

TEST(Filter, AppliesInTheUsualOrder) {
  const std::vector<std::uint8_t> allowed = {1, 0, 1, 1, 1};
  const Filter filter{.temperature = 2, .top_k = 3, .top_p = 0.6, .allowed = allowed};
  std::vector<double> by_filter = kRow;
  filter.apply(by_filter);
  std::vector<double> by_hand = kRow;
  apply_allowed(by_hand, allowed);
  apply_temperature(by_hand, 2);
  apply_top_k(by_hand, 3);
  apply_top_p(by_hand, 0.6);
  EXPECT_EQ(by_filter, by_hand);
  EXPECT_EQ(kept(by_filter), (Indices{3, 4}));
  // After top-k the nucleus is taken of what is left: of {.3, .1, .15} that needs two.
  EXPECT_FALSE(filter.is_identity());
  EXPECT_TRUE(Filter{}.is_identity());
}

TEST(Filter, RefusesBadSettingsByName) {
  std::vector<double> z = {1, 2};
  const auto message = [&](const Filter& filter) -> std::string {
    try {
      filter.check(z.size());
    } catch (const InvalidArgument& error) {
      return error.what();
    }
    return "accepted";
  };
  const double nan = std::nan("");
  EXPECT_EQ(message({.temperature = 0}), "temperature: expected a positive finite number, got 0");
  EXPECT_EQ(message({.temperature = -1}), "temperature: expected a positive finite number, got -1");
  EXPECT_EQ(message({.temperature = nan}),
            "temperature: expected a positive finite number, got nan");
  EXPECT_EQ(message({.top_p = 0}), "top_p: expected 0 < p <= 1, got 0");
  EXPECT_EQ(message({.top_p = 1.5}), "top_p: expected 0 < p <= 1, got 1.5");
  EXPECT_EQ(message({.min_p = -0.1}), "min_p: expected 0 <= p <= 1, got -0.1");
  EXPECT_EQ(message({.typical_p = nan}), "typical_p: expected 0 < p <= 1, got nan");
  EXPECT_EQ(message({}), "accepted");
  EXPECT_THROW(apply_top_k(z, 0), InvalidArgument);
  EXPECT_THROW(apply_allowed(z, std::vector<std::uint8_t>{1}), InvalidArgument);
}

TEST(Filter, RefusesNanLogitsAndLeavesImpossibleRows) {
  std::vector<double> bad = {1, std::nan(""), 2};
  EXPECT_THROW(apply_top_k(bad, 2), InvalidArgument);
  EXPECT_THROW(apply_top_p(bad, 0.5), InvalidArgument);
  std::vector<double> none = {-kInfinity, -kInfinity};
  Filter{.temperature = 0.5, .top_k = 1, .top_p = 0.5, .min_p = 0.1, .typical_p = 0.5}.apply(none);
  EXPECT_TRUE(kept(none).empty());
}

}  // namespace
}  // namespace partita
