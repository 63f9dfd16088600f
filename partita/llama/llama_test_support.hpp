// SPDX-License-Identifier: Apache-2.0
// Shared by the tests of llama.cpp's models: a GGUF file of random weights, written from nothing,
// and what its logits must be, computed in double precision without llama.cpp.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "partita/random/stream.hpp"
#include "partita/search/sequence_model.hpp"

namespace partita::testing {

/// A transformer of the architecture that GGUF calls "llama": RMS norms, rotary positions, grouped
/// queries, a gated feed-forward layer.
struct TinyTransformer {
  std::size_t vocabulary = 6;
  std::size_t embedding = 32;
  std::size_t layers = 2;
  std::size_t heads = 4;
  std::size_t key_heads = 2;
  std::size_t hidden = 48;
  std::size_t context = 64;
  double scale = 2;  ///< of the logits, roughly
  std::uint64_t seed = 1;
  std::map<std::string, std::vector<float>> weights = {};  ///< tensor by tensor, as GGUF names them

  static constexpr double kEpsilon = 1e-5;
  static constexpr double kRopeBase = 10000;

  std::size_t head_size() const { return embedding / heads; }
  Token start_token() const { return 1; }
  Token end_token() const { return 2; }

  /// [columns, rows] as GGUF orders them: rows vectors of `columns` numbers.
  void add(const std::string& name, std::size_t columns, std::size_t rows, double size) {
    const Stream stream{seed, weights.size()};
    std::vector<float> values(columns * rows);
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] =
          static_cast<float>(rows == 1 ? 1 + size * stream.normal(i) : size * stream.normal(i));
    }
    weights[name] = std::move(values);
  }

  void draw() {
    const auto size = [](std::size_t columns) {
      return 1 / std::sqrt(static_cast<double>(columns));
    };
    const std::size_t key = key_heads * head_size();
    add("token_embd.weight", embedding, vocabulary, 1);
    add("output_norm.weight", embedding, 1, 0.1);
    add("output.weight", embedding, vocabulary, scale * size(embedding));
    for (std::size_t i = 0; i < layers; ++i) {
      const std::string block = "blk." + std::to_string(i) + ".";
      add(block + "attn_norm.weight", embedding, 1, 0.1);
      add(block + "attn_q.weight", embedding, embedding, 2 * size(embedding));
      add(block + "attn_k.weight", embedding, key, 2 * size(embedding));
      add(block + "attn_v.weight", embedding, key, size(embedding));
      add(block + "attn_output.weight", embedding, embedding, size(embedding));
      add(block + "ffn_norm.weight", embedding, 1, 0.1);
      add(block + "ffn_gate.weight", embedding, hidden, size(embedding));
      add(block + "ffn_up.weight", embedding, hidden, size(embedding));
      add(block + "ffn_down.weight", hidden, embedding, size(hidden));
    }
  }

  /// <unk> <s> </s> and then a, b, ... z, and words of more letters.
  std::string token(std::size_t i) const {
    static constexpr const char* kSpecial[] = {"<unk>", "<s>", "</s>"};
    if (i < 3) return kSpecial[i];
    std::string word;
    for (std::size_t rest = i - 3;; rest = rest / 26 - 1) {
      word.insert(word.begin(), static_cast<char>('a' + rest % 26));
      if (rest < 26) return word;
    }
  }

  // ---- the reference ----

  using Vector = std::vector<double>;

  Vector times(const std::string& name, const Vector& x) const {
    const std::vector<float>& w = weights.at(name);
    Vector out(w.size() / x.size());
    for (std::size_t row = 0; row < out.size(); ++row) {
      for (std::size_t i = 0; i < x.size(); ++i) out[row] += double{w[row * x.size() + i]} * x[i];
    }
    return out;
  }

  Vector normed(const std::string& name, const Vector& x) const {
    double squares = 0;
    for (const double v : x) squares += v * v;
    const double scale_of_x = 1 / std::sqrt(squares / static_cast<double>(x.size()) + kEpsilon);
    Vector out(x);
    for (std::size_t i = 0; i < x.size(); ++i) out[i] *= scale_of_x * double{weights.at(name)[i]};
    return out;
  }

  /// Rotates the pairs (2i, 2i + 1) of each head.
  void rotate(Vector& x, std::size_t position) const {
    for (std::size_t i = 0; i < x.size(); i += 2) {
      // NOLINTNEXTLINE(clang-analyzer-core.DivideZero): a model has more dimensions than heads
      const double power = static_cast<double>(i % head_size()) / static_cast<double>(head_size());
      const double angle = static_cast<double>(position) * std::pow(kRopeBase, -power);
      const double a = x[i];
      const double b = x[i + 1];
      x[i] = a * std::cos(angle) - b * std::sin(angle);
      x[i + 1] = a * std::sin(angle) + b * std::cos(angle);
    }
  }

  /// The logits after <s> and the prefix.
  Vector logits(const Sequence& prefix) const { return logits_along(prefix).back(); }

  /// Those after <s>, after <s> and the first token, and so on.
  std::vector<Vector> logits_along(const Sequence& prefix) const {
    Sequence tokens{start_token()};
    tokens.insert(tokens.end(), prefix.begin(), prefix.end());
    std::vector<Vector> x;
    for (const Token t : tokens) {
      const auto row = weights.at("token_embd.weight").begin() +
                       static_cast<std::ptrdiff_t>(static_cast<std::size_t>(t) * embedding);
      x.emplace_back(row, row + static_cast<std::ptrdiff_t>(embedding));
    }
    for (std::size_t layer = 0; layer < layers; ++layer) {
      const std::string block = "blk." + std::to_string(layer) + ".";
      std::vector<Vector> keys;
      std::vector<Vector> values;
      for (std::size_t t = 0; t < x.size(); ++t) {
        const Vector h = normed(block + "attn_norm.weight", x[t]);
        Vector query = times(block + "attn_q.weight", h);
        keys.push_back(times(block + "attn_k.weight", h));
        values.push_back(times(block + "attn_v.weight", h));
        rotate(query, t);
        rotate(keys.back(), t);
        const Vector attended = times(block + "attn_output.weight", attend(query, keys, values));
        for (std::size_t i = 0; i < embedding; ++i) x[t][i] += attended[i];
        const Vector f = normed(block + "ffn_norm.weight", x[t]);
        Vector gate = times(block + "ffn_gate.weight", f);
        const Vector up = times(block + "ffn_up.weight", f);
        for (std::size_t i = 0; i < hidden; ++i) gate[i] *= up[i] / (1 + std::exp(-gate[i]));
        const Vector down = times(block + "ffn_down.weight", gate);
        for (std::size_t i = 0; i < embedding; ++i) x[t][i] += down[i];
      }
    }
    for (Vector& each : x) each = times("output.weight", normed("output_norm.weight", each));
    return x;
  }

  Vector attend(const Vector& query, const std::vector<Vector>& keys,
                const std::vector<Vector>& values) const {
    const std::size_t d = head_size();
    Vector out(embedding);
    for (std::size_t head = 0; head < heads; ++head) {
      const std::size_t key_head = head / (heads / key_heads);
      Vector weight;
      double sum = 0;
      for (const Vector& key : keys) {
        double dot = 0;
        for (std::size_t i = 0; i < d; ++i) dot += query[head * d + i] * key[key_head * d + i];
        sum += weight.emplace_back(std::exp(dot / std::sqrt(static_cast<double>(d))));
      }
      for (std::size_t t = 0; t < keys.size(); ++t) {
        for (std::size_t i = 0; i < d; ++i) {
          out[head * d + i] += weight[t] / sum * values[t][key_head * d + i];
        }
      }
    }
    return out;
  }
};

/// Writes GGUF, version 3.
class GgufWriter {
 public:
  enum Type : std::uint32_t { u32 = 4, i32 = 5, f32 = 6, boolean = 7, string = 8, array = 9 };

  void key(const std::string& name, const std::string& value) {
    begin(name, string);
    text(keys_, value);
  }
  void key(const std::string& name, std::uint32_t value) {
    begin(name, u32);
    raw(keys_, value);
  }
  void key(const std::string& name, float value) {
    begin(name, f32);
    raw(keys_, value);
  }
  void key(const std::string& name, bool value) {
    begin(name, boolean);
    raw(keys_, static_cast<std::uint8_t>(value ? 1 : 0));
  }
  void key(const std::string& name, const std::vector<std::string>& values) {
    begin(name, array);
    raw(keys_, std::uint32_t{string});
    raw(keys_, std::uint64_t{values.size()});
    for (const std::string& value : values) text(keys_, value);
  }
  template <class T>
  void key(const std::string& name, Type type, const std::vector<T>& values) {
    begin(name, array);
    raw(keys_, std::uint32_t{type});
    raw(keys_, std::uint64_t{values.size()});
    for (const T value : values) raw(keys_, value);
  }

  /// @param rows 1: a vector
  void tensor(const std::string& name, const std::vector<float>& values, std::size_t rows) {
    text(tensors_, name);
    raw(tensors_, std::uint32_t{rows == 1 ? 1U : 2U});
    raw(tensors_, std::uint64_t{values.size() / rows});
    if (rows != 1) raw(tensors_, std::uint64_t{rows});
    raw(tensors_, std::uint32_t{0});  // F32
    raw(tensors_, std::uint64_t{data_.size()});
    data_.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
    pad(data_);
    ++tensor_count_;
  }

  void write(const std::filesystem::path& path) const {
    std::string head = "GGUF";
    raw(head, std::uint32_t{3});
    raw(head, tensor_count_);
    raw(head, key_count_);
    head += keys_ + tensors_;
    pad(head);
    std::ofstream(path, std::ios::binary) << head << data_;
  }

 private:
  template <class T>
  static void raw(std::string& out, T value) {
    out.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  static void text(std::string& out, const std::string& value) {
    raw(out, std::uint64_t{value.size()});
    out += value;
  }
  static void pad(std::string& out) { out.resize((out.size() + 31) / 32 * 32, '\0'); }
  void begin(const std::string& name, Type type) {
    text(keys_, name);
    raw(keys_, std::uint32_t{type});
    ++key_count_;
  }

  std::string keys_;
  std::string tensors_;
  std::string data_;
  std::uint64_t key_count_ = 0;
  std::uint64_t tensor_count_ = 0;
};

/// The model as a file; its vocabulary is SentencePiece's kind.
inline void write_gguf(const TinyTransformer& model, const std::filesystem::path& path) {
  GgufWriter out;
  const auto number = [](std::size_t n) { return static_cast<std::uint32_t>(n); };
  out.key("general.architecture", std::string("llama"));
  out.key("llama.context_length", number(model.context));
  out.key("llama.embedding_length", number(model.embedding));
  out.key("llama.block_count", number(model.layers));
  out.key("llama.feed_forward_length", number(model.hidden));
  out.key("llama.attention.head_count", number(model.heads));
  out.key("llama.attention.head_count_kv", number(model.key_heads));
  out.key("llama.rope.dimension_count", number(model.head_size()));
  out.key("llama.rope.freq_base", static_cast<float>(TinyTransformer::kRopeBase));
  out.key("llama.attention.layer_norm_rms_epsilon", static_cast<float>(TinyTransformer::kEpsilon));
  std::vector<std::string> tokens;
  std::vector<float> scores;
  std::vector<std::int32_t> types;
  for (std::size_t i = 0; i < model.vocabulary; ++i) {
    tokens.push_back(model.token(i));
    scores.push_back(-static_cast<float>(i));
    types.push_back(i == 0 ? 2 : i < 3 ? 3 : 1);  // unknown, control, normal
  }
  out.key("tokenizer.ggml.model", std::string("llama"));
  out.key("tokenizer.ggml.tokens", tokens);
  out.key("tokenizer.ggml.scores", GgufWriter::f32, scores);
  out.key("tokenizer.ggml.token_type", GgufWriter::i32, types);
  out.key("tokenizer.ggml.unknown_token_id", std::uint32_t{0});
  out.key("tokenizer.ggml.bos_token_id", std::uint32_t{1});
  out.key("tokenizer.ggml.eos_token_id", std::uint32_t{2});
  out.key("tokenizer.ggml.add_bos_token", true);
  out.key("tokenizer.ggml.add_space_prefix", false);
  for (const auto& [name, values] : model.weights) {
    const bool is_vector = name.find("norm") != std::string::npos;
    const bool is_wide = name.find("ffn_down") != std::string::npos;
    const std::size_t columns = is_wide ? model.hidden : model.embedding;
    out.tensor(name, values, is_vector ? 1 : values.size() / columns);
  }
  out.write(path);
}

/// A BERT of one layer, all weights 0: what only encodes.
inline void write_encoder(const std::filesystem::path& path) {
  constexpr std::size_t kEmbedding = 32;
  const std::vector<std::string> tokens = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "\u2581a"};
  GgufWriter out;
  out.key("general.architecture", std::string("bert"));
  out.key("bert.context_length", std::uint32_t{64});
  out.key("bert.embedding_length", std::uint32_t{kEmbedding});
  out.key("bert.block_count", std::uint32_t{1});
  out.key("bert.feed_forward_length", std::uint32_t{kEmbedding});
  out.key("bert.attention.head_count", std::uint32_t{4});
  out.key("bert.attention.layer_norm_epsilon", 1e-5F);
  out.key("bert.attention.causal", false);
  out.key("bert.pooling_type", std::uint32_t{1});
  out.key("tokenizer.ggml.model", std::string("bert"));
  out.key("tokenizer.ggml.tokens", tokens);
  out.key("tokenizer.ggml.token_type", GgufWriter::i32,
          std::vector<std::int32_t>(tokens.size(), 1));
  out.key("tokenizer.ggml.token_type_count", std::uint32_t{2});
  const auto matrix = [&](const std::string& name, std::size_t rows) {
    out.tensor(name, std::vector<float>(rows * kEmbedding), rows);
  };
  const auto layer = [&](const std::string& name, bool is_norm) {
    matrix(name + ".weight", is_norm ? 1 : kEmbedding);
    matrix(name + ".bias", 1);
  };
  matrix("token_embd.weight", tokens.size());
  matrix("position_embd.weight", 64);
  matrix("token_types.weight", 2);
  layer("token_embd_norm", true);
  for (const char* name : {"attn_q", "attn_k", "attn_v", "attn_output", "ffn_up", "ffn_down"}) {
    layer(std::string("blk.0.") + name, false);
  }
  layer("blk.0.attn_output_norm", true);
  layer("blk.0.layer_output_norm", true);
  out.write(path);
}

}  // namespace partita::testing
