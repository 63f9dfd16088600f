// SPDX-License-Identifier: Apache-2.0
#include "apps/report/latent_map.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "apps/report/html.hpp"

namespace partita::app {
namespace {

constexpr double kSize = 480;
constexpr double kMargin = 34;

/// A step of 1, 2 or 5 times a power of ten, so that a few fit into the extent.
double tick_step(double extent) {
  const double power = std::pow(10, std::floor(std::log10(extent / 3)));
  const double ratio = extent / 3 / power;
  return power * (ratio >= 5 ? 5 : ratio >= 2 ? 2 : 1);
}

}  // namespace

std::string latent_map_svg(const std::vector<double>& points,
                           const std::vector<std::string>& labels, const std::string& title,
                           bool prior) {
  double reach = prior ? 3.2 : 1e-9;
  for (const double value : points) {
    if (std::isfinite(value)) reach = std::max(reach, 1.03 * std::abs(value));
  }
  const double scale = (kSize - 2 * kMargin) / (2 * reach);
  const auto x = [&](double value) { return kSize / 2 + value * scale; };
  const auto y = [&](double value) { return kSize / 2 - value * scale; };
  std::string svg = fmt::format(
      R"svg(<svg viewBox="0 0 {0} {0}" role="img" aria-label="{1}" font-size="9" )svg"
      R"svg(text-anchor="middle" fill="currentColor">)svg"
      R"svg(<rect x="{2}" y="{2}" width="{3}" height="{3}" fill="none" stroke="var(--grid)"/>)svg",
      kSize, escape_html(title), kMargin, kSize - 2 * kMargin);
  const double step = tick_step(2 * reach);
  for (double at = -std::floor(reach / step) * step; at <= reach; at += step) {
    svg += fmt::format(
        R"svg(<text x="{:.1f}" y="{:.1f}" font-size="11">{:.4g}</text>)svg"
        R"svg(<text x="{:.1f}" y="{:.1f}" font-size="11" text-anchor="end">{:.4g}</text>)svg",
        x(at), kSize - kMargin + 15, at + 0.0, kMargin - 5, y(at) + 4, at + 0.0);
  }
  for (int radius = 1; prior && radius <= 3; ++radius) {
    svg += fmt::format(
        R"svg(<circle cx="{0}" cy="{0}" r="{1:.1f}" fill="none" stroke="var(--grid)"/>)svg",
        kSize / 2, radius * scale);
  }
  std::map<std::string, std::size_t> classes;
  for (const std::string& label : labels) classes.emplace(label, 0);
  std::size_t next = 0;
  for (auto& [label, number] : classes) number = next++;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (!std::isfinite(points[2 * i]) || !std::isfinite(points[2 * i + 1])) continue;
    const double hue =
        360 * static_cast<double>(classes[labels[i]]) / static_cast<double>(classes.size());
    svg += fmt::format(R"svg(<text x="{:.1f}" y="{:.1f}" fill="hsl({:.0f} 65% 48%)">{}</text>)svg",
                       x(points[2 * i]), y(points[2 * i + 1]) + 3, hue, escape_html(labels[i]));
  }
  return svg + "</svg>";
}

}  // namespace partita::app
