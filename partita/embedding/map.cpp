#include "partita/embedding/map.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>

#include "partita/base/error.hpp"

namespace partita {
namespace {

using Matrix = std::vector<std::vector<double>>;

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

Matrix to_double(Rows rows) {
  if (rows.dtype() != DType::f32) throw InvalidArgument("rows", "expected elements of float");
  if (rows.rows() < 2 || rows.columns() < 2) {
    throw InvalidArgument("rows", fmt::format("expected 2 or more rows and columns, got {} x {}",
                                              rows.rows(), rows.columns()));
  }
  Matrix out(rows.rows(), std::vector<double>(rows.columns()));
  for (std::size_t i = 0; i < rows.rows(); ++i) {
    const float* const row = rows.row_data<float>(i);
    for (std::size_t c = 0; c < rows.columns(); ++c) {
      out[i][c] = static_cast<double>(row[static_cast<std::ptrdiff_t>(c) * rows.column_stride()]);
    }
  }
  return out;
}

void normalize(std::vector<double>& v) {
  const double length = std::sqrt(dot(v, v));
  for (double& x : v) x = length > 0 ? x / length : 0;
}

std::vector<Place> components(Matrix x) {
  const std::size_t d = x[0].size();
  std::vector<double> mean(d);
  for (const auto& row : x) {
    for (std::size_t c = 0; c < d; ++c) mean[c] += row[c] / static_cast<double>(x.size());
  }
  for (auto& row : x) {
    for (std::size_t c = 0; c < d; ++c) row[c] -= mean[c];
  }
  Matrix covariance(d, std::vector<double>(d));
  for (const auto& row : x) {
    for (std::size_t i = 0; i < d; ++i) {
      for (std::size_t j = 0; j < d; ++j) covariance[i][j] += row[i] * row[j];
    }
  }
  const auto times_covariance = [&](const std::vector<double>& v) {
    std::vector<double> out(d);
    for (std::size_t i = 0; i < d; ++i) out[i] = dot(covariance[i], v);
    return out;
  };
  std::vector<double> first(d);
  std::vector<double> second(d);
  for (std::size_t c = 0; c < d; ++c) {
    first[c] = 1 + 0.1 * static_cast<double>(c % 7);
    second[c] = c % 2 == 0 ? 1 : -1;
  }
  constexpr int kIterations = 300;
  for (int i = 0; i < kIterations; ++i) {
    normalize(first = times_covariance(first));
    second = times_covariance(second);
    const double along = dot(first, second);
    for (std::size_t c = 0; c < d; ++c) second[c] -= along * first[c];
    normalize(second);
  }
  for (auto* direction : {&first, &second}) {
    const double largest =
        *std::max_element(direction->begin(), direction->end(),
                          [](double a, double b) { return std::abs(a) < std::abs(b); });
    for (double& v : *direction) v = largest < 0 ? -v : v;
  }
  std::vector<Place> places;
  for (const auto& row : x) places.push_back({dot(row, first), dot(row, second)});
  return places;
}

/// p_j given i, with the precision found by bisection that gives the perplexity.
std::vector<double> neighbors_of(std::size_t i, const std::vector<double>& squares,
                                 double perplexity) {
  constexpr int kSteps = 60;
  std::vector<double> p(squares.size());
  double nearest = INFINITY;
  for (std::size_t j = 0; j < squares.size(); ++j) {
    if (j != i) nearest = std::min(nearest, squares[j]);
  }
  double low = 0;
  double high = INFINITY;
  double precision = 1;
  for (int step = 0; step < kSteps; ++step) {
    double sum = 0;
    double weighted = 0;
    for (std::size_t j = 0; j < squares.size(); ++j) {
      p[j] = j == i ? 0 : std::exp(-precision * (squares[j] - nearest));
      sum += p[j];
      weighted += p[j] * precision * (squares[j] - nearest);
    }
    for (double& x : p) x /= sum;
    const double entropy = std::log(sum) + weighted / sum;
    (entropy > std::log(perplexity) ? low : high) = precision;
    precision = std::isfinite(high) ? (low + high) / 2 : 2 * precision;
  }
  return p;
}

/// p_ij = (p_j|i + p_i|j) / 2n
Matrix joint(const Matrix& x, double perplexity) {
  const std::size_t n = x.size();
  Matrix p(n);
  std::vector<double> squares(n);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) squares[j] = 2 - 2 * dot(x[i], x[j]);
    p[i] = neighbors_of(i, squares, perplexity);
  }
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      p[i][j] = p[j][i] = (p[i][j] + p[j][i]) / (2 * static_cast<double>(n));
    }
  }
  return p;
}

/// 4 sum_j (exaggeration p_ij - q_ij) (y_i - y_j) / (1 + |y_i - y_j|^2)
std::vector<Place> gradient(const Matrix& p, const std::vector<Place>& y, double exaggeration) {
  const std::size_t n = y.size();
  std::vector<Place> attraction(n, {0, 0});
  std::vector<Place> repulsion(n, {0, 0});
  double z = 0;
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      const double dx = y[i].x - y[j].x;
      const double dy = y[i].y - y[j].y;
      const double w = 1 / (1 + dx * dx + dy * dy);
      z += 2 * w;
      const double pull = exaggeration * p[i][j] * w;
      attraction[i] = {attraction[i].x + pull * dx, attraction[i].y + pull * dy};
      attraction[j] = {attraction[j].x - pull * dx, attraction[j].y - pull * dy};
      repulsion[i] = {repulsion[i].x + w * w * dx, repulsion[i].y + w * w * dy};
      repulsion[j] = {repulsion[j].x - w * w * dx, repulsion[j].y - w * w * dy};
    }
  }
  for (std::size_t i = 0; i < n; ++i) {
    attraction[i] = {4 * (attraction[i].x - repulsion[i].x / z),
                     4 * (attraction[i].y - repulsion[i].y / z)};
  }
  return attraction;
}

}  // namespace

std::vector<Place> principal_components(Rows rows) { return components(to_double(rows)); }

std::vector<Place> tsne(Rows rows, const TsneOptions& options, const Progress& progress) {
  Matrix x = to_double(rows);
  const std::size_t n = x.size();
  if (!(options.perplexity > 0 && options.perplexity <= static_cast<double>(n - 1) / 3)) {
    throw InvalidArgument("perplexity",
                          fmt::format("expected above 0 and at most {:.4g}, a third of "
                                      "the other points, got {}",
                                      static_cast<double>(n - 1) / 3, options.perplexity));
  }
  if (options.iterations < 1) throw InvalidArgument("iterations", "expected 1 or more");
  for (auto& row : x) normalize(row);
  const Matrix p = joint(x, options.perplexity);
  std::vector<Place> y = components(x);
  double variance = 0;
  for (const Place& place : y) variance += place.x * place.x / static_cast<double>(n);
  const double scale = variance > 0 ? 1e-4 / std::sqrt(variance) : 0;
  for (Place& place : y) place = {place.x * scale, place.y * scale};

  // Step sizes, gains and their schedule: van der Maaten's; the rate is n over the exaggeration
  // (Belkina et al. 2019).
  constexpr int kExaggerated = 250;
  constexpr double kExaggeration = 12;
  const double rate = std::max(50.0, static_cast<double>(n) / kExaggeration / 4);
  std::vector<Place> velocity(n, {0, 0});
  std::vector<Place> gain(n, {1, 1});
  for (int iteration = 0; iteration < options.iterations; ++iteration) {
    const bool early = iteration < kExaggerated;
    const std::vector<Place> g = gradient(p, y, early ? kExaggeration : 1);
    const double momentum = early ? 0.5 : 0.8;
    const auto step = [&](double slope, double& v, double& own, double& place) {
      own = (slope > 0) != (v > 0) ? own + 0.2 : std::max(0.01, own * 0.8);
      v = momentum * v - rate * own * slope;
      place += v;
    };
    for (std::size_t i = 0; i < n; ++i) {
      step(g[i].x, velocity[i].x, gain[i].x, y[i].x);
      step(g[i].y, velocity[i].y, gain[i].y, y[i].y);
    }
    if (progress) {
      progress({static_cast<std::uint64_t>(iteration) + 1,
                static_cast<std::uint64_t>(options.iterations), "iterations"});
    }
  }
  return y;
}

}  // namespace partita
