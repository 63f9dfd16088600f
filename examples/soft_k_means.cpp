// SPDX-License-Identifier: Apache-2.0
// Soft k-means: a mixture of Gaussians of equal variance sigma^2 and equal weight. Its
// responsibilities are a softmax over centers, of -|x - c|^2 / (2 sigma^2); as sigma^2 goes to 0
// they become one-hot, EM becomes Lloyd's algorithm, and the mixture becomes k-means. Writes a page
// with the picture.
//
//   example_soft_k_means soft_k_means.html
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "apps/report/figure.hpp"
#include "apps/report/page.hpp"
#include "partita/io/file.hpp"
#include "partita/random/stream.hpp"
#include "partita/softmax/softmax.hpp"

namespace {

struct Point {
  double x = 0;
  double y = 0;
};
using Points = std::vector<Point>;

double squared_distance(const Point& a, const Point& b) {
  return (a.x - b.x) * (a.x - b.x) + (a.y - b.y) * (a.y - b.y);
}

/// A row per point, a column per center: how much of the point each center holds.
using Shares = std::vector<double>;

Shares responsibilities(const Points& points, const Points& centers, double variance) {
  Shares shares;
  for (const Point& point : points) {
    for (const Point& center : centers) {
      shares.push_back(-squared_distance(point, center) / (2 * variance));
    }
  }
  partita::softmax({shares.data(), points.size(), centers.size()},
                   {shares.data(), points.size(), centers.size()});
  return shares;
}

Shares nearest_center(const Points& points, const Points& centers) {
  Shares shares(points.size() * centers.size());
  for (std::size_t i = 0; i < points.size(); ++i) {
    const auto nearest =
        std::min_element(centers.begin(), centers.end(), [&](const Point& a, const Point& b) {
          return squared_distance(points[i], a) < squared_distance(points[i], b);
        });
    shares[i * centers.size() + static_cast<std::size_t>(nearest - centers.begin())] = 1;
  }
  return shares;
}

/// Every center moves to the mean of its points: the step that both algorithms share.
Points means(const Points& points, const Shares& shares, std::size_t k) {
  Points sums(k);
  std::vector<double> held(k);
  for (std::size_t i = 0; i < shares.size(); ++i) {
    sums[i % k].x += shares[i] * points[i / k].x;
    sums[i % k].y += shares[i] * points[i / k].y;
    held[i % k] += shares[i];
  }
  for (std::size_t j = 0; j < k; ++j) sums[j] = {sums[j].x / held[j], sums[j].y / held[j]};
  return sums;
}

double largest_move(const Points& a, const Points& b) {
  double most = 0;
  for (std::size_t j = 0; j < a.size(); ++j) {
    most = std::max(most, std::sqrt(squared_distance(a[j], b[j])));
  }
  return most;
}

struct Fit {
  Points centers;
  Shares shares;
  int steps = 0;
};

/// Steps from `centers` until they stay where they are. `share` tells what each center holds.
template <class Share>
Fit settle(const Points& points, Points centers, const Share& share) {
  for (int steps = 1;; ++steps) {
    Shares shares = share(points, centers);
    Points moved = means(points, shares, centers.size());
    const double move = largest_move(centers, moved);
    centers = std::move(moved);
    if (move < 1e-12 || steps == 10'000) return {std::move(centers), std::move(shares), steps};
  }
}

/// Three clouds, not quite apart.
Points draw_points() {
  const Point middles[] = {{0, 0}, {3, 0.5}, {1, 2.8}};
  partita::Draws draws({.seed = 3});
  Points points;
  for (int i = 0; i < 240; ++i) {
    const Point& middle = middles[i % 3];
    const double x = middle.x + 0.7 * draws.normal();
    points.push_back({x, middle.y + 0.7 * draws.normal()});
  }
  return points;
}

/// The mean over points of 1 - the largest share: 0 if all are one-hot.
double softness(const Shares& shares, std::size_t k) {
  double sum = 0;
  for (std::size_t row = 0; row < shares.size(); row += k) {
    const auto first = shares.begin() + static_cast<std::ptrdiff_t>(row);
    sum += 1 - *std::max_element(first, first + static_cast<std::ptrdiff_t>(k));
  }
  return sum / (static_cast<double>(shares.size()) / static_cast<double>(k));
}

partita::Figure scatter(const Points& points, const Fit& hard, const std::vector<Fit>& soft) {
  partita::Figure figure{
      .title = "Points, and where the mixture's centers go as its variance falls",
      .x = {.label = "x"},
      .y = {.label = "y"},
      .height = 400};
  const std::size_t k = hard.centers.size();
  for (std::size_t j = 0; j < k; ++j) {
    partita::Series cloud{.name = fmt::format("cluster {}", j + 1), .mark = partita::Mark::points};
    for (std::size_t i = 0; i < points.size(); ++i) {
      if (hard.shares[i * k + j] != 1) continue;
      cloud.x.push_back(points[i].x);
      cloud.y.push_back(points[i].y);
    }
    figure.series.push_back(std::move(cloud));
  }
  partita::Series centers{.name = "EM's centers, σ² from 2 to 0", .mark = partita::Mark::points};
  for (const Fit& fit : soft) {
    for (const Point& center : fit.centers) {
      centers.x.push_back(center.x);
      centers.y.push_back(center.y);
    }
  }
  figure.series.push_back(std::move(centers));
  return figure;
}

/// The first center's responsibility on the way from it to the second.
partita::Figure way_between(const Points& centers) {
  partita::Figure figure{.title = "Responsibility of a center on the way to the next",
                         .x = {.label = "way from center 1 to center 2", .min = 0, .max = 1},
                         .y = {.label = "responsibility of center 1", .min = 0, .max = 1.02},
                         .height = 400};
  for (const double variance : {4.0, 1.0, 0.25, 0.0625, 0.001}) {
    partita::Series series{.name = fmt::format("σ² = {:g}", variance), .mark = partita::Mark::line};
    for (int i = 0; i <= 200; ++i) {
      const double t = i / 200.0;
      const Point at = {centers[0].x + t * (centers[1].x - centers[0].x),
                        centers[0].y + t * (centers[1].y - centers[0].y)};
      series.x.push_back(t);
      series.y.push_back(responsibilities({at}, centers, variance)[0]);
    }
    figure.series.push_back(std::move(series));
  }
  return figure;
}

void run(const std::string& path) {
  const Points points = draw_points();
  const Points start = {points[0], points[1], points[2]};
  const Fit hard = settle(points, start, nearest_center);

  std::vector<Fit> soft;
  partita::Series apart{.name = "distance of EM's centers from Lloyd's"};
  partita::Series softness_series{.name = "mean of 1 - largest responsibility"};
  std::puts("   sigma^2   EM steps   mean of 1 - largest   centers' distance   one-hot, and the");
  std::puts("                          responsibility        from Lloyd's       same to the bit");
  for (double variance = 2; variance > 1e-5; variance /= 2) {
    soft.push_back(settle(points, start, [=](const Points& p, const Points& c) {
      return responsibilities(p, c, variance);
    }));
    const Fit& fit = soft.back();
    const double distance = largest_move(fit.centers, hard.centers);
    const double softness_here = softness(fit.shares, start.size());
    std::printf("%10.3g %10d %21.3e %19.3e   %s\n", variance, fit.steps, softness_here, distance,
                fit.shares == hard.shares && distance == 0 ? "yes" : "no");
    apart.x.push_back(variance);
    apart.y.push_back(distance);
    softness_series.x.push_back(variance);
    softness_series.y.push_back(softness_here);
  }

  partita::Page page("Soft k-means",
                     "A mixture of Gaussians as its variance goes to 0. 240 points, seed 3.");
  page.paragraph(
      "With equal weights and variance σ², the probability that a point came from center c is a "
      "softmax of −|x − c|² / 2σ². The smaller the variance, the more of each point its nearest "
      "center holds, until nothing is left for the others: EM is then Lloyd's algorithm, step by "
      "step.");
  page.figures(
      {{partita::to_svg(scatter(points, hard, soft)),
        "The clusters of k-means, and EM's centers, which move apart as σ² falls and end at "
        "those of k-means."},
       {partita::to_svg(way_between(hard.centers)),
        "The responsibility of a center becomes a step: the arg max."}});
  page.figures({{partita::to_svg({.title = "Softness and distance against variance",
                                  .x = {.label = "σ²", .logarithmic = true},
                                  .y = {.label = "distance, softness", .logarithmic = true},
                                  .series = {apart, softness_series}}),
                 "Both reach 0 exactly, where these curves end."}});
  partita::write_file(path, page.html());
  std::printf("\nwrote %s\n", path.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  try {
    run(argc > 1 ? argv[1] : "soft_k_means.html");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
