// SPDX-License-Identifier: Apache-2.0
#include "arguments.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <limits>
#include <utility>

namespace partita::python {
namespace {

std::string type_name(py::handle object) { return Py_TYPE(object.ptr())->tp_name; }

constexpr std::uint64_t kMostItems = std::numeric_limits<std::int64_t>::max();

std::atomic<bool> forked = false;
[[maybe_unused]] const int fork_handler =
    pthread_atfork(nullptr, nullptr, [] { forked.store(true); });

}  // namespace

std::uint64_t natural(py::handle object, std::string_view name, std::uint64_t most) {
  const auto index = py::reinterpret_steal<py::object>(PyNumber_Index(object.ptr()));
  if (!index) {
    PyErr_Clear();
    throw py::type_error(fmt::format("{}: expected an integer, got {}", name, type_name(object)));
  }
  const unsigned long long value = PyLong_AsUnsignedLongLong(index.ptr());
  const bool failed = PyErr_Occurred() != nullptr;
  if (failed) PyErr_Clear();
  if (failed || value > most) {
    const std::string got = py::str(index);
    refuse(name, most == kMostItems ? fmt::format("expected 0 or more, got {}", got)
                                    : fmt::format("expected 0..{}, got {}", most, got));
  }
  return value;
}

std::size_t count(py::handle object, std::string_view name) {
  return natural(object, name, kMostItems);
}

double number(py::handle object, std::string_view name) {
  const double value = PyFloat_AsDouble(object.ptr());
  if (value == -1 && PyErr_Occurred() != nullptr) {
    PyErr_Clear();
    throw py::type_error(fmt::format("{}: expected a number, got {}", name, type_name(object)));
  }
  return value;
}

std::string text(py::handle object, std::string_view name) {
  if (!py::isinstance<py::str>(object)) {
    throw py::type_error(fmt::format("{}: expected a str, got {}", name, type_name(object)));
  }
  try {
    return object.cast<std::string>();
  } catch (const std::exception&) {  // a lone surrogate
    PyErr_Clear();
    refuse(name, "expected text that UTF-8 can hold");
  }
}

std::vector<std::string> texts(py::handle object, std::string_view name) {
  if (py::isinstance<py::str>(object) || !py::isinstance<py::iterable>(object)) {
    throw py::type_error(
        fmt::format("{}: expected an iterable of str, got {}", name, type_name(object)));
  }
  std::vector<std::string> out;
  for (const py::handle each : object) out.push_back(text(each, name));
  return out;
}

std::string path_of(py::handle object) {
  return text(py::module_::import("os").attr("fspath")(object), "path");
}

Sequence sequence(py::handle tokens, std::string_view name) {
  const Integers integers(tokens, name);
  if (integers.shape.size() != 1) {
    throw py::value_error(fmt::format("{}: expected tokens in one dimension, got shape {}", name,
                                      to_string(integers.shape)));
  }
  Sequence out;
  for (const std::int64_t token : integers.values) {
    if (!std::in_range<Token>(token)) {
      throw py::value_error(fmt::format("{}: expected tokens below 2^31, got {}", name, token));
    }
    out.push_back(static_cast<Token>(token));
  }
  return out;
}

int thread_count(py::handle object) {
  const auto threads = static_cast<int>(natural(object, "threads", 1U << 16U));
  return forked.load() ? std::min(threads, 1) : threads;
}

std::size_t choice(py::handle object, std::string_view name,
                   std::span<const std::string_view> names) {
  const std::string chosen = text(object, name);
  const auto found = std::find(names.begin(), names.end(), chosen);
  if (found == names.end()) {
    refuse(name, fmt::format("expected one of {}, got '{}'", fmt::join(names, ", "), chosen));
  }
  return static_cast<std::size_t>(found - names.begin());
}

RowStreams::RowStreams(py::handle seed, py::handle stream, std::size_t rows)
    : parent_{.seed = natural(seed, "seed")} {
  if (PyIndex_Check(stream.ptr()) != 0 && !py::hasattr(stream, "__len__")) {
    first_ = natural(stream, "stream");
    return;
  }
  const Integers each(stream, "stream");
  if (each.values.size() != rows) {
    refuse("stream", fmt::format("expected an integer, or {} (one for each row), got shape {}",
                                 rows, to_string(each.shape)));
  }
  for (const std::int64_t id : each.values) {
    if (id < 0) refuse("stream", fmt::format("expected integers of 0 or more, got {}", id));
    each_.push_back(parent_.child(static_cast<std::uint64_t>(id)));
  }
}

void check_signals() {
  const py::gil_scoped_acquire acquire;
  if (PyErr_CheckSignals() != 0) throw py::error_already_set();
}

ProgressReport::ProgressReport(py::handle progress) : report_(py::none()) {
  if (progress.is_none()) return;
  report_ = py::module_::import("partita._progress").attr("report")(progress);
  is_bar_ = !report_.is_none() && !report_.is(progress);
}

ProgressReport::~ProgressReport() {
  if (!is_bar_) return;
  PyObject* closed = PyObject_CallMethod(report_.ptr(), "close", nullptr);
  if (closed == nullptr) PyErr_WriteUnraisable(report_.ptr());  // a destructor must not throw
  Py_XDECREF(closed);
}

void ProgressReport::operator()(const ProgressUpdate& update) const {
  check_signals();
  if (report_.is_none()) return;
  const py::gil_scoped_acquire acquire;
  report_(update.done, update.total, py::str(update.unit.data(), update.unit.size()));
}

}  // namespace partita::python
