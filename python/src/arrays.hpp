// SPDX-License-Identifier: Apache-2.0
// The border between Python's arrays and partita's views: everything that comes in or goes out
// passes here. Internal to the module.
//
//   const FloatArray logits(object, "logits");          // numpy, torch, DLPack, lists: no copy of
//                                                       // the first three
//   std::vector<double> lse;
//   {
//     const py::gil_scoped_release released;
//     lse = log_sum_exp(logits.rows());
//   }
//   return logits.result(std::move(lse), logits.batch_shape());   // torch if `object` was torch
//
// What is taken: numpy arrays (also of ml_dtypes' bfloat16), objects with __dlpack__ in the
// memory of the CPU (torch, with bfloat16), and whatever numpy.asarray makes an array of. Any
// strides. Copied are: numbers in the other byte order or at odd addresses, and leading dimensions
// that no single row stride describes. Errors are ValueErrors of one line, TypeErrors for what is
// no number at all.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "partita/base/rows.hpp"

namespace partita::python {

namespace py = pybind11;

using Shape = std::vector<py::ssize_t>;

/// The elements of somebody's array.
struct Memory {
  enum class Kind : std::uint8_t { floating, bfloat, integer, natural, boolean };

  void* data = nullptr;
  Kind kind = Kind::floating;
  std::size_t item = 0;  ///< bytes of an element
  Shape shape = {};
  Shape strides = {};      ///< in elements
  py::object source = {};  ///< the numpy array or torch tensor; others are viewed as numpy arrays
  py::object holder = {};  ///< what keeps the memory alive, if not `source`
  bool torch = false;      ///< results are torch tensors

  /// @param name of the argument, for messages
  static Memory of(py::handle object, std::string_view name);

  std::size_t size() const;
  std::string dtype() const;  ///< "float32", for messages
};

/// @throws ValueError "NAME: REASON"
[[noreturn]] void refuse(std::string_view name, const std::string& reason);

/// "(3, 4)"
std::string to_string(const Shape& shape);

/// [..., V] floating-point numbers, V >= 1, as rows.
class FloatArray {
 public:
  FloatArray(py::handle object, std::string_view name);

  Rows rows() const;
  const Shape& shape() const { return memory_.shape; }
  Shape batch_shape() const { return {memory_.shape.begin(), memory_.shape.end() - 1}; }
  bool torch() const { return memory_.torch; }

  /// `values`, of the given shape, as an array of this one's kind (numpy or torch), without copying
  /// them. A numpy array without dimensions becomes a scalar, as numpy's functions return it.
  template <class T>
  py::object result(std::vector<T>&& values, const Shape& shape) const;

  /// A new array of this one's kind, shape and format, and its elements.
  std::pair<py::object, MutableRows> empty_like() const;

 private:
  Memory memory_;
  std::vector<std::byte> copy_;
  std::ptrdiff_t row_stride_ = 0;
};

/// @throws ValueError "p_logits: shape (3, 4), q_logits: (3, 5): expected the same"
void check_same_shape(const FloatArray& a, std::string_view a_name, const FloatArray& b,
                      std::string_view b_name);

/// Integers of any width, in row-major order.
struct Integers {
  std::vector<std::int64_t> values;
  Shape shape;

  Integers(py::handle object, std::string_view name);
};

/// Integers of which there is one for each row, such as labels: [...], or a column [..., 1].
std::vector<std::int64_t> one_for_each_row(py::handle object, std::string_view name,
                                           const FloatArray& rows);

/// Numbers of any type as double, in row-major order.
struct Doubles {
  std::vector<double> values;
  Shape shape;

  Doubles(py::handle object, std::string_view name);
};

/// `values` as a numpy array of their own memory.
template <class T>
py::array to_numpy(std::vector<T>&& values, const Shape& shape) {
  auto* kept = new std::vector<T>(std::move(values));
  const py::capsule owner(kept, [](void* memory) { delete static_cast<std::vector<T>*>(memory); });
  return py::array_t<T>(shape, kept->data(), owner);
}

/// array as torch.Tensor or numpy scalar; see FloatArray::result.
py::object finished(py::array array, bool torch);

template <class T>
py::object FloatArray::result(std::vector<T>&& values, const Shape& shape) const {
  return finished(to_numpy(std::move(values), shape), memory_.torch);
}

}  // namespace partita::python
