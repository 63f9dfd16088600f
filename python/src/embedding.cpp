// SPDX-License-Identifier: Apache-2.0
// Word vectors: training, files, similarity.
#include <fmt/format.h>

#include <array>
#include <cstring>

#include "arguments.hpp"
#include "core.hpp"
#include "partita/embedding/corpus.hpp"
#include "partita/embedding/similarity.hpp"
#include "partita/embedding/trainer.hpp"
#include "partita/io/word_vectors.hpp"

namespace partita::python {
namespace {

constexpr std::array<std::string_view, 2> kModels = {"skipgram", "cbow"};
constexpr std::array<std::string_view, 3> kLosses = {"negative-sampling", "nce", "full"};
constexpr std::array<std::string_view, 3> kEncodingErrors = {"strict", "replace", "ignore"};

/// float32 [words, dim] in one piece; the package sees to it.
Rows rows_of(const FloatArray& array) {
  const Rows rows = array.rows();
  if (array.shape().size() != 2 || rows.dtype() != DType::f32) {
    refuse("vectors",
           fmt::format("expected float32 [words, dim], got shape {}", to_string(array.shape())));
  }
  return rows;
}

WordSimilarity similarity_of(py::handle words, py::handle vectors) {
  const FloatArray array(vectors, "vectors");
  const Rows rows = rows_of(array);
  WordVectors all{.words = texts(words, "words"), .dim = rows.columns(), .values = {}, .notes = {}};
  all.values.resize(rows.rows() * rows.columns());
  for (std::size_t row = 0; row < rows.rows(); ++row) {
    std::memcpy(all.values.data() + row * rows.columns(), rows.row_data<float>(row),
                rows.columns() * sizeof(float));
  }
  return released([&] { return WordSimilarity(std::move(all)); });
}

py::list nearest(const WordSimilarity& words, py::handle query, py::handle k) {
  const std::string asked = text(query, "positive");
  const std::size_t size = count(k, "topn");
  py::list out;
  for (const Neighbor& each : released([&] { return words.nearest(asked, size); })) {
    out.append(py::make_tuple(each.word, each.cosine));
  }
  return out;
}

py::tuple similarity(const WordSimilarity& words, py::handle path) {
  const std::string name = path_of(path);
  const SimilarityScore score = released([&] { return words.similarity(name); });
  return py::make_tuple(score.correlation, score.pairs, score.lines);
}

py::list analogies(const WordSimilarity& words, py::handle path, py::handle threads,
                   py::handle progress) {
  const std::string name = path_of(path);
  const int most = thread_count(threads);
  const ProgressReport report(progress);
  py::list out;
  for (const AnalogyScore& each : released([&] { return words.analogies(name, most, report); })) {
    out.append(py::make_tuple(each.section, each.correct, each.questions, each.lines));
  }
  return out;
}

py::object matrix(std::vector<float> values, std::size_t rows, std::size_t columns) {
  return to_numpy(std::move(values),
                  {static_cast<py::ssize_t>(rows), static_cast<py::ssize_t>(columns)});
}

py::tuple load(py::handle path, py::handle limit, py::handle encoding_errors) {
  const std::string name = path_of(path);
  const WordVectorOptions options{.limit = count(limit, "limit"),
                                  .encoding_errors = static_cast<EncodingErrors>(
                                      choice(encoding_errors, "encoding_errors", kEncodingErrors))};
  WordVectors read = released([&] { return load_word_vectors(name, options); });
  py::list words;
  for (const std::string& word : read.words) words.append(py::str(word));
  return py::make_tuple(words, matrix(std::move(read.values), read.words.size(), read.dim));
}

void save(py::handle path, py::handle words, py::handle vectors) {
  const std::string name = path_of(path);
  const std::vector<std::string> all = texts(words, "words");
  const FloatArray array(vectors, "vectors");
  const Rows rows = rows_of(array);
  released([&] { save_word_vectors(name, all, rows); });
}

/// (words, vectors)
py::tuple train(py::handle path, py::handle seed, py::handle model, py::handle loss, py::handle dim,
                py::handle window, py::handle negative, py::handle sample, py::handle epochs,
                py::handle alpha, py::handle min_count, py::handle max_size, py::handle threads,
                py::handle deterministic, py::handle progress) {
  const std::string name = path_of(path);
  const Stream stream{.seed = natural(seed, "seed")};
  EmbeddingOptions options{
      .model = static_cast<EmbeddingModel>(choice(model, "model", kModels)),
      .loss = static_cast<EmbeddingLoss>(choice(loss, "loss", kLosses)),
      .dim = count(dim, "dim"),
      .window = count(window, "window"),
      .negative = count(negative, "negative"),
      .sample = number(sample, "sample"),
      .epochs = count(epochs, "epochs"),
      .threads = thread_count(threads),
      .deterministic = py::bool_(py::reinterpret_borrow<py::object>(deterministic))};
  if (!alpha.is_none()) options.alpha = number(alpha, "alpha");
  const VocabularyOptions vocabulary{.min_count = count(min_count, "min_count"),
                                     .max_size = count(max_size, "max_size")};
  const auto report = [&](const TrainingUpdate& at) {
    check_signals();
    if (progress.is_none()) return;
    const py::gil_scoped_acquire acquire;
    progress(at.words, at.total, at.words_per_second, at.seconds_left, at.learning_rate, at.loss);
  };
  std::vector<float> vectors;
  std::vector<std::string> words;
  std::size_t columns = 0;
  released([&] {
    const Corpus corpus(name, vocabulary, [](const ProgressUpdate&) { check_signals(); });
    EmbeddingTrainer trainer(corpus, stream, options);
    trainer.train({.progress = report});
    const Rows rows = trainer.vectors();
    columns = rows.columns();
    for (std::size_t i = 0; i < rows.rows(); ++i) {
      words.emplace_back(corpus.vocabulary().word(static_cast<WordId>(i)));
      const float* row = rows.row_data<float>(i);
      vectors.insert(vectors.end(), row, row + columns);
    }
  });
  py::list names;
  for (const std::string& word : words) names.append(py::str(word));
  return py::make_tuple(names, matrix(std::move(vectors), words.size(), columns));
}

}  // namespace

void add_embedding(py::module_& module) {
  py::class_<WordSimilarity>(module, "WordSimilarity")
      .def(py::init(&similarity_of))
      .def("nearest", &nearest)
      .def("similarity", &similarity)
      .def("analogies", &analogies);
  module.def("load_word_vectors", &load);
  module.def("save_word_vectors", &save);
  module.def("train_embedding", &train);
}

}  // namespace partita::python
