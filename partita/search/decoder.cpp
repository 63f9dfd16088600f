#include "partita/search/decoder.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <limits>
#include <string>

#include "partita/base/error.hpp"

namespace partita {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kUnwritten = std::numeric_limits<double>::quiet_NaN();

/// For messages: "[3, 1, 4]", or the end of a long one.
std::string describe(std::span<const Token> prefix) {
  constexpr std::size_t kShown = 12;
  if (prefix.size() <= kShown) return fmt::format("[{}]", fmt::join(prefix, ", "));
  return fmt::format("[..., {}]", fmt::join(prefix.last(kShown), ", "));
}

enum class RowKind { good, invalid, impossible };

RowKind classify(std::span<const double> row) {
  bool valid = true;
  bool possible = false;
  for (const double z : row) {
    valid &= z < kInfinity;  // NaN is not, either
    possible |= z > -kInfinity;
  }
  return !valid ? RowKind::invalid : possible ? RowKind::good : RowKind::impossible;
}

[[noreturn]] void refuse(std::span<const double> row, std::span<const Token> prefix) {
  const auto bad = std::find_if(row.begin(), row.end(), [](double z) { return !(z < kInfinity); });
  throw InvalidArgument(
      "model", fmt::format("{} as the logit of token {} after the prefix {}",
                           std::isnan(*bad) ? "NaN" : "+inf", bad - row.begin(), describe(prefix)));
}

}  // namespace

MutableRows Decoder::next(std::span<const Sequence> prefixes) {
  const std::size_t vocabulary = model_->vocabulary_size();
  buffer_.assign(prefixes.size() * vocabulary, kUnwritten);  // what a model forgets is seen as NaN
  const MutableRows logits(buffer_.data(), prefixes.size(), vocabulary);
  model_->next_logits(prefixes, state_.get(), logits);
  const bool filtered = !filter_.is_identity();
  for (std::size_t i = 0; i < prefixes.size(); ++i) {
    const std::span<double> row(logits.row_data<double>(i), vocabulary);
    const RowKind kind = classify(row);
    if (kind == RowKind::invalid) refuse(row, prefixes[i]);
    if (kind == RowKind::impossible) {
      throw InvalidArgument("model",
                            fmt::format("every token is impossible (-inf) after the prefix {}",
                                        describe(prefixes[i])));
    }
    if (!filtered) continue;
    filter_.apply(row);
    if (classify(row) != RowKind::good) {
      throw InvalidArgument("filter", fmt::format("allows no possible token after the prefix {}",
                                                  describe(prefixes[i])));
    }
  }
  return logits;
}

void check_search(const SequenceModel& model, const SearchOptions& options) {
  const std::size_t vocabulary = model.vocabulary_size();
  if (vocabulary == 0) throw InvalidArgument("model", "vocabulary_size() is 0");
  if (model.end_token() < -1 || model.end_token() >= static_cast<std::int64_t>(vocabulary)) {
    throw InvalidArgument("model", fmt::format("end_token() is {}, expected -1 (none) or 0..{}",
                                               model.end_token(), vocabulary - 1));
  }
  if (options.max_length == 0) throw InvalidArgument("max_length", "expected 1 or more, got 0");
  if (options.threads < 1) {
    throw InvalidArgument("threads", fmt::format("expected 1 or more, got {}", options.threads));
  }
  options.filter.check(vocabulary);
}

void check_prompt(const SequenceModel& model, std::span<const Token> prompt) {
  for (const Token token : prompt) {
    if (token < 0 || token >= static_cast<std::int64_t>(model.vocabulary_size())) {
      throw InvalidArgument("prompt", fmt::format("token {} is not in 0..{} (the vocabulary)",
                                                  token, model.vocabulary_size() - 1));
    }
  }
}

std::size_t jobs_per_batch(const SequenceModel& model, const SearchOptions& options,
                           std::size_t rows_per_job) {
  constexpr std::size_t kLogits = std::size_t{1} << 22U;  // 32 MiB of them
  constexpr std::size_t kMostRows = 65536;
  const std::size_t rows =
      options.batch != 0 ? options.batch
                         : std::clamp<std::size_t>(kLogits / model.vocabulary_size(), 1, kMostRows);
  return std::max<std::size_t>(1, rows / std::max<std::size_t>(1, rows_per_job));
}

}  // namespace partita
