// SPDX-License-Identifier: Apache-2.0
#include "partita/split/shared_beam.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/base/thread_group.hpp"
#include "partita/search/search_test_support.hpp"

namespace partita {
namespace {

using ::testing::HasSubstr;

/// Counts the prefixes that it is asked about.
class Counted : public SequenceModel {
 public:
  explicit Counted(const SequenceModel& model) : model_(model) {}
  std::size_t vocabulary_size() const override { return model_.vocabulary_size(); }
  Token end_token() const override { return model_.end_token(); }
  DType logits_dtype() const override { return model_.logits_dtype(); }
  std::unique_ptr<DecodingState> start() const override { return model_.start(); }
  void next_logits(std::span<const Sequence> prefixes, DecodingState* state,
                   MutableRows logits) const override {
    asked += prefixes.size();
    model_.next_logits(prefixes, state, logits);
  }

  mutable std::size_t asked = 0;

 private:
  const SequenceModel& model_;
};

TEST(SharedBeam, IsThatOfOneProcessToTheBit) {
  const testing::StatelessModel stateless({.vocabulary = 50, .dtype = DType::f32});
  const testing::StatefulModel stateful({.vocabulary = 50});
  SearchOptions filtered{.max_length = 7};
  filtered.filter.top_k = 9;
  for (const SequenceModel* model : {static_cast<const SequenceModel*>(&stateless),
                                     static_cast<const SequenceModel*>(&stateful)}) {
    for (const SearchOptions& options : {SearchOptions{.max_length = 7}, filtered}) {
      for (const std::size_t k : {1U, 3U, 40U}) {
        const StochasticBeam whole =
            stochastic_beam_search(*model, {2, 1}, k, {.seed = 3}, options);
        for (const int ranks : {1, 2, 3, 5}) {
          run_threads(ranks, [&](Group& group) {
            const StochasticBeam beam =
                stochastic_beam_search(*model, {2, 1}, k, {.seed = 3}, group, options);
            EXPECT_EQ(beam.sequences, whole.sequences) << k << ' ' << ranks;
            EXPECT_EQ(beam.threshold, whole.threshold);
            EXPECT_EQ(beam.weights, whole.weights);
          });
        }
      }
    }
  }
}

TEST(SharedBeam, GivesTheWholeSupport) {
  const testing::StatefulModel model({.vocabulary = 3});
  const SearchOptions options{.max_length = 3};
  run_threads(2, [&](Group& group) {
    const StochasticBeam beam =
        stochastic_beam_search(model, {}, 1000, {.seed = 5}, group, options);
    EXPECT_EQ(beam.sequences.size(), testing::Support(model, options).size());
    EXPECT_EQ(beam.threshold, testing::kMinusInfinity);
  });
}

TEST(SharedBeam, DividesTheWork) {
  const testing::StatelessModel model({.vocabulary = 50});
  const SearchOptions options{.max_length = 10};
  const Counted whole(model);
  stochastic_beam_search(whole, {}, 40, {.seed = 3}, options);
  run_threads(4, [&](Group& group) {
    const Counted own(model);
    stochastic_beam_search(own, {}, 40, {.seed = 3}, group, options);
    EXPECT_LT(own.asked, whole.asked / 4 + 10);
  });
}

TEST(SharedBeam, RefusesOnEveryRank) {
  const CallableModel model(3, -1, [](std::span<const Token> prefix) {
    const bool bad = prefix.size() == 2 && prefix[0] == 1 && prefix[1] == 2;
    return std::vector<double>{0, 0, bad ? std::numeric_limits<double>::quiet_NaN() : 0};
  });
  run_threads(3, [&](Group& group) {
    EXPECT_THAT(testing::message_of<InvalidArgument>([&] {
                  stochastic_beam_search(model, {}, 9, {.seed = 1}, group, {.max_length = 4});
                }),
                HasSubstr("NaN as the logit of token 2 after the prefix [1, 2]"));
    EXPECT_THAT(testing::message_of<InvalidArgument>(
                    [&] { stochastic_beam_search(model, {}, 0, {.seed = 1}, group); }),
                HasSubstr("k"));
  });
}

}  // namespace
}  // namespace partita
