// SPDX-License-Identifier: Apache-2.0
#include "partita/search/ancestral.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <utility>

#include "partita/base/error.hpp"
#include "partita/sampler/sample.hpp"
#include "partita/search/internal/decoder.hpp"
#include "partita/softmax/softmax.hpp"

namespace partita {
namespace {

/// The probabilities of one row, ready to be drawn from.
class Categorical {
 public:
  void reset(std::span<const double> probabilities) {
    probabilities_ = probabilities;
    cumulative_.resize(probabilities.size());
    std::partial_sum(probabilities.begin(), probabilities.end(), cumulative_.begin());
  }

  /// u in (0, 1). An impossible category adds nothing to the sum, so no u leads to it.
  Token at(double u) const {
    const auto found =
        std::upper_bound(cumulative_.begin(), cumulative_.end() - 1, u * cumulative_.back());
    return static_cast<Token>(found - cumulative_.begin());
  }

  double log_prob(Token token) const { return std::log(probability(token)); }
  double probability(Token token) const { return probabilities_[static_cast<std::size_t>(token)]; }

  /// Where in the share of its token u lies, in [0, 1).
  double rest(double u, Token token) const {
    const auto i = static_cast<std::size_t>(token);
    const double before = i == 0 ? 0 : cumulative_[i - 1];
    return std::clamp((u * cumulative_.back() - before) / (cumulative_[i] - before), 0.0,
                      1 - 0x1p-53);
  }

 private:
  std::span<const double> probabilities_;
  std::vector<double> cumulative_;
};

/// A sample and the token that it drew; sorted, they fall into the children of a prefix.
struct Choice {
  Token token;
  std::size_t sample;
  bool operator<(const Choice& other) const {
    return token != other.token ? token < other.token : sample < other.sample;
  }
};

/// Draws under a filter of which a step is random or has a state: each sample by itself.
class Steered {
 public:
  Steered(const SamplerSettings& filter, std::size_t samples)
      : settings_(filter),
        mirostat_(samples,
                  filter.mirostat_state != nullptr ? *filter.mirostat_state : MirostatState{}),
        adaptive_(samples,
                  filter.adaptive_state != nullptr ? *filter.adaptive_state : AdaptiveState{}) {}

  /// The next token of the batch's sample `i` and its log-probability.
  CategoryLogProb draw(Rows logits, const Sequence& prefix, std::size_t i, const Stream& stream) {
    settings_.history = prefix;
    settings_.mirostat_state = &mirostat_[i];
    settings_.adaptive_state = &adaptive_[i];
    try {
      const Draw drawn = sample_with_report(logits, settings_, stream).front();
      return {drawn.index, drawn.log_prob};
    } catch (const InvalidArgument&) {  // the row is good, as the decoder has looked at it
      throw InvalidArgument("filter",
                            fmt::format("allows no possible token after {} tokens", prefix.size()));
    }
  }

 private:
  SamplerSettings settings_;
  std::vector<MirostatState> mirostat_;
  std::vector<AdaptiveState> adaptive_;
};

/// Where a sample of arithmetic_samples() lies in the share of its prefix, and how large that is.
struct Code {
  double place;
  double share = 1;
};

SearchOptions without_filter(SearchOptions options) {
  options.filter = {};
  return options;
}

/// Samples [first, last), a batch, grouped by what they have drawn so far.
class Walk {
 public:
  /// @param codes of all samples; empty: they draw independently
  Walk(const SequenceModel& model, const Streams& streams, const SearchOptions& options,
       std::span<const Token> prompt, std::size_t first, std::size_t last,
       std::span<Hypothesis> out, std::span<Code> codes = {})
      : end_token_(model.end_token()),
        max_length_(options.max_length),
        prompt_(prompt.size()),
        streams_(&streams),
        first_(first),
        decoder_(model, options.filter.steered_step() ? without_filter(options) : options),
        out_(out),
        codes_(codes) {
    if (options.filter.steered_step()) steered_.emplace(options.filter, last - first);
    rows_.push({prompt.begin(), prompt.end()}, -1);
    for (std::size_t sample = first; sample < last; ++sample) rows_.samples.push_back(sample);
    rows_.close();
  }

  void run() {
    for (std::size_t step = 0; rows_.count > 0; ++step) {
      if (step > 0) decoder_.reorder(parents_);
      parents_.clear();
      children_.clear();
      const Rows logits = decoder_.next(std::span(rows_.prefix).first(rows_.count));
      const std::size_t vocabulary = logits.columns();
      if (!steered_) {
        probabilities_.resize(logits.rows() * vocabulary);
        softmax(logits, {probabilities_.data(), logits.rows(), vocabulary});
      }
      for (std::size_t row = 0; row < rows_.count; ++row) {
        if (steered_) {
          draw_each(row, step, logits.slice(row, 1));
        } else {
          categorical_.reset(std::span(probabilities_).subspan(row * vocabulary, vocabulary));
          draw_together(row, step);
        }
        advance(row, step);
      }
      std::swap(rows_, children_);
    }
  }

 private:
  /// Distinct prefixes, and the samples at each. Emptied and refilled, it keeps its memory.
  struct Prefixes {
    std::size_t count = 0;
    std::vector<Sequence> prefix;
    std::vector<std::size_t> samples;  // those of row r: first[r] ... first[r + 1]
    std::vector<std::size_t> first{0};

    void clear() {
      count = 0;
      samples.clear();
      first.assign(1, 0);
    }
    void push(const Sequence& parent, Token token) {
      if (prefix.size() == count) prefix.emplace_back();
      prefix[count].assign(parent.begin(), parent.end());
      if (token >= 0) prefix[count].push_back(token);
      ++count;
    }
    void close() { first.push_back(samples.size()); }
  };

  /// Samples at a row.
  std::span<const std::size_t> samples_at(std::size_t row) const {
    return std::span(rows_.samples)
        .subspan(rows_.first[row], rows_.first[row + 1] - rows_.first[row]);
  }

  void choose(std::size_t sample, Token token, double log_prob) {
    choices_.push_back({token, sample});
    out_[sample].log_prob += log_prob;
  }

  /// Every sample at `row` draws its next token from the distribution that they share.
  void draw_together(std::size_t row, std::size_t step) {
    choices_.clear();
    for (const std::size_t sample : samples_at(row)) {
      const double u = codes_.empty() ? (*streams_)[sample].uniform(step) : codes_[sample].place;
      const Token token = categorical_.at(u);
      choose(sample, token, categorical_.log_prob(token));
      if (!codes_.empty()) descend(sample, token, step);
    }
  }

  /// Moves a code into the share of its token. A place has 53 bits, of which 33 are left when it
  /// begins anew.
  void descend(std::size_t sample, Token token, std::size_t step) const {
    Code& code = codes_[sample];
    const double share = code.share * categorical_.probability(token);
    code = share < 0x1p-20 ? Code{.place = (*streams_)[sample].uniform(step)}
                           : Code{categorical_.rest(code.place, token), share};
  }

  /// Every sample at `row` draws its next token from a distribution of its own.
  void draw_each(std::size_t row, std::size_t step, Rows logits) {
    choices_.clear();
    for (const std::size_t sample : samples_at(row)) {
      const CategoryLogProb drawn = steered_->draw(logits, rows_.prefix[row], sample - first_,
                                                   (*streams_)[sample].child(step));
      choose(sample, static_cast<Token>(drawn.index), drawn.log_prob);
    }
  }

  /// Samples whose tokens agree go on together.
  void advance(std::size_t row, std::size_t step) {
    std::sort(choices_.begin(), choices_.end());
    for (auto it = choices_.begin(); it != choices_.end();) {
      const Token token = it->token;
      const bool finished = token == end_token_;
      const bool leaf = finished || step + 1 == max_length_;
      if (!leaf) {
        children_.push(rows_.prefix[row], token);
        parents_.push_back(row);
      }
      for (; it != choices_.end() && it->token == token; ++it) {
        if (!leaf) {
          children_.samples.push_back(it->sample);
          continue;
        }
        Hypothesis& done = out_[it->sample];
        const Sequence& prefix = rows_.prefix[row];
        done.tokens.assign(prefix.begin() + static_cast<std::ptrdiff_t>(prompt_), prefix.end());
        if (!finished) done.tokens.push_back(token);
        done.finished = finished;
      }
      if (!leaf) children_.close();
    }
  }

  Token end_token_;
  std::size_t max_length_;
  std::size_t prompt_;
  const Streams* streams_;
  std::size_t first_;  ///< of the batch's samples
  std::optional<Steered> steered_;
  Decoder decoder_;
  std::span<Hypothesis> out_;
  std::span<Code> codes_;
  Prefixes rows_;
  Prefixes children_;
  std::vector<std::size_t> parents_;
  std::vector<double> probabilities_;
  Categorical categorical_;
  std::vector<Choice> choices_;
};

}  // namespace

std::vector<Hypothesis> ancestral_samples(const SequenceModel& model, const Sequence& prompt,
                                          std::size_t n, const Streams& streams,
                                          const SearchOptions& options) {
  check_search(model, options);
  check_prompt(model, prompt);
  streams.check_covers(n);
  std::vector<Hypothesis> out(n);
  for_each_batch(model, options, n, 1, [&](std::size_t first, std::size_t last) {
    Walk(model, streams, options, prompt, first, last, out).run();
  });
  return out;
}

std::vector<Hypothesis> arithmetic_samples(const SequenceModel& model, const Sequence& prompt,
                                           std::size_t n, const Stream& stream,
                                           const SearchOptions& options) {
  check_search(model, options);
  check_unsteered(options.filter);
  check_prompt(model, prompt);
  enum class Purpose : std::uint8_t { places, fresh };
  const double u = stream.child(Purpose::places).uniform(0);
  std::vector<Code> codes;
  for (std::size_t i = 0; i < n; ++i) {
    codes.push_back({.place = (static_cast<double>(i) + u) / static_cast<double>(n)});
  }
  const Streams fresh(stream.child(Purpose::fresh));
  std::vector<Hypothesis> out(n);
  for_each_batch(model, options, n, 1, [&](std::size_t first, std::size_t last) {
    Walk(model, fresh, options, prompt, first, last, out, codes).run();
  });
  return out;
}

}  // namespace partita
