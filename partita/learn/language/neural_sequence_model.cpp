// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/language/neural_sequence_model.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/learn/language/internal/length_groups.hpp"

namespace partita::language {
namespace {

/// Rows of one length: which of the batch they are, and their cache in this order.
struct SameLength {
  std::vector<std::size_t> rows;
  LanguageModel::Cache cache;
};

struct NeuralState final : DecodingState {
  std::vector<SameLength> groups;

  void reorder(std::span<const std::size_t> rows) override {
    std::vector<SameLength> reordered;
    for (SameLength& group : groups) {
      SameLength next;
      std::vector<std::int64_t> from;  // places in the old cache
      for (std::size_t i = 0; i < rows.size(); ++i) {
        // A group's rows ascend.
        const auto old = std::lower_bound(group.rows.begin(), group.rows.end(), rows[i]);
        if (old == group.rows.end() || *old != rows[i]) continue;
        next.rows.push_back(i);
        from.push_back(old - group.rows.begin());
      }
      if (from.empty()) continue;
      const Tensor index = at::tensor(from, at::kLong).to(group.cache.front().device());
      for (const Tensor& tensor : group.cache) next.cache.push_back(tensor.index_select(0, index));
      reordered.push_back(std::move(next));
    }
    groups = std::move(reordered);
  }
};

bool is_packed(MutableRows rows) {
  return rows.row_stride() == static_cast<std::ptrdiff_t>(rows.columns());
}

}  // namespace

NeuralSequenceModel::NeuralSequenceModel(std::shared_ptr<const LanguageModel> model,
                                         Token end_token, Token start_token)
    : model_(std::move(model)), end_token_(end_token), start_token_(start_token) {
  if (!model_) throw InvalidArgument("model", "expected a language model, got none");
  const std::int64_t last = model_->vocabulary() - 1;
  check_between("end_token", end_token, -1, last, "-1: none");
  check_between("start_token", start_token, 0, last);
}

std::size_t NeuralSequenceModel::vocabulary_size() const {
  return static_cast<std::size_t>(model_->vocabulary());
}

std::unique_ptr<DecodingState> NeuralSequenceModel::start() const {
  return std::make_unique<NeuralState>();
}

void NeuralSequenceModel::next_logits(std::span<const Sequence> prefixes, DecodingState* state,
                                      MutableRows logits) const {
  const at::NoGradGuard no_grad;
  auto& groups = dynamic_cast<NeuralState&>(*state).groups;
  const bool first = groups.empty();
  if (first) {
    for (auto& rows : rows_by_length(prefixes)) groups.push_back({std::move(rows), {}});
  }
  const auto device = model_->device();
  for (SameLength& group : groups) {
    const Tensor tokens = first ? tokens_of(prefixes, group.rows, start_token_)
                                : last_tokens_of(prefixes, group.rows);
    const Tensor read = model_->hidden(tokens.to(device), group.cache);
    const Tensor hidden = read.select(1, read.size(1) - 1);
    if (groups.size() == 1 && device.is_cpu() && is_packed(logits)) {
      // Over large vocabularies a copy would cost as much as all of the search.
      Tensor out = at::from_blob(logits.row_data<float>(0),
                                 {static_cast<std::int64_t>(logits.rows()), model_->vocabulary()},
                                 at::kFloat);
      losses::logits_out(out, hidden, model_->output());
    } else {
      write_rows(model_->logits(hidden), group.rows, logits);
    }
  }
}

}  // namespace partita::language
