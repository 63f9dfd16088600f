// SPDX-License-Identifier: Apache-2.0
#include "partita/onnx/onnx_model.hpp"

#include <map>
#include <tuple>
#include <utility>
#include <vector>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/onnx/internal/onnx_session.hpp"

namespace partita {

struct OnnxModel::Data {
  OnnxSession session;
  OnnxOptions options;
};

/// What was read of each prefix. Rows of one step share its tensors, and are copied out of them
/// only when the next step reads them.
class OnnxModel::State final : public DecodingState {
 public:
  void reorder(std::span<const std::size_t> rows) override {
    std::vector<OnnxRow> moved;
    moved.reserve(rows.size());
    for (const std::size_t row : rows) {
      check_index("rows", row, rows_.size());
      moved.push_back(rows_[row]);
    }
    rows_ = std::move(moved);
  }

  /// Of `count` prefixes.
  const std::vector<OnnxRow>& rows(std::size_t count) {
    if (!std::exchange(began_, true)) rows_.resize(count);
    check_size("prefixes", count, rows_.size(), "rows of the state");
    return rows_;
  }
  void set_rows(std::vector<OnnxRow> rows) { rows_ = std::move(rows); }

 private:
  std::vector<OnnxRow> rows_;
  bool began_ = false;
};

namespace {

/// What one run reads: so many new tokens after so many that were read, for rows that all differ.
struct Batch {
  std::vector<OnnxRow> rows;
  std::vector<std::int64_t> tokens;                    // [rows, new tokens]
  std::vector<std::vector<std::size_t>> for_prefixes;  // that each row is for
  std::map<std::tuple<const OnnxCache*, std::size_t, Sequence>, std::size_t> index;

  void add(const OnnxRow& row, Sequence unread, std::size_t prefix) {
    const auto [found, is_new] =
        index.try_emplace({row.cache.get(), row.index, std::move(unread)}, rows.size());
    if (is_new) {
      const auto& added = std::get<Sequence>(found->first);
      rows.push_back(row);
      tokens.insert(tokens.end(), added.begin(), added.end());
      for_prefixes.emplace_back();
    }
    for_prefixes[found->second].push_back(prefix);
  }
};

}  // namespace

OnnxModel::OnnxModel(const std::string& path, const OnnxOptions& options) {
  check_at_least("threads", options.threads, 1);
  data_ = std::make_shared<Data>(Data{OnnxSession(path, options.threads), options});
  if (options.end_token != -1) {
    check_index("end_token", options.end_token, vocabulary_size(), "tokens, or -1");
  }
  if (options.start_token) {
    check_index("start_token", *options.start_token, vocabulary_size(), "tokens");
  }
}

std::size_t OnnxModel::vocabulary_size() const { return data_->session.vocabulary_size(); }

Token OnnxModel::end_token() const { return data_->options.end_token; }

std::unique_ptr<DecodingState> OnnxModel::start() const {
  return data_->session.has_past() ? std::make_unique<State>() : nullptr;
}

void OnnxModel::next_logits(std::span<const Sequence> prefixes, DecodingState* state,
                            MutableRows logits) const {
  auto* const mine = static_cast<State*>(state);
  std::vector<OnnxRow> rows =
      mine == nullptr ? std::vector<OnnxRow>(prefixes.size()) : mine->rows(prefixes.size());
  std::map<std::pair<std::size_t, std::size_t>, Batch> batches;  // by lengths: read, unread
  for (std::size_t i = 0; i < prefixes.size(); ++i) {
    for (const Token token : prefixes[i])
      check_index("prefixes", token, vocabulary_size(), "tokens");
    Sequence tokens = prefixes[i];
    if (data_->options.start_token) tokens.insert(tokens.begin(), *data_->options.start_token);
    if (tokens.empty()) {
      throw InvalidArgument("prompt", "expected a token, as this model has no start token");
    }
    const std::size_t read = rows[i].length();
    check_at_least("prefixes", tokens.size(), read + 1, "tokens, as the row has read the others");
    tokens.erase(tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(read));
    const std::size_t unread = tokens.size();
    batches[{read, unread}].add(rows[i], std::move(tokens), i);
  }
  for (const auto& [lengths, batch] : batches) {
    const OnnxSession::Output output = data_->session.read(batch.rows, batch.tokens);
    for (std::size_t row = 0; row < batch.rows.size(); ++row) {
      for (const std::size_t prefix : batch.for_prefixes[row]) {
        data_->session.copy_logits(output, row,
                                   {logits.row_data<float>(prefix), vocabulary_size()});
        rows[prefix] = {output.cache, row};
      }
    }
  }
  if (mine != nullptr) mine->set_rows(std::move(rows));
}

}  // namespace partita
