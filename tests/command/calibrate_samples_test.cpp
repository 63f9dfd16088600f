// SPDX-License-Identifier: Apache-2.0
// partita calibrate samples, as a user runs it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "command.hpp"
#include "partita/io/file.hpp"

namespace partita::testing {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

using CalibrateSamples = CommandTest;

TEST_F(CalibrateSamples, HoldAnAdmissibleOne) {
  // The second of three sequences is right, but for every fifth prompt; the third is like the
  // first.
  const auto prompts = [&](const char* name, std::size_t n, bool flags) {
    std::string lines;
    for (std::size_t p = 0; p < n; ++p) {
      Json line = {{"prompt", p}, {"sequences", Json::array()}};
      for (const char* text : {"one answer", "another", "one answers"}) {
        Json sequence = {{"text", text}, {"log_prob", std::log(0.25)}};
        if (flags) sequence["admissible"] = text == std::string("another") && p % 5 != 0;
        line["sequences"].push_back(sequence);
      }
      lines += line.dump() + "\n";
    }
    write_file(path(name), lines);
    return path(name);
  };
  const std::string held_out = prompts("held_out.jsonl", 400, true);
  const auto command = [&](const std::string& fresh, const std::vector<std::string>& more,
                           const char* epsilon = "0.3") {
    std::vector<std::string> all = {"calibrate", "samples",       held_out,    fresh,
                                    "-o",        path("s.jsonl"), "--epsilon", epsilon};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  };
  const Json json = json_of(command(prompts("known.jsonl", 100, true), {}));
  EXPECT_EQ(json["missed"], 0.2);
  EXPECT_EQ(json["thresholds"]["confidence"], 0.5);
  EXPECT_TRUE(json["thresholds"]["similarity"].is_null());
  EXPECT_EQ(json["mean_draws"], 2);
  EXPECT_EQ(json["tested"], 200);
  EXPECT_LE(json["p_value"], 0.05);
  const std::string fresh = prompts("new.jsonl", 7, false);
  const Outcome text = run_partita(command(fresh, {"--confidence", "first-k"}));
  EXPECT_THAT(text.out,
              AllOf(StartsWith("draw up to 3 sequences, until 2 are kept\ntested: "),
                    HasSubstr("7 new prompts: 2.00 sequences drawn on average, 2.00 kept\n")));
  EXPECT_THAT(text.out, Not(HasSubstr("of their sets")));
  const std::string sets = read_file(path("s.jsonl"));
  EXPECT_EQ(std::count(sets.begin(), sets.end(), '\n'), 7);
  const Json first = Json::parse(sets.substr(0, sets.find('\n')));
  EXPECT_THAT(keys(first), ElementsAre("prompt", "sequences", "draws"));
  EXPECT_EQ(first["sequences"][1]["text"], "another");
  EXPECT_EQ(run_partita(command(fresh, {"--similarity", "chrf"})).status, 0);

  EXPECT_THAT(refusal(command(fresh, {}, "0.1"), 2),
              StartsWith("--epsilon: no rule is shown to keep 0.1: "));
  EXPECT_THAT(refusal(command(fresh, {"--delta", "1"}), 2), StartsWith("--delta: "));
  EXPECT_EQ(refusal({"calibrate", "samples", fresh, fresh, "-o", path("t.jsonl")}, 1),
            fresh + ": line 1: a sequence does not say whether it is \"admissible\"");
  const auto wrong = [&](const std::string& line) {
    write_file(path("wrong.jsonl"), "{\"sequences\":[]}\n" + line + "\n");
    const std::string said = refusal(command(path("wrong.jsonl"), {}), 1);
    return said.substr(path("wrong.jsonl").size());
  };
  EXPECT_EQ(wrong("[1"), ": line 2: not JSON");
  EXPECT_EQ(wrong("{}"),
            ": line 2: expected an object with \"sequences\", as generate --json prints");
  EXPECT_EQ(wrong(R"({"sequences":[{"quality":1},{"text":"x"}]})"),
            ": line 2: sequence 2: log_prob: expected a number");
  EXPECT_EQ(wrong(R"({"sequences":[{"quality":-1}]})"),
            ": line 2: sequence 1: quality: expected 0 or more with --confidence sum, got -1");
  EXPECT_EQ(wrong(R"({"sequences":[{"quality":1},{"quality":1,"similarity":[0,1]}]})"),
            ": line 2: sequence 2: similarity: expected 1 number, to those before it");
}

}  // namespace
}  // namespace partita::testing
