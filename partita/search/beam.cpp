// SPDX-License-Identifier: Apache-2.0
#include "partita/search/beam.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <utility>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/search/internal/beam_steps.hpp"

namespace partita {
namespace {

/// beam[source] followed by `token`.
struct Candidate {
  double log_prob;
  double penalty;  ///< for diversity, of all its tokens
  std::size_t source;
  Token token;

  double score() const { return log_prob - penalty; }
};

/// The better one first.
bool better(const Candidate& a, const Candidate& b) {
  if (a.score() != b.score()) return a.score() > b.score();
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

/// What each token costs a group at this step, as the groups before it have chosen it.
class Diversity {
 public:
  Diversity(std::size_t vocabulary, const BeamOptions& options)
      : penalty_(options.diversity_penalty), costs_(options.num_beam_groups > 1 ? vocabulary : 0) {}

  /// @param length of the prefixes: the first group at a length begins its step.
  void begin(std::size_t length) {
    if (length == length_) return;
    length_ = length;
    for (const Token token : chosen_) costs_[static_cast<std::size_t>(token)] = 0;
    chosen_.clear();
  }
  void choose(Token token) {
    if (costs_.empty()) return;
    costs_[static_cast<std::size_t>(token)] += penalty_;
    chosen_.push_back(token);
  }
  double cost(Token token) const {
    return costs_.empty() ? 0 : costs_[static_cast<std::size_t>(token)];
  }

 private:
  double penalty_;
  std::vector<double> costs_;
  std::vector<Token> chosen_ = {};
  std::size_t length_ = std::numeric_limits<std::size_t>::max();
};

/// A sequence that has ended, and what it is ranked by.
struct Scored {
  double score;
  Prefix prefix;
};

/// The search of one group (without groups, of one prompt): its beam of prefixes is run_beams()'s,
/// its sequences are here.
class Search {
 public:
  /// @param diversity shared by the groups of a prompt
  Search(std::size_t k, std::size_t prompt, std::size_t longest, Token end,
         const BeamOptions& options, Diversity& diversity)
      : k_(k),
        prompt_(prompt),
        longest_(longest),
        end_(end),
        options_(options),
        diversity_(&diversity) {}

  void step(std::vector<Prefix>& beam, Rows logits) {
    const std::size_t length = beam.front().tokens.size();
    diversity_->begin(length);
    Best best(k_);
    for (std::size_t source = 0; source < beam.size(); ++source) {
      for_each_child(beam[source], logits, [&](Token token, double log_prob) {
        const double penalty = penalties_[source] + diversity_->cost(token);
        offer({log_prob, penalty, source, token}, beam[source], best);
      });
    }
    for (const Scored& sequence : pool_) {
      if (sequence.prefix.finished && sequence.prefix.tokens.size() == length) {
        diversity_->choose(end_);
      }
    }
    std::vector<Prefix> kept;
    penalties_.clear();
    for (const Candidate& candidate : std::move(best).sorted()) {
      const Prefix& source = beam[candidate.source];
      diversity_->choose(candidate.token);
      if (is_hopeless(candidate.score(), length + 1 - prompt_)) continue;
      kept.push_back(extend(source, candidate.token, candidate.log_prob, end_, longest_));
      penalties_.push_back(candidate.penalty);
    }
    beam = std::move(kept);
  }

  std::vector<Scored> sequences() && { return std::move(pool_); }

 private:
  double ranked_by(double score, std::size_t length) const {
    return options_.length_penalty == 0
               ? score
               : score / std::pow(static_cast<double>(length), options_.length_penalty);
  }

  bool is_full() const { return pool_.size() == k_; }

  void offer(const Candidate& candidate, const Prefix& parent, Best& best) {
    const std::size_t size = parent.tokens.size() + 1;
    if (candidate.token != end_) best.offer(candidate);
    if (candidate.token != end_ && size < longest_) return;
    const double s = ranked_by(candidate.score(), size - prompt_);
    if (is_full()) {
      if (!(s > pool_.back().score)) return;
      pool_.pop_back();
    }
    const auto place =
        std::upper_bound(pool_.begin(), pool_.end(), s,
                         [](double value, const Scored& other) { return value > other.score; });
    pool_.insert(place, {s, extend(parent, candidate.token, candidate.log_prob, end_, longest_)});
  }

  /// Whether nothing longer that begins with a prefix of this length can enter the pool: scores
  /// only fall, and a length penalty above 0 favors the longest, below 0 the shortest.
  bool is_hopeless(double score, std::size_t length) const {
    if (prompt_ + length >= longest_) return true;
    if (!is_full()) return false;
    if (options_.early_stopping) return true;
    const std::size_t kindest = options_.length_penalty > 0 ? longest_ - prompt_ : length + 1;
    return !(ranked_by(score, kindest) > pool_.back().score);
  }

  std::size_t k_;
  std::size_t prompt_;
  std::size_t longest_;
  Token end_;
  BeamOptions options_;
  Diversity* diversity_;
  std::vector<double> penalties_ = {0};  // of the prefixes in the beam
  std::vector<Scored> pool_ = {};        // the best sequences so far, best first; at most k
};

void check_beam(const BeamOptions& options, std::size_t k) {
  check_in("length_penalty", options.length_penalty, "(-inf, inf)");
  check_between("num_beam_groups", options.num_beam_groups, 1, k, "the width of the beam");
  if (k % options.num_beam_groups != 0) {
    throw InvalidArgument("num_beam_groups", fmt::format("expected a divisor of k = {}, got {}", k,
                                                         options.num_beam_groups));
  }
  check_in("diversity_penalty", options.diversity_penalty, "[0, inf)");
  if (options.num_beam_groups > 1 && options.diversity_penalty == 0) {
    throw InvalidArgument("diversity_penalty",
                          "expected a number above 0: without it, all groups are the same");
  }
  if (options.num_beam_groups == 1 && options.diversity_penalty > 0) {
    throw InvalidArgument("diversity_penalty", "needs num_beam_groups of 2 or more");
  }
}

/// The sequences of a prompt's groups, best first.
std::vector<Hypothesis> merged(std::span<Search> groups, std::size_t prompt) {
  std::vector<Scored> all;
  for (Search& group : groups) {
    std::vector<Scored> found = std::move(group).sequences();
    std::move(found.begin(), found.end(), std::back_inserter(all));
  }
  std::stable_sort(all.begin(), all.end(),
                   [](const Scored& a, const Scored& b) { return a.score > b.score; });
  std::vector<Hypothesis> out;
  for (Scored& sequence : all) {
    strip_prompt(sequence.prefix.tokens, prompt);
    out.push_back(
        {std::move(sequence.prefix.tokens), sequence.prefix.finished, sequence.prefix.log_prob});
  }
  return out;
}

}  // namespace

std::vector<std::vector<Hypothesis>> beam_search(const SequenceModel& model, Prompts prompts,
                                                 std::size_t k, const SearchOptions& options,
                                                 const BeamOptions& beam_options) {
  check_search(model, options);
  check_unsteered(options.filter);
  check_width(model, k);
  check_beam(beam_options, k);
  for (const Sequence& prompt : prompts) check_prompt(model, prompt);
  const std::size_t groups = beam_options.num_beam_groups;
  std::vector<std::vector<Hypothesis>> out(prompts.size());
  for_each_batch(model, options, prompts.size(), k, [&](std::size_t first, std::size_t last) {
    std::vector<Diversity> diversity(last - first, {model.vocabulary_size(), beam_options});
    std::vector<std::vector<Prefix>> beams;
    std::vector<Search> searches;  // group by group of prompt by prompt
    for (std::size_t i = first; i < last; ++i) {
      for (std::size_t group = 0; group < groups; ++group) {
        beams.push_back({Prefix{.tokens = prompts[i]}});
        searches.emplace_back(k / groups, prompts[i].size(),
                              longest_with(prompts[i].size(), options), model.end_token(),
                              beam_options, diversity[i - first]);
      }
    }
    Decoder decoder(model, options);
    run_beams(decoder, beams, [&](std::size_t search, std::vector<Prefix>& beam, Rows logits) {
      searches[search].step(beam, logits);
    });
    for (std::size_t i = first; i < last; ++i) {
      out[i] = merged(std::span(searches).subspan((i - first) * groups, groups), prompts[i].size());
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
