// SPDX-License-Identifier: Apache-2.0
#include "partita/linear/linear_softmax.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <vector>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/base/float16.hpp"
#include "partita/random/goodness_of_fit.hpp"

namespace partita {
namespace {

using ::testing::HasSubstr;
using testing::message_of;

constexpr double kFalseAlarm = 1e-7;
constexpr Stream kStream{.seed = 11, .id = 2};

/// Element by element in one order, so that results do not depend on the batch.
void multiply_plainly(const MatrixProduct& p) {
  for (std::size_t i = 0; i < p.m; ++i) {
    for (std::size_t j = 0; j < p.n; ++j) {
      float sum = 0;
      for (std::size_t l = 0; l < p.k; ++l) {
        sum += (p.transpose_a ? p.a[l * p.a_stride + i] : p.a[i * p.a_stride + l]) *
               (p.transpose_b ? p.b[j * p.b_stride + l] : p.b[l * p.b_stride + j]);
      }
      float& c = p.c[i * p.c_stride + j];
      c = p.beta == 0 ? sum : p.beta * c + sum;
    }
  }
}

std::vector<float> normal(std::size_t n, double sigma, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> distribution(0, sigma);
  std::vector<float> out(n);
  for (float& x : out) x = static_cast<float>(distribution(random));
  return out;
}

/// A layer with all that it may have, and hidden states.
struct Example {
  std::size_t n, categories, columns;
  std::vector<float> hidden;
  std::vector<float> weights;
  std::vector<float> bias;
  std::vector<std::int64_t> targets;
  double soft_cap = 0;

  Example(std::size_t rows, std::size_t v, std::size_t d, double cap = 0)
      : n(rows),
        categories(v),
        columns(d),
        hidden(normal(n * d, 1, 1)),
        weights(normal(v * d, 2 / std::sqrt(static_cast<double>(d)), 2)),
        bias(normal(v, 1, 3)),
        soft_cap(cap) {
    for (std::size_t r = 0; r < n; ++r) {
      targets.push_back(static_cast<std::int64_t>(r * 7919 % categories));
    }
    if (n > 2) targets[1] = LinearSoftmax::kIgnored;
  }
  LinearLayer layer() const {
    return {.weights = {weights.data(), categories, columns}, .bias = bias, .soft_cap = soft_cap};
  }
  Rows states() const { return {hidden.data(), n, columns}; }
};

/// What a pass should find of a row, from a matrix of logits in double.
struct Expected {
  std::vector<double> log_p;
  double log_sum_exp;
  double mean_log_prob;
  double entropy;
};

template <class H, class W, class B>
Expected expected(const Example& x, std::size_t r, const H& hidden, const W& weights,
                  const B& bias) {
  std::vector<double> z(x.categories);
  for (std::size_t j = 0; j < z.size(); ++j) {
    z[j] = static_cast<double>(bias[j]);
    for (std::size_t l = 0; l < x.columns; ++l) {
      z[j] += static_cast<double>(hidden[r * x.columns + l]) *
              static_cast<double>(weights[j * x.columns + l]);
    }
    if (x.soft_cap > 0) z[j] = x.soft_cap * std::tanh(z[j] / x.soft_cap);
  }
  const double max = *std::max_element(z.begin(), z.end());
  double sum = 0;
  for (const double each : z) sum += std::exp(each - max);
  Expected out{{}, max + std::log(sum), 0, 0};
  for (const double each : z) {
    const double log_p = each - out.log_sum_exp;
    out.log_p.push_back(log_p);
    out.mean_log_prob += log_p / static_cast<double>(z.size());
    out.entropy -= std::exp(log_p) * log_p;
  }
  return out;
}

TEST(LinearSoftmax, IsThatOfTheWholeMatrix) {
  for (const double cap : {0.0, 3.0}) {
    for (const std::size_t n : {1UL, 3UL, 300UL}) {
      for (const std::size_t v : {2UL, 512UL, 513UL, 1700UL}) {
        const Example x(n, v, 7, cap);
        const LinearSoftmax pass(
            x.states(), x.layer(), multiply_plainly,
            {.targets = x.targets, .mean_log_prob = true, .entropy = true, .top = 2, .threads = 2});
        for (std::size_t r = 0; r < n; ++r) {
          const Expected e = expected(x, r, x.hidden, x.weights, x.bias);
          ASSERT_NEAR(pass.log_sum_exp()[r], e.log_sum_exp, 3e-6);
          ASSERT_NEAR(pass.mean_log_prob()[r], e.mean_log_prob, 3e-6);
          ASSERT_NEAR(pass.entropy()[r], e.entropy, 1e-5);
          const double target = x.targets[r] == LinearSoftmax::kIgnored
                                    ? 0
                                    : e.log_p[static_cast<std::size_t>(x.targets[r])];
          ASSERT_NEAR(pass.log_prob()[r], target, 5e-6);
          std::vector<double> sorted = e.log_p;
          std::sort(sorted.rbegin(), sorted.rend());
          for (const std::size_t j : {0UL, 1UL}) {
            const CategoryLogProb& top = pass.top()[2 * r + j];
            ASSERT_NEAR(top.log_prob, sorted[j], 5e-6);
            ASSERT_NEAR(e.log_p[static_cast<std::size_t>(top.index)], sorted[j], 5e-6);
          }
        }
      }
    }
  }
}

template <class T>
void expect_read_as_it_stands(const Example& x) {
  const std::vector<T> weights(x.weights.begin(), x.weights.end());
  std::vector<T> hidden(2 * x.hidden.size());
  for (std::size_t i = 0; i < x.hidden.size(); ++i) hidden[2 * i] = static_cast<T>(x.hidden[i]);
  const std::vector<float> wide_weights(weights.begin(), weights.end());
  std::vector<float> wide_hidden;
  for (std::size_t i = 0; i < x.hidden.size(); ++i) {
    wide_hidden.push_back(static_cast<float>(hidden[2 * i]));
  }
  const LinearLayer layer{.weights = {weights.data(), x.categories, x.columns}};
  const LinearLayer wide{.weights = {wide_weights.data(), x.categories, x.columns}};
  const Rows states(hidden.data(), x.n, x.columns, static_cast<std::ptrdiff_t>(2 * x.columns), 2);
  const LinearSoftmax pass(states, layer, multiply_plainly);
  const LinearSoftmax same({wide_hidden.data(), x.n, x.columns}, wide, multiply_plainly);
  EXPECT_EQ(pass.log_sum_exp(), same.log_sum_exp());
}

TEST(LinearSoftmax, ReadsEveryFormatAndStride) {
  const Example x(5, 600, 9);
  expect_read_as_it_stands<float>(x);
  expect_read_as_it_stands<bfloat16>(x);
  expect_read_as_it_stands<float16>(x);
}

// Six likely categories in three tiles: their ordered pairs by enumeration (Plackett and Luce), the
// weights that the threshold gives, and that noise does not depend on batch or threads.
TEST(LinearSoftmax, DrawsWithoutReplacement) {
  constexpr std::size_t kCategories = 1300;
  constexpr std::size_t kRows = 60000;
  const std::vector<std::size_t> likely = {0, 3, 511, 512, 900, 1299};
  const std::vector<double> logit = {1.0, -0.5, 0.3, 2.0, 0.0, 1.4};
  std::vector<float> weights(kCategories, -60);
  double total = 0;
  for (std::size_t i = 0; i < likely.size(); ++i) {
    weights[likely[i]] = static_cast<float>(logit[i]);
    total += std::exp(logit[i]);
  }
  const std::vector<float> hidden(kRows, 1);
  const LinearLayer layer{.weights = {weights.data(), kCategories, 1}};
  const LinearSoftmax pass({hidden.data(), kRows, 1}, layer, multiply_plainly,
                           {.k = 2, .streams = kStream, .threads = 2});
  const TopKSample& s = pass.sample();
  std::vector<double> observed(36);
  std::vector<double> expected_counts(36);
  const auto p = [&](std::size_t i) { return std::exp(logit[i]) / total; };
  for (std::size_t i = 0; i < 6; ++i) {
    for (std::size_t j = 0; j < 6; ++j) {
      if (i != j) expected_counts[6 * i + j] = kRows * p(i) * p(j) / (1 - p(i));
    }
  }
  const auto place = [&](std::int64_t index) {
    return static_cast<std::size_t>(
        std::find(likely.begin(), likely.end(), static_cast<std::size_t>(index)) - likely.begin());
  };
  double sum = 0;
  double squares = 0;
  std::vector<double> largest;
  for (std::size_t r = 0; r < kRows; ++r) {
    observed[6 * place(s.indices[2 * r]) + place(s.indices[2 * r + 1])] += 1;
    largest.push_back(std::exp(-std::exp(-s.perturbed[2 * r])));
    double weight = 0;
    for (const std::size_t at : {2 * r, 2 * r + 1}) {
      ASSERT_NEAR(s.log_prob[at], std::log(p(place(s.indices[at]))), 1e-6);
      weight += std::exp(s.log_prob[at] - inclusion_log_prob(s.log_prob[at], s.threshold[r]));
    }
    sum += weight;
    squares += weight * weight;
  }
  EXPECT_GT(chi_square_p_value(observed, expected_counts), kFalseAlarm);
  EXPECT_GT(ks_p_value(largest, [](double u) { return u; }), kFalseAlarm);
  const double mean = sum / kRows;
  EXPECT_NEAR(mean, 1, 5.4 * std::sqrt((squares / kRows - mean * mean) / kRows));

  for (const std::size_t row : {0UL, 299UL}) {  // alone as in the batch
    const LinearSoftmax one({hidden.data(), 1, 1}, layer, multiply_plainly,
                            {.k = 2, .streams = Streams(kStream, row)});
    EXPECT_EQ(one.sample().indices[0], s.indices[2 * row]);
    EXPECT_EQ(one.sample().perturbed[1], s.perturbed[2 * row + 1]);
    EXPECT_EQ(one.sample().threshold[0], s.threshold[row]);
  }
}

/// The loss whose cotangents these are, in double.
struct Loss {
  std::vector<double> log_prob, log_sum_exp, mean_log_prob, entropy;

  explicit Loss(std::size_t n) {
    for (std::size_t r = 0; r < n; ++r) {
      const auto x = static_cast<double>(r);
      log_prob.push_back(-0.5 - 0.1 * x);
      log_sum_exp.push_back(0.3 * x);
      mean_log_prob.push_back(0.2 - 0.1 * x);
      entropy.push_back(0.7 * x - 0.4);
    }
  }
  template <class H, class W, class B>
  double of(const Example& x, const H& hidden, const W& weights, const B& bias) const {
    double total = 0;
    for (std::size_t r = 0; r < x.n; ++r) {
      const Expected e = expected(x, r, hidden, weights, bias);
      if (x.targets[r] != LinearSoftmax::kIgnored) {
        total += log_prob[r] * e.log_p[static_cast<std::size_t>(x.targets[r])];
      }
      total += log_sum_exp[r] * e.log_sum_exp + mean_log_prob[r] * e.mean_log_prob +
               entropy[r] * e.entropy;
    }
    return total;
  }
  LinearSoftmaxCotangents cotangents() const {
    return {log_prob, log_sum_exp, mean_log_prob, entropy};
  }
};

TEST(LinearSoftmax, GradientsAreThoseOfDifferences) {
  for (const double cap : {0.0, 2.5}) {
    const Example x(4, 530, 3, cap);
    const Loss loss(x.n);
    const LinearSoftmax pass(
        x.states(), x.layer(), multiply_plainly,
        {.targets = x.targets, .mean_log_prob = true, .entropy = true, .threads = 2});
    std::vector<float> dh(x.hidden.size(), 1);  // gradients are added
    std::vector<float> dw(x.weights.size());
    std::vector<float> db(x.bias.size());
    EXPECT_EQ(pass.add_gradients(loss.cotangents(),
                                 {.hidden = dh.data(), .weights = dw.data(), .bias = db.data()},
                                 {.threads = 2}),
              0);
    std::vector<double> h(x.hidden.begin(), x.hidden.end());
    std::vector<double> w(x.weights.begin(), x.weights.end());
    std::vector<double> b(x.bias.begin(), x.bias.end());
    const auto difference = [&](double& at) {
      constexpr double kStep = 1e-5;
      const double before = at;
      at = before + kStep;
      const double high = loss.of(x, h, w, b);
      at = before - kStep;
      const double low = loss.of(x, h, w, b);
      at = before;
      return (high - low) / (2 * kStep);
    };
    for (std::size_t i = 0; i < h.size(); ++i) ASSERT_NEAR(dh[i] - 1, difference(h[i]), 1e-5);
    for (std::size_t i = 0; i < w.size(); i += 11) ASSERT_NEAR(dw[i], difference(w[i]), 1e-5);
    for (std::size_t i = 0; i < b.size(); i += 13) ASSERT_NEAR(db[i], difference(b[i]), 1e-5);
    // One that is not wanted changes nothing of the others.
    std::vector<float> alone(dw.size());
    pass.add_gradients(loss.cotangents(), {.weights = alone.data()});
    EXPECT_EQ(alone, dw);
  }
}

// Frequent categories first, as vocabularies are sorted: tiles of rare ones are left out where no
// row finds them likely, and what is lost is below epsilon.
TEST(LinearSoftmax, LeavesOutWhatIsUnlikely) {
  Example x(300, 2000, 5);
  for (std::size_t j = 0; j < x.categories; ++j) {
    x.bias[j] = j < 400 ? 0.0F : j < 1100 ? -8.0F : -20.0F;
  }
  const std::vector<double> c(x.n, -1.0 / static_cast<double>(x.n));
  const LinearSoftmax pass(x.states(), x.layer(), multiply_plainly, {.targets = x.targets});
  const auto gradients = [&](double epsilon, double& skipped) {
    std::vector<float> out(x.hidden.size() + x.weights.size());
    skipped = pass.add_gradients({.log_prob = c},
                                 {.hidden = out.data(), .weights = out.data() + x.hidden.size()},
                                 {.epsilon = epsilon});
    return out;
  };
  double none = 1;
  double some = 0;
  const auto exact = gradients(0, none);
  const auto sparse = gradients(0x1p-12, some);
  EXPECT_EQ(none, 0);
  EXPECT_GT(some, 0.25);
  EXPECT_LT(some, 0.95);
  double worst = 0;
  for (std::size_t i = 0; i < exact.size(); ++i) {
    worst = std::max(worst, static_cast<double>(std::abs(exact[i] - sparse[i])));
  }
  EXPECT_GT(worst, 0);
  EXPECT_LT(worst, 0x1p-12);
}

TEST(LinearSoftmax, TheSameBitsForAnyThreadsAndBatch) {
  const Example x(260, 1100, 6, 4);
  const auto all = [&](std::size_t first, std::size_t n, int threads) {
    return LinearSoftmax(
        {&x.hidden[first * x.columns], n, x.columns}, x.layer(), multiply_plainly,
        {.entropy = true, .k = 3, .streams = Streams(kStream, first), .threads = threads});
  };
  const LinearSoftmax one = all(0, x.n, 1);
  const LinearSoftmax three = all(0, x.n, 3);
  EXPECT_EQ(one.log_sum_exp(), three.log_sum_exp());
  EXPECT_EQ(one.entropy(), three.entropy());
  EXPECT_EQ(one.sample().indices, three.sample().indices);
  EXPECT_EQ(one.sample().threshold, three.sample().threshold);
  const LinearSoftmax part = all(100, 20, 2);
  for (std::size_t r = 0; r < 20; ++r) {
    EXPECT_EQ(part.log_sum_exp()[r], one.log_sum_exp()[100 + r]);
    EXPECT_EQ(part.sample().indices[3 * r + 2], one.sample().indices[3 * (100 + r) + 2]);
  }
}

TEST(LinearSoftmax, SaysWhatDoesNotFit) {
  Example x(3, 600, 4);
  const auto refusal = [&](const LinearSoftmaxRequest& request) {
    return message_of<InvalidArgument>(
        [&] { LinearSoftmax(x.states(), x.layer(), multiply_plainly, request); });
  };
  std::vector<std::int64_t> targets = {0, 600, 1};
  EXPECT_THAT(refusal({.targets = targets}), HasSubstr("targets"));
  targets.pop_back();
  EXPECT_THAT(refusal({.targets = targets}), HasSubstr("targets"));
  EXPECT_THAT(refusal({.k = 601}), HasSubstr("k: "));
  EXPECT_THAT(refusal({.threads = 0}), HasSubstr("threads"));
  const std::vector<double> wide(x.hidden.begin(), x.hidden.end());
  EXPECT_THAT(message_of<InvalidArgument>([&] {
                LinearSoftmax({wide.data(), 3, 4}, x.layer(), multiply_plainly);
              }),
              HasSubstr("hidden: expected float, bfloat16 or float16, got double"));
  const LinearSoftmax pass(x.states(), x.layer(), multiply_plainly);
  const std::vector<double> c(3, 1);
  EXPECT_THAT(message_of<InvalidArgument>([&] { pass.add_gradients({.entropy = c}, {}); }),
              HasSubstr("entropy: the pass was not asked for it"));
  EXPECT_THAT(message_of<InvalidArgument>(
                  [&] { pass.add_gradients({.log_sum_exp = c}, {}, {.epsilon = 1}); }),
              HasSubstr("epsilon"));
  x.hidden[8] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(refusal({}), "hidden: row 2: logits hold NaN or +inf");
  x.hidden[8] = 0;
  std::fill(x.bias.begin() + 2, x.bias.end(), -std::numeric_limits<float>::infinity());
  EXPECT_EQ(refusal({.k = 3}), "k: row 0: 3, but only 2 categories are possible");
  EXPECT_EQ(refusal({.top = 3}), "top: row 0: 3, but only 2 categories are possible");
}

}  // namespace
}  // namespace partita
