// SPDX-License-Identifier: Apache-2.0
// partita generate and partita lm evaluate with models of llama.cpp.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "command.hpp"
#include "partita/io/file.hpp"
#include "partita/llama/llama_test_support.hpp"

namespace partita::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr int kFailed = 1;

class Gguf : public CommandTest {
 protected:
  Gguf() {
    model_.draw();
    write_gguf(model_, path("tiny.gguf"));
  }

  std::vector<std::string> generate(const std::vector<std::string>& more) const {
    std::vector<std::string> words = {
        "generate", "--model", path("tiny.gguf"), "--threads", "1", "--max-length", "8"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }

  TinyTransformer model_{.vocabulary = 29};  // a ... z
};

#ifdef PARTITA_LLAMA

/// The sum of a text's log-probabilities by the reference, its end included if it has one.
double log_prob(const TinyTransformer& model, const std::string& prompt, const std::string& text,
                bool ended) {
  Sequence tokens;
  for (const char c : prompt + text) tokens.push_back(c - 'a' + 3);
  const auto rows = model.logits_along(tokens);
  if (ended) tokens.push_back(model.end_token());
  double sum = 0;
  for (std::size_t i = prompt.size(); i < tokens.size(); ++i) {
    double total = 0;
    for (const double z : rows[i]) total += std::exp(z);
    sum += rows[i][static_cast<std::size_t>(tokens[i])] - std::log(total);
  }
  return sum;
}

TEST_F(Gguf, GeneratesByEveryMethod) {
  for (const std::string method : {"stochastic-beam", "unique", "ancestral", "beam"}) {
    const Json found = json_of(
        generate({"--prompt", "abc", "-k", "7", "--method", method, "--json", "--logit-bias",
                  "0-inf", "--logit-bias", "1-inf", "--logit-bias", "2-inf"}));
    ASSERT_EQ(found["sequences"].size(), 7U) << method;
    for (const Json& sequence : found["sequences"]) {
      const std::string text = sequence["text"];
      EXPECT_EQ(text.size(), 8U) << text;  // letters only, since nothing else is allowed
    }
  }
  const Json particles =
      json_of(generate({"--matching", "a*[^b]*", "--particles", "20", "--json"}));
  EXPECT_EQ(particles["sequences"].size(), 20U);  // the model holds as many
  const Json beam = json_of(generate({"--prompt", "abc", "-k", "5", "--json"}));
  const Json unique =
      json_of(generate({"--prompt", "abc", "-k", "5", "--method", "unique", "--json"}));
  const Json wider = json_of(generate({"--prompt", "abc", "-k", "9", "--json"}));
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(beam["sequences"][i]["text"], unique["sequences"][i]["text"]);
    EXPECT_EQ(beam["sequences"][i]["text"], wider["sequences"][i]["text"]);
  }
}

TEST_F(Gguf, TheFilterChainIsAllThere) {
  const Json greedy = json_of(
      generate({"--prompt", "q", "--method", "sample", "-k", "3", "--top-k", "1", "--json"}));
  EXPECT_EQ(greedy["method"], "ancestral");  // of which sample is another name
  EXPECT_EQ(greedy["sequences"][0]["text"], greedy["sequences"][2]["text"]);
  EXPECT_EQ(greedy["sequences"][0]["log_prob"], 0);
  const Json drawn = json_of(generate(
      {"--prompt", "q", "--method", "ancestral", "-k", "3", "--mirostat", "2", "--temperature",
       "0.8", "--repeat-penalty", "1.2", "--samplers", "llama.cpp", "--json"}));
  EXPECT_EQ(drawn["sequences"].size(), 3U);
}

TEST_F(Gguf, EvaluatesAText) {
  const std::string text = file("text.txt", "hello\nworld\n");
  const Json result =
      json_of({"lm", "evaluate", path("tiny.gguf"), text, "--threads", "1", "--json"});
  EXPECT_EQ(result["kind"], "gguf");
  EXPECT_EQ(result["tokens"], 12);
  const double nll =
      -(log_prob(model_, "", "hello", true) + log_prob(model_, "", "world", true)) / 12;
  EXPECT_NEAR(result["nll"].get<double>(), nll, 1e-5);
  EXPECT_NEAR(result["perplexity"].get<double>(), std::exp(nll), 1e-3);
  EXPECT_TRUE(result.contains("ece"));
  EXPECT_EQ(json_of({"lm", "evaluate", "--model", path("tiny.gguf"), text, "--threads", "1"}),
            result);
}

TEST_F(Gguf, SharesItsNoise) {
  const std::string model = path("tiny.gguf");
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.end(), {"--prompt", "abc", "--json"});
    return generate(more);
  };
  // Its own draft: all that is drafted is accepted, whoever judges.
  for (const char* method : {"rejection", "coupling"}) {
    const Json drawn = json_of(
        with({"--draft", model, "--speculative-method", method, "-k", "3", "--draft-length", "3"}));
    EXPECT_NEAR(drawn["speculation"]["tokens_per_call"].get<double>(), 4, 0.7);
  }
  const std::string text = json_of(with({"--method", "sample"}))["sequences"][0]["text"];
  EXPECT_EQ(json_of(with({"--counterfactual-of", text}))["sequences"][0]["text"], text);
  const Json matching = json_of(with({"--matching", "[a-m]*", "-k", "5"}));
  EXPECT_EQ(matching["sequences"].size(), 5U);
  const std::vector<std::string> key = {"--model",         model, "--key",     std::string(32, '7'),
                                        "--context-width", "2",   "--threads", "1"};
  std::vector<std::string> words = {"watermark", "generate", "--max-length", "60"};
  words.insert(words.end(), key.begin(), key.end());
  const Outcome marked = run_partita(words);
  ASSERT_EQ(marked.status, 0) << marked.err;
  words = {"watermark", "detect", file("marked.txt", marked.out)};
  words.insert(words.end(), key.begin(), key.end());
  EXPECT_LT(json_of(words)["p_value"].get<double>(), 1e-3);
}

TEST_F(Gguf, RefusesInOneLine) {
  const auto refused = [&](const std::string& model, const std::vector<std::string>& more = {},
                           int status = kFailed) {
    std::vector<std::string> words = {"generate", "--model", model};
    words.insert(words.end(), more.begin(), more.end());
    return refusal(words, status);
  };
  EXPECT_EQ(refused(file("old.gguf", "ggjt")),
            path("old.gguf") + ": expected a GGUF file, which begins with \"GGUF\"");
  const std::string whole = read_file(path("tiny.gguf"));
  EXPECT_THAT(refused(file("short.gguf", whole.substr(0, whole.size() / 2))),
              StartsWith(path("short.gguf") + ": llama.cpp: "));
  write_encoder(path("bert.gguf"));
  EXPECT_EQ(refused(path("bert.gguf")),
            path("bert.gguf") + ": an encoder, which says nothing of a next token");
  EXPECT_THAT(refused(path("tiny.gguf"), {"--prompt", std::string(64, 'a')}, 2),
              HasSubstr("at most 64 tokens (the model's context), got 65"));
  EXPECT_THAT(refused(path("tiny.gguf"), {"-k", "300"}, 2),
              HasSubstr("k: expected 1..256 (prefixes that the model can hold), got 300"));
  EXPECT_THAT(refused(path("tiny.gguf"), {"--prompt", "A"}, 2), HasSubstr("--prompt: "));
  EXPECT_THAT(refused(path("tiny.gguf"), {"--start-token", "<bos>"}, 2),
              HasSubstr("expected a token of the model, got <bos>"));
}

#else

TEST_F(Gguf, ACommandWithoutLlamaCppSaysSo) {
  EXPECT_EQ(refusal(generate({}), kFailed),
            path("tiny.gguf") +
                ": GGUF files need llama.cpp, but this partita was built without it "
                "(-DPARTITA_LLAMA=ON)");
}

#endif

}  // namespace
}  // namespace partita::testing
