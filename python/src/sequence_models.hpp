// What Python gives a search: a model (a callable, an object, or one of C++), prompts, options.
#pragma once

#include <pybind11/pybind11.h>

#include <memory>
#include <vector>

#include "partita/random/stream.hpp"
#include "partita/search/search.hpp"
#include "settings.hpp"

namespace partita::python {

namespace py = pybind11;

/// Tokens as an array or a list.
Sequence sequence(py::handle tokens, std::string_view name);

/// A model of Python or of C++, as documented at partita.SequenceModel. Exceptions of Python's pass
/// through the search as they are, and Ctrl-C ends one over a model of C++ at its next step.
class Model {
 public:
  /// @param prompt a callable that does not say how large its vocabulary is is asked about it
  Model(py::handle model, const Sequence& prompt);

  const SequenceModel& get() const { return *model_; }

 private:
  py::object python_;
  std::unique_ptr<SequenceModel> model_;
};

/// max_length, filter, threads and batch, as all searches take them in this order.
class Options {
 public:
  Options(py::handle max_length, py::handle filter, py::handle threads, py::handle batch);

  const SearchOptions& get() const { return options_; }

 private:
  OwnedSettings filter_;
  SearchOptions options_;
};

/// The stream of one search: the seed's own if `stream` is None, else its child.
Stream stream_of(py::handle seed, py::handle stream);

}  // namespace partita::python
