// SPDX-License-Identifier: Apache-2.0
// Training steps of the sampled losses, against the same steps written with libtorch's operators
// and in Python, and against the full softmax by number of outputs: ./dev bench nce
//
// A step draws noise, computes the loss and its gradients, and updates the rows of the output layer
// that have one (plain gradient descent). The peers take sparse gradients through embedding(), as
// ours do; their noise is multinomial's where it is unigram and randint's where it is uniform.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <dlfcn.h>

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "compare.hpp"
#include "partita/learn/losses/nce.hpp"
#include "partita/learn/losses/sampled_softmax.hpp"
#include "python_peer.hpp"

namespace {

using namespace partita;
using namespace partita::benchmark;
using at::Tensor;

constexpr std::int64_t kBatch = 256;
constexpr std::int64_t kFewRows = 64;
constexpr std::int64_t kDim = 128;
constexpr double kRate = 0.01;

enum class Kind { nce, sampled_softmax };

struct Case {
  Kind kind;
  std::int64_t k;
  bool unigram;  // noise; else uniform
  bool shared;
  std::int64_t outputs;
};

/// The same tensors for ours and for the operators.
struct Data {
  Tensor hidden;
  Tensor targets;
  Tensor weight;
  Tensor bias;  // [V, 1], as embedding() takes it
  Tensor q;
  Tensor log_q;

  explicit Data(std::int64_t outputs, std::int64_t batch = kBatch)
      : hidden(at::randn({batch, kDim}).mul_(0.1).set_requires_grad(true)),
        targets(at::randint(outputs, {batch}, at::kLong)),
        weight(at::randn({outputs, kDim}).mul_(0.1).set_requires_grad(true)),
        bias(at::zeros({outputs, 1}).set_requires_grad(true)),
        q((at::arange(1, outputs + 1, at::kFloat)).reciprocal_()) {
    q /= q.sum();
    log_q = q.log();
  }
};

void descend(const std::vector<Tensor>& parameters) {
  const at::NoGradGuard no_grad;
  for (const Tensor& each : parameters) {
    Tensor parameter = each;
    parameter.add_(parameter.grad(), -kRate);
    parameter.mutable_grad() = Tensor();
  }
}

losses::NoiseDistribution noise_of(const Case& c) {
  if (!c.unigram) return losses::NoiseDistribution::uniform(c.outputs);
  std::vector<double> weights;
  for (std::int64_t i = 0; i < c.outputs; ++i) weights.push_back(1.0 / static_cast<double>(i + 1));
  return losses::NoiseDistribution(weights);
}

std::unique_ptr<losses::OutputLoss> loss_of(const Case& c) {
  if (c.kind == Kind::nce) {
    return std::make_unique<losses::NceLoss>(
        noise_of(c), losses::NceOptions{.noise = c.k, .shared_noise = c.shared});
  }
  return std::make_unique<losses::SampledSoftmaxLoss>(
      noise_of(c), losses::SampledSoftmaxOptions{.noise = c.k, .shared_noise = c.shared});
}

void our_step(const losses::OutputLoss& loss, const Data& data, const Tensor& flat_bias,
              std::uint64_t step) {
  loss({data.hidden, data.targets}, {data.weight, flat_bias}, Stream{.seed = 1, .id = step})
      .backward();
  descend({data.hidden, data.weight, flat_bias});
}

void operators_step(const Case& c, const Data& data) {
  const std::int64_t count = c.shared ? c.k : kBatch * c.k;
  const Tensor noise = c.unigram ? at::multinomial(data.q, count, /*replacement=*/true)
                                 : at::randint(c.outputs, {count}, at::kLong);
  const auto rows = [](const Tensor& table, const Tensor& index) {
    return at::embedding(table, index, -1, false, /*sparse=*/true);
  };
  Tensor index;
  Tensor s;
  if (c.shared) {
    index = at::cat({data.targets, noise});
    const Tensor w = rows(data.weight, index);
    const Tensor b = rows(data.bias, index).squeeze(1);
    const Tensor target = (data.hidden * w.narrow(0, 0, kBatch)).sum(1) + b.narrow(0, 0, kBatch) -
                          data.log_q.index_select(0, data.targets);
    const Tensor others =
        at::addmm(b.narrow(0, kBatch, c.k), data.hidden, w.narrow(0, kBatch, c.k).t()) -
        data.log_q.index_select(0, noise);
    s = at::cat({target.unsqueeze(1), others}, 1);
  } else {
    index = at::cat({data.targets.unsqueeze(1), noise.view({kBatch, c.k})}, 1);
    s = at::bmm(rows(data.weight, index), data.hidden.unsqueeze(2)).squeeze(2) +
        rows(data.bias, index).squeeze(2) -
        (c.unigram ? data.log_q.index({index})
                   : at::scalar_tensor(-std::log(static_cast<double>(c.outputs)), at::kFloat));
  }
  const Tensor logits = s - std::log(static_cast<double>(c.k));
  Tensor loss;
  if (c.kind == Kind::nce) {
    const Tensor labels = at::zeros_like(logits);
    labels.select(1, 0).fill_(1);
    loss = at::binary_cross_entropy_with_logits(logits, labels, {}, {}, at::Reduction::Sum) /
           static_cast<double>(kBatch);
  } else {
    const Tensor all = c.shared ? noise.expand({kBatch, c.k}) : noise.view({kBatch, c.k});
    const Tensor hit =
        at::cat({at::zeros({kBatch, 1}, at::kBool), all == data.targets.unsqueeze(1)}, 1);
    loss =
        at::cross_entropy_loss(logits.masked_fill(hit, -INFINITY), at::zeros({kBatch}, at::kLong));
  }
  loss.backward();
  descend({data.hidden, data.weight, data.bias});
}

/// The same in Python; it draws its own tensors.
void set_up_python(PythonPeer& python, const Case& c) {
  python.set_up(fmt::format(
      "torch.set_grad_enabled(True); import math; F = torch.nn.functional; B, D, K, V = {}, {}, "
      "{}, "
      "{}; h = (torch.randn(B, D) * .1).requires_grad_(); t = torch.randint(V, (B,)); W = "
      "(torch.randn(V, D) * .1).requires_grad_(); b = torch.zeros(V, 1).requires_grad_(); q = 1 / "
      "torch.arange(1., V + 1); q /= q.sum(); log_q = q.log()",
      kBatch, kDim, c.k, c.outputs));
  const std::string draws = c.shared ? "K" : "B * K";
  const std::string noise = c.unigram
                                ? fmt::format("torch.multinomial(q, {}, replacement=True)", draws)
                                : fmt::format("torch.randint(V, ({},))", draws);
  const std::string scores =
      c.shared
          ? "  i = torch.cat([t, n]); w = F.embedding(i, W, sparse=True); a = F.embedding(i, b, "
            "sparse=True).squeeze(1)\\n"
            "  s = torch.cat([((h * w[:B]).sum(1) + a[:B] - log_q[t])[:, None], "
            "torch.addmm(a[B:], h, w[B:].t()) - log_q[n]], 1)\\n"
            "  n = n.expand(B, K)\\n"
          : fmt::format(
                "  n = n.view(B, K); i = torch.cat([t[:, None], n], 1)\\n"
                "  s = torch.bmm(F.embedding(i, W, sparse=True), h[:, :, "
                "None]).squeeze(2) + F.embedding(i, b, sparse=True).squeeze(2) - {}\\n",
                c.unigram ? "log_q[i]" : "(-math.log(V))");
  const std::string loss =
      c.kind == Kind::nce
          ? "  y = torch.zeros_like(s); y[:, 0] = 1\\n"
            "  l = F.binary_cross_entropy_with_logits(s - math.log(K), y, reduction='sum') / B\\n"
          : "  m = torch.cat([torch.zeros(B, 1, dtype=torch.bool), n == t[:, None]], 1)\\n"
            "  l = F.cross_entropy((s - math.log(K)).masked_fill(m, -math.inf), torch.zeros(B, "
            "dtype=torch.long))\\n";
  python.set_up("exec(\"def step():\\n  n = " + noise + "\\n" + scores + loss +
                "  l.backward()\\n"
                "  with torch.no_grad():\\n"
                "    for p in (h, W, b): p.add_(p.grad, alpha=-.01); p.grad = None\\n\")");
}

void compare_case(PythonPeer& python, const Case& c) {
  const Data data(c.outputs);
  const Tensor flat_bias = at::zeros({c.outputs}).set_requires_grad(true);
  const auto loss = loss_of(c);
  std::uint64_t step = 0;
  std::function<double()> peer;
  if (!python.version().empty()) {
    set_up_python(python, c);
    peer = [&] { return python.take_turn("step()"); };
  }
  const Comparison result =
      compare_turns({[&] { return take_turn([&] { our_step(*loss, data, flat_bias, step++); }); },
                     [&] { return take_turn([&] { operators_step(c, data); }); }, peer});
  print_row(
      {c.kind == Kind::nce ? "NCE" : "sampled softmax",
       fmt::format("{}{}, {}", c.k, c.shared ? " shared" : "", c.unigram ? "unigram" : "uniform"),
       fmt::to_string(c.outputs), fmt::format("{:.2f}", result.seconds * 1e3),
       times(result.ratios[0]), times(result.ratios[1])});
}

/// Against V: NCE with k = 25, and the full softmax on the same rows, few enough for a million.
void against_outputs(std::int64_t outputs) {
  const Data data(outputs, kFewRows);
  const Tensor flat_bias = at::zeros({outputs}).set_requires_grad(true);
  const auto nce = loss_of({Kind::nce, 25, true, false, outputs});
  const losses::FullSoftmaxLoss full;
  std::uint64_t step = 0;
  const Comparison result = compare({[&] { our_step(*nce, data, flat_bias, step++); },
                                     [&] { our_step(full, data, flat_bias, step++); }});
  print_row({fmt::to_string(outputs), fmt::format("{:.2f}", result.seconds * 1e3),
             times(result.ratios[0])});
}

/// torch's setting does not reach the threads of OpenBLAS.
void use_one_thread() {
  at::set_num_threads(1);
  using SetThreads = void (*)(int);
  if (auto* const set =
          reinterpret_cast<SetThreads>(::dlsym(RTLD_DEFAULT, "openblas_set_num_threads"))) {
    set(1);
  }
}

}  // namespace

int main() {
  ::setenv("OPENBLAS_NUM_THREADS", "1", 1);  // for Python
  use_one_thread();
  at::manual_seed(1);
  PythonPeer python;
  if (python.version().empty()) {
    fmt::print("/usr/bin/python3 has no torch: its column is empty.\n\n");
  }
  print_header({"loss", "noise", "V", "partita, ms", "libtorch operators", "Python"});
  for (const Case& c :
       std::initializer_list<Case>{{Kind::nce, 25, true, false, 10'000},
                                   {Kind::nce, 25, true, false, 100'000},
                                   {Kind::nce, 25, true, false, 1'000'000},
                                   {Kind::nce, 25, false, false, 100'000},
                                   {Kind::nce, 100, true, false, 100'000},
                                   {Kind::nce, 256, true, true, 100'000},
                                   {Kind::sampled_softmax, 100, true, false, 100'000},
                                   {Kind::sampled_softmax, 256, true, true, 100'000}}) {
    compare_case(python, c);
  }
  fmt::print("\n");
  print_header({"V", "NCE, k = 25, ms", "full softmax"});
  for (const std::int64_t v : {1'000, 10'000, 100'000, 1'000'000}) against_outputs(v);
}
