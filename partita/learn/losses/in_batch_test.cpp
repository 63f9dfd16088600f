// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/losses/in_batch.hpp"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <utility>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/learn/losses/noise_distribution.hpp"

namespace partita::losses {
namespace {

using partita::testing::message_of;
using ::testing::HasSubstr;

double number(const Tensor& t) { return t.item<double>(); }

TEST(InBatchSoftmax, IsTheCrossEntropyOfItsScores) {
  const Tensor q = at::tensor({1.0, 0.5, -0.3, 0.8, 0.2, -1.0}, at::kDouble).view({3, 2});
  const Tensor k = at::tensor({0.4, 0.1, 1.2, -0.6, 0.3, 0.9}, at::kDouble).view({3, 2});
  const auto score = [&](std::int64_t i, std::int64_t j) { return number((q[i] * k[j]).sum()); };
  const auto loss = [&](std::int64_t i, const auto& of) {
    double z = 0;
    for (std::int64_t j = 0; j < 3; ++j) z += std::exp(of(i, j));
    return std::log(z) - of(i, i);
  };
  const Tensor none = in_batch_softmax(q, k, {.temperature = 0.5, .reduction = Reduction::none});
  for (std::int64_t i = 0; i < 3; ++i) {
    EXPECT_NEAR(number(none[i]), loss(i, [&](auto a, auto b) { return score(a, b) / 0.5; }), 1e-12);
  }
  double both = 0;
  for (std::int64_t i = 0; i < 3; ++i) {
    both += loss(i, score) + loss(i, [&](auto a, auto b) { return score(b, a); });
  }
  EXPECT_NEAR(number(in_batch_softmax(q, k, {.symmetric = true})), both / 6, 1e-12);

  const Tensor log_q = at::tensor({-0.5, -1.0, -3.0}, at::kDouble);
  const Tensor corrected = in_batch_softmax(q, k, {.log_q = log_q, .reduction = Reduction::none});
  EXPECT_NEAR(number(corrected[1]),
              loss(1, [&](auto a, auto b) { return score(a, b) - number(log_q[b]); }), 1e-12);

  // Rows 0 and 2 have the same key, so neither is the other's negative.
  const Tensor ids = at::tensor({7, 8, 7}, at::kLong);
  const Tensor masked = in_batch_softmax(q, k, {.ids = ids, .reduction = Reduction::none});
  EXPECT_NEAR(number(masked[0]), std::log1p(std::exp(score(0, 1) - score(0, 0))), 1e-12);
  EXPECT_NEAR(number(masked[1]), loss(1, score), 1e-12);
}

TEST(InBatchSoftmax, SaysWhatDoesNotFit) {
  const Tensor q = at::zeros({3, 2});
  const auto refusal = [&](const Tensor& queries, const Tensor& keys,
                           const InBatchOptions& options) {
    return message_of<InvalidArgument>([&] { (void)in_batch_softmax(queries, keys, options); });
  };
  EXPECT_THAT(refusal(at::zeros({3}), q, {}), HasSubstr("queries: expected floating-point [B, d]"));
  EXPECT_THAT(refusal(q, at::zeros({4, 2}), {}), HasSubstr("keys: "));
  EXPECT_THAT(refusal(q, q, {.temperature = 0}), HasSubstr("temperature"));
  EXPECT_THAT(refusal(q, q, {.log_q = at::zeros({2})}), HasSubstr("log_q: expected [3]"));
  EXPECT_THAT(refusal(q, q, {.log_q = at::zeros({3}), .symmetric = true}), HasSubstr("log_q: "));
}

TEST(NoiseDistribution, LogUniformFallsAsTheRank) {
  const auto noise = NoiseDistribution::log_uniform(999);
  const Tensor log_q = noise.log_prob(at::tensor({0, 9, 998}, at::kLong), at::kDouble);
  for (const auto& [i, w] : {std::pair{0, 0.0}, {1, 9.0}, {2, 998.0}}) {
    EXPECT_NEAR(number(log_q[i]), std::log(std::log((w + 2) / (w + 1)) / std::log(1000.0)), 1e-12);
  }
}

}  // namespace
}  // namespace partita::losses
