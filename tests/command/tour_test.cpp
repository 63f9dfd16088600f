// partita tour, whole.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

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

TEST_F(Tour, EveryClaimHoldsAndIsOnThePage) {
  for (const char* seed : {"0", "1", "2"}) {
    const Json json = json_of(tour({"--threads", "2", "--seed", seed}));
    EXPECT_EQ(json, Json::parse(read_file(path("out") + "/tour.json")));
    const std::string page = read_file(path("out") + "/index.html");
    std::set<std::string> rows;
    for (const Json& claim : json["claims"]) {
      const std::string row = claim["row"];
      EXPECT_TRUE(rows.insert(row).second) << row << " twice";
      EXPECT_TRUE(claim["passed"].get<bool>()) << seed << ": " << claim;
      EXPECT_FALSE(claim["measurements"].empty()) << row;
      EXPECT_THAT(page, HasSubstr("<h3>" + row + ". "));
    }
    EXPECT_THAT(page, HasSubstr("<math display=\"block\">"));
    EXPECT_THAT(page, Not(HasSubstr("<math display=\"block\"></math>")));
  }
}

TEST_F(Tour, OneChapterAndTheSameNumbersAgain) {
  const auto numbers = [&](const char* threads) {
    Json json =
        json_of(tour({"--chapter", "without-replacement", "--seed", "3", "--threads", threads}));
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
