// SPDX-License-Identifier: Apache-2.0
// Arguments that are no arrays: numbers, names, tokens, seeds and streams; and how long work runs.
// Each refuses what it cannot take by one line: ValueError for the value, TypeError for the type.
#pragma once

#include <pybind11/pybind11.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "arrays.hpp"
#include "partita/base/progress.hpp"
#include "partita/random/stream.hpp"
#include "partita/search/sequence_model.hpp"

namespace partita::python {

/// A Python or numpy integer of 0 ... most.
std::uint64_t natural(py::handle object, std::string_view name,
                      std::uint64_t most = std::uint64_t(-1));
std::size_t count(py::handle object, std::string_view name);
double number(py::handle object, std::string_view name);
std::string text(py::handle object, std::string_view name);
std::vector<std::string> texts(py::handle object, std::string_view name);
/// A str or os.PathLike.
std::string path_of(py::handle object);
/// A number of threads; 1 in a forked child, which has none but its own, and gets the same results.
int thread_count(py::handle object);
/// Tokens as an array or a list.
Sequence sequence(py::handle tokens, std::string_view name);
/// One of `names`: its place.
std::size_t choice(py::handle object, std::string_view name,
                   std::span<const std::string_view> names);

/// `seed` and `stream` of a function that draws for each row: row r reads child(stream + r) of the
/// seed's stream or, if `stream` is an array, child(stream[r]).
class RowStreams {
 public:
  RowStreams(py::handle seed, py::handle stream, std::size_t rows);

  operator Streams() const {  // NOLINT(google-explicit-constructor)
    return each_.empty() ? Streams(parent_, first_) : Streams(each_);
  }

 private:
  Stream parent_;
  std::uint64_t first_ = 0;
  std::vector<Stream> each_;
};

/// Runs `work` without the interpreter's lock.
template <class Work>
auto released(const Work& work) {
  const py::gil_scoped_release release;
  return work();
}

/// For long work, from the thread that the call came from: takes the lock and lets Ctrl-C in.
/// @throws KeyboardInterrupt
void check_signals();

/// What becomes of the argument `progress` (partita/_progress.py) while a call lasts: None, True
/// for a bar, or a function (done, total, unit). Ctrl-C is let in whether or not anything is shown.
class ProgressReport {
 public:
  explicit ProgressReport(py::handle progress);
  ~ProgressReport();
  ProgressReport(const ProgressReport&) = delete;
  ProgressReport& operator=(const ProgressReport&) = delete;

  void operator()(const ProgressUpdate& update) const;
  operator Progress() const { return std::ref(*this); }  // NOLINT(google-explicit-constructor)

 private:
  py::object report_;
  bool is_bar_ = false;
};

}  // namespace partita::python
