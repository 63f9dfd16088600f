// SPDX-License-Identifier: Apache-2.0
// `partita sample` as a server's sampler: every setting, each row its own, and reports.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <cmath>
#include <string>
#include <vector>

#include "command.hpp"

namespace partita::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class SampleCommand : public CommandTest {
 protected:
  /// p = 1/2, 1/4, 1/8, 1/8 in each of three rows.
  std::string halves() const {
    std::string text;
    for (int row = 0; row < 3; ++row)
      text += "0,-0.6931471805599453,-1.3862943611198906,-1.3862943611198906\n";
    return file("halves.csv", text);
  }
};

TEST_F(SampleCommand, ReportsOnADraw) {
  const Json json = json_of({"sample", halves(), "--logprobs", "2", "--top-k", "2", "--seed", "3"});
  ASSERT_EQ(json["rows"].size(), 3U);
  for (const Json& row : json["rows"]) {
    EXPECT_THAT(keys(row),
                ElementsAre("index", "log_prob", "raw_log_prob", "tempered_log_prob", "rank",
                            "kept_count", "kept_mass", "raw_entropy", "entropy", "top"));
    const int index = row["index"];
    ASSERT_LT(index, 2);
    EXPECT_EQ(row["rank"], index + 1);
    EXPECT_EQ(row["kept_count"], 2);
    EXPECT_NEAR(row["kept_mass"], 0.75, 1e-12);
    EXPECT_NEAR(row["log_prob"], std::log(index == 0 ? 2.0 / 3 : 1.0 / 3), 1e-12);
    EXPECT_NEAR(row["raw_log_prob"], std::log(index == 0 ? 0.5 : 0.25), 1e-12);
    EXPECT_NEAR(row["raw_entropy"], 1.75 * std::log(2), 1e-12);
    EXPECT_NEAR(row["entropy"], std::log(3) - 2.0 / 3 * std::log(2), 1e-12);
    ASSERT_EQ(row["top"].size(), 2U);
    EXPECT_EQ(row["top"][1]["index"], 1);
    EXPECT_NEAR(row["top"][1]["log_prob"], std::log(0.25), 1e-12);
  }
  const Outcome text = run_partita({"sample", halves(), "--logprobs", "0", "--top-k", "1"});
  EXPECT_EQ(text.status, 0);
  EXPECT_THAT(text.out, HasSubstr("rank"));
}

TEST_F(SampleCommand, EachRowHasItsOwnSettings) {
  const std::string settings = file("settings.jsonl",
                                    "{\"logit_bias\": [[0, \"-inf\"]], \"top_k\": 1}\n"
                                    "{\"allowed\": [3]}\n"
                                    "\n"
                                    "{\"history\": [0, 1, 0, 1, 0], \"no_repeat_ngram\": 2, "
                                    "\"order\": [\"no_repeat_ngram\", \"top_k\"], \"top_k\": 2}\n");
  const Json rows =
      json_of({"sample", halves(), "--settings", settings, "--logprobs", "0"})["rows"];
  EXPECT_EQ(rows[0]["index"], 1);
  EXPECT_EQ(rows[1]["index"], 3);
  EXPECT_NE(rows[2]["index"], 1);  // 0, 1 has occurred
  EXPECT_EQ(rows[2]["kept_count"], 2);
  // Neighbors' settings change nothing: the first row alone, as an option.
  const Json same = json_of(
      {"sample", halves(), "--logprobs", "0", "--logit-bias", "0-inf", "--top-k", "1"})["rows"];
  EXPECT_EQ(same[0], rows[0]);
}

TEST_F(SampleCommand, ARowsDrawDoesNotDependOnOthersSettings) {
  const std::string input = logits(2, 40);
  const auto rows = [&](const std::string& settings) {
    return json_of({"sample", input, "-k", "2", "--settings", file("s.jsonl", settings)})["rows"];
  };
  const Json mixed = rows("{}\n{\"top_k\": 5}\n");
  EXPECT_EQ(mixed[0], rows("{}\n{}\n")[0]);
  EXPECT_EQ(mixed[1], rows("{\"top_p\": 0.5}\n{\"top_k\": 5}\n")[1]);
}

TEST_F(SampleCommand, TheOrderOfSteps) {
  // Top-p of .6 keeps two of four; at temperature 1/2 (4/9.. 16 : 4 : 1 : 1) only the first.
  const auto kept = [&](const std::string& order) {
    return json_of({"sample", halves(), "--logprobs", "0", "--temperature", "0.5", "--top-p", "0.6",
                    "--samplers", order})["rows"][0]["kept_count"]
        .get<int>();
  };
  EXPECT_EQ(kept("temperature;top_p"), 1);
  EXPECT_EQ(kept("top_p;temperature"), 2);
  EXPECT_EQ(kept("llama.cpp"), 2);
  EXPECT_EQ(kept("temperature"), 4);
}

TEST_F(SampleCommand, MirostatReturnsWhatContinuesIt) {
  const Json rows = json_of({"sample", halves(), "--logprobs", "0", "--mirostat", "2",
                             "--mirostat-ent", "1", "--mirostat-lr", "0.5"})["rows"];
  for (const Json& row : rows) {  // mu begins at 2 tau = 2 bits: the first two stay
    EXPECT_EQ(row["kept_count"], 2);
    const double surprise = -row["log_prob"].get<double>() / std::log(2);
    EXPECT_NEAR(row["mirostat_mu"], 2 - 0.5 * (surprise - 1), 1e-12);
  }
  const std::string settings = file("s.jsonl", "{\"mirostat_mu\": 1}\n{}\n{\"mirostat_mu\": 9}\n");
  const Json next = json_of(
      {"sample", halves(), "--logprobs", "0", "--mirostat", "2", "--settings", settings})["rows"];
  EXPECT_EQ(next[0]["kept_count"], 1);
  EXPECT_EQ(next[2]["kept_count"], 4);
}

TEST_F(SampleCommand, RefusesBadSettings) {
  const auto line = [&](const std::string& text) {
    const std::string name = file("settings.jsonl", text);
    const std::string message = refusal({"sample", halves(), "--settings", name}, 1);
    EXPECT_EQ(message.substr(0, name.size() + 2), name + ": ");
    return message.substr(name.size() + 2);
  };
  EXPECT_EQ(line("{}\n{}\n"), "expected settings of 3 rows, one a line, got 2");
  EXPECT_EQ(line("{}\n{\"top_q\": 1}\n{}\n"), "line 2: top_q: no such setting");
  EXPECT_EQ(line("{}\n\n{\"top_p\": \"much\"}\n{}\n"), "line 3: top_p: cannot be \"much\"");
  EXPECT_THAT(line("{\"top_p\": 1.5}\n{}\n{}\n"), HasSubstr("line 1: top_p: expected"));
  EXPECT_THAT(line("{\"top_k\": -3}\n{}\n{}\n"), HasSubstr("line 1: top_k: expected"));
  EXPECT_THAT(line("{\"history\": [4]}\n{}\n{}\n"), HasSubstr("line 1: history: expected"));
  EXPECT_THAT(line("{\"order\": [\"top_q\"]}\n{}\n{}\n"),
              HasSubstr("line 1: order: expected steps"));
  // JSON's own conversions would round, wrap, or do what is undefined.
  const auto whole = [&](const std::string& setting) {
    const std::string message = line("{" + setting + "}\n{}\n{}\n");
    EXPECT_THAT(message, HasSubstr(": expected a whole number")) << setting;
    return message;
  };
  const char* kOther[] = {"1.5", "true", "null", "\"1\"", "[]", "1e30", "-1e30", "1e300"};
  for (const char* key : {"top_k", "penalty_last_n", "dry_last_n", "dry_allowed_length", "mirostat",
                          "no_repeat_ngram"}) {
    for (const char* value : kOther) whole(fmt::format("\"{}\": {}", key, value));
  }
  for (const char* key : {"history", "dry_breakers", "allowed"}) {
    for (const char* value : kOther) whole(fmt::format("\"{}\": [1, {}]", key, value));
  }
  for (const char* value : kOther) whole(fmt::format("\"logit_bias\": [[{}, 1]]", value));
  EXPECT_EQ(whole("\"mirostat\": 4294967297"),
            "line 1: mirostat: expected a whole number of -2147483648..2147483647, got 4294967297");
  whole("\"history\": [4294967297]");  // 1, if it wrapped
  whole("\"dry_breakers\": [-4294967295]");
  whole("\"logit_bias\": [[4294967297, 1]]");
  for (const char* bias : {"5", "{\"1\": [1, 2]}", "[5]", "[[1]]", "[[1, 2, 3]]", "[{\"1\": 2}]"}) {
    EXPECT_THAT(line(fmt::format("{{\"logit_bias\": {}}}\n{{}}\n{{}}\n", bias)),
                HasSubstr("line 1: logit_bias: expected a list of pairs"))
        << bias;
  }
  EXPECT_EQ(line("{}\n{]\n{}\n"), "line 2: not JSON at byte 2");
  EXPECT_EQ(line("{\"history\": [1e999]}\n{}\n{}\n"), "line 1: a number that no double holds");
  EXPECT_EQ(line("{}\n3\n{}\n"), "line 2: expected an object of settings");
  const auto option = [&](const std::vector<std::string>& more) {
    std::vector<std::string> all = {"sample", halves()};
    all.insert(all.end(), more.begin(), more.end());
    return refusal(all, 2);
  };
  EXPECT_THAT(option({"--samplers", "top_k;best"}), HasSubstr("--samplers: expected steps of"));
  EXPECT_THAT(option({"--logit-bias", "5"}), HasSubstr("--logit-bias: expected TOKEN+BIAS"));
  EXPECT_THAT(option({"--mirostat", "3"}), HasSubstr("--mirostat: expected"));
  EXPECT_THAT(option({"--logprobs", "1", "-k", "2"}), HasSubstr("-k"));
}

}  // namespace
}  // namespace partita::testing
