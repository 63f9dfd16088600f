// SPDX-License-Identifier: Apache-2.0
// Sampling without replacement and Gumbel-max, against the usual libtorch code for them:
// ./dev bench gumbel
//
//   gumbel_top_k   log_softmax, plus Gumbel noise -log(-log(u)), and topk
//   gumbel_max     softmax, and multinomial with one sample per row
//
// The last columns are our own lower bounds: gumbel_top_k cannot be faster than the log-sum-exp it
// returns, nor gumbel_max than a bare maximum (libtorch's amax).
#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <cmath>

#include "compare.hpp"
#include "logits.hpp"
#include "partita/gumbel/gumbel_top_k.hpp"
#include "partita/learn/rows.hpp"
#include "partita/softmax/softmax.hpp"

namespace {

using namespace partita;
using namespace partita::benchmark;

const LogitShape kShapes[] = {kFlat, kNormal1, kNormal5, kZipf};

void bench(const LogitShape& shape, std::int64_t n, std::int64_t v, std::int64_t k, int threads,
           at::ScalarType type) {
  at::set_num_threads(threads);
  const at::Tensor z = shape.make(n, v).to(type);
  at::Tensor largest = at::empty({n}, z.options());
  std::uint64_t seed = 0;
  const auto print = [&](const std::string& what, const Comparison& c, const char* bound) {
    print_row({what, shape.name, fmt::format("{}", v), std::to_string(n), std::to_string(threads),
               type == at::kFloat ? "f32" : "bf16",
               fmt::format("{:.2f}", c.seconds * 1e6 / static_cast<double>(n)), times(c.ratios[0]),
               fmt::format("{:.2f}× {}", 1 / c.ratios[1], bound)});
  };
  const auto idiom = [&] {
    const at::Tensor log_p = at::log_softmax(z, 1);
    const at::Tensor gumbel = at::rand_like(log_p).log_().neg_().log_().neg_();
    at::topk(log_p + gumbel, k, 1);
  };
  print(fmt::format("gumbel_top_k, k = {}", k),
        compare({[&] {
                   gumbel_top_k(rows_of(z), static_cast<std::size_t>(k), Stream{++seed},
                                {.threads = threads});
                 },
                 idiom, [&] { log_sum_exp(rows_of(z), {.threads = threads}); }}),
        "log_sum_exp");
  if (k != 10) return;
  print("gumbel_max",
        compare({[&] { gumbel_max(rows_of(z), Stream{++seed}, {.threads = threads}); },
                 [&] { at::multinomial(at::softmax(z, 1), 1); },
                 [&] { at::amax_out(largest, z, {1}); }}),
        "max");
}

}  // namespace

int main() {
  const at::NoGradGuard no_grad;
  at::manual_seed(1);
  print_header({"function", "logits", "V", "rows", "threads", "format", "partita, µs per row",
                "libtorch", "partita, relative to"});
  for (const LogitShape& shape : kShapes) bench(shape, 64, 50257, 10, 1, at::kFloat);
  for (const std::int64_t k : {1, 100, 1000, 50257}) bench(kShapes[1], 16, 50257, k, 1, at::kFloat);
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    for (const int threads : {1, 2}) {
      for (const std::int64_t rows : {64, 1}) {
        for (const std::int64_t v : {1000, 32000, 50257, 151936, 1000000}) {
          bench(kShapes[1], rows, v, 10, threads, type);
        }
      }
    }
  }
}
