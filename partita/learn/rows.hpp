// SPDX-License-Identifier: Apache-2.0
// Between tensors and what the rest of the library takes and gives: views of rows, and vectors.
//
//   Tensor logits = network->forward(x).detach().cpu();             // [N, K]
//   TemperatureFit fit = fit_temperature(rows_of(logits), labels);
//
//   Tensor probs = at::empty_like(logits);
//   softmax(rows_of(logits), mutable_rows_of(probs));
//   std::vector<double> largest = to_vector(probs.amax(1));
//
//   Tensor points = to_tensor(ArrayFile("points.npy").rows());      // a copy
#pragma once

#include <vector>

#include "partita/base/rows.hpp"
#include "partita/learn/tensor.hpp"

namespace partita {

/// A view of a matrix [rows, columns] on the CPU, of any strides. The tensor's memory must outlive
/// it.
/// @param argument what an error calls the matrix.
/// @throws InvalidArgument unless it has two dimensions, lies on the CPU, and is of a type that
///         Rows know: float, double, bfloat16 or half.
Rows rows_of(const Tensor& matrix, const char* argument = "matrix");
/// The same, to write to.
MutableRows mutable_rows_of(const Tensor& matrix, const char* argument = "matrix");

/// A copy of the rows, [rows, columns], of their element type, on the CPU.
Tensor to_tensor(const Rows& rows);

/// All values in row-major order, from any device and type.
std::vector<double> to_vector(const Tensor& tensor);

}  // namespace partita
