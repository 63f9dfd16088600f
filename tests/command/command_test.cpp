// SPDX-License-Identifier: Apache-2.0
// Successful runs of every subcommand: what is printed, that threads do not change it, that files
// are whole.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <set>
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

class Command : public CommandTest {};

TEST_F(Command, HelpAndVersion) {
  const Outcome version = run_partita({"--version"});
  EXPECT_EQ(version.status, 0);
  EXPECT_THAT(version.out, ::testing::MatchesRegex("partita [0-9]+\\.[0-9]+\\.[0-9]+\n"));
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"sample"}, {"lm", "train"}, {"generate"}, {"embed", "train"}}) {
    std::vector<std::string> arguments = command;
    arguments.emplace_back("--help");
    const Outcome help = run_partita(arguments);
    EXPECT_EQ(help.status, 0);
    EXPECT_EQ(help.err, "");
    for (const char* text : {"Example:\n  partita ", "--seed", "--threads", "--json"}) {
      EXPECT_THAT(help.out, HasSubstr(text)) << command.front();
    }
  }
}

TEST_F(Command, SampleJson) {
  const Json json = json_of({"sample", logits(3, 50), "-k", "4", "--seed", "9"});
  EXPECT_THAT(keys(json), ElementsAre("rows", "seed"));
  EXPECT_EQ(json["seed"], 9);
  ASSERT_EQ(json["rows"].size(), 3U);
  for (const Json& row : json["rows"]) {
    EXPECT_THAT(keys(row),
                ElementsAre("indices", "log_prob", "perturbed", "log_sum_exp", "threshold"));
    const auto indices = row["indices"].get<std::vector<int>>();
    EXPECT_EQ(std::set<int>(indices.begin(), indices.end()).size(), 4U);
    const auto perturbed = row["perturbed"].get<std::vector<double>>();
    EXPECT_TRUE(std::is_sorted(perturbed.rbegin(), perturbed.rend()));
    EXPECT_GE(perturbed.back(), row["threshold"].get<double>());
  }
  // All five categories: nothing is left, so there is no threshold.
  EXPECT_TRUE(json_of({"sample", logits(1, 5), "-k", "5"})["rows"][0]["threshold"].is_null());
}

TEST_F(Command, SampleDoesNotDependOnThreadsAndDoesOnTheSeed) {
  const std::string input = logits(64, 1000);
  for (const std::vector<std::string>& filter :
       {std::vector<std::string>{},
        {"--temperature", "0.7", "--top-k", "50", "--top-p", "0.9", "--min-p", "0.001",
         "--typical-p", "0.95"},
        {"--dynatemp-range", "0.5", "--dynatemp-exp", "2", "--top-n-sigma", "3", "--min-k", "40",
         "--top-h", "0.9", "--epsilon-cutoff", "1e-6", "--eta-cutoff", "1e-5", "--p-less"}}) {
    const auto sample = [&](const char* seed, const char* threads) {
      std::vector<std::string> arguments = {"sample", input, "-k",        "5",
                                            "--seed", seed,  "--threads", threads};
      arguments.insert(arguments.end(), filter.begin(), filter.end());
      return json_of(arguments)["rows"].dump();
    };
    const std::string one = sample("1", "1");
    EXPECT_EQ(sample("1", "2"), one);
    EXPECT_EQ(sample("1", "7"), one);
    EXPECT_NE(sample("2", "1"), one);
  }
}

TEST_F(Command, SampleToNpyAndToText) {
  const std::string input = logits(3, 50);
  const Json json = json_of({"sample", input, "-k", "4"});
  const Outcome written = run_partita({"sample", input, "-k", "4", "-o", path("out.npy")});
  EXPECT_EQ(written.status, 0);
  EXPECT_EQ(written.out, "");
  const std::string bytes = read_file(path("out.npy"));
  EXPECT_THAT(bytes, HasSubstr("{'descr': '<i8', 'fortran_order': False, 'shape': (3, 4), }"));
  std::vector<std::int64_t> indices(12);
  ASSERT_EQ(bytes.size(), 128 + 12 * sizeof(std::int64_t));
  std::memcpy(indices.data(), bytes.data() + 128, 12 * sizeof(std::int64_t));
  for (std::size_t i = 0; i < 12; ++i)
    EXPECT_EQ(indices[i], json["rows"][i / 4]["indices"][i % 4].get<std::int64_t>());

  const Outcome text = run_partita({"sample", input, "-k", "4"});
  EXPECT_EQ(text.status, 0);
  EXPECT_EQ(text.err, "");
  EXPECT_THAT(text.out, HasSubstr("row 2: log-sum-exp"));
}

TEST_F(Command, TrainIsDeterministicAndSaysWhatItDid) {
  const std::string words = word_list();
  const Json json = json_of({"lm", "train", "--kind", "ngram", "--units", "char", "--order", "4",
                             words, "-o", path("a")});
  EXPECT_EQ(json["lines"], 10);
  EXPECT_EQ(json["order"], 4);
  EXPECT_EQ(json["model"], path("a"));
  EXPECT_EQ(run_partita({"lm", "train", "--order", "4", words, "-o", path("b")}).status, 0);
  EXPECT_EQ(read_file(path("a")), read_file(path("b")));
}

// n-grams of words and pieces: trained, searched by every method, evaluated.
TEST_F(Command, NgramsOfAnyUnits) {
  std::vector<std::string> units = {"char", "word"};
#ifdef PARTITA_SENTENCEPIECE
  units.insert(units.end(), {"sentencepiece", PARTITA_GOLDEN_SENTENCEPIECE "/unigram.model"});
#endif
  const std::string text =
      file("text.txt", "the old whale\nthe sea\nthe whale\nold sea\nthe sea\n");
  for (const std::string& unit : units) {
    const std::string model = path("ngram");
    const Json trained = json_of({"lm", "train", "--kind", "ngram", "--units", unit, "--order", "3",
                                  "--vocabulary", "40", text, "-o", model});
    EXPECT_EQ(trained["units"], unit);
    if (unit == "word") {
      EXPECT_EQ(trained["vocabulary"], 4 + 2);  // and the end, and <unk>
    }
    double drawn = 0;
    for (const std::string method : {"stochastic-beam", "unique", "conditional-poisson-beam",
                                     "ancestral", "arithmetic", "beam"}) {
      const Json generated = json_of({"generate", "--model", model, "-k", "300", "--method", method,
                                      "--max-length", "20", "--seed", "2"});
      ASSERT_EQ(generated["sequences"].size(), 300U) << unit << ' ' << method;
      for (const Json& each : generated["sequences"]) {
        if (each["text"] == "the sea") drawn = each["log_prob"].get<double>();
      }
    }
    // A line is as likely as generate says, unless several sequences of pieces are one text.
    const Json one = json_of({"lm", "evaluate", model, file("one.txt", "the sea\n")});
    EXPECT_EQ(one["kind"], "ngram");
    if (unit == "char" || unit == "word") {
      ASSERT_LT(drawn, 0) << unit;
      EXPECT_NEAR(-one["tokens"].get<double>() * one["nll"].get<double>(), drawn, 1e-9) << unit;
    }
    const Json all = json_of({"lm", "evaluate", model, text});
    EXPECT_LT(all["perplexity"].get<double>(), trained["vocabulary"].get<double>());
    EXPECT_EQ(all["bins"].size(), 15U);
    EXPECT_EQ(all["calibration_tokens"], all["tokens"]);
  }
  // Fewer words: the others are "<unk>", which evaluation counts as such.
  const Json trained =
      json_of({"lm", "train", "--units", "word", "--vocabulary", "1", text, "-o", path("unk")});
  EXPECT_EQ(trained["vocabulary"], 3);
  EXPECT_EQ(trained["order"], 3);
  const Json prompted = json_of({"generate", "--model", path("unk"), "--prompt", "the submarine",
                                 "-k", "2", "--method", "beam"});
  EXPECT_EQ(prompted["sequences"].size(), 2U);
}

TEST_F(Command, TrainAcceptsCrlfAndSaysSo) {
  word_list();
  std::string crlf = "\xEF\xBB\xBF";
  for (const char c : read_file(path("words.txt")))
    crlf += c == '\n' ? std::string("\r\n") : std::string(1, c);
  const Outcome outcome =
      run_partita({"lm", "train", "--order", "4", file("crlf.txt", crlf), "-o", path("crlf")});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_THAT(outcome.err, HasSubstr("CRLF line endings, read as LF"));
  EXPECT_EQ(read_file(path("crlf")), read_file(model()));  // no carriage return was learned
}

TEST_F(Command, GenerateJson) {
  const std::string from = model();
  for (const std::string method : {"stochastic-beam", "unique", "conditional-poisson-beam",
                                   "ancestral", "arithmetic", "beam"}) {
    const std::vector<std::string> arguments = {"generate", "--model",      from,   "-k",
                                                "12",       "--method",     method, "--seed",
                                                "3",        "--max-length", "30"};
    const Json json = json_of(arguments);
    EXPECT_THAT(keys(json), ElementsAre("sequences", "threshold", "seed", "method"));
    EXPECT_EQ(json["seed"], 3);
    EXPECT_EQ(json["method"], method);
    ASSERT_EQ(json["sequences"].size(), 12U);
    const bool perturbed = method == "stochastic-beam" || method == "unique";
    EXPECT_EQ(json["threshold"].is_number(), perturbed);
    std::set<std::string> texts;
    for (const Json& sequence : json["sequences"]) {
      EXPECT_THAT(keys(sequence), ElementsAre("text", "log_prob", "perturbed", "weight"));
      EXPECT_LE(sequence["log_prob"].get<double>(), 0);
      EXPECT_EQ(sequence["perturbed"].is_number(), perturbed);
      EXPECT_EQ(sequence["weight"].is_number(), perturbed || method == "conditional-poisson-beam");
      if (perturbed) {
        EXPECT_GE(sequence["perturbed"].get<double>(), json["threshold"].get<double>());
      }
      texts.insert(sequence["text"]);
    }
    if (method != "ancestral") {
      EXPECT_EQ(texts.size(), 12U) << method;
    }
    for (const char* threads : {"1", "2", "5"}) {
      std::vector<std::string> with_threads = arguments;
      with_threads.insert(with_threads.end(), {"--threads", threads});
      EXPECT_EQ(json_of(with_threads), json) << method << ", threads " << threads;
    }
  }
}

TEST_F(Command, StochasticBeamAndUniqueAgree) {
  const std::string from = model();
  Json beam = json_of(
      {"generate", "--model", from, "-k", "20", "--method", "stochastic-beam", "--top-p", "0.95"});
  Json unique =
      json_of({"generate", "--model", from, "-k", "20", "--method", "unique", "--top-p", "0.95"});
  ASSERT_EQ(beam["sequences"].size(), unique["sequences"].size());
  for (std::size_t i = 0; i < beam["sequences"].size(); ++i) {
    EXPECT_EQ(beam["sequences"][i]["text"], unique["sequences"][i]["text"]);
    EXPECT_DOUBLE_EQ(beam["sequences"][i]["perturbed"].get<double>(),
                     unique["sequences"][i]["perturbed"].get<double>());
  }
}

TEST_F(Command, GenerateChoosesByMinimumBayesRisk) {
  const std::string from = model();
  for (const std::string utility : {"chrf", "token-f1"}) {
    const Json json = json_of({"generate", "--model", from, "-k", "20", "--max-length", "30",
                               "--minimum-bayes-risk", utility});
    double last = 1;
    double least_likely = 0;
    for (const Json& each : json["sequences"]) {
      EXPECT_LE(each["utility"].get<double>(), last);
      last = each["utility"].get<double>();
      least_likely = std::min(least_likely, each["log_prob"].get<double>());
      EXPECT_TRUE(each["weight"].is_number());
    }
    EXPECT_GT(last, 0);
    EXPECT_LT(least_likely, json["sequences"][0]["log_prob"].get<double>());
  }
  const Outcome table = run_partita({"generate", "--model", from, "-k", "3", "--method",
                                     "ancestral", "--minimum-bayes-risk", "chrf"});
  EXPECT_THAT(table.out, HasSubstr("weight    utility  text\n"));
  EXPECT_EQ(
      refusal({"generate", "--model", from, "--method", "beam", "--minimum-bayes-risk", "chrf"}, 2),
      "--minimum-bayes-risk: needs a sample, by any --method but beam: its expectation is "
      "over one");
}

TEST_F(Command, GenerateDividesABeamIntoGroups) {
  const std::string from = model();
  const auto texts = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"generate",     "--model", from,       "-k",  "6",
                                          "--max-length", "30",      "--method", "beam"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    std::set<std::string> firsts;
    const Json json = json_of(arguments);
    EXPECT_EQ(json["sequences"].size(), 6U);
    for (const Json& each : json["sequences"]) {
      firsts.insert(each["text"].get<std::string>().substr(0, 1));
    }
    return firsts.size();
  };
  // Under a penalty that outweighs any log-probability, every group begins with another letter.
  EXPECT_EQ(texts({"--num-beam-groups", "6", "--diversity-penalty", "1000"}), 6U);
  EXPECT_LT(texts({}), 6U);
  EXPECT_EQ(refusal({"generate", "--model", from, "-k", "5", "--method", "beam",
                     "--num-beam-groups", "2", "--diversity-penalty", "1"},
                    2),
            "--num-beam-groups: expected a divisor of k = 5, got 2");
  EXPECT_EQ(refusal({"generate", "--model", from, "--length-penalty", "1"}, 2),
            "--method: expected beam, which alone has --length-penalty, got stochastic-beam");
  EXPECT_EQ(refusal({"generate", "--model", from, "--hindsight-samples", "2"}, 2),
            "--method: expected conditional-poisson-beam, which alone has --hindsight-samples, got "
            "stochastic-beam");
}

TEST_F(Command, GenerateSteersIndependentSamples) {
  const std::string from = model();
  std::vector<std::string> arguments = {"generate", "--model",        from, "-k", "5", "--mirostat",
                                        "2",        "--mirostat-ent", "1"};
  EXPECT_EQ(refusal(arguments, 2),
            "--method: expected ancestral, which alone can use mirostat, got stochastic-beam");
  arguments.insert(arguments.end(), {"--method", "ancestral"});
  const Json steered = json_of(arguments);
  EXPECT_EQ(json_of(arguments), steered);
  const Json free = json_of({"generate", "--model", from, "-k", "5", "--method", "ancestral"});
  EXPECT_NE(steered["sequences"], free["sequences"]);
}

TEST_F(Command, AModelThatRunsOutSaysSo) {
  const std::string words = file("two.txt", "a\nb\n");
  ASSERT_EQ(run_partita({"lm", "train", "--order", "2", words, "-o", path("two")}).status, 0);
  // Two characters or the end, at most one token long: two cut sequences and the empty one.
  const Outcome outcome =
      run_partita({"generate", "--model", path("two"), "-k", "10", "--max-length", "1"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_THAT(outcome.err, HasSubstr("3 sequences: the model has no more"));
}

// Killed at many moments while it replaces a file, the command leaves the old one or the new one.
// The moments are spread over twice the time that it takes, so that both are seen.
TEST_F(Command, KilledWhileWritingLeavesOldOrNew) {
  constexpr int kAttempts = 40;
  const std::vector<std::string> arguments = {"sample", logits(2000, 300), "-k", "100",
                                              "-o",     path("out.npy")};
  const auto start = std::chrono::steady_clock::now();
  ASSERT_EQ(run_partita(arguments).status, 0);
  const std::chrono::duration<double> whole_run = std::chrono::steady_clock::now() - start;
  const std::string new_bytes = read_file(path("out.npy"));
  const std::string old_bytes = "old";
  int replaced = 0;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    file("out.npy", old_bytes);
    const pid_t child = start_partita(arguments);
    std::this_thread::sleep_for(whole_run * 2 * attempt / kAttempts);
    ::kill(child, SIGKILL);
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
    const std::string found = read_file(path("out.npy"));
    ASSERT_TRUE(found == old_bytes || found == new_bytes) << found.size() << " bytes";
    replaced += found == new_bytes ? 1 : 0;
  }
  RecordProperty("replaced", replaced);
}

}  // namespace
}  // namespace partita::testing
