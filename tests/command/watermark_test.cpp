// SPDX-License-Identifier: Apache-2.0
// partita watermark: what is generated is detected, and what else is not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "browser.hpp"
#include "command.hpp"
#include "partita/io/file.hpp"
#include "partita/random/stream.hpp"

namespace partita::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kKey = "00112233445566778899aabbccddeeff";

class WatermarkCommand : public CommandTest {
 protected:
  /// A model of lines that have some entropy: letters at random.
  std::string letters() const {
    const std::string to = path("letters.model");
    if (std::filesystem::exists(to)) return to;
    std::string text;
    for (std::uint64_t i = 0; i < 20'000; ++i) {
      const std::uint64_t bits = Stream{.seed = 1}.bits(i);
      text += bits % 97 == 0 ? '\n' : static_cast<char>('a' + bits / 97 % 20);
    }
    EXPECT_EQ(
        run_partita({"lm", "train", file("letters.txt", text), "-o", to, "--order", "2"}).status,
        0);
    return to;
  }

  std::vector<std::string> words(const std::string& what, std::vector<std::string> more) const {
    std::vector<std::string> all = {"watermark",       what, "--model", letters(),
                                    "--context-width", "2"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
};

TEST_F(WatermarkCommand, DetectsWhatItGenerates) {
  for (const char* scheme : {"gumbel", "green-list", "tournament"}) {
    SCOPED_TRACE(scheme);
    const Outcome marked =
        run_partita(words("generate", {"--key", kKey, "--scheme", scheme, "-k", "4"}));
    ASSERT_EQ(marked.status, 0) << marked.err;
    const std::string text = file("marked.txt", marked.out);
    const Json found = json_of(words(
        "detect", {text, "--key", kKey, "--scheme", scheme, "--report", path("report.html")}));
    EXPECT_THAT(keys(found), ::testing::ElementsAre("scheme", "tokens", "masked", "score",
                                                    "expected", "p_value"));
    EXPECT_LT(found["p_value"].get<double>(), 1e-6);
    const Json other =
        json_of(words("detect", {text, "--key", std::string(32, 'F'), "--scheme", scheme}));
    EXPECT_GT(other["p_value"].get<double>(), 1e-6);
    EXPECT_EQ(other["tokens"], found["tokens"]);
  }
  EXPECT_EQ(problems_of_page(path("report.html")), "");
  EXPECT_THAT(read_file(path("report.html")), Not(HasSubstr(kKey)));  // pages are shown to others
}

TEST_F(WatermarkCommand, TheSeedAndTheThreadsAreAsElsewhere) {
  const auto generate = [&](const char* seed, const char* threads) {
    return json_of(
        words("generate", {"--key", kKey, "--scheme", "tournament", "-k", "7", "--prompt", "s",
                           "--seed", seed, "--threads", threads}))["sequences"];
  };
  EXPECT_EQ(generate("3", "1"), generate("3", "2"));
  EXPECT_NE(generate("3", "1"), generate("4", "1"));
}

TEST_F(WatermarkCommand, RefusesInOneLine) {
  const std::string shorter = file("short.txt", "so\n");
  EXPECT_EQ(refusal(words("detect", {shorter, "--key", "0123"}), 2),
            "--key: expected 32 hexadecimal digits, got '0123'");
  EXPECT_EQ(refusal(words("generate", {"--key", "x" + std::string(31, '0')}), 2),
            "--key: expected 32 hexadecimal digits, got 'x" + std::string(31, '0') + "'");
  EXPECT_EQ(refusal(words("detect", {shorter, "--key", kKey}), 1),
            shorter + ": expected more tokens than the context of 2, got 2");
  EXPECT_THAT(refusal(words("detect", {file("unknown.txt", "abc\n#!#!#\n"), "--key", kKey}), 1),
              HasSubstr("unknown.txt: line 2: "));
  const std::string blank = file("blank.txt", "abc\n\n#!#!#\n");
  EXPECT_THAT(run_partita(words("detect", {blank, "--key", kKey})).err,
              HasSubstr("blank.txt: line 3: "));
}

}  // namespace
}  // namespace partita::testing
