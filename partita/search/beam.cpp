// SPDX-License-Identifier: Apache-2.0
#include "partita/search/beam.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "partita/base/internal/check.hpp"
#include "partita/search/internal/beam_steps.hpp"
#include "partita/softmax/softmax.hpp"

namespace partita {
namespace {

/// beam[source] followed by `token`.
struct Candidate {
  double log_prob;
  std::size_t source;
  Token token;
};

/// The better one first.
bool better(const Candidate& a, const Candidate& b) {
  if (a.log_prob != b.log_prob) return a.log_prob > b.log_prob;
  return a.source != b.source ? a.source < b.source : a.token < b.token;
}

/// The k best of all that are offered.
class Best {
 public:
  explicit Best(std::size_t k) : k_(k) {}

  void offer(const Candidate& candidate) {
    if (heap_.size() < k_) {
      heap_.push_back(candidate);
      std::push_heap(heap_.begin(), heap_.end(), better);
    } else if (better(candidate, heap_.front())) {  // the heap's front is the worst that is kept
      std::pop_heap(heap_.begin(), heap_.end(), better);
      heap_.back() = candidate;
      std::push_heap(heap_.begin(), heap_.end(), better);
    }
  }
  std::vector<Candidate> sorted() && {
    std::sort_heap(heap_.begin(), heap_.end(), better);
    return std::move(heap_);
  }

 private:
  std::size_t k_;
  std::vector<Candidate> heap_;
};

/// One prompt's search: its beam of prefixes is run_beams()'s, its sequences are here.
class Search {
 public:
  Search(std::size_t k, std::size_t prompt, std::size_t longest, Token end,
         const BeamOptions& options)
      : k_(k), prompt_(prompt), longest_(longest), end_(end), options_(options) {}

  void step(std::vector<Prefix>& beam, Rows logits) {
    Best best(k_);
    for (std::size_t source = 0; source < beam.size(); ++source) {
      visit(logits.dtype(), [&]<Element E>(E) {
        const std::span z(logits.row_data<E>(beam[source].row), logits.columns());
        const Normalizer normalizer = normalizers(logits.slice(beam[source].row, 1)).front();
        for (std::size_t i = 0; i < z.size(); ++i) {
          const auto logit = static_cast<double>(z[i]);
          if (logit == -std::numeric_limits<double>::infinity()) continue;
          offer({beam[source].log_prob + normalizer.log_prob(logit), source, static_cast<Token>(i)},
                beam[source], best);
        }
      });
    }
    std::vector<Prefix> kept;
    for (const Candidate& candidate : std::move(best).sorted()) {
      const Prefix& source = beam[candidate.source];
      if (is_hopeless(candidate.log_prob, source.tokens.size() + 1 - prompt_)) continue;
      kept.push_back(extend(source, candidate.token, candidate.log_prob, end_, longest_));
    }
    beam = std::move(kept);
  }

  std::vector<Hypothesis> sequences() && {
    std::vector<Hypothesis> out;
    for (Scored& sequence : pool_) {
      strip_prompt(sequence.prefix.tokens, prompt_);
      out.push_back(
          {std::move(sequence.prefix.tokens), sequence.prefix.finished, sequence.prefix.log_prob});
    }
    return out;
  }

 private:
  struct Scored {
    double score;
    Prefix prefix;
  };

  double score(double log_prob, std::size_t length) const {
    return options_.length_penalty == 0
               ? log_prob
               : log_prob / std::pow(static_cast<double>(length), options_.length_penalty);
  }

  bool is_full() const { return pool_.size() == k_; }

  void offer(const Candidate& candidate, const Prefix& parent, Best& best) {
    const std::size_t size = parent.tokens.size() + 1;
    if (candidate.token != end_ && size < longest_) return best.offer(candidate);
    const double s = score(candidate.log_prob, size - prompt_);
    if (is_full()) {
      if (!(s > pool_.back().score)) return;
      pool_.pop_back();
    }
    const auto place =
        std::upper_bound(pool_.begin(), pool_.end(), s,
                         [](double value, const Scored& other) { return value > other.score; });
    pool_.insert(place, {s, extend(parent, candidate.token, candidate.log_prob, end_, longest_)});
  }

  /// Whether nothing that begins with a prefix of this length can enter the pool: log-probabilities
  /// only fall, and a length penalty above 0 favors the longest, below 0 the shortest.
  bool is_hopeless(double log_prob, std::size_t length) const {
    if (!is_full()) return false;
    if (options_.early_stopping) return true;
    const std::size_t kindest = options_.length_penalty > 0 ? longest_ - prompt_ : length + 1;
    return !(score(log_prob, kindest) > pool_.back().score);
  }

  std::size_t k_;
  std::size_t prompt_;
  std::size_t longest_;
  Token end_;
  BeamOptions options_;
  std::vector<Scored> pool_ = {};  // the best sequences so far, best first; at most k
};

}  // namespace

std::vector<std::vector<Hypothesis>> beam_search(const SequenceModel& model, Prompts prompts,
                                                 std::size_t k, const SearchOptions& options,
                                                 const BeamOptions& beam_options) {
  check_search(model, options);
  check_unsteered(options.filter);
  check_width(model, k);
  check_in("length_penalty", beam_options.length_penalty, "(-inf, inf)");
  for (const Sequence& prompt : prompts) check_prompt(model, prompt);
  std::vector<std::vector<Hypothesis>> out(prompts.size());
  for_each_batch(model, options, prompts.size(), k, [&](std::size_t first, std::size_t last) {
    std::vector<std::vector<Prefix>> beams;
    std::vector<Search> searches;
    for (std::size_t i = first; i < last; ++i) {
      beams.push_back({Prefix{.tokens = prompts[i]}});
      searches.emplace_back(k, prompts[i].size(), longest_with(prompts[i].size(), options),
                            model.end_token(), beam_options);
    }
    Decoder decoder(model, options);
    run_beams(decoder, beams, [&](std::size_t search, std::vector<Prefix>& beam, Rows logits) {
      searches[search].step(beam, logits);
    });
    for (std::size_t i = first; i < last; ++i) {
      out[i] = std::move(searches[i - first]).sequences();
    }
  });
  return out;
}

std::vector<Hypothesis> beam_search(const SequenceModel& model, const Sequence& prompt,
                                    std::size_t k, const SearchOptions& options,
                                    const BeamOptions& beam_options) {
  return std::move(beam_search(model, std::span(&prompt, 1), k, options, beam_options).front());
}

}  // namespace partita
