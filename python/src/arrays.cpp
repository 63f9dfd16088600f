// SPDX-License-Identifier: Apache-2.0
#include "arrays.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <bit>
#include <cstring>

#include "torch.hpp"

namespace partita::python {
namespace {

using Kind = Memory::Kind;

/// Whether the leading dimensions are one dimension with one stride; then sets it.
bool one_row_stride(const Memory& memory, std::ptrdiff_t& row_stride) {
  const std::size_t batch = memory.shape.size() - 1;
  bool found = false;
  py::ssize_t expected = 0;
  row_stride = memory.shape.back();
  for (std::size_t i = batch; i-- > 0;) {
    if (memory.shape[i] == 1) continue;
    if (!found) {
      row_stride = memory.strides[i];
      found = true;
    } else if (memory.strides[i] != expected) {
      return false;
    }
    expected = memory.strides[i] * memory.shape[i];
  }
  return true;
}

/// The elements one after the other, in row-major order: f(address of an element).
template <class F>
void for_each_element(const Memory& memory, const F& f) {
  const std::size_t dimensions = memory.shape.size();
  std::vector<py::ssize_t> at(dimensions, 0);
  const auto item = static_cast<py::ssize_t>(memory.item);
  const auto* element = static_cast<const std::byte*>(memory.data);
  for (std::size_t n = memory.size(); n > 0; --n) {
    f(element);
    for (std::size_t i = dimensions; i-- > 0;) {
      element += memory.strides[i] * item;
      if (++at[i] < memory.shape[i]) break;
      element -= memory.strides[i] * memory.shape[i] * item;
      at[i] = 0;
    }
  }
}

template <class T>
T read(const std::byte* address) {
  T value;
  std::memcpy(&value, address, sizeof value);
  return value;
}

/// f(reader), with reader(address) the element there as a number.
template <class F>
void with_reader(const Memory& memory, const F& f) {
  const auto as = [&]<class T>(T) { f([](const std::byte* at) { return read<T>(at); }); };
  switch (memory.kind) {
    case Kind::bfloat:
      return f([](const std::byte* at) { return static_cast<float>(read<bfloat16>(at)); });
    case Kind::floating:
      if (memory.item == 8) return as(double{});
      if (memory.item == 4) return as(float{});
      return f([](const std::byte* at) { return static_cast<float>(read<float16>(at)); });
    case Kind::integer:
      if (memory.item == 8) return as(std::int64_t{});
      if (memory.item == 4) return as(std::int32_t{});
      if (memory.item == 2) return as(std::int16_t{});
      return f([](const std::byte* at) { return int{read<std::int8_t>(at)}; });
    case Kind::natural:
    case Kind::boolean:
      if (memory.item == 8) return as(std::uint64_t{});
      if (memory.item == 4) return as(std::uint32_t{});
      if (memory.item == 2) return as(std::uint16_t{});
      return f([](const std::byte* at) { return unsigned{read<std::uint8_t>(at)}; });
  }
}

}  // namespace

void refuse(std::string_view name, const std::string& reason) {
  throw py::value_error(fmt::format("{}: {}", name, reason));
}

std::string to_string(const Shape& shape) {
  return shape.size() == 1 ? fmt::format("({},)", shape[0])
                           : fmt::format("({})", fmt::join(shape, ", "));
}

FloatArray::FloatArray(py::handle object, std::string_view name)
    : memory_(Memory::of(object, name)) {
  if (memory_.kind != Kind::floating && memory_.kind != Kind::bfloat) {
    refuse(name, fmt::format("elements are {}, expected floating-point numbers: convert them with "
                             "{}",
                             memory_.dtype(),
                             memory_.torch ? "tensor.float()" : "numpy.asarray(x, dtype=float)"));
  }
  if (memory_.shape.empty()) {
    refuse(name, "expected one dimension or more, (..., categories), got a number");
  }
  if (memory_.shape.back() == 0) {
    refuse(name,
           fmt::format("expected one category or more, got shape {}", to_string(memory_.shape)));
  }
  if (one_row_stride(memory_, row_stride_)) return;
  copy_.resize(memory_.size() * memory_.item);
  std::byte* to = copy_.data();
  for_each_element(memory_, [&](const std::byte* element) {
    std::memcpy(to, element, memory_.item);
    to += memory_.item;
  });
}

Rows FloatArray::rows() const {
  const DType dtype = memory_.kind == Kind::bfloat ? DType::bf16
                      : memory_.item == 2          ? DType::f16
                      : memory_.item == 4          ? DType::f32
                                                   : DType::f64;
  const auto columns = static_cast<std::size_t>(memory_.shape.back());
  const std::size_t rows = memory_.size() / columns;
  if (!copy_.empty()) {
    return {copy_.data(), dtype, rows, columns, static_cast<std::ptrdiff_t>(columns), 1};
  }
  return {memory_.data, dtype, rows, columns, row_stride_, memory_.strides.back()};
}

std::pair<py::object, MutableRows> FloatArray::empty_like() const {
  const Rows like = rows();
  const auto row_stride = static_cast<std::ptrdiff_t>(like.columns());
  py::object out;
  void* data = nullptr;
  if (memory_.torch) {
    py::tuple sizes(memory_.shape.size());
    for (std::size_t i = 0; i < memory_.shape.size(); ++i) sizes[i] = memory_.shape[i];
    out = imported_torch()->empty(sizes, py::arg("dtype") = memory_.source.attr("dtype"));
    data = std::bit_cast<void*>(out.attr("data_ptr")().cast<std::uintptr_t>());
  } else {
    const py::array source = py::isinstance<py::array>(memory_.source)
                                 ? py::reinterpret_borrow<py::array>(memory_.source)
                                 : py::array();
    if (!source && memory_.kind == Kind::bfloat) {
      throw py::value_error("numpy has no bfloat16 for the result: convert to float32");
    }
    const py::dtype dtype = source ? source.dtype() : py::dtype(memory_.dtype());
    py::array array(dtype, memory_.shape);
    data = array.mutable_data();
    out = std::move(array);
  }
  return {std::move(out),
          MutableRows(data, like.dtype(), like.rows(), like.columns(), row_stride, 1)};
}

void check_same_shape(const FloatArray& a, std::string_view a_name, const FloatArray& b,
                      std::string_view b_name) {
  if (a.shape() == b.shape()) return;
  refuse(b_name, fmt::format("expected the shape of {}, {}, got {}", a_name, to_string(a.shape()),
                             to_string(b.shape())));
}

Integers::Integers(py::handle object, std::string_view name) {
  const Memory memory = Memory::of(object, name);
  shape = memory.shape;
  values.reserve(memory.size());
  if (memory.size() == 0) return;  // numpy makes an empty list one of floats
  if (memory.kind == Kind::floating || memory.kind == Kind::bfloat) {
    refuse(name, fmt::format("elements are {}, expected integers", memory.dtype()));
  }
  with_reader(memory, [&](const auto& value_at) {
    for_each_element(memory, [&](const std::byte* element) {
      const auto value = value_at(element);
      const auto integer = static_cast<std::int64_t>(value);
      if (memory.kind == Kind::natural && integer < 0) {
        refuse(name, fmt::format("expected integers below 2^63, got {}", value));
      }
      values.push_back(integer);
    });
  });
}

std::vector<std::int64_t> one_for_each_row(py::handle object, std::string_view name,
                                           const FloatArray& rows) {
  Integers integers(object, name);
  Shape column = rows.batch_shape();  // as partita's own files have it
  column.push_back(1);
  if (integers.shape != rows.batch_shape() && integers.shape != column) {
    refuse(name, fmt::format("expected shape {} (one for each row), got {}",
                             to_string(rows.batch_shape()), to_string(integers.shape)));
  }
  return std::move(integers.values);
}

Doubles::Doubles(py::handle object, std::string_view name) {
  const Memory memory = Memory::of(object, name);
  shape = memory.shape;
  values.reserve(memory.size());
  with_reader(memory, [&](const auto& value_at) {
    for_each_element(memory, [&](const std::byte* element) {
      values.push_back(static_cast<double>(value_at(element)));
    });
  });
}

py::object finished(py::array array, bool torch) {
  if (torch) return imported_torch()->from_numpy(array);
  if (array.ndim() == 0) return array.attr("__getitem__")(py::tuple());
  return array;
}

}  // namespace partita::python
