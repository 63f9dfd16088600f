// SPDX-License-Identifier: Apache-2.0
#include "partita/embedding/principal_components.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
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

}  // namespace

std::vector<Place> principal_components(Rows rows) { return components(to_double(rows)); }

}  // namespace partita
