// SPDX-License-Identifier: Apache-2.0
// The arithmetic of one training window, in SIMD: M input rows meet N output rows in a matrix
// product, as in Ji, Satish, Li, Dubey (2016), "Parallelizing word2vec in shared and distributed
// memory". Not installed.
//
// With inputs I [M, stride], outputs O [N, stride] and offsets c [N],
//
//   S = O I^T + c                          scores(); column m of S is of input m
//   G = learning rate * (y - sigmoid(S))   logistic(); y is 1 in row 0, the true output, else 0
//   I += G^T O,  O += G I                  update(); both products of the old I and O
//
// Rows are padded with zeros to a multiple of 16 floats; S and G are [N, padded_inputs(M)].
// The scalar twins in namespace reference compute the same in plain loops, for tests.
#pragma once

#include <cstddef>

namespace partita::kernels {

/// Row length of scores and gradients for M inputs.
constexpr std::size_t padded_inputs(std::size_t m) { return (m + 3) / 4 * 4; }

/// Size of a buffer of scores, in floats: logistic() works on whole vectors.
constexpr std::size_t score_capacity(std::size_t m, std::size_t n) {
  return n * padded_inputs(m) + 16;
}

struct WindowShape {
  std::size_t inputs;   ///< M >= 1
  std::size_t outputs;  ///< N >= 1
  std::size_t stride;   ///< floats per row, a multiple of 16
};

/// S. Columns beyond M are meaningless. `offsets` may be null: all 0.
void scores(const WindowShape& shape, const float* inputs, const float* outputs,
            const float* offsets, float* s);

/// Replaces S by G and returns the loss, -sum log sigmoid(S) over row 0 and -sum log sigmoid(-S)
/// over the others. Relative error of a gradient at most (4 + |s|) 2^-24, absolute error of a loss
/// 2e-7 of each term, and the rounding of their sum in floats.
double logistic(const WindowShape& shape, float learning_rate, float* s);

/// Adds G^T O to the rows at `input_rows` and G I to those at `output_rows`. A row listed twice
/// receives both sums. `outputs` may be the memory at output_rows itself, if no row of it is listed
/// twice.
void update(const WindowShape& shape, const float* g, const float* inputs, const float* outputs,
            float* const* input_rows, float* const* output_rows);

/// to += factor * from
void add_scaled(std::size_t stride, float factor, const float* from, float* to);

/// a.b
float dot(std::size_t stride, const float* a, const float* b);

namespace reference {

void scores(const WindowShape& shape, const float* inputs, const float* outputs,
            const float* offsets, float* s);
double logistic(const WindowShape& shape, float learning_rate, float* s);
void update(const WindowShape& shape, const float* g, const float* inputs, const float* outputs,
            float* const* input_rows, float* const* output_rows);

}  // namespace reference

}  // namespace partita::kernels
