// SPDX-License-Identifier: Apache-2.0
// partita seqgan: what is printed and written, resuming, and what is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): kill is POSIX
#include <sys/wait.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "browser.hpp"
#include "command.hpp"
#include "partita/io/file.hpp"

namespace partita::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr int kFailed = 1;
constexpr int kWronglyAsked = 2;

/// How long each phase is.
struct Phases {
  std::string epochs = "4";
  std::string pretraining = "2";
  std::string iterations = "3";
};

class Seqgan : public CommandTest {
 protected:
  using Arguments = std::vector<std::string>;

  static Arguments with(Arguments all, const Arguments& more) {
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }

  /// Networks and sets that take a second.
  static Arguments small(const Phases& phases = {}) {
    return {"--hidden",
            "8",
            "--features",
            "8",
            "--filters",
            "1:8",
            "2:8",
            "--batch",
            "16",
            "--rollouts",
            "2",
            "--negatives",
            "32",
            "--samples",
            "200",
            "--evaluate-every",
            "1",
            "--threads",
            "1",
            "--mle-epochs",
            phases.epochs,
            "--pretraining",
            phases.pretraining,
            "--iterations",
            phases.iterations};
  }
  static Arguments oracle(const Arguments& more = {}) {
    return with(
        with({"seqgan", "oracle", "--vocabulary", "20", "--sequences", "200", "--length", "6"},
             small()),
        more);
  }
  std::string corpus() const {
    std::string lines;
    for (const char* first : {"s", "r", "l", "b", "st", "str"}) {
      for (const char* middle : {"ing", "ong", "ung", "ang"}) {
        for (const char* last : {"", "s", "er", "ing"}) {
          lines += std::string(first) + middle + last + '\n';
        }
      }
    }
    return file("corpus.txt", lines + "muchlongerthantheothers\n");
  }
  Arguments text(const Arguments& more, const Phases& phases = {}) const {
    return with(
        with({"seqgan", "text", corpus(), "--length", "12", "--held-out", "0.2"}, small(phases)),
        more);
  }

  static std::vector<std::string> names(const Json& methods) {
    std::vector<std::string> out;
    for (const Json& method : methods) out.push_back(method["name"]);
    return out;
  }
};

TEST_F(Seqgan, OraclesJsonAndReport) {
  const Json json =
      json_of(oracle({"--seed", "3", "--report", path("page.html"), "--log", path("log")}));
  EXPECT_THAT(keys(json),
              ElementsAre("vocabulary", "sequences", "length", "methods", "mle_least_oracle_nll",
                          "temperatures", "equally_diverse", "phases", "report", "seed"));
  EXPECT_THAT(names(json["methods"]),
              ElementsAre("oracle", "random", "MLE", "scheduled sampling", "SeqGAN"));
  for (const Json& method : json["methods"]) {
    EXPECT_THAT(keys(method),
                ElementsAre("name", "oracle_nll", "oracle_nll_error", "held_out_nll", "distinct"));
  }
  EXPECT_LT(json["methods"][0]["oracle_nll"], json["methods"][2]["oracle_nll"]);
  EXPECT_LT(json["methods"][2]["oracle_nll"], json["methods"][1]["oracle_nll"]);
  ASSERT_EQ(json["temperatures"].size(), 3U * 13);
  for (std::size_t generator = 0; generator < 3; ++generator) {  // from 1.2 to 0.6
    const auto at = [&](std::size_t i) { return json["temperatures"][13 * generator + i]; };
    EXPECT_EQ(at(0)["name"], json["methods"][generator + 2]["name"]);
    EXPECT_EQ(at(4)["temperature"], 1.0);
    EXPECT_EQ(at(4)["oracle_nll"], json["methods"][generator + 2]["oracle_nll"]);
    EXPECT_GT(at(0)["oracle_nll"], at(12)["oracle_nll"]);
  }
  EXPECT_EQ(json["equally_diverse"]["generators"].size(), 3U);
  EXPECT_THAT(names(json["phases"]), ElementsAre("MLE", "scheduled", "discriminator", "SeqGAN"));

  const std::string page = read_file(path("page.html"));
  for (const char* words : {"NLL under the oracle", "Quality against diversity", "1609.05473",
                            "<svg", "Phases of training"}) {
    EXPECT_THAT(page, HasSubstr(words));
  }
  EXPECT_EQ(problems_of_page(path("page.html")), "");
  const std::string line = read_file(path("log.SeqGAN"));
  const Json entry = Json::parse(line.substr(0, line.find('\n')));
  EXPECT_THAT(keys(entry), ElementsAre("step", "seconds", "reward", "discriminator", "held_out_nll",
                                       "oracle_nll", "distinct"));
}

TEST_F(Seqgan, TextWritesAModelThatGenerateReads) {
  const Json json = json_of(text({"-o", path("model"), "--report", path("page.html")}));
  EXPECT_THAT(keys(json), ElementsAre("corpus", "lines", "too_long", "vocabulary", "length",
                                      "methods", "phases", "model", "report", "seed"));
  EXPECT_EQ(json["too_long"], 1);
  EXPECT_EQ(problems_of_page(path("page.html")), "");
  EXPECT_THAT(names(json["methods"]), ElementsAre("MLE", "SeqGAN"));
  EXPECT_THAT(keys(json["methods"][1]),
              ElementsAre("name", "held_out_nll", "distinct", "in_corpus", "held_out", "samples"));
  EXPECT_EQ(json["methods"][1]["samples"].size(), 24U);
  EXPECT_THAT(read_file(path("page.html")), HasSubstr("Samples that are lines learned from."));
  const Json drawn =
      json_of({"generate", "--model", path("model"), "-k", "5", "--max-length", "12"});
  EXPECT_EQ(drawn["sequences"].size(), 5U);
}

TEST_F(Seqgan, ContinuousJsonAndPicture) {
  const Json json =
      json_of(with(with({"seqgan", "continuous", "--length", "6", "--sequences", "200"},
                        small({.epochs = "10"})),
                   {"--seed", "3", "--report", path("page.html"), "--log", path("log")}));
  EXPECT_THAT(keys(json),
              ElementsAre("sequences", "length", "methods", "phases", "report", "seed"));
  EXPECT_THAT(names(json["methods"]), ElementsAre("oracle", "untrained", "MLE", "SeqGAN"));
  for (const Json& method : json["methods"]) {
    EXPECT_THAT(keys(method), ElementsAre("name", "oracle_nll", "oracle_nll_error", "held_out_nll",
                                          "mean_distance"));
  }
  // Of points around a circle with deviation 0.2: the entropy, 1 + log(2 pi 0.2^2) = -0.38, with a
  // standard error of 1 / sqrt(200 * 6) = 0.03.
  EXPECT_NEAR(json["methods"][0]["oracle_nll"], -0.381, 0.16);
  EXPECT_LT(json["methods"][2]["mean_distance"], json["methods"][1]["mean_distance"]);
  const std::string page = read_file(path("page.html"));
  for (const char* words : {"Trajectories of SeqGAN", "NLL of held-out trajectories", "<svg"}) {
    EXPECT_THAT(page, HasSubstr(words));
  }
  EXPECT_EQ(problems_of_page(path("page.html")), "");
  EXPECT_THAT(read_file(path("log.SeqGAN")), HasSubstr("\"mean_distance\":"));
}

/// Killed in each of its phases, then started again: the file has the bytes of an undisturbed run.
TEST_F(Seqgan, AKilledRunGoesOnAndEndsWithTheSameBytes) {
  const auto arguments = [&](const std::string& name) {
    return text({"--seed", "4", "-o", path(name + ".model"), "--checkpoint", path(name),
                 "--checkpoint-seconds", "0.02"},
                {.epochs = "40", .pretraining = "20", .iterations = "40"});
  };
  ASSERT_EQ(run_partita(arguments("whole")).status, 0);
  int kills = 0;
  for (const char* phase : {"MLE", "discriminator", "SeqGAN"}) {
    const int process = start_partita(arguments("killed"));
    int status = 0;
    const std::string checkpoint = path("killed") + "." + phase;
    while (!std::filesystem::exists(checkpoint) && ::waitpid(process, &status, WNOHANG) == 0) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    ::kill(process, SIGKILL);
    ::waitpid(process, &status, 0);
    if (WIFSIGNALED(status)) ++kills;
  }
  EXPECT_GE(kills, 2);
  const Outcome last = run_partita(arguments("killed"));
  ASSERT_EQ(last.status, 0) << last.err;
  EXPECT_EQ(read_file(path("killed.model")), read_file(path("whole.model")));
}

TEST_F(Seqgan, RefusesWhatCannotBeAsked) {
  const auto wrong = [](const Arguments& arguments) { return refusal(arguments, kWronglyAsked); };
  EXPECT_EQ(wrong({"seqgan", "oracle", "--filters", "3"}),
            "--filters: expected WIDTH:COUNT, as 3:100, got 3");
  EXPECT_EQ(wrong({"seqgan", "oracle", "--length", "4", "--filters", "5:2"}),
            "--filters: 5:2 is wider than the sequences are long (4)");
  EXPECT_THAT(wrong({"seqgan", "oracle", "--update-rate", "1"}),
              HasSubstr("expected a number in [0, 1), got 1"));
  EXPECT_EQ(wrong({"seqgan", "oracle", "--negatives", "10"}),
            "--negatives: expected 64 or more (a batch), got 10");
  EXPECT_THAT(wrong({"seqgan", "text"}), HasSubstr("CORPUS"));
  EXPECT_EQ(refusal({"seqgan", "text", corpus(), "--length", "3"}, kFailed),
            path("corpus.txt") + ": no line of fewer than 3 characters is left to learn from");
  EXPECT_EQ(refusal({"seqgan", "text", corpus(), "--held-out", "0"}, kFailed),
            path("corpus.txt") +
                ": no line of fewer than 16 characters is left to hold out: see --held-out");
  EXPECT_THAT(refusal({"seqgan", "text", path("nowhere")}, kFailed), StartsWith(path("nowhere")));

  ASSERT_EQ(run_partita(oracle({"--checkpoint", path("c")})).status, 0);
  EXPECT_THAT(refusal(oracle({"--checkpoint", path("c"), "--seed", "9"}), kFailed),
              StartsWith(path("c.MLE") + ": is from another run: "));
  file("c.SeqGAN", read_file(path("c.SeqGAN")).substr(0, 500));
  EXPECT_THAT(refusal(oracle({"--checkpoint", path("c")}), kFailed), StartsWith(path("c.SeqGAN")));
}

TEST_F(Seqgan, HelpHasAnExample) {
  for (const std::string command : {"oracle", "text", "continuous"}) {
    const Outcome help = run_partita({"seqgan", command, "--help"});
    EXPECT_EQ(help.status, 0);
    EXPECT_THAT(help.out, HasSubstr("Example:\n  partita seqgan " + command));
  }
}

}  // namespace
}  // namespace partita::testing
