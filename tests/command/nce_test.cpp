// SPDX-License-Identifier: Apache-2.0
// partita nce: what it learns of a small corpus, what is printed, and what is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "browser.hpp"
#include "command.hpp"
#include "partita/io/file.hpp"
#include "partita/random/stream.hpp"

namespace partita::testing {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr int kFailed = 1;
constexpr int kWronglyAsked = 2;

class Nce : public CommandTest {
 protected:
  /// 30 words; each is followed, three times in four, by one of the two after it.
  std::string corpus() const {
    Draws draws({.seed = 1});
    std::string text;
    int word = 0;
    for (int i = 0; i < 6000; ++i) {
      const bool jumps = draws.uniform() < 0.25;
      word = jumps ? static_cast<int>(30 * draws.uniform())
                   : (word + 1 + static_cast<int>(2 * draws.uniform())) % 30;
      text += 'w';
      text += std::to_string(word);
      text += i % 20 == 19 ? '\n' : ' ';
    }
    return file("corpus.txt", text);
  }
  Json nce(std::vector<std::string> more) const {
    std::vector<std::string> arguments = {"nce", corpus(), "--dim", "8"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return json_of(arguments);
  }
};

TEST_F(Nce, Json) {
  const Json json = nce({"--steps", "20", "--batch", "16", "--largest", "1000", "--seed", "3"});
  EXPECT_THAT(keys(json),
              ElementsAre("corpus", "vocabulary", "train_pairs", "held_out_pairs", "dim", "batch",
                          "steps", "seconds", "noise_exponent", "unigram_perplexity", "losses",
                          "step_seconds", "report", "seed"));
  EXPECT_EQ(json["vocabulary"], 30);
  EXPECT_EQ(json["held_out_pairs"], 299);
  EXPECT_EQ(json["train_pairs"], 5700);
  EXPECT_EQ(json["seed"], 3);
  ASSERT_EQ(json["losses"].size(), 12U);
  for (const Json& loss : json["losses"]) {
    EXPECT_THAT(keys(loss), ElementsAre("name", "noise", "step", "seconds", "perplexity",
                                        "mean_log_z", "log_z_deviation", "corrected_perplexity"));
    EXPECT_EQ(loss["step"][0], 0);
    EXPECT_EQ(loss["step"].back(), 20);
    EXPECT_EQ(loss["perplexity"].size(), loss["step"].size());
  }
  ASSERT_EQ(json["step_seconds"].size(), 1U);
  EXPECT_THAT(keys(json["step_seconds"][0]), ElementsAre("outputs", "nce", "sampled_softmax",
                                                         "full_softmax", "hierarchical_softmax"));
}

TEST_F(Nce, TrainsForATime) {
  const Json json = nce({"--seconds", "0.05", "--batch", "16", "--largest", "0"});
  EXPECT_EQ(json["seconds"], 0.05);
  for (const Json& loss : json["losses"]) {
    EXPECT_EQ(loss["step"][0], 0);
    EXPECT_GT(loss["step"].back(), 0) << loss["name"];
    EXPECT_GE(loss["seconds"].back(), 0.05) << loss["name"];
  }
}

TEST_F(Nce, EveryLossLearnsAndNceAloneIsNormalized) {
  const Json json = nce({"--steps", "600", "--batch", "64", "--largest", "0", "--seed", "1"});
  // The process itself: 0.75 (log 2 + ...) of two likely words, else one of 30.
  const double likely = 0.375 + 0.25 / 30;
  const double other = 0.25 / 30;
  const double best = std::exp(-(2 * likely * std::log(likely) + 28 * other * std::log(other)));
  std::map<std::string, double> perplexity;
  std::map<std::string, double> spread;
  for (const Json& loss : json["losses"]) {
    perplexity[loss["name"]] = loss["perplexity"].back();
    spread[loss["name"]] = loss["log_z_deviation"].back();
    if (!loss["corrected_perplexity"].is_null()) {
      perplexity["corrected " + loss["name"].get<std::string>()] = loss["corrected_perplexity"];
    }
  }
  EXPECT_GT(json["unigram_perplexity"], 28);
  // 299 held-out pairs leave a standard error of 6 % in a perplexity.
  const double full = perplexity["full softmax"];
  EXPECT_GT(full, best * 0.75);
  EXPECT_LT(full, best * 1.4);
  EXPECT_LT(perplexity["NCE, k = 100"], 1.05 * full);
  EXPECT_LT(perplexity["NCE, k = 25"], 1.1 * full);
  EXPECT_LT(perplexity["NCE, k = 25, learned log Z"], 1.1 * full);
  EXPECT_LT(perplexity["NCE, k = 1"], 1.6 * full);
  EXPECT_LT(perplexity["sampled softmax, k = 25"], 1.1 * full);
  // Negative sampling learns less: over six seeds 1.05 to 1.15 of the full softmax's.
  EXPECT_LT(perplexity["corrected negative sampling, k = 25"], 1.3 * full);
  EXPECT_LT(perplexity["sampled softmax, log-uniform, k = 25"], 1.1 * full);
  EXPECT_LT(perplexity["in-batch negatives, less log q"], 1.1 * full);
  EXPECT_LT(perplexity["corrected InfoNCE"], 1.1 * full);
  // Its tree knows nothing of the order of the words.
  EXPECT_LT(perplexity["hierarchical softmax"], 1.5 * full);
  EXPECT_LT(std::abs(spread["hierarchical softmax"]), 1e-12);
  EXPECT_LT(spread["NCE, k = 25"], 0.5 * spread["full softmax"]);
  // Begun at random numbers of deviation 1.
  EXPECT_LT(spread["NCE, k = 25, learned log Z"], 0.3);
}

TEST_F(Nce, DoesNotDependOnThreadsAndDoesOnTheSeed) {
  const auto run = [&](const char* seed, const char* threads) {
    Json json = nce(
        {"--steps", "30", "--batch", "32", "--largest", "0", "--seed", seed, "--threads", threads});
    for (Json& loss : json["losses"]) loss.erase("seconds");
    return json["losses"].dump();
  };
  const std::string one = run("1", "1");
  EXPECT_EQ(run("1", "2"), one);
  EXPECT_EQ(run("1", "7"), one);
  EXPECT_NE(run("2", "1"), one);
}

TEST_F(Nce, ReportNamesNoAddress) {
  nce({"--steps", "10", "--batch", "8", "--largest", "1000", "--report", path("report.html")});
  const std::string html = read_file(path("report.html"));
  EXPECT_THAT(html, AllOf(HasSubstr("</html>"), HasSubstr("<svg"), HasSubstr("full softmax")));
  for (const char* text : {"src=", "<link", "@import", "<script", "href=\"http"}) {
    EXPECT_THAT(html, Not(HasSubstr(text)));
  }
  EXPECT_EQ(problems_of_page(path("report.html")), "");
}

TEST_F(Nce, TextAndHelp) {
  const Outcome text =
      run_partita({"nce", corpus(), "--steps", "5", "--batch", "8", "--largest", "1000"});
  EXPECT_EQ(text.status, 0);
  EXPECT_THAT(text.out, AllOf(StartsWith("30 words, 5,700 pairs"), HasSubstr("NCE, k = 100"),
                              HasSubstr("log q added"), HasSubstr("hierarchical softmax"),
                              HasSubstr("V = 1,000")));
  const Outcome help = run_partita({"nce", "--help"});
  EXPECT_EQ(help.status, 0);
  for (const char* part : {"Example:\n  partita nce", "--seed", "--threads", "--json"}) {
    EXPECT_THAT(help.out, HasSubstr(part));
  }
  EXPECT_THAT(run_partita({"--help"}).out, HasSubstr("nce"));
}

TEST_F(Nce, Refusals) {
  EXPECT_THAT(refusal({"nce"}, kWronglyAsked), HasSubstr("CORPUS"));
  EXPECT_THAT(refusal({"nce", path("none.txt")}, kFailed), HasSubstr("none.txt"));
  EXPECT_THAT(refusal({"nce", file("empty.txt", "")}, kFailed), HasSubstr("empty.txt: "));
  EXPECT_THAT(refusal({"nce", file("few.txt", "a b c")}, kFailed),
              EndsWith("few.txt: 3 words, expected 21 or more"));
  EXPECT_THAT(refusal({"nce", file("bad.txt", "one\ntwo\nthr\xC3\x28\n")}, kFailed),
              HasSubstr("line 3"));
  EXPECT_THAT(refusal({"nce", corpus(), "--vocabulary", "1"}, kWronglyAsked),
              StartsWith("--vocabulary: expected a whole number of 2..100000, got 1"));
  EXPECT_THAT(refusal({"nce", corpus(), "--steps", "0"}, kWronglyAsked),
              StartsWith("--steps: expected a whole number of 1..10000000, got 0"));
  EXPECT_THAT(refusal({"nce", corpus(), "--seconds", "-1"}, kWronglyAsked), HasSubstr("--seconds"));
  EXPECT_THAT(refusal({"nce", corpus(), "--noise-exponent", "2"}, kWronglyAsked),
              HasSubstr("--noise-exponent"));
  EXPECT_THAT(
      refusal({"nce", corpus(), "--steps", "1", "--largest", "0", "--report", path("none/r.html")},
              kFailed),
      HasSubstr("none/r.html: cannot write"));
}

}  // namespace
}  // namespace partita::testing
