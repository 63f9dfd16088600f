// SPDX-License-Identifier: Apache-2.0
#include "partita/detection/score_fusion.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/random/stream.hpp"

namespace partita {
namespace {

using testing::message_of;

/// Normal scores of deviation 1, that of the d-th detector around `apart[d]` for known rows, else
/// 0.
struct Scored {
  Scored(std::size_t in, std::size_t out, const std::vector<double>& apart, std::uint64_t seed) {
    for (std::size_t d = 0; d < apart.size(); ++d) {
      Draws draws({.seed = seed, .id = d});
      known.emplace_back();
      unknown.emplace_back();
      for (std::size_t r = 0; r < in; ++r) known.back().push_back(apart[d] + draws.normal());
      for (std::size_t r = 0; r < out; ++r) unknown.back().push_back(draws.normal());
    }
  }
  std::vector<ScoredSides> sides() const {
    std::vector<ScoredSides> out;
    for (std::size_t d = 0; d < known.size(); ++d) out.push_back({known[d], unknown[d]});
    return out;
  }
  std::vector<double> fused(const ScoreFusion& fusion, bool in) const {
    std::vector<std::span<const double>> scores;
    for (const auto& each : in ? known : unknown) scores.emplace_back(each);
    return fused_scores(fusion, scores);
  }

  std::vector<std::vector<double>> known;
  std::vector<std::vector<double>> unknown;
};

TEST(ScoreFusion, FindsTheLogOdds) {
  // Of normal scores m apart, the log odds are m s - m^2 / 2 for each, whatever the shares of known
  // and unknown rows. With 8000 and 4000 rows a weight has a standard error of about .03.
  const std::vector<double> apart{1, 0.5, 0};
  const Scored data(8000, 4000, apart, 1);
  const ScoreFusion fusion = fit_score_fusion(data.sides());
  for (std::size_t d = 0; d < 3; ++d) EXPECT_NEAR(fusion.weights[d], apart[d], 0.15);
  EXPECT_NEAR(fusion.bias, -0.5 - 0.125, 0.15);
}

TEST(ScoreFusion, IsTheMaximumOfTheLikelihood) {
  const Scored data(30, 50, {1, 0.7}, 2);
  const ScoreFusion fusion = fit_score_fusion(data.sides());
  const auto nll = [&](ScoreFusion at) {
    at.bias += std::log(30.0 / 50);  // back to the shares of these rows
    double total = 0;
    const auto add = [&](bool in, double target) {
      for (const double z : data.fused(at, in)) {
        total += target * std::log1p(std::exp(-z)) + (1 - target) * std::log1p(std::exp(z));
      }
    };
    add(true, 31.0 / 32);
    add(false, 1.0 / 52);
    return total;
  };
  const double least = nll(fusion);
  for (const double step : {-1e-3, 1e-3}) {
    for (std::size_t d = 0; d < 3; ++d) {
      ScoreFusion moved = fusion;
      (d < 2 ? moved.weights[d] : moved.bias) += step;
      EXPECT_GT(nll(moved), least);
    }
  }
}

TEST(ScoreFusion, KnowsMoreThanEach) {
  const Scored data(3000, 3000, {1, 1}, 3);
  const ScoreFusion fusion = fit_score_fusion(data.sides());
  const Scored fresh(3000, 3000, {1, 1}, 4);
  const auto auroc = [](const std::vector<double>& in, const std::vector<double>& out) {
    return detection_metrics(in, out, Positive::in).auroc;
  };
  // Phi(1 / sqrt(2)) = .760 for one, Phi(1) = .841 for both; a deviation of .006.
  EXPECT_NEAR(auroc(fresh.known[0], fresh.unknown[0]), 0.760, 0.03);
  EXPECT_NEAR(auroc(fresh.fused(fusion, true), fresh.fused(fusion, false)), 0.841, 0.03);
}

TEST(ScoreFusion, ScoresThatTellAllApartHaveWeights) {
  const std::vector<double> in{3, 4};
  const std::vector<double> out{1, 2};
  const std::vector<ScoredSides> sides{{in, out}};
  const ScoreFusion fusion = fit_score_fusion(sides);
  EXPECT_GT(fusion.weights[0], 0);
  EXPECT_NEAR(-fusion.bias / fusion.weights[0], 2.5, 1e-9);
}

TEST(ScoreFusion, Refusals) {
  const std::vector<double> in{1, 2, 4};
  const std::vector<double> out{0, 3};
  const auto refusal = [](const std::vector<ScoredSides>& sides) {
    return message_of<InvalidArgument>([&] { fit_score_fusion(sides); });
  };
  EXPECT_EQ(refusal({}), "detectors: expected 1 or more, got 0");
  EXPECT_EQ(refusal({{in, {}}}), "out: expected 1 or more (rows), got 0");
  EXPECT_EQ(refusal({{in, out}, {out, out}}), "in: expected 3 (rows of the first detector), got 2");
  const std::vector<double> infinite{0, std::numeric_limits<double>::infinity()};
  EXPECT_EQ(refusal({{in, infinite}}), "out: detector 0, row 1: expected a number, got inf");
  const std::vector<double> ones(3, 1);
  EXPECT_EQ(refusal({{in, out}, {ones, std::span(ones).first(2)}}),
            "detectors: detector 1: all scores are equal");
  EXPECT_EQ(refusal({{in, out}, {in, out}}),
            "detectors: one score is a sum of others: leave it out");
  const ScoreFusion fusion{{1, 2}, 0};
  const std::vector<std::span<const double>> one{in};
  EXPECT_EQ(message_of<InvalidArgument>([&] { fused_scores(fusion, one); }),
            "scores: expected 2 (one list for each weight), got 1");
}

}  // namespace
}  // namespace partita
