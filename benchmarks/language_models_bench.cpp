// SPDX-License-Identifier: Apache-2.0
// Neural language models: ./dev bench language_models [MODEL]
//
// What stochastic beam search costs over the model's own computations; training of an LSTM, against
// a bare loop over libtorch's modules and against Python; and, given a model of `partita lm train`,
// the weights of the sequences that the search draws from it.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/nn/functional/loss.h>
#include <torch/nn/modules/embedding.h>
#include <torch/nn/modules/rnn.h>
#include <torch/nn/utils/clip_grad.h>
#include <torch/optim/adam.h>

#include <cmath>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "compare.hpp"
#include "partita/learn/language/text_training.hpp"
#include "partita/search/stochastic_beam.hpp"
#include "python_peer.hpp"

namespace {

using namespace partita;
using namespace partita::benchmark;

constexpr std::int64_t kWords = 50257;
constexpr std::int64_t kBeam = 32;

/// The steps of a search, each with the whole beam but the first, without the search.
void forward_alone(const language::LanguageModel& model, std::size_t steps) {
  const at::NoGradGuard no_grad;
  language::LanguageModel::Cache cache;
  const auto logits = [&](std::int64_t rows) {
    const Tensor hidden = model.hidden(at::zeros({rows, 1}, at::kLong), cache);
    return model.logits(hidden.select(1, 0));
  };
  logits(1);
  for (Tensor& each : cache) {
    Shape rows(static_cast<std::size_t>(each.dim()), 1);
    rows[0] = kBeam;
    each = each.repeat(rows);
  }
  for (std::size_t i = 1; i < steps; ++i) logits(kBeam);
}

void compare_search(const std::string& name, const std::shared_ptr<language::LanguageModel>& model,
                    std::size_t steps) {
  const language::NeuralSequenceModel sequences(model, /*end_token=*/-1, /*start_token=*/0);
  const SearchOptions options{.max_length = steps};
  std::uint64_t seed = 0;
  const Comparison result =
      compare({[&] { forward_alone(*model, steps); },
               [&] { stochastic_beam_search(sequences, {}, kBeam, {.seed = ++seed}, options); }});
  print_row({name, fmt::format("{:.2f}", 1e3 * result.seconds / static_cast<double>(steps)),
             fmt::format("{:+.1f} %", 100 * (result.ratios[0] - 1))});
}

void compare_searches() {
  fmt::print("\nStochastic beam search, V = {}, beam {}, one thread\n\n", kWords, kBeam);
  print_header({"model", "forward alone, ms per step", "with the search"});
  const Random random(Stream{.seed = 1});
  for (const std::int64_t dim : {256, 512, 1024}) {
    compare_search(fmt::format("LSTM, dim {}", dim),
                   std::make_shared<language::LstmLanguageModel>(
                       language::LstmOptions{.vocabulary = kWords, .dim = dim}, random),
                   20);
  }
  compare_search(
      "transformer, dim 768, 12 layers",
      std::make_shared<language::TransformerLanguageModel>(
          language::TransformerOptions{.vocabulary = kWords, .dim = 768, .layers = 12, .heads = 12},
          random),
      8);
}

// Shapes of training.
constexpr std::int64_t kBatch = 32;
constexpr std::int64_t kLength = 35;
constexpr std::int64_t kBatches = 8;  // batches per epoch, which is a turn
constexpr double kRate = 1e-3;
constexpr double kClip = 1;

struct TrainingCase {
  std::int64_t vocabulary;
  std::int64_t dim;
};

/// The usual modules and the usual loop.
class BareLoop {
 public:
  explicit BareLoop(const TrainingCase& c)
      : embedding_(c.vocabulary, c.dim),
        lstm_(torch::nn::LSTMOptions(c.dim, c.dim).batch_first(true)),
        bias_(at::zeros({c.vocabulary}).set_requires_grad(true)),
        tokens_(at::randint(c.vocabulary, {kBatch, kLength + 1}, at::kLong)) {
    parameters_ = embedding_->parameters();
    for (const Tensor& each : lstm_->parameters()) parameters_.push_back(each);
    parameters_.push_back(bias_);
    adam_ = std::make_unique<torch::optim::Adam>(parameters_, torch::optim::AdamOptions(kRate));
  }

  void step() {
    adam_->zero_grad();
    const Tensor x = embedding_(tokens_.narrow(1, 0, kLength));
    const Tensor hidden = std::get<0>(lstm_(x)).flatten(0, 1);
    const Tensor logits = at::linear(hidden, embedding_->weight, bias_);
    torch::nn::functional::cross_entropy(logits, tokens_.narrow(1, 1, kLength).flatten())
        .backward();
    torch::nn::utils::clip_grad_norm_(parameters_, kClip);
    adam_->step();
  }

 private:
  torch::nn::Embedding embedding_;
  torch::nn::LSTM lstm_;
  Tensor bias_;
  Tensor tokens_;
  std::vector<Tensor> parameters_;
  std::unique_ptr<torch::optim::Adam> adam_;
};

void set_up_python(PythonPeer& python, const TrainingCase& c) {
  python.set_up(fmt::format(
      R"(exec("torch.set_grad_enabled(True)\nF = torch.nn.functional\nV, D, B, T = {}, {}, {}, {}\n)"
      R"(e = torch.nn.Embedding(V, D)\nl = torch.nn.LSTM(D, D, batch_first=True)\n)"
      R"(b = torch.zeros(V).requires_grad_()\nt = torch.randint(V, (B, T + 1))\n)"
      R"(ps = [*e.parameters(), *l.parameters(), b]\nadam = torch.optim.Adam(ps, lr={})\n)"
      R"(def step():\n  adam.zero_grad()\n  h = l(e(t[:, :-1]))[0].flatten(0, 1)\n)"
      R"(  F.cross_entropy(F.linear(h, e.weight, b), t[:, 1:].flatten()).backward()\n)"
      R"(  torch.nn.utils.clip_grad_norm_(ps, {})\n  adam.step()\n", globals()))",
      c.vocabulary, c.dim, kBatch, kLength, kRate, kClip));
}

/// Lines of kLength - 1 words, so that their ends make kLength, in which every word occurs.
std::vector<std::string> lines_of(std::int64_t words) {
  std::vector<std::string> lines;
  std::int64_t word = 0;
  for (std::int64_t i = 0; i < kBatch * kBatches; ++i) {
    std::string line;
    for (std::int64_t t = 0; t + 1 < kLength; ++t) {
      line += fmt::format("w{} ", word++ * 7919 % words);
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

void compare_training(const TrainingCase& c, PythonPeer& python) {
  const std::vector<std::string> lines = lines_of(c.vocabulary - 2);  // <unk> and the end
  TextUnits units = TextUnits::learn(UnitKind::word, lines);
  language::TextModel model = language::TextModel::make(
      std::move(units), language::LstmOptions{.dim = c.dim}, Stream{.seed = 1});
  const TrainingCase same{static_cast<std::int64_t>(model.units.size()), c.dim};
  BareLoop bare(same);
  set_up_python(python, same);
  std::uint64_t seed = 0;
  const Comparison result =
      compare_turns({[&] {
                       const auto trained =
                           train(model, lines, losses::FullSoftmaxLoss(), {.seed = ++seed},
                                 {.epochs = 1,
                                  .batch = kBatch,
                                  .length = kLength,
                                  .learning_rate = kRate,
                                  .clip_norm = kClip,
                                  .held_out = 0});
                       return trained.loop.seconds / static_cast<double>(trained.loop.steps);
                     },
                     [&] {
                       return take_turn([&] {
                                for (std::int64_t i = 0; i < kBatches; ++i) bare.step();
                              }) /
                              static_cast<double>(kBatches);
                     },
                     python.version().empty() ? std::function<double()>()
                                              : [&] { return python.take_turn("step()"); }});
  print_row({fmt::format("{}", same.vocabulary), fmt::format("{}", same.dim),
             fmt::format("{:.0f}", kBatch * kLength / result.seconds), times(result.ratios[0]),
             times(result.ratios[1])});
}

void compare_trainings() {
  PythonPeer python;
  fmt::print(
      "\nTraining an LSTM of one layer, tied, batches of {} x {} words, Adam, clipped, one thread; "
      "Python's torch {}\n\n",
      kBatch, kLength, python.version());
  print_header({"V", "dim", "partita, words/s", "libtorch's modules, bare loop", "Python"});
  for (const TrainingCase& c :
       {TrainingCase{100, 256}, TrainingCase{2000, 256}, TrainingCase{8000, 256}}) {
    compare_training(c, python);
  }
}

void show_weights(const char* path) {
  constexpr int kSeeds = 200;
  const language::TextModel text = language::TextModel::load(path);
  const language::NeuralSequenceModel model = text.sequences();
  fmt::print("\nSequences drawn from {}, {} samples each\n\n", path, kSeeds);
  print_header({"k", "different in every sample", "sum of the weights (expected: 1)"});
  for (const std::size_t k : {10U, 100U, 1000U}) {
    bool different = true;
    double sum = 0;
    double squares = 0;
    for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
      const auto beam = stochastic_beam_search(model, {}, k, {.seed = seed}, {.max_length = 40});
      std::set<std::string> texts;
      double weights = 0;
      for (std::size_t i = 0; i < beam.sequences.size(); ++i) {
        texts.insert(text.units.decode(beam.sequences[i].tokens));
        weights += beam.weights[i];
      }
      different &= texts.size() == k;
      sum += weights;
      squares += weights * weights;
    }
    const double mean = sum / kSeeds;
    const double error = std::sqrt((squares / kSeeds - mean * mean) / (kSeeds - 1));
    print_row({fmt::format("{}", k), different ? "yes" : "no",
               fmt::format("{:.4f} ± {:.4f}", mean, error)});
  }
}

}  // namespace

int main(int argc, char** argv) {
  at::set_num_threads(1);
  compare_searches();
  compare_trainings();
  if (argc > 1) show_weights(argv[1]);
}
