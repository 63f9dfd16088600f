// SPDX-License-Identifier: Apache-2.0
#include "partita/linear/internal/logit_tiles.hpp"

#include "partita/linear/internal/linear_kernels.hpp"
#include "partita/softmax/internal/row_pass.hpp"

namespace partita::linear {

void FloatMatrix::read(Rows rows, std::size_t first, std::size_t n) {
  const std::size_t columns = rows.columns();
  if (rows.dtype() == DType::f32 && rows.column_stride() == 1 &&
      rows.row_stride() >= static_cast<std::ptrdiff_t>(columns)) {
    data_ = rows.row_data<float>(first);
    stride_ = static_cast<std::size_t>(rows.row_stride());
    return;
  }
  converted_.resize(n * columns);
  for (std::size_t i = 0; i < n; ++i) {
    RowReader<float>(rows, first + i).gather(0, 1, columns, &converted_[i * columns]);
  }
  data_ = converted_.data();
  stride_ = columns;
}

void LogitTiles::read(std::size_t t) {
  tile_ = t;
  weights_.read(layer_->weights, first(t), size(t));
}

void LogitTiles::multiply(const float* hidden, std::size_t stride, std::size_t rows) {
  products_.resize(kRows * kColumns);
  (*multiply_)({.m = rows,
                .n = size(tile_),
                .k = layer_->weights.columns(),
                .transpose_a = false,
                .transpose_b = true,
                .a = hidden,
                .a_stride = stride,
                .b = weights_.data(),
                .b_stride = weights_.stride(),
                .beta = 0,
                .c = products_.data(),
                .c_stride = kColumns});
}

void LogitTiles::finish(std::size_t i) {
  const float* const bias = layer_->bias.empty() ? nullptr : layer_->bias.data() + first(tile_);
  kernels::linear_kernels().finish_logits(row(i), size(tile_), bias,
                                          static_cast<float>(layer_->soft_cap));
}

}  // namespace partita::linear
