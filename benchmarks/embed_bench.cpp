// SPDX-License-Identifier: Apache-2.0
// Word vectors, against fastText and gensim on one corpus, in one run:
//
//   ./dev bench embed CORPUS [SIMILARITY-FILE...]
//
// Words per second as each reports them, one epoch on one thread, in turns; then, if there are
// similarity files, Spearman's correlations after 5 epochs on two threads. Skip-gram, negative 5,
// window 5, sample 1e-4, min-count 5; fastText without subwords (-maxn 0), so that all train the
// same model.
#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "compare.hpp"
#include "partita/base/error.hpp"
#include "partita/embedding/similarity.hpp"
#include "partita/embedding/trainer.hpp"
#include "partita/io/word_vectors.hpp"

namespace {

using namespace partita;
using namespace partita::benchmark;
namespace fs = std::filesystem;

/// Trains and leaves vectors at a path; seconds of training alone, without reading the corpus.
struct Contender {
  std::string name;
  std::function<double(int dim, int epochs, int threads, const std::string& output)> train;
};

double run(const std::string& command) {
  const auto start = std::chrono::steady_clock::now();
  if (std::system(command.c_str()) != 0) throw Error("failed: " + command);  // NOLINT(cert-env33-c)
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

constexpr const char* kGensim = R"(
import sys, time
from gensim.models import Word2Vec
from gensim.models.word2vec import LineSentence
text, dim, epochs, threads, output = sys.argv[1], *map(int, sys.argv[2:5]), sys.argv[5]
model = Word2Vec(vector_size=dim, sg=1, negative=5, window=5, sample=1e-4, min_count=5,
                 workers=threads, epochs=epochs)
sentences = LineSentence(text, max_sentence_length=10000)
model.build_vocab(sentences)
start = time.perf_counter()
model.train(sentences, total_examples=model.corpus_count, epochs=epochs)
with open(output + '.seconds', 'w') as f: f.write(str(time.perf_counter() - start))
model.wv.save_word2vec_format(output)
)";

bool available(const std::string& command) {
  return std::system((command + " >/dev/null 2>&1").c_str()) == 0;  // NOLINT(cert-env33-c)
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(
        "embed: no corpus given, nothing measured; ./dev bench embed CORPUS [SIMILARITY...]\n");
    return 0;
  }
  const fs::path folder =
      fs::temp_directory_path() / fmt::format("partita-embed-{}", argc * 1000 + std::rand() % 1000);
  fs::create_directories(folder);
  const std::string text = folder / "text";
  run(fmt::format("gzip -dcf '{}' > '{}'", argv[1], text));
  const Corpus corpus(text);
  const auto words = static_cast<double>(corpus.vocabulary().total());
  std::ofstream(folder / "peer.py") << kGensim;  // as gensim.py, it would import itself

  std::vector<Contender> contenders = {
      {"partita", [&](int dim, int epochs, int threads, const std::string& output) {
         const auto start = std::chrono::steady_clock::now();
         EmbeddingTrainer trainer(corpus, {},
                                  {.dim = static_cast<std::size_t>(dim),
                                   .sample = 1e-4,
                                   .epochs = static_cast<std::uint64_t>(epochs),
                                   .threads = threads});
         trainer.train();
         const auto seconds = std::chrono::steady_clock::now() - start;
         save_word_vectors(
             output,
             [&](std::size_t i) { return corpus.vocabulary().word(static_cast<WordId>(i)); },
             trainer.vectors());
         return std::chrono::duration<double>(seconds).count();
       }}};
  if (available("command -v fasttext")) {
    contenders.push_back(
        {"fastText", [&](int dim, int epochs, int threads, const std::string& output) {
           const std::string stem = output.substr(0, output.size() - 4);
           run(fmt::format(
               "fasttext skipgram -input '{}' -output '{}' -dim {} -epoch {} -thread {} "
               "-neg 5 -ws 5 -t 1e-4 -minCount 5 -maxn 0 -lr 0.025 >'{}.log' 2>&1",
               text, stem, dim, epochs, threads, stem));
           fs::rename(stem + ".vec", output);
           // The last rate that it printed.
           std::ifstream in(stem + ".log");
           const std::string log{std::istreambuf_iterator<char>(in), {}};
           constexpr std::string_view kRate = "words/sec/thread:";
           const std::size_t at = log.rfind(kRate);
           if (at == std::string::npos) throw Error("fasttext printed no rate");
           return epochs * words / (std::stod(log.substr(at + kRate.size())) * threads);
         }});
  } else {
    fmt::print("fasttext is not installed: left out\n");
  }
  if (available("/usr/bin/python3 -c 'import gensim'")) {
    contenders.push_back(
        {"gensim", [&](int dim, int epochs, int threads, const std::string& output) {
           run(fmt::format("/usr/bin/python3 '{}' '{}' {} {} {} '{}' >/dev/null 2>&1",
                           (folder / "peer.py").string(), text, dim, epochs, threads, output));
           double seconds = 0;
           std::ifstream(output + ".seconds") >> seconds;
           return seconds;
         }});
  } else {
    fmt::print("python3-gensim is not installed: left out\n");
  }

  fmt::print("{:.0f} words, {} different\n\n", words, corpus.vocabulary().size());
  print_header({"contender", "dim", "threads", "words/s", "partita is faster by"});
  for (const int dim : {100, 300}) {
    for (const int threads : {1, 2}) {
      double ours = 0;
      for (const Contender& contender : contenders) {
        const double seconds = contender.train(dim, 1, threads, folder / "vectors.txt");
        if (ours == 0) ours = seconds;
        print_row({contender.name, std::to_string(dim), std::to_string(threads),
                   fmt::format("{:.0f}", words / seconds), times(seconds / ours)});
      }
    }
  }
  if (argc > 2) {
    fmt::print("\n");
    std::vector<std::string> header = {"contender, dim 100, 5 epochs, 2 threads"};
    for (int i = 2; i < argc; ++i) header.push_back(fs::path(argv[i]).filename());
    print_header(header);
    for (const Contender& contender : contenders) {
      contender.train(100, 5, 2, folder / "vectors.txt");
      const WordSimilarity vectors(load_word_vectors(folder / "vectors.txt"));
      std::vector<std::string> row = {contender.name};
      for (int i = 2; i < argc; ++i) {
        row.push_back(fmt::format("{:.3f}", vectors.similarity(argv[i]).correlation));
      }
      print_row(row);
    }
  }
  fs::remove_all(folder);
}
