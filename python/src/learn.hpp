// SPDX-License-Identifier: Apache-2.0
// The parts of partita._learn, and what they share: tensors cross with their gradients.
#pragma once

#include <torch/csrc/autograd/python_variable.h>
#include <torch/csrc/utils/pybind.h>

#include <string_view>

#include "arguments.hpp"
#include "partita/learn/random.hpp"

namespace partita::python {

/// @throws TypeError in one line, naming the argument.
Tensor tensor_of(py::handle object, std::string_view name);

/// A tensor, or else a number.
TensorOrNumber tensor_or_number(py::handle object, std::string_view name);

/// Stream{seed, stream} or, if `seed` is None, torch's default generator of the device.
Random random_of(py::handle seed, py::handle stream, const at::Device& device = at::kCPU);

void add_distributions(py::module_& module);
void add_estimators(py::module_& module);
void add_losses(py::module_& module);
void add_language(py::module_& module);

}  // namespace partita::python
