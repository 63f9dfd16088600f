// SPDX-License-Identifier: Apache-2.0
// What `partita detect apply` says of files that `partita detect threshold` did not write.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "command.hpp"
#include "partita/io/file.hpp"

namespace partita::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr int kFailed = 1;

using DetectThreshold = CommandTest;

TEST_F(DetectThreshold, RefusesFilesThatAreNone) {
  const std::string in = logits(20, 3);
  EXPECT_EQ(run_partita({"detect", "threshold", "--in", in, "-o", path("t.json")}).status, 0);
  const std::string good = read_file(path("t.json"));
  const auto refused = [&](const std::string& text) {
    const std::string name = file("bad.json", text);
    const std::string line = refusal({"detect", "apply", name, in}, kFailed);
    EXPECT_THAT(line, StartsWith(name + ": not a threshold file of partita detect"));
    return line;
  };
  for (std::size_t size = 0; size < good.size() - 2; size += 7) refused(good.substr(0, size));
  const auto changed = [&](const std::string& key, const Json& value) {
    Json json = Json::parse(good);
    json[key] = value;
    return refused(json.dump());
  };
  refused("[]");
  refused("{}");
  EXPECT_THAT(changed("format", "partita calibrator"), HasSubstr("unknown"));
  EXPECT_THAT(changed("version", 2), HasSubstr("expected 1, got 2"));
  EXPECT_THAT(changed("score", "odds"), HasSubstr("no such score: odds"));
  changed("threshold", nullptr);
  changed("threshold", "high");
  changed("temperature", 0);
  changed("temperature", "warm");
  const std::vector<Json> others = {1.5, -1, true, 1e300, nullptr, "1"};
  for (const std::string key : {"rows", "columns", "tail", "largest", "k", "dimension"}) {
    for (const Json& value : others) {
      EXPECT_THAT(changed(key, value), HasSubstr(key + ": expected a whole number")) << value;
    }
  }
  for (const std::string key : {"features", "layer"}) {
    for (const Json& value : others) changed(key, {value, 1});
    EXPECT_THAT(changed(key, {1, 2, 3}), HasSubstr(key + ": expected rows and columns"));
  }
  EXPECT_THAT(refusal({"detect", "apply", path("none.json"), in}, kFailed),
              HasSubstr("No such file"));
}

}  // namespace
}  // namespace partita::testing
