// SPDX-License-Identifier: Apache-2.0
#include "partita/noise/internal/draft_tree.hpp"

#include <algorithm>
#include <utility>

#include "partita/gumbel/addressed.hpp"
#include "partita/noise/internal/sequential.hpp"
#include "partita/search/internal/decoder.hpp"
#include "partita/search/internal/perturbed_tree.hpp"

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

namespace {

/// Calls the draft model level by level.
class Levels {
 public:
  Levels(const SequenceModel& draft, const SearchOptions& options) : decoder_(draft, options) {}

  /// The logits after some nodes of a level, which are kept in the tree.
  /// @param parents for each, the row of its parent in the level before
  Rows next(DraftTree& tree, std::span<const std::size_t> nodes,
            std::span<const std::size_t> parents) {
    if (began_) decoder_.reorder(parents);
    began_ = true;
    std::vector<Sequence> prefixes;
    for (const std::size_t node : nodes) prefixes.push_back(tree.nodes[node].prefix);
    const Rows logits = decoder_.next(prefixes);
    for (std::size_t row = 0; row < nodes.size(); ++row) {
      tree.nodes[nodes[row]].logits = doubles_of(logits.slice(row, 1));
    }
    return logits;
  }

 private:
  Decoder decoder_;
  bool began_ = false;
};

}  // namespace

DraftTree draft_without_replacement(const SequenceModel& draft, const Sequence& text,
                                    std::size_t drafts, std::size_t length, const Stream& stream,
                                    const SearchOptions& options) {
  struct Member {
    Prefix prefix;
    std::size_t node;    // its own; while it is a candidate, its parent's
    std::size_t parent;  // row of its parent
  };
  DraftTree tree{{{.prefix = text}}};
  std::vector<Member> beam = {{perturbed_root(text, stream), 0, 0}};
  Levels levels(draft, options);
  for (std::size_t step = 0; step < length; ++step) {
    std::vector<std::size_t> nodes;
    std::vector<std::size_t> parents;
    std::vector<Member> candidates;
    for (Member& member : beam) {
      if (member.prefix.leaf) {
        candidates.push_back(std::move(member));
        continue;
      }
      parents.push_back(std::exchange(member.parent, nodes.size()));
      nodes.push_back(member.node);
    }
    if (nodes.empty()) break;
    const Rows logits = levels.next(tree, nodes, parents);
    for (const Member& member : beam) {
      if (member.prefix.leaf) continue;
      PerturbedChildren children;
      children.open(member.prefix, logits.slice(member.parent, 1));
      for (std::size_t k = 0; k < drafts; ++k) {
        auto child = children.next(member.prefix, draft.end_token(), ~std::size_t{0});
        if (!child) break;
        candidates.push_back({std::move(*child), member.node, member.parent});
      }
    }
    std::stable_sort(candidates.begin(), candidates.end(), [](const Member& a, const Member& b) {
      return a.prefix.perturbed > b.prefix.perturbed;
    });
    if (candidates.size() > drafts) candidates.resize(drafts);
    for (Member& member : candidates) {
      // A leaf of an earlier step has its node already.
      if (member.prefix.leaf && tree.nodes[member.node].finished) continue;
      const Token token = member.prefix.finished ? draft.end_token() : member.prefix.tokens.back();
      member.node = tree.add(member.node, token, draft.end_token());
    }
    beam = std::move(candidates);
  }
  return tree;
}

DraftTree draft_at_addresses(const SequenceModel& draft, const Sequence& text, std::size_t drafts,
                             std::span<const Stream> addresses, const SearchOptions& options) {
  DraftTree tree{{{.prefix = text}}};
  std::vector<std::size_t> place(drafts, 0);  // each sequence's node
  std::vector<std::size_t> level = {0};
  std::vector<std::size_t> parents = {0};
  Levels levels(draft, options);
  for (std::size_t first = 0; first < addresses.size() && !level.empty(); first += drafts) {
    const Rows logits = levels.next(tree, level, parents);
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
