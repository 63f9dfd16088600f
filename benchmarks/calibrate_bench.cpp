// SPDX-License-Identifier: Apache-2.0
// Fitting a temperature, against libtorch and scipy on the same objective, and calibration errors
// with bootstrap intervals, against scikit-learn: ./dev bench calibrate
//
// Logits are twice too large: labels are drawn from softmax(z / 2). Contenders take turns in one
// process (Python's in another, on the same numbers), on one thread:
//
//   fit_temperature   this library
//   log_sum_exp       one pass of this library over the same rows, for scale
//   recipe            torch::optim::LBFGS on T, learning rate .01, 50 iterations, no line search,
//                     as the code of Guo et al. and its many copies have it
//   strong Wolfe      torch::optim::LBFGS on log beta, with its line search, until it stops
//   scipy             scipy.optimize.minimize_scalar on log beta with scipy.special.logsumexp
//
//   evaluate          evaluate_calibration: nine metrics, eight with intervals of 1,000 resamples
//   scikit-learn      scipy.special.softmax, then sklearn.calibration.calibration_curve of each
//                     resample: ECE alone; a few resamples are timed
#include <fmt/format.h>
#include <torch/torch.h>

#include <chrono>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "compare.hpp"
#include "partita/calibration/calibration_metrics.hpp"
#include "partita/calibration/temperature.hpp"
#include "partita/gumbel/gumbel_top_k.hpp"
#include "partita/io/npy.hpp"
#include "partita/random/fill.hpp"
#include "partita/softmax/softmax.hpp"
#include "python_peer.hpp"

namespace {

using namespace partita;
using namespace partita::benchmark;

struct Data {
  std::size_t rows;
  std::size_t classes;
  std::vector<float> logits;
  std::vector<std::int64_t> labels;

  Rows view() const { return {logits.data(), rows, classes}; }
};

Data make_data(std::size_t rows, std::size_t classes) {
  Data data{rows, classes, std::vector<float>(rows * classes), {}};
  fill_normal({.seed = 1}, 0, data.logits);
  for (float& z : data.logits) z *= 3;
  data.labels = gumbel_max(data.view(), Stream{.seed = 2});
  for (float& z : data.logits) z *= 2;
  return data;
}

struct Fit {
  double seconds;
  double temperature;
};

template <class Run>
Fit timed(const Run& run) {
  const auto start = std::chrono::steady_clock::now();
  const double temperature = run();
  return {std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(),
          temperature};
}

/// Minimizes the mean NLL of softmax(logits * scale(parameter)) over one parameter.
double torch_lbfgs(const Data& data, double start, const torch::optim::LBFGSOptions& options,
                   const std::function<torch::Tensor(const torch::Tensor&)>& scaled) {
  const torch::Tensor labels =
      torch::from_blob(const_cast<std::int64_t*>(data.labels.data()),
                       {static_cast<std::int64_t>(data.rows)}, torch::kLong);
  torch::Tensor parameter = torch::full({1}, start, torch::requires_grad());
  torch::optim::LBFGS optimizer({parameter}, options);
  optimizer.step([&] {
    optimizer.zero_grad();
    torch::Tensor loss = torch::nn::functional::cross_entropy(scaled(parameter), labels);
    loss.backward();
    return loss;
  });
  return parameter.item<double>();
}

/// Leaves the data in files, which Python reads as z and y.
void hand_over(PythonPeer& python, const Data& data) {
  const auto directory = std::filesystem::temp_directory_path();
  const std::string z = directory / "partita-bench-z.npy";
  const std::string y = directory / "partita-bench-y.npy";
  save_npy(z, std::span<const float>(data.logits), data.rows, data.classes);
  save_npy(y, std::span<const std::int64_t>(data.labels), data.rows, 1);
  python.set_up(
      fmt::format("import numpy as np, time, scipy.optimize, scipy.special; z = np.load('{}'); y = "
                  "np.load('{}')[:, 0]",
                  z, y));
  std::filesystem::remove(z);
  std::filesystem::remove(y);
}

/// The fit by a Python that reads the same numbers; 0 seconds if it has no scipy.
Fit scipy(PythonPeer& python, const Data& data) {
  hand_over(python, data);
  python.set_up("zy = z[np.arange(len(y)), y]");
  python.set_up(
      "nll = lambda t: float(np.mean(scipy.special.logsumexp(z * np.float32(np.exp(t)), axis=1) - "
      "zy * np.float32(np.exp(t)), dtype=np.float64))");
  python.set_up(
      "start = time.perf_counter(); best = scipy.optimize.minimize_scalar(nll, bounds=(-3, 3), "
      "method='bounded'); seconds = time.perf_counter() - start");
  return {python.value("seconds"), 1 / std::exp(python.value("best.x"))};
}

/// Calibration errors with intervals, of the data that Python has read.
void bench_evaluation(PythonPeer& python, const Data& data) {
  constexpr std::size_t kResamples = 1000;
  double ece = 0;
  const Comparison ours =
      compare({[&] {
                 ece = evaluate_calibration(data.view(), data.labels, Stream{.seed = 3},
                                            {.resamples = kResamples})
                           .metrics.ece;
               },
               [&] { ece = evaluate_calibration(data.view(), data.labels).metrics.ece; },
               [&] { log_sum_exp(data.view()); }});
  const std::string size = fmt::format("{} × {}", data.rows, data.classes);
  const auto row = [&](const char* what, double ratio, double value) {
    print_row({size, what, fmt::format("{:.3f}", ratio * ours.seconds), times(ratio),
               value > 0 ? fmt::format("{:.6f}", value) : ""});
  };
  row("evaluate, 1,000 resamples", 1, ece);
  row("evaluate, no intervals", ours.ratios[0], ece);
  row("one log_sum_exp pass", ours.ratios[1], 0);
  python.set_up(
      "from sklearn.calibration import calibration_curve; draw = np.random.default_rng(1)");
  python.set_up(
      "start = time.perf_counter(); p = scipy.special.softmax(z, axis=1); c = p.max(1); right = "
      "p.argmax(1) == y; before = time.perf_counter() - start");
  // calibration_curve leaves out empty bins, as numpy.unique does.
  python.set_up(
      "ece = lambda i: float(sum(n * abs(a - b) for n, a, b in zip(np.unique(np.minimum(c[i] * 15, "
      "14).astype(int), return_counts=True)[1], *calibration_curve(right[i], c[i], n_bins=15)))) / "
      "len(i)");
  const double one = python.take_turn("ece(draw.integers(len(y), size=len(y)))");
  const double value = python.value("ece(np.arange(len(y)))");
  row("scipy softmax, scikit-learn's curve once", (python.value("before") + one) / ours.seconds,
      value);
  row("the same with 1,000 resamples (from the time of some)",
      (python.value("before") + kResamples * one) / ours.seconds, value);
}

void bench(PythonPeer& python, std::size_t rows, std::size_t classes) {
  const Data data = make_data(rows, classes);
  const torch::Tensor z =
      torch::from_blob(const_cast<float*>(data.logits.data()),
                       {static_cast<std::int64_t>(rows), static_cast<std::int64_t>(classes)});
  int iterations = 0;
  double temperature = 0;
  const Comparison ours = compare({[&] {
                                     const TemperatureFit fit =
                                         fit_temperature(data.view(), data.labels);
                                     iterations = fit.iterations;
                                     temperature = fit.temperature;
                                   },
                                   [&] { log_sum_exp(data.view()); }});
  const double seconds = ours.seconds;
  const std::string size = fmt::format("{} × {}", rows, classes);
  const auto row = [&](const char* what, const Fit& fit) {
    print_row({size, what, fmt::format("{:.3f}", fit.seconds),
               fmt::format("{:.2f}×", fit.seconds / seconds),
               fmt::format("{:.6f}", fit.temperature)});
  };
  row("fit_temperature", {seconds, temperature});
  print_row({size, "one log_sum_exp pass", fmt::format("{:.4f}", ours.ratios[0] * seconds),
             fmt::format("{:.2f}×", ours.ratios[0]), ""});
  print_row({size, fmt::format("a pass of ours ({} in all)", iterations),
             fmt::format("{:.4f}", seconds / iterations),
             fmt::format("{:.2f} log_sum_exp passes", 1 / ours.ratios[0] / iterations), ""});
  row("libtorch L-BFGS, strong Wolfe on log β", timed([&] {
        return std::exp(-torch_lbfgs(
            data, 0, torch::optim::LBFGSOptions(1).max_iter(50).line_search_fn("strong_wolfe"),
            [&](const torch::Tensor& log_beta) { return z * log_beta.exp(); }));
      }));
  row("scipy minimize_scalar", scipy(python, data));
  row("libtorch L-BFGS, the recipe", timed([&] {
        return torch_lbfgs(data, 1.5, torch::optim::LBFGSOptions(.01).max_iter(50),
                           [&](const torch::Tensor& t) { return z / t; });
      }));
}

}  // namespace

int main() {
  torch::set_num_threads(1);
  PythonPeer python;
  print_header({"rows × classes", "what", "seconds", "relative to fit_temperature", "T"});
  bench(python, 50'000, 1000);
  bench(python, 1'000'000, 100);
  fmt::print("\n");
  print_header({"rows × classes", "what", "seconds", "relative to evaluate", "ECE"});
  for (const auto& [rows, classes] : {std::pair(50'000, 1000), std::pair(1'000'000, 100)}) {
    const Data data = make_data(static_cast<std::size_t>(rows), static_cast<std::size_t>(classes));
    hand_over(python, data);
    bench_evaluation(python, data);
  }
}
