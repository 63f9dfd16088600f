// SPDX-License-Identifier: Apache-2.0
// Sampling and log-probabilities, against libtorch's own operators, combined by hand as in C++
// without distributions, and against Python's torch.distributions: ./dev bench distributions
//
// A case makes the distribution from its parameters, as a training step does, and samples or
// scores. libtorch's operators check nothing, Python's distributions check parameters and values;
// so each is compared with ours doing likewise (validate_args). RelaxedOneHotCategorical is not
// checked in Python, which refuses its own softmax of 50,257 logits.
#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>

#include <cmath>
#include <limits>
#include <numbers>

#include "compare.hpp"
#include "partita/learn/distributions/bernoulli.hpp"
#include "partita/learn/distributions/beta.hpp"
#include "partita/learn/distributions/categorical.hpp"
#include "partita/learn/distributions/dirichlet.hpp"
#include "partita/learn/distributions/exponential.hpp"
#include "partita/learn/distributions/gamma.hpp"
#include "partita/learn/distributions/gumbel.hpp"
#include "partita/learn/distributions/normal.hpp"
#include "partita/learn/distributions/poisson.hpp"
#include "partita/learn/distributions/relaxed_one_hot_categorical.hpp"
#include "partita/learn/distributions/subset.hpp"
#include "partita/learn/losses/perturbed_top_k.hpp"
#include "python_peer.hpp"

namespace {

using namespace partita;
using namespace partita::benchmark;
using namespace partita::distributions;
using at::Tensor;

using Run = std::function<void()>;

class Bench {
 public:
  /// @param ours called with validate_args.
  void row(const std::string& what, const std::string& shape, const std::function<void(bool)>& ours,
           const Run& operators, const std::string& python) {
    const Run plain = [&] { ours(false); };
    const Run checked = [&] { ours(true); };
    std::function<double()> peer;
    if (!python_.version().empty()) peer = [&] { return python_.take_turn(python); };
    const Comparison beside_operators = compare({plain, operators});
    const Comparison beside_python = compare_turns({[&] { return take_turn(checked); }, peer});
    const auto microseconds = [](const Comparison& c) {
      return fmt::format("{:.1f}", c.seconds * 1e6);
    };
    print_row({what, shape, microseconds(beside_operators), times(beside_operators.ratios[0]),
               microseconds(beside_python), times(beside_python.ratios[0])});
  }
  PythonPeer& python() { return python_; }

 private:
  PythonPeer python_;
};

/// 256 draws from each of 256 distributions; their parameters are a (real), b and c (positive) and
/// p (probabilities).
void elementwise(Bench& bench) {
  constexpr std::int64_t kBatch = 256;
  const std::vector<std::int64_t> shape = {kBatch, kBatch};
  const Tensor a = at::randn({kBatch});
  const Tensor b = at::rand({kBatch}) * 3 + 0.5;
  const Tensor p = at::rand({kBatch}) * 0.8 + 0.1;
  bench.python().set_up(
      "a = torch.randn(256); b = torch.rand(256) * 3 + 0.5; p = torch.rand(256) * 0.8 + 0.1; n = "
      "(256,); real = torch.randn(256, 256); positive = real.exp(); bit = (real > 0).float()");
  const Tensor real = at::randn(shape);
  const Tensor positive = real.exp();
  const Tensor bit = (real > 0).to(at::kFloat);
  const Random random = Stream{.seed = 1, .id = 0};
  const at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(std::uint64_t{1});
  const std::string size = "256 × 256";
  const double half_log_two_pi = 0.5 * std::log(2 * std::numbers::pi);

  bench.row(
      "Normal, sample", size, [&](bool check) { Normal(a, b, check).sample({kBatch}, random); },
      [&] { at::randn(shape, generator).mul_(b).add_(a); }, "D.Normal(a, b).sample(n)");
  bench.row(
      "Normal, log_prob", size, [&](bool check) { Normal(a, b, check).log_prob(real); },
      [&] { (((real - a) / b).square() * -0.5 - b.log() - half_log_two_pi); },
      "D.Normal(a, b).log_prob(real)");
  bench.row(
      "Exponential, sample", size,
      [&](bool check) { Exponential(b, check).sample({kBatch}, random); },
      [&] { at::empty(shape).exponential_(1, generator).div_(b); }, "D.Exponential(b).sample(n)");
  bench.row(
      "Exponential, log_prob", size, [&](bool check) { Exponential(b, check).log_prob(positive); },
      [&] { b.log() - b* positive; }, "D.Exponential(b).log_prob(positive)");
  bench.row(
      "Bernoulli, sample", size, [&](bool check) { Bernoulli(p, check).sample({kBatch}, random); },
      [&] { at::bernoulli(p.expand(shape), generator); }, "D.Bernoulli(p).sample(n)");
  bench.row(
      "Bernoulli, log_prob", size, [&](bool check) { Bernoulli(Logits(a), check).log_prob(bit); },
      [&] {
        at::binary_cross_entropy_with_logits(a.expand(shape), bit, {}, {}, at::Reduction::None)
            .neg_();
      },
      "D.Bernoulli(logits=a).log_prob(bit)");
  bench.row(
      "Gumbel, sample", size, [&](bool check) { Gumbel(a, b, check).sample({kBatch}, random); },
      [&] { at::rand(shape, generator).log_().neg_().log_().neg_().mul_(b).add_(a); },
      "D.Gumbel(a, b).sample(n)");
  bench.row(
      "Gumbel, log_prob", size, [&](bool check) { Gumbel(a, b, check).log_prob(real); },
      [&] {
        const Tensor z = (a - real) / b;
        z - z.exp() - b.log();
      },
      "D.Gumbel(a, b).log_prob(real)");

  // With concentrations 0.5 ... 3.5.
  const Tensor c = at::rand({kBatch}) * 3 + 0.5;
  const Tensor fraction = real.sigmoid();
  bench.python().set_up(
      "c = torch.rand(256) * 3 + 0.5; fraction = real.sigmoid(); mixture = "
      "torch.rand(256, 256) * 3 + 0.5; simplex = real.softmax(-1)");
  const Tensor mixture = at::rand(shape) * 3 + 0.5;
  const Tensor simplex = real.softmax(-1);
  bench.row(
      "Gamma, sample", size, [&](bool check) { Gamma(c, b, check).sample({kBatch}, random); },
      [&] { at::_standard_gamma(c.expand(shape), generator).div_(b); }, "D.Gamma(c, b).sample(n)");
  bench.row(
      "Gamma, log_prob", size, [&](bool check) { Gamma(c, b, check).log_prob(positive); },
      [&] { (c - 1) * positive.log() - b* positive + (c * b.log() - c.lgamma()); },
      "D.Gamma(c, b).log_prob(positive)");
  bench.row(
      "Beta, sample", size, [&](bool check) { Beta(b, c, check).sample({kBatch}, random); },
      [&] {
        const Tensor x = at::_standard_gamma(b.expand(shape), generator);
        x / (x + at::_standard_gamma(c.expand(shape), generator));
      },
      "D.Beta(b, c).sample(n)");
  bench.row(
      "Beta, log_prob", size, [&](bool check) { Beta(b, c, check).log_prob(fraction); },
      [&] {
        (b - 1) * fraction.log() + (c - 1) * (1 - fraction).log() +
            ((b + c).lgamma() - b.lgamma() - c.lgamma());
      },
      "D.Beta(b, c).log_prob(fraction)");
  bench.row(
      "Dirichlet, sample", "256 × 256 (K)",
      [&](bool check) { Dirichlet(mixture, check).sample(random); },
      [&] { at::_sample_dirichlet(mixture, generator); }, "D.Dirichlet(mixture).sample()");
  bench.row(
      "Dirichlet, log_prob", "256 × 256 (K)",
      [&](bool check) { Dirichlet(mixture, check).log_prob(simplex); },
      [&] {
        ((mixture - 1) * simplex.log()).sum(-1) + mixture.sum(-1).lgamma() -
            mixture.lgamma().sum(-1);
      },
      "D.Dirichlet(mixture).log_prob(simplex)");

  // With rates 0.5 ... 3.5.
  bench.python().set_up("counts = torch.poisson(b.expand(256, 256))");
  const Tensor counts = at::poisson(b.expand(shape).contiguous());
  bench.row(
      "Poisson, sample", size, [&](bool check) { Poisson(b, check).sample({kBatch}, random); },
      [&] { at::poisson(b.expand(shape), generator); }, "D.Poisson(b).sample(n)");
  bench.row(
      "Poisson, log_prob", size, [&](bool check) { Poisson(b, check).log_prob(counts); },
      [&] { counts* b.log() - b - (counts + 1).lgamma(); }, "D.Poisson(b).log_prob(counts)");
  const Tensor high = 10 * b + 10;
  bench.python().set_up("high = 10 * b + 10");
  bench.row(
      "Poisson, sample of 15 ... 45", size,
      [&](bool check) { Poisson(high, check).sample({kBatch}, random); },
      [&] { at::poisson(high.expand(shape), generator); }, "D.Poisson(high).sample(n)");
}

/// 64 rows of V logits.
void categories(Bench& bench, std::int64_t v) {
  constexpr std::int64_t kRows = 64;
  constexpr std::int64_t kMany = 1000;
  constexpr double kTemperature = 0.5;
  bench.python().set_up(
      fmt::format("z = torch.randn(64, {}) * 2; t = torch.tensor(0.5); one = torch.randint({}, "
                  "(64,)); many = torch.randint({}, (1000, 64)); relaxed = z.softmax(-1)",
                  v, v, v));
  const Tensor z = at::randn({kRows, v}) * 2;
  const Tensor one = at::randint(v, {kRows}, at::kLong);
  const Tensor many = at::randint(v, {kMany, kRows}, at::kLong);
  const Tensor relaxed = z.softmax(-1);
  const Random random = Stream{.seed = 2, .id = 0};
  const at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(std::uint64_t{2});
  const std::string size = fmt::format("64 × {}", v);

  bench.row(
      "Categorical, sample", size,
      [&](bool check) { Categorical(Logits(z), check).sample(random); },
      [&] { at::multinomial(z.softmax(-1), 1, true, generator); },
      "D.Categorical(logits=z).sample()");
  // What at::multinomial does unless told otherwise; for one draw the distribution is the same.
  bench.row(
      "Categorical, sample (without replacement)", size,
      [&](bool check) { Categorical(Logits(z), check).sample(random); },
      [&] { at::multinomial(z.softmax(-1), 1, false, generator); },
      "torch.multinomial(z.softmax(-1), 1)");
  bench.row(
      "Categorical, sample 1,000", size,
      [&](bool check) { Categorical(Logits(z), check).sample({kMany}, random); },
      [&] { at::multinomial(z.softmax(-1), kMany, true, generator); },
      "D.Categorical(logits=z).sample((1000,))");
  bench.row(
      "Categorical, log_prob", size,
      [&](bool check) { Categorical(Logits(z), check).log_prob(one); },
      [&] { z.log_softmax(-1).gather(-1, one.unsqueeze(-1)); },
      "D.Categorical(logits=z).log_prob(one)");
  bench.row(
      "Categorical, log_prob of 1,000", size,
      [&](bool check) { Categorical(Logits(z), check).log_prob(many); },
      [&] { z.log_softmax(-1).gather(-1, many.t()); }, "D.Categorical(logits=z).log_prob(many)");
  bench.row(
      "RelaxedOneHotCategorical, sample", size,
      [&](bool check) { RelaxedOneHotCategorical(kTemperature, Logits(z), check).sample(random); },
      [&] {
        const Tensor noise =
            at::rand({kRows, v}, generator).clamp_min_(1e-10).log_().neg_().log_().neg_();
        noise.add_(z).div_(kTemperature).softmax(-1);
      },
      "D.RelaxedOneHotCategorical(t, logits=z, validate_args=False).sample()");
  bench.row(
      "RelaxedOneHotCategorical, log_prob", size,
      [&](bool check) {
        RelaxedOneHotCategorical(kTemperature, Logits(z), check).log_prob(relaxed);
      },
      [&] {
        const Tensor log_x = relaxed.log();
        (z - kTemperature * log_x).log_softmax(-1).sum(-1) - log_x.sum(-1) +
            (std::lgamma(static_cast<double>(v)) +
             static_cast<double>(v - 1) * std::log(kTemperature));
      },
      "D.RelaxedOneHotCategorical(t, logits=z, validate_args=False).log_prob(relaxed)");
}

/// log e_k of the weights exp(z), by its recursion over the categories in log space.
Tensor log_symmetric_polynomial(const Tensor& z, std::int64_t k) {
  Tensor e = at::full({z.size(0), k + 1}, -std::numeric_limits<double>::infinity(), z.options());
  e.select(1, 0).zero_();
  for (std::int64_t i = 0; i < z.size(1); ++i) {
    const Tensor with = e.narrow(1, 0, k) + z.narrow(1, i, 1);
    e = at::cat({e.narrow(1, 0, 1), at::logaddexp(e.narrow(1, 1, k), with)}, 1);
  }
  return e.select(1, k);
}

/// Sets of k of V, 64 rows; Python has none, and its column is the same recursion there.
void subsets(Bench& bench, std::int64_t v, std::int64_t k) {
  const Tensor z = at::randn({64, v}) * 2;
  const Tensor sets = Subset(Logits(z), k).sample(Stream{.seed = 3});
  bench.python().set_up(fmt::format(
      "import functools; z = torch.randn(64, {}) * 2; k = {}; "
      "sets = torch.zeros_like(z).scatter(1, z.topk(k).indices, 1); "
      "step = lambda e, c: torch.cat([e[:, :1], torch.logaddexp(e[:, 1:], e[:, :-1] + c)], 1); "
      "none = torch.cat([torch.zeros(64, 1), torch.full((64, k), float('-inf'))], 1); "
      "log_e = lambda z: functools.reduce(step, z.split(1, 1), none)[:, k]; "
      "log_prob = lambda z: (sets * z).sum(-1) - log_e(z); "
      "slope = lambda z: torch.autograd.grad(log_prob(z).sum(), z)",
      v, k));
  const std::string size = fmt::format("64 × {}, k = {}", v, k);
  bench.row(
      "Subset, log_prob", size, [&](bool check) { Subset(Logits(z), k, check).log_prob(sets); },
      [&] { (sets * z).sum(-1) - log_symmetric_polynomial(z, k); }, "log_prob(z)");
  const auto with_gradient = [&](const std::function<Tensor(const Tensor&)>& log_prob) {
    const at::AutoGradMode enable(true);
    const Tensor leaf = z.clone().set_requires_grad(true);
    log_prob(leaf).sum().backward();
  };
  bench.row(
      "Subset, log_prob and its gradient", size,
      [&](bool check) {
        with_gradient(
            [&](const Tensor& leaf) { return Subset(Logits(leaf), k, check).log_prob(sets); });
      },
      [&] {
        with_gradient([&](const Tensor& leaf) {
          return (sets * leaf).sum(-1) - log_symmetric_polynomial(leaf, k);
        });
      },
      "(torch.set_grad_enabled(True), slope(z.clone().requires_grad_()), "
      "torch.set_grad_enabled(False))");
}

constexpr std::int64_t kChosen = 10;
constexpr std::int64_t kSamples = 100;

/// The gradient of sum(w y) by logits z [rows, V], y the mean of perturbed sets.
Tensor perturbed_slope(const Tensor& z, const Tensor& w, const Random& random) {
  const at::AutoGradMode enable(true);
  const Tensor leaf = z.clone().set_requires_grad(true);
  (losses::perturbed_top_k(leaf, kChosen, random) * w).sum().backward();
  return leaf.grad();
}

/// The same as published, by the score of the noise.
Tensor slope_by_noise(const Tensor& z, const Tensor& w) {
  const Tensor g = at::empty({z.size(0), kSamples, z.size(1)}).exponential_().log_().neg_();
  const Tensor largest = std::get<1>((z.unsqueeze(1) + g).topk(kChosen));
  const Tensor y = at::zeros_like(g).scatter(2, largest, 1);
  const Tensor value = ((y - y.mean(1, true)) * w.unsqueeze(1)).sum(-1, true) / (kSamples - 1);
  return (value * (1 - (-g).exp())).sum(1);
}

void perturbed_sets(Bench& bench) {
  const Tensor z = at::randn({64, 1000});
  const Tensor w = at::randn({64, 1000});
  const Random random = Stream{.seed = 1, .id = 4};
  bench.python().set_up(
      "z = torch.randn(64, 1000); w = torch.randn(64, 1000); "
      "noise = lambda: -torch.empty(64, 100, 1000).exponential_().log(); "
      "top = lambda g: torch.zeros_like(g).scatter(2, (z[:, None] + g).topk(10).indices, 1.0); "
      "slope = lambda g, y: (((y - y.mean(1, True)) * w[:, None]).sum(-1, True) / 99 "
      "* (1 - (-g).exp())).sum(1); "
      "perturbed = lambda g: slope(g, top(g))");
  bench.row(
      "perturbed top-k and its gradient", "64 × 1000, k = 10, 100 samples",
      [&](bool) { perturbed_slope(z, w, random); }, [&] { slope_by_noise(z, w); },
      "perturbed(noise())");
  const Tensor same_z = z[0].expand({300, 1000});
  const Tensor same_w = w[0].expand({300, 1000});
  const auto variance = [](const Tensor& rows) { return rows.var(0).sum().item<double>(); };
  fmt::print("\nVariance of that gradient of one row: {:.2f}; as published, by libtorch: {:.1f}\n",
             variance(perturbed_slope(same_z, same_w, random)),
             variance(slope_by_noise(same_z, same_w)));
}

}  // namespace

int main() {
  const at::NoGradGuard no_grad;
  at::set_num_threads(1);
  at::manual_seed(1);
  Bench bench;
  if (bench.python().version().empty()) {
    fmt::print("/usr/bin/python3 has no torch: its column is empty.\n\n");
  }
  print_header({"distribution", "batch × draws, or rows × V", "partita unchecked, µs",
                "libtorch operators", "partita checked, µs", "torch.distributions"});
  elementwise(bench);
  for (const std::int64_t v : {1000, 50257}) categories(bench, v);
  for (const std::int64_t k : {10, 100}) subsets(bench, 1000, k);
  perturbed_sets(bench);
}
