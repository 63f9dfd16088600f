// SPDX-License-Identifier: Apache-2.0
#include "partita/llama/internal/llama_cache.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <string>
#include <utility>

#include "partita/base/error.hpp"

namespace partita {

// ---- llama.cpp's log ----

namespace {

std::mutex log_mutex;   // llama.cpp has one callback
std::mutex text_mutex;  // whatever thread calls it
std::string log_text;   // the errors since somebody began to collect them

void collect(ggml_log_level level, const char* text, void* /*data*/) {
  const std::scoped_lock lock(text_mutex);
  static bool continues = false;  // the line before, which this one may continue
  if (level != GGML_LOG_LEVEL_CONT) continues = level == GGML_LOG_LEVEL_ERROR;
  if (continues) log_text += text;
}

}  // namespace

LlamaLog::LlamaLog() {
  log_mutex.lock();
  {
    const std::scoped_lock lock(text_mutex);
    log_text.clear();
  }
  llama_log_get(&callback_, &data_);
  llama_log_set(collect, nullptr);
}

LlamaLog::~LlamaLog() {
  llama_log_set(callback_, data_);
  log_mutex.unlock();
}

std::string LlamaLog::first_error() const {
  const std::scoped_lock lock(text_mutex);
  std::string line = log_text.substr(0, log_text.find('\n'));
  // "llama_model_load: error loading model: ...": the function's name tells a user nothing.
  const std::size_t colon = line.find(": ");
  if (colon != std::string::npos && line.find(' ') > colon) line.erase(0, colon + 2);
  return line;
}

LlamaContextPointer make_context(llama_model& model, const llama_context_params& params) {
  const LlamaLog log;
  llama_context* const made = llama_init_from_model(&model, params);
  if (made == nullptr) {
    throw Error(fmt::format("llama.cpp: cannot make a context of {} tokens: {}", params.n_ctx,
                            log.first_error()));
  }
  return LlamaContextPointer(made);
}

// ---- CellCount ----

std::size_t CellCount::extend(std::size_t leaf) {
  ++used_;
  if (unused_.empty()) {
    nodes_.push_back({leaf, 1});
    return nodes_.size() - 1;
  }
  const std::size_t node = unused_.back();
  unused_.pop_back();
  nodes_[node] = {leaf, 1};
  return node;
}

void CellCount::share(std::size_t leaf) {
  if (leaf != kRoot) ++nodes_[leaf].holders;
}

void CellCount::release(std::size_t leaf) {
  while (leaf != kRoot && --nodes_[leaf].holders == 0) {
    --used_;
    unused_.push_back(leaf);
    leaf = nodes_[leaf].parent;
  }
}

void CellCount::clear() {
  nodes_.clear();
  unused_.clear();
  used_ = 0;
}

// ---- LlamaCache ----

std::size_t LlamaCache::length_of(const Sequence& prefix) const {
  return prefix.size() + (options_.start_token >= 0 ? 1 : 0);
}

Token LlamaCache::token_at(const Sequence& prefix, std::size_t position) const {
  if (options_.start_token < 0) return prefix[position];
  return position == 0 ? options_.start_token : prefix[position - 1];
}

void LlamaCache::reserve(std::size_t cells) {
  constexpr std::size_t kStep = 256;  // llama.cpp rounds up to it
  capacity_ = (std::max(cells, 2 * capacity_) + kStep - 1) / kStep * kStep;
  context_.reset();  // before the new one takes its memory
  llama_context_params params = llama_context_default_params();
  params.n_ctx = static_cast<std::uint32_t>(capacity_);
  params.n_seq_max = static_cast<std::uint32_t>(options_.sequences);
  params.n_batch = static_cast<std::uint32_t>(std::max<std::size_t>(512, options_.sequences));
  params.n_ubatch = params.n_batch;
  params.n_threads = options_.threads;
  params.n_threads_batch = options_.threads;
  params.kv_unified = true;  // so that sequences share cells
  params.offload_kqv = options_.gpu;
  params.op_offload = options_.gpu;
  if (options_.batch_invariant) {
    params.type_k = GGML_TYPE_F32;
    params.type_v = GGML_TYPE_F32;
    params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
  }
  context_ = make_context(*model_, params);
  cells_.clear();
  rows_.clear();
  kept_.clear();
  unused_.clear();
  for (auto id = static_cast<llama_seq_id>(options_.sequences); id-- > 0;) unused_.push_back(id);
}

void LlamaCache::copy(const Row& from, Row& to) {
  to = {unused_.back(), from.leaf, from.length};
  unused_.pop_back();
  llama_memory_seq_cp(llama_get_memory(context_.get()), from.sequence, to.sequence, -1, -1);
  cells_.share(from.leaf);
}

void LlamaCache::drop(const Row& row) {
  llama_memory_seq_rm(llama_get_memory(context_.get()), row.sequence, -1, -1);
  unused_.push_back(row.sequence);
  cells_.release(row.leaf);
}

void LlamaCache::decode(std::span<const Input> inputs, MutableRows logits) {
  const std::size_t most = llama_n_batch(context_.get());
  std::vector<Token> tokens(most);
  std::vector<llama_pos> positions(most);
  std::vector<std::int32_t> ones(most, 1);
  std::vector<llama_seq_id> sequences(most);
  std::vector<llama_seq_id*> sequence(most);
  std::vector<std::int8_t> wanted(most);
  for (std::size_t i = 0; i < most; ++i) sequence[i] = &sequences[i];
  for (std::size_t first = 0; first < inputs.size(); first += most) {
    const std::span<const Input> part =
        inputs.subspan(first, std::min(most, inputs.size() - first));
    for (std::size_t i = 0; i < part.size(); ++i) {
      tokens[i] = part[i].token;
      positions[i] = static_cast<llama_pos>(part[i].position);
      sequences[i] = part[i].sequence;
      wanted[i] = part[i].row >= 0 ? 1 : 0;
    }
    const int status = llama_decode(
        context_.get(), {static_cast<std::int32_t>(part.size()), tokens.data(), nullptr,
                         positions.data(), ones.data(), sequence.data(), wanted.data()});
    if (status != 0) {
      throw Error(
          fmt::format("llama.cpp: llama_decode() of {} tokens ended with {}", part.size(), status));
    }
    for (std::size_t i = 0; i < part.size(); ++i) {
      if (part[i].row < 0) continue;
      std::copy_n(llama_get_logits_ith(context_.get(), static_cast<std::int32_t>(i)),
                  logits.columns(), logits.row_data<float>(static_cast<std::size_t>(part[i].row)));
    }
  }
}

void LlamaCache::read(std::span<const Sequence> prefixes, MutableRows logits) {
  std::size_t common = length_of(prefixes[0]);
  std::size_t all = 0;
  for (const Sequence& prefix : prefixes) {
    common = std::min(common, length_of(prefix) - 1);  // each has its own last token
    std::size_t same = 0;
    while (same < common && token_at(prefix, same) == token_at(prefixes[0], same)) ++same;
    common = same;
    all += length_of(prefix);
  }
  const std::size_t cells = common + all - prefixes.size() * common;
  if (!context_ || cells > capacity_) reserve(cells);

  // As much of it as an earlier search has left.
  std::size_t known = 0;
  while (known < std::min(common, kept_.size()) && kept_[known] == token_at(prefixes[0], known)) {
    ++known;
  }
  llama_memory_t memory = llama_get_memory(context_.get());
  if (rows_.empty()) {
    rows_.push_back({unused_.back(), CellCount::kRoot, 0});
    unused_.pop_back();
  }
  if (!llama_memory_seq_rm(memory, rows_[0].sequence, static_cast<llama_pos>(known), -1)) {
    known = 0;  // of a recurrent model, a state can only be forgotten as a whole
    llama_memory_seq_rm(memory, rows_[0].sequence, -1, -1);
  }
  kept_.clear();
  cells_.clear();
  rows_[0] = {rows_[0].sequence, CellCount::kRoot, known};
  for (std::size_t i = 0; i < known; ++i) rows_[0].leaf = cells_.extend(rows_[0].leaf);

  std::vector<Input> inputs;
  for (; rows_[0].length < common; ++rows_[0].length) {
    inputs.push_back(
        {token_at(prefixes[0], rows_[0].length), rows_[0].length, rows_[0].sequence, -1});
    rows_[0].leaf = cells_.extend(rows_[0].leaf);
  }
  if (!inputs.empty()) decode(inputs, logits);
  rows_.resize(prefixes.size());
  for (std::size_t i = 1; i < rows_.size(); ++i) copy(rows_[0], rows_[i]);
  inputs.clear();
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    const std::size_t length = length_of(prefixes[i]);
    for (Row& row = rows_[i]; row.length < length; ++row.length) {
      const bool last = row.length + 1 == length;
      inputs.push_back({token_at(prefixes[i], row.length), row.length, row.sequence,
                        last ? static_cast<std::ptrdiff_t>(i) : -1});
      row.leaf = cells_.extend(row.leaf);
    }
  }
  decode(inputs, logits);
  keep(prefixes[0]);
}

void LlamaCache::keep(const Sequence& prefix) {
  kept_.clear();
  for (std::size_t i = 0; i < length_of(prefix); ++i) kept_.push_back(token_at(prefix, i));
}

void LlamaCache::extend(std::span<const Sequence> prefixes, MutableRows logits) {
  if (cells_.used() + prefixes.size() > capacity_) {
    reserve(cells_.used() + prefixes.size());
    read(prefixes, logits);
    return;
  }
  std::vector<Input> inputs;
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    Row& row = rows_[i];
    inputs.push_back(
        {prefixes[i].back(), row.length, row.sequence, static_cast<std::ptrdiff_t>(i)});
    row.leaf = cells_.extend(row.leaf);
    ++row.length;
  }
  decode(inputs, logits);
  keep(prefixes[0]);
}

void LlamaCache::reorder(std::span<const std::size_t> rows) {
  // A row's first child takes its sequence over, which saves a copy, and sequences: there are never
  // more than rows. The others copy it before anything is read.
  std::vector<Row> next(rows.size());
  std::vector<bool> taken(rows_.size());
  std::vector<bool> inherits(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    inherits[i] = !taken[rows[i]];
    taken[rows[i]] = true;
    if (inherits[i]) next[i] = rows_[rows[i]];
  }
  for (std::size_t row = 0; row < rows_.size(); ++row) {
    if (!taken[row]) drop(rows_[row]);
  }
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (!inherits[i]) copy(rows_[rows[i]], next[i]);
  }
  rows_ = std::move(next);
  if (rows.empty() || rows[0] != 0) kept_.clear();
}

void LlamaCache::finish() {
  for (std::size_t i = 1; i < rows_.size(); ++i) drop(rows_[i]);
  rows_.resize(std::min<std::size_t>(rows_.size(), 1));
}

}  // namespace partita
