// SPDX-License-Identifier: Apache-2.0
#include "partita/calibration/conformal.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "calibration_test_support.hpp"
#include "errors.hpp"
#include "partita/base/error.hpp"

namespace partita {
namespace {

using ::testing::ElementsAre;
using testing::Labeled;
using testing::make_labeled;
using testing::message_of;

TEST(Conformal, Quantile) {
  std::vector<double> scores;
  for (int i = 1; i <= 99; ++i) scores.push_back(i);
  EXPECT_EQ(conformal_quantile(scores, 0.1), 90);  // ceil(100 * .9)
  EXPECT_EQ(conformal_quantile(scores, 0.095), 91);
  EXPECT_EQ(conformal_quantile(scores, 0.01), 99);
  EXPECT_EQ(conformal_quantile(scores, 0.009), INFINITY);
  EXPECT_EQ(conformal_quantile({}, 0.5), INFINITY);
  EXPECT_EQ(message_of<InvalidArgument>([] { conformal_quantile({1}, 0); }),
            "alpha: expected a number in (0, 1), got 0");
}

TEST(Conformal, SetsByHand) {
  const std::vector<double> p{0.5, 0.3, 0.15, 0.05};
  std::vector<double> z;
  for (const double value : p) z.push_back(std::log(value));
  const auto set = [&](ConformalScore score, double threshold) {
    ConformalOptions options{.score = score, .randomized = false, .penalty = 0.1, .free_rank = 2};
    const PredictionSets sets =
        predict_sets({options, 4, threshold}, {z.data(), 1, 4}, Stream{.seed = 1});
    return std::vector<std::int64_t>(sets.classes);
  };
  EXPECT_THAT(set(ConformalScore::lac, 0.71), ElementsAre(0, 1));  // 1 - p <= .71
  EXPECT_THAT(set(ConformalScore::aps, 0.81), ElementsAre(0, 1));  // .5, .8, .95, 1
  EXPECT_THAT(set(ConformalScore::aps, 0.96), ElementsAre(0, 1, 2));
  EXPECT_THAT(set(ConformalScore::raps, 0.96), ElementsAre(0, 1));  // .5, .8, 1.05, 1.2
  EXPECT_THAT(set(ConformalScore::raps, 1.06), ElementsAre(0, 1, 2));
  EXPECT_THAT(set(ConformalScore::saps, 0.71), ElementsAre(0, 1, 2));  // .5, .6, .7, .8
  EXPECT_THAT(set(ConformalScore::lac, INFINITY), ElementsAre(0, 1, 2, 3));
}

TEST(Conformal, CoversAsPromised) {
  // Coverage of m new rows, given n held-out ones, is beta-binomial with mean between 1 - alpha and
  // 1 - alpha + 1/(n + 1): for n = m = 2000 a standard deviation of .0095. Five of them.
  constexpr std::size_t kRows = 2000;
  const Labeled held_out = make_labeled(kRows, 12, 2, 11);  // at the wrong temperature
  const Labeled fresh = make_labeled(kRows, 12, 2, 12);
  for (const ConformalScore score :
       {ConformalScore::lac, ConformalScore::aps, ConformalScore::raps, ConformalScore::saps}) {
    const auto predictor = fit_conformal(held_out.view(), held_out.labels, Stream{13}.child(0),
                                         {.score = score, .alpha = 0.1});
    const PredictionSets sets = predict_sets(predictor, fresh.view(), Stream{13}.child(1));
    int covered = 0;
    for (std::size_t r = 0; r < kRows; ++r) {
      const auto set = sets.of(r);
      covered += std::find(set.begin(), set.end(), fresh.labels[r]) != set.end() ? 1 : 0;
    }
    EXPECT_NEAR(covered / static_cast<double>(kRows), 0.9, 0.048);
    const PredictionSets again =
        predict_sets(predictor, fresh.view(), Stream{13}.child(1), {.threads = 3});
    EXPECT_EQ(again.classes, sets.classes);
    EXPECT_EQ(again.start, sets.start);
  }
}

/// The share of the rows of each class whose sets hold it.
std::vector<double> coverage_by_class(const PredictionSets& sets, const Labeled& data) {
  std::vector<double> covered(data.classes);
  std::vector<double> rows(data.classes);
  for (std::size_t r = 0; r < data.rows; ++r) {
    const auto set = sets.of(r);
    const auto y = static_cast<std::size_t>(data.labels[r]);
    rows[y] += 1;
    covered[y] += std::find(set.begin(), set.end(), data.labels[r]) != set.end() ? 1 : 0;
  }
  for (std::size_t k = 0; k < rows.size(); ++k) covered[k] /= rows[k];
  return covered;
}

TEST(Conformal, CoversEveryClassIfConditional) {
  // The network thinks little of class 0. Of 4 classes there are some 1000 rows each, held out and
  // fresh: a coverage's deviation is sqrt(.09 (1/1000 + 1/1000)) = .0134, five of which are .067.
  constexpr std::size_t kRows = 4000;
  const auto skewed = [](std::uint64_t seed) {
    Labeled data = make_labeled(kRows, 4, 1, seed);
    for (std::size_t r = 0; r < kRows; ++r) data.logits[4 * r] -= 3;
    return data;
  };
  const Labeled held_out = skewed(21);
  const Labeled fresh = skewed(22);
  for (const ConformalScore score :
       {ConformalScore::lac, ConformalScore::aps, ConformalScore::raps, ConformalScore::saps}) {
    const auto coverage = [&](bool conditional) {
      const auto predictor =
          fit_conformal(held_out.view(), held_out.labels, Stream{23}.child(0),
                        {.score = score, .alpha = 0.1, .class_conditional = conditional});
      return coverage_by_class(predict_sets(predictor, fresh.view(), Stream{23}.child(1)), fresh);
    };
    EXPECT_LT(coverage(false)[0], 0.83);
    for (const double of_class : coverage(true)) EXPECT_NEAR(of_class, 0.9, 0.067);
  }
}

TEST(Conformal, AClassOfFewRowsIsInEverySet) {
  const double z[] = {3, 0, 3, 0, 3, 0, 0, 3};
  const std::int64_t labels[] = {0, 0, 0, 1};
  const auto predictor =
      fit_conformal(Rows(z, 4, 2), labels, Stream{}, {.alpha = 0.3, .class_conditional = true});
  EXPECT_LT(predictor.threshold_of(0), 1);
  EXPECT_EQ(predictor.threshold_of(1), INFINITY);  // n = 1 < 1 / .3 - 1
}

TEST(Conformal, Refusals) {
  const Labeled data = make_labeled(10, 3, 1, 14);
  EXPECT_EQ(message_of<InvalidArgument>([&] {
              fit_conformal(data.view(), data.labels, Stream{},
                            {.score = ConformalScore::raps, .penalty = -1});
            }),
            "penalty: expected a number in [0, inf), got -1");
  EXPECT_EQ(message_of<InvalidArgument>([&] {
              predict_sets({{}, 4, 1}, data.view(), Stream{.seed = 1});
            }),
            "logits: expected 4 (classes of the predictor), got 3");
}

}  // namespace
}  // namespace partita
