// SPDX-License-Identifier: Apache-2.0
#include "partita/detection/internal/features.hpp"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <span>

#include "partita/base/error.hpp"
#include "partita/softmax/internal/row_pass.hpp"

namespace partita {

Eigen::MatrixXd feature_columns(Rows features, std::size_t first, std::size_t count) {
  Eigen::MatrixXd out(static_cast<Eigen::Index>(features.columns()),
                      static_cast<Eigen::Index>(count));
  for (std::size_t i = 0; i < count; ++i) {
    RowReader<double>(features, first + i)
        .gather(0, 1, features.columns(), out.col(static_cast<Eigen::Index>(i)).data());
  }
  return out;
}

namespace {

[[noreturn]] void refuse(const char* name, const char* what, std::ptrdiff_t column) {
  throw InvalidArgument(name, fmt::format("{} at column {}", what, column));
}

void check_row(const char* name, std::span<const double> row, Need need) {
  bool all_zero = true;
  bool possible = false;  // as logits
  for (const double& x : row) {
    const std::ptrdiff_t column = &x - row.data();
    if (std::isnan(x)) refuse(name, "NaN", column);
    if (std::isinf(x) && (need != Need::logits || x > 0)) {
      refuse(name, x > 0 ? "+inf" : "-inf", column);
    }
    if (need == Need::activations && x < 0) refuse(name, "a negative feature", column);
    all_zero = all_zero && x == 0;
    possible = possible || !std::isinf(x);
  }
  if (need == Need::logits && !possible) {
    throw InvalidArgument(name, "every category is impossible (all -inf)");
  }
  if (need == Need::direction && all_zero) {
    throw InvalidArgument(name, "all zero: it has no direction");
  }
  if (need == Need::activations && all_zero) {
    throw InvalidArgument(name, "all zero: nothing is active");
  }
}

}  // namespace

std::vector<double> check_features(const char* name, Rows features, Need need,
                                   const RowOptions& options) {
  std::vector<double> out(features.rows(), std::numeric_limits<double>::quiet_NaN());
  for_each_row<std::vector<double>>(
      features.rows(), options, [&](std::size_t r, std::vector<double>& row) {
        row.resize(features.columns());
        RowReader<double>(features, r).gather(0, 1, row.size(), row.data());
        check_row(name, row, need);
        out[r] = 0;
      });
  return out;
}

void add_outer_products(const Eigen::MatrixXd& x, int threads, Eigen::MatrixXd& sum) {
  constexpr std::size_t kStripe = 64;
  const Eigen::Index columns = x.rows();
  for_each_block(static_cast<std::size_t>(columns), kStripe, threads,
                 [&](std::size_t left, std::size_t width) {
                   const auto c = static_cast<Eigen::Index>(left);
                   const auto w = static_cast<Eigen::Index>(width);
                   sum.block(c, c, columns - c, w).noalias() +=
                       x.bottomRows(columns - c) * x.middleRows(c, w).transpose();
                 });
}

}  // namespace partita
