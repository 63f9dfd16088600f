// SPDX-License-Identifier: Apache-2.0
#include "partita/noise/speculative.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <utility>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/gumbel/addressed.hpp"
#include "partita/noise/internal/draft_tree.hpp"
#include "partita/noise/internal/sequential.hpp"

namespace partita {
namespace {

/// The children of a sample's stream: which noise is for what.
enum class Purpose : std::uint8_t { draft, judge };

/// One sample of speculative_samples().
class Speculation {
 public:
  Speculation(const SequenceModel& target, const SequenceModel& draft,
              const SpeculativeOptions& speculation, const SearchOptions& options,
              const Stream& stream, std::size_t prompt)
      : target_(&target),
        draft_(&draft),
        speculation_(&speculation),
        options_(&options),
        stream_(stream),
        prompt_(prompt) {}

  Hypothesis draw(Sequence text) {
    Hypothesis out;
    while (!out.finished && text.size() - prompt_ < options_->max_length) {
      const DraftTree tree = propose(text);
      judge(tree, out);
      text.resize(prompt_);
      text.insert(text.end(), out.tokens.begin(), out.tokens.end());
    }
    return out;
  }

  std::size_t calls() const { return calls_; }
  std::size_t accepted() const { return accepted_; }

 private:
  bool coupled() const { return speculation_->method == SpeculativeMethod::coupling; }

  /// The noise for the token at a position of the text, one address for each draft.
  std::vector<Stream> addresses(std::size_t position) const {
    std::vector<Stream> out;
    for (std::size_t k = 0; k < speculation_->drafts; ++k) {
      out.push_back(stream_.child(position).child(k));
    }
    return out;
  }

  DraftTree propose(const Sequence& text) const {
    const std::size_t position = text.size() - prompt_;
    // A round ends with a token that the target draws itself.
    const std::size_t length =
        std::min(speculation_->draft_length, options_->max_length - position - 1);
    if (!coupled()) {
      return draft_without_replacement(*draft_, text, speculation_->drafts, length,
                                       stream_.child(Purpose::draft).child(position), *options_);
    }
    std::vector<Stream> all;
    for (std::size_t step = 0; step < length; ++step) {
      const std::vector<Stream> more = addresses(position + step);
      all.insert(all.end(), more.begin(), more.end());
    }
    return draft_at_addresses(*draft_, text, speculation_->drafts, all, *options_);
  }

  /// Follows the tree as far as the target does, and one token further.
  void judge(const DraftTree& tree, Hypothesis& out) {
    ++calls_;
    std::vector<Sequence> prefixes;
    std::vector<std::size_t> row_of(tree.nodes.size());
    for (std::size_t i = 0; i < tree.nodes.size(); ++i) {
      row_of[i] = prefixes.size();
      if (!tree.nodes[i].finished) prefixes.push_back(tree.nodes[i].prefix);
    }
    Decoder decoder(*target_, *options_);
    const Rows logits = decoder.next(prefixes);
    std::size_t node = 0;
    while (true) {
      const Rows after = logits.slice(row_of[node], 1);
      const auto [token, child] = next(tree, node, after, out.tokens.size());
      out.log_prob += log_prob_of(after, token);
      accepted_ += child != 0 ? 1 : 0;
      out.finished = token == target_->end_token();
      if (out.finished) return;
      out.tokens.push_back(token);
      if (child == 0) return;
      node = child;
    }
  }

  /// The token after a node, and the child that had it drafted; 0 if none had.
  std::pair<Token, std::size_t> next(const DraftTree& tree, std::size_t node, Rows target,
                                     std::size_t position) const {
    if (coupled()) {
      const Token token = coupled_draw(target, addresses(position));
      return {token, tree.child(node, token)};
    }
    const DraftTree::Node& at = tree.nodes[node];
    std::vector<Token> candidates;
    for (const std::size_t child : at.children) candidates.push_back(tree.nodes[child].token);
    const Rows draft = candidates.empty() ? target : Rows(at.logits.data(), 1, at.logits.size());
    const SpeculativeDraw drawn =
        judge_drafts(target, draft, candidates, stream_.child(Purpose::judge).child(position));
    return {drawn.token, drawn.accepted ? at.children[*drawn.accepted] : 0};
  }

  const SequenceModel* target_;
  const SequenceModel* draft_;
  const SpeculativeOptions* speculation_;
  const SearchOptions* options_;
  Stream stream_;
  std::size_t prompt_;
  std::size_t calls_ = 0;
  std::size_t accepted_ = 0;
};

void check_models(const SequenceModel& target, const SequenceModel& draft,
                  const SpeculativeOptions& speculation) {
  check_same_vocabulary("draft", target, draft);
  check_at_least("draft_length", speculation.draft_length, 1);
  check_at_least("drafts", speculation.drafts, 1);
  check_width(draft, speculation.drafts);
  const std::size_t most = target.most_prefixes();
  if ((most - 1) / speculation.draft_length < speculation.drafts) {
    throw InvalidArgument("drafts",
                          fmt::format("{} of {} tokens are more prefixes than the {} that "
                                      "the target can hold",
                                      speculation.drafts, speculation.draft_length, most));
  }
}

}  // namespace

SpeculativeDraw judge_drafts(Rows target, Rows draft, std::span<const Token> candidates,
                             const Stream& stream) {
  check_size("draft", draft.columns(), target.columns(), "logits, as many as the target's");
  std::vector<double> p = probabilities_of(target);
  std::vector<double> q = candidates.empty() ? std::vector<double>() : probabilities_of(draft);
  for (std::size_t k = 0; k < candidates.size(); ++k) {
    check_index("candidates", candidates[k], p.size(), "tokens");
    const auto x = static_cast<std::size_t>(candidates[k]);
    if (q[x] == 0) {
      throw InvalidArgument("candidates",
                            fmt::format("token {} is one that the draft cannot draw", x));
    }
    if (stream.uniform(k) * q[x] < p[x]) return {candidates[k], k};
    for (std::size_t i = 0; i < p.size(); ++i) p[i] = std::max(0.0, p[i] - q[i]);
    const double residual = sum_of(p);
    if (residual == 0) return {candidates[k], k};  // by rounding: p and q are equal
    for (double& y : p) y /= residual;
    q[x] = 0;
    const double left = sum_of(q);
    if (left > 0) {
      for (double& y : q) y /= left;
    }
  }
  return {choose(p, sum_of(p), stream.uniform(candidates.size())), {}};
}

Token coupled_draw(Rows logits, std::span<const Stream> addresses) {
  check_at_least("addresses", addresses.size(), 1);
  std::int64_t best = -1;
  double largest = 0;
  for (std::size_t k = 0; k < addresses.size(); ++k) {
    const TopKSample top =
        addressed_gumbel_top_k(logits, 1, addresses.subspan(k, 1), {.log_sum_exp = false});
    if (best < 0 || top.perturbed[0] > largest) {
      best = top.indices[0];
      largest = top.perturbed[0];
    }
  }
  return static_cast<Token>(best);
}

SpeculativeSamples speculative_samples(const SequenceModel& target, const SequenceModel& draft,
                                       const Sequence& prompt, std::size_t n,
                                       const Streams& streams,
                                       const SpeculativeOptions& speculation,
                                       const SearchOptions& options) {
  check_search(target, options);
  check_search(draft, options);
  check_unsteered(options.filter);
  check_prompt(target, prompt);
  check_models(target, draft, speculation);
  streams.check_covers(n);
  SpeculativeSamples out{.sequences = std::vector<Hypothesis>(n)};
  std::atomic<std::size_t> calls = 0;
  std::atomic<std::size_t> accepted = 0;
  parallel_for(n, options.threads, [&](std::size_t first, std::size_t last) {
    for (std::size_t i = first; i < last; ++i) {
      Speculation sample(target, draft, speculation, options, streams[i], prompt.size());
      out.sequences[i] = sample.draw(prompt);
      calls += sample.calls();
      accepted += sample.accepted();
    }
  });
  out.calls = calls;
  out.accepted = accepted;
  for (const Hypothesis& text : out.sequences) {
    out.tokens += text.tokens.size() + (text.finished ? 1 : 0);
  }
  return out;
}

}  // namespace partita
