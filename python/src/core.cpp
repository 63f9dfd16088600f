// SPDX-License-Identifier: Apache-2.0
// partita._core: what the Python package is made of. Arguments are positional and unchecked by
// pybind11, since its messages are pages long; names, defaults and documentation are in
// python/partita, and checks in arrays.hpp and the library.
#include "core.hpp"

#include <cstdint>
#include <string>
#include <vector>

#include "arguments.hpp"
#include "errors.hpp"
#include "partita/softmax/divergence.hpp"
#include "partita/softmax/softmax.hpp"

namespace partita::python {
namespace {

using RowFunction = void (*)(Rows, MutableRows, const RowOptions&);
using Summary = std::vector<double> (*)(Rows, const RowOptions&);

/// The result has the argument's shape and format.
template <RowFunction function>
py::object map_rows(py::handle object, py::handle threads) {
  const FloatArray logits(object, "logits");
  auto [out, rows] = logits.empty_like();
  const RowOptions options{.threads = thread_count(threads)};
  released([&, to = rows] { function(logits.rows(), to, options); });
  return out;
}

/// A number for each row.
template <Summary function>
py::object reduce_rows(py::handle object, py::handle threads) {
  const FloatArray logits(object, "logits");
  const RowOptions options{.threads = thread_count(threads)};
  return logits.result(released([&] { return function(logits.rows(), options); }),
                       logits.batch_shape());
}

py::object kl_divergence_of(py::handle p, py::handle q, py::handle threads) {
  const FloatArray p_logits(p, "p_logits");
  const FloatArray q_logits(q, "q_logits");
  check_same_shape(p_logits, "p_logits", q_logits, "q_logits");
  const RowOptions options{.threads = thread_count(threads)};
  return p_logits.result(
      released([&] { return kl_divergence(p_logits.rows(), q_logits.rows(), options); }),
      p_logits.batch_shape());
}

void add_softmax(py::module_& module) {
  module.def("softmax", &map_rows<softmax>);
  module.def("log_softmax", &map_rows<log_softmax>);
  module.def("log_sum_exp", &reduce_rows<log_sum_exp>);
  module.def("entropy", &reduce_rows<entropy>);
  module.def("kl_divergence", &kl_divergence_of);
}

}  // namespace

PYBIND11_MODULE(_core, module) {
  py::register_local_exception_translator(&translate_error);
  module.def("address", [](py::handle array) {  // what is read of an array, for tests
    return reinterpret_cast<std::uintptr_t>(Memory::of(array, "array").data);
  });
  add_softmax(module);
  add_sampling(module);
  add_search(module);
  add_split(module);
  add_noise(module);
  add_ngram(module);
  add_calibration(module);
  add_sampling_rule(module);
  add_confidences(module);
  add_detection(module);
  add_embedding(module);
}

}  // namespace partita::python
