// SPDX-License-Identifier: Apache-2.0
// The last layer of a language model, from hidden states to loss and gradients, without its logits
// in memory, against libtorch's matrix product and cross_entropy: ./dev bench linear_softmax
//
// n = 256 rows, d = 512, one thread. Weights and states are either random, where every
// category has some probability, or shaped as a trained model's over a vocabulary that is sorted by
// frequency: a bias of log(1 / rank) and states along their target's weights.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <malloc.h>

#include <chrono>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <functional>
#include <string>

#include "compare.hpp"
#include "partita/gumbel/gumbel_top_k.hpp"
#include "partita/learn/losses/linear_softmax.hpp"

namespace {

using namespace partita;
using namespace partita::benchmark;
using at::Tensor;

constexpr std::int64_t kRows = 256;
constexpr std::int64_t kDim = 512;
constexpr double kPaperEpsilon = 0x1p-12;

struct Data {
  Tensor hidden;
  Tensor weight;
  Tensor bias;
  Tensor targets;

  Data(std::int64_t categories, bool trained, at::ScalarType type) {
    at::manual_seed(1);
    weight = at::randn({categories, kDim}) / std::sqrt(static_cast<double>(kDim));
    bias = at::zeros({categories});
    hidden = at::randn({kRows, kDim});
    targets = at::randint(categories, {kRows}, at::kLong);
    if (trained) {
      // Targets by Zipf's law, each found by its state with a logit of about 6 above chance.
      const Tensor ranks =
          at::rand({kRows}).mul(std::log(static_cast<double>(categories))).exp() - 1;
      targets = ranks.to(at::kLong).clamp(0, categories - 1);
      bias = -at::arange(1, categories + 1, at::kFloat).log();
      hidden = hidden + 6 * weight.index_select(0, targets);
    }
    for (Tensor* each : {&hidden, &weight, &bias}) *each = each->to(type).requires_grad_();
  }
  void forget() const {
    for (Tensor each : {hidden, weight, bias}) each.mutable_grad() = Tensor();
  }
};

Tensor by_libtorch(const Data& x) {
  return at::cross_entropy_loss(at::addmm(x.bias, x.hidden, x.weight.t()), x.targets);
}

Tensor by_ours(const Data& x, double epsilon) {
  return losses::linear_cross_entropy(x.hidden, {x.weight, x.bias}, x.targets,
                                      {.epsilon = epsilon});
}

template <class Loss>
void backward(const Data& x, const Loss& loss) {
  x.forget();
  loss(x).backward();
}

/// Bytes of resident memory: now, or at most since the mark was reset.
double resident(const char* which) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind(which, 0) == 0) return 1024 * std::stod(line.substr(line.find(':') + 1));
  }
  return 0;
}

/// Bytes that a call holds at most beyond what it began with.
double peak_of(const std::function<void()>& call) {
  ::malloc_trim(0);
  std::ofstream("/proc/self/clear_refs") << "5\n";
  const double before = resident("VmRSS");
  call();
  return resident("VmHWM") - before;
}

void count_memory() {
  fmt::print("\nMegabytes at most beside arguments and gradients (float, loss and gradients)\n\n");
  print_header({"V", "ours", "libtorch", "ratio"});
  backward(Data(1000, false, at::kFloat), by_libtorch);  // what is loaded once
  backward(Data(1000, false, at::kFloat), [](const Data& of) { return by_ours(of, 0); });
  for (const std::int64_t categories : {50'257, 262'144}) {
    const Data x(categories, false, at::kFloat);
    const auto gradients = static_cast<double>(4 * ((categories + kRows) * kDim + categories));
    const auto megabytes = [&](const auto& loss) {
      x.forget();
      return (peak_of([&] { backward(x, loss); }) - gradients) / 1e6;
    };
    const double ours = megabytes([](const Data& of) { return by_ours(of, 0); });
    const double theirs = megabytes(by_libtorch);
    print_row({fmt::to_string(categories), fmt::format("{:.1f}", ours),
               fmt::format("{:.1f}", theirs), times(theirs / ours)});
  }
}

/// Runs of a second need no turns of several.
Comparison compare_once(const std::vector<std::function<void()>>& contenders) {
  std::vector<std::function<double()>> turns;
  for (const auto& run : contenders) {
    turns.emplace_back([&run] {
      const auto start = std::chrono::steady_clock::now();
      run();
      return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    });
  }
  return compare_turns(turns);
}

void time_training(at::ScalarType type) {
  fmt::print("\nLoss and gradients, {}, milliseconds and libtorch's time over ours\n\n",
             at::toString(type));
  print_header({"V", "weights", "forward, ms", "libtorch", "and backward, ms", "libtorch",
                "epsilon 2^-12, ms", "libtorch"});
  for (const std::int64_t categories : {50'257, 262'144}) {
    for (const bool trained : {false, true}) {
      const Data x(categories, trained, type);
      const auto forward = compare_once({[&] {
                                           const at::NoGradGuard no_grad;
                                           (void)by_ours(x, 0);
                                         },
                                         [&] {
                                           const at::NoGradGuard no_grad;
                                           (void)by_libtorch(x);
                                         }});
      const auto ours = [](double epsilon) {
        return [epsilon](const Data& of) { return by_ours(of, epsilon); };
      };
      const auto both =
          compare_once({[&] { backward(x, ours(0)); }, [&] { backward(x, by_libtorch); }});
      const auto sparse = compare_once(
          {[&] { backward(x, ours(kPaperEpsilon)); }, [&] { backward(x, by_libtorch); }});
      const auto ms = [](const Comparison& c) { return fmt::format("{:.1f}", 1e3 * c.seconds); };
      print_row({fmt::to_string(categories), trained ? "trained" : "random", ms(forward),
                 times(forward.ratios[0]), ms(both), times(both.ratios[0]), ms(sparse),
                 times(sparse.ratios[0])});
    }
  }
}

void time_sampling() {
  fmt::print(
      "\nOne category from each of n states (trained), milliseconds, and the time of others over "
      "ours\n\n");
  print_header({"V", "n", "product and draw, ms", "product alone", "product, softmax, multinomial",
                "product, gumbel_max"});
  for (const std::int64_t categories : {50'257, 262'144}) {
    for (const std::int64_t n : {std::int64_t{1}, std::int64_t{16}, kRows}) {
      const Data x(categories, true, at::kFloat);
      const at::NoGradGuard no_grad;
      const Tensor hidden = x.hidden.narrow(0, 0, n).contiguous();
      Tensor logits = at::empty({n, categories});
      const Stream stream{.seed = 1};
      const auto product = [&] { at::addmm_out(logits, x.bias, hidden, x.weight.t()); };
      const auto c =
          compare({[&] {
                     (void)losses::linear_gumbel_top_k(hidden, {x.weight, x.bias}, 1, stream);
                   },
                   product,
                   [&] {
                     product();
                     (void)logits.softmax(-1).multinomial(1);
                   },
                   [&] {
                     product();
                     (void)gumbel_max({logits.data_ptr<float>(), static_cast<std::size_t>(n),
                                       static_cast<std::size_t>(categories)},
                                      stream);
                   }});
      print_row({fmt::to_string(categories), fmt::to_string(n),
                 fmt::format("{:.2f}", 1e3 * c.seconds), times(c.ratios[0]), times(c.ratios[1]),
                 times(c.ratios[2])});
    }
  }
}

}  // namespace

int main() {
  at::set_num_threads(1);
  count_memory();
  time_training(at::kFloat);
  time_training(at::kBFloat16);
  time_sampling();
}
