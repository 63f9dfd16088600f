// SPDX-License-Identifier: Apache-2.0
// Every distribution with parameters and at values of any size, drawn from a seed: they are refused
// by an InvalidArgument, or have no NaN where there is an answer, nor in its gradients. More of
// them: PARTITA_RANDOM_VALUES=1000 distributions_test --gtest_filter='*AtRandomValues'
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/functions/accumulate_grad.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "partita/base/error.hpp"
#include "partita/learn/distributions/golden_support.hpp"

namespace partita::distributions {
namespace {

using nlohmann::json;

/// Numbers in turn from a stream.
class Numbers {
 public:
  explicit Numbers(const Stream& stream) : stream_(stream) {}
  double uniform() { return stream_.uniform(position_++); }
  std::uint64_t below(std::uint64_t n) { return stream_.bits(position_++) % n; }
  /// Of either sign, between 1e-9 and 1e9.
  double any() { return (below(2) == 0 ? 1 : -1) * std::pow(10, 18 * uniform() - 9); }

 private:
  Stream stream_;
  std::uint64_t position_ = 0;
};

/// Other numbers in the places of a parameter's, of the same kind: counts, probabilities, positive
/// ones, any.
void change(json& value, Numbers& numbers) {
  if (value.is_array()) {
    for (json& each : value) change(each, numbers);
  } else if (value.is_number_float()) {
    const double x = value.get<double>();
    switch (numbers.below(4)) {
      case 0:
        break;
      case 1:
        value = x > 0 && x < 1 ? numbers.uniform() : x * std::abs(numbers.any());
        break;
      case 2:
        value = x * (1 + numbers.uniform());
        break;
      default:
        value = x < 0 ? numbers.any() : x * std::pow(10, 4 * numbers.uniform() - 2);
    }
    value = std::clamp(value.get<double>(), -1e300, 1e300);
  } else if (value.is_number_integer() && numbers.below(2) == 0) {
    value = value.get<std::int64_t>() + static_cast<std::int64_t>(numbers.below(3));
  }
}

Tensor values_at_random(const Distribution& distribution, Numbers& numbers) {
  constexpr std::int64_t kValues = 40;
  Shape shape = {kValues};
  for (const IntArrayRef part : {distribution.batch_shape(), distribution.event_shape()}) {
    shape.insert(shape.end(), part.begin(), part.end());
  }
  Tensor values = at::empty(shape, at::kDouble);
  double* const data = values.data_ptr<double>();
  for (std::int64_t i = 0; i < values.numel(); ++i) {
    switch (numbers.below(4)) {
      case 0:
        data[i] = numbers.any();
        break;
      case 1:
        data[i] = numbers.uniform();
        break;
      case 2:
        data[i] = static_cast<double>(numbers.below(12));
        break;
      default:
        data[i] = std::abs(numbers.any());
    }
  }
  return values;
}

void expect_no_nan(const Tensor& values, const std::string& what) {
  EXPECT_FALSE(values.isnan().any().item<bool>()) << what;
}

/// The parameters that an answer was computed from.
std::vector<Tensor> leaves_of(const Tensor& answer) {
  std::vector<Tensor> leaves;
  std::set<torch::autograd::Node*> met;
  std::vector<torch::autograd::Node*> open = {answer.grad_fn().get()};
  while (!open.empty()) {
    torch::autograd::Node* const node = open.back();
    open.pop_back();
    if (node == nullptr || !met.insert(node).second) continue;
    if (const auto* leaf = dynamic_cast<torch::autograd::AccumulateGrad*>(node)) {
      leaves.push_back(leaf->variable);
    }
    for (const torch::autograd::Edge& edge : node->next_edges())
      open.push_back(edge.function.get());
  }
  return leaves;
}

void expect_gradients(const Tensor& answer, const std::string& what) {
  if (!answer.requires_grad()) return;
  for (const Tensor& gradient :
       torch::autograd::grad({answer.sum()}, leaves_of(answer), {}, true, false, true)) {
    if (gradient.defined()) expect_no_nan(gradient, "gradient of " + what);
  }
}

void check(const Distribution& d, Numbers& numbers, const Random& random) {
  const Tensor values = values_at_random(d, numbers);
  const Tensor log_prob = d.log_prob(values);
  expect_no_nan(log_prob, "log_prob");
  const Tensor draws = d.sample({20}, random);
  expect_no_nan(draws, "sample");
  const Tensor drawn = d.log_prob(draws);
  expect_no_nan(drawn, "log_prob of draws");
  // Infinities have no sum, nor have draws at the largest number.
  if (drawn.isfinite().all().item<bool>() && draws.abs().max().item<double>() < 1e300) {
    expect_gradients(drawn, "log_prob");
  }
  if (!d.event_shape().empty()) return;
  Tensor cdf;
  try {
    cdf = d.cdf(values);
  } catch (const InvalidArgument&) {
    return;  // there is none
  }
  EXPECT_TRUE(((cdf >= 0) & (cdf <= 1)).all().item<bool>()) << "cdf " << cdf;
  Shape shape = {9};
  shape.insert(shape.end(), d.batch_shape().size(), 1);
  const Tensor p = at::linspace(0.01, 0.99, 9, at::kDouble).view(shape);
  const Tensor quantiles = d.icdf(p);
  expect_no_nan(quantiles, "icdf");
  {
    const at::NoGradGuard no_grad;
    const Tensor size = quantiles.abs();
    const bool turns =
        d.name() == std::string("VonMises");  // a large angle is as far as its remainder
    const Tensor out_of_range = (size < 1e-290).logical_or(size > (turns ? 100 : 1e290));
    const Tensor less = d.cdf(quantiles - 1e-9 * size - (d.support().is_discrete ? 1 : 0));
    const Tensor more = d.cdf(quantiles + 1e-9 * size);
    const Tensor wrong = (less - 1e-6 > p).logical_or(more + 1e-6 < p);
    const Tensor found = quantiles.masked_select(wrong.logical_and(out_of_range.logical_not()));
    EXPECT_EQ(found.numel(), 0) << "icdf " << found << less << more;
  }
  if (quantiles.isfinite().all().item<bool>()) expect_gradients(quantiles, "icdf");
}

TEST(EveryDistribution, AtRandomValues) {
  const char* const more = std::getenv("PARTITA_RANDOM_VALUES");  // NOLINT(concurrency-mt-unsafe)
  const std::uint64_t rounds = more == nullptr ? 2 : std::strtoull(more, nullptr, 10);
  const json golden = json::parse(std::ifstream(PARTITA_GOLDEN_DISTRIBUTIONS));
  const Random random = Stream{.seed = 1};
  std::uint64_t number = 0;
  std::uint64_t accepted = 0;
  for (std::uint64_t round = 0; round < rounds; ++round) {
    for (const json& each : golden.at("cases")) {
      json d = each.at("d");
      Numbers numbers(Stream{.seed = 2}.child(number++));
      for (auto& [key, value] : d.items()) {
        if (key != "name") change(value, numbers);
      }
      SCOPED_TRACE(d.dump());
      try {
        DistributionPtr made;
        try {
          testing::make(d, {.type = at::kDouble, .validate_args = true});
          made = testing::make(
              d, {.type = at::kDouble, .requires_grad = true, .validate_args = false});
        } catch (const InvalidArgument&) {
          continue;  // refused
        }
        check(*made, numbers, random);
        ++accepted;
      } catch (const std::exception& error) {
        ADD_FAILURE() << error.what();
      }
    }
  }
  EXPECT_GT(accepted, number / 2);
  RecordProperty("accepted", std::to_string(accepted));
}

}  // namespace
}  // namespace partita::distributions
