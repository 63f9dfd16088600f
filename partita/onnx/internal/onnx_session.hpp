// SPDX-License-Identifier: Apache-2.0
// A session of ONNX Runtime that reads tokens, and what it remembers of those that it has read.
#pragma once

#define ORT_API_MANUAL_INIT  // an older library than the headers must be refused, not called
#include <onnxruntime_cxx_api.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace partita {

/// The present.* tensors of a batch of prefixes of one length.
struct OnnxCache {
  std::size_t length = 0;  ///< tokens read
  std::vector<Ort::Value> tensors;
};

/// One of those prefixes; without a cache, one of which nothing was read.
struct OnnxRow {
  std::shared_ptr<OnnxCache> cache;
  std::size_t index = 0;

  std::size_t length() const { return cache == nullptr ? 0 : cache->length; }
};

class OnnxSession {
 public:
  /// @throws as OnnxModel's constructor
  OnnxSession(const std::string& path, int threads);

  bool has_past() const { return !past_.empty(); }
  std::size_t vocabulary_size() const { return vocabulary_; }

  /// What is known once tokens were read.
  struct Output {
    std::shared_ptr<OnnxCache> cache;  ///< null if the model has no past
    Ort::Value logits;                 ///< [rows, positions, vocabulary]
  };

  /// Reads `tokens` [rows.size(), any], which continue rows of one length.
  /// @throws DataError
  Output read(std::span<const OnnxRow> rows, std::span<const std::int64_t> tokens);

  /// The logits after the last token of a row. @param out [vocabulary_size()]
  void copy_logits(const Output& output, std::size_t row, std::span<float> out) const;

 private:
  struct Past {
    std::string name;  // past_key_values.X
    std::string present;
    ONNXTensorElementDataType type;
    std::vector<std::int64_t> shape;  // -1 in dimension 0, the batch, and in that which grows
    std::size_t growing;

    std::vector<std::int64_t> shape_of(std::size_t rows, std::size_t length) const;
  };

  void know_inputs();
  void know_outputs();
  Past past(const std::string& name, const Ort::TypeInfo& type) const;
  Ort::Value gather(std::size_t tensor, std::span<const OnnxRow> rows) const;
  Output run(std::span<const OnnxRow> rows, std::span<const std::int64_t> tokens);

  std::string path_;
  Ort::Env env_;
  Ort::Session session_{nullptr};
  bool has_mask_ = false;
  bool has_positions_ = false;
  std::vector<Past> past_;
  std::size_t vocabulary_ = 0;
};

}  // namespace partita
