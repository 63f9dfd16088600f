// SPDX-License-Identifier: Apache-2.0
#include "partita/noise/counterfactual.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/noise/internal/sequential.hpp"
#include "partita/random/fill.hpp"
#include "partita/search/score.hpp"

namespace partita {
namespace {

constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();

/// The logits of each observed token, the end included.
std::vector<std::vector<double>> observed_logits(const SequenceModel& model, const Sequence& prompt,
                                                 const Hypothesis& observed,
                                                 const SearchOptions& options) {
  Sequence whole = prompt;
  whole.insert(whole.end(), observed.tokens.begin(), observed.tokens.end());
  const std::size_t count = observed.tokens.size() + (observed.finished ? 1 : 0);
  std::vector<std::vector<double>> logits(count);
  score_sequences(model, {&whole, 1}, options,
                  [&](std::size_t /*sequence*/, std::size_t position, Rows row) {
                    if (position >= prompt.size() && position - prompt.size() < count) {
                      logits[position - prompt.size()] = doubles_of(row);
                    }
                  });
  return logits;
}

Token arg_max_of_sum(Rows logits, std::span<const double> noise) {
  std::vector<double> sums = doubles_of(logits);
  for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += noise[i];
  return static_cast<Token>(std::max_element(sums.begin(), sums.end()) - sums.begin());
}

}  // namespace

std::vector<double> noise_given_draw(Rows logits, Token token, const Stream& stream) {
  const std::size_t v = logits.columns();
  check_index("token", token, v, "tokens");
  const std::vector<double> z = doubles_of(logits);
  const auto drawn = static_cast<std::size_t>(token);
  if (z[drawn] == kMinusInfinity) {
    throw InvalidArgument("token", fmt::format("{} is impossible (-inf)", token));
  }
  const double maximum = log_sum_exp({z.data(), 1, v}).front() + stream.gumbel(0);
  // Those of the categories begin at 4.
  std::vector<double> noise(v);
  fill_exponential(stream, 4, noise);
  for (std::size_t i = 0; i < v; ++i) noise[i] = -std::log(noise[i] + std::exp(z[i] - maximum));
  noise[drawn] = maximum - z[drawn];
  return noise;
}

std::vector<Hypothesis> counterfactual_samples(const SequenceModel& model, const Sequence& prompt,
                                               const Hypothesis& observed,
                                               const SequenceModel& other,
                                               const Sequence& other_prompt, std::size_t n,
                                               const Streams& streams, const SearchOptions& options,
                                               const SearchOptions& other_options) {
  check_search(model, options);
  check_prompt(model, prompt);
  streams.check_covers(n);
  check_same_vocabulary("other", model, other);
  const Token end = model.end_token();
  if (observed.finished && end < 0) {
    throw InvalidArgument("observed", "it has ended, which the model's texts never do");
  }
  const auto logits = observed_logits(model, prompt, observed, options);
  const auto token_at = [&](std::size_t t) {
    return t < observed.tokens.size() ? observed.tokens[t] : end;
  };
  for (std::size_t t = 0; t < logits.size(); ++t) {
    if (logits[t][static_cast<std::size_t>(token_at(t))] == kMinusInfinity) {
      throw InvalidArgument(
          "observed", fmt::format("the model cannot have drawn token {} at {}", token_at(t), t));
    }
  }
  return draw_sequences(other, other_prompt, n, other_options,
                        [&](std::size_t sample, const Sequence& prefix, Rows row) {
                          const std::size_t t = prefix.size() - other_prompt.size();
                          const Stream stream = streams[sample].child(t);
                          if (t < logits.size()) {
                            const Rows seen(logits[t].data(), 1, logits[t].size());
                            return arg_max_of_sum(row, noise_given_draw(seen, token_at(t), stream));
                          }
                          std::vector<double> fresh(row.columns());
                          fill_gumbel(stream, 4, fresh);
                          return arg_max_of_sum(row, fresh);
                        });
}

}  // namespace partita
