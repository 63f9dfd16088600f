// SPDX-License-Identifier: Apache-2.0
#include "partita/calibration/predictions.hpp"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "partita/base/error.hpp"
#include "partita/softmax/internal/row_pass.hpp"

namespace partita {

double least_probability(DType precision) {
  switch (precision) {
    case DType::f64:
      return std::numeric_limits<double>::epsilon();
    case DType::f32:
      return std::numeric_limits<float>::epsilon();
    case DType::f16:
      return 0x1p-10;
    case DType::bf16:
      break;
  }
  return 0x1p-7;
}

double Predictions::by_of(std::size_t row) const {
  if (row >= by.size()) {
    throw InvalidArgument("by", by.empty() ? "required: temperatures are by a number for each row"
                                           : fmt::format("{} numbers, too few", by.size()));
  }
  if (std::isnan(by[row])) throw InvalidArgument("by", "expected a number, got nan");
  return by[row];
}

std::string distribution_defect(Rows rows, std::size_t row) {
  constexpr double kTolerance = 1e-3;
  const RowReader<double> reader(rows, row);
  double total = 0;
  for (std::size_t c = 0; c < rows.columns(); ++c) {
    const double p = reader.at(c);
    if (!(p >= 0 && p <= 1 + kTolerance)) {
      return fmt::format("expected a probability, got {:g} at column {}", p, c);
    }
    total += p;
  }
  if (std::abs(total - 1) <= kTolerance) return {};
  return fmt::format("probabilities add up to {:g}, expected 1", total);
}

}  // namespace partita
