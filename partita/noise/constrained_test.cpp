// SPDX-License-Identifier: Apache-2.0
#include "partita/noise/constrained.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <vector>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/random/goodness_of_fit.hpp"
#include "partita/search/search_test_support.hpp"

namespace partita {
namespace {

using ::testing::HasSubstr;
using testing::message_of;
using testing::StatefulModel;
using testing::StatelessModel;

constexpr std::size_t kLongest = 4;

/// At least two tokens are 1, of at most kLongest.
bool two_ones(std::span<const Token> text, bool complete) {
  const auto ones = static_cast<std::size_t>(std::count(text.begin(), text.end(), 1));
  return ones + (complete ? 0 : kLongest - text.size()) >= 2;
}

/// The texts of a model that meet two_ones, their probability and its sum.
struct Allowed {
  testing::Support support;
  double mass = 0;
  std::vector<double> expected;  // of every text of the support, given the constraint

  explicit Allowed(const SequenceModel& model) : support(model, {.max_length = kLongest}) {
    for (std::size_t i = 0; i < support.size(); ++i) {
      expected.push_back(two_ones(support.leaves[i].tokens, true) ? support.p[i] : 0);
      mass += expected.back();
    }
    for (double& p : expected) p /= mass;
  }

  double p_value(std::vector<double> observed, std::size_t n) const {
    std::vector<double> counts;
    for (const double p : expected) counts.push_back(static_cast<double>(n) * p);
    return chi_square_p_value(observed, counts);
  }
};

TEST(AllowedDraw, HasTheLawAndAnUnbiasedMassWhateverTheToken) {
  const std::vector<double> p = {0.35, 0.05, 0.3, 0.1, 0.15, 0.05};
  std::vector<double> z;
  for (const double x : p) z.push_back(std::log(x) + 2);
  const auto allowed = [](Token token) { return token == 1 || token == 3 || token == 4; };
  constexpr double kMass = 0.05 + 0.1 + 0.15;
  constexpr std::size_t kDraws = 60'000;
  std::vector<double> observed(6);
  std::vector<double> expected = {0, 0, 0, 0, 0, 0};
  std::vector<double> masses[6];
  for (std::size_t i = 0; i < kDraws; ++i) {
    const auto drawn = allowed_draw({z.data(), 1, 6}, allowed, Stream{.seed = 1, .id = i});
    ASSERT_TRUE(drawn);
    const auto token = static_cast<std::size_t>(drawn->token);
    ++observed[token];
    masses[token].push_back(std::exp(drawn->log_mass));
    EXPECT_NEAR(drawn->log_prob, std::log(p[token]), 1e-12);
    EXPECT_LE(drawn->looks, 6U);
  }
  for (const std::size_t token : {1U, 3U, 4U}) {
    expected[token] = kDraws * p[token] / kMass;
    EXPECT_LT(z_score(masses[token], kMass), kFiveSigma) << token;
  }
  EXPECT_GT(chi_square_p_value(observed, expected), kFalseAlarm);
  EXPECT_FALSE(allowed_draw(
      {z.data(), 1, 6}, [](Token) { return false; }, Stream{}));
  const auto only = allowed_draw(
      {z.data(), 1, 6}, [](Token t) { return t == 5; }, Stream{});
  EXPECT_NEAR(only->log_mass, std::log(0.05), 1e-12);
}

// What is allowed has a mass that 1 - (the rest) does not hold, or that no double holds.
TEST(AllowedDraw, OfATinyMass) {
  const auto allowed = [](Token token) { return token != 0; };
  for (const double gap : {30.0, 37.0, 50.0, 800.0}) {
    std::vector<double> z(1001, -gap);
    z[0] = 0;
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      const auto drawn = allowed_draw({z.data(), 1, z.size()}, allowed, Stream{seed});
      EXPECT_NEAR(drawn->log_mass, std::log(1000) - gap, 1e-9) << gap;
      EXPECT_NEAR(allowed_draw({z.data(), 1, 2}, allowed, Stream{seed})->log_mass, -gap, 1e-9);
    }
  }
}

TEST(Constrained, OfATinyMass) {
  const CallableModel model(4, -1, [](auto) { return std::vector<double>{0, -800, -800, -801}; });
  const auto allowed = [](std::span<const Token> text, bool) {
    return std::count(text.begin(), text.end(), 0) == 0;
  };
  const double one = std::log(2 + std::exp(-1)) - 800;
  const WeightedTexts texts =
      constrained_particles(model, {}, allowed, 500, Stream{1}, {.max_length = 2});
  ASSERT_EQ(texts.sequences.size(), 500U);
  EXPECT_NEAR(texts.log_mass, 2 * one, 0.2);
  ConstrainedSampler sampler(model, {}, allowed, {.max_length = 2});
  std::vector<double> observed(9);
  constexpr std::size_t kTexts = 2000;
  for (std::size_t i = 0; i < kTexts; ++i) {
    const Sequence tokens = sampler.draw(Stream{.seed = 2, .id = i}).tokens;
    ++observed[static_cast<std::size_t>(3 * (tokens[0] - 1) + tokens[1] - 1)];
  }
  std::vector<double> expected;
  for (const double a : {0.0, 0.0, -1.0}) {
    for (const double b : {0.0, 0.0, -1.0}) {
      expected.push_back(kTexts * std::exp(a + b - 2 * (one + 800)));
    }
  }
  EXPECT_GT(chi_square_p_value(observed, expected), kFalseAlarm);
}

// A model that fails once leaves nothing half done.
TEST(ConstrainedSampler, GoesOnAfterTheModelFailed) {
  int calls = 0;
  const CallableModel model(3, 2, [&](std::span<const Token> prefix) {
    if (++calls % 3 == 0) return std::vector<double>(3, std::nan(""));
    return std::vector<double>{0, 1, static_cast<double>(prefix.size())};
  });
  const CallableModel sound(3, 2, [](std::span<const Token> prefix) {
    return std::vector<double>{0, 1, static_cast<double>(prefix.size())};
  });
  ConstrainedSampler sampler(model, {}, two_ones, {.max_length = kLongest});
  const Allowed allowed(sound);
  std::vector<double> observed(allowed.support.size());
  constexpr std::size_t kTexts = 5000;
  for (std::size_t i = 0; i < kTexts; ++i) {
    const Stream stream{.seed = 3, .id = i};
    std::optional<Hypothesis> text;
    while (!text) {
      try {
        text = sampler.draw(stream);
      } catch (const InvalidArgument& error) {
        ASSERT_THAT(error.what(), HasSubstr("NaN"));
      }
    }
    ++observed[allowed.support.find(*text)];
  }
  EXPECT_GT(allowed.p_value(observed, kTexts), kFalseAlarm);
}

TEST(ConstrainedSampler, HasTheConditionalLawWhichMaskingHasNot) {
  const StatelessModel model({.vocabulary = 3, .seed = 4});
  const Allowed allowed(model);
  constexpr std::size_t kTexts = 20'000;
  ConstrainedSampler sampler(model, {}, two_ones, {.max_length = kLongest});
  std::vector<double> exact(allowed.support.size());
  std::vector<double> masked(allowed.support.size());
  for (std::size_t i = 0; i < kTexts; ++i) {
    const Hypothesis text = sampler.draw(Stream{.seed = 1, .id = i});
    const std::size_t leaf = allowed.support.find(text);
    ++exact[leaf];
    ASSERT_NEAR(text.log_prob, allowed.support.leaves[leaf].log_prob, 1e-12);
    // The usual way: of the tokens after which the constraint can be met.
    Hypothesis walk;
    while (!walk.finished && walk.tokens.size() < kLongest) {
      const auto row = testing::next_log_probs(model, walk.tokens);
      const auto step = allowed_draw(
          {row.data(), 1, 3},
          [&](Token token) {
            Sequence next = walk.tokens;
            if (token != model.end_token()) next.push_back(token);
            return two_ones(next, token == model.end_token() || next.size() == kLongest);
          },
          Stream{.seed = 2, .id = i}.child(walk.tokens.size()));
      walk.finished = step->token == model.end_token();
      if (!walk.finished) walk.tokens.push_back(step->token);
    }
    ++masked[allowed.support.find(walk)];
  }
  EXPECT_GT(allowed.p_value(exact, kTexts), kFalseAlarm);
  EXPECT_LT(allowed.p_value(masked, kTexts), 1e-12);
  // All but the rarest dead prefixes are known by now; each was met once.
  EXPECT_GE(sampler.mass_bound(), allowed.mass);
  EXPECT_LT(sampler.mass_bound(), allowed.mass + 1e-3);
  EXPECT_LT(sampler.attempts(), kTexts + allowed.support.size());
}

TEST(ConstrainedSampler, FindsTheOneTextThereIsAndSaysIfThereIsNone) {
  const StatelessModel model({.vocabulary = 3, .seed = 4});
  const SearchOptions options{.max_length = 5};
  const Sequence only = {1, 0, 0, 1, 0};
  const auto is_it = [&](std::span<const Token> text, bool complete) {
    return !complete || std::equal(text.begin(), text.end(), only.begin(), only.end());
  };
  ConstrainedSampler sampler(model, {}, is_it, options);
  EXPECT_EQ(sampler.draw(Stream{.seed = 1}).tokens, only);
  EXPECT_LT(sampler.attempts(), 64U);
  const auto refused = [&](const Constraint& constraint, std::size_t attempts) {
    ConstrainedSampler vain(model, {}, constraint, options, attempts);
    return message_of<InvalidArgument>([&] { vain.draw(Stream{.seed = 1}); });
  };
  const auto never = [](std::span<const Token>, bool complete) { return !complete; };
  EXPECT_EQ(refused(never, 10'000), "constraint: no text meets it");
  EXPECT_THAT(refused(never, 3),
              HasSubstr("constraint: no text of 3 met it, whose probability is at most 0."));
  EXPECT_EQ(refused([](std::span<const Token>, bool) { return false; }, 10),
            "constraint: no text meets it");
}

TEST(ConstrainedParticles, EstimatesAreUnbiased) {
  const StatelessModel model({.vocabulary = 3, .seed = 4});
  const Allowed allowed(model);
  constexpr std::size_t kRuns = 6'000;
  for (const std::size_t particles : {1U, 6U}) {
    std::vector<double> mass(kRuns);
    std::vector<double> starts_with_one(kRuns);
    for (std::size_t run = 0; run < kRuns; ++run) {
      const WeightedTexts texts =
          constrained_particles(model, {}, two_ones, particles,
                                Stream{.seed = particles, .id = run}, {.max_length = kLongest});
      double sum = 0;
      for (std::size_t i = 0; i < texts.sequences.size(); ++i) {
        ASSERT_TRUE(two_ones(texts.sequences[i].tokens, true));
        sum += texts.weights[i] * (texts.sequences[i].tokens[0] == 1 ? 1 : 0);
      }
      mass[run] = std::exp(texts.log_mass);
      starts_with_one[run] = mass[run] * sum;
    }
    double truth = 0;
    for (std::size_t i = 0; i < allowed.support.size(); ++i) {
      const Sequence& tokens = allowed.support.leaves[i].tokens;
      if (!tokens.empty() && tokens[0] == 1) truth += allowed.mass * allowed.expected[i];
    }
    EXPECT_LT(z_score(mass, allowed.mass), kFiveSigma) << particles;
    EXPECT_LT(z_score(starts_with_one, truth), kFiveSigma) << particles;
  }
}

TEST(ConstrainedParticles, ManyParticlesHaveTheConditionalLaw) {
  const StatelessModel model({.vocabulary = 3, .seed = 4});
  const Allowed allowed(model);
  const WeightedTexts texts = constrained_particles(model, {}, two_ones, 20'000, Stream{.seed = 3},
                                                    {.max_length = kLongest});
  std::vector<double> share(allowed.support.size());
  for (std::size_t i = 0; i < texts.sequences.size(); ++i) {
    share[allowed.support.find(texts.sequences[i])] += texts.weights[i];
  }
  for (std::size_t leaf = 0; leaf < share.size(); ++leaf) {
    EXPECT_NEAR(share[leaf], allowed.expected[leaf], 0.02);
  }
  EXPECT_NEAR(std::exp(texts.log_mass), allowed.mass, 0.02);
}

TEST(Constrained, StatesChangeNothing) {
  const testing::HashLogits logits{.vocabulary = 4, .seed = 2};
  const StatelessModel stateless(logits);
  const StatefulModel stateful(logits);
  const auto rises = [](std::span<const Token> text, bool) {
    return text.size() < 2 || text.back() >= text[text.size() - 2];
  };
  const auto options = testing::with_filter({.max_length = 8}, 1.2);
  ConstrainedSampler a(stateless, {1}, rises, options);
  ConstrainedSampler b(stateful, {1}, rises, options);
  for (std::uint64_t i = 0; i < 50; ++i) EXPECT_EQ(a.draw(Stream{i}), b.draw(Stream{i}));
  const auto p = constrained_particles(stateless, {1}, rises, 30, Stream{.seed = 1}, options);
  const auto q = constrained_particles(stateful, {1}, rises, 30, Stream{.seed = 1}, options);
  EXPECT_EQ(p.sequences, q.sequences);
  EXPECT_EQ(p.weights, q.weights);
  EXPECT_EQ(p.looks, q.looks);
}

TEST(Constrained, RefusesWhatItCannotUse) {
  const StatelessModel model;
  EXPECT_EQ(message_of<InvalidArgument>([&] { ConstrainedSampler(model, {}, nullptr); }),
            "constraint: expected a function, got none");
  EXPECT_EQ(message_of<InvalidArgument>([&] { ConstrainedSampler(model, {}, two_ones, {}, 0); }),
            "most_attempts: expected 1 or more, got 0");
  EXPECT_THAT(
      message_of<InvalidArgument>([&] { constrained_particles(model, {}, two_ones, 0, Stream{}); }),
      HasSubstr("particles: expected 1.."));
  const auto never = [](std::span<const Token>, bool) { return false; };
  const WeightedTexts none = constrained_particles(model, {}, never, 5, Stream{});
  EXPECT_TRUE(none.sequences.empty());
  EXPECT_EQ(none.log_mass, -std::numeric_limits<double>::infinity());
}

}  // namespace
}  // namespace partita
