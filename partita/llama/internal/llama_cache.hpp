// SPDX-License-Identifier: Apache-2.0
// Internal to partita/llama: a llama_context whose sequences are the prefixes of a search.
#pragma once

#include <llama.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "partita/base/rows.hpp"
#include "partita/search/sequence_model.hpp"

namespace partita {

/// Collects what llama.cpp logs, instead of the program's own callback, while it exists. Nothing
/// else may make one meanwhile on the same thread.
class LlamaLog {
 public:
  LlamaLog();
  ~LlamaLog();
  LlamaLog(const LlamaLog&) = delete;
  LlamaLog& operator=(const LlamaLog&) = delete;

  /// The first error, in one line; empty if there was none.
  std::string first_error() const;

 private:
  ggml_log_callback callback_ = nullptr;
  void* data_ = nullptr;
};

struct LlamaDeleter {
  void operator()(llama_model* model) const {
    const LlamaLog log;
    llama_model_free(model);
  }
  void operator()(llama_context* context) const {
    const LlamaLog log;
    llama_free(context);
  }
};
using LlamaModelPointer = std::unique_ptr<llama_model, LlamaDeleter>;
using LlamaContextPointer = std::unique_ptr<llama_context, LlamaDeleter>;

/// @throws Error with what llama.cpp says
LlamaContextPointer make_context(llama_model& model, const llama_context_params& params);

/// How many cells of a cache are in use: a trie of tokens, of which each prefix holds a path.
class CellCount {
 public:
  static constexpr std::size_t kRoot = static_cast<std::size_t>(-1);

  std::size_t used() const { return used_; }
  /// The path one token longer.
  std::size_t extend(std::size_t leaf);
  /// One more prefix holds this path.
  void share(std::size_t leaf);
  void release(std::size_t leaf);
  void clear();

 private:
  struct Node {
    std::size_t parent;
    std::size_t holders;
  };
  std::vector<Node> nodes_;
  std::vector<std::size_t> unused_;
  std::size_t used_ = 0;
};

struct LlamaCacheOptions {
  std::size_t sequences;
  int threads;
  bool batch_invariant;
  bool gpu;
  Token start_token;  ///< -1: none
};

/// Reads prefixes, and keeps what llama.cpp computed for them.
class LlamaCache {
 public:
  LlamaCache(llama_model& model, const LlamaCacheOptions& options)
      : model_(&model), options_(options) {}

  /// Reads prefixes from their beginning; what they all begin with, once, and not at all as far as
  /// the first prefix of an earlier search began with it.
  void read(std::span<const Sequence> prefixes, MutableRows logits);
  /// Reads the last token of each row's prefix.
  void extend(std::span<const Sequence> prefixes, MutableRows logits);
  /// Row i becomes a copy of row rows[i].
  void reorder(std::span<const std::size_t> rows);
  /// Ends a search, and keeps its first row.
  void finish();

  std::size_t rows() const { return rows_.size(); }

 private:
  struct Row {
    llama_seq_id sequence;
    std::size_t leaf;    // of its path
    std::size_t length;  // tokens in the cache
  };
  struct Input {
    Token token;
    std::size_t position;
    llama_seq_id sequence;
    std::ptrdiff_t row;  // whose logits follow; -1: nobody's
  };

  void reserve(std::size_t cells);
  void decode(std::span<const Input> inputs, MutableRows logits);
  void copy(const Row& from, Row& to);
  void drop(const Row& row);
  void keep(const Sequence& prefix);
  Token token_at(const Sequence& prefix, std::size_t position) const;
  std::size_t length_of(const Sequence& prefix) const;

  llama_model* model_;
  LlamaCacheOptions options_;
  LlamaContextPointer context_;
  std::size_t capacity_ = 0;  // cells
  CellCount cells_;
  std::vector<Row> rows_;
  std::vector<llama_seq_id> unused_;
  Sequence kept_;  // the tokens of rows_[0], the start token included; empty if unknown
};

}  // namespace partita
