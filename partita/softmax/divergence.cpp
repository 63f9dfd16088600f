// SPDX-License-Identifier: Apache-2.0
#include "partita/softmax/divergence.hpp"

#include <fmt/format.h>

#include "partita/base/error.hpp"
#include "partita/softmax/internal/expectation.hpp"
#include "partita/softmax/internal/row_pass.hpp"

namespace partita {

using kernels::kBlock;

namespace {

std::vector<double> compare(Rows p_logits, Rows q_logits, const RowOptions& options,
                            bool relative) {
  if (p_logits.rows() != q_logits.rows() || p_logits.columns() != q_logits.columns()) {
    throw InvalidArgument("q_logits",
                          fmt::format("expected p's shape [{}, {}], got [{}, {}]", p_logits.rows(),
                                      p_logits.columns(), q_logits.rows(), q_logits.columns()));
  }
  std::vector<double> result(p_logits.rows(), std::numeric_limits<double>::quiet_NaN());
  for_each_row<RowPass<double>>(
      p_logits.rows(), options, [&](std::size_t r, RowPass<double>& pass) {
        const RowReader<double> p_row(p_logits, r);
        const RowReader<double> q_row(q_logits, r);
        const Normalizer p = normalize(pass, p_row);
        const Normalizer q = normalize(pass, q_row);
        const double value =
            expectation(p_row, p, [&](std::size_t b, auto z_p, const double* weight) {
              double buffer[kBlock];
              const auto z_q = q_row.block(b, buffer);
              double sum = 0;
              for (std::size_t i = 0; i < z_p.size(); ++i) {
                if (weight[i] == 0) continue;
                const double log_q = (z_q[i] - q.max) - q.log_sum;  // -inf where q is impossible
                const double log_p = relative ? (z_p[i] - p.max) - p.log_sum : 0;
                sum += weight[i] * (log_p - log_q);
              }
              return sum;
            });
        result[r] = std::max(value, 0.0);  // it is >= 0 but for rounding
      });
  return result;
}

}  // namespace

std::vector<double> entropy(Rows logits, const RowOptions& options) {
  std::vector<double> result(logits.rows(), std::numeric_limits<double>::quiet_NaN());
  for_each_row<RowPass<double>>(logits.rows(), options, [&](std::size_t r, RowPass<double>& pass) {
    const RowReader<double> row(logits, r);
    result[r] = row_entropy(row, normalize(pass, row));
  });
  return result;
}

std::vector<double> cross_entropy(Rows p_logits, Rows q_logits, const RowOptions& options) {
  return compare(p_logits, q_logits, options, false);
}

std::vector<double> kl_divergence(Rows p_logits, Rows q_logits, const RowOptions& options) {
  return compare(p_logits, q_logits, options, true);
}

}  // namespace partita
