// SPDX-License-Identifier: Apache-2.0
// The logits of a linear layer, some rows and a block of categories at a time. Not installed.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "partita/linear/linear_softmax.hpp"
#include "partita/softmax/internal/kernels.hpp"

namespace partita::linear {

/// A matrix in single precision: in place if it can be read so, else converted.
class FloatMatrix {
 public:
  /// The rows [first, first + n) of it.
  void read(Rows rows, std::size_t first, std::size_t n);

  const float* data() const { return data_; }
  std::size_t stride() const { return stride_; }

 private:
  const float* data_ = nullptr;
  std::size_t stride_ = 0;
  std::vector<float> converted_;
};

/// Tile t holds the categories [first(t), first(t) + size(t)), a block of the kernels.
class LogitTiles {
 public:
  static constexpr std::size_t kColumns = kernels::kBlock;
  static constexpr std::size_t kRows = 256;  ///< at a time: what a cache holds of a tile

  LogitTiles(const LinearLayer& layer, const Multiply& multiply)
      : layer_(&layer), multiply_(&multiply) {}

  std::size_t count() const { return (layer_->weights.rows() + kColumns - 1) / kColumns; }
  std::size_t first(std::size_t t) const { return t * kColumns; }
  std::size_t size(std::size_t t) const {
    return std::min(kColumns, layer_->weights.rows() - first(t));
  }

  /// Makes the weights of tile t ready.
  void read(std::size_t t);
  const FloatMatrix& weights() const { return weights_; }

  /// Their products with `rows` hidden states, [rows, size(t)]; finish() makes logits of a row.
  void multiply(const float* hidden, std::size_t stride, std::size_t rows);
  void finish(std::size_t row);
  float* row(std::size_t i) { return products_.data() + i * kColumns; }

 private:
  const LinearLayer* layer_;
  const Multiply* multiply_;
  std::size_t tile_ = 0;
  FloatMatrix weights_;
  std::vector<float> products_;
};

}  // namespace partita::linear
