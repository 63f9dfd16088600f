// SPDX-License-Identifier: Apache-2.0
#include "partita/split/stochastic_beam.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/search/search_test_support.hpp"
#include "partita/split/split_test_support.hpp"

namespace partita {
namespace {

using ::testing::HasSubstr;
using testing::on_ranks;

constexpr double kFalseAlarm = 1e-7;

/// A rank's columns of a model.
class OwnColumns : public SplitSequenceModel {
 public:
  OwnColumns(const SequenceModel& whole, const SplitColumns& columns)
      : whole_(whole), columns_(columns) {}

  Token end_token() const override { return whole_.end_token(); }
  DType logits_dtype() const override { return whole_.logits_dtype(); }
  std::unique_ptr<DecodingState> start() const override { return whole_.start(); }
  void next_logits(std::span<const Sequence> prefixes, DecodingState* state,
                   MutableRows own) const override {
    if (logits_dtype() == DType::f32) {
      copy<float>(prefixes, state, own);
    } else {
      copy<double>(prefixes, state, own);
    }
  }

 private:
  template <class T>
  void copy(std::span<const Sequence> prefixes, DecodingState* state, MutableRows own) const {
    std::vector<T> all(prefixes.size() * whole_.vocabulary_size());
    const MutableRows logits(all.data(), prefixes.size(), whole_.vocabulary_size());
    whole_.next_logits(prefixes, state, logits);
    for (std::size_t i = 0; i < prefixes.size(); ++i) {
      std::copy_n(logits.row_data<T>(i) + columns_.first(), columns_.size(), own.row_data<T>(i));
    }
  }

  const SequenceModel& whole_;
  const SplitColumns& columns_;
};

using SplitBeamOfWidth = ::testing::TestWithParam<std::size_t>;

TEST_P(SplitBeamOfWidth, HasTheDistribution) {
  const testing::StatelessModel model({.vocabulary = 3});
  const SearchOptions options{.max_length = 3};
  const testing::Support support(model, options);  // 15 sequences
  for (const std::size_t shards : {2UL, 64UL}) {
    const SplitColumns columns(3, Group::alone(), shards);
    std::vector<testing::OrderedSample> samples;
    for (std::uint64_t i = 0; i < 30000; ++i) {
      const StochasticBeam beam = stochastic_beam_search(OwnColumns(model, columns), {}, GetParam(),
                                                         {.seed = 9, .id = i}, columns, options);
      testing::OrderedSample sample{{}, {}, beam.threshold};
      for (const PerturbedHypothesis& each : beam.sequences) {
        sample.indices.push_back(support.find(each));
        sample.perturbed.push_back(each.perturbed);
      }
      samples.push_back(std::move(sample));
    }
    const testing::OrderedSampleTest test = testing::test_ordered_samples(support.p, samples);
    EXPECT_GT(test.tuples, kFalseAlarm);
    EXPECT_GT(test.gumbels, kFalseAlarm);
  }
}

INSTANTIATE_TEST_SUITE_P(K, SplitBeamOfWidth, ::testing::Values(1, 2, 3));

bool same(const StochasticBeam& a, const StochasticBeam& b) {
  return a.sequences == b.sequences && a.threshold == b.threshold && a.weights == b.weights;
}

TEST(SplitStochasticBeam, TheSameBitsForAnyNumberOfRanksAndThreads) {
  for (const DType dtype : {DType::f32, DType::f64}) {
    const testing::StatefulModel model({.vocabulary = 200, .dtype = dtype});
    const auto search = [&](const SplitColumns& columns, int threads) {
      return stochastic_beam_search(OwnColumns(model, columns), {3, 1}, 30, {.seed = 4}, columns,
                                    {.max_length = 6, .threads = threads});
    };
    const auto one =
        on_ranks(1, 200, 64, [&](const SplitColumns& columns) { return search(columns, 1); });
    ASSERT_EQ(one[0].sequences.size(), 30U);
    for (const int ranks : {2, 3, 7, 64}) {
      const auto all =
          on_ranks(ranks, 200, 64, [&](const SplitColumns& columns) { return search(columns, 2); });
      for (const StochasticBeam& each : all) EXPECT_TRUE(same(each, one[0])) << ranks;
    }
    // That of a smaller width is its beginning.
    const SplitColumns alone(200);
    const StochasticBeam fewer = stochastic_beam_search(OwnColumns(model, alone), {3, 1}, 29,
                                                        {.seed = 4}, alone, {.max_length = 6});
    EXPECT_EQ(fewer.threshold, one[0].sequences[29].perturbed);
    EXPECT_TRUE(
        std::equal(fewer.sequences.begin(), fewer.sequences.end(), one[0].sequences.begin()));
  }
}

TEST(SplitStochasticBeam, GivesTheWholeSupport) {
  const testing::StatelessModel model({.vocabulary = 3});
  const SearchOptions options{.max_length = 3};
  const SplitColumns columns(3);
  const StochasticBeam beam =
      stochastic_beam_search(OwnColumns(model, columns), {}, 1000, {.seed = 5}, columns, options);
  EXPECT_EQ(beam.sequences.size(), testing::Support(model, options).size());
  EXPECT_EQ(beam.threshold, testing::kMinusInfinity);
}

TEST(SplitStochasticBeam, RefusesOnEveryRank) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const CallableModel model(8, -1, [&](std::span<const Token> prefix) {
    std::vector<double> row(8);
    if (prefix.size() == 2) row[7] = nan;
    if (prefix.size() == 3) row.assign(8, testing::kMinusInfinity);
    return row;
  });
  const auto said = [&](std::size_t length, std::size_t k, const SamplerSettings& filter = {}) {
    return on_ranks(2, 8, 4, [&](const SplitColumns& columns) {
      return testing::message_of<InvalidArgument>([&] {
        stochastic_beam_search(OwnColumns(model, columns), Sequence(length), k, {.seed = 1},
                               columns, {.max_length = 4, .filter = filter});
      });
    });
  };
  for (const std::string& each : said(2, 3)) EXPECT_THAT(each, HasSubstr("NaN at column 7"));
  for (const std::string& each : said(3, 3)) EXPECT_THAT(each, HasSubstr("all -inf"));
  for (const std::string& each : said(0, 0)) EXPECT_THAT(each, HasSubstr("k"));
  for (const std::string& each : said(0, 2, {.top_k = 3})) EXPECT_THAT(each, HasSubstr("filter"));
  for (const std::string& each : said(0, 2, {.repeat_penalty = 1.3})) {
    EXPECT_THAT(each, HasSubstr("filter"));
  }
  EXPECT_THAT(testing::message_of<InvalidArgument>([&] {
                const SplitColumns columns(8);
                stochastic_beam_search(OwnColumns(model, columns), {8}, 2, {.seed = 1}, columns);
              }),
              HasSubstr("prompt"));
}

}  // namespace
}  // namespace partita
