// SPDX-License-Identifier: Apache-2.0
#include "partita/split/stochastic_beam.hpp"

#include <algorithm>
#include <limits>
#include <memory>
#include <vector>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/gumbel/gumbel.hpp"
#include "partita/search/internal/drawn_leaves.hpp"
#include "partita/search/internal/perturbed_tree.hpp"
#include "partita/split/internal/top_of_rows.hpp"

namespace partita {

namespace {

/// Gives a step this rank's columns of the logits.
class OwnLogits {
 public:
  OwnLogits(const SplitSequenceModel& model, const SplitColumns& columns)
      : model_(&model), columns_(&columns), state_(model.start()) {}

  Rows next(std::span<const Sequence> prefixes) {
    return model_->logits_dtype() == DType::f32 ? ask(prefixes, floats_) : ask(prefixes, doubles_);
  }
  void reorder(std::span<const std::size_t> rows) {
    if (state_) state_->reorder(rows);
  }

 private:
  template <class T>
  Rows ask(std::span<const Sequence> prefixes, std::vector<T>& buffer) {
    // What a model forgets to write shows as NaN.
    buffer.assign(prefixes.size() * columns_->size(), std::numeric_limits<T>::quiet_NaN());
    const MutableRows logits(buffer.data(), prefixes.size(), columns_->size());
    model_->next_logits(prefixes, state_.get(), logits);
    return logits;
  }

  const SplitSequenceModel* model_;
  const SplitColumns* columns_;
  std::unique_ptr<DecodingState> state_;
  std::vector<double> doubles_;
  std::vector<float> floats_;
};

/// Appends the k largest children of a prefix, and says how large the next one is.
double add_children(const Prefix& parent, const split::TopOfRow& top, Token end_token,
                    std::size_t longest, std::vector<Prefix>& out) {
  std::vector<double> perturbed;
  for (const split::Perturbed& each : top.largest) {
    perturbed.push_back(parent.log_prob + each.perturbed);
  }
  perturbed.push_back(parent.log_prob + top.next);
  condition_on_maximum(perturbed, parent.perturbed);
  for (std::size_t i = 0; i < top.largest.size(); ++i) {
    out.push_back(perturbed_child(parent, static_cast<Token>(top.largest[i].index),
                                  parent.log_prob + top.normalizer.log_prob(top.largest[i].logit),
                                  perturbed[i], end_token, longest));
  }
  return perturbed.back();
}

}  // namespace

StochasticBeam stochastic_beam_search(const SplitSequenceModel& model, const Sequence& prompt,
                                      std::size_t k, const Stream& stream,
                                      const SplitColumns& columns, const SearchOptions& options) {
  check_at_least("k", k, 1);
  check_at_least("max_length", options.max_length, 1);
  check_at_least("threads", options.threads, 1);
  const Token end = model.end_token();
  if (end != -1) check_index("end_token", end, columns.columns(), "tokens");
  for (const Token token : prompt) check_index("prompt", token, columns.columns(), "tokens");
  if (!options.filter.is_always_identity()) {
    throw InvalidArgument("filter", "is not for a split vocabulary");
  }
  std::vector<std::vector<Prefix>> beams = {{perturbed_root(prompt, stream)}};
  double threshold = -std::numeric_limits<double>::infinity();
  const std::size_t longest = longest_with(prompt.size(), options);
  run_beams(OwnLogits(model, columns), beams,
            [&](std::size_t /*search*/, std::vector<Prefix>& beam, Rows own) {
              std::vector<Stream> streams(own.rows());
              for (const Prefix& prefix : beam) {
                if (!prefix.leaf) streams[prefix.row] = prefix.stream;
              }
              const split::TopOfRows top(own, std::min(k, columns.columns()),
                                         std::span<const Stream>(streams), columns,
                                         options.threads);
              split::TopOfRow children;
              std::vector<Prefix> next;
              for (Prefix& prefix : beam) {
                if (prefix.leaf) {
                  next.push_back(std::move(prefix));
                  continue;
                }
                top.read(prefix.row, children);
                threshold = std::max(threshold, add_children(prefix, children, end, longest, next));
              }
              std::stable_sort(next.begin(), next.end(), [](const Prefix& a, const Prefix& b) {
                return a.perturbed > b.perturbed;
              });
              if (next.size() > k) {
                threshold = std::max(threshold, next[k].perturbed);
                next.resize(k);
              }
              beam = std::move(next);
            });
  return drawn_leaves(std::move(beams[0]), prompt.size(), threshold);
}

}  // namespace partita
