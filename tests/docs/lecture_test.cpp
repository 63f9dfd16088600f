// SPDX-License-Identifier: Apache-2.0
// docs/lecture.md is the map of the lecture, and docs/shared_noise.md of what goes beyond it: for
// each row they have the formula that the tour shows, a link to a header, and the tour's function.
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <regex>
#include <string>

#include "blocks.hpp"
#include "partita/io/file.hpp"

namespace partita::testing {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kRows = 55;

/// For all matches, the first group -> the second.
std::map<std::string, std::string> pairs_of(const std::string& text, const std::string& pattern) {
  const std::regex regex(pattern);
  std::map<std::string, std::string> found;
  for (std::sregex_iterator it(text.begin(), text.end(), regex), end; it != end; ++it) {
    EXPECT_TRUE(found.emplace((*it)[1], (*it)[2]).second) << (*it)[1] << " stands there twice";
  }
  return found;
}

/// "E6" -> the text below its heading.
std::map<std::string, std::string> sections_of(std::string page) {
  std::map<std::string, std::string> sections;
  const std::regex heading("\n### <a id=\"[a-h][0-9]+\"></a>([A-H][0-9]+)\\. [^\n]+");
  std::smatch match;
  std::string row;
  while (std::regex_search(page, match, heading)) {
    if (!row.empty()) sections[row] = match.prefix();
    row = match[1];
    page = match.suffix();
  }
  sections[row] = page;
  return sections;
}

TEST(Lecture, EveryRowHasItsFormulaItsHeaderAndItsClaim) {
  const fs::path root = PARTITA_SOURCE;
  const auto sections =
      sections_of(read_file(root / "docs/lecture.md") + read_file(root / "docs/shared_noise.md"));
  const auto formulas =
      pairs_of(read_file(root / "apps/tour/formulas.tsv"), "([A-H][0-9]+)\t([^\n]+)\n");
  std::map<std::string, std::string> claims;  // row -> "chapter_x.cpp function"
  for (const auto& file : fs::directory_iterator(root / "apps/tour")) {
    const std::string name = file.path().filename();
    if (!name.starts_with("chapter_")) continue;
    for (const auto& [row, function] :
         pairs_of(read_file(file.path()), R"re(\{"([A-H][0-9]+)",(?:\s*"[^"]*")+,\s*(\w+)\})re")) {
      claims[row] = name + " " + function;
    }
  }
  ASSERT_EQ(formulas.size(), kRows);
  ASSERT_EQ(claims.size(), kRows);
  EXPECT_EQ(sections.size(), kRows);
  for (const auto& [row, tex] : formulas) {
    SCOPED_TRACE(row);
    ASSERT_TRUE(sections.contains(row));
    const std::string& section = sections.at(row);
    EXPECT_NE(section.find("\n```math\n" + tex + "\n```\n"), std::string::npos) << section;
    std::smatch header;
    ASSERT_TRUE(std::regex_search(section, header, std::regex(R"(\]\(\.\./(partita/\S+\.hpp)\))")));
    EXPECT_TRUE(fs::exists(root / header[1].str())) << header[1];
    std::smatch tour;
    ASSERT_TRUE(std::regex_search(
        section, tour, std::regex(R"(; tour: \[`(\w+)`\]\(\.\./apps/tour/(chapter_\w+\.cpp)\))")));
    EXPECT_EQ(claims.at(row), tour[2].str() + " " + tour[1].str());
  }
}

}  // namespace
}  // namespace partita::testing
