// SPDX-License-Identifier: Apache-2.0
#include "partita/search/internal/decoder.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/sampler/filter.hpp"

namespace partita {
namespace {

/// For messages: "[3, 1, 4]", or the end of a long one.
std::string describe(std::span<const Token> prefix) {
  constexpr std::size_t kShown = 12;
  if (prefix.size() <= kShown) return fmt::format("[{}]", fmt::join(prefix, ", "));
  return fmt::format("[..., {}]", fmt::join(prefix.last(kShown), ", "));
}

enum class RowKind { good, invalid, impossible };

template <class T>
RowKind classify(std::span<const T> row) {
  constexpr T kInfinity = std::numeric_limits<T>::infinity();
  using Flag = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;  // fills vectors
  Flag invalid = 0;
  Flag possible = 0;
  for (const T z : row) {
    invalid |= z < kInfinity ? Flag{0} : Flag{1};  // NaN is not, either
    possible |= z > -kInfinity ? Flag{1} : Flag{0};
  }
  return invalid != 0 ? RowKind::invalid : possible != 0 ? RowKind::good : RowKind::impossible;
}

template <class T>
void check_row(std::span<const T> row, std::span<const Token> prefix) {
  const RowKind kind = classify(row);
  if (kind == RowKind::impossible) {
    throw InvalidArgument("model", fmt::format("every token is impossible (-inf) after the prefix "
                                               "{}",
                                               describe(prefix)));
  }
  if (kind == RowKind::invalid) {
    const auto bad = std::find_if(row.begin(), row.end(),
                                  [](T z) { return !(z < std::numeric_limits<T>::infinity()); });
    throw InvalidArgument("model", fmt::format("{} as the logit of token {} after the prefix {}",
                                               std::isnan(*bad) ? "NaN" : "+inf", bad - row.begin(),
                                               describe(prefix)));
  }
}

}  // namespace

template <class T>
Rows Decoder::ask(std::span<const Sequence> prefixes, std::vector<T>& buffer) {
  const std::size_t vocabulary = model_->vocabulary_size();
  // What a model forgets to write shows as NaN.
  buffer.assign(prefixes.size() * vocabulary, std::numeric_limits<T>::quiet_NaN());
  model_->next_logits(prefixes, state_.get(), {buffer.data(), prefixes.size(), vocabulary});
  for (std::size_t i = 0; i < prefixes.size(); ++i) {
    check_row(std::span<const T>(buffer).subspan(i * vocabulary, vocabulary), prefixes[i]);
  }
  return {buffer.data(), prefixes.size(), vocabulary};
}

Rows Decoder::next(std::span<const Sequence> prefixes) {
  const bool single = model_->logits_dtype() == DType::f32;
  const Rows logits = single ? ask(prefixes, floats_) : ask(prefixes, doubles_);
  // Also those that this prefix leaves as they are: by the rows beside it, it would else be f32 or
  // f64, which differ in last digits.
  if (filter_.is_always_identity()) return logits;
  if (single) doubles_.assign(floats_.begin(), floats_.end());
  const std::size_t vocabulary = logits.columns();
  for (std::size_t i = 0; i < prefixes.size(); ++i) {
    const std::span<double> row(&doubles_[i * vocabulary], vocabulary);
    filter_.history = prefixes[i];
    try {
      apply_settings(filter_, {}, row);
    } catch (const InvalidArgument&) {  // the row is good, as it comes from the model
      throw InvalidArgument("filter", fmt::format("allows no possible token after the prefix {}",
                                                  describe(prefixes[i])));
    }
  }
  return {doubles_.data(), prefixes.size(), vocabulary};
}

void check_search(const SequenceModel& model, const SearchOptions& options) {
  const std::size_t vocabulary = model.vocabulary_size();
  if (vocabulary == 0) throw InvalidArgument("model", "vocabulary_size() is 0");
  if (model.end_token() < -1 || model.end_token() >= static_cast<std::int64_t>(vocabulary)) {
    throw InvalidArgument("model", fmt::format("end_token() is {}, expected -1 (none) or 0..{}",
                                               model.end_token(), vocabulary - 1));
  }
  const DType dtype = model.logits_dtype();
  if (dtype != DType::f64 && dtype != DType::f32) {
    throw InvalidArgument("model", "logits_dtype() is neither f64 nor f32");
  }
  check_at_least("max_length", options.max_length, 1);
  check_at_least("threads", options.threads, 1);
  SamplerSettings filter = options.filter;
  filter.history = {};
  MirostatState mirostat;  // each sample has its own
  AdaptiveState adaptive;
  filter.mirostat_state = &mirostat;
  filter.adaptive_state = &adaptive;
  filter.check(vocabulary);
}

void check_unsteered(const SamplerSettings& filter) {
  const auto step = filter.steered_step();
  if (!step) return;
  throw InvalidArgument(
      "filter", fmt::format("only independent samples can use {}, which is random or has a state",
                            name(*step)));
}

void check_width(const SequenceModel& model, std::size_t k) {
  check_at_least("k", k, 1);
  if (k > model.most_prefixes()) {
    check_between("k", k, 1, model.most_prefixes(), "prefixes that the model can hold");
  }
}

void check_prompt(const SequenceModel& model, std::span<const Token> prompt) {
  for (const Token token : prompt) check_index("prompt", token, model.vocabulary_size(), "tokens");
}

std::size_t jobs_per_batch(const SequenceModel& model, const SearchOptions& options,
                           std::size_t rows_per_job) {
  constexpr std::size_t kLogits = std::size_t{1} << 22U;  // 32 MiB of them
  constexpr std::size_t kMostRows = 65536;
  const std::size_t rows =
      options.batch != 0 ? options.batch
                         : std::clamp<std::size_t>(kLogits / model.vocabulary_size(), 1, kMostRows);
  return std::max<std::size_t>(
      1, std::min(rows, model.most_prefixes()) / std::max<std::size_t>(1, rows_per_job));
}

}  // namespace partita
