// SPDX-License-Identifier: Apache-2.0
#include "partita/search/conditional_poisson_beam.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <utility>

#include "partita/gumbel/conditional_poisson.hpp"
#include "partita/search/internal/beam_steps.hpp"
#include "partita/softmax/scalar.hpp"
#include "partita/softmax/softmax.hpp"

namespace partita {
namespace {

constexpr Token kEnded = -2;  // instead of a next token: a sequence that has ended stays

/// beam[source] followed by `token`.
struct Candidate {
  double log_prob;
  std::size_t source;
  Token token;
};

/// The logarithm of p / (1 - p). Rounding may leave the log-probability of something certain a
/// little above 0.
double log_odds(double log_prob) {
  const double p = std::min(log_prob, -0x1p-53);
  return p - log1mexp(p);
}

/// A history of the beam: drawn freely, or given a sequence of its last set.
class History {
 public:
  /// @param given a leaf; null: none
  History(std::size_t k, Token end, std::size_t longest, const Stream& stream,
          const Prefix* given = nullptr)
      : k_(k), end_(end), longest_(longest), stream_(stream), given_(given) {}

  void step(std::vector<Prefix>& beam, Rows logits) {
    list(beam, logits);
    if (given_ != nullptr) bring_given_to_the_back(beam);
    std::vector<Prefix> kept;
    std::vector<double> log_inclusion;
    for (const auto& [candidate, log_p] : draw()) {
      const auto& [log_prob, source, token] = candidates_[candidate];
      kept.push_back(token == kEnded ? beam[source]
                                     : extend(beam[source], token, log_prob, end_, longest_));
      log_inclusion.push_back(log_inclusion_[source] + log_p);
    }
    beam = std::move(kept);
    log_inclusion_ = std::move(log_inclusion);
    ++steps_;
  }

  /// log W of each member of the beam. Given a sequence, that is the last, and only its W is one.
  const std::vector<double>& log_inclusion() const { return log_inclusion_; }

 private:
  void list(const std::vector<Prefix>& beam, Rows logits) {
    candidates_.clear();
    for (std::size_t source = 0; source < beam.size(); ++source) {
      const Prefix& prefix = beam[source];
      if (prefix.leaf) {
        candidates_.push_back({prefix.log_prob, source, kEnded});
        continue;
      }
      for_each_child(prefix, logits, [&](Token token, double log_prob) {
        candidates_.push_back({log_prob, source, token});
      });
    }
  }

  /// The beam's last member is the given sequence's prefix.
  void bring_given_to_the_back(const std::vector<Prefix>& beam) {
    const std::size_t length = beam.back().tokens.size();
    const Token next = beam.back().leaf                  ? kEnded
                       : length == given_->tokens.size() ? end_
                                                         : given_->tokens[length];
    const auto found =
        std::find_if(candidates_.rbegin(), candidates_.rend(), [&](const Candidate& candidate) {
          return candidate.source == beam.size() - 1 && candidate.token == next;
        });
    std::swap(*found, candidates_.back());
  }

  struct Kept {
    std::size_t candidate;
    double log_inclusion;
  };
  /// The candidates of the next set, ascending.
  std::vector<Kept> draw() const {
    const std::size_t n = candidates_.size();
    std::vector<Kept> kept;
    if (n <= k_) {
      for (std::size_t i = 0; i < n; ++i) kept.push_back({i, 0});
      return kept;
    }
    std::vector<double> z;
    for (const Candidate& candidate : candidates_) z.push_back(log_odds(candidate.log_prob));
    const ConditionalPoisson sets({z.data(), 1, n}, k_);
    const std::vector<double> included = sets.marginals().included;
    std::vector<std::int64_t> members(k_);
    const Stream stream = stream_.child(steps_);
    if (given_ == nullptr) {
      sets.draw(stream, members);
    } else {  // the last, and a set of the others
      ConditionalPoisson({z.data(), 1, n - 1}, k_ - 1)
          .draw(stream, std::span(members).first(k_ - 1));
      members.back() = static_cast<std::int64_t>(n - 1);
    }
    for (const std::int64_t member : members) {
      const auto i = static_cast<std::size_t>(member);
      kept.push_back({i, std::log(included[i])});
    }
    return kept;
  }

  std::size_t k_;
  Token end_;
  std::size_t longest_;
  Stream stream_;
  const Prefix* given_;
  std::size_t steps_ = 0;
  std::vector<double> log_inclusion_ = {0};  // of the beam's members, over all steps so far
  std::vector<Candidate> candidates_ = {};
};

void run(const SequenceModel& model, const SearchOptions& options,
         std::vector<std::vector<Prefix>>& beams, std::vector<History>& histories) {
  Decoder decoder(model, options);
  run_beams(decoder, beams, [&](std::size_t i, std::vector<Prefix>& beam, Rows logits) {
    histories[i].step(beam, logits);
  });
}

/// A sequence of a search's last set.
struct Found {
  Prefix leaf;
  std::size_t prompt;     ///< which
  double log_w;           ///< of the search
  Stream stream;          ///< of hindsight samples
  double log_mean_w = 0;  ///< over all histories
};

/// Draws the hindsight samples of all, and averages.
void average_histories(const SequenceModel& model, Prompts prompts, std::size_t k,
                       const SearchOptions& options, std::size_t hindsight_samples,
                       std::vector<Found>& found) {
  const std::size_t histories = 1 + hindsight_samples;
  std::vector<double> log_w(found.size() * histories);
  for (std::size_t i = 0; i < found.size(); ++i) log_w[i * histories] = found[i].log_w;
  const auto draw = [&](std::size_t first, std::size_t last) {
    std::vector<std::vector<Prefix>> beams;
    std::vector<History> drawn;
    for (std::size_t job = first; job < last; ++job) {
      const Found& of = found[job / hindsight_samples];
      const Sequence& prompt = prompts[of.prompt];
      beams.push_back({Prefix{.tokens = prompt}});
      drawn.emplace_back(k, model.end_token(), longest_with(prompt.size(), options),
                         of.stream.child(job % hindsight_samples), &of.leaf);
    }
    run(model, options, beams, drawn);
    for (std::size_t job = first; job < last; ++job) {
      log_w[job / hindsight_samples * histories + 1 + job % hindsight_samples] =
          drawn[job - first].log_inclusion().back();
    }
  };
  for_each_batch(model, options, found.size() * hindsight_samples, k, draw);
  const std::vector<double> sums = log_sum_exp({log_w.data(), found.size(), histories});
  for (std::size_t i = 0; i < found.size(); ++i) {
    found[i].log_mean_w = sums[i] - std::log(static_cast<double>(histories));
  }
}

}  // namespace

std::vector<ConditionalPoissonBeam> conditional_poisson_beam_search(
    const SequenceModel& model, Prompts prompts, std::size_t k, const Streams& streams,
    const SearchOptions& options, const ConditionalPoissonOptions& poisson) {
  check_search(model, options);
  check_unsteered(options.filter);
  check_width(model, k);
  for (const Sequence& prompt : prompts) check_prompt(model, prompt);
  streams.check_covers(prompts.size());
  enum class Purpose : std::uint8_t { search, hindsight };
  std::vector<std::vector<Found>> each(prompts.size());
  for_each_batch(model, options, prompts.size(), k, [&](std::size_t first, std::size_t last) {
    std::vector<std::vector<Prefix>> beams;
    std::vector<History> searches;
    for (std::size_t i = first; i < last; ++i) {
      beams.push_back({Prefix{.tokens = prompts[i]}});
      searches.emplace_back(k, model.end_token(), longest_with(prompts[i].size(), options),
                            streams[i].child(Purpose::search));
    }
    run(model, options, beams, searches);
    for (std::size_t i = first; i < last; ++i) {
      std::vector<Prefix>& leaves = beams[i - first];
      const Stream stream = streams[i].child(Purpose::hindsight);
      for (std::size_t j = 0; j < leaves.size(); ++j) {
        const double log_w = searches[i - first].log_inclusion()[j];
        each[i].push_back({std::move(leaves[j]), i, log_w, stream.child(j)});
      }
      std::stable_sort(each[i].begin(), each[i].end(), [](const Found& a, const Found& b) {
        return a.leaf.log_prob > b.leaf.log_prob;
      });
    }
  });
  std::vector<Found> found;
  for (std::vector<Found>& of : each) std::move(of.begin(), of.end(), std::back_inserter(found));
  average_histories(model, prompts, k, options, poisson.hindsight_samples, found);
  std::vector<ConditionalPoissonBeam> out(prompts.size());
  for (Found& one : found) {
    strip_prompt(one.leaf.tokens, prompts[one.prompt].size());
    ConditionalPoissonBeam& beam = out[one.prompt];
    beam.sequences.push_back({std::move(one.leaf.tokens), one.leaf.finished, one.leaf.log_prob});
    beam.weights.push_back(std::exp(one.leaf.log_prob - one.log_mean_w));
  }
  return out;
}

ConditionalPoissonBeam conditional_poisson_beam_search(const SequenceModel& model,
                                                       const Sequence& prompt, std::size_t k,
                                                       const Stream& stream,
                                                       const SearchOptions& options,
                                                       const ConditionalPoissonOptions& poisson) {
  return std::move(conditional_poisson_beam_search(model, std::span(&prompt, 1), k,
                                                   std::span(&stream, 1), options, poisson)
                       .front());
}

}  // namespace partita
