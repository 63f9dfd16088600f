// SPDX-License-Identifier: Apache-2.0
// Memory::of: whose array it is, and where its elements are.
#include <fmt/format.h>

#include <bit>
#include <functional>
#include <numeric>

#include "arrays.hpp"
#include "dlpack.hpp"
#include "torch.hpp"

namespace partita::python {
namespace {

using Kind = Memory::Kind;

constexpr const char* kNoNumbers =
    "elements are of an unknown type, expected real numbers of at most 64 bits";

/// Drops a pending Python exception and returns its first line.
std::string first_line(const py::error_already_set& error) {
  const std::string all = py::str(error.value());
  return all.substr(0, all.find('\n'));
}

bool is_torch(py::handle object) {
  // By name first: it costs nothing.
  const std::string_view type = Py_TYPE(object.ptr())->tp_name;
  if (type != "Tensor" && type != "Parameter" && !py::hasattr(object, "requires_grad"))
    return false;
  const Torch* torch = imported_torch();
  return torch != nullptr && py::isinstance(object, torch->tensor);
}

Kind kind_of(const py::dtype& dtype, std::string_view name) {
  switch (dtype.kind()) {
    case 'f':
      if (dtype.itemsize() <= 8) return Kind::floating;
      break;
    case 'i':
      return Kind::integer;
    case 'u':
      return Kind::natural;
    case 'b':
      return Kind::boolean;
    case 'V':  // ml_dtypes
      if (py::str(dtype.attr("name")).cast<std::string>() == "bfloat16") return Kind::bfloat;
      break;
    default:
      break;
  }
  refuse(name, fmt::format("elements are {}, expected real numbers of at most 64 bits",
                           py::str(static_cast<py::handle>(dtype)).cast<std::string>()));
}

Memory of_numpy(py::array array, std::string_view name) {
  Memory memory;
  memory.kind = kind_of(array.dtype(), name);
  memory.item = static_cast<std::size_t>(array.itemsize());
  const auto item = static_cast<py::ssize_t>(memory.item);
  bool whole = std::bit_cast<std::uintptr_t>(array.data()) % memory.item == 0;
  for (py::ssize_t i = 0; i < array.ndim(); ++i) whole = whole && array.strides(i) % item == 0;
  // '=' and '|' are native; '<' and '>' are numpy's names for the one that is not.
  const char order = array.dtype().attr("byteorder").cast<char>();
  if (!whole || order == '<' || order == '>') {
    array = array.attr("astype")(array.dtype().attr("newbyteorder")("="));
  }
  memory.data = const_cast<void*>(array.data());  // NOLINT: Rows of it are read only
  for (py::ssize_t i = 0; i < array.ndim(); ++i) {
    memory.shape.push_back(array.shape(i));
    memory.strides.push_back(array.strides(i) / item);
  }
  memory.source = std::move(array);
  return memory;
}

[[noreturn]] void refuse_device(std::string_view name, const std::string& device) {
  refuse(name, fmt::format("is on device {}, expected the CPU: pass tensor.cpu()", device));
}

Memory of_dlpack(py::handle object, std::string_view name, bool torch) {
  py::object source = py::reinterpret_borrow<py::object>(object);
  if (torch && object.attr("requires_grad").cast<bool>()) {
    if (imported_torch()->is_grad_enabled().cast<bool>()) {
      refuse(name, "requires a gradient, and there is none here: pass tensor.detach()");
    }
    source = source.attr("detach")();
  }
  py::object capsule;
  try {
    capsule = source.attr("__dlpack__")();
  } catch (const py::error_already_set& error) {
    const std::string device = torch ? py::str(source.attr("device")) : py::str("cpu");
    if (device != "cpu") refuse_device(name, device);
    refuse(name, first_line(error));
  }
  DLManagedTensor* managed = take_dlpack(capsule);
  if (managed == nullptr) refuse(name, "__dlpack__() returned no tensor");
  const DLTensor& tensor = managed->dl_tensor;
  Memory memory;
  memory.holder = py::capsule(managed, [](void* p) { release(static_cast<DLManagedTensor*>(p)); });
  if (tensor.device.device_type != kDLCPU) {
    refuse_device(name, torch ? py::str(source.attr("device")).cast<std::string>()
                              : fmt::format("of DLPack's type {}", tensor.device.device_type));
  }
  switch (tensor.dtype.code) {
    case kDLInt:
      memory.kind = Kind::integer;
      break;
    case kDLUInt:
      memory.kind = Kind::natural;
      break;
    case kDLFloat:
      memory.kind = Kind::floating;
      break;
    case kDLBfloat:
      memory.kind = Kind::bfloat;
      break;
    case kDLBool:
      memory.kind = Kind::boolean;
      break;
    default:
      refuse(name, kNoNumbers);
  }
  memory.item = tensor.dtype.bits / 8U;
  if (tensor.dtype.lanes != 1 || tensor.dtype.bits % 8U != 0 || memory.item > 8) {
    refuse(name, kNoNumbers);
  }
  memory.data = static_cast<std::byte*>(tensor.data) + tensor.byte_offset;
  memory.shape.assign(tensor.shape, tensor.shape + tensor.ndim);
  if (tensor.strides != nullptr) {
    memory.strides.assign(tensor.strides, tensor.strides + tensor.ndim);
  } else {
    py::ssize_t stride = 1;
    memory.strides.resize(memory.shape.size());
    for (std::size_t i = memory.shape.size(); i-- > 0; stride *= memory.shape[i]) {
      memory.strides[i] = stride;
    }
  }
  memory.source = std::move(source);
  memory.torch = torch;
  return memory;
}

Memory of_any(py::handle object, std::string_view name) {
  py::object array;
  try {
    array = py::module_::import("numpy").attr("asarray")(object);
  } catch (const py::error_already_set& error) {
    if (!error.matches(PyExc_ValueError) && !error.matches(PyExc_TypeError)) throw;
    refuse(name, "expected an array, or lists of equal lengths: " + first_line(error));
  }
  return of_numpy(py::reinterpret_borrow<py::array>(array), name);
}

}  // namespace

const Torch* imported_torch() {
  static const Torch* found = nullptr;  // kept for good: modules are not unloaded
  if (found == nullptr) {
    const py::object modules = py::module_::import("sys").attr("modules");
    const py::object torch = modules.attr("get")("torch");
    if (torch.is_none() || !py::hasattr(torch, "is_grad_enabled")) return nullptr;
    found = new Torch{torch.attr("Tensor"), torch.attr("from_numpy"), torch.attr("empty"),
                      torch.attr("is_grad_enabled")};
  }
  return found;
}

Memory Memory::of(py::handle object, std::string_view name) {
  if (py::isinstance<py::array>(object)) {
    if (std::string_view(Py_TYPE(object.ptr())->tp_name) == "MaskedArray") {
      refuse(name, "is a masked array: fill what is masked, with x.filled(-inf)");
    }
    return of_numpy(py::reinterpret_borrow<py::array>(object), name);
  }
  if (is_torch(object)) return of_dlpack(object, name, true);
  if (py::hasattr(object, "__dlpack__")) return of_dlpack(object, name, false);
  return of_any(object, name);
}

std::size_t Memory::size() const {
  return static_cast<std::size_t>(
      std::accumulate(shape.begin(), shape.end(), py::ssize_t{1}, std::multiplies<>()));
}

std::string Memory::dtype() const {
  const std::size_t bits = 8 * item;
  switch (kind) {
    case Kind::floating:
      return fmt::format("float{}", bits);
    case Kind::bfloat:
      return "bfloat16";
    case Kind::integer:
      return fmt::format("int{}", bits);
    case Kind::natural:
      return fmt::format("uint{}", bits);
    case Kind::boolean:
      break;
  }
  return "bool";
}

}  // namespace partita::python
