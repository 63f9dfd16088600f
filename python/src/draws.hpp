// SPDX-License-Identifier: Apache-2.0
// What calls that draw from rows have in common: their arguments, and a sample as a tuple.
#pragma once

#include <utility>

#include "arguments.hpp"
#include "partita/gumbel/gumbel_top_k.hpp"

namespace partita::python {

/// Rows, their streams, and threads.
struct RowRequest {
  FloatArray logits;
  Rows rows;
  RowStreams streams;
  RowOptions options;

  RowRequest(py::handle object, py::handle seed, py::handle stream, py::handle threads)
      : logits(object, "logits"),
        rows(logits.rows()),
        streams(seed, stream, rows.rows()),
        options{.threads = thread_count(threads)} {}
};

inline Shape with(Shape shape, std::size_t last) {
  shape.push_back(static_cast<py::ssize_t>(last));
  return shape;
}

/// The fields of partita.TopKSample.
inline py::tuple top_k_sample(const FloatArray& logits, TopKSample sample) {
  const Shape batch = logits.batch_shape();
  const Shape shape = with(batch, sample.k);
  return py::make_tuple(logits.result(std::move(sample.indices), shape),
                        logits.result(std::move(sample.perturbed), shape),
                        logits.result(std::move(sample.log_prob), shape),
                        logits.result(std::move(sample.log_sum_exp), batch),
                        logits.result(std::move(sample.threshold), batch));
}

}  // namespace partita::python
