// SPDX-License-Identifier: Apache-2.0
// partita tour as a whole.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "browser.hpp"
#include "command.hpp"
#include "partita/io/file.hpp"

namespace partita::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class Tour : public CommandTest {
 protected:
  std::vector<std::string> tour(std::vector<std::string> more) const {
    more.insert(more.begin(), {"tour", "--quick", "--out", path("out")});
    return more;
  }
};

/// A1 ... A7, B1 ... B4 and so on, in this order.
std::vector<std::string> rows_of_the_tour() {
  std::vector<std::string> rows;
  for (const auto& [letter, last] :
       {std::pair{'A', 7}, {'B', 4}, {'C', 5}, {'D', 8}, {'E', 9}, {'F', 5}, {'G', 7}, {'H', 10}}) {
    for (int i = 1; i <= last; ++i) rows.push_back(letter + std::to_string(i));
  }
  return rows;
}

// One seed: a run takes half a minute. `partita tour --quick --seed N` ends with exit code 1 where
// a claim does not hold.
TEST_F(Tour, EveryClaimOfTheLectureHoldsAndIsOnThePage) {
  const Json json = json_of(tour({"--threads", "1"}));
  EXPECT_EQ(json, Json::parse(read_file(path("out") + "/tour.json")));
  const std::string page = read_file(path("out") + "/index.html");
  std::vector<std::string> rows;
  for (const Json& claim : json["claims"]) {
    const std::string row = claim["row"];
    rows.push_back(row);
    EXPECT_TRUE(claim["passed"].get<bool>()) << claim;
    EXPECT_FALSE(claim["measurements"].empty()) << row;
    EXPECT_THAT(page, HasSubstr("<h3>" + row + ". "));
  }
  EXPECT_EQ(rows, rows_of_the_tour());
  EXPECT_THAT(page, HasSubstr("<math display=\"block\">"));
  EXPECT_THAT(page, Not(HasSubstr("<math display=\"block\"></math>")));
  EXPECT_EQ(problems_of_page(path("out") + "/index.html"), "");
}

TEST_F(Tour, OneChapterAndTheSameNumbersAgain) {
  const auto numbers = [&](const char* threads) {
    Json json = json_of(tour({"--chapter", "without-replacement", "--words", word_list(), "--seed",
                              "3", "--threads", threads}));
    for (Json& claim : json["claims"]) claim.erase("seconds");
    return json;
  };
  const Json once = numbers("1");
  ASSERT_EQ(once["claims"].size(), 7U);
  EXPECT_EQ(once["claims"][0]["row"], "G1");
  EXPECT_EQ(once, numbers("2"));
}

TEST_F(Tour, AChapterThatIsNone) {
  EXPECT_THAT(refusal(tour({"--chapter", "poetry"}), 2), HasSubstr("poetry"));
}

}  // namespace
}  // namespace partita::testing
