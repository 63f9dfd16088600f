// SPDX-License-Identifier: Apache-2.0
// The structures of DLPack 0.6 (https://dmlc.github.io/dlpack), by which array libraries hand each
// other their memory, and how a capsule of one is taken over.
#pragma once

#include <pybind11/pybind11.h>

#include <cstdint>

namespace partita::python {

constexpr std::int32_t kDLCPU = 1;

enum DLDataTypeCode : std::uint8_t {
  kDLInt = 0,
  kDLUInt = 1,
  kDLFloat = 2,
  kDLBfloat = 4,
  kDLComplex = 5,
  kDLBool = 6
};

struct DLDevice {
  std::int32_t device_type;
  std::int32_t device_id;
};

struct DLDataType {
  std::uint8_t code;
  std::uint8_t bits;
  std::uint16_t lanes;
};

struct DLTensor {
  void* data;
  DLDevice device;
  std::int32_t ndim;
  DLDataType dtype;
  std::int64_t* shape;
  std::int64_t* strides;  ///< in elements; null: contiguous
  std::uint64_t byte_offset;
};

struct DLManagedTensor {
  DLTensor dl_tensor;
  void* manager_ctx;
  void (*deleter)(DLManagedTensor* self);
};

/// Takes the tensor out of a capsule, which is renamed so that it no longer deletes it; null if
/// there is none. The caller calls release() in the end.
inline DLManagedTensor* take_dlpack(pybind11::handle capsule) {
  if (PyCapsule_IsValid(capsule.ptr(), "dltensor") == 0) return nullptr;
  void* managed = PyCapsule_GetPointer(capsule.ptr(), "dltensor");
  PyCapsule_SetName(capsule.ptr(), "used_dltensor");
  return static_cast<DLManagedTensor*>(managed);
}

inline void release(DLManagedTensor* managed) {
  if (managed->deleter != nullptr) managed->deleter(managed);
}

}  // namespace partita::python
