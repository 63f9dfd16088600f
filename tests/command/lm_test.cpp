// SPDX-License-Identifier: Apache-2.0
// partita lm and partita generate with neural models and TorchScript modules.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <chrono>
#include <cmath>
#include <csignal>
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
using ::testing::EndsWith;
using ::testing::HasSubstr;

constexpr int kFailed = 1;
constexpr int kWronglyAsked = 2;

std::string module(const std::string& name) { return PARTITA_GOLDEN_TORCHSCRIPT "/" + name; }

class NeuralLm : public CommandTest {
 protected:
  std::vector<std::string> train(const std::string& kind, const std::string& output,
                                 const std::vector<std::string>& more = {},
                                 const std::string& epochs = "4") const {
    std::vector<std::string> arguments = {"lm",     "train",    "--kind",    kind,        "--dim",
                                          "16",     "--epochs", epochs,      "--threads", "1",
                                          "--seed", "3",        word_list(), "-o",        output};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  /// The tokens a ... f and the end, of tests/golden/make_torchscript.py's modules.
  std::string tokens() const { return file("tokens.txt", "a\nb\nc\nd\ne\nf\n</s>\n"); }
  std::vector<std::string> generate_script(const std::string& name,
                                           const std::vector<std::string>& more = {}) const {
    std::vector<std::string> arguments = {"generate", "--model",       module(name), "--vocabulary",
                                          tokens(),   "--start-token", "</s>",       "--end-token",
                                          "</s>",     "--max-length",  "6"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
};

TEST_F(NeuralLm, TrainsGeneratesEvaluates) {
  for (const std::string kind : {"lstm", "transformer"}) {
    const std::string model = path(kind);
    const Json trained = json_of(train(kind, model, {"--layers", "1", "--heads", "2"}));
    EXPECT_THAT(keys(trained),
                ElementsAre("model", "kind", "units", "vocabulary", "parameters", "lines", "tokens",
                            "steps", "seconds", "tokens_per_second", "held_out_tokens",
                            "held_out_perplexity"));
    EXPECT_EQ(trained["kind"], kind);
    for (const std::string method : {"stochastic-beam", "unique", "ancestral", "beam"}) {
      const Json drawn = json_of({"generate", "--model", model, "-k", "7", "--method", method,
                                  "--max-length", "8", "--seed", "2"});
      ASSERT_EQ(drawn["sequences"].size(), 7U) << kind << ' ' << method;
    }
    const Json evaluated = json_of({"lm", "evaluate", model, word_list()});
    EXPECT_THAT(keys(evaluated),
                ElementsAre("model", "kind", "lines", "tokens", "nll", "perplexity", "unseen",
                            "perplexity_without_unseen", "accuracy", "confidence", "ece",
                            "temperature", "ece_at_temperature", "nll_at_temperature",
                            "calibration_tokens", "bins", "seed"));
    EXPECT_EQ(evaluated["kind"], kind);
    EXPECT_EQ(evaluated["calibration_tokens"], evaluated["tokens"]);
    EXPECT_EQ(evaluated["bins"].size(), 15U);
    EXPECT_LE(evaluated["nll_at_temperature"].get<double>(), evaluated["nll"].get<double>() + 1e-9);
    EXPECT_LT(evaluated["perplexity"].get<double>(), trained["vocabulary"].get<double>());
  }
}

TEST_F(NeuralLm, SameSeedSameBytes) {
  ASSERT_EQ(run_partita(train("lstm", path("a"))).status, 0);
  ASSERT_EQ(run_partita(train("lstm", path("b"))).status, 0);
  EXPECT_EQ(read_file(path("a")), read_file(path("b")));
}

// A run killed at any moment and started again gives the model of an undisturbed one.
TEST_F(NeuralLm, KilledAndResumed) {
  const std::vector<std::string> more = {"--checkpoint", path("checkpoint")};
  ASSERT_EQ(run_partita(train("lstm", path("whole"), {}, "60")).status, 0);
  for (const int milliseconds : {700, 900, 1100}) {
    const int child = start_partita(train("lstm", path("resumed"), more, "60"));
    std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
    ::kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
  }
  const Outcome last = run_partita(train("lstm", path("resumed"), more, "60"));
  ASSERT_EQ(last.status, 0) << last.err;
  EXPECT_EQ(read_file(path("resumed")), read_file(path("whole")));
  // Its checkpoint belongs to this run, and to no other.
  EXPECT_THAT(refusal(train("lstm", path("x"), {"--checkpoint", path("checkpoint")}), kFailed),
              HasSubstr("checkpoint: "));
}

TEST_F(NeuralLm, TrainsByNoise) {
  for (const std::string loss : {"nce", "sampled"}) {
    const Json trained =
        json_of(train("lstm", path("m"), {"--units", "word", "--loss", loss, "--noise", "5"}));
    EXPECT_EQ(trained["units"], "word");
  }
}

TEST_F(NeuralLm, AdaptiveSoftmax) {
  const std::string model = path("m");
  const Json trained =
      json_of(train("lstm", model, {"--units", "word", "--loss", "adaptive", "--held-out", "0.2"}));
  EXPECT_GT(trained["held_out_perplexity"].get<double>(), 1);
  EXPECT_EQ(json_of({"generate", "--model", model, "-k", "3"})["sequences"].size(), 3U);
  ASSERT_EQ(
      run_partita(train("lstm", path("n"), {"--loss", "adaptive", "--cutoffs", "3,6"})).status, 0);
  EXPECT_EQ(refusal(train("lstm", path("x"), {"--loss", "adaptive", "--cutoffs", "3,1000"}),
                    kWronglyAsked)
                .substr(0, 11),
            "--cutoffs: ");
  EXPECT_THAT(refusal(train("lstm", path("x"), {"--cutoffs", "0"}), kWronglyAsked),
              HasSubstr("--cutoffs"));
}

// Perplexity and calibration of every kind, as text, and as a page.
TEST_F(NeuralLm, EvaluatesEveryKind) {
  ASSERT_EQ(run_partita(train("lstm", path("lstm"))).status, 0);
  const std::string abc = file("abc.txt", "abc\nfade\nbee\ncab\n");
  const std::vector<std::vector<std::string>> models = {
      {model(), word_list()},
      {path("lstm"), word_list()},
      {module("recurrent.ts"), abc, "--vocabulary", tokens(), "--start-token", "</s>",
       "--end-token", "</s>"}};
  for (std::vector<std::string> arguments : models) {
    arguments.insert(arguments.begin(), {"lm", "evaluate"});
    const Json json = json_of(arguments);
    EXPECT_NEAR(std::log(json["perplexity"].get<double>()), json["nll"].get<double>(), 1e-9);
    const std::string page = path("page.html");
    arguments.insert(arguments.end(), {"--report", page});
    const Outcome outcome = run_partita(arguments);
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_THAT(outcome.out, HasSubstr("\nECE  "));
    EXPECT_THAT(outcome.out, HasSubstr("\nbest T  "));
    EXPECT_THAT(read_file(page), HasSubstr("Reliability diagram"));
    EXPECT_EQ(problems_of_page(page), "");
  }
  // A line is as likely as generate says.
  const Json one =
      json_of({"lm", "evaluate", module("recurrent.ts"), file("one.txt", "ab\n"), "--vocabulary",
               tokens(), "--start-token", "</s>", "--end-token", "</s>"});
  const Json all = json_of(generate_script("recurrent.ts", {"-k", "400", "--seed", "1"}));
  double log_prob = 0;
  for (const Json& each : all["sequences"]) {
    if (each["text"] == "ab") log_prob = each["log_prob"].get<double>();
  }
  ASSERT_LT(log_prob, 0);
  EXPECT_NEAR(-3 * one["nll"].get<double>(), log_prob, 1e-4);
}

#ifdef PARTITA_SENTENCEPIECE
TEST_F(NeuralLm, SentencePiece) {
  const std::string golden = PARTITA_GOLDEN_SENTENCEPIECE "/";
  for (const std::string& units : {std::string("sentencepiece"), golden + "unigram.model"}) {
    const std::string text = file("text.txt", "whale whales\nharbour\nswims swimming\nwhale\n");
    const std::string model = path("m");
    const Json trained = json_of({"lm", "train", "--kind", "lstm", "--units", units, "--vocabulary",
                                  "40", "--dim", "8", "--epochs", "2", text, "-o", model});
    EXPECT_EQ(trained["units"], units);
    EXPECT_LE(trained["vocabulary"].get<int>(), 40);
    EXPECT_EQ(json_of({"generate", "--model", model, "-k", "4"})["sequences"].size(), 4U);
    EXPECT_GT(json_of({"lm", "evaluate", model, text})["perplexity"].get<double>(), 1);
  }
  EXPECT_THAT(refusal(train("lstm", path("x"), {"--units", "sentencepiece", "--vocabulary", "3"}),
                      kWronglyAsked),
              HasSubstr("--vocabulary: 3: Vocabulary size is smaller than required_chars"));
  EXPECT_THAT(refusal(train("lstm", path("x"), {"--units", word_list()}), kFailed),
              EndsWith("expected a SentencePiece model"));

  // A TorchScript module with the pieces of its training.
  const std::vector<std::string> drawn = {
      "generate", "--model",      module("recurrent.ts"), "-k", "5", "--max-length",
      "6",        "--vocabulary", golden + "seven.model"};
  for (const Json& each : json_of(drawn)["sequences"]) {
    EXPECT_EQ(each["text"].get<std::string>().find_first_not_of("abc "), std::string::npos);
  }
  std::vector<std::string> other = drawn;
  other.back() = golden + "bpe.model";
  EXPECT_THAT(refusal(other, kFailed), EndsWith("gives logits for 7 tokens, expected 28"));
  other.back() = file("cut.model", read_file(golden + "bpe.model").substr(0, 200));
  EXPECT_THAT(refusal(other, kFailed), EndsWith("cut.model: expected a SentencePiece model"));
}
#endif

TEST_F(NeuralLm, TorchScript) {
  const Json drawn = json_of(generate_script("recurrent.ts", {"-k", "5", "--seed", "1"}));
  ASSERT_EQ(drawn["sequences"].size(), 5U);
  for (const Json& each : drawn["sequences"]) {
    EXPECT_EQ(each["text"].get<std::string>().find_first_not_of("abcdef"), std::string::npos);
  }
  // The same module, giving only the last token's logits, in double.
  const Json last = json_of(generate_script("last_only.ts", {"-k", "5", "--seed", "1"}));
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(last["sequences"][i]["text"], drawn["sequences"][i]["text"]);
  }
  const Json prompted =
      json_of(generate_script("recurrent.ts", {"-k", "1", "--method", "beam", "--prompt", "fbb"}));
  EXPECT_EQ(prompted["sequences"].size(), 1U);
}

TEST_F(NeuralLm, Refusals) {
  EXPECT_THAT(refusal({"generate", "--model", module("recurrent.ts")}, kWronglyAsked),
              EndsWith("does not list its tokens: expected a file with them"));
  EXPECT_THAT(refusal(generate_script("flat.ts"), kFailed), HasSubstr("flat.ts: expected logits"));
  EXPECT_THAT(refusal(generate_script("fussy.ts"), kFailed),
              EndsWith("fussy.ts: gives logits for 4 tokens, expected 7"));
  EXPECT_EQ(refusal(generate_script("recurrent.ts", {"--prompt", "axe"}), kWronglyAsked),
            "--prompt: 'x' is not in the vocabulary");
  const std::string twice = file("twice.txt", "a\nb\na\n");
  EXPECT_THAT(
      refusal({"generate", "--model", module("recurrent.ts"), "--vocabulary", twice}, kFailed),
      EndsWith("twice.txt: line 3: duplicates the token of line 1"));
  EXPECT_THAT(
      refusal({"lm", "train", "--units", "syllable", word_list(), "-o", path("x")}, kWronglyAsked),
      HasSubstr("--units: expected char, word, sentencepiece or the file of a SentencePiece "
                "model, got syllable"));
  EXPECT_THAT(refusal(train("lstm", path("x"), {}, "0"), kWronglyAsked),
              EndsWith("epochs: expected a number in (0, inf), got 0"));
  EXPECT_FALSE(std::filesystem::exists(path("x")));

  ASSERT_EQ(run_partita(train("lstm", path("good"))).status, 0);
  const std::string bytes = read_file(path("good"));
  for (const std::size_t length : {bytes.size() - 1, bytes.size() / 2, std::size_t{40}}) {
    const std::string cut = file("cut", bytes.substr(0, length));
    EXPECT_THAT(refusal({"generate", "--model", cut}, kFailed), HasSubstr("cut: ")) << length;
  }
}

// As KenLM has it: perplexity with what the model has never seen, without it, and how much it is.
TEST_F(NeuralLm, CountsWhatItHasNeverSeen) {
  const std::string known = file("known.txt", "ab cd\nab cd ab\ncd ab\n");
  const std::string half = file("half.txt", "ab Q\xC3\xA9\n");
  for (const std::string units : {"char", "word"}) {
    ASSERT_EQ(run_partita({"lm", "train", known, "--units", units, "-o", path(units)}).status, 0);
    const Json json = json_of({"lm", "evaluate", path(units), half});
    EXPECT_EQ(json["unseen"], units == "char" ? 2 : 1);
    EXPECT_EQ(json["perplexity"].is_null(), units == "char");  // infinite: they have probability 0
    EXPECT_GT(json["perplexity_without_unseen"].get<double>(), 1);
    const Json all = json_of({"lm", "evaluate", path(units), known});
    EXPECT_EQ(all["unseen"], 0);
    EXPECT_EQ(all["perplexity"], all["perplexity_without_unseen"]);
  }
}

}  // namespace
}  // namespace partita::testing
