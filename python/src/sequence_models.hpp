// SPDX-License-Identifier: Apache-2.0
// What Python gives a search: a model (a callable, an object, or one of C++), prompts, options.
#pragma once

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "arguments.hpp"
#include "partita/random/stream.hpp"
#include "partita/search/search.hpp"
#include "partita/search/stochastic_beam.hpp"
#include "settings.hpp"

namespace partita::python {

namespace py = pybind11;

/// A model of Python or of C++, as documented at partita.SequenceModel. Exceptions of Python's pass
/// through the search as they are. Between two calls of the model, Ctrl-C ends the search, and
/// `progress` is told how many tokens have been predicted.
class Model final : public SequenceModel {
 public:
  /// @param prompt a callable that does not say how large its vocabulary is is asked about it
  Model(py::handle model, const Sequence& prompt, py::handle progress = py::none());

  std::size_t vocabulary_size() const override { return model_->vocabulary_size(); }
  Token end_token() const override { return model_->end_token(); }
  DType logits_dtype() const override { return model_->logits_dtype(); }
  std::unique_ptr<DecodingState> start() const override { return model_->start(); }
  void next_logits(std::span<const Sequence> prefixes, DecodingState* state,
                   MutableRows logits) const override;

 private:
  py::object given_;
  std::unique_ptr<SequenceModel> python_;  ///< null if the model is of C++
  const SequenceModel* model_;
  ProgressReport report_;
  mutable std::atomic<std::uint64_t> read_ = 0;
};

// A model of Python by itself: a callable of a list of prefixes, or an object with next_logits().

/// @throws TypeError if it is neither
void check_python_model(py::handle model);
/// Null if the model has no start().
std::unique_ptr<DecodingState> start_python(const py::object& model);
/// @param logits [prefixes.size(), columns], f64 @throws ValueError if the model gives another
/// shape
void ask_python(const py::object& model, std::span<const Sequence> prefixes, DecodingState* state,
                MutableRows logits);

/// max_length, filter, threads and batch, as all searches take them in this order.
class Options {
 public:
  Options(py::handle max_length, py::handle filter, py::handle threads, py::handle batch);

  const SearchOptions& get() const { return options_; }

 private:
  OwnedSettings filter_;
  SearchOptions options_;
};

/// Prompts or texts: an iterable of sequences.
std::vector<Sequence> sequences(py::handle object, std::string_view name);

/// (tokens, finished, log_prob), and perturbed if there is one: what Hypothesis and
/// PerturbedHypothesis of Python are made of.
inline py::tuple as_tuple(const Hypothesis& h) {
  return py::make_tuple(h.tokens, h.finished, h.log_prob);
}
inline py::tuple as_tuple(const PerturbedHypothesis& h) {
  return py::make_tuple(h.tokens, h.finished, h.log_prob, h.perturbed);
}

/// The fields of partita.StochasticBeam.
py::tuple as_tuple(const StochasticBeam& beam);

template <class T>
py::list as_list(const std::vector<T>& hypotheses) {
  py::list out;
  for (const T& each : hypotheses) out.append(as_tuple(each));
  return out;
}

/// The stream of one search: the seed's own if `stream` is None, else its child.
Stream stream_of(py::handle seed, py::handle stream);

}  // namespace partita::python
