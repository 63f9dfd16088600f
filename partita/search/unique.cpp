// SPDX-License-Identifier: Apache-2.0
#include "partita/search/unique.hpp"

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "partita/search/internal/perturbed_tree.hpp"

namespace partita {
namespace {

constexpr double kNone = -std::numeric_limits<double>::infinity();

/// A prefix some of whose sequences have not been returned.
struct Node {
  Prefix prefix;
  std::vector<std::byte> logits;  // after it; empty until it is first visited
  PerturbedChildren children;
};

/// Waits in the heap with the perturbed log-probability of the best sequence below it.
struct Waiting {
  double perturbed;
  std::unique_ptr<Node> node;
};

bool lower(const Waiting& a, const Waiting& b) { return a.perturbed < b.perturbed; }

}  // namespace

struct UniqueSampler::State {
  const SequenceModel* model;
  SearchOptions options;
  std::size_t prompt;
  std::vector<Waiting> heap;

  void push(double perturbed, std::unique_ptr<Node> node) {
    heap.push_back({perturbed, std::move(node)});
    std::push_heap(heap.begin(), heap.end(), lower);
  }

  std::unique_ptr<Node> pop() {
    std::pop_heap(heap.begin(), heap.end(), lower);
    std::unique_ptr<Node> node = std::move(heap.back().node);
    heap.pop_back();
    return node;
  }
};

UniqueSampler::UniqueSampler(const SequenceModel& model, const Sequence& prompt,
                             const Stream& stream, const SearchOptions& options)
    : state_(std::make_unique<State>()) {
  check_search(model, options);
  check_unsteered(options.filter);
  check_prompt(model, prompt);
  state_->model = &model;
  state_->options = options;
  state_->prompt = prompt.size();
  auto root = std::make_unique<Node>();
  root->prefix = perturbed_root(prompt, stream);
  const double largest = root->prefix.perturbed;
  state_->push(largest, std::move(root));
}

UniqueSampler::~UniqueSampler() = default;
UniqueSampler::UniqueSampler(UniqueSampler&&) noexcept = default;
UniqueSampler& UniqueSampler::operator=(UniqueSampler&&) noexcept = default;

std::optional<PerturbedHypothesis> UniqueSampler::next() {
  if (state_->heap.empty()) return std::nullopt;
  const SequenceModel& model = *state_->model;
  const std::size_t longest = longest_with(state_->prompt, state_->options);
  // Down from where it waits to a leaf. The model reads the whole prefix once, then token by token.
  std::optional<Decoder> decoder;
  std::unique_ptr<Node> node = state_->pop();
  while (true) {
    if (node->logits.empty()) {
      if (decoder) {
        const std::size_t same_row = 0;
        decoder->reorder({&same_row, 1});
      } else {
        decoder.emplace(model, state_->options);
      }
      try {
        const Rows row = decoder->next({&node->prefix.tokens, 1});
        const auto* logits = static_cast<const std::byte*>(row.data());
        node->logits.assign(logits, logits + row.columns() * element_size(row.dtype()));
        node->children.open(node->prefix,
                            {node->logits.data(), row.dtype(), 1, row.columns(), row.row_stride()});
      } catch (...) {  // what lies below it must not be lost
        node->logits.clear();
        const double perturbed = node->prefix.perturbed;
        state_->push(perturbed, std::move(node));
        throw;
      }
    }
    // There is a child: a node without further children does not wait.
    Prefix child = *node->children.next(node->prefix, model.end_token(), longest);
    const double rest = node->children.peek();
    if (rest > kNone) state_->push(rest, std::move(node));
    if (child.leaf) {
      strip_prompt(child.tokens, state_->prompt);
      PerturbedHypothesis out;
      out.tokens = std::move(child.tokens);
      out.finished = child.finished;
      out.log_prob = child.log_prob;
      out.perturbed = child.perturbed;
      return out;
    }
    node = std::make_unique<Node>();
    node->prefix = std::move(child);
  }
}

double UniqueSampler::threshold() const {
  if (state_->heap.empty()) return kNone;
  return state_->heap.front().perturbed;
}

}  // namespace partita
