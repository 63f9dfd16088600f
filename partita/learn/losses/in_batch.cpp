// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/losses/in_batch.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <limits>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"

namespace partita::losses {

namespace {

void check_rows(const char* name, const Tensor& tensor, std::int64_t rows) {
  if (!tensor.defined() || (tensor.dim() == 1 && tensor.size(0) == rows)) return;
  throw InvalidArgument(name, fmt::format("expected [{}], a number for each key, got {}", rows,
                                          to_string(tensor.sizes())));
}

}  // namespace

Tensor in_batch_softmax(const Tensor& queries, const Tensor& keys, const InBatchOptions& options) {
  if (queries.dim() != 2 || !queries.is_floating_point()) {
    throw InvalidArgument(
        "queries", fmt::format("expected floating-point [B, d], got {} {}",
                               at::toString(queries.scalar_type()), to_string(queries.sizes())));
  }
  if (keys.sizes() != queries.sizes() || keys.scalar_type() != queries.scalar_type()) {
    throw InvalidArgument(
        "keys", fmt::format("expected {} {}, as queries are, got {} {}",
                            at::toString(queries.scalar_type()), to_string(queries.sizes()),
                            at::toString(keys.scalar_type()), to_string(keys.sizes())));
  }
  const std::int64_t rows = keys.size(0);
  check_in("temperature", options.temperature, "(0, inf)");
  check_rows("log_q", options.log_q, rows);
  check_rows("ids", options.ids, rows);
  if (options.symmetric && options.log_q.defined()) {
    throw InvalidArgument("log_q", "belongs to keys that are drawn, and not to both sides");
  }
  Tensor scores = queries.mm(keys.t()) / options.temperature;
  if (options.log_q.defined()) scores = scores - options.log_q.to(scores.scalar_type());
  if (options.ids.defined()) {
    const Tensor same = options.ids.unsqueeze(0) == options.ids.unsqueeze(1);
    const Tensor others = at::eye(rows, same.options()).logical_not();
    scores = scores.masked_fill(same.logical_and(others), -std::numeric_limits<double>::infinity());
  }
  const Tensor own = at::arange(rows, scores.options().dtype(at::kLong));
  const Tensor loss = cross_entropy(scores, own, options.reduction);
  if (!options.symmetric) return loss;
  return (loss + cross_entropy(scores.t(), own, options.reduction)) / 2;
}

}  // namespace partita::losses
