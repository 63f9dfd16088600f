// SPDX-License-Identifier: Apache-2.0
// Neural language models, as sequence models for the searches of partita._core.
#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "learn.hpp"
#include "partita/learn/language/text_model.hpp"
#include "partita/learn/language/text_training.hpp"
#include "partita/learn/language/torch_script_model.hpp"

namespace partita::python {

using namespace language;  // NOLINT(google-build-using-namespace): this is its counterpart

namespace {

/// With its text, which searches do not need.
class TextSequenceModel final : public NeuralSequenceModel {
 public:
  explicit TextSequenceModel(TextModel model)
      : NeuralSequenceModel(model.sequences()), text_(std::move(model)) {}

  const TextModel& text() const { return text_; }

 private:
  TextModel text_;
};

/// What torch.device() takes. @throws torch's own error if the machine has no such device.
at::Device device_of(py::handle object) {
  const py::object probe =
      py::module_::import("torch").attr("empty")(0, py::arg("device") = object);
  return probe.cast<Tensor>().device();
}

TextSequenceModel load(py::handle path, py::handle device) {
  const std::string name = path_of(path);
  const at::Device where = device_of(device);
  return released([&] {
    TextModel model = TextModel::load(name);
    model.network->to(where);
    return TextSequenceModel(std::move(model));
  });
}

/// The lines' tokens and their log-probability, a block at a time, so that Ctrl-C can end it.
TextEvaluation evaluation(const TextSequenceModel& model, std::span<const std::string> lines) {
  constexpr std::size_t kBlock = 256;
  // A line is one piece, however long.
  const TextTrainingOptions options{.length = std::numeric_limits<std::int64_t>::max()};
  TextEvaluation all;
  double sum = 0;
  for (std::size_t at = 0; at == 0 || at < lines.size(); at += kBlock) {
    check_signals();
    const auto block = lines.subspan(at, std::min(kBlock, lines.size() - at));
    const TextEvaluation part = evaluate(model.text(), block, options);
    all.tokens += part.tokens;
    sum += part.log_likelihood * static_cast<double>(part.tokens);
  }
  all.log_likelihood = sum / static_cast<double>(all.tokens);
  all.perplexity = std::exp(-all.log_likelihood);
  return all;
}

double log_prob(const TextSequenceModel& model, py::handle given) {
  const std::vector<std::string> line = {text(given, "text")};
  const TextEvaluation found = released([&] { return evaluation(model, line); });
  return found.log_likelihood * static_cast<double>(found.tokens);
}

double perplexity(const TextSequenceModel& model, py::handle lines) {
  const std::vector<std::string> all = texts(lines, "lines");
  return released([&] { return evaluation(model, all).perplexity; });
}

Token token_or_none(py::handle object, std::string_view name) {
  return object.is_none() ? -1 : static_cast<Token>(natural(object, name, 0x7FFFFFFF));
}

std::unique_ptr<TorchScriptModel> script(py::handle path, py::handle end_token,
                                         py::handle start_token, py::handle vocabulary_size,
                                         py::handle device) {
  const std::string name = path_of(path);
  TorchScriptOptions options{.end_token = token_or_none(end_token, "end_token"),
                             .start_token = token_or_none(start_token, "start_token"),
                             .device = device_of(device)};
  if (!vocabulary_size.is_none()) {
    options.vocabulary_size = count(vocabulary_size, "vocabulary_size");
  }
  return released([&] { return std::make_unique<TorchScriptModel>(name, options); });
}

}  // namespace

void add_language(py::module_& module) {
  py::module_::import("partita._core");  // SequenceModel is bound there
  py::options options;  // the first lines below are signatures that inspect and help() read
  options.disable_function_signatures();
  py::class_<TextSequenceModel, SequenceModel>(
      module, "LanguageModel",
      R"(An LSTM or transformer that ``partita lm train`` has trained.

All searches take it as their model, and read each token of a sequence once.

>>> import partita
>>> model = partita.LanguageModel.load("words.model")               # doctest: +SKIP
>>> beam = partita.stochastic_beam_search(model, 25, seed=1)        # doctest: +SKIP
>>> [model.decode(s.tokens) for s in beam.sequences]                # doctest: +SKIP)")
      .def_static("load", &load, py::arg("path"), py::kw_only(), py::arg("device") = "cpu",
                  R"(load(path, *, device='cpu')
--

Reads a model's file. OSError if it is none, or damaged.

Parameters
----------
path : path
device : str or torch.device
    Where the network runs.)")
      .def(
          "save",
          [](const TextSequenceModel& model, py::handle path) {
            const std::string name = path_of(path);
            released([&] { model.text().save(name); });
          },
          py::arg("path"), R"(save(self, path)
--

Writes a file for ``load`` and for the command.)")
      .def(
          "encode",
          [](const TextSequenceModel& model, py::handle line) {
            return model.text().units.encode(text(line, "text"));
          },
          py::arg("text"), R"(encode(self, text)
--

The tokens of a text, without the end.)")
      .def(
          "decode",
          [](const TextSequenceModel& model, py::handle tokens) {
            return model.text().units.decode(sequence(tokens, "tokens"));
          },
          py::arg("tokens"), R"(decode(self, tokens)
--

The text of tokens.)")
      .def("log_prob", &log_prob, py::arg("text"), R"(log_prob(self, text)
--

log P(text, end).)")
      .def("perplexity", &perplexity, py::arg("lines"), R"(perplexity(self, lines)
--

exp(-mean log-probability of a token), ends included.)")
      .def(py::pickle(
          [](const TextSequenceModel& model) { return py::bytes(model.text().serialize()); },
          [](const py::bytes& bytes) {
            return TextSequenceModel(
                TextModel::parse(std::string_view(bytes), "pickled language model"));
          }));
  py::class_<TorchScriptModel, SequenceModel>(
      module, "TorchScriptModel",
      R"(TorchScriptModel(path, *, end_token=None, start_token=None, vocabulary_size=None, device='cpu')

A file of torch.jit that turns tokens into logits.

It is called with tokens int64 [B, T] and returns logits [B, T, V], or [B, V] after the last; with
whole prefixes at every step, since nothing is known about its caches. All searches take it as
their model, and so does ``partita generate``.

Parameters
----------
path : path
    What ``torch.jit.trace(module, example).save(path)`` or ``torch.jit.script`` wrote.
end_token : int, optional
    What ends a sequence; if not given, only its length does.
start_token : int, optional
    Put before every prefix; if not given, prompts must not be empty.
vocabulary_size : int, optional
    Checked against what the module returns.
device : str or torch.device

Raises
------
OSError
    If the file holds no such module; from a search, if it fails.)")
      .def(py::init(&script), py::arg("path"), py::kw_only(), py::arg("end_token") = py::none(),
           py::arg("start_token") = py::none(), py::arg("vocabulary_size") = py::none(),
           py::arg("device") = "cpu");
}

}  // namespace partita::python
