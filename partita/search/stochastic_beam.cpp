// SPDX-License-Identifier: Apache-2.0
#include "partita/search/stochastic_beam.hpp"

#include <algorithm>
#include <limits>
#include <queue>

#include "partita/base/internal/check.hpp"
#include "partita/search/importance_weights.hpp"
#include "partita/search/internal/perturbed_tree.hpp"

namespace partita {
namespace {

/// A member of the beam, waiting with the largest perturbed log-probability that it still has to
/// offer: its own, or that of its best child not yet taken.
struct Offer {
  double perturbed;
  std::size_t source;
  bool operator<(const Offer& other) const {
    return perturbed != other.perturbed ? perturbed < other.perturbed : source > other.source;
  }
};

/// The searches of one batch.
class Beams {
 public:
  Beams(const SequenceModel& model, std::size_t k, const SearchOptions& options)
      : model_(&model), k_(k), options_(&options) {}

  std::vector<StochasticBeam> run(std::span<const Sequence> prompts,
                                  std::span<const Stream> streams) {
    std::vector<std::vector<Prefix>> beams;
    std::vector<StochasticBeam> out(prompts.size());
    for (std::size_t i = 0; i < prompts.size(); ++i) {
      beams.push_back({perturbed_root(prompts[i], streams[i])});
      out[i].threshold = -std::numeric_limits<double>::infinity();
    }
    run_beams(*model_, *options_, beams,
              [&](std::size_t search, std::vector<Prefix>& beam, Rows logits) {
                const double dropped =
                    step(beam, logits, longest_with(prompts[search].size(), *options_));
                out[search].threshold = std::max(out[search].threshold, dropped);
              });
    for (std::size_t i = 0; i < prompts.size(); ++i) {
      std::vector<double> log_prob;
      for (Prefix& leaf : beams[i]) {
        strip_prompt(leaf.tokens, prompts[i].size());
        log_prob.push_back(leaf.log_prob);
        out[i].sequences.push_back(
            {{std::move(leaf.tokens), leaf.finished, leaf.log_prob}, leaf.perturbed});
      }
      out[i].weights = importance_weights(log_prob, out[i].threshold);
    }
    return out;
  }

 private:
  /// Replaces the beam by the k largest of its leaves and children. The children of all its members
  /// are merged from the top down and only as far as they are looked at, so a step costs k + (size
  /// of the beam) reveals and not a Gumbel for every token of every member.
  /// @return the largest value that was left behind: a perturbed log-probability of some sequence,
  ///         so the largest of these over all steps is kappa.
  double step(std::vector<Prefix>& beam, Rows logits, std::size_t longest) {
    if (children_.size() < beam.size()) children_.resize(beam.size());
    std::vector<Offer> offers;
    for (std::size_t i = 0; i < beam.size(); ++i) offers.push_back({beam[i].perturbed, i});
    std::priority_queue<Offer> queue({}, std::move(offers));
    std::vector<bool> opened(beam.size());
    std::vector<Prefix> kept;
    while (kept.size() < k_ && !queue.empty()) {
      const std::size_t source = queue.top().source;
      queue.pop();
      if (beam[source].leaf) {
        kept.push_back(std::move(beam[source]));
        continue;
      }
      PerturbedChildren& children = children_[source];
      if (!opened[source]) {
        children.open(beam[source], logits.slice(beam[source].row, 1));
        opened[source] = true;
      }
      kept.push_back(*children.next(beam[source], model_->end_token(), longest));
      const double rest = children.peek();
      if (rest > -std::numeric_limits<double>::infinity()) queue.push({rest, source});
    }
    beam = std::move(kept);
    return queue.empty() ? -std::numeric_limits<double>::infinity() : queue.top().perturbed;
  }

  const SequenceModel* model_;
  std::size_t k_;
  const SearchOptions* options_;
  std::vector<PerturbedChildren> children_;
};

}  // namespace

std::vector<StochasticBeam> stochastic_beam_search(const SequenceModel& model, Prompts prompts,
                                                   std::size_t k, const Streams& streams,
                                                   const SearchOptions& options) {
  check_search(model, options);
  check_unsteered(options.filter);
  check_width(model, k);
  for (const Sequence& prompt : prompts) check_prompt(model, prompt);
  streams.check_covers(prompts.size());
  std::vector<Stream> each;
  for (std::size_t i = 0; i < prompts.size(); ++i) each.push_back(streams[i]);
  std::vector<StochasticBeam> out(prompts.size());
  for_each_batch(model, options, prompts.size(), k, [&](std::size_t first, std::size_t last) {
    auto done = Beams(model, k, options)
                    .run(prompts.subspan(first, last - first),
                         std::span<const Stream>(each).subspan(first, last - first));
    std::move(done.begin(), done.end(), out.begin() + static_cast<std::ptrdiff_t>(first));
  });
  return out;
}

StochasticBeam stochastic_beam_search(const SequenceModel& model, const Sequence& prompt,
                                      std::size_t k, const Stream& stream,
                                      const SearchOptions& options) {
  return std::move(
      stochastic_beam_search(model, std::span(&prompt, 1), k, std::span(&stream, 1), options)
          .front());
}

}  // namespace partita
