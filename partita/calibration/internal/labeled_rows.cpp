// SPDX-License-Identifier: Apache-2.0
#include "partita/calibration/internal/labeled_rows.hpp"

namespace partita {

LabeledRows copy_rows(const Predictions& predictions, std::span<const std::int64_t> labels,
                      std::span<const std::size_t> chosen) {
  const Rows from = predictions.rows;
  const std::size_t columns = from.columns();
  LabeledRows out{std::vector<std::byte>(chosen.size() * columns * element_size(from.dtype())),
                  {},
                  predictions,
                  {}};
  visit(from.dtype(), [&]<Element T>(T) {
    T* to = reinterpret_cast<T*>(out.memory.data());
    for (const std::size_t r : chosen) {
      const T* const row = from.row_data<T>(r);
      for (std::size_t c = 0; c < columns; ++c) {
        *to++ = row[static_cast<std::ptrdiff_t>(c) * from.column_stride()];
      }
      out.labels.push_back(labels[r]);
      if (!predictions.by.empty()) out.by.push_back(predictions.by[r]);
    }
  });
  out.predictions.rows = {out.memory.data(), from.dtype(), chosen.size(), columns,
                          static_cast<std::ptrdiff_t>(columns)};
  out.predictions.by = out.by;
  return out;
}

}  // namespace partita
