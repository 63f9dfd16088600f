// SPDX-License-Identifier: Apache-2.0
// Gumbel-max with addressed noise: ./dev bench noise
//
// Its bounds are a bare arg max, which it must make, and a bare Philox4x32-10, of which it needs
// one word of 32 bits for each logit. Its peer is what one would write: fill a row with Gumbels
// from a stream, add the logits, and take the arg max.
#include <algorithm>
#include <cstdint>
#include <vector>

#include "compare.hpp"
#include "partita/gumbel/addressed.hpp"
#include "partita/gumbel/internal/addressed_kernels.hpp"
#include "partita/random/fill.hpp"
#include "partita/softmax/softmax.hpp"

namespace {

using namespace partita;
using namespace partita::benchmark;

void bench(const char* name, double sigma, std::size_t v) {
  std::vector<float> z(v);
  fill_normal(Stream{.seed = 1}, 0, z);
  for (float& x : z) x *= static_cast<float>(sigma);
  const Rows row(z.data(), 1, v);
  std::uint64_t seed = 0;
  volatile std::uint64_t sink = 0;  // of results that nothing else reads
  const auto philox_alone = [&] {
    const AddressedNoise noise(Stream{++seed});
    std::uint16_t words[kernels::kBlock];
    for (std::size_t block = 0; block * kernels::kBlock < v; ++block) {
      kernels::prefixes(noise, block, words);
      sink = sink + words[0];
    }
  };
  std::vector<float> noisy(v);
  const auto every_gumbel = [&] {
    fill_gumbel(Stream{++seed}, 0, noisy);
    for (std::size_t i = 0; i < v; ++i) noisy[i] += z[i];
    argmax({noisy.data(), 1, v});
  };
  const Comparison c =
      compare({[&] { addressed_gumbel_max(row, Stream{++seed}); }, [&] { argmax(row); },
               philox_alone, every_gumbel, [&] { gumbel_max(row, Stream{++seed}); }});
  print_row({name, fmt::format("{}", v), fmt::format("{:.1f}", c.seconds * 1e6),
             fmt::format("{:.2f}×", 1 / c.ratios[0]), fmt::format("{:.2f}×", 1 / c.ratios[1]),
             times(c.ratios[2]), fmt::format("{:.2f}×", 1 / c.ratios[3])});
}

}  // namespace

int main() {
  print_header({"logits", "V", "addressed_gumbel_max, µs", "relative to argmax",
                "relative to Philox alone", "every Gumbel, then arg max",
                "relative to gumbel_max"});
  for (const std::size_t v : {1000U, 32'000U, 50'257U, 131'072U, 1'000'000U}) {
    bench("normal, 3", 3, v);
  }
  bench("flat", 0, 131'072);
  bench("normal, 1", 1, 131'072);
  bench("normal, 5", 5, 131'072);
}
