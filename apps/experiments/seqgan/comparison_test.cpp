// SPDX-License-Identifier: Apache-2.0
#include "apps/experiments/seqgan/comparison.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace partita::app {
namespace {

using ::testing::HasSubstr;

/// Held-out NLL 3 + (T - best)² and NLL under the oracle 4 + T - bonus, at T = 1.2 ... 0.6.
SeqganSweep sweep(const std::string& name, double best, double bonus) {
  SeqganSweep made{name};
  for (int i = 0; i < 13; ++i) {
    const double t = 1.2 - 0.05 * i;
    made.temperatures.push_back(t);
    made.quality.push_back({.name = name,
                            .oracle_nll = 4 + t - bonus,
                            .oracle_nll_error = 0.01,
                            .held_out_nll = 3 + (t - best) * (t - best)});
  }
  return made;
}

TEST(SeqganComparison, QualityWhereHeldOutNllIsGiven) {
  const SeqganSweep one = sweep("one", 1, 0);
  EXPECT_NEAR(quality_at(one, 3.01), 4.9, 1e-9);       // T = 0.9, not 1.1
  EXPECT_NEAR(quality_at(one, 3.01625), 4.875, 1e-9);  // halfway between 0.9 and 0.85
  EXPECT_TRUE(std::isnan(quality_at(one, 2.99)));
  EXPECT_TRUE(std::isnan(quality_at(one, 3.17)));
}

/// The second has better samples at every temperature, but only since it is more cautious.
TEST(SeqganComparison, CautionDoesNotWin) {
  const SeqganSweep cautious = sweep("cautious", 1.2, 0.2);
  const SeqganComparison same = compare(std::vector{sweep("one", 1, 0), cautious});
  ASSERT_EQ(same.generators.size(), 2U);
  EXPECT_NEAR(same.from, 3, 1e-9);
  EXPECT_NEAR(same.to, 3.16, 1e-9);
  EXPECT_NEAR(same.generators[0].oracle_nll, same.generators[1].oracle_nll, 1e-9);
  EXPECT_THAT(in_words(same), HasSubstr("are within the error of the samples."));

  const SeqganComparison better = compare(std::vector{sweep("one", 1, 0), sweep("two", 1, 0.05)});
  EXPECT_EQ(better.generators[0].name, "two");
  EXPECT_NEAR(better.generators[1].oracle_nll - better.generators[0].oracle_nll, 0.05, 1e-9);
  EXPECT_THAT(in_words(better), HasSubstr("for one: two wins."));
}

TEST(SeqganComparison, OfSweepsThatNeverMeet) {
  SeqganSweep far = sweep("far", 1, 0);
  for (SeqganQuality& q : far.quality) q.held_out_nll += 1;
  const SeqganComparison none = compare(std::vector{sweep("one", 1, 0), far});
  EXPECT_TRUE(none.generators.empty());
  EXPECT_EQ(in_words(none),
            "No two generators are ever equally diverse at the temperatures tried.");
}

}  // namespace
}  // namespace partita::app
