// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/internal/table.hpp"

#include <ATen/ATen.h>

namespace partita::distributions {

Tensor look_up(const Tensor& table, const Tensor& value) {
  // gather() would expand the table to the value's shape, and its backward would write all of that.
  c10::List<c10::optional<Tensor>> places;
  const std::int64_t batch_dims = table.dim() - 1;
  for (std::int64_t d = 0; d < batch_dims; ++d) {
    Shape shape(static_cast<std::size_t>(batch_dims), 1);
    shape[static_cast<std::size_t>(d)] = table.size(d);
    places.push_back(at::arange(table.size(d), value.options().dtype(at::kLong)).view(shape));
  }
  places.push_back(value.to(at::kLong));
  return at::index(table, places);
}

}  // namespace partita::distributions
