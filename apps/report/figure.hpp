// SPDX-License-Identifier: Apache-2.0
// Figures: lines, points and bars, drawn by gnuplot as SVG to stand inline in an HTML page.
//
//   partita::Figure figure{
//       .title = "Error of the estimated word length",
//       .x = {.label = "sequences drawn", .logarithmic = true},
//       .y = {.label = "RMSE", .logarithmic = true},
//       .series = {{.name = "ancestral", .x = {10, 50, 250}, .y = {.9, .4, .2}},
//                  {.name = "stochastic beam", .x = {10, 50, 250}, .y = {.8, .3, .1}}}};
//   page.figure(partita::to_svg(figure), "Root mean square error against k.");
//
// Text, axes and grid take the page's own colors (currentColor, --grid, --series-1 ... --series-6;
// see page.hpp), so a figure is readable on light and on dark backgrounds.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace partita {

enum class Mark : std::uint8_t { line, points, line_and_points, bars };

/// One curve, cloud or set of bars. Points that are not finite (or not positive, on a logarithmic
/// axis) are left out.
struct Series {
  std::string name = {};  ///< shown in the key; empty: not shown
  std::vector<double> x = {};
  std::vector<double> y = {};      ///< one per x
  std::vector<double> error = {};  ///< half lengths of error bars, as many as x; or empty: none
  Mark mark = Mark::line_and_points;
  bool dashed = false;
};

struct Axis {
  std::string label = {};
  bool logarithmic = false;
  std::optional<double> min = {};
  std::optional<double> max = {};
  std::vector<double> ticks = {};  ///< positions of the tick marks; empty: chosen by gnuplot
  std::vector<std::string> categories = {};  ///< names of the places 0, 1, 2 ... instead of numbers
};

/// Values over a rectangle as shades between two colors, under the series: a field over the plane,
/// or the pixels of a picture.
struct Heatmap {
  std::size_t columns = 0;
  std::size_t rows = 0;
  std::vector<double> values = {};  ///< [rows, columns], the lowest row first
  double low = 0;                   ///< value of the first color, also used below it
  double high = 1;                  ///< value of the second color, also used above it
  std::string low_color = "#ffffff";
  std::string high_color = "#6f7a85";
};

struct Figure {
  std::string title = {};  ///< for screen readers; readers see the page's caption
  Axis x = {};
  Axis y = {};
  std::vector<Series> series = {};  ///< 1 to 6; or none over a heatmap
  /// Fills the ranges of the axes, whose min and max must be given. Without labels of the axes, and
  /// without series, it is a picture and no axes are drawn.
  std::optional<Heatmap> heatmap = {};
  int width = 480;  ///< in CSS pixels at full size; scales with the page
  int height = 320;
};

/// An <svg> element. It names no file or address and holds no script.
/// @throws InvalidArgument if a series has fewer y (or errors) than x, or nothing to draw; unless a
///         heatmap has rows * columns values and ranges to fill
/// @throws IoError if gnuplot is not installed or fails
std::string to_svg(const Figure& figure);

}  // namespace partita
