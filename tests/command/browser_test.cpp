// SPDX-License-Identifier: Apache-2.0
// problems_of_page() finds what is wrong: each page here has one fault.
#include "browser.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "apps/report/page.hpp"
#include "command.hpp"

namespace partita::testing {
namespace {

using ::testing::HasSubstr;

constexpr const char* kSquare =
    R"(<svg viewBox="0 0 4 3"><rect width="4" height="3" fill="red"/></svg>)";

class Browser : public CommandTest {
 protected:
  void SetUp() override {
    if (!has_browser()) GTEST_SKIP() << "no chromium";
  }
  std::string problems_of(const std::string& body) const {
    return problems_of_page(
        file("page.html", "<!DOCTYPE html><html><body>" + body + "</body></html>"));
  }
};

TEST_F(Browser, AnEmptyPageHasNoProblems) {
  Page page("A title", "and more");
  page.figures({{.svg = kSquare, .caption = "a square"}});
  EXPECT_EQ(problems_of_page(file("page.html", page.html())), "");
}

TEST_F(Browser, FindsEachFault) {
  EXPECT_THAT(problems_of("<div style='width: 1000px'>wide</div>"),
              HasSubstr("pixels wide on a screen of 400"));
  EXPECT_THAT(problems_of("<script>console.error('broken');</script>"), HasSubstr("broken"));
  EXPECT_THAT(problems_of("<script>nowhere();</script>"), HasSubstr("nowhere"));
  EXPECT_THAT(problems_of("<figure><svg viewBox='0 0 1 1'></svg></figure>"),
              HasSubstr("1 figures show nothing at 1400"));
  EXPECT_THAT(problems_of("<figure></figure>"), HasSubstr("1 figures show nothing at 400"));
  const auto axis = [](const std::string& anchor, int numbers) {
    std::string svg;
    for (int i = 0; i < numbers; ++i) {
      const std::string at = std::to_string(20 * i);
      svg += "<g text-anchor='" + anchor + "' transform='translate(" +
             (anchor == "end" ? "10," + at : at + ",10") + ")'><text>1</text></g>";
    }
    return svg;
  };
  const auto plot = [&](int x, int y, const std::string& path) {
    return "<figure><svg width='200' height='150'>" + axis("middle", x) + axis("end", y) +
           "<g id='plot_plot_1'><text>name</text><path d='" + path + "'/></g></svg></figure>";
  };
  const std::string drawn = "M0,0 L9,0 M20,20 L30,30";
  EXPECT_EQ(problems_of(plot(2, 2, drawn)), "");
  EXPECT_THAT(problems_of(plot(2, 2, "M0,0 L9,0")), HasSubstr("1 figures with an empty series"));
  EXPECT_THAT(problems_of(plot(0, 2, drawn)), HasSubstr("1 figures with an axis without numbers"));
  EXPECT_THAT(problems_of(plot(2, 0, drawn)), HasSubstr("1 figures with an axis without numbers"));
  EXPECT_THAT(problems_of("<img src='none.png'>"), HasSubstr("1 pictures not found at 400"));
}

}  // namespace
}  // namespace partita::testing
