// SPDX-License-Identifier: Apache-2.0
#include "partita/search/ancestral.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "partita/base/error.hpp"
#include "search_test_support.hpp"

namespace partita {
namespace {

using namespace partita::testing;  // NOLINT(google-build-using-namespace)

double p_value_of(const std::vector<Hypothesis>& samples, const Support& support) {
  std::vector<double> observed(support.size());
  std::vector<double> expected;
  for (const Hypothesis& h : samples) observed[support.find(h)] += 1;
  for (const double p : support.p) expected.push_back(p * static_cast<double>(samples.size()));
  return chi_square_p_value(observed, expected);
}

TEST(Ancestral, HasItsDistribution) {
  const StatelessModel model({.vocabulary = 4});
  const SearchOptions options{.max_length = 4};
  const Support support(model, options);
  const auto samples = ancestral_samples(model, {}, 400000, Stream{1}, options);
  EXPECT_GT(p_value_of(samples, support), kFalseAlarm);
  for (const Hypothesis& h : std::span(samples).first(1000)) {
    EXPECT_NEAR(h.log_prob, support.leaves[support.find(h)].log_prob, 1e-12);
  }
  const SearchOptions warm = with_filter(options, 1.06);  // the rig must see it
  EXPECT_LT(p_value_of(ancestral_samples(model, {}, 400000, Stream{1}, warm), support),
            kFalseAlarm);
}

TEST(Ancestral, HasItsDistributionUnderFilters) {
  const StatelessModel model({.vocabulary = 5});
  const SearchOptions options = with_filter({.max_length = 3}, 2, 0, 0.8);
  const Support support(model, options);
  ASSERT_LT(support.size(), 5 * 5 * 5U);
  EXPECT_GT(p_value_of(ancestral_samples(model, {}, 200000, Stream{2}, options), support),
            kFalseAlarm);
}

/// With XTC a token has the distribution of two filters, of which a coin chooses one.
TEST(Ancestral, ExcludesTopChoicesAtRandom) {
  const CallableModel model(3, -1, [](auto) {
    return std::vector<double>{std::log(0.5), std::log(0.3), std::log(0.2)};
  });
  SearchOptions options{.max_length = 2};
  options.filter.xtc_probability = 0.4;
  options.filter.xtc_threshold = 0.25;
  const auto samples = ancestral_samples(model, {}, 200000, Stream{6}, options);
  // Without the likeliest: 0.6 and 0.4 of the two that stay.
  const std::array<double, 3> p{0.6 * 0.5, 0.6 * 0.3 + 0.4 * 0.6, 0.6 * 0.2 + 0.4 * 0.4};
  std::vector<double> observed(9);
  std::vector<double> expected;
  for (const double first : p) {
    for (const double second : p) expected.push_back(first * second * 200000);
  }
  for (const Hypothesis& h : samples) {
    observed[3 * static_cast<std::size_t>(h.tokens[0]) + static_cast<std::size_t>(h.tokens[1])] +=
        1;
    // Each token by what it was drawn from.
    double least = 0;
    for (const Token token : h.tokens)
      least += std::log(std::array{0.5, 0.3, 0.2}[static_cast<std::size_t>(token)]);
    EXPECT_GE(h.log_prob, least - 1e-12);
  }
  EXPECT_GT(chi_square_p_value(observed, expected), kFalseAlarm);
}

/// A state a sample: the surprise of each approaches the target, whatever the others do.
TEST(Ancestral, MirostatSteersEverySample) {
  const CallableModel model(200, -1, [](auto) {
    std::vector<double> z(200);
    for (std::size_t i = 0; i < z.size(); ++i) z[i] = -1.1 * std::log(static_cast<double>(i + 1));
    return z;
  });
  for (const double target : {2.0, 4.0}) {
    SearchOptions options{.max_length = 400};
    options.filter.mirostat = 2;
    options.filter.mirostat_tau = target;
    const auto samples = ancestral_samples(model, {}, 20, Stream{7}, options);
    double bits = 0;
    for (const Hypothesis& h : samples) bits -= h.log_prob / std::log(2.0) / 400;
    EXPECT_NEAR(bits / 20, target, 0.1);
    for (const SearchOptions& divided :
         {SearchOptions{.max_length = 400, .filter = options.filter, .batch = 1},
          SearchOptions{.max_length = 400, .filter = options.filter, .threads = 3, .batch = 7}}) {
      EXPECT_EQ(ancestral_samples(model, {}, 20, Stream{7}, divided), samples);
    }
  }
}

TEST(Ancestral, BeginsFromTheStateThatIsSet) {
  const StatelessModel model({.vocabulary = 50});
  SearchOptions options{.max_length = 1};
  options.filter.mirostat = 2;
  MirostatState narrow{.mu = 0.01};
  options.filter.mirostat_state = &narrow;
  const auto samples = ancestral_samples(model, {}, 50, Stream{8}, options);
  for (const Hypothesis& h : samples) EXPECT_EQ(h.log_prob, 0);  // the likeliest alone is kept
  EXPECT_EQ(narrow.mu, 0.01);
}

TEST(Arithmetic, EverySampleAloneHasTheModelsLaw) {
  const StatelessModel model({.vocabulary = 4});
  const SearchOptions options{.max_length = 4};
  const Support support(model, options);
  std::vector<Hypothesis> samples;
  for (std::size_t call = 0; call < 100'000; ++call) {
    const auto five = arithmetic_samples(model, {}, 5, {.seed = 1, .id = call}, options);
    samples.push_back(five[call % 5]);
    ASSERT_NEAR(samples.back().log_prob, support.leaves[support.find(samples.back())].log_prob,
                1e-12);
  }
  EXPECT_GT(p_value_of(samples, support), kFalseAlarm);
}

TEST(Arithmetic, LongTextsHaveTheModelsLawToo) {
  // Beyond 2^-20 codes begin anew: the last of 30 tokens, by the token before it.
  const CallableModel model(3, -1, [](std::span<const Token> prefix) {
    return prefix.empty() || prefix.back() == 0 ? std::vector<double>{0, 1, 0.5}
                                                : std::vector<double>{1, 0, -1};
  });
  std::vector<double> observed(6);
  std::vector<double> expected(6);
  for (std::uint64_t call = 0; call < 1500; ++call) {
    for (const Hypothesis& h :
         arithmetic_samples(model, {}, 20, Stream{.id = call}, {.max_length = 30})) {
      const std::size_t state = h.tokens[28] == 0 ? 0 : 1;
      ++observed[3 * state + static_cast<std::size_t>(h.tokens[29])];
      const auto next = next_log_probs(model, {h.tokens[28]});
      for (std::size_t i = 0; i < 3; ++i) expected[3 * state + i] += std::exp(next[i]);
    }
  }
  EXPECT_GT(chi_square_p_value(observed, expected), kFalseAlarm);
}

TEST(Arithmetic, SequencesComeAsOftenAsTheyShould) {
  const StatelessModel model({.vocabulary = 4});
  const SearchOptions options{.max_length = 4};
  const Support support(model, options);
  for (const std::size_t n : {1U, 7U, 1000U}) {
    std::vector<double> counts(support.size());
    for (const Hypothesis& h : arithmetic_samples(model, {}, n, Stream{3}, options)) {
      ++counts[support.find(h)];
    }
    for (std::size_t i = 0; i < counts.size(); ++i) {
      EXPECT_LT(std::abs(counts[i] - static_cast<double>(n) * support.p[i]), 1 + 1e-9);
    }
  }
}

TEST(Arithmetic, MeansVaryLessThanThoseOfIndependentSamples) {
  const StatelessModel model({.vocabulary = 4});
  const SearchOptions options{.max_length = 6};
  const auto variance = [&](const auto& draw) {
    std::vector<double> means;
    for (std::uint64_t call = 0; call < 400; ++call) {
      double sum = 0;
      for (const Hypothesis& h : draw(call)) sum += static_cast<double>(h.tokens.size()) / 20;
      means.push_back(sum);
    }
    double mean = 0;
    for (const double m : means) mean += m / 400;
    double squares = 0;
    for (const double m : means) squares += (m - mean) * (m - mean);
    return squares;
  };
  const double independent = variance([&](std::uint64_t call) {
    return ancestral_samples(model, {}, 20, Stream{.seed = 1, .id = call}, options);
  });
  const double spread = variance([&](std::uint64_t call) {
    return arithmetic_samples(model, {}, 20, {.seed = 1, .id = call}, options);
  });
  EXPECT_LT(spread, independent / 3);
}

TEST(Arithmetic, BatchesAndThreadsChangeNothing) {
  const SearchOptions options{.max_length = 9};
  const auto one =
      arithmetic_samples(StatelessModel({.vocabulary = 5}), {1}, 50, Stream{2}, options);
  const auto other = arithmetic_samples(StatefulModel({.vocabulary = 5}), {1}, 50, Stream{2},
                                        {.max_length = 9, .threads = 2, .batch = 7});
  EXPECT_EQ(one, other);
  EXPECT_TRUE(arithmetic_samples(StatelessModel({.vocabulary = 5}), {}, 0, Stream{2}).empty());
  SearchOptions steered;
  steered.filter.xtc_probability = 0.5;
  EXPECT_THROW(arithmetic_samples(StatelessModel({.vocabulary = 5}), {}, 2, Stream{2}, steered),
               InvalidArgument);
}

TEST(Ancestral, ImpossibleTokensNeverCome) {
  const CallableModel model(4, -1, [](auto) {
    return std::vector<double>{kMinusInfinity, 0, kMinusInfinity, kMinusInfinity};
  });
  for (const auto& h : ancestral_samples(model, {}, 1000, Stream{3}, {.max_length = 10})) {
    EXPECT_EQ(h.tokens, Sequence(10, 1));
    EXPECT_EQ(h.log_prob, 0);
  }
}

TEST(Ancestral, SampleDependsOnItsStreamAlone) {
  const StatelessModel model({.vocabulary = 5});
  const auto all = ancestral_samples(model, {}, 500, Stream{4}, {.max_length = 8});
  for (const SearchOptions& options :
       {SearchOptions{.max_length = 8, .batch = 1}, SearchOptions{.max_length = 8, .batch = 7},
        SearchOptions{.max_length = 8, .threads = 3},
        SearchOptions{.max_length = 8, .threads = 2, .batch = 64}}) {
    EXPECT_EQ(ancestral_samples(model, {}, 500, Stream{4}, options), all);
  }
  EXPECT_EQ(ancestral_samples(model, {}, 1, {Stream{4}, 221}, {.max_length = 8})[0], all[221]);
  const std::vector<Stream> own{Stream{4}.child(30), Stream{4}.child(3)};
  const auto two = ancestral_samples(model, {}, 2, std::span<const Stream>(own), {.max_length = 8});
  EXPECT_EQ(two[0], all[30]);
  EXPECT_EQ(two[1], all[3]);
}

TEST(Ancestral, FewAndNone) {
  const StatelessModel model;
  EXPECT_TRUE(ancestral_samples(model, {}, 0, Stream{1}).empty());
  const auto one = ancestral_samples(model, {0, 1}, 1, Stream{1}, {.max_length = 1});
  EXPECT_LE(one[0].tokens.size(), 1U);
  EXPECT_THROW(ancestral_samples(model, {-1}, 1, Stream{1}, {}), InvalidArgument);
}

// The model is called once for each distinct prefix of a batch, not once per sample.
TEST(Ancestral, SharedPrefixesAreAskedOnce) {
  std::size_t asked = 0;
  const CallableModel model(3, 2, [&](auto) {
    ++asked;
    return std::vector<double>{0, 0, 0};
  });
  ancestral_samples(model, {}, 2000, Stream{1}, {.max_length = 3});
  EXPECT_EQ(asked, 1U + 2U + 4U);
}

}  // namespace
}  // namespace partita
