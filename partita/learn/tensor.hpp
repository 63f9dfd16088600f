// SPDX-License-Identifier: Apache-2.0
// Shared by everything in learn/: names for tensors, numbers where Python takes them, shapes.
//
// learn/ is the only folder that includes libtorch. It builds against 1.13 and 2.x, and keeps to
// <torch/types.h> so that a program that includes it compiles in seconds, not in half a minute.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace partita {

using at::IntArrayRef;
using at::Tensor;
using Shape = std::vector<std::int64_t>;

/// An argument that may be a tensor or a number, as in Python: Normal(0, scale).
class TensorOrNumber {
 public:
  TensorOrNumber(Tensor tensor)  // NOLINT(google-explicit-constructor)
      : tensor_(std::move(tensor)) {}
  TensorOrNumber(double number) : number_(number) {}  // NOLINT(google-explicit-constructor)

  bool is_number() const { return !tensor_.defined(); }
  /// The tensor, or the number as a 0-dimensional one of the given type and device.
  Tensor tensor(const at::TensorOptions& options = at::TensorOptions(at::kDouble)) const;

 private:
  Tensor tensor_;
  double number_ = 0;
};

/// All of them as floating-point tensors (not yet broadcast). A number takes the type and device of
/// the first tensor, or torch's default type when all are numbers.
/// @throws InvalidArgument naming the argument whose tensor is not of a floating-point type.
std::vector<Tensor> as_tensors(
    const std::vector<std::pair<const char*, TensorOrNumber>>& arguments);

/// a followed by b.
Shape concatenate(IntArrayRef a, IntArrayRef b);

/// "[2, 3]"
std::string to_string(IntArrayRef shape);

/// The distance from 1 to the next larger number of a floating-point type.
double epsilon(at::ScalarType type);
/// The smallest positive normal number of a floating-point type.
double smallest_normal(at::ScalarType type);
/// The largest number of a floating-point type.
double largest_number(at::ScalarType type);

/// Vectors with 1 at `index` [...] and 0 elsewhere: [..., categories].
Tensor one_hot(const Tensor& index, std::int64_t categories, const at::TensorOptions& options);

/// Sums the last `dims` dimensions out.
Tensor sum_rightmost(const Tensor& value, std::int64_t dims);

}  // namespace partita
