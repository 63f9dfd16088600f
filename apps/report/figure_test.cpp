// SPDX-License-Identifier: Apache-2.0
#include "apps/report/figure.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <set>
#include <string>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/io/file.hpp"
#include "temporary_directory.hpp"

namespace partita {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::message_of;
using ::testing::Not;
using ::testing::StartsWith;

Figure example() {
  return {.title = "error <of> a \"mean\"",
          .x = {.label = "k & 'more'", .logarithmic = true},
          .y = {.label = "RMSE", .logarithmic = true},
          .series = {
              {.name = "beam <b>", .x = {10, 50, 250}, .y = {.5, .2, .1}, .error = {.1, .3, .01}},
              {.name = "", .x = {10, 50}, .y = {.4, .3}, .mark = Mark::line, .dashed = true}}};
}

TEST(Figure, IsOneSvgElementInThePagesColors) {
  const std::string svg = to_svg(example());
  EXPECT_THAT(svg,
              StartsWith("<svg role=\"img\" aria-label=\"error &lt;of&gt; a &quot;mean&quot;\""));
  EXPECT_THAT(svg, AllOf(HasSubstr("k &amp; 'more'"), HasSubstr("beam &lt;b>"), HasSubstr("RMSE"),
                         HasSubstr("var(--series-1)"), HasSubstr("var(--series-2)"),
                         HasSubstr("var(--grid)"), HasSubstr("currentColor"), HasSubstr("</svg>")));
  EXPECT_THAT(svg, AllOf(Not(HasSubstr("rgb(  0,   0")), Not(HasSubstr("<script")),
                         Not(HasSubstr("<?xml"))));
  EXPECT_EQ(to_svg(example()), svg);
}

TEST(Figure, BarsAndCategories) {
  const std::string svg = to_svg(
      {.title = "t",
       .x = {.label = "", .categories = {"one", "it's two"}},
       .y = {.label = "count", .min = 0},
       .series = {{.name = "a", .x = {0, 1}, .y = {3, 4}, .mark = Mark::bars},
                  {.name = "b", .x = {0, 1}, .y = {5, 6}, .error = {1, 1}, .mark = Mark::bars}}});
  EXPECT_THAT(svg, AllOf(HasSubstr("it's two"), HasSubstr("var(--series-1)"),
                         HasSubstr("var(--series-2)")));
}

TEST(Figure, TwoOnAPageShareNoIds) {
  Figure other = example();
  other.series.pop_back();
  std::set<std::string> seen;
  for (const std::string& svg : {to_svg(example()), to_svg(other)}) {
    for (std::size_t at = 0; (at = svg.find(" id=", at)) != std::string::npos; at += 4) {
      EXPECT_TRUE(seen.insert(svg.substr(at, svg.find(svg[at + 4], at + 5) - at)).second)
          << svg.substr(at, 30);
    }
  }
  EXPECT_GT(seen.size(), 10U);
}

TEST(Figure, PointsThatAreNotFiniteAreLeftOut) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  Figure figure{.title = "t",
                .x = {.label = "x"},
                .y = {.label = "y"},
                .series = {{.name = "s", .x = {1, 2, 3}, .y = {1, nan, 2}}}};
  EXPECT_THAT(to_svg(figure), Not(HasSubstr("nan")));
  figure.series[0].y = {nan, nan, nan};
  EXPECT_THAT(message_of<InvalidArgument>([&] { to_svg(figure); }), HasSubstr("nothing to draw"));
  figure.series[0].y = {-1, -1, -1};
  figure.y.logarithmic = true;
  EXPECT_THROW(to_svg(figure), InvalidArgument);
  figure.series[0].y.pop_back();
  EXPECT_THROW(to_svg(figure), InvalidArgument);
  figure.series.clear();
  EXPECT_THROW(to_svg(figure), InvalidArgument);
}

/// How many numbers stand beside the y axis.
std::size_t numbers_on_y(const std::string& svg) {
  std::size_t count = 0;
  for (std::size_t at = 0; (at = svg.find("text-anchor=\"end\"", at)) != std::string::npos; ++at) {
    ++count;
  }
  return count;
}

// A logarithmic axis of less than a decade had no number on it.
TEST(Figure, EveryLogarithmicAxisHasNumbers) {
  for (const double low : {1e-9, 0.03, 0.7, 1.0, 9.2, 123.0, 4.5e7}) {
    for (const double ratio :
         {1.0, 1.0001, 1.01, 1.1, 1.5, 2.0, 3.0, 7.0, 11.0, 40.0, 150.0, 1e5}) {
      Figure figure{.title = "t",
                    .x = {.label = "x", .categories = {"a", "b"}},
                    .y = {.label = "y", .logarithmic = true},
                    .series = {{.name = "s", .x = {0, 1}, .y = {low, low * ratio}}}};
      const std::size_t least = ratio == 1 ? 1 : 2;
      EXPECT_GE(numbers_on_y(to_svg(figure)), least) << low << " " << ratio;
      figure.y.min = low;
      figure.y.max = low * std::max(ratio, 1.0001);
      EXPECT_GE(numbers_on_y(to_svg(figure)), 2U) << low << " " << ratio;
      EXPECT_LE(numbers_on_y(to_svg(figure)), 12U) << low << " " << ratio;
    }
  }
}

TEST(Figure, ALineOfOnePointIsThePoint) {
  const std::string svg = to_svg({.title = "t",
                                  .x = {.label = "x"},
                                  .y = {.label = "y"},
                                  .series = {{.x = {1}, .y = {2}, .mark = Mark::line}}});
  EXPECT_THAT(svg.substr(svg.find("plot_plot_1")), HasSubstr("<use"));
}

TEST(Figure, HeatmapsLieUnderTheSeries) {
  Figure figure{.title = "t",
                .x = {.label = "x", .min = 0, .max = 3},
                .y = {.label = "y", .min = 0, .max = 2},
                .series = {{.name = "s", .x = {1}, .y = {1}, .mark = Mark::points}},
                .heatmap = Heatmap{.columns = 3, .rows = 2, .values = {0, 0.5, 1, 1, 0.5, 0}}};
  const std::string svg = to_svg(figure);
  const std::size_t image = svg.find("<image");
  ASSERT_NE(image, std::string::npos);
  EXPECT_LT(image, svg.find("gnuplot_plot_2"));  // the series
  EXPECT_THAT(svg, HasSubstr("image-rendering:pixelated"));
  EXPECT_THAT(svg, HasSubstr("href='data:image/png;base64,"));
  EXPECT_THAT(svg, HasSubstr(">x<"));

  Figure picture = figure;
  picture.series.clear();
  picture.x.label.clear();
  picture.y.label.clear();
  EXPECT_THAT(to_svg(picture), Not(HasSubstr("<text")));

  const auto refusal = [&] { return message_of<InvalidArgument>([&] { to_svg(figure); }); };
  figure.heatmap->rows = 3;
  EXPECT_EQ(refusal(), "heatmap: 6 values for 3 x 3");
  figure.heatmap->rows = 2;
  figure.heatmap->low = 1;
  EXPECT_EQ(refusal(), "heatmap: expected low < high, got 1 and 1");
  figure.heatmap->low = 0;
  figure.y.max.reset();
  EXPECT_EQ(refusal(), "heatmap: needs the limits of both axes");
}

/// What the error says if the programs are those of a folder.
std::string message_with_path(const std::string& folder) {
  const char* const found = std::getenv("PATH");
  const std::string path = found == nullptr ? "" : found;
  ::setenv("PATH", folder.c_str(), 1);
  const std::string message = message_of<IoError>([] { to_svg(example()); });
  ::setenv("PATH", path.c_str(), 1);
  return message;
}

TEST(Figure, WithoutGnuplotTheErrorNamesThePackage) {
  EXPECT_THAT(message_with_path("/nowhere"), HasSubstr("gnuplot-nox"));
}

TEST(Figure, HalfAPictureIsNone) {
  const testing::TemporaryDirectory folder;
  const auto message = [&](const std::string& script) {
    write_file(folder / "gnuplot", "#!/bin/sh\n" + script + "\n");
    std::filesystem::permissions(folder / "gnuplot", std::filesystem::perms::owner_all);
    return message_with_path(folder.path());
  };
  EXPECT_EQ(message("echo '<svg><g>'"), "gnuplot: half a picture: is the disk of /tmp full?");
  EXPECT_EQ(message("kill -9 $$"), "gnuplot: was ended by signal 9");
}

}  // namespace
}  // namespace partita
