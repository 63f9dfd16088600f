// SPDX-License-Identifier: Apache-2.0
#include "partita/detection/internal/features.hpp"

#include <fmt/format.h>

#include <cmath>
#include <limits>

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

std::vector<double> check_features(const char* name, Rows features, Need need,
                                   const RowOptions& options) {
  std::vector<double> out(features.rows(), std::numeric_limits<double>::quiet_NaN());
  for_each_row<std::vector<double>>(
      features.rows(), options, [&](std::size_t r, std::vector<double>& row) {
        row.resize(features.columns());
        RowReader<double>(features, r).gather(0, 1, row.size(), row.data());
        const auto bad =
            std::find_if_not(row.begin(), row.end(), [](double x) { return std::isfinite(x); });
        if (bad != row.end()) {
          const char* what = std::isnan(*bad) ? "NaN" : *bad > 0 ? "+inf" : "-inf";
          throw InvalidArgument(name, fmt::format("{} at column {}", what, bad - row.begin()));
        }
        if (need == Need::direction &&
            std::all_of(row.begin(), row.end(), [](double x) { return x == 0; })) {
          throw InvalidArgument(name, "all zero: it has no direction");
        }
        out[r] = 0;
      });
  return out;
}

}  // namespace partita
