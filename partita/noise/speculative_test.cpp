// SPDX-License-Identifier: Apache-2.0
#include "partita/noise/speculative.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/gumbel/addressed.hpp"
#include "partita/gumbel/gumbel_top_k.hpp"
#include "partita/noise/internal/sequential.hpp"
#include "partita/random/goodness_of_fit.hpp"
#include "partita/search/search_test_support.hpp"

namespace partita {
namespace {

using testing::message_of;
using testing::StatefulModel;
using testing::StatelessModel;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr auto kMethods = {SpeculativeMethod::rejection, SpeculativeMethod::coupling};

std::vector<double> logs(const std::vector<double>& p) {
  std::vector<double> out;
  for (const double x : p) out.push_back(std::log(x));
  return out;
}

const std::vector<double> kTarget = {0.4, 0.3, 0.2, 0.1, 0};
const std::vector<double> kDraft = {0.1, 0.15, 0.3, 0.25, 0.2};

/// The same distribution after every prefix; it never ends.
CallableModel constant(const std::vector<double>& p) {
  return {p.size(), -1, [z = logs(p)](std::span<const Token>) { return z; }};
}

double overlap() {
  double sum = 0;
  for (std::size_t i = 0; i < kTarget.size(); ++i) sum += std::min(kTarget[i], kDraft[i]);
  return sum;
}

TEST(JudgeDrafts, GivesTheTargetsLawForAnyNumberOfDrafts) {
  const std::vector<double> p = logs(kTarget);
  const std::vector<double> q = logs(kDraft);
  constexpr std::size_t kDraws = 40'000;
  double accepted_before = -1;
  for (std::size_t k = 0; k <= 5; ++k) {
    std::vector<double> observed(5);
    std::vector<double> expected;
    for (const double x : kTarget) expected.push_back(kDraws * x);
    std::vector<double> accepted;
    const auto drawn =
        gumbel_top_k({q.data(), kDraws, 5, 0}, std::max<std::size_t>(1, k), Stream{.seed = k})
            .indices;
    for (std::size_t i = 0; i < kDraws; ++i) {
      std::vector<Token> candidates;
      for (std::size_t j = 0; j < k; ++j)
        candidates.push_back(static_cast<Token>(drawn[i * k + j]));
      const SpeculativeDraw draw = judge_drafts({p.data(), 1, 5}, {q.data(), 1, 5}, candidates,
                                                Stream{.seed = 100 + k, .id = i});
      ++observed[static_cast<std::size_t>(draw.token)];
      accepted.push_back(draw.accepted ? 1 : 0);
      if (draw.accepted) {
        ASSERT_EQ(candidates[*draw.accepted], draw.token);
      }
    }
    EXPECT_GT(chi_square_p_value(observed, expected), kFalseAlarm) << k;
    if (k == 1) {  // 1 - TV, and no more
      EXPECT_LT(z_score(accepted, overlap()), kFiveSigma);
    }
    double sum = 0;
    for (const double a : accepted) sum += a;
    EXPECT_GT(sum, accepted_before);  // more drafts, more luck
    accepted_before = sum;
  }
  EXPECT_EQ(accepted_before, kDraws);  // one of all the draft can draw
}

TEST(JudgeDrafts, AcceptsAllOfTheSameDistributionAndNothingImpossible) {
  const std::vector<double> p = logs({0.5, 0.5, 0});
  const std::vector<double> q = logs({0, 0, 1});
  for (std::uint64_t i = 0; i < 200; ++i) {
    const std::vector<Token> same = {static_cast<Token>(i % 2)};
    EXPECT_TRUE(judge_drafts({p.data(), 1, 3}, {p.data(), 1, 3}, same, Stream{i}).accepted);
    const std::vector<Token> other = {2};
    const SpeculativeDraw draw = judge_drafts({p.data(), 1, 3}, {q.data(), 1, 3}, other, Stream{i});
    EXPECT_FALSE(draw.accepted);
    EXPECT_LT(draw.token, 2);
  }
}

TEST(CoupledDraw, HasTheLawOfItsLogitsAndMeetsTheDraftsMoreOftenTheMoreThereAre) {
  const std::vector<double> p = logs(kTarget);
  const std::vector<double> q = logs(kDraft);
  constexpr std::size_t kDraws = 20'000;
  // Of one: sum_i 1 / sum_j max(p_j / p_i, q_j / q_i).
  double of_one = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    double sum = 0;
    for (std::size_t j = 0; j < 5; ++j) {
      sum += std::max(kTarget[j] / kTarget[i], kDraft[j] / kDraft[i]);
    }
    of_one += 1 / sum;
  }
  double before = 0;
  for (const std::size_t k : {1U, 2U, 4U}) {
    std::vector<double> observed(5);
    std::vector<double> expected;
    for (const double x : kTarget) expected.push_back(kDraws * x);
    std::vector<double> met;
    for (std::size_t i = 0; i < kDraws; ++i) {
      std::vector<Stream> addresses;
      for (std::size_t j = 0; j < k; ++j) addresses.push_back(Stream{.seed = k, .id = i}.child(j));
      const Token token = coupled_draw({p.data(), 1, 5}, addresses);
      ++observed[static_cast<std::size_t>(token)];
      const auto drafts =
          addressed_gumbel_max({q.data(), k, 5, 0}, std::span<const Stream>(addresses));
      met.push_back(std::find(drafts.begin(), drafts.end(), token) != drafts.end() ? 1 : 0);
    }
    EXPECT_GT(chi_square_p_value(observed, expected), kFalseAlarm) << k;
    if (k == 1) {
      EXPECT_LT(z_score(met, of_one), kFiveSigma);
    }
    double sum = 0;
    for (const double m : met) sum += m;
    EXPECT_GT(sum, before * 1.05);
    before = sum;
  }
}

TEST(Speculative, TextsHaveTheTargetsLaw) {
  const StatelessModel target({.vocabulary = 3, .seed = 1});
  const StatelessModel draft({.vocabulary = 3, .seed = 2});
  const SearchOptions options{.max_length = 4};
  const testing::Support support(target, options);
  constexpr std::size_t kTexts = 15'000;
  for (const SpeculativeMethod method : kMethods) {
    for (const std::size_t drafts : {1U, 3U}) {
      const auto drawn =
          speculative_samples(target, draft, {}, kTexts, Stream{.seed = drafts},
                              {.method = method, .draft_length = 2, .drafts = drafts}, options);
      std::vector<double> observed(support.size());
      std::vector<double> expected;
      for (const double p : support.p) expected.push_back(kTexts * p);
      for (const Hypothesis& text : drawn.sequences) {
        const std::size_t leaf = support.find(text);
        ++observed[leaf];
        ASSERT_NEAR(text.log_prob, support.leaves[leaf].log_prob, 1e-12);
      }
      EXPECT_GT(chi_square_p_value(observed, expected), kFalseAlarm)
          << static_cast<int>(method) << ' ' << drafts;
      EXPECT_GT(drawn.tokens_per_call(), 1.2);
      EXPECT_LE(drawn.tokens, drawn.accepted + drawn.calls);
    }
  }
}

TEST(Speculative, AcceptsAsOftenAsTheTotalVariationAllows) {
  const CallableModel target = constant(kTarget);
  const CallableModel draft = constant(kDraft);
  const auto rate = [&](SpeculativeMethod method, std::size_t length) {
    const auto drawn =
        speculative_samples(target, draft, {}, 400, Stream{.seed = 3},
                            {.method = method, .draft_length = length}, {.max_length = 100});
    EXPECT_EQ(drawn.tokens, 40'000U);
    return drawn.tokens_per_call();
  };
  // Tokens of a call: 1 + a + ... + a^length, a the rate at which single drafts are accepted.
  const double a = overlap();
  EXPECT_NEAR(rate(SpeculativeMethod::rejection, 1), 1 + a, 0.02);
  EXPECT_NEAR(rate(SpeculativeMethod::rejection, 3), 1 + a + a * a + a * a * a, 0.04);
  const double least = (1 - (1 - a)) / (1 + (1 - a));
  EXPECT_GT(rate(SpeculativeMethod::coupling, 1), 1 + least);
  EXPECT_LT(rate(SpeculativeMethod::coupling, 1), 1 + a);
}

TEST(Speculative, ItsOwnDraftIsAcceptedWhole) {
  const CallableModel model = constant(kTarget);
  for (const SpeculativeMethod method : kMethods) {
    for (const std::size_t drafts : {1U, 2U}) {
      const auto drawn = speculative_samples(
          model, model, {}, 20, Stream{.seed = 1},
          {.method = method, .draft_length = 4, .drafts = drafts}, {.max_length = 50});
      if (method == SpeculativeMethod::rejection || drafts == 1) {
        EXPECT_EQ(drawn.calls, 20U * 10U);
      }
      EXPECT_GT(drawn.tokens_per_call(), 1.5);
    }
  }
}

TEST(Speculative, WithCouplingNoDraftChangesTheText) {
  const StatelessModel target({.vocabulary = 6, .seed = 1});
  const Stream stream{.seed = 5};
  const SearchOptions options{.max_length = 20};
  // The target alone, with the noise of the same addresses.
  const auto alone = draw_sequences(
      target, {2}, 10, options, [&](std::size_t i, const Sequence& prefix, Rows logits) {
        const Stream address = Streams(stream)[i].child(prefix.size() - 1).child(0);
        return static_cast<Token>(addressed_gumbel_max(logits, std::span(&address, 1))[0]);
      });
  for (const std::uint64_t seed : {1U, 2U, 3U}) {
    const StatelessModel draft({.vocabulary = 6, .seed = seed});
    for (const std::size_t length : {1U, 5U}) {
      const auto drawn = speculative_samples(
          target, draft, {2}, 10, stream,
          {.method = SpeculativeMethod::coupling, .draft_length = length}, options);
      for (std::size_t i = 0; i < 10; ++i) {
        EXPECT_EQ(drawn.sequences[i].tokens, alone[i].tokens);
        EXPECT_EQ(drawn.sequences[i].finished, alone[i].finished);
      }
    }
  }
}

TEST(Speculative, StatesAndThreadsChangeNothing) {
  const testing::HashLogits large{.vocabulary = 6, .seed = 1};
  const testing::HashLogits small{.vocabulary = 6, .seed = 2};
  for (const SpeculativeMethod method : kMethods) {
    const SpeculativeOptions speculation{.method = method, .draft_length = 3, .drafts = 2};
    const auto filtered = testing::with_filter({.max_length = 15}, 0.8, 4);
    auto threads = filtered;
    threads.threads = 2;
    const auto a = speculative_samples(StatelessModel(large), StatelessModel(small), {1}, 40,
                                       Stream{.seed = 8}, speculation, filtered);
    const auto b = speculative_samples(StatefulModel(large), StatefulModel(small), {1}, 40,
                                       Stream{.seed = 8}, speculation, threads);
    EXPECT_EQ(a.sequences, b.sequences);
    EXPECT_EQ(a.calls, b.calls);
    EXPECT_EQ(a.accepted, b.accepted);
    const auto last = speculative_samples(StatelessModel(large), StatelessModel(small), {1}, 1,
                                          {Stream{.seed = 8}, 39}, speculation, filtered);
    EXPECT_EQ(a.sequences[39], last.sequences[0]);
  }
}

TEST(Speculative, RefusesWhatItCannotUse) {
  const StatelessModel target({.vocabulary = 3});
  const StatelessModel wider({.vocabulary = 4});
  const auto refused = [&](const SequenceModel& draft, const SpeculativeOptions& speculation) {
    return message_of<InvalidArgument>(
        [&] { speculative_samples(target, draft, {}, 1, Stream{}, speculation); });
  };
  EXPECT_EQ(refused(wider, {}), "draft: a vocabulary of 4 tokens, expected 3");
  EXPECT_EQ(refused(constant({0.5, 0.3, 0.2}), {}), "draft: texts end with token -1, expected 2");
  EXPECT_EQ(refused(target, {.draft_length = 0}), "draft_length: expected 1 or more, got 0");
  EXPECT_EQ(refused(target, {.drafts = 0}), "drafts: expected 1 or more, got 0");
  const std::vector<double> p = {0, 0, -kInfinity};
  const Rows row(p.data(), 1, 3);
  const std::vector<Token> impossible = {2};
  EXPECT_EQ(message_of<InvalidArgument>([&] { judge_drafts(row, row, impossible, Stream{}); }),
            "candidates: token 2 is one that the draft cannot draw");
  EXPECT_THROW(judge_drafts(row, {p.data(), 1, 2}, impossible, Stream{}), InvalidArgument);
  EXPECT_THROW(coupled_draw(row, {}), InvalidArgument);
}

}  // namespace
}  // namespace partita
