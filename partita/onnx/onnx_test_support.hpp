// SPDX-License-Identifier: Apache-2.0
// Shared by the tests of ONNX models: a file of random weights, written from nothing, and what its
// logits must be, computed in double precision without ONNX Runtime.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "partita/io/file.hpp"
#include "partita/random/stream.hpp"
#include "partita/search/sequence_model.hpp"

namespace partita::testing {

/// A message of Protocol Buffers, field by field.
struct ProtobufMessage {
  std::string bytes = {};

  ProtobufMessage& number(unsigned field, std::uint64_t value) {
    varint(field << 3U);
    varint(value);
    return *this;
  }
  ProtobufMessage& text(unsigned field, std::string_view value) {
    varint(field << 3U | 2U);
    varint(value.size());
    bytes += value;
    return *this;
  }
  ProtobufMessage& message(unsigned field, const ProtobufMessage& value) {
    return text(field, value.bytes);
  }

 private:
  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7U) bytes += static_cast<char>(value | 0x80U);
    bytes += static_cast<char>(value);
  }
};

/// The fields of onnx.proto that a small graph needs.
class OnnxGraph {
 public:
  enum Type : std::uint64_t { f32 = 1, i64 = 7, f16 = 10 };

  /// Dimensions are numbers or, if dynamic, names.
  void input(const std::string& name, Type type, const std::vector<std::string>& shape) {
    graph_.message(11, value(name, type, shape));
  }
  void output(const std::string& name, Type type, const std::vector<std::string>& shape) {
    graph_.message(12, value(name, type, shape));
  }
  template <class T>
  void constant(const std::string& name, const std::vector<std::size_t>& shape,
                const std::vector<T>& values) {
    ProtobufMessage tensor;
    for (const std::size_t dimension : shape) tensor.number(1, dimension);
    tensor.number(2, std::is_same_v<T, float> ? f32 : i64).text(8, name);
    tensor.text(9, {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)});
    graph_.message(5, tensor);
  }
  struct Attribute {
    std::string name;
    std::vector<std::int64_t> values;
    bool is_list = false;
  };
  /// @return the output's name
  std::string node(const std::string& operation, const std::vector<std::string>& inputs,
                   const std::string& output, const std::vector<Attribute>& attributes = {}) {
    ProtobufMessage node;
    for (const std::string& each : inputs) node.text(1, each);
    node.text(2, output).text(4, operation);
    for (const Attribute& each : attributes) {
      ProtobufMessage attribute;
      attribute.text(1, each.name);
      for (const std::int64_t v : each.values) {
        attribute.number(each.is_list ? 8 : 3, static_cast<std::uint64_t>(v));
      }
      node.message(5, attribute.number(20, each.is_list ? 7 : 2));
    }
    graph_.message(1, node);
    return output;
  }
  void write(const std::string& path) const {
    ProtobufMessage graph = graph_;
    graph.text(2, "tiny");
    const ProtobufMessage operators = ProtobufMessage().text(1, "").number(2, 13);
    write_file(path, ProtobufMessage().number(1, 8).message(7, graph).message(8, operators).bytes);
  }

 private:
  static ProtobufMessage value(const std::string& name, Type type,
                               const std::vector<std::string>& shape) {
    ProtobufMessage dimensions;
    for (const std::string& each : shape) {
      const bool is_number = each.find_first_not_of("0123456789") == std::string::npos;
      dimensions.message(1, is_number ? ProtobufMessage().number(1, std::stoull(each))
                                      : ProtobufMessage().text(2, each));
    }
    const ProtobufMessage tensor = ProtobufMessage().number(1, type).message(2, dimensions);
    return ProtobufMessage().text(1, name).message(2, ProtobufMessage().message(1, tensor));
  }

  ProtobufMessage graph_;
};

/// Embeddings of tokens and positions, layers of causal attention with one head, and logits; with
/// the inputs and outputs that Hugging Face's exporters give such a model.
struct TinyDecoder {
  std::size_t vocabulary = 6;
  std::size_t width = 8;
  std::size_t layers = 2;
  std::size_t context = 16;
  bool past = true;   ///< whether it has past_key_values
  bool half = false;  ///< logits and past_key_values of float16
  std::uint64_t seed = 1;
  std::string tokens = "input_ids";
  std::string logits = "logits";
  std::string present = "present.";
  std::vector<std::string> past_shape = {"batch", "1", "past", "8"};
  std::string more = {};  ///< one more input

  std::vector<float> weights(std::uint64_t which, std::size_t rows, std::size_t columns,
                             double scale) const {
    std::vector<float> out(rows * columns);
    const Stream stream{seed, which};
    for (std::size_t i = 0; i < out.size(); ++i)
      out[i] = static_cast<float>(scale * stream.normal(i));
    return out;
  }
  std::vector<float> embedding() const { return weights(0, vocabulary, width, 1); }
  std::vector<float> position() const { return weights(1, context, width, 0.5); }
  std::vector<float> output() const { return weights(2, width, vocabulary, 0.4); }
  /// @param part 0: queries, 1: keys, 2: values
  std::vector<float> projection(std::size_t layer, std::size_t part) const {
    return weights(3 + 3 * layer + part, width, width, 0.4);
  }

  void write(const std::string& path) const {
    using Type = OnnxGraph::Type;
    OnnxGraph graph;
    const Type type = half ? Type::f16 : Type::f32;
    graph.input(tokens, Type::i64, {"batch", "tokens"});
    graph.input("attention_mask", Type::i64, {"batch", "all"});
    graph.input("position_ids", Type::i64, {"batch", "tokens"});
    if (!more.empty()) graph.input(more, Type::f32, {"batch"});
    graph.constant("E", {vocabulary, width}, embedding());
    graph.constant("P", {context, width}, position());
    graph.constant("W", {width, vocabulary}, output());
    graph.constant<std::int64_t>("one", {1}, {1});
    graph.constant<std::int64_t>("1", {1}, {1});
    graph.constant<std::int64_t>("1 2", {2}, {1, 2});
    graph.constant<std::int64_t>("1 3", {2}, {1, 3});
    graph.constant<std::int64_t>("axis 1", {}, {1});
    graph.constant<float>("never", {}, {-1e9F});
    // A key counts for a query if it stands no later.
    graph.node("CumSum", {"attention_mask", "axis 1"}, "seen");
    graph.node("Sub", {"seen", "one"}, "key positions");
    graph.node("Unsqueeze", {"key positions", "1 2"}, "keys at");    // [batch, 1, 1, all]
    graph.node("Unsqueeze", {"position_ids", "1 3"}, "queries at");  // [batch, 1, tokens, 1]
    graph.node("Greater", {"keys at", "queries at"}, "later");
    graph.node("Gather", {"E", tokens}, "token");
    graph.node("Gather", {"P", "position_ids"}, "position");
    std::string x = graph.node("Add", {"token", "position"}, "x");
    for (std::size_t layer = 0; layer < layers; ++layer) {
      const std::string at = std::to_string(layer) + " ";
      std::string heads[3];  // [batch, 1, tokens or all, width]
      for (const std::size_t part : {0U, 1U, 2U}) {
        const std::string name = at + "qkv"[part];
        graph.constant(name + " W", {width, width}, projection(layer, part));
        graph.node("MatMul", {x, name + " W"}, name);
        heads[part] = graph.node("Unsqueeze", {name, "1"}, name + " new");
        if (part == 0 || !past) continue;
        const std::string key = std::to_string(layer) + (part == 1 ? ".key" : ".value");
        graph.input("past_key_values." + key, type, past_shape);
        graph.output(present + key, type, {"batch", "1", "all", std::to_string(width)});
        graph.node("Cast", {"past_key_values." + key}, name + " past", {{"to", {Type::f32}}});
        heads[part] =
            graph.node("Concat", {name + " past", name + " new"}, name + " all", {{"axis", {2}}});
        graph.node("Cast", {name + " all"}, present + key, {{"to", {std::int64_t(type)}}});
      }
      graph.node("Transpose", {heads[1]}, at + "kt", {{"perm", {0, 1, 3, 2}, true}});
      graph.node("MatMul", {heads[0], at + "kt"}, at + "any scores");
      graph.node("Where", {"later", "never", at + "any scores"}, at + "scores");
      graph.node("Softmax", {at + "scores"}, at + "attention", {{"axis", {3}}});
      graph.node("MatMul", {at + "attention", heads[2]}, at + "read");
      graph.node("Squeeze", {at + "read", "1"}, at + "squeezed");
      graph.node("Add", {x, at + "squeezed"}, at + "x");
      x = at + "x";
    }
    graph.node("MatMul", {x, "W"}, "scores");
    graph.node("Cast", {"scores"}, logits, {{"to", {std::int64_t(type)}}});
    graph.output(logits, type, {"batch", "tokens", std::to_string(vocabulary)});
    graph.write(path);
  }

  /// After the whole prefix, which is not empty.
  std::vector<double> expected(const Sequence& prefix) const {
    using Vectors = std::vector<std::vector<double>>;
    const auto times = [](const std::vector<double>& x, const std::vector<float>& matrix) {
      std::vector<double> out(matrix.size() / x.size());
      for (std::size_t i = 0; i < matrix.size(); ++i) {
        out[i % out.size()] += x[i / out.size()] * double{matrix[i]};
      }
      return out;
    };
    const auto tokens_of = embedding();
    const auto positions = position();
    Vectors x(prefix.size(), std::vector<double>(width));
    for (std::size_t t = 0; t < prefix.size(); ++t) {
      for (std::size_t j = 0; j < width; ++j) {
        x[t][j] = double{tokens_of[static_cast<std::size_t>(prefix[t]) * width + j]} +
                  double{positions[t * width + j]};
      }
    }
    for (std::size_t layer = 0; layer < layers; ++layer) {
      Vectors parts[3];
      for (const std::size_t part : {0U, 1U, 2U}) {
        for (const auto& each : x) parts[part].push_back(times(each, projection(layer, part)));
      }
      for (std::size_t t = 0; t < x.size(); ++t) {
        std::vector<double> weight(t + 1);
        double sum = 0;
        for (std::size_t s = 0; s <= t; ++s) {
          double score = 0;
          for (std::size_t j = 0; j < width; ++j) score += parts[0][t][j] * parts[1][s][j];
          sum += weight[s] = std::exp(score);
        }
        for (std::size_t s = 0; s <= t; ++s) {
          for (std::size_t j = 0; j < width; ++j) x[t][j] += weight[s] / sum * parts[2][s][j];
        }
      }
    }
    return times(x.back(), output());
  }

  /// The log-probability of what follows the prompt, the end included if there is one.
  double log_prob(Sequence prefix, const Sequence& tokens_after, Token end = -1) const {
    Sequence targets = tokens_after;
    if (end >= 0) targets.push_back(end);
    double out = 0;
    for (const Token target : targets) {
      const auto row = expected(prefix);
      double sum = 0;
      for (const double z : row) sum += std::exp(z);
      out += row[static_cast<std::size_t>(target)] - std::log(sum);
      prefix.push_back(target);
    }
    return out;
  }
};

}  // namespace partita::testing
