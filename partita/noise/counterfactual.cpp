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

namespace partita {
namespace {

constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();

/// The tokens that a text was drawn as, the end included.
Sequence drawn_tokens(const SequenceModel& model, const Hypothesis& observed) {
  const Token end = model.end_token();
  for (const Token token : observed.tokens) {
    check_index("observed", token, model.vocabulary_size(), "tokens");
    if (token == end) throw InvalidArgument("observed", "it goes on after the end token");
  }
  Sequence out = observed.tokens;
  if (!observed.finished) return out;
  if (end < 0) throw InvalidArgument("observed", "it has ended, which the model's texts never do");
  out.push_back(end);
  return out;
}

/// The logits that each of these tokens was drawn from, after the prompt.
std::vector<std::vector<double>> logits_of(const SequenceModel& model, const Sequence& prompt,
                                           std::span<const Token> drawn,
                                           const SearchOptions& options) {
  constexpr std::size_t kItsRow[] = {0};
  Decoder decoder(model, options);
  Sequence prefix = prompt;
  std::vector<std::vector<double>> logits;
  for (std::size_t t = 0; t < drawn.size(); ++t) {
    if (t > 0) decoder.reorder(kItsRow);
    logits.push_back(doubles_of(decoder.next({&prefix, 1})));
    if (logits[t][static_cast<std::size_t>(drawn[t])] == kMinusInfinity) {
      throw InvalidArgument("observed",
                            fmt::format("the model cannot have drawn token {} at {}", drawn[t], t));
    }
    prefix.push_back(drawn[t]);
  }
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
  check_unsteered(options.filter);
  check_prompt(model, prompt);
  streams.check_covers(n);
  check_same_vocabulary("other", model, other);
  const Sequence drawn = drawn_tokens(model, observed);
  const auto logits = logits_of(model, prompt, drawn, options);
  return draw_sequences(other, other_prompt, n, other_options,
                        [&](std::size_t sample, const Sequence& prefix, Rows row) {
                          const std::size_t t = prefix.size() - other_prompt.size();
                          const Stream stream = streams[sample].child(t);
                          if (t < drawn.size()) {
                            const Rows seen(logits[t].data(), 1, logits[t].size());
                            return arg_max_of_sum(row, noise_given_draw(seen, drawn[t], stream));
                          }
                          std::vector<double> fresh(row.columns());
                          fill_gumbel(stream, 4, fresh);
                          return arg_max_of_sum(row, fresh);
                        });
}

}  // namespace partita
