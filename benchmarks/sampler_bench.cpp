// SPDX-License-Identifier: Apache-2.0
// Filters and a draw, against what is used for them elsewhere: ./dev bench sampler
//
//   ours         sample(), one call for all rows
//   llama.cpp    the same chain of its samplers, and dist (llama_cpp_peer.hpp)
//   libtorch     softmax, sort, cumsum, gather back, multinomial, as servers write top-p; topk for
//                top-k; amax for min-p
//
// With the model of `partita lm train --kind ngram --units word` and a text, also on its logits:
// ./dev bench sampler MODEL TEXT. The last column is our own yardstick: nothing that looks at every
// logit can be much faster than log_sum_exp.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "compare.hpp"
#include "llama_cpp_peer.hpp"
#include "logits.hpp"
#include "partita/base/error.hpp"
#include "partita/io/text.hpp"
#include "partita/learn/rows.hpp"
#include "partita/sampler/sample.hpp"
#include "partita/softmax/softmax.hpp"
#include "partita/text/ngram.hpp"

namespace {

using namespace partita;
using namespace partita::benchmark;

const LogitShape kLogits[] = {kFlat, kNormal1, kNormal3, kNormal5, kZipf};

struct Chain {
  const char* name;
  SamplerSettings settings;
  bool single_row = false;  // the peers need half a second for 64
};

/// 64 tokens, all over the vocabulary of 32,000 and more.
const std::vector<std::int32_t> kHistory = [] {
  std::vector<std::int32_t> tokens;
  for (std::int32_t i = 0; i < 64; ++i) tokens.push_back(i * i * 7 + 3);
  return tokens;
}();

const Chain kChains[] = {
    {"temperature .7", {.temperature = 0.7, .order = kLlamaCppOrder}},
    {"top-k 40", {.top_k = 40, .order = kLlamaCppOrder}},
    {"top-p .9", {.top_p = 0.9, .order = kLlamaCppOrder}},
    {"top-p .95", {.top_p = 0.95, .order = kLlamaCppOrder}},
    {"top-p .99", {.top_p = 0.99, .order = kLlamaCppOrder}},
    {"min-p .05", {.min_p = 0.05, .order = kLlamaCppOrder}},
    {"top-k 40, top-p .95, temperature .7",
     {.temperature = 0.7, .top_k = 40, .top_p = 0.95, .order = kLlamaCppOrder}},
    {"top-p .95, min-p .05, temperature .7",
     {.temperature = 0.7, .top_p = 0.95, .min_p = 0.05, .order = kLlamaCppOrder}},
    {"typical .95", {.typical_p = 0.95, .order = kLlamaCppOrder}},
    {"llama.cpp's default",
     {.temperature = 0.8, .top_k = 40, .top_p = 0.95, .min_p = 0.05, .order = kLlamaCppOrder}},
    {"repeat penalty 1.1, llama.cpp's default",
     {.history = kHistory,
      .repeat_penalty = 1.1,
      .temperature = 0.8,
      .top_k = 40,
      .top_p = 0.95,
      .min_p = 0.05,
      .order = kLlamaCppOrder}},
    {"repeat penalty 1.1, top-p .95",
     {.history = kHistory, .repeat_penalty = 1.1, .top_p = 0.95, .order = kLlamaCppOrder}},
    {"top-n-sigma 3, top-p .95", {.top_n_sigma = 3, .top_p = 0.95, .order = kLlamaCppOrder}, true},
    {"top-k 20,000, top-p .95", {.top_k = 20000, .top_p = 0.95, .order = kLlamaCppOrder}, true},
    {"top-p .95, typical .95", {.top_p = 0.95, .typical_p = 0.95, .order = kDefaultOrder}, true},
    {"min-k 3", {.min_k = 3, .order = kLlamaCppOrder}, true},  // llama.cpp has none
    {"typical .95, top-p .95", {.top_p = 0.95, .typical_p = 0.95, .order = kLlamaCppOrder}, true},
};

/// llama.cpp's samplers, in the order of the settings; nothing if it lacks one.
std::unique_ptr<LlamaCppChain> llama_cpp_chain(const LlamaCpp& library, const SamplerSettings& s) {
  if (s.min_k > 0) return nullptr;
  auto chain = std::make_unique<LlamaCppChain>(library);
  for (const SamplerStep step : s.order) {
    if (!s.uses(step)) continue;
    switch (step) {
      case SamplerStep::penalties:
        chain->penalties(static_cast<std::int32_t>(s.penalty_last_n),
                         static_cast<float>(s.repeat_penalty), 0, 0, s.history);
        break;
      case SamplerStep::top_n_sigma:
        chain->top_n_sigma(static_cast<float>(s.top_n_sigma));
        break;
      case SamplerStep::top_k:
        chain->top_k(static_cast<std::int32_t>(s.top_k));
        break;
      case SamplerStep::typical:
        chain->typical(static_cast<float>(s.typical_p));
        break;
      case SamplerStep::top_p:
        chain->top_p(static_cast<float>(s.top_p));
        break;
      case SamplerStep::min_p:
        chain->min_p(static_cast<float>(s.min_p));
        break;
      default:
        chain->temperature(static_cast<float>(s.temperature));
    }
  }
  chain->draw();
  return chain;
}

/// The usual code on tensors, for the same chain.
at::Tensor by_libtorch(at::Tensor z, const SamplerSettings& s) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const auto keep_first = [&](const at::Tensor& keys, double p) {
    const auto order = keys.argsort(std::int64_t{1}, false);
    const at::Tensor sorted = z.gather(1, order).softmax(1);
    const at::Tensor drop = (sorted.cumsum(1) - sorted) >= p;
    z = z.masked_fill(at::zeros_like(drop).scatter(1, order, drop), -kInfinity);
  };
  for (const SamplerStep step : s.order) {
    if (!s.uses(step)) continue;
    switch (step) {
      case SamplerStep::penalties: {
        const std::vector<std::int64_t> history(s.history.begin(), s.history.end());
        const at::Tensor tokens = at::tensor(history);
        const at::Tensor seen = z.index_select(1, tokens);
        z = z.index_copy(1, tokens,
                         at::where(seen > 0, seen / s.repeat_penalty, seen * s.repeat_penalty));
        break;
      }
      case SamplerStep::top_n_sigma:
        z = z.masked_fill(z < z.amax(1, true) - s.top_n_sigma * z.std(1, false, true), -kInfinity);
        break;
      case SamplerStep::top_k: {
        const auto k = static_cast<std::int64_t>(s.top_k);
        z = z.masked_fill(z < std::get<0>(z.topk(k, 1)).narrow(1, k - 1, 1), -kInfinity);
        break;
      }
      case SamplerStep::min_k: {
        const at::Tensor sorted = std::get<0>(z.sort(1, true));
        const std::int64_t n = z.size(1);
        const at::Tensor steps = sorted.narrow(1, 0, n - 1) - sorted.narrow(1, 1, n - 1);
        const at::Tensor cliff = (steps / at::arange(1, n)).argmax(1, true) + 1;
        const at::Tensor range = sorted.narrow(1, 0, 1) - sorted.narrow(1, n - 1, 1);
        const at::Tensor kept = at::maximum(cliff, (s.min_k / range).ceil().to(at::kLong));
        z = z.masked_fill(z < sorted.gather(1, kept - 1), -kInfinity);
        break;
      }
      case SamplerStep::typical: {
        const at::Tensor log_p = z.log_softmax(1);
        const at::Tensor entropy = -(log_p.exp() * log_p).nansum(1, true);
        keep_first((-log_p - entropy).abs(), s.typical_p);
        break;
      }
      case SamplerStep::top_p:
        keep_first(-z, s.top_p);
        break;
      case SamplerStep::min_p:
        z = z.masked_fill(z < z.amax(1, true) + std::log(s.min_p), -kInfinity);
        break;
      default:
        z = z / s.temperature;
    }
  }
  return z.softmax(1).multinomial(1);
}

void bench(const LlamaCpp& library, const char* name, const at::Tensor& z, int threads) {
  at::set_num_threads(threads);
  const std::int64_t n = z.size(0);
  const std::int64_t v = z.size(1);
  const at::Tensor single = z.to(at::kFloat);
  std::uint64_t seed = 0;
  for (const Chain& chain : kChains) {
    if (chain.single_row && n > 1) continue;
    const auto theirs =
        library && threads == 1 ? llama_cpp_chain(library, chain.settings) : nullptr;
    const std::function<void()> llama_cpp = [&] {
      for (std::int64_t row = 0; row < n; ++row) {
        theirs->sample({single.data_ptr<float>() + row * v, static_cast<std::size_t>(v)});
      }
    };
    const auto c = compare(
        {[&] { sample(rows_of(z), chain.settings, Stream{.seed = ++seed}, {.threads = threads}); },
         theirs ? llama_cpp : nullptr, [&] { by_libtorch(z, chain.settings); },
         [&] { log_sum_exp(rows_of(z), {.threads = threads}); }});
    print_row({chain.name, name, fmt::format("{}", v), std::to_string(n), std::to_string(threads),
               z.scalar_type() == at::kFloat ? "f32" : "bf16",
               fmt::format("{:.1f}", c.seconds * 1e6 / static_cast<double>(n)), times(c.ratios[0]),
               times(c.ratios[1]), fmt::format("{:.2f}×", 1 / c.ratios[2])});
  }
}

void bench(const LlamaCpp& library, const LogitShape& logits, std::int64_t n, std::int64_t v,
           int threads, at::ScalarType type) {
  bench(library, logits.name, logits.make(n, v).to(type), threads);
}

/// The logits of the next token after the first half of each of the first 64 lines of a text that
/// the model can read.
at::Tensor next_token_logits(const NgramModel& model, const char* text) {
  constexpr std::size_t kRows = 64;
  std::vector<Sequence> prefixes;
  for (const std::string& line : read_lines(text).lines) {
    if (prefixes.size() == kRows) break;
    try {
      Sequence tokens = model.units().encode(line);
      tokens.resize(tokens.size() / 2);
      prefixes.push_back(std::move(tokens));
    } catch (const InvalidArgument&) {
      continue;  // a word that the model has never seen
    }
  }
  const auto rows = static_cast<std::int64_t>(prefixes.size());
  const auto columns = static_cast<std::int64_t>(model.vocabulary_size());
  const at::Tensor z = at::empty({rows, columns}, at::kDouble);
  model.next_logits(prefixes, nullptr,
                    {z.data_ptr<double>(), prefixes.size(), model.vocabulary_size()});
  return z.to(at::kFloat).contiguous();
}

}  // namespace

int main(int argc, char** argv) {
  const at::NoGradGuard no_grad;
  at::manual_seed(1);
  const LlamaCpp library;
  print_header({"chain", "logits", "V", "rows", "threads", "format", "partita, µs per row",
                "llama.cpp", "libtorch", "partita, relative to log_sum_exp"});
  for (const LogitShape& logits : kLogits) bench(library, logits, 1, 131072, 1, at::kFloat);
  for (const std::int64_t v : {32000, 50257, 262144}) {
    bench(library, kLogits[2], 1, v, 1, at::kFloat);
  }
  for (const LogitShape& logits : {kCrowded, kByFrequency}) {
    bench(library, logits, 1, 33278, 1, at::kFloat);
  }
  bench(library, kLogits[2], 1, 131072, 1, at::kBFloat16);
  for (const int threads : {1, 2}) bench(library, kLogits[2], 64, 32000, threads, at::kFloat);
  if (argc == 3) {
    const at::Tensor z = next_token_logits(NgramModel::load(argv[1]), argv[2]);
    bench(library, "n-grams of words", z.narrow(0, 0, 1), 1);
    bench(library, "n-grams of words", z, 1);
  }
}
