// SPDX-License-Identifier: Apache-2.0
#include "partita/sampler/internal/report.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "partita/softmax/internal/expectation.hpp"
#include "partita/softmax/internal/tempered.hpp"

namespace partita::sampler {

namespace {

/// The rank of the draw (1 + how many are likelier), and the n most likely.
void rank(const RowReader<double>& row, const Normalizer& p, std::size_t n, Draw& draw) {
  const double z = row.at(static_cast<std::size_t>(draw.index));
  const auto likelier = [](const CategoryLogProb& a, const CategoryLogProb& b) {
    return a.log_prob != b.log_prob ? a.log_prob > b.log_prob : a.index < b.index;
  };
  double buffer[kernels::kBlock];
  draw.rank = 1;
  for (std::size_t b = 0; b < row.blocks(); ++b) {
    const auto block = row.block(b, buffer);
    for (std::size_t i = 0; i < block.size(); ++i) {
      if (block[i] > z) ++draw.rank;
      if (n == 0 || block[i] == -std::numeric_limits<double>::infinity()) continue;
      if (draw.top.size() == n && block[i] <= draw.top.back().log_prob) continue;
      const CategoryLogProb here{static_cast<std::int64_t>(b * kernels::kBlock + i), block[i]};
      draw.top.insert(std::upper_bound(draw.top.begin(), draw.top.end(), here, likelier), here);
      if (draw.top.size() > n) draw.top.pop_back();
    }
  }
  for (auto& [index, log_prob] : draw.top) log_prob = (log_prob - p.max) - p.log_sum;
}

double entropy_of(std::span<const double> logits) {
  const double max = *std::max_element(logits.begin(), logits.end());
  return entropy(sum_of(logits, max, {.exp = true, .x_exp = true})).low;
}

}  // namespace

Draw report(Rows logits, std::size_t row, std::int64_t index, RowSampler& sampler,
            const ReportOptions& options) {
  Draw draw;
  draw.index = index;
  const RowReader<double> raw(logits, row);
  RowPass<double> pass;
  const Normalizer p = normalize(pass, raw);
  const auto column = static_cast<std::size_t>(index);
  draw.raw_log_prob = (raw.at(column) - p.max) - p.log_sum;
  draw.raw_entropy = row_entropy(raw, p);
  rank(raw, p, options.top, draw);

  const Rows edited = sampler.edited_row();
  RowReader<double> before(edited, 0);
  pass.find_max(before);
  const double beta = sampler.inverse_temperature();
  draw.tempered_log_prob = beta * (before.at(column) - pass.max()) -
                           tempered_row<double>(edited, 0, pass.max(), beta).log_sum;

  const Candidates& kept = sampler.kept();
  draw.log_prob = sampler.log_prob(index);
  draw.entropy = entropy_of(kept.logits);
  draw.kept_count = kept.ids.size();
  CompensatedSum mass;
  for (const std::int64_t id : kept.ids) {
    mass.add(std::exp((raw.at(static_cast<std::size_t>(id)) - p.max) - p.log_sum));
  }
  draw.kept_mass = std::min(1.0, mass.value());
  if (options.kept) draw.kept = kept.ids;
  return draw;
}

}  // namespace partita::sampler
