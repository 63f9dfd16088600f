// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/losses/noise_distribution.hpp"

#include <ATen/ATen.h>

#include <cmath>
#include <vector>

#include "partita/base/internal/check.hpp"

namespace partita::losses {

NoiseDistribution::NoiseDistribution(std::span<const double> weights)
    : table_(std::make_shared<const AliasTable>(weights)) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-const-cast): from_blob takes no const memory
  auto* memory = const_cast<double*>(table_->log_probs().data());
  log_prob_ = at::from_blob(
      memory, {size()}, [table = table_](void*) {}, at::kDouble);
}

NoiseDistribution NoiseDistribution::uniform(std::int64_t categories) {
  check_at_least("categories", categories, 1);
  return NoiseDistribution(std::vector<double>(static_cast<std::size_t>(categories), 1.0));
}

NoiseDistribution NoiseDistribution::log_uniform(std::int64_t categories) {
  check_at_least("categories", categories, 1);
  std::vector<double> weights;
  for (std::int64_t w = 0; w < categories; ++w) {
    weights.push_back(std::log1p(1 / static_cast<double>(w + 1)));
  }
  return NoiseDistribution(weights);
}

NoiseDistribution NoiseDistribution::unigram(std::span<const std::uint64_t> counts, double alpha) {
  check_in("alpha", alpha, "(-inf, inf)");
  std::vector<double> weights;
  weights.reserve(counts.size());
  for (const std::uint64_t count : counts) {
    weights.push_back(count == 0 ? 0 : std::pow(static_cast<double>(count), alpha));
  }
  return NoiseDistribution(weights);
}

Tensor NoiseDistribution::draw(IntArrayRef shape, const Random& random) const {
  constexpr std::int64_t kGrain = 4096;
  const Stream stream = random.whole().fork();
  Tensor out = at::empty(shape, at::kLong);
  auto* const drawn = out.data_ptr<std::int64_t>();
  random.for_each_piece(
      shape, kGrain, [&](std::uint64_t place, std::int64_t first, std::int64_t count) {
        table_->fill(stream, place, {drawn + first, static_cast<std::size_t>(count)});
      });
  return out;
}

Tensor NoiseDistribution::log_prob(const Tensor& categories, at::ScalarType dtype) const {
  return log_expected_count(categories, 1, dtype);
}

Tensor NoiseDistribution::log_expected_count(const Tensor& categories, std::int64_t k,
                                             at::ScalarType dtype) const {
  // As the table rounds its logarithms, so that log V - log V is 0.
  const auto log_k = static_cast<double>(std::log(static_cast<long double>(k)));
  const Tensor log_q = log_prob_.index_select(0, categories.flatten().to(at::kCPU));
  return (log_q + log_k).to(dtype).view(categories.sizes()).to(categories.device());
}

}  // namespace partita::losses
