// SPDX-License-Identifier: Apache-2.0
#include "partita/noise/internal/draft_tree.hpp"

#include <algorithm>
#include <utility>

#include "partita/gumbel/addressed.hpp"
#include "partita/noise/internal/sequential.hpp"
#include "partita/search/internal/decoder.hpp"
#include "partita/search/internal/stochastic_step.hpp"

namespace partita {

std::size_t DraftTree::add(std::size_t parent, Token token, Token end_token) {
  Node node{.prefix = nodes[parent].prefix, .token = token, .finished = token == end_token};
  if (!node.finished) node.prefix.push_back(token);
  nodes[parent].children.push_back(nodes.size());
  nodes.push_back(std::move(node));
  return nodes.size() - 1;
}

std::size_t DraftTree::child(std::size_t parent, Token token) const {
  for (const std::size_t child : nodes[parent].children) {
    if (nodes[child].token == token) return child;
  }
  return 0;
}

DraftTree draft_without_replacement(const SequenceModel& draft, const Sequence& text,
                                    std::size_t drafts, std::size_t length, const Stream& stream,
                                    const SearchOptions& options) {
  DraftTree tree{{{.prefix = text}}};
  if (length == 0) return tree;
  StochasticStep step(drafts, draft.end_token());
  std::vector<std::vector<Prefix>> beams = {{perturbed_root(text, stream)}};
  std::vector<std::size_t> open = {0};  // the node of each row of logits
  std::size_t depth = text.size();
  Decoder decoder(draft, options);
  run_beams(decoder, beams, [&](std::size_t, std::vector<Prefix>& beam, Rows logits) {
    for (std::size_t row = 0; row < open.size(); ++row) {
      tree.nodes[open[row]].logits = doubles_of(logits.slice(row, 1));
    }
    step(beam, logits, text.size() + length);
    ++depth;
    std::vector<std::size_t> below;
    for (const Prefix& prefix : beam) {
      // One that had ended before has its node already.
      if (prefix.tokens.size() + (prefix.finished ? 1 : 0) < depth) continue;
      const Token token = prefix.finished ? draft.end_token() : prefix.tokens.back();
      const std::size_t node = tree.add(open[prefix.row], token, draft.end_token());
      if (!prefix.leaf) below.push_back(node);
    }
    open = std::move(below);
  });
  return tree;
}

DraftTree draft_at_addresses(const SequenceModel& draft, const Sequence& text, std::size_t drafts,
                             std::span<const Stream> addresses, const SearchOptions& options) {
  DraftTree tree{{{.prefix = text}}};
  Decoder decoder(draft, options);
  std::vector<std::size_t> place(drafts, 0);  // each sequence's node
  std::vector<std::size_t> level = {0};
  std::vector<std::size_t> parents;
  for (std::size_t first = 0; first < addresses.size() && !level.empty(); first += drafts) {
    if (first > 0) decoder.reorder(parents);
    std::vector<Sequence> prefixes;
    for (const std::size_t node : level) prefixes.push_back(tree.nodes[node].prefix);
    const Rows logits = decoder.next(prefixes);
    std::vector<std::size_t> below;
    std::vector<std::size_t> rows;
    for (std::size_t k = 0; k < drafts; ++k) {
      const auto found = std::find(level.begin(), level.end(), place[k]);
      if (found == level.end()) continue;  // it has ended
      const auto row = static_cast<std::size_t>(found - level.begin());
      const auto token = static_cast<Token>(
          addressed_gumbel_max(logits.slice(row, 1), addresses.subspan(first + k, 1)).front());
      std::size_t child = tree.child(place[k], token);
      if (child == 0) {
        child = tree.add(place[k], token, draft.end_token());
        if (!tree.nodes[child].finished) {
          below.push_back(child);
          rows.push_back(row);
        }
      }
      place[k] = child;
    }
    level = std::move(below);
    parents = std::move(rows);
  }
  return tree;
}

}  // namespace partita
