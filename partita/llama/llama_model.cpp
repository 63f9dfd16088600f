// SPDX-License-Identifier: Apache-2.0
#include "partita/llama/llama_model.hpp"

#include <dlfcn.h>
#include <fmt/format.h>
#include <ggml-backend.h>
#include <llama.h>

#include <algorithm>
#include <exception>
#include <filesystem>
#include <mutex>
#include <utility>
#include <vector>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/io/file.hpp"
#include "partita/llama/internal/llama_cache.hpp"

namespace partita {
namespace {

/// llama.cpp's backends may be libraries of their own, which lie beside it.
void load_backends() {
  static std::once_flag once;
  std::call_once(once, [] {
    const LlamaLog log;
    llama_backend_init();
    Dl_info library{};
    if (ggml_backend_dev_count() == 0 &&
        ::dladdr(reinterpret_cast<const void*>(&llama_backend_init), &library) != 0) {
      const auto folder = std::filesystem::path(library.dli_fname).parent_path();
      ggml_backend_load_all_from_path(folder.c_str());
    }
    if (ggml_backend_dev_count() == 0) ggml_backend_load_all();
  });
  if (ggml_backend_dev_count() == 0) {
    throw Error("llama.cpp: found no backend (libggml-cpu) beside libllama");
  }
}

void check_magic(const std::string& path) {
  const MappedFile file(path);
  if (!file.bytes().starts_with("GGUF")) {
    throw DataError(path, "expected a GGUF file, which begins with \"GGUF\"");
  }
}

LlamaModelPointer load(const std::string& path, bool gpu) {
  llama_model_params params = llama_model_default_params();
  params.n_gpu_layers = gpu ? -1 : 0;
  const LlamaLog log;
  llama_model* const model = llama_model_load_from_file(path.c_str(), params);
  if (model == nullptr) throw DataError(path, "llama.cpp: " + log.first_error());
  return LlamaModelPointer(model);
}

}  // namespace

struct LlamaModel::Data {
  LlamaOptions options;
  LlamaModelPointer model;
  const llama_vocab* vocabulary = nullptr;
  std::size_t context = 0;
  Token start_token = -1;
  Token end_token = -1;

  std::mutex mutex;
  std::vector<std::unique_ptr<LlamaCache>> idle;

  std::unique_ptr<LlamaCache> cache() {
    {
      const std::scoped_lock lock(mutex);
      if (!idle.empty()) {
        auto last = std::move(idle.back());
        idle.pop_back();
        return last;
      }
    }
    return std::make_unique<LlamaCache>(
        *model, LlamaCacheOptions{options.sequences, options.threads, options.batch_invariant,
                                  options.gpu, start_token});
  }
  void take_back(std::unique_ptr<LlamaCache> cache) {
    cache->finish();
    const std::scoped_lock lock(mutex);
    idle.push_back(std::move(cache));
  }
};

/// A cache that a search has borrowed.
class LlamaModel::State final : public DecodingState {
 public:
  explicit State(std::shared_ptr<Data> data) : data_(std::move(data)), cache_(data_->cache()) {}
  ~State() override {
    if (!failed_) data_->take_back(std::move(cache_));
  }

  void reorder(std::span<const std::size_t> rows) override {
    check_between("rows", rows.size(), 0, data_->options.sequences, "sequences");
    for (const std::size_t row : rows) check_index("rows", row, cache_->rows());
    cache_->reorder(rows);
  }

  void next_logits(std::span<const Sequence> prefixes, MutableRows logits) {
    failed_ = true;  // until all has been read
    if (std::exchange(began_, true)) {
      cache_->extend(prefixes, logits);
    } else {
      cache_->read(prefixes, logits);
    }
    failed_ = false;
  }

 private:
  std::shared_ptr<Data> data_;
  std::unique_ptr<LlamaCache> cache_;
  bool began_ = false;
  bool failed_ = false;
};

LlamaModel::LlamaModel(const std::string& path, const LlamaOptions& options)
    : data_(std::make_shared<Data>()) {
  check_between("sequences", options.sequences, 1, llama_max_parallel_sequences());
  check_at_least("threads", options.threads, 1);
  check_magic(path);
  load_backends();
  Data& data = *data_;
  data.options = options;
  data.model = load(path, options.gpu);
  data.vocabulary = llama_model_get_vocab(data.model.get());
  if (llama_vocab_type(data.vocabulary) == LLAMA_VOCAB_TYPE_NONE) {
    throw DataError(path, "a model without a vocabulary");
  }
  data.context = options.context != 0
                     ? options.context
                     : static_cast<std::size_t>(llama_model_n_ctx_train(data.model.get()));
  data.end_token = llama_vocab_eos(data.vocabulary);
  if (data.end_token < 0) data.end_token = llama_vocab_eot(data.vocabulary);
  if (llama_vocab_get_add_bos(data.vocabulary)) data.start_token = llama_vocab_bos(data.vocabulary);
  if (options.start_token) {
    check_index("start_token", *options.start_token, vocabulary_size(), "tokens");
    data.start_token = *options.start_token;
  }

  // Only a context tells whether there is a memory that tokens can be appended to.
  llama_context_params params = llama_context_default_params();
  params.n_ctx = 256;
  const LlamaContextPointer context = make_context(*data.model, params);
  if (llama_model_has_encoder(data.model.get())) {
    throw DataError(path, "a model with an encoder: only those that only decode can be searched");
  }
  if (llama_get_memory(context.get()) == nullptr ||
      llama_pooling_type(context.get()) != LLAMA_POOLING_TYPE_NONE) {
    throw DataError(path, "an encoder, which says nothing of a next token");
  }
}

std::size_t LlamaModel::vocabulary_size() const {
  return static_cast<std::size_t>(llama_vocab_n_tokens(data_->vocabulary));
}

Token LlamaModel::end_token() const { return data_->end_token; }

std::size_t LlamaModel::most_prefixes() const { return data_->options.sequences; }

std::size_t LlamaModel::context() const { return data_->context; }

std::unique_ptr<DecodingState> LlamaModel::start() const { return std::make_unique<State>(data_); }

void LlamaModel::next_logits(std::span<const Sequence> prefixes, DecodingState* state,
                             MutableRows logits) const {
  const std::size_t start = data_->start_token >= 0 ? 1 : 0;
  for (const Sequence& prefix : prefixes) {
    if (prefix.size() + start > data_->context) {
      throw InvalidArgument(
          "prompt", fmt::format("expected, with what follows it, at most {} tokens (the model's "
                                "context), got {}",
                                data_->context, prefix.size() + start));
    }
    if (prefix.size() + start == 0) {
      throw InvalidArgument("prompt", "expected a token, as this model has no start token");
    }
  }
  check_between("prefixes", prefixes.size(), 0, most_prefixes(), "sequences");
  if (!prefixes.empty()) static_cast<State&>(*state).next_logits(prefixes, logits);
}

std::optional<Token> LlamaModel::find(std::string_view text) const {
  for (Token token = 0; token < llama_vocab_n_tokens(data_->vocabulary); ++token) {
    if (llama_vocab_get_text(data_->vocabulary, token) == text) return token;
  }
  return std::nullopt;
}

Sequence LlamaModel::encode(std::string_view text) const {
  const auto length = static_cast<std::int32_t>(text.size());
  Sequence tokens(text.size() + 2);
  try {
    int count = 0;
    while ((count = llama_tokenize(data_->vocabulary, text.data(), length, tokens.data(),
                                   static_cast<std::int32_t>(tokens.size()), false, false)) < 0) {
      tokens.resize(static_cast<std::size_t>(-count));
    }
    tokens.resize(static_cast<std::size_t>(count));
  } catch (const std::exception&) {  // std::out_of_range, for a byte that is no token
    throw InvalidArgument("text", "the model's vocabulary has no token for a part of it");
  }
  return tokens;
}

std::string LlamaModel::decode(std::span<const Token> tokens) const {
  std::string text;
  std::string piece(64, '\0');
  for (const Token token : tokens) {
    check_index("tokens", token, vocabulary_size(), "tokens");
    int size = 0;
    while ((size = llama_token_to_piece(data_->vocabulary, token, piece.data(),
                                        static_cast<std::int32_t>(piece.size()), 0, false)) < 0) {
      piece.resize(static_cast<std::size_t>(-size));
    }
    text.append(piece, 0, static_cast<std::size_t>(size));
  }
  return text;
}

}  // namespace partita
