// SPDX-License-Identifier: Apache-2.0
#include "partita/sampler/sample.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/gumbel/internal/unanswered.hpp"
#include "partita/gumbel/top_down.hpp"
#include "partita/sampler/internal/draw_without_replacement.hpp"
#include "partita/sampler/internal/report.hpp"
#include "partita/sampler/internal/row_sampler.hpp"

namespace partita {

using sampler::RowSampler;

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// After the draw of `index`: what Mirostat and adaptive-p remember.
void update_states(const SamplerSettings& settings, RowSampler& row, std::int64_t index) {
  for (const SamplerStep step : settings.order) {
    if (!settings.uses(step)) continue;
    if (step == SamplerStep::mirostat) {
      const double surprise = -row.log_prob(index) / std::log(2.0);
      MirostatState& state = *settings.mirostat_state;
      state.mu = sampler::mirostat_mu(settings) -
                 settings.mirostat_eta * (surprise - settings.mirostat_tau);
    }
    if (step == SamplerStep::adaptive_p) {
      AdaptiveState& state = *settings.adaptive_state;
      const double decay = settings.adaptive_decay;
      if (state.total_weight == 0) {
        state.total_weight = 1 / (1 - decay);
        state.weighted_sum = settings.adaptive_target * state.total_weight;
      }
      state.weighted_sum =
          std::exp(row.log_prob_before_adaptation(index)) + decay * state.weighted_sum;
      state.total_weight = 1 + decay * state.total_weight;
    }
  }
}

}  // namespace

void RowSettings::check_covers(std::size_t rows) const {
  if (all_ == nullptr && each_.size() != rows) {
    throw InvalidArgument(
        "settings", fmt::format("expected one, or {} (one a row), got {}", rows, each_.size()));
  }
}

std::vector<std::int64_t> sample(Rows logits, const RowSettings& settings, const Streams& streams,
                                 const RowOptions& options) {
  settings.check_covers(logits.rows());
  streams.check_covers(logits.rows());
  std::vector<std::int64_t> drawn(logits.rows(), -1);
  for_each_row<RowSampler>(logits.rows(), options, [&](std::size_t r, RowSampler& row) {
    row.reset(logits, r, settings[r], streams[r]);
    const std::int64_t index = row.draw();
    update_states(settings[r], row, index);
    drawn[r] = index;
  });
  return drawn;
}

std::vector<Draw> sample_with_report(Rows logits, const RowSettings& settings,
                                     const Streams& streams, const ReportOptions& options) {
  settings.check_covers(logits.rows());
  streams.check_covers(logits.rows());
  std::vector<Draw> draws(logits.rows());
  for_each_row<RowSampler>(logits.rows(), {.threads = options.threads, .errors = options.errors},
                           [&](std::size_t r, RowSampler& row) {
                             row.reset(logits, r, settings[r], streams[r]);
                             const std::int64_t index = row.draw();
                             Draw draw = sampler::report(logits, r, index, row, options);
                             update_states(settings[r], row, index);
                             draws[r] = std::move(draw);
                           });
  return draws;
}

TopKSample sample_without_replacement(Rows logits, std::size_t k, const RowSettings& settings,
                                      const Streams& streams, const RowOptions& options) {
  const std::size_t rows = logits.rows();
  check_between("k", k, 1, logits.columns(), "categories");
  settings.check_covers(rows);
  streams.check_covers(rows);
  TopKSample sample = unanswered(rows, k);
  struct Workspace {
    RowSampler row;
    TopDown top_down;
  };
  for_each_row<Workspace>(rows, options, [&](std::size_t r, Workspace& workspace) {
    auto& [row, top_down] = workspace;
    row.reset(logits, r, settings[r], streams[r]);
    sampler::draw_without_replacement(row.kept(), settings[r], streams[r], top_down, sample, r);
  });
  return sample;
}

std::vector<double> replay_log_prob(Rows logits, std::span<const std::int64_t> tokens,
                                    const RowSettings& settings, const Streams& streams,
                                    const RowOptions& options) {
  const std::size_t rows = logits.rows();
  check_size("tokens", tokens.size(), rows, "one for each row");
  settings.check_covers(rows);
  streams.check_covers(rows);
  std::vector<double> result(rows, kNaN);
  for_each_row<RowSampler>(rows, options, [&](std::size_t r, RowSampler& row) {
    check_index("tokens", tokens[r], logits.columns());
    row.reset(logits, r, settings[r], streams[r]);
    result[r] = row.log_prob(tokens[r]);
  });
  return result;
}

}  // namespace partita
