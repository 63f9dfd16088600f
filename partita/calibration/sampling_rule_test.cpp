// SPDX-License-Identifier: Apache-2.0
#include "partita/calibration/sampling_rule.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <vector>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/random/goodness_of_fit.hpp"

namespace partita {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::message_of;

// Candidate 2 is like 0, and 3 like 1.
const Candidates kFour{
    .quality = {0.3, 0.1, 0.2, 0.4},
    .similarity = {1, 0, 0.9, 0, 0, 1, 0, 0.8, 0.9, 0, 1, 0, 0, 0.8, 0, 1},
};

SamplingRule rule_of(SetConfidence by, double similarity, double quality, double confidence) {
  return {.options = {.confidence = by},
          .similarity = similarity,
          .quality = quality,
          .confidence = confidence,
          .max_draws = 9};
}

TEST(SamplingRule, SetsByHand) {
  const auto set = [](SetConfidence by, double similarity, double quality, double confidence) {
    SampledSet out = sample_set(rule_of(by, similarity, quality, confidence), kFour);
    out.kept.push_back(100 + out.draws);
    return out.kept;
  };
  using enum SetConfidence;
  EXPECT_THAT(set(sum, INFINITY, -INFINITY, INFINITY), ElementsAre(0, 1, 2, 3, 104));
  EXPECT_THAT(set(sum, INFINITY, -INFINITY, 0.35), ElementsAre(0, 1, 102));
  EXPECT_THAT(set(sum, INFINITY, 0.2, 0.35), ElementsAre(0, 2, 103));  // 0.2 is not lower
  EXPECT_THAT(set(sum, 0.8, -INFINITY, 0.5), ElementsAre(0, 1, 3, 104));
  EXPECT_THAT(set(sum, 0.7, -INFINITY, 0.5), ElementsAre(0, 1, 104));
  EXPECT_THAT(set(sum, 0.7, 0.2, INFINITY), ElementsAre(0, 3, 104));  // 1 was not kept
  EXPECT_THAT(set(first_k, INFINITY, -INFINITY, 3), ElementsAre(0, 1, 2, 103));
  EXPECT_THAT(set(max, INFINITY, -INFINITY, 0.3), ElementsAre(0, 101));
  EXPECT_THAT(set(max, INFINITY, -INFINITY, 0.35), ElementsAre(0, 1, 2, 3, 104));
  EXPECT_THAT(set(max, INFINITY, 0.5, 0.35), ElementsAre(104));
}

TEST(SamplingRule, DrawsNoMoreThanItNeeds) {
  const SamplingRule rule = rule_of(SetConfidence::sum, 0.8, 0, 0.4);
  std::size_t drawn = 0;
  const auto draw = [&]() -> std::optional<double> { return kFour.quality[drawn++]; };
  const SampledSet set = sample_set(
      rule, draw, [](std::size_t i, std::size_t j) { return kFour.similarity[i * 4 + j]; });
  EXPECT_THAT(set.kept, ElementsAre(0, 1));
  EXPECT_EQ(set.draws, 2);
  EXPECT_EQ(drawn, 2);
  EXPECT_EQ(message_of<InvalidArgument>([&] { sample_set(rule, draw); }),
            "similarity: missing: the rule rejects similar candidates");
  EXPECT_EQ(message_of<InvalidArgument>([&] {
              sample_set(rule, {.quality = {1, 1}});
            }),
            "similarity: missing: the rule rejects similar candidates");
  SamplingRule capped = rule_of(SetConfidence::max, INFINITY, -INFINITY, INFINITY);
  capped.max_draws = 3;
  EXPECT_EQ(sample_set(capped, kFour).draws, 3);
  EXPECT_EQ(sample_set(capped, [] { return std::optional<double>(); }).draws, 0);
}

/// Prompts of which `missed` of every 10 have no admissible candidate, and the others have one at
/// `place` of 8.
std::vector<Candidates> make_prompts(std::size_t n, std::size_t missed, std::size_t place) {
  std::vector<Candidates> out;
  for (std::size_t p = 0; p < n; ++p) {
    Candidates each{.quality = std::vector<double>(8, 0.1), .admissible = std::vector<bool>(8)};
    each.admissible[place] = p % 10 >= missed;
    out.push_back(each);
  }
  return out;
}

TEST(SamplingRule, StopsWhereAnswersAre) {
  std::size_t last = 0;
  for (std::size_t place = 0; place < 8; ++place) {
    const SamplingRule rule = fit_sampling_rule(make_prompts(200, 0, place), {.seed = 1},
                                                {.confidence = SetConfidence::first_k});
    EXPECT_EQ(sample_set(rule, make_prompts(1, 0, 0)[0]).draws, place + 1);
    EXPECT_EQ(rule.tested, 100);
    EXPECT_EQ(rule.misses, 0);
    EXPECT_GT(rule.confidence, static_cast<double>(last));
    last = place;
  }
}

TEST(SamplingRule, SumsMayOverflow) {
  auto prompts = make_prompts(200, 0, 0);
  for (Candidates& each : prompts) each.quality.assign(8, 1e308);
  EXPECT_EQ(sample_set(fit_sampling_rule(prompts, {.seed = 1}), prompts[0]).draws, 1);
}

TEST(SamplingRule, RejectsWhatIsNeverAnswer) {
  // Every second candidate is poor, and every fourth, a copy of the one before it, never right.
  std::vector<Candidates> prompts;
  for (std::size_t p = 0; p < 200; ++p) {
    Candidates each{.quality = {0.9, 0.1, 0.8, 0.85, 0.9, 0.1, 0.8, 0.85},
                    .similarity = std::vector<double>(64),
                    .admissible = std::vector<bool>(8)};
    for (std::size_t i = 3; i < 8; i += 4) each.similarity[i * 8 + i - 1] = 1;
    each.admissible[p % 2 == 0 ? 0 : 6] = true;
    prompts.push_back(each);
  }
  const SamplingRule rule = fit_sampling_rule(prompts, {.seed = 2});
  EXPECT_THAT(sample_set(rule, prompts[0]).kept, ElementsAre(0, 2, 4, 6));
  EXPECT_EQ(sample_set(rule, prompts[0]).draws, 7);
}

TEST(SamplingRule, ALooserPromiseCostsLess) {
  std::vector<Candidates> prompts;
  for (std::size_t p = 0; p < 400; ++p) {
    prompts.push_back(make_prompts(10, 0, p % 8)[9]);
  }
  double last = INFINITY;
  for (const double epsilon : {0.05, 0.2, 0.4, 0.6, 0.8}) {
    const SamplingRule rule = fit_sampling_rule(
        prompts, {.seed = 3}, {.epsilon = epsilon, .confidence = SetConfidence::first_k});
    EXPECT_LE(rule.p_value(), 0.05);
    const auto draws = static_cast<double>(sample_set(rule, prompts[0]).draws);
    EXPECT_LT(draws, last);
    EXPECT_GE(draws, 8 * (1 - epsilon));  // or the risk would be greater
    last = draws;
  }
}

TEST(SamplingRule, KeepsItsPromise) {
  // Qualities that say nothing, and candidates each admissible with probability .65: many rules
  // keep one, of risk .35, and some of them look better on few prompts. The risk of a rule is the
  // mean of .35^size; over 2000 prompts, three standard errors of it are allowed.
  constexpr double kMissed = 0.35;
  constexpr SamplingRuleOptions kOptions{
      .epsilon = 0.3, .delta = 0.1, .confidence = SetConfidence::max};
  constexpr std::uint64_t kTimes = 1000;
  const auto make = [](std::size_t n, const Stream& stream) {
    std::vector<Candidates> out(n);
    Draws draws(stream);
    for (Candidates& each : out) {
      for (int i = 0; i < 8; ++i) {
        each.quality.push_back(draws.uniform());
        each.admissible.push_back(draws.uniform() > kMissed);
      }
    }
    return out;
  };
  const std::vector<Candidates> fresh = make(2000, Stream{4}.child(kTimes));
  std::uint64_t broken = 0;
  for (std::uint64_t time = 0; time < kTimes; ++time) {
    const SamplingRule rule =
        fit_sampling_rule(make(80, Stream{4}.child(time)), Stream{5}.child(time), kOptions);
    std::vector<double> risks;
    for (const Candidates& each : fresh) {
      risks.push_back(std::pow(kMissed, sample_set(rule, each).kept.size()));
    }
    const double sum = std::accumulate(risks.begin(), risks.end(), 0.0);
    broken += sum > kOptions.epsilon * 2000 && z_score(risks, kOptions.epsilon) > 3 ? 1 : 0;
  }
  EXPECT_GT(binomial_upper_tail(kTimes, kOptions.delta, broken), kFalseAlarm);
  EXPECT_GT(broken, 5);  // the promise is used up, not kept by waste
}

TEST(SamplingRule, RefusesWhatIsNotShown) {
  const auto fit = [](const std::vector<Candidates>& prompts, SamplingRuleOptions options) {
    return message_of<InvalidArgument>([&] { fit_sampling_rule(prompts, {.seed = 1}, options); });
  };
  EXPECT_THAT(fit(make_prompts(1000, 3, 0), {.epsilon = 0.3}),
              ::testing::MatchesRegex("epsilon: no rule is shown to keep 0.3: 1.. of 500 prompts "
                                      "tested have no admissible candidate at all, which shows "
                                      "0.3... at best"));
  // Of 28 without a miss 0.1 does not follow at 0.05, since 0.9^28 = 0.052; of 29 it does.
  EXPECT_THAT(fit(make_prompts(56, 0, 0), {}), HasSubstr("0 of 28 prompts tested"));
  EXPECT_THAT(fit(make_prompts(56, 0, 0), {}), HasSubstr("shows 0.1015 at best"));
  EXPECT_EQ(fit_sampling_rule(make_prompts(58, 0, 0), {.seed = 1}).misses, 0);
  EXPECT_THAT(fit({Candidates{}, Candidates{}}, {}), HasSubstr("1 of 1 prompts tested"));

  EXPECT_EQ(fit({}, {}),
            "prompts: expected 2 or more (one to propose a rule, one to test it), got 0");
  EXPECT_EQ(fit(make_prompts(9, 0, 0), {.epsilon = 1}),
            "epsilon: expected a number in (0, 1), got 1");
  EXPECT_EQ(fit(make_prompts(9, 0, 0), {.delta = 0}), "delta: expected a number in (0, 1), got 0");
  auto bad = make_prompts(9, 0, 0);
  bad[3].quality[2] = -1;
  EXPECT_EQ(fit(bad, {}), "prompts: prompt 3: quality: expected a number in [0, inf), got -1");
  EXPECT_EQ(
      fit_sampling_rule(make_prompts(90, 0, 0), {.seed = 1}, {.confidence = SetConfidence::max})
          .misses,
      0);
  bad[3].quality[2] = NAN;
  EXPECT_EQ(fit(bad, {.confidence = SetConfidence::max}),
            "prompts: prompt 3: quality: expected a number in (-inf, inf), got nan");
  bad = make_prompts(9, 0, 0);
  bad[4].admissible.pop_back();
  EXPECT_EQ(fit(bad, {}),
            "prompts: prompt 4: admissible: expected 8 (one for each candidate), got 7");
  bad = make_prompts(9, 0, 0);
  bad[5].similarity.resize(64);
  EXPECT_EQ(fit(bad, {}), "prompts: prompt 0: similarity: missing, where other prompts have it");
  bad[5].similarity.pop_back();
  EXPECT_EQ(fit({bad[5], bad[5]}, {}),
            "prompts: prompt 0: similarity: expected 64 (one for each pair), got 63");
}

}  // namespace
}  // namespace partita
