// Arguments that are no arrays: numbers, names, seeds and streams; and how long work runs. Each
// refuses what it cannot take by one line: ValueError for the value, TypeError for the type.
#pragma once

#include <pybind11/pybind11.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "arrays.hpp"
#include "partita/base/progress.hpp"
#include "partita/random/stream.hpp"

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

/// Calls a Python function (done, total, unit), unless it is None, and check_signals(). `callback`
/// must outlive the result.
Progress progress_of(py::handle callback);

}  // namespace partita::python
