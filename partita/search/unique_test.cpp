// SPDX-License-Identifier: Apache-2.0
#include "partita/search/unique.hpp"

#include <gtest/gtest.h>

#include <numeric>
#include <set>
#include <stdexcept>

#include "partita/base/error.hpp"
#include "search_test_support.hpp"

namespace partita {
namespace {

using namespace partita::testing;  // NOLINT(google-build-using-namespace)

std::vector<PerturbedHypothesis> take_all(UniqueSampler& sampler) {
  std::vector<PerturbedHypothesis> all;
  while (auto next = sampler.next()) all.push_back(std::move(*next));
  return all;
}

TEST(Unique, IsAnOrderedSample) {
  const StatelessModel model({.vocabulary = 3});
  const SearchOptions options{.max_length = 3};
  const Support support(model, options);
  std::vector<OrderedSample> samples(100000);
  for (std::size_t r = 0; r < samples.size(); ++r) {
    UniqueSampler sampler(model, {}, {11, r}, options);
    for (int draw = 0; draw < 3; ++draw) {
      const auto next = sampler.next();
      samples[r].indices.push_back(support.find(*next));
      samples[r].perturbed.push_back(next->perturbed);
    }
    samples[r].threshold = sampler.threshold();
  }
  const OrderedSampleTest test = test_ordered_samples(support.p, samples);
  EXPECT_GT(test.tuples, kFalseAlarm);
  EXPECT_GT(test.gumbels, kFalseAlarm);
}

// The last one drawn also follows the right distribution: what is left to the end is not starved.
TEST(Unique, LastOneHasItsDistribution) {
  const StatelessModel model({.vocabulary = 3});
  const SearchOptions options{.max_length = 2};
  const Support support(model, options);
  const std::size_t n = support.size();
  ASSERT_EQ(n, 7U);
  // P(last = i) by inclusion and exclusion over the sets that may come after i:
  // P(all others before i) = sum over subsets S of the others of (-1)^|S| p_i / (p_i + p(S)).
  std::vector<double> expected(n);
  constexpr std::size_t kRepetitions = 50000;
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t set = 0; set < (std::size_t{1} << n); ++set) {
      if ((set >> i & 1U) != 0) continue;
      double sum = support.p[i];
      double sign = 1;
      for (std::size_t j = 0; j < n; ++j) {
        if ((set >> j & 1U) != 0) {
          sum += support.p[j];
          sign = -sign;
        }
      }
      expected[i] += sign * support.p[i] / sum * static_cast<double>(kRepetitions);
    }
  }
  std::vector<double> observed(n);
  for (std::size_t r = 0; r < kRepetitions; ++r) {
    UniqueSampler sampler(model, {}, {12, r}, options);
    observed[support.find(take_all(sampler).back())] += 1;
  }
  EXPECT_GT(chi_square_p_value(observed, expected), kFalseAlarm);
}

TEST(Unique, EndsAfterTheWholeSupport) {
  const StatelessModel model({.vocabulary = 5, .scale = 6});
  const SearchOptions options{.max_length = 5};
  const Support support(model, options);
  UniqueSampler sampler(model, {}, {.seed = 1}, options);
  const auto all = take_all(sampler);
  ASSERT_EQ(all.size(), support.size());
  std::set<std::size_t> distinct;
  for (std::size_t i = 0; i < all.size(); ++i) {
    distinct.insert(support.find(all[i]));
    EXPECT_LE(all[i].perturbed, all[i == 0 ? 0 : i - 1].perturbed);
  }
  EXPECT_EQ(distinct.size(), support.size());
  EXPECT_EQ(sampler.threshold(), kMinusInfinity);
  EXPECT_FALSE(sampler.next());
  EXPECT_FALSE(sampler.next());
}

// Probabilities of 1e-300 per token, 1e-900 per sequence: each comes once, and then none is left. A
// trie that subtracts what it returned from 1 would lose all of them.
TEST(Unique, NearlyImpossibleSequences) {
  const CallableModel model(4, 3, [](std::span<const Token> prefix) {
    const double tiny = std::log(1e-300);
    if (prefix.size() == 1) return std::vector<double>{tiny, 0, tiny, tiny};
    return std::vector<double>{0, tiny - 3, tiny, 2 * tiny};
  });
  const SearchOptions options{.max_length = 3};
  const Support support(model, options);
  ASSERT_EQ(support.size(), 1 + 3 + 9 + 27U);
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    UniqueSampler sampler(model, {}, {seed, 0}, options);
    const auto all = take_all(sampler);
    ASSERT_EQ(all.size(), support.size());
    std::set<std::size_t> distinct;
    for (const auto& h : all) {
      EXPECT_TRUE(std::isfinite(h.perturbed));
      distinct.insert(support.find(h));
    }
    EXPECT_EQ(distinct.size(), support.size());
    EXPECT_EQ(all[0].tokens, (Sequence{0, 1, 0}));
  }
}

// One of two children of probability 1e-300 each is as likely to come first as the other.
TEST(Unique, TinyProbabilitiesKeepTheirRatio) {
  const CallableModel model(3, -1, [](auto) {
    return std::vector<double>{std::log(1e-300), 0, std::log(3e-300)};
  });
  std::vector<double> observed(2);
  for (std::uint64_t seed = 0; seed < 20000; ++seed) {
    UniqueSampler sampler(model, {}, {seed, 0}, {.max_length = 1});
    EXPECT_EQ(sampler.next()->tokens, Sequence{1});
    ++observed[sampler.next()->tokens[0] == 0 ? 0 : 1];
  }
  EXPECT_GT(chi_square_p_value(observed, std::vector<double>{5000, 15000}), kFalseAlarm);
}

TEST(Unique, AsksForEachPrefixOnce) {
  std::map<Sequence, int> asked;
  const CallableModel model(3, 2, [&](std::span<const Token> prefix) {
    ++asked[{prefix.begin(), prefix.end()}];
    return std::vector<double>{0, 1, 2};
  });
  UniqueSampler sampler(model, {}, {.seed = 1}, {.max_length = 4});
  take_all(sampler);
  EXPECT_EQ(asked.size(), 1 + 2 + 4 + 8U);
  for (const auto& [prefix, times] : asked) EXPECT_EQ(times, 1);
}

// A model that fails now and then costs nothing but its calls.
TEST(Unique, GoesOnAfterTheModelFailed) {
  int calls = 0;
  const auto logits = [](std::span<const Token> prefix) {
    return std::vector<double>{0, 1, static_cast<double>(prefix.size())};
  };
  const CallableModel sound(3, 2, logits);
  const CallableModel model(3, 2, [&](std::span<const Token> prefix) {
    ++calls;
    if (calls % 2 == 1) throw std::runtime_error("interrupted");
    if (calls % 3 == 0) return std::vector<double>(3, kMinusInfinity);
    return logits(prefix);
  });
  UniqueSampler expected(sound, {}, {.seed = 1}, {.max_length = 4});
  UniqueSampler sampler(model, {}, {.seed = 1}, {.max_length = 4});
  int failures = 0;
  std::vector<PerturbedHypothesis> all;
  while (true) {
    try {
      const auto next = sampler.next();
      if (!next) break;
      all.push_back(*next);
    } catch (const std::exception&) {
      ++failures;
    }
  }
  EXPECT_EQ(all, take_all(expected));
  EXPECT_GT(failures, 15);
}

TEST(Unique, Moves) {
  const StatelessModel model;
  UniqueSampler a(model, {}, {.seed = 1}, {.max_length = 3});
  const auto first = a.next();
  UniqueSampler b = std::move(a);
  UniqueSampler c(model, {}, {.seed = 1}, {.max_length = 3});
  EXPECT_EQ(c.next(), first);
  EXPECT_EQ(b.next(), c.next());
}

TEST(Unique, Refusals) {
  const StatelessModel model;
  EXPECT_THROW(UniqueSampler(model, {}, {.seed = 1}, {.max_length = 0}), InvalidArgument);
  EXPECT_THROW(UniqueSampler(model, {5}, {.seed = 1}, {}), InvalidArgument);
}

}  // namespace
}  // namespace partita
