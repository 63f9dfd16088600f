// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/openset/gan_losses.hpp"

#include <ATen/ATen.h>

#include <cmath>
#include <limits>
#include <numbers>

#include "partita/base/internal/check.hpp"
#include "partita/learn/losses/losses.hpp"

namespace partita::openset {
namespace {

constexpr double kLeastDistance = 1e-6;
constexpr std::int64_t kByDifference = 2;  // cdist's mode that subtracts before it squares

/// -E[target log D + (1 - target) log(1 - D)], D = sigmoid(logits).
Tensor cross_entropy_of(const Tensor& logits, double target) {
  return losses::binary_cross_entropy_with_logits(logits, at::full_like(logits, target));
}

double log_unit_ball(double dimensions) {
  return dimensions / 2 * std::log(std::numbers::pi) - std::lgamma(dimensions / 2 + 1);
}

}  // namespace

Tensor discriminator_loss(const Tensor& real_logits, const Tensor& fake_logits,
                          GeneratorLoss loss) {
  const double weight = loss == GeneratorLoss::fence ? kFenceWeight : 1;
  return cross_entropy_of(real_logits, 1) + weight * cross_entropy_of(fake_logits, 0);
}

Tensor generator_loss(const Tensor& fake_logits, GeneratorLoss loss) {
  switch (loss) {
    case GeneratorLoss::saturating:
      return -cross_entropy_of(fake_logits, 0);
    case GeneratorLoss::fence:
      return cross_entropy_of(fake_logits, kFenceLevel);
    case GeneratorLoss::non_saturating:
      break;
  }
  return cross_entropy_of(fake_logits, 1);
}

Tensor nearest_neighbor_entropy(const Tensor& samples) {
  check_at_least("samples", samples.size(0), 2);
  const Tensor x = samples.flatten(1);
  const auto n = static_cast<double>(x.size(0));
  const auto d = static_cast<double>(x.size(1));
  const Tensor from = x.detach();
  const Tensor nearest = at::cdist(from, from, 2, kByDifference)
                             .fill_diagonal_(std::numeric_limits<double>::infinity())
                             .argmin(1);
  const Tensor squared = (x - x.index_select(0, nearest)).square().sum(1);
  const Tensor log_distance = squared.clamp_min(kLeastDistance * kLeastDistance).log() / 2;
  return d * log_distance.mean() + (std::log(n - 1) + log_unit_ball(d) + std::numbers::egamma);
}

Tensor pull_away_term(const Tensor& samples) {
  check_at_least("samples", samples.size(0), 2);
  const Tensor x = samples.flatten(1);
  const Tensor direction = x / x.norm(2, 1, /*keepdim=*/true).clamp_min(kLeastDistance);
  const Tensor squared_cosine = direction.mm(direction.t()).square();
  const auto n = static_cast<double>(x.size(0));
  return (squared_cosine.sum() - squared_cosine.diagonal().sum()) / (n * (n - 1));
}

Tensor entropy(const Tensor& samples, Entropy estimate) {
  return estimate == Entropy::pull_away ? -pull_away_term(samples)
                                        : nearest_neighbor_entropy(samples);
}

}  // namespace partita::openset
