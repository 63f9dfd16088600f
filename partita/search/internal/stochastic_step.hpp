// SPDX-License-Identifier: Apache-2.0
// Internal to partita/search: a step of stochastic beam search, which also draws the trees of
// drafts of partita/noise.
#pragma once

#include <cstddef>
#include <limits>
#include <queue>
#include <utility>
#include <vector>

#include "partita/search/internal/perturbed_tree.hpp"

namespace partita {

class StochasticStep {
 public:
  /// @param k width of the beam
  StochasticStep(std::size_t k, Token end_token) : k_(k), end_token_(end_token) {}

  /// Replaces the beam by the k largest of its leaves and children. The children of all its members
  /// are merged from the top down and only as far as they are looked at, so a step costs k + (size
  /// of the beam) reveals and not a Gumbel for every token of every member.
  /// @param logits  as run_beams() gives them
  /// @param longest how many tokens make a leaf
  /// @return the largest value that was left behind: a perturbed log-probability of some sequence,
  ///         so the largest of these over all steps is kappa.
  double operator()(std::vector<Prefix>& beam, Rows logits, std::size_t longest) {
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
      kept.push_back(*children.next(beam[source], end_token_, longest));
      const double rest = children.peek();
      if (rest > -std::numeric_limits<double>::infinity()) queue.push({rest, source});
    }
    beam = std::move(kept);
    return queue.empty() ? -std::numeric_limits<double>::infinity() : queue.top().perturbed;
  }

 private:
  /// A member of the beam, waiting with the largest perturbed log-probability that it still has to
  /// offer: its own, or that of its best child not yet taken.
  struct Offer {
    double perturbed;
    std::size_t source;
    bool operator<(const Offer& other) const {
      return perturbed != other.perturbed ? perturbed < other.perturbed : source > other.source;
    }
  };

  std::size_t k_;
  Token end_token_;
  std::vector<PerturbedChildren> children_;  // their memory is kept from step to step
};

}  // namespace partita
