#include "partita/learn/distributions/kl.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <thread>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/learn/distributions/bernoulli.hpp"
#include "partita/learn/distributions/categorical.hpp"
#include "partita/learn/distributions/normal.hpp"
#include "partita/learn/distributions/one_hot_categorical.hpp"
#include "partita/learn/distributions/test_support.hpp"

namespace partita::distributions {
namespace {

using partita::testing::message_of;
using testing::to_vector;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

double kl(const Distribution& p, const Distribution& q) {
  return kl_divergence(p, q).item<double>();
}

Tensor doubles(const std::vector<double>& values) { return at::tensor(values, at::kDouble); }

TEST(Kl, EdgesAreZeroOrInfiniteAndNeverNaN) {
  const Bernoulli p(doubles({0, 0, 1, 0, 1, 0.5}));
  const Bernoulli q(doubles({0, 1, 1, 0.75, 0.25, 0}));
  EXPECT_EQ(to_vector(kl_divergence(p, q)),
            (std::vector<double>{0, kInfinity, 0, std::log(4), std::log(4), kInfinity}));
  const Categorical a(doubles({0.5, 0.5, 0}));
  const Categorical b(doubles({0.25, 0.75, 0}));
  EXPECT_NEAR(kl(a, b), 0.5 * std::log(2.0) + 0.5 * std::log(2.0 / 3), 1e-15);
  EXPECT_EQ(kl(a, Categorical(doubles({1, 0, 0}))), kInfinity);
}

TEST(Kl, GradientsAtEdgesAreFinite) {
  const Tensor p = doubles({0, 0.5, 0.5}).set_requires_grad(true);
  const Tensor q = doubles({0, 0.25, 0.75}).set_requires_grad(true);
  kl_divergence(Categorical(p), Categorical(q)).backward();
  EXPECT_TRUE(p.grad().isfinite().all().item<bool>()) << p.grad();
  EXPECT_TRUE(q.grad().isfinite().all().item<bool>()) << q.grad();
  const Tensor x = doubles({0, 1, 0.5}).set_requires_grad(true);
  const Tensor y = doubles({0, 1, 0.25}).set_requires_grad(true);
  kl_divergence(Bernoulli(x), Bernoulli(y)).sum().backward();
  EXPECT_TRUE(x.grad().isfinite().all().item<bool>()) << x.grad();
  EXPECT_TRUE(y.grad().isfinite().all().item<bool>()) << y.grad();
}

TEST(Kl, NeighborsLoseNoDigits) {
  // (r^2 - 1) / 2 - log r and p log(p / q) + (1 - p) log((1 - p) / (1 - q)) of these doubles,
  // mpmath.
  EXPECT_NEAR(kl(Normal(doubles({0}), 1 + 1e-6), Normal(0, 1)) / 9.9999966650238347e-13, 1, 1e-12);
  EXPECT_NEAR(
      kl(Bernoulli(doubles({0.25})), Bernoulli(doubles({0.25000001}))) / 2.6666666164520299e-16, 1,
      1e-7);
  const Tensor logits = Random(Stream{.seed = 1}).normal({10'000, 50}, at::kFloat);
  const Tensor close = logits + 1e-4 * Random(Stream{.seed = 2}).normal({10'000, 50}, at::kFloat);
  const Tensor divergence = kl_divergence(Categorical(Logits(logits)), Categorical(Logits(close)));
  EXPECT_GE(divergence.min().item<double>(), 0) << "in single precision, too";
}

TEST(Kl, BroadcastsBatches) {
  const Normal p(at::zeros({3, 1}), at::ones({4}));
  EXPECT_EQ(kl_divergence(p, Normal(0, 1)).sizes(), IntArrayRef({3, 4}));
  EXPECT_EQ(kl_divergence(Normal(0, 1), p).sizes(), IntArrayRef({3, 4}));
  EXPECT_EQ(
      message_of<InvalidArgument>(
          [] { kl_divergence(Normal(at::zeros({2}), 1), Normal(at::zeros({3}), 1)); }),
      "p, q: kl_divergence: expected batch shapes that broadcast and equal event shapes, got "
      "Normal(loc: [2], scale: [2]) (batch [2], event []) and Normal(loc: [3], scale: [3]) (batch "
      "[3], event [])");
}

TEST(Kl, NamesThePairThatHasNoClosedForm) {
  EXPECT_EQ(message_of<InvalidArgument>([] { kl_divergence(Normal(0, 1), Bernoulli(0.5)); }),
            "p, q: kl_divergence: Normal(loc: 0, scale: 1) and Bernoulli(probs: 0.5) have no "
            "closed form here; register_kl() adds one, and the mean of p.log_prob(x) - "
            "q.log_prob(x) over draws x of p estimates it");
}

// Classes of this test alone, so that what it registers is seen by nobody else.
class Base : public Normal {
 public:
  Base() : Normal(0, 1) {}
};
class Derived : public Base {};

TEST(Kl, TheCallersPairsComeFirst) {
  EXPECT_EQ(kl(Base(), Base()), 0) << "a Base is a Normal";
  register_kl<Base, Base>([](const Base&, const Base&) { return at::full({}, 1.0); });
  register_kl<Base, Normal>([](const Base&, const Normal&) { return at::full({}, 2.0); });
  EXPECT_EQ(kl(Base(), Base()), 1) << "exact";
  EXPECT_EQ(kl(Base(), Normal(0, 1)), 2);
  EXPECT_EQ(kl(Derived(), Normal(0, 1)), 2);
  EXPECT_EQ(kl(Normal(0, 1), Base()), 0);
  register_kl<Derived, Derived>([](const Derived&, const Derived&) {
    return 3 + kl_divergence(Base(), Base());  // from within
  });
  EXPECT_EQ(kl(Derived(), Derived()), 4);
}

TEST(Kl, RegistersWhileOthersDivide) {
  class Mine : public Normal {
   public:
    Mine() : Normal(0, 1) {}
  };
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      for (int i = 0; i < 200; ++i) {
        if (t % 2 == 0) {
          register_kl<Mine, Mine>([](const Mine&, const Mine&) { return at::full({}, 1.0); });
        }
        const double divergence = kl(Mine(), Mine());
        EXPECT_TRUE(divergence == 0 || divergence == 1);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(kl(Mine(), Mine()), 1);
}

}  // namespace
}  // namespace partita::distributions
