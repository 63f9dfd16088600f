// SPDX-License-Identifier: Apache-2.0
// partita generate --draft.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "command.hpp"

namespace partita::testing {
namespace {

using ::testing::HasSubstr;

class SpeculativeCommand : public CommandTest {
 protected:
  /// A model of the same words that sees fewer letters.
  std::string draft() const {
    EXPECT_EQ(run_partita({"lm", "train", word_list(), "-o", path("draft"), "--order", "2"}).status,
              0);
    return path("draft");
  }
};

TEST_F(SpeculativeCommand, TextsOfTheModelInFewerCalls) {
  const std::string small = draft();
  for (const char* method : {"rejection", "coupling"}) {
    for (const char* drafts : {"1", "3"}) {
      const auto drawn = [&](const char* threads) {
        return json_of({"generate", "--model", model(), "--draft", small, "-k", "40", "--drafts",
                        drafts, "--speculative-method", method, "--threads", threads});
      };
      const Json json = drawn("1");
      EXPECT_EQ(json, drawn("2"));
      EXPECT_EQ(json["method"], "ancestral");
      EXPECT_EQ(json["sequences"].size(), 40U);
      const Json& counts = json["speculation"];
      EXPECT_EQ(counts["method"], method);
      EXPECT_GT(counts["tokens_per_call"].get<double>(), 1.1);
      EXPECT_LE(counts["tokens_per_call"].get<double>(), 5);
    }
  }
  const Outcome text = run_partita({"generate", "--model", model(), "--draft", small, "-k", "5"});
  EXPECT_THAT(text.out, HasSubstr(" calls of the model: "));
}

TEST_F(SpeculativeCommand, WithCouplingTheDraftChangesNoText) {
  const auto texts = [&](const std::string& by) {
    return json_of({"generate", "--model", model(), "--draft", by, "-k", "10", "--seed", "4",
                    "--speculative-method", "coupling"})["sequences"];
  };
  EXPECT_EQ(texts(draft()), texts(model()));
}

TEST_F(SpeculativeCommand, RefusesInOneLine) {
  EXPECT_EQ(refusal({"generate", "--model", model(), "--draft", draft(), "--method", "beam"}, 2),
            "--method: expected ancestral, which alone can use --draft, got beam");
  ASSERT_EQ(run_partita({"lm", "train", file("other.txt", "ab\nba\n"), "-o", path("other")}).status,
            0);
  EXPECT_THAT(refusal({"generate", "--model", model(), "--draft", path("other")}, 1),
              HasSubstr("other: a vocabulary of 3 tokens, the model's has "));
  ASSERT_EQ(run_partita({"lm", "train", file("third.txt", "xy\nyx\n"), "-o", path("third")}).status,
            0);
  EXPECT_EQ(refusal({"generate", "--model", path("third"), "--draft", path("other")}, 1),
            path("other") + ": token 1 is 'a', the model's is 'x'");
}

}  // namespace
}  // namespace partita::testing
