// SPDX-License-Identifier: Apache-2.0
#include "partita/split/shared_beam.hpp"

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "partita/base/internal/over_ranks.hpp"
#include "partita/search/internal/drawn_leaves.hpp"
#include "partita/search/internal/stochastic_step.hpp"

namespace partita {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

class SharedBeam {
 public:
  SharedBeam(const SequenceModel& model, std::size_t k, std::size_t longest, Group& group,
             const SearchOptions& options)
      : k_(k),
        longest_(longest),
        end_(model.end_token()),
        group_(group),
        decoder_(model, options),
        step_(k, end_) {}

  StochasticBeam search(const Sequence& prompt, const Stream& stream) {
    // All ranks extend the root, so that any of them can go on from there.
    std::vector<Prefix> first = {perturbed_root(prompt, stream)};
    threshold_ = extend_own(first);
    for (Prefix& prefix : first) beam_.push_back({std::move(prefix), 0});
    share_out();
    while (
        std::any_of(beam_.begin(), beam_.end(), [](const Member& m) { return !m.prefix.leaf; })) {
      take_step();
      if (!decoder_.has_state()) share_out();
    }
    std::vector<Prefix> leaves;
    for (Member& member : beam_) leaves.push_back(std::move(member.prefix));
    return drawn_leaves(std::move(leaves), prompt.size(), threshold_);
  }

 private:
  struct Member {
    Prefix prefix;
    std::size_t owner;  // the rank that extends it
  };
  /// A child in a message: its value, the row that led to it, its token and log-probability.
  static constexpr std::size_t kNumbers = 4;

  void share_out() {
    for (std::size_t i = 0; i < beam_.size(); ++i) {
      beam_[i].owner = i % static_cast<std::size_t>(group_.size());
    }
  }

  /// Replaces prefixes by their k largest children, and says how large the next is.
  double extend_own(std::vector<Prefix>& own) {
    double next = -kInfinity;
    together(group_, [&] {
      if (own.empty()) return;
      std::vector<Sequence> prefixes;
      std::vector<std::size_t> parents;
      for (Prefix& prefix : own) {
        parents.push_back(std::exchange(prefix.row, prefixes.size()));
        prefixes.push_back(prefix.tokens);
      }
      if (has_read_) decoder_.reorder(parents);
      has_read_ = true;
      next = step_(own, decoder_.next(prefixes), longest_);
    });
    return next;
  }

  void take_step() {
    std::vector<std::vector<Prefix>> parents(static_cast<std::size_t>(group_.size()));
    std::vector<Member> next;
    for (Member& member : beam_) {
      if (member.prefix.leaf) {
        next.push_back(std::move(member));
      } else {
        parents[member.owner].push_back(std::move(member.prefix));
      }
    }
    std::vector<Prefix> own = parents[static_cast<std::size_t>(group_.rank())];
    const double left = extend_own(own);
    const std::vector<double> all = group_.all_gather(message(own, left));
    const std::size_t length = all.size() / parents.size();
    for (std::size_t rank = 0; rank < parents.size(); ++rank) {
      const double* const begin = &all[rank * length];
      threshold_ = std::max(threshold_, *begin);
      for (const double* in = begin + 1; in != begin + length && *in > -kInfinity; in += kNumbers) {
        const auto row = static_cast<std::size_t>(in[1]);
        Prefix child = perturbed_child(parents[rank][row], static_cast<Token>(in[2]), in[3], in[0],
                                       end_, longest_);
        child.row = row;
        next.push_back({std::move(child), rank});
      }
    }
    std::stable_sort(next.begin(), next.end(), [](const Member& a, const Member& b) {
      return a.prefix.perturbed > b.prefix.perturbed;
    });
    if (next.size() > k_) {
      threshold_ = std::max(threshold_, next[k_].prefix.perturbed);
      next.erase(next.begin() + static_cast<std::ptrdiff_t>(k_), next.end());
    }
    beam_ = std::move(next);
  }

  /// The largest that was left behind, and children; -inf where there are fewer than k.
  std::vector<double> message(const std::vector<Prefix>& children, double left) const {
    std::vector<double> out(1 + k_ * kNumbers, -kInfinity);
    out[0] = left;
    double* to = &out[1];
    for (const Prefix& child : children) {
      *to++ = child.perturbed;
      *to++ = static_cast<double>(child.row);
      *to++ = child.finished ? end_ : child.tokens.back();
      *to++ = child.log_prob;
    }
    return out;
  }

  std::size_t k_;
  std::size_t longest_;
  Token end_;
  Group& group_;
  Decoder decoder_;
  StochasticStep step_;
  bool has_read_ = false;
  std::vector<Member> beam_;
  double threshold_ = 0;
};

}  // namespace

StochasticBeam stochastic_beam_search(const SequenceModel& model, const Sequence& prompt,
                                      std::size_t k, const Stream& stream, Group& group,
                                      const SearchOptions& options) {
  check_search(model, options);
  check_unsteered(options.filter);
  check_width(model, k);
  check_prompt(model, prompt);
  return SharedBeam(model, k, longest_with(prompt.size(), options), group, options)
      .search(prompt, stream);
}

}  // namespace partita
