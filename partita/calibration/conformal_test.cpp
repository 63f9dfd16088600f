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
  const ConformalOptions saps{.score = ConformalScore::saps};
  const ConformalOptions raps{.score = ConformalScore::raps};
  EXPECT_EQ(saps.penalty_of_ranks(), 0.2);
  EXPECT_EQ(raps.penalty_of_ranks(), 0.01);
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
                        {.score = score,
                         .alpha = 0.1,
                         .coverage = conditional ? ConformalCoverage::class_conditional
                                                 : ConformalCoverage::marginal});
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
      fit_conformal(Rows(z, 4, 2), labels, Stream{},
                    {.alpha = 0.3, .coverage = ConformalCoverage::class_conditional});
  EXPECT_LT(predictor.threshold_of(0), 1);
  EXPECT_EQ(predictor.threshold_of(1), INFINITY);  // n = 1 < 1 / .3 - 1
}

TEST(Conformal, ClustersCoverTheirClasses) {
  // 60 classes of some 100 rows each, of which the network thinks too much, rightly, and too
  // little.
  constexpr std::size_t kRows = 6000;
  constexpr std::size_t kClasses = 60;
  const auto skewed = [](std::uint64_t seed) {
    Labeled data = make_labeled(kRows, kClasses, 1, seed);
    for (std::size_t i = 0; i < data.logits.size(); ++i) {
      const std::size_t twenty = i % kClasses / 20;
      data.logits[i] += 2 - 2.0 * static_cast<double>(twenty);
    }
    return data;
  };
  const Labeled held_out = skewed(31);
  const Labeled fresh = skewed(32);
  const auto fit = [&](ConformalCoverage coverage) {
    return fit_conformal(held_out.view(), held_out.labels, Stream{33}.child(0),
                         {.score = ConformalScore::aps, .alpha = 0.1, .coverage = coverage});
  };
  const auto coverage_by_kind = [&](const ConformalPredictor& predictor) {
    const PredictionSets sets = predict_sets(predictor, fresh.view(), Stream{33}.child(1));
    std::vector<double> covered(3);
    std::vector<double> rows(3);
    for (std::size_t r = 0; r < kRows; ++r) {
      const auto set = sets.of(r);
      const auto kind = static_cast<std::size_t>(fresh.labels[r] / 20);
      rows[kind] += 1;
      covered[kind] += std::find(set.begin(), set.end(), fresh.labels[r]) != set.end() ? 1 : 0;
    }
    for (std::size_t i = 0; i < 3; ++i) covered[i] /= rows[i];
    return covered;
  };
  const auto marginal = coverage_by_kind(fit(ConformalCoverage::marginal));
  EXPECT_GT(marginal[0], 0.95);
  EXPECT_LT(marginal[2], 0.84);
  // A kind has some 2000 fresh rows, and its clusters 1100 held-out ones: a deviation of .0113.
  const ConformalPredictor clustered = fit(ConformalCoverage::clustered);
  for (const double of_kind : coverage_by_kind(clustered)) EXPECT_NEAR(of_kind, 0.9, 0.057);
  ASSERT_EQ(clustered.clusters.size(), kClasses);
  std::vector<std::vector<double>> kinds(16,
                                         std::vector<double>(3));  // of the classes of a cluster
  for (std::size_t k = 0; k < kClasses; ++k) {
    ASSERT_GE(clustered.clusters[k], 0);
    ASSERT_LT(clustered.clusters[k], 16);
    kinds[static_cast<std::size_t>(clustered.clusters[k])][k / 20] += 1;
  }
  double with_their_kind = 0;
  for (const auto& cluster : kinds)
    with_their_kind += *std::max_element(cluster.begin(), cluster.end());
  EXPECT_GE(with_their_kind, 50);
}

TEST(Conformal, WithoutClustersAClassHasTheThresholdOfAll) {
  const Labeled data = make_labeled(300, 30, 1, 34);  // 10 rows a class
  const auto predictor = fit_conformal(data.view(), data.labels, Stream{35},
                                       {.coverage = ConformalCoverage::clustered});
  EXPECT_THAT(predictor.clusters, ::testing::Each(-1));
  EXPECT_THAT(predictor.class_thresholds, ::testing::Each(predictor.threshold));
  EXPECT_LT(predictor.threshold, 1);
}

TEST(Conformal, WeightedThresholdsByHand) {
  const WeightedScores weighted{{1, 2, 3}, {1, 3, 6}};  // weights 1, 2, 3
  EXPECT_EQ(weighted.threshold(0.5, 0), 2);             // 3 of 6
  EXPECT_EQ(weighted.threshold(0.5, 1), 3);             // 3.5 of 7
  EXPECT_EQ(weighted.threshold(0.25, 2), 3);            // 6 of 8
  EXPECT_EQ(weighted.threshold(0.25, 2.1), INFINITY);
}

TEST(Conformal, EqualWeightsAreNone) {
  const Labeled data = make_labeled(999, 5, 2, 36);
  const auto plain = fit_conformal(data.view(), data.labels, Stream{37}, {.alpha = 0.1});
  const std::vector<double> weights(data.rows, 0.3);
  const auto weighted =
      fit_weighted_conformal(data.view(), data.labels, weights, Stream{37}, {.alpha = 0.1});
  EXPECT_EQ(weighted.weighted->threshold(0.1, 0.3), plain.threshold);
  EXPECT_EQ(predict_sets(weighted, data.view(), weights, Stream{38}).classes,
            predict_sets(plain, data.view(), Stream{38}).classes);
}

TEST(Conformal, WeightsKeepThePromiseUnderShift) {
  // Rows of which the network is rightly sure, and of which it is six times too sure: four fifths
  // of the held-out ones, and one fifth of the new.
  constexpr std::size_t kRows = 4000;
  const auto mixed = [](std::uint64_t seed, std::size_t easy) {
    const Labeled sure = make_labeled(kRows, 8, 1, seed);
    Labeled data = make_labeled(kRows, 8, 6, seed + 1);
    for (std::size_t r = 0; r < kRows; ++r) {
      if (r % 5 >= easy) continue;
      std::copy_n(&sure.logits[8 * r], 8, &data.logits[8 * r]);
      data.labels[r] = sure.labels[r];
    }
    return data;
  };
  const Labeled held_out = mixed(41, 4);
  const Labeled fresh = mixed(43, 1);
  std::vector<double> held_out_weights;
  std::vector<double> fresh_weights;
  for (std::size_t r = 0; r < kRows; ++r) {
    held_out_weights.push_back(r % 5 < 4 ? 0.25 : 4);
    fresh_weights.push_back(r % 5 < 1 ? 0.25 : 4);
  }
  const auto coverage = [&](const PredictionSets& sets) {
    double covered = 0;
    for (std::size_t r = 0; r < kRows; ++r) {
      const auto set = sets.of(r);
      covered += std::find(set.begin(), set.end(), fresh.labels[r]) != set.end() ? 1 : 0;
    }
    return covered / kRows;
  };
  const auto plain = fit_conformal(held_out.view(), held_out.labels, Stream{45}.child(0));
  EXPECT_LT(coverage(predict_sets(plain, fresh.view(), Stream{45}.child(1))), 0.82);
  // The weights leave (sum w)^2 / sum w^2 = 1231 rows: a deviation of .0098.
  const auto weighted = fit_weighted_conformal(held_out.view(), held_out.labels, held_out_weights,
                                               Stream{45}.child(0));
  const auto sets = predict_sets(weighted, fresh.view(), fresh_weights, Stream{45}.child(1));
  EXPECT_NEAR(coverage(sets), 0.9, 0.049);
  EXPECT_EQ(predict_sets(weighted, fresh.view(), fresh_weights, Stream{45}.child(1), {.threads = 3})
                .classes,
            sets.classes);
}

TEST(Conformal, RefusesWeights) {
  const Labeled data = make_labeled(3, 3, 1, 14);
  const auto fit = [&](const std::vector<double>& weights, ConformalOptions options = {}) {
    return message_of<InvalidArgument>(
        [&] { fit_weighted_conformal(data.view(), data.labels, weights, Stream{}, options); });
  };
  EXPECT_EQ(fit({1, 2}), "weights: expected 3 (one for each row), got 2");
  EXPECT_EQ(fit({1, -2, 0}), "weights: row 1: expected a number in [0, inf), got -2");
  EXPECT_EQ(fit({0, 0, 0}), "weights: all of them are 0");
  EXPECT_EQ(fit({1, 1, 1}, {.coverage = ConformalCoverage::clustered}),
            "coverage: expected marginal with weights, got clustered");
  const auto weighted =
      fit_weighted_conformal(data.view(), data.labels, std::vector<double>{1, 2, 3}, Stream{});
  EXPECT_EQ(message_of<InvalidArgument>([&] { predict_sets(weighted, data.view(), Stream{}); }),
            "weights: required: the predictor was fitted with weights");
  EXPECT_EQ(message_of<InvalidArgument>([&] {
              predict_sets(fit_conformal(data.view(), data.labels, Stream{}), data.view(),
                           std::vector<double>{1, 2, 3}, Stream{});
            }),
            "weights: not used: the predictor was fitted without weights");
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
