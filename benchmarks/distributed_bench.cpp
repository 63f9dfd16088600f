// SPDX-License-Identifier: Apache-2.0
// Several processes: what they say to each other, counted, and how fast two are that train one
// thing, beside two that train one each. ./dev bench distributed
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <torch/optim/adam.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "benchmarks/compare.hpp"
#include "partita/base/thread_group.hpp"
#include "partita/embedding/trainer.hpp"
#include "partita/io/file.hpp"
#include "partita/learn/distributed/process_group.hpp"
#include "partita/learn/language/language_model.hpp"
#include "partita/learn/losses/nce.hpp"
#include "partita/learn/losses/output_loss.hpp"
#include "partita/learn/training/part.hpp"

namespace {

using namespace partita;
using Clock = std::chrono::steady_clock;

/// Counts what a rank gives to a group.
class CountingGroup final : public Group {
 public:
  explicit CountingGroup(Group& group) : group_(group) {}

  int rank() const override { return group_.rank(); }
  int size() const override { return group_.size(); }
  std::vector<double> all_gather(std::span<const double> own) override {
    count(own);
    return group_.all_gather(own);
  }
  void all_reduce(std::span<double> values, Reduction reduction) override {
    count(values);
    group_.all_reduce(values, reduction);
  }
  void all_reduce(std::span<float> values, Reduction reduction) override {
    count(values);
    group_.all_reduce(values, reduction);
  }
  void broadcast(std::span<double> values, int root) override {
    count(values);
    group_.broadcast(values, root);
  }
  void barrier() override { group_.barrier(); }

  double bytes = 0;

 private:
  template <class Values>
  void count(const Values& values) {
    bytes += static_cast<double>(values.size_bytes());
  }

  Group& group_;
};

constexpr std::int64_t kDim = 64;

/// A step of a language model on random words: its gradients are all that travels.
class LanguageModelSteps {
 public:
  LanguageModelSteps(std::int64_t vocabulary, std::int64_t rows, Group& group)
      : model_(std::make_shared<language::LstmLanguageModel>(
            language::LstmOptions{.vocabulary = vocabulary, .dim = kDim}, Stream{.seed = 1})),
        part_{.name = "language model",
              .module = model_,
              .optimizer = std::make_shared<torch::optim::Adam>(model_->parameters()),
              .group = &group},
        tokens_(Random(Stream{.seed = 2, .id = static_cast<std::uint64_t>(group.rank())})
                    .uniform({rows, kLength + 1}, at::kFloat)
                    .mul(static_cast<double>(vocabulary))
                    .to(at::kLong)) {}

  void step() {
    const Tensor hidden = model_->hidden(tokens_.narrow(1, 0, kLength)).flatten(0, 1);
    const Tensor targets = tokens_.narrow(1, 1, kLength).flatten();
    training::descend(
        part_, losses::FullSoftmaxLoss()({hidden, targets}, model_->output(), Random(Stream{})));
  }

 private:
  static constexpr std::int64_t kLength = 32;

  std::shared_ptr<language::LstmLanguageModel> model_;
  training::Part part_;
  Tensor tokens_;
};

/// Words by Zipf's law.
std::string zipf(std::uint64_t words, double vocabulary) {
  std::string text;
  const Stream stream{.seed = 3};
  for (std::uint64_t i = 0; i < words; ++i) {
    text += fmt::format("w{}{}", std::floor(std::pow(vocabulary, stream.uniform(i))),
                        i % 20 == 19 ? '\n' : ' ');
  }
  return text;
}

std::string corpus_path() {
  return (std::filesystem::temp_directory_path() / "partita_distributed_bench.txt").string();
}

EmbeddingOptions embedding(std::uint64_t epochs) {
  return {.dim = 100, .sample = 1e-4, .epochs = epochs};
}

/// Peak memory of a process that has its part of an output layer and the gradients of 8 rows, in
/// MB.
double memory_of_layer(Group& group) {
  const SplitColumns columns(1'000'000, group);
  const auto own = static_cast<std::int64_t>(columns.size());
  const Tensor hidden = at::ones({8, kDim}, at::kFloat);
  const Tensor weight = at::zeros({own, kDim}, at::kFloat).set_requires_grad(true);
  const losses::OutputLayer output{weight, {}, {}, &columns};
  losses::FullSoftmaxLoss()({hidden, at::arange(8, at::kLong)}, output, Stream{}).backward();
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

/// What one process of a comparison does; the seconds or MB that it takes.
double work(const std::string& what, Group& group) {
  at::set_num_threads(1);
  if (what == "layer") return memory_of_layer(group);
  if (what == "words") {
    const Corpus corpus(corpus_path(), {.min_count = 1});
    // Each process passes as many words, in a group or alone: for seconds, since a group also
    // begins and ends with all rows.
    EmbeddingTrainer trainer(corpus, {.seed = 1},
                             embedding(6 * static_cast<std::uint64_t>(group.size())));
    group.barrier();
    const auto start = Clock::now();
    trainer.train({.group = &group});
    return std::chrono::duration<double>(Clock::now() - start).count();
  }
  // The gradients that travel are as many for any batch.
  const bool is_small = what == "small-batch";
  LanguageModelSteps model(100'000, is_small ? 16 : 64, group);
  model.step();
  group.barrier();
  const auto start = Clock::now();
  for (int i = 0; i < (is_small ? 4 : 2); ++i) model.step();
  return std::chrono::duration<double>(Clock::now() - start).count();
}

int free_port() {
  const int handle = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  if (::bind(handle, any, size) != 0 || ::getsockname(handle, any, &size) != 0) std::abort();
  ::close(handle);
  return ntohs(address.sin_port);
}

/// Two processes at the same time, in one group or each alone; what the one takes that takes more.
double two_processes(const std::string& what, bool together) {
  const int port = free_port();
  const std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
  std::vector<std::FILE*> processes;
  for (int rank = 0; rank < 2; ++rank) {
    const std::string environment =
        together ? fmt::format("RANK={} WORLD_SIZE=2", rank) : "RANK=0 WORLD_SIZE=1";
    processes.push_back(::popen(fmt::format("{} MASTER_ADDR=127.0.0.1 MASTER_PORT={} '{}' {}",
                                            environment, port, self, what)
                                    .c_str(),
                                "r"));
  }
  double most = 0;
  for (std::FILE* process : processes) {
    double taken = 0;
    if (std::fscanf(process, "%lf", &taken) != 1) std::abort();
    ::pclose(process);
    most = std::max(most, taken);
  }
  return most;
}

/// Bytes that a rank gives to a group of `ranks`, by body(group).
template <class Body>
double counted(int ranks, const Body& body) {
  double bytes = 0;
  run_threads(ranks, [&](Group& group) {
    CountingGroup counting(group);
    body(counting);
    if (group.rank() == 0) bytes = counting.bytes;
  });
  return bytes;
}

void count_losses() {
  constexpr std::int64_t kRows = 32;
  fmt::print(
      "\nA split output layer, d = {}: bytes a row that a rank gives, forward and backward\n\n",
      kDim);
  fmt::print("| V | ranks | full softmax | NCE, k = 25 |\n| --- | --- | --- | --- |\n");
  for (const std::int64_t outputs : {1000, 100'000}) {
    for (const int ranks : {2, 4}) {
      const auto bytes = [&](const losses::OutputLoss& loss) {
        return counted(ranks, [&](CountingGroup& group) {
          const SplitColumns columns(static_cast<std::size_t>(outputs), group);
          const auto leaf = [](const Shape& shape) {
            return at::zeros(shape, at::kFloat).set_requires_grad(true);
          };
          const auto own = static_cast<std::int64_t>(columns.size());
          const Tensor targets = at::arange(kRows, at::kLong);
          group.bytes = 0;
          loss({leaf({kRows, kDim}), targets}, {leaf({own, kDim}), leaf({own}), {}, &columns},
               Stream{.seed = 4})
              .backward();
        });
      };
      fmt::print(
          "| {} | {} | {} | {} |\n", outputs, ranks, bytes(losses::FullSoftmaxLoss()) / kRows,
          bytes(losses::NceLoss(losses::NoiseDistribution::uniform(outputs), {.noise = 25})) /
              kRows);
    }
  }
}

void measure_layer() {
  fmt::print(
      "\nThe same with V = 1,000,000: peak memory of a process\n\n"
      "| ranks | MB |\n| --- | --- |\n| 1 | {:.0f} |\n| 2 | {:.0f} |\n",
      two_processes("layer", false), two_processes("layer", true));
}

void count_training() {
  fmt::print("\nTraining: bytes that a rank gives\n\n| | ranks | |\n| --- | --- | --- |\n");
  for (const int ranks : {2, 4}) {
    double parameters = 0;
    const double bytes = counted(ranks, [&](Group& group) {
      LanguageModelSteps model(1000, 1, group);
      model.step();
    });
    const language::LstmLanguageModel model({.vocabulary = 1000, .dim = kDim}, Stream{});
    for (const Tensor& each : model.parameters()) parameters += static_cast<double>(each.numel());
    fmt::print("| language model, a parameter and step | {} | {:.3f} |\n", ranks,
               bytes / parameters);
  }
  const Corpus corpus(corpus_path(), {.min_count = 1});
  for (const int ranks : {2, 4}) {
    const double bytes = counted(ranks, [&](Group& group) {
      EmbeddingTrainer trainer(corpus, {.seed = 1}, embedding(1));
      trainer.train({.group = &group});
    });
    fmt::print("| word vectors of {}, a word of the rank's own | {} | {:.1f} |\n",
               corpus.vocabulary().size(), ranks,
               bytes * ranks / static_cast<double>(corpus.vocabulary().total()));
  }
}

void time_training() {
  fmt::print(
      "\nTwo processes, one thread each: time alone side by side / time in one group\n\n"
      "| | seconds in a group | efficiency |\n| --- | --- | --- |\n");
  for (const auto& [what, name] :
       {std::pair{"small-batch", "language model, V = 100,000, 512 tokens a process and step"},
        {"large-batch", "the same, 2,048 tokens"},
        {"words", "word vectors"}}) {
    const auto result =
        benchmark::compare_turns({[what = what] { return two_processes(what, true); },
                                  [what = what] { return two_processes(what, false); }});
    fmt::print("| {} | {:.2f} | {:.0f} % |\n", name, result.seconds, 100 * result.ratios.back());
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1) {  // a process of two_processes()
    const auto group = process_group();
    fmt::print("{}\n", work(argv[1], *group));
    return 0;
  }
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  write_file(corpus_path(), zipf(2'000'000, 50'000));
  count_losses();
  measure_layer();
  count_training();
  time_training();
  std::filesystem::remove(corpus_path());
}
