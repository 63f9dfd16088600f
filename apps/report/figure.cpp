// SPDX-License-Identifier: Apache-2.0
#include "apps/report/figure.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <limits>
#include <string>
#include <string_view>

#include "apps/report/gnuplot.hpp"
#include "apps/report/html.hpp"
#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"

namespace partita {
namespace {

constexpr std::size_t kMostSeries = 6;
constexpr std::size_t kLongestInTwoColumns = 16;  // characters of a name in the key
constexpr std::size_t kWidestUpright = 45;        // characters of all names that stand side by side

// gnuplot wants numbers for colors. These stand for names to which the page gives colors, and none
// of gnuplot's own colors equals one of them.
constexpr unsigned kText = 1;
constexpr unsigned kGrid = 2;
constexpr unsigned kFirstSeries = 16;
std::string color(unsigned number) { return fmt::format("linecolor rgb '#{:06x}'", number); }

/// A gnuplot string: within single quotes only the quote is special.
std::string quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') out += '\'';
    out += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
  }
  return out += '\'';
}

bool drawable(double value, const Axis& axis) {
  return std::isfinite(value) && (!axis.logarithmic || value > 0);
}

void check(const Heatmap& map, const Figure& figure) {
  if (map.values.empty() || map.values.size() != map.rows * map.columns) {
    throw InvalidArgument(
        "heatmap", fmt::format("{} values for {} x {}", map.values.size(), map.rows, map.columns));
  }
  if (!(map.low < map.high)) {
    throw InvalidArgument("heatmap",
                          fmt::format("expected low < high, got {} and {}", map.low, map.high));
  }
  if (!figure.x.min || !figure.x.max || !figure.y.min || !figure.y.max) {
    throw InvalidArgument("heatmap", "needs the limits of both axes");
  }
}

void check(const Figure& figure) {
  check_between("series", figure.series.size(), figure.heatmap ? 0 : 1, kMostSeries);
  if (figure.heatmap) check(*figure.heatmap, figure);
  bool any = figure.heatmap.has_value();
  for (const Series& s : figure.series) {
    if (s.x.size() != s.y.size() || (!s.error.empty() && s.error.size() != s.x.size())) {
      throw InvalidArgument("series", fmt::format("{}: {} x, {} y and {} errors", quoted(s.name),
                                                  s.x.size(), s.y.size(), s.error.size()));
    }
    for (std::size_t i = 0; i < s.x.size(); ++i) {
      any = any || (drawable(s.x[i], figure.x) && drawable(s.y[i], figure.y));
    }
  }
  if (!any) throw InvalidArgument("series", "nothing to draw: no finite points");
}

/// The least and the largest number that an axis shows.
struct Extent {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();

  void hold(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
};

Extent extent_of(const Figure& figure, char which) {
  const Axis& axis = which == 'x' ? figure.x : figure.y;
  Extent extent;
  for (const Series& s : figure.series) {
    for (std::size_t i = 0; i < s.x.size(); ++i) {
      if (!drawable(s.x[i], figure.x) || !drawable(s.y[i], figure.y)) continue;
      const double value = which == 'x' ? s.x[i] : s.y[i];
      const double error =
          which == 'x' || s.error.empty() || !std::isfinite(s.error[i]) ? 0 : s.error[i];
      extent.hold(value + error);
      extent.hold(drawable(value - error, axis) ? value - error : value);
    }
  }
  if (axis.min) extent.low = *axis.min;
  if (axis.max) extent.high = *axis.max;
  return extent;
}

/// Numbers for a logarithmic axis of less than two decades, on which gnuplot may put none: those
/// of the first kind of which three fit. Empty where powers of ten do.
std::vector<double> log_ticks(const Extent& extent) {
  const double decades = std::log10(extent.high / extent.low);
  if (!(extent.low > 0) || !(decades < 2)) return {};
  const auto fitting = [&](std::initializer_list<double> digits) {
    std::vector<double> ticks;
    for (double power = std::pow(10, std::floor(std::log10(extent.low))); power <= extent.high;
         power *= 10) {
      for (const double digit : digits) {
        const double tick = digit * power;
        if (tick >= extent.low * 0.999 && tick <= extent.high * 1.001) ticks.push_back(tick);
      }
    }
    return ticks;
  };
  for (const auto& digits : {std::initializer_list<double>{1, 2, 5},
                             {1, 2, 3, 5, 7},
                             {1, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9}}) {
    if (std::vector<double> ticks = fitting(digits); ticks.size() >= 3) return ticks;
  }
  // So little of a decade that it is nearly linear: three or more of a round step.
  const double width = extent.high - extent.low;
  if (!(width > extent.low * 1e-9)) return {extent.low};
  double step = std::pow(10, std::floor(std::log10(width)));
  for (const double part : {1.0, 0.5, 0.2}) {
    if (std::floor(extent.high / (step * part)) - std::ceil(extent.low / (step * part)) >= 2) {
      step *= part;
      break;
    }
  }
  std::vector<double> ticks;
  for (double n = std::ceil(extent.low / step); n * step <= extent.high; ++n) {
    ticks.push_back(n * step);
  }
  return ticks;
}

std::string axis_script(char which, Axis axis, const Extent& extent) {
  std::string out = fmt::format("set {}label {}\n", which, quoted(axis.label));
  if (axis.logarithmic) {
    out += fmt::format("set logscale {0}\nset format {0} '%g'\n", which);
    if (axis.ticks.empty() && axis.categories.empty()) axis.ticks = log_ticks(extent);
  }
  // Long numbers side by side would run into each other: thousands, as far as marks are that apart.
  if (which == 'x' && !axis.logarithmic && axis.ticks.empty() && extent.high <= 1e6 &&
      extent.high - extent.low >= 1e4) {
    out += "set format x '%.0s%c'\n";
  }
  const auto end = [](const std::optional<double>& value) {
    return value ? fmt::format("{:.17g}", *value) : std::string("*");
  };
  out += fmt::format("set {}range [{}:{}]\n", which, end(axis.min), end(axis.max));
  if (!axis.ticks.empty())
    out += fmt::format("set {}tics ({:g})\nunset m{}tics\n", which, fmt::join(axis.ticks, ", "),
                       which);
  if (!axis.categories.empty()) {
    out += fmt::format("set {}tics (", which);
    for (std::size_t i = 0; i < axis.categories.size(); ++i) {
      out += fmt::format("{}{} {}", i == 0 ? "" : ", ", quoted(axis.categories[i]), i);
    }
    out += ")\n";
    std::size_t letters = 0;  // side by side
    for (const std::string& name : axis.categories) letters += which == 'x' ? name.size() : 0;
    if (letters > kWidestUpright) out += "set xtics rotate by 45 right\n";
  }
  return out;
}

/// The points of a series as a named block of data: x, y, error.
std::string data_script(std::size_t index, const Figure& figure, double shift) {
  const Series& s = figure.series[index];
  std::string out = fmt::format("$data{} << END_OF_DATA\n", index);
  for (std::size_t i = 0; i < s.x.size(); ++i) {
    if (!drawable(s.x[i], figure.x) || !drawable(s.y[i], figure.y)) continue;
    const double error = s.error.empty() || !std::isfinite(s.error[i]) ? 0 : s.error[i];
    // On a logarithmic axis a bar that would reach zero ends just above it.
    const double low = drawable(s.y[i] - error, figure.y) ? s.y[i] - error : s.y[i] / 100;
    out += fmt::format("{:.17g} {:.17g} {:.17g} {:.17g}\n", s.x[i] + shift, s.y[i], low,
                       s.y[i] + error);
  }
  return out += "END_OF_DATA\n";
}

/// A heatmap's data, colors and part of the plot command, which is put in `plot`.
std::string heatmap_script(const Figure& figure, std::string& plot) {
  const Heatmap& map = *figure.heatmap;
  const auto middle = [](std::size_t i, std::size_t count, const Axis& axis) {
    return *axis.min +
           (static_cast<double>(i) + 0.5) * (*axis.max - *axis.min) / static_cast<double>(count);
  };
  std::string out = fmt::format(
      "set palette defined (0 '{}', 1 '{}')\nset cbrange [{:.17g}:{:.17g}]\nunset colorbox\n"
      "set grid noxtics noytics\n$heatmap << END_OF_DATA\n",
      map.low_color, map.high_color, map.low, map.high);
  for (std::size_t i = 0; i < map.values.size(); ++i) {
    out += fmt::format("{:.17g} {:.17g} {:.17g}\n", middle(i % map.columns, map.columns, figure.x),
                       middle(i / map.columns, map.rows, figure.y), map.values[i]);
  }
  out += "END_OF_DATA\n";
  if (figure.series.empty() && figure.x.label.empty() && figure.y.label.empty()) {
    out += "unset border\nunset tics\nset margins 0, 0, 0, 0\n";
  }
  plot += "$heatmap using 1:2:3 with image notitle";
  return out;
}

/// A line through a single point is nothing to see, however often it passes: it is drawn as the
/// point.
bool is_one_point(const Series& s, const Figure& figure) {
  std::optional<std::size_t> first;
  for (std::size_t i = 0; i < s.x.size(); ++i) {
    if (!drawable(s.x[i], figure.x) || !drawable(s.y[i], figure.y)) continue;
    if (first && (s.x[i] != s.x[*first] || s.y[i] != s.y[*first])) return false;
    first = first.value_or(i);
  }
  return first.has_value();
}

std::string plot_clause(std::size_t index, const Series& s, bool one_point) {
  const std::string style =
      fmt::format("{} {} title {}", color(kFirstSeries + static_cast<unsigned>(index)),
                  s.dashed ? "dashtype 2" : "", s.name.empty() ? "''" : quoted(s.name));
  const std::string data = fmt::format("$data{}", index);
  const bool line = s.mark == Mark::line || s.mark == Mark::line_and_points;
  switch (line && one_point ? Mark::points : s.mark) {
    case Mark::bars:
      if (s.error.empty())
        return fmt::format("{} using 1:2 with boxes fillstyle solid noborder {}", data, style);
      return fmt::format(
          "{0} using 1:2 with boxes fillstyle solid noborder {1}, {0} using 1:2:3:4 with "
          "yerrorbars pointtype 0 {2} notitle",
          data, style, color(kText));
    case Mark::line:
      return fmt::format("{} using 1:2 with lines linewidth 2 {}", data, style);
    case Mark::points:
      if (s.error.empty())
        return fmt::format("{} using 1:2 with points pointtype 7 pointsize 0.5 {}", data, style);
      return fmt::format("{} using 1:2:3:4 with yerrorbars pointtype 7 pointsize 0.5 {}", data,
                         style);
    case Mark::line_and_points:
      break;
  }
  if (s.error.empty())
    return fmt::format("{} using 1:2 with linespoints pointtype 7 pointsize 0.5 linewidth 2 {}",
                       data, style);
  return fmt::format("{} using 1:2:3:4 with yerrorlines pointtype 7 pointsize 0.5 linewidth 2 {}",
                     data, style);
}

std::string script_of(const Figure& figure) {
  const auto is_bars = [](const Series& s) { return s.mark == Mark::bars; };
  const auto bars = std::count_if(figure.series.begin(), figure.series.end(), is_bars);
  const bool named = std::any_of(figure.series.begin(), figure.series.end(),
                                 [](const Series& s) { return !s.name.empty(); });
  const bool long_names =
      std::any_of(figure.series.begin(), figure.series.end(),
                  [](const Series& s) { return s.name.size() > kLongestInTwoColumns; });
  const double bar_width = bars > 0 ? 0.8 / static_cast<double>(bars) : 0.8;

  std::string out = fmt::format(
      "set terminal svg size {},{} dynamic noenhanced font 'inherit,13' linewidth 1 name 'plot'\n"
      "set encoding utf8\nset border 3 {}\nset tics nomirror out scale 0.5\n"
      "set grid ytics linetype 1 linewidth 0.7 {}\nset boxwidth {:.17g}\n{}\n",
      figure.width, figure.height, color(kText), color(kGrid), bar_width,
      named ? fmt::format("set key above left Left reverse samplen 2 width 1 maxcols {}",
                          long_names ? 1 : 2)
            : "unset key");
  out += axis_script('x', figure.x, extent_of(figure, 'x'));
  out += axis_script('y', figure.y, extent_of(figure, 'y'));
  double shift = -0.4 + bar_width / 2;
  std::string plot = "plot ";
  if (figure.heatmap) out += heatmap_script(figure, plot);
  for (std::size_t i = 0; i < figure.series.size(); ++i) {
    const bool bar = is_bars(figure.series[i]);
    out += data_script(i, figure, bar ? shift : 0);
    if (bar) shift += bar_width;
    plot += (i == 0 && !figure.heatmap ? "" : ", ") +
            plot_clause(i, figure.series[i], is_one_point(figure.series[i], figure));
  }
  return out + plot + '\n';
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
}

void name_color(std::string& svg, unsigned number, std::string_view name) {
  replace_all(svg, fmt::format("rgb({:3}, {:3}, {:3})", 0, 0, number), name);
  replace_all(svg, fmt::format("rgb(0,0,{})", number), name);
}

/// gnuplot writes a document with ids; a page holds many figures, and they must not share any.
std::string inline_svg(std::string svg, const Figure& figure) {
  svg.erase(0, std::min(svg.find("<svg"), svg.size()));
  if (svg.find("</svg>") == std::string::npos) {  // gnuplot does not look whether it could write
    throw IoError("gnuplot", "half a picture: is the disk of /tmp full?");
  }
  name_color(svg, kText, "currentColor");
  name_color(svg, kGrid, "var(--grid)");
  for (unsigned i = 0; i < kMostSeries; ++i) {
    name_color(svg, kFirstSeries + i, fmt::format("var(--series-{})", i + 1));
  }
  replace_all(svg, "color=\"black\"", "");
  // A heatmap's cells stay sharp when drawn larger.
  replace_all(svg, "preserveAspectRatio='none'",
              "preserveAspectRatio='none' style='image-rendering:pixelated'");
  replace_all(svg, "fill=\"black\"", "fill=\"currentColor\"");

  const std::string unique = fmt::format("f{:x}-", std::hash<std::string>{}(svg));
  replace_all(svg, "id='", "id='" + unique);
  replace_all(svg, "id=\"", "id=\"" + unique);
  replace_all(svg, "href='#", "href='#" + unique);
  replace_all(svg, "url(#", "url(#" + unique);

  // Removes gnuplot's own titles, which would pop up under the mouse.
  while (true) {
    const std::size_t start = svg.find("<title>");
    if (start == std::string::npos) break;
    svg.erase(start, svg.find("</title>", start) + 8 - start);
  }
  if (const std::size_t start = svg.find("<desc>"); start != std::string::npos) {
    svg.erase(start, svg.find("</desc>", start) + 7 - start);
  }
  const std::size_t after_tag = svg.find('>') + 1;
  svg.insert(after_tag, fmt::format("<title>{}</title>", escape_html(figure.title)));
  svg.insert(4, fmt::format(R"( role="img" aria-label="{}" style="max-width:{}px")",
                            escape_html(figure.title), figure.width));
  return svg;
}

}  // namespace

std::string to_svg(const Figure& figure) {
  check(figure);
  return inline_svg(run_gnuplot(script_of(figure)), figure);
}

}  // namespace partita
