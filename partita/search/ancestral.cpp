#include "partita/search/ancestral.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

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

  double log_prob(Token token) const {
    return std::log(probabilities_[static_cast<std::size_t>(token)]);
  }

 private:
  std::span<const double> probabilities_;
  std::vector<double> cumulative_;
};

/// A sample and the token that it drew; sorted, they fall into the children of a prefix.
struct Draw {
  Token token;
  std::size_t sample;
  bool operator<(const Draw& other) const {
    return token != other.token ? token < other.token : sample < other.sample;
  }
};

/// The samples of one batch, grouped by what they have drawn so far.
class Walk {
 public:
  Walk(const SequenceModel& model, const Streams& streams, const SearchOptions& options,
       std::span<const Token> prompt, std::span<Hypothesis> out)
      : end_token_(model.end_token()),
        max_length_(options.max_length),
        prompt_(prompt.size()),
        streams_(&streams),
        decoder_(model, options),
        out_(out) {
    rows_.push({prompt.begin(), prompt.end()}, -1, 0);
  }

  /// Draws samples [first, last).
  void run(std::size_t first, std::size_t last) {
    for (std::size_t sample = first; sample < last; ++sample) rows_.samples.push_back(sample);
    rows_.close();
    for (std::size_t step = 0; rows_.count > 0; ++step) {
      if (step > 0) decoder_.reorder(parents_);
      parents_.clear();
      children_.clear();
      const Rows logits = decoder_.next(std::span(rows_.prefix).first(rows_.count));
      const std::size_t vocabulary = logits.columns();
      probabilities_.resize(logits.rows() * vocabulary);
      softmax(logits, {probabilities_.data(), logits.rows(), vocabulary});
      for (std::size_t row = 0; row < rows_.count; ++row) {
        categorical_.reset(std::span(probabilities_).subspan(row * vocabulary, vocabulary));
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
    std::vector<double> log_prob;
    std::vector<std::size_t> samples;  // those of row r: first[r] ... first[r + 1]
    std::vector<std::size_t> first{0};

    void clear() {
      count = 0;
      log_prob.clear();
      samples.clear();
      first.assign(1, 0);
    }
    void push(const Sequence& parent, Token token, double value) {
      if (prefix.size() == count) prefix.emplace_back();
      prefix[count].assign(parent.begin(), parent.end());
      if (token >= 0) prefix[count].push_back(token);
      log_prob.push_back(value);
      ++count;
    }
    void close() { first.push_back(samples.size()); }
  };

  /// Every sample at `row` draws its next token; those that agree go on together.
  void advance(std::size_t row, std::size_t step) {
    draws_.clear();
    for (std::size_t i = rows_.first[row]; i < rows_.first[row + 1]; ++i) {
      const std::size_t sample = rows_.samples[i];
      draws_.push_back({categorical_.at((*streams_)[sample].uniform(step)), sample});
    }
    std::sort(draws_.begin(), draws_.end());
    for (auto it = draws_.begin(); it != draws_.end();) {
      const Token token = it->token;
      const double log_prob = rows_.log_prob[row] + categorical_.log_prob(token);
      const bool finished = token == end_token_;
      const bool leaf = finished || step + 1 == max_length_;
      if (!leaf) {
        children_.push(rows_.prefix[row], token, log_prob);
        parents_.push_back(row);
      }
      for (; it != draws_.end() && it->token == token; ++it) {
        if (!leaf) {
          children_.samples.push_back(it->sample);
          continue;
        }
        Hypothesis& done = out_[it->sample];
        const Sequence& prefix = rows_.prefix[row];
        done.tokens.assign(prefix.begin() + static_cast<std::ptrdiff_t>(prompt_), prefix.end());
        if (!finished) done.tokens.push_back(token);
        done.finished = finished;
        done.log_prob = log_prob;
      }
      if (!leaf) children_.close();
    }
  }

  Token end_token_;
  std::size_t max_length_;
  std::size_t prompt_;
  const Streams* streams_;
  Decoder decoder_;
  std::span<Hypothesis> out_;
  Prefixes rows_;
  Prefixes children_;
  std::vector<std::size_t> parents_;
  std::vector<double> probabilities_;
  Categorical categorical_;
  std::vector<Draw> draws_;
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
    Walk(model, streams, options, prompt, out).run(first, last);
  });
  return out;
}

}  // namespace partita
