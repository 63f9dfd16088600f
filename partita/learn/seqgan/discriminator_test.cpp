// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/seqgan/discriminator.hpp"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/autograd.h>

#include <cmath>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/learn/losses/losses.hpp"
#include "partita/learn/seqgan/test_support.hpp"

namespace partita::seqgan {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)
using partita::testing::message_of;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(SequenceDiscriminator, ShapesAndProbabilities) {
  const SequenceDiscriminator of_tokens(small_discriminator(), Stream{.seed = 12});
  const Tensor all = all_sequences();
  ASSERT_THAT(of_tokens.logits(all).sizes(), ElementsAre(81));
  const Tensor many = all.repeat({10, 1});  // more than one block
  EXPECT_TRUE(at::allclose(of_tokens.probability(many).view({10, 81}),
                           of_tokens.logits(all).sigmoid().expand({10, 81}), 1e-5, 1e-6));
  EXPECT_FALSE(of_tokens.probability(all).requires_grad());
  const auto dropped = [&](std::uint64_t seed) {
    return of_tokens.logits(all, Random(Stream{.seed = seed}));
  };
  EXPECT_TRUE(at::equal(dropped(1), dropped(1)));
  EXPECT_FALSE(at::equal(dropped(1), dropped(2)));

  const SequenceDiscriminator of_vectors({.features = 2, .filters = {{2, 3}}}, Stream{.seed = 12});
  ASSERT_THAT(of_vectors.logits(at::randn({7, 5, 2})).sizes(), ElementsAre(7));
}

/// As the paper's code begins: the highway uniform in +-sqrt(6 / (n + n)), its gate about half
/// open.
TEST(SequenceDiscriminator, BeginsAsTheAuthors) {
  SequenceDiscriminatorOptions options = small_discriminator();
  options.filters = {{1, 200}};
  options.highway = HighwayWeights::glorot;
  options.gate_bias = 0;
  const SequenceDiscriminator network(options, Stream{.seed = 12});
  const double bound = std::sqrt(6.0 / 400);
  for (const auto& item : network.named_parameters()) {
    if (item.key().rfind("highway", 0) != 0) continue;
    const Tensor w = item.value().detach();
    // Nothing beyond the bound, and something in the outermost 15 % on either side: 200 draws miss
    // one of them with probability 1e-6 at most.
    EXPECT_LE(w.abs().max().item<double>(), bound) << item.key();
    EXPECT_GT(w.max().item<double>(), 0.85 * bound) << item.key();
    EXPECT_LT(w.min().item<double>(), -0.85 * bound) << item.key();
  }
  options.gate_bias = -3;
  const SequenceDiscriminator shut(options, Stream{.seed = 12});
  EXPECT_TRUE(at::allclose(shut.named_parameters()["highway_gate_bias"],
                           network.named_parameters()["highway_gate_bias"] - 3));
}

/// A penalty of 0.2 on both columns of a softmax and one of 0.1 on a single column lead to the same
/// logits, from different beginnings; 0.2 on a single column does not.
TEST(SequenceDiscriminator, PenaltyOfTwoColumnsCountsHalf) {
  const Tensor all = all_sequences();
  const Tensor is_real = (reward_table() > 0.5).to(at::kFloat);
  const auto trained = [&](bool two_columns, double penalty) {
    SequenceDiscriminatorOptions options = small_discriminator();
    options.two_columns = two_columns;
    const SequenceDiscriminator network(options, Stream{.seed = 12});
    const auto parameters = network.named_parameters();
    const std::vector<Tensor> last = {parameters["output_weight"], parameters["output_bias"]};
    // Only the last layer moves: a convex problem, whose curvature along it is `penalty` at least.
    for (int step = 0; step < 1500; ++step) {
      const Tensor loss = losses::binary_cross_entropy_with_logits(network.logits(all), is_real) +
                          penalty * network.penalty();
      const auto gradient = torch::autograd::grad({loss}, last);
      const at::NoGradGuard no_grad;
      for (std::size_t i = 0; i < last.size(); ++i) last[i].sub_(0.1 * gradient[i]);
    }
    return network.logits(all).detach();
  };
  const Tensor two = trained(true, 0.2);
  EXPECT_TRUE(at::allclose(two, trained(false, 0.1), 1e-3, 1e-3));
  EXPECT_FALSE(at::allclose(two, trained(false, 0.2), 1e-3, 1e-2));
}

/// The network of the paper written out: windows, their maximum, the highway.
TEST(SequenceDiscriminator, IsItsFormula) {
  const SequenceDiscriminator network(small_discriminator(), Stream{.seed = 12});
  std::map<std::string, Tensor> w;
  for (const auto& item : network.named_parameters()) w[item.key()] = item.value().detach();
  const Tensor y = at::tensor({2, 0, 1, 1}, at::kLong);
  const Tensor x = w["embedding"].index_select(0, y);
  std::vector<Tensor> features;
  for (const auto& [name, width] : {std::pair("convolution0_1", 1), std::pair("convolution1_2", 2),
                                    std::pair("convolution2_4", 4)}) {
    const Tensor weight = w[name + std::string("_weight")];
    const Tensor bias = w[name + std::string("_bias")];
    Tensor most = at::zeros_like(bias);
    for (std::int64_t at = 0; at + width <= 4; ++at) {
      const Tensor window = x.slice(0, at, at + width).t();  // [features, width]
      most = at::maximum(most, (weight * window).sum(at::IntArrayRef{1, 2}) + bias);
    }
    features.push_back(most);
  }
  const Tensor h = at::cat(features);
  const Tensor gate = (at::mv(w["highway_gate_weight"], h) + w["highway_gate_bias"]).sigmoid();
  const Tensor out =
      gate * (at::mv(w["highway_weight"], h) + w["highway_bias"]).relu() + (1 - gate) * h;
  const Tensor logit = at::mv(w["output_weight"], out) + w["output_bias"];
  EXPECT_NEAR(network.logits(y.unsqueeze(0)).item<double>(), logit.item<double>(), 1e-5);
  EXPECT_NEAR(
      network.penalty().item<double>(),
      (w["output_weight"].square().sum() + w["output_bias"].square().sum()).item<double>() / 2,
      1e-6);
}

TEST(SequenceDiscriminator, RefusesWhatCannotBe) {
  const auto made = [](const SequenceDiscriminatorOptions& options) {
    return [options] { SequenceDiscriminator(options, Stream{}); };
  };
  EXPECT_THAT(message_of<InvalidArgument>(made({.filters = {}})), HasSubstr("filters"));
  EXPECT_THAT(message_of<InvalidArgument>(made({.dropout = 1})), HasSubstr("dropout"));
  const SequenceDiscriminator network(small_discriminator(), Stream{});
  EXPECT_THAT(message_of<InvalidArgument>([&] {
                network.logits(at::zeros({2, 3}, at::kLong));
              }),
              HasSubstr("one is 4 wide, but the sequences are 3 long"));
}

}  // namespace
}  // namespace partita::seqgan
