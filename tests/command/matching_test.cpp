// SPDX-License-Identifier: Apache-2.0
// partita generate --matching.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <regex>
#include <string>
#include <vector>

#include "command.hpp"

namespace partita::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class Matching : public CommandTest {
 protected:
  std::vector<std::string> generate(std::vector<std::string> more) const {
    more.insert(more.begin(), {"generate", "--model", model(), "--matching"});
    return more;
  }
};

TEST_F(Matching, EveryTextMatchesAsAWhole) {
  for (const char* expression : {"s.*g", "[^i]*i[^i]*", "(.).*\\1", ".{3,5}"}) {
    const Json json = json_of(generate({expression, "-k", "30", "--max-length", "12"}));
    EXPECT_EQ(json["method"], "ancestral");
    ASSERT_EQ(json["sequences"].size(), 30U) << expression;
    for (const Json& each : json["sequences"]) {
      EXPECT_TRUE(std::regex_match(each["text"].get<std::string>(), std::regex(expression)))
          << each << ' ' << expression;
    }
    const double bound = json["probability_bound"];
    EXPECT_GT(bound, 0);
    EXPECT_LE(bound, 1 + 1e-9);
    const Json weighted =
        json_of(generate({expression, "--particles", "50", "--max-length", "12"}));
    double sum = 0;
    for (const Json& each : weighted["sequences"]) {
      EXPECT_TRUE(std::regex_match(each["text"].get<std::string>(), std::regex(expression)));
      sum += each["weight"].get<double>();
    }
    EXPECT_NEAR(sum, 1, 1e-9);
    EXPECT_GT(weighted["probability"].get<double>(), 0);
  }
}

TEST_F(Matching, CharactersMayBeLongerThanAByte) {
  ASSERT_EQ(run_partita({"lm", "train", file("accents.txt", "été\nà\nœuf\nété\n"), "-o",
                         path("accents"), "--order", "2"})
                .status,
            0);
  const Json json =
      json_of({"generate", "--model", path("accents"), "--matching", "..[éf]", "-k", "9"});
  for (const Json& each : json["sequences"]) {
    EXPECT_THAT(each["text"].get<std::string>(),
                ::testing::AnyOf(::testing::EndsWith("é"), ::testing::EndsWith("f")));
  }
}

TEST_F(Matching, RefusesInOneLine) {
  EXPECT_EQ(refusal(generate({"(a"}), 2), "--matching: missing closing parenthesis (at 2 of '(a')");
  EXPECT_THAT(refusal(generate({"a)(b"}), 2),
              StartsWith("--matching: unmatched closing parenthesis"));
  EXPECT_EQ(refusal(generate({"#+"}), 2), "--matching: no text meets it");
  EXPECT_THAT(refusal(generate({"s", "--method", "beam"}), 2),
              HasSubstr("which alone can use --matching, got beam"));
  EXPECT_THAT(refusal(generate({"s", "--counterfactual-of", "s"}), 2), HasSubstr("excludes"));
  EXPECT_THAT(refusal({"generate", "--model", model(), "--particles", "3"}, 2),
              HasSubstr("--particles requires --matching"));
}

}  // namespace
}  // namespace partita::testing
