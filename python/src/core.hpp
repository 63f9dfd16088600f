// SPDX-License-Identifier: Apache-2.0
// The parts of partita._core, one for each subject.
#pragma once

#include <pybind11/pybind11.h>

namespace partita::python {

void add_sampling(pybind11::module_& module);
void add_search(pybind11::module_& module);
void add_split(pybind11::module_& module);
void add_noise(pybind11::module_& module);
void add_ngram(pybind11::module_& module);
void add_calibration(pybind11::module_& module);
void add_sampling_rule(pybind11::module_& module);
void add_confidences(pybind11::module_& module);
void add_detection(pybind11::module_& module);
void add_embedding(pybind11::module_& module);

}  // namespace partita::python
