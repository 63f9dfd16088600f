// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/replay_log_prob.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <iterator>
#include <string>
#include <vector>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/learn/rows.hpp"
#include "partita/sampler/filter.hpp"
#include "partita/sampler/internal/row_sampler.hpp"

namespace partita {
namespace {

/// The factors of single rows' logits; all edits but the temperature and repeat_penalty add.
class Slopes {
 public:
  Slopes(const SamplerSettings& settings, const Stream& stream, std::span<const double> row)
      : slope_(temperature(settings)) {
    const auto penalties =
        std::find(settings.order.begin(), settings.order.end(), SamplerStep::penalties);
    if (penalties == settings.order.end() || !settings.uses(SamplerStep::penalties)) return;
    // Positive logits are divided, others multiplied, which changes no sign: edits up to there.
    std::vector<SamplerStep> edits;
    std::copy_if(settings.order.begin(), penalties + 1, std::back_inserter(edits),
                 [](SamplerStep step) {
                   return step == SamplerStep::dry || step == SamplerStep::temperature ||
                          step == SamplerStep::penalties;
                 });
    SamplerSettings repetition = settings;
    repetition.order = edits;
    repetition.frequency_penalty = 0;
    repetition.presence_penalty = 0;
    edited_.assign(row.begin(), row.end());
    apply_settings(repetition, stream, edited_);
    repeated_.assign(row.size(), 0);
    const auto last =
        settings.history.last(std::min(settings.penalty_last_n, settings.history.size()));
    for (const std::int32_t token : last) repeated_[static_cast<std::size_t>(token)] = 1;
    penalty_ = settings.repeat_penalty;
  }

  double of(std::size_t id) const {
    if (repeated_.empty() || repeated_[id] == 0) return slope_;
    return edited_[id] > 0 ? slope_ / penalty_ : slope_ * penalty_;
  }

 private:
  static double temperature(const SamplerSettings& settings) {
    const bool used = std::find(settings.order.begin(), settings.order.end(),
                                SamplerStep::temperature) != settings.order.end();
    return used ? 1 / settings.temperature : 1;
  }

  double slope_;
  double penalty_ = 1;
  std::vector<double> edited_;
  std::vector<std::uint8_t> repeated_;
};

void check_differentiable(const SamplerSettings& settings) {
  const auto refuse = [](const char* setting) {
    throw InvalidArgument(setting, "expected to be off: it has no gradients here");
  };
  if (settings.dynatemp_range != 0) refuse("dynatemp_range");
  if (settings.adaptive_target >= 0) refuse("adaptive_target");
}

/// What is kept of all rows, one after the other.
struct Kept {
  std::vector<std::int64_t> row;
  std::vector<std::int64_t> place;  // in the matrix, row by row
  std::vector<double> slope;
  std::vector<double> shift;
  std::vector<double> max;          // of each row
  std::vector<std::int64_t> token;  // where the row's token stands among these; 0 if nowhere
  std::vector<double> log_prob;     // of each row's token
};

Kept kept_of(const Tensor& matrix, std::span<const std::int64_t> tokens,
             const RowSettings& settings, const Streams& streams) {
  const Rows logits = rows_of(matrix, "logits");
  check_size("tokens", tokens.size(), logits.rows(), "one for each row");
  settings.check_covers(logits.rows());
  streams.check_covers(logits.rows());
  const Tensor doubles = matrix.to(at::kDouble).contiguous();
  Kept all;
  sampler::RowSampler row;
  for (std::size_t r = 0; r < logits.rows(); ++r) {
    try {
      check_index("tokens", tokens[r], logits.columns());
      check_differentiable(settings[r]);
      row.reset(logits, r, settings[r], streams[r]);
    } catch (const InvalidArgument& error) {
      throw InvalidArgument(error.argument(), "row " + std::to_string(r) + ": " + error.reason());
    }
    const std::span values(doubles.data_ptr<double>() + r * logits.columns(), logits.columns());
    const Slopes slopes(settings[r], streams[r], values);
    const sampler::Candidates& kept = row.kept();
    std::int64_t token = 0;
    for (std::size_t j = 0; j < kept.ids.size(); ++j) {
      const auto id = static_cast<std::size_t>(kept.ids[j]);
      if (kept.ids[j] == tokens[r]) token = static_cast<std::int64_t>(all.row.size());
      all.row.push_back(static_cast<std::int64_t>(r));
      all.place.push_back(static_cast<std::int64_t>(r * logits.columns() + id));
      all.slope.push_back(slopes.of(id));
      all.shift.push_back(kept.logits[j] - all.slope.back() * values[id]);
    }
    all.max.push_back(*std::max_element(kept.logits.begin(), kept.logits.end()));
    all.token.push_back(token);
    all.log_prob.push_back(row.log_prob(tokens[r]));
  }
  return all;
}

}  // namespace

Tensor replay_log_prob(const Tensor& logits, std::span<const std::int64_t> tokens,
                       const RowSettings& settings, const Streams& streams) {
  const Kept kept = kept_of(logits.detach().cpu(), tokens, settings, streams);
  const Tensor row = at::tensor(kept.row);
  const Tensor z =
      logits.cpu().to(at::kDouble).reshape({-1}).index_select(0, at::tensor(kept.place));
  const Tensor x = z * at::tensor(kept.slope, at::kDouble) + at::tensor(kept.shift, at::kDouble);
  const Tensor max = at::tensor(kept.max, at::kDouble);
  const Tensor sum = at::zeros_like(max).index_add(0, row, (x - max.index_select(0, row)).exp());
  const Tensor log_prob = x.index_select(0, at::tensor(kept.token)) - max - sum.log();
  // Its gradients, and the other's value.
  const Tensor exact = at::tensor(kept.log_prob, at::kDouble);
  return at::where(exact.isinf(), exact, log_prob - log_prob.detach() + exact);
}

}  // namespace partita
