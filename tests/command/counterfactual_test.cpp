// SPDX-License-Identifier: Apache-2.0
// partita generate --counterfactual-of.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "command.hpp"

namespace partita::testing {
namespace {

using ::testing::HasSubstr;

class CounterfactualCommand : public CommandTest {
 protected:
  /// A text of the model.
  std::string text() const {
    return json_of({"generate", "--model", model(), "--method", "ancestral", "--seed",
                    "2"})["sequences"][0]["text"];
  }
  std::set<std::string> others(std::vector<std::string> more) const {
    more.insert(more.begin(), {"generate", "--model", model(), "-k", "20"});
    const Json json = json_of(more);
    EXPECT_EQ(json["method"], "ancestral");
    std::set<std::string> out;
    for (const Json& each : json["sequences"]) out.insert(each["text"].get<std::string>());
    return out;
  }
};

TEST_F(CounterfactualCommand, OnlyAChangeChangesTheText) {
  const std::string written = text();
  EXPECT_EQ(others({"--counterfactual-of", written}), std::set<std::string>{written});
  EXPECT_EQ(others({"--counterfactual-of", written, "--under", model()}),
            std::set<std::string>{written});
  ASSERT_EQ(run_partita({"lm", "train", word_list(), "-o", path("rough"), "--order", "1"}).status,
            0);
  for (const std::vector<std::string>& change : {std::vector<std::string>{"--under", path("rough")},
                                                 {"--under-temperature", "3"},
                                                 {"--under-prompt", written}}) {
    std::vector<std::string> arguments = {"--counterfactual-of", written};
    arguments.insert(arguments.end(), change.begin(), change.end());
    EXPECT_GT(others(arguments).size(), 1U) << change[0];
  }
}

TEST_F(CounterfactualCommand, RefusesInOneLine) {
  const auto refused = [&](std::vector<std::string> more, int status) {
    more.insert(more.begin(), {"generate", "--model", model()});
    return refusal(more, status);
  };
  EXPECT_THAT(refused({"--counterfactual-of", "#"}, 2), HasSubstr("--counterfactual-of: "));
  EXPECT_THAT(refused({"--under", model()}, 2), HasSubstr("--under requires --counterfactual-of"));
  EXPECT_THAT(refused({"--counterfactual-of", "s", "--method", "unique"}, 2),
              HasSubstr("expected ancestral, which alone can use --counterfactual-of, got unique"));
  // Greedily, the model writes one text only.
  EXPECT_THAT(refused({"--counterfactual-of", text() + text(), "--top-k", "1"}, 2),
              HasSubstr("--counterfactual-of: the model cannot have drawn token "));
}

}  // namespace
}  // namespace partita::testing
