// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/continuous_bernoulli.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "partita/learn/distributions/test_support.hpp"

namespace partita::distributions {
namespace {

using testing::kInfinity;
using testing::number;

TEST(ContinuousBernoulli, Draws) {
  for (const double logits : {-30.0, -1.0, 0.0, 1e-3, 0.4, 800.0}) {
    testing::expect_draws_follow_cdf(ContinuousBernoulli(Logits(number(logits))));
  }
}

TEST(ContinuousBernoulli, PathwiseGradient) {
  for (const double probs : {0.1, 0.4, 0.499, 0.5, 0.503, 0.9}) {
    testing::expect_pathwise_gradient(
        [](const auto& p) { return std::make_shared<ContinuousBernoulli>(p[0]); }, {probs});
  }
}

/// mpmath with 60 digits: logits s; then log_prob(0.3), mean, variance, entropy, cdf(0.3),
/// log_survival(0.3), icdf(0.3). On both sides of where the forms change.
constexpr std::array<std::array<double, 8>, 18> kReference = {{
    {-1000.0, -293.09224472101785, 0.001, 1.0e-6, -5.9077552789821371, 1.0, -300.0,
     0.00035667494393873236},
    {-30.0, -5.5988026183377507, 0.033333333333239757, 0.0011111111110175349, -2.4011973816650562,
     0.99987659019600689, -9.0000000007581621, 0.011889164797956409},
    {-0.7000001, 0.11966607308340883, 0.44213755680389574, 0.0813306950101144,
     -0.020169769106926117, 0.37626187930009145, -0.47202467706785287, 0.23389262482158226},
    {-0.69, 0.11824061575322467, 0.44295115126780897, 0.081386447025893815, -0.019604321378436475,
     0.37514320322073235, -0.47023278065208547, 0.23472873113400467},
    {-0.02, 0.0039833333888885365, 0.49833334444433863, 0.083331666693121323,
     -1.6666500001763651e-5, 0.30210278526971279, -0.35968344389651601, 0.297905618029772},
    {-0.0100001, 0.001995853253471939, 0.49916665972226058, 0.083332916659986791,
     -4.1667395833608857e-6, 0.30105070867454754, -0.35817708397859393, 0.29895139179242826},
    {-0.0099, 0.0019759162533353979, 0.49917500134763436, 0.083332924959921615,
     -4.0837399938175078e-6, 0.30104018428525298, -0.3581620266486978, 0.29896187433720976},
    {-0.004, 0.00079933333342222226, 0.49966666675555552, 0.083333266666708995,
     -6.666664000001129e-7, 0.30042011188235135, -0.35727528393866482, 0.29958022414532761},
    {0.0, 0.0, 0.5, 0.083333333333333333, 0.0, 0.29999999999999999, -0.35667494393873236,
     0.29999999999999999},
    {1e-09, -2.0000000004166669e-10, 0.50000000008333333, 0.083333333333333333,
     -4.1666666666666672e-20, 0.29999999989499999, -0.35667494378873236, 0.30000000010499999},
    {0.004, -0.00080066666657777786, 0.50033333324444448, 0.083333266666708995,
     -6.666664000001129e-7, 0.29958011211755126, -0.35607528393866482, 0.3004202238541276},
    {0.0099, -0.0019840837466646026, 0.50082499865236564, 0.083332924959921615,
     -4.0837399938175078e-6, 0.29896118785109354, -0.35519202664869779, 0.30104086992234887},
    {0.0101, -0.0020242504130534642, 0.50084166523569653, 0.083332908293387236,
     -4.2504058270708147e-6, 0.29894021596119463, -0.35516211164848669, 0.30106192578499302},
    {0.3, -0.063747191511089314, 0.52496258017674927, 0.082959668412590905, -0.0037415825419354673,
     0.26917797027234192, -0.31358531025876532, 0.33269000483400209},
    {0.699, -0.16007611936156707, 0.55778110156259921, 0.081336304065877213, -0.020112870630689772,
     0.23060076795628029, -0.26214528678801762, 0.379212908412538},
    {0.701, -0.16059184422982241, 0.55794376295127468, 0.081325079675204294, -0.020226733599021139,
     0.23041515544613391, -0.26190407245205553, 0.3794526489718909},
    {3.0, -0.95031853038918876, 0.71906236315792262, 0.055970105609051348, -0.30686855908457913,
     0.076476921609872454, -0.079559489519597894, 0.63531007402092582},
    {40.0, -24.311120545886064, 0.975, 0.00062499999999999575, -2.6888794541139365,
     6.9143576233976471e-13, -6.9143576234000375e-13, 0.9699006798918516},
}};

TEST(ContinuousBernoulli, AgainstValuesOfMpmath) {
  for (const auto& row : kReference) {
    const ContinuousBernoulli d(Logits(number(row[0])));
    const Tensor x = number(0.3);
    const std::array<Tensor, 7> actual = {
        d.log_prob(x), d.mean(), d.variance(), d.entropy(), d.cdf(x), d.log_survival(x), d.icdf(x)};
    for (std::size_t i = 0; i < actual.size(); ++i) {
      const double expected = row[i + 1];
      EXPECT_NEAR(actual[i].item<double>(), expected, 1e-13 * std::max(1.0, std::abs(expected)))
          << row[0] << ", " << i;
    }
  }
}

TEST(ContinuousBernoulli, GradientsAgreeWhereTheFormsMeet) {
  for (const double s : {0.0, 0.01, -0.01, 0.7, -0.7}) {
    const auto slopes = [&](double at) {
      Tensor leaf = number(at).set_requires_grad(true);
      const ContinuousBernoulli d{Logits(leaf)};
      const Tensor x = number(0.3);
      std::vector<double> all;
      for (const Tensor& y : {d.log_prob(x), d.mean(), d.variance(), d.entropy(), d.cdf(x),
                              d.log_cdf(x), d.log_survival(x), d.icdf(x)}) {
        leaf.mutable_grad() = Tensor();
        y.backward({}, true);
        all.push_back(leaf.grad().item<double>());
      }
      return all;
    };
    const auto below = slopes(s - 1e-9);
    const auto above = slopes(s + 1e-9);
    for (std::size_t i = 0; i < below.size(); ++i) EXPECT_NEAR(below[i], above[i], 1e-8) << s << i;
    // d log_prob / d logits = x - mean.
    EXPECT_NEAR(slopes(s)[0], 0.3 - ContinuousBernoulli(Logits(number(s))).mean().item<double>(),
                1e-13);
  }
}

TEST(ContinuousBernoulli, Ends) {
  for (const ProbsOrLogits& parameter :
       {ProbsOrLogits(number(0)), ProbsOrLogits(number(1)),
        ProbsOrLogits(Logits(number(kInfinity))), ProbsOrLogits(Logits(number(-kInfinity))),
        ProbsOrLogits(Logits(number(1e5)))}) {
    const ContinuousBernoulli d(parameter);
    for (const double x : {0.0, 0.5, 1.0}) {
      EXPECT_FALSE(std::isnan(d.log_prob(number(x)).item<double>()));
      EXPECT_FALSE(std::isnan(d.cdf(number(x)).item<double>()));
      EXPECT_FALSE(std::isnan(d.icdf(number(x)).item<double>()));
    }
    EXPECT_TRUE(std::isfinite(d.entropy().item<double>()));
    EXPECT_TRUE(std::isfinite(d.mean().item<double>()));
    EXPECT_TRUE(std::isfinite(d.variance().item<double>()));
  }
  const ContinuousBernoulli steep(Logits(number(1000)));
  EXPECT_DOUBLE_EQ(steep.log_prob(number(1)).item<double>(), std::log(1000));
  EXPECT_DOUBLE_EQ(steep.log_cdf(number(0.2)).item<double>(), -800);
  EXPECT_EQ(steep.mode().item<double>(), 1);
  EXPECT_TRUE(std::isnan(ContinuousBernoulli(number(0.5)).mode().item<double>()));
}

}  // namespace
}  // namespace partita::distributions
