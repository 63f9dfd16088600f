// SPDX-License-Identifier: Apache-2.0
#include "sequence_models.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

#include "arguments.hpp"
#include "core.hpp"
#include "partita/text/ngram.hpp"

namespace partita::python {
namespace {

/// The state that a Python model's start() returned.
class PythonState final : public DecodingState {
 public:
  explicit PythonState(py::object state) : state_(std::move(state)) {}
  ~PythonState() override {
    const py::gil_scoped_acquire acquire;
    state_ = {};
  }

  void reorder(std::span<const std::size_t> rows) override {
    const py::gil_scoped_acquire acquire;
    state_.attr("reorder")(std::vector<std::size_t>(rows.begin(), rows.end()));
  }
  const py::object& get() const { return state_; }

 private:
  py::object state_;
};

/// Else it is a callable.
bool is_object(py::handle model) { return py::hasattr(model, "next_logits"); }

class PythonModel final : public SequenceModel {
 public:
  PythonModel(py::handle model, const Sequence& prompt)
      : model_(py::reinterpret_borrow<py::object>(model)) {
    const py::object end = py::getattr(model, "end_token", py::none());
    if (!end.is_none()) end_token_ = static_cast<Token>(natural(end, "end_token", 0x7FFFFFFF));
    const py::object size = py::getattr(model, "vocabulary_size", py::none());
    if (!size.is_none()) {
      vocabulary_size_ = natural(size, "vocabulary_size", 0x7FFFFFFF);
    } else if (is_object(model)) {
      throw py::type_error("model: expected an attribute vocabulary_size");
    } else {
      const FloatArray logits(model_(std::vector<Sequence>{prompt}), "model");
      vocabulary_size_ = static_cast<std::size_t>(logits.shape().back());
    }
    if (vocabulary_size_ == 0 || std::cmp_greater_equal(end_token_, vocabulary_size_)) {
      throw py::value_error(fmt::format(
          "model: expected a vocabulary that holds its end_token {}, got vocabulary_size = {}",
          end_token_, vocabulary_size_));
    }
  }

  std::size_t vocabulary_size() const override { return vocabulary_size_; }
  Token end_token() const override { return end_token_; }

  std::unique_ptr<DecodingState> start() const override { return start_python(model_); }
  void next_logits(std::span<const Sequence> prefixes, DecodingState* state,
                   MutableRows logits) const override {
    ask_python(model_, prefixes, state, logits);
  }

 private:
  py::object model_;
  std::size_t vocabulary_size_ = 0;
  Token end_token_ = -1;
};

std::unique_ptr<SequenceModel> python_model(py::handle model, const Sequence& prompt) {
  if (py::isinstance<SequenceModel>(model)) return nullptr;
  check_python_model(model);
  return std::make_unique<PythonModel>(model, prompt);
}

NgramModel train(py::handle lines, py::handle order, py::handle units, py::handle vocabulary,
                 py::handle progress) {
  const std::vector<std::string> all = texts(lines, "lines");
  const UnitKind kind = unit_kind(text(units, "units"));
  const UnitOptions options{.vocabulary = count(vocabulary, "vocabulary")};
  NgramOptions ngram{.order = kind == UnitKind::character ? 6 : 3};
  if (!order.is_none()) ngram.order = static_cast<int>(natural(order, "order", 16));
  const ProgressReport report(progress);
  return released(
      [&] { return train_ngram(TextUnits::learn(kind, all, options), all, ngram, report); });
}

py::object next_logits(const SequenceModel& model, py::handle prefixes) {
  std::vector<Sequence> asked;
  for (const py::handle each : prefixes) asked.push_back(sequence(each, "prefixes"));
  const std::size_t columns = model.vocabulary_size();
  const auto read = [&]<class T>(T) -> py::object {
    std::vector<T> logits(asked.size() * columns);
    released([&] {
      if (asked.empty()) return;
      const auto state = model.start();
      model.next_logits(asked, state.get(), {logits.data(), asked.size(), columns});
    });
    return to_numpy(std::move(logits),
                    {static_cast<py::ssize_t>(asked.size()), static_cast<py::ssize_t>(columns)});
  };
  return model.logits_dtype() == DType::f32 ? read(float{}) : read(double{});
}

}  // namespace

void check_python_model(py::handle model) {
  if (PyCallable_Check(model.ptr()) != 0 || is_object(model)) return;
  throw py::type_error(
      fmt::format("model: expected a callable, or an object with next_logits, got {}",
                  Py_TYPE(model.ptr())->tp_name));
}

std::unique_ptr<DecodingState> start_python(const py::object& model) {
  const py::gil_scoped_acquire acquire;
  if (!is_object(model) || !py::hasattr(model, "start")) return nullptr;
  return std::make_unique<PythonState>(model.attr("start")());
}

void ask_python(const py::object& model, std::span<const Sequence> prefixes, DecodingState* state,
                MutableRows logits) {
  const py::gil_scoped_acquire acquire;
  py::list asked;
  for (const Sequence& prefix : prefixes) asked.append(py::cast(prefix));
  const py::object held = state != nullptr ? static_cast<PythonState*>(state)->get() : py::none();
  const py::object returned =
      is_object(model) ? model.attr("next_logits")(asked, held) : model(asked);
  const FloatArray array(returned, "model");
  const Shape expected = {static_cast<py::ssize_t>(prefixes.size()),
                          static_cast<py::ssize_t>(logits.columns())};
  if (array.shape() != expected) {
    throw py::value_error(
        fmt::format("model: expected logits of shape {} (prefixes, vocabulary), got {}",
                    to_string(expected), to_string(array.shape())));
  }
  const Rows from = array.rows();
  visit(from.dtype(), [&]<Element T>(T) {
    for (std::size_t row = 0; row < from.rows(); ++row) {
      const T* source = from.row_data<T>(row);
      double* out = logits.row_data<double>(row);
      for (std::size_t i = 0; i < from.columns(); ++i) {
        out[i] = source[static_cast<std::ptrdiff_t>(i) * from.column_stride()];
      }
    }
  });
}

Model::Model(py::handle model, const Sequence& prompt, py::handle progress)
    : given_(py::reinterpret_borrow<py::object>(model)),
      python_(python_model(model, prompt)),
      model_(python_ ? python_.get() : model.cast<const SequenceModel*>()),
      report_(progress) {}

void Model::next_logits(std::span<const Sequence> prefixes, DecodingState* state,
                        MutableRows logits) const {
  check_signals();
  model_->next_logits(prefixes, state, logits);
  report_({.done = read_ += prefixes.size(), .total = 0, .unit = "tokens"});
}

Options::Options(py::handle max_length, py::handle filter, py::handle threads, py::handle batch)
    : filter_(filter),
      options_{.max_length = count(max_length, "max_length"),
               .filter = filter_.get(),
               .threads = thread_count(threads),
               .batch = count(batch, "batch")} {}

std::vector<Sequence> sequences(py::handle object, std::string_view name) {
  std::vector<Sequence> out;
  for (const py::handle each : object) out.push_back(sequence(each, name));
  return out;
}

py::tuple as_tuple(const StochasticBeam& beam) {
  const Shape shape = {static_cast<py::ssize_t>(beam.weights.size())};
  return py::make_tuple(as_list(beam.sequences), beam.threshold,
                        to_numpy(std::vector(beam.weights), shape));
}

Stream stream_of(py::handle seed, py::handle stream) {
  const Stream root{.seed = natural(seed, "seed")};
  return stream.is_none() ? root : root.child(natural(stream, "stream"));
}

void add_ngram(py::module_& module) {
  py::options options;  // the first lines below are signatures that inspect and help() read
  options.disable_function_signatures();
  py::class_<SequenceModel>(module, "NativeModel", "A sequence model of C++.")
      .def_property_readonly("vocabulary_size", &SequenceModel::vocabulary_size,
                             "Tokens are 0 to vocabulary_size - 1.")
      .def_property_readonly(
          "end_token",
          [](const SequenceModel& model) -> py::object {
            return model.end_token() < 0 ? py::none() : py::cast(model.end_token());
          },
          "What ends a sequence; None if only its length does.")
      .def("next_logits", &next_logits, py::arg("prefixes"), R"(next_logits(self, prefixes)
--

The logits of the token after each prefix: float32 or float64 [prefixes, vocabulary_size].)");
  py::class_<NgramModel, SequenceModel>(module, "NGram",
                                        R"(An n-gram model of characters, words or subword units.

The probability of the next token given the n - 1 before it, interpolated with those given fewer
(Witten-Bell). ``NGram.train`` learns one, ``NGram.load`` reads what ``partita lm train`` or
``save`` wrote. All searches take it as their model.

>>> import partita
>>> words = partita.NGram.train(["whale", "ship", "sea", "shape"] * 10, order=3)
>>> words.decode(words.encode("sea"))
'sea'
>>> beam = partita.stochastic_beam_search(words, 5, seed=1)
>>> len({words.decode(s.tokens) for s in beam.sequences})
5)")
      .def_static(
          "load",
          [](py::handle path) {
            const std::string name = path_of(path);
            return released([&] { return NgramModel::load(name); });
          },
          py::arg("path"), R"(load(path)
--

Reads a model's file. OSError if it is none, or damaged.)")
      .def_static("train", &train, py::arg("lines"), py::kw_only(), py::arg("order") = py::none(),
                  py::arg("units") = "char", py::arg("vocabulary") = 0,
                  py::arg("progress") = py::none(),
                  R"(train(lines, *, order=None, units='char', vocabulary=0, progress=None)
--

Counts the n-grams of lines of text, each of which is a sequence.

Parameters
----------
lines : iterable of str
order : int, optional
    The n, 1 to 16; 6 for characters and 3 for others if not given.
units : {"char", "word", "sentencepiece"}
vocabulary : int
    How many of the most frequent words to keep, 0 for all; or how many pieces.
progress : bool or callable, optional
    True for a bar of tqdm's; or called as ``progress(done, total, unit)`` a few times a second.)")
      .def(
          "save",
          [](const NgramModel& model, py::handle path) {
            const std::string name = path_of(path);
            released([&] { model.save(name); });
          },
          py::arg("path"), R"(save(self, path)
--

Writes a file for ``load`` and for the command.)")
      .def_property_readonly("order", &NgramModel::order, "The n of n-gram.")
      .def(
          "encode",
          [](const NgramModel& model, py::handle line) {
            return model.units().encode(text(line, "text"));
          },
          py::arg("text"), R"(encode(self, text)
--

The tokens of a text, without the end.)")
      .def(
          "decode",
          [](const NgramModel& model, py::handle tokens) {
            return model.units().decode(sequence(tokens, "tokens"));
          },
          py::arg("tokens"), R"(decode(self, tokens)
--

The text of tokens.)")
      .def(
          "log_prob",
          [](const NgramModel& model, py::handle line) {
            const std::string given = text(line, "text");
            return released([&] { return model.log_prob(given); });
          },
          py::arg("text"), R"(log_prob(self, text)
--

log P(text, end).)")
      .def(
          "perplexity",
          [](const NgramModel& model, py::handle lines) {
            const std::vector<std::string> all = texts(lines, "lines");
            return released([&] { return model.perplexity(all); });
          },
          py::arg("lines"), R"(perplexity(self, lines)
--

exp(-mean log-probability of a token), ends included.)")
      .def(py::pickle([](const NgramModel& model) { return py::bytes(model.serialize()); },
                      [](const py::bytes& bytes) {
                        return NgramModel::parse(std::string_view(bytes), "pickled n-gram model");
                      }));
}

}  // namespace partita::python
