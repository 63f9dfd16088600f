// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/share.hpp"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include <functional>
#include <vector>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/base/thread_group.hpp"
#include "partita/learn/random.hpp"

namespace partita {
namespace {

using testing::message_of;

TEST(Share, RanksTakeAllRowsInTurn) {
  for (const int ranks : {1, 3, 5}) {
    run_threads(ranks, [&](Group& group) {
      const Tensor all = at::arange(22, at::kLong).view({11, 2});
      const Share share = Share::of(11, group);
      EXPECT_LE(share.size, (11 + ranks - 1) / ranks);
      EXPECT_GE(share.size, 11 / ranks);
      EXPECT_EQ(share.weight(), static_cast<double>(share.size) / 11);
      EXPECT_TRUE(at::equal(all_rows(share.of(all), share, group), all));
      const Tensor numbers = all.to(at::kFloat) / 3;
      EXPECT_TRUE(at::equal(all_rows(share.of(numbers), share, group), numbers));
      EXPECT_TRUE(at::equal(share.of(all.t(), 1), share.of(all).t()));
    });
  }
  EXPECT_EQ(message_of<InvalidArgument>(
                [] { run_threads(3, [](Group& group) { Share::of(2, group); }); }),
            "batch: expected 3 or more (one row for each process), got 2");
  EXPECT_THROW((Share{0, 2, 4}.of(at::zeros({3}))), InvalidArgument);
}

TEST(Share, ItsRandomNumbersAreThoseOfTheWhole) {
  constexpr std::int64_t kRows = 10;
  using Draw = std::function<Tensor(const Random&, std::int64_t rows)>;
  const at::TensorOptions floats(at::kFloat);
  const auto full = [](std::int64_t n, double x) { return at::full({n, 3}, x, at::kDouble); };
  const std::vector<Draw> draws = {
      [&](const Random& r, std::int64_t n) {
        return r.uniform({n, 3}, floats);
      },
      [&](const Random& r, std::int64_t n) {
        return r.exponential({n, 3}, at::kDouble);
      },
      [&](const Random& r, std::int64_t n) { return r.normal({n}, floats); },
      [&](const Random& r, std::int64_t n) {
        return r.gumbel({n, 3, 2}, floats);
      },
      [&](const Random& r, std::int64_t n) {
        return r.logistic({n, 3}, floats);
      },
      [&](const Random& r, std::int64_t n) { return r.log_standard_gamma(full(n, 0.7)); },
      [&](const Random& r, std::int64_t n) { return r.poisson(full(n, 12)); },
      [&](const Random& r, std::int64_t n) { return r.binomial(full(n, 40), full(n, 0.4)); },
      [&](const Random& r, std::int64_t n) { return r.von_mises(full(n, 2)); }};
  for (std::size_t i = 0; i < draws.size(); ++i) {
    const Random whole = Stream{.seed = 8};
    const std::vector<Tensor> all = {draws[i](whole, kRows), draws[i](whole, kRows)};
    for (const Share& share : {Share{0, 3, kRows}, Share{3, 4, kRows}, Share{7, 3, kRows}}) {
      const Random own = Random(Stream{.seed = 8}).of(share);
      for (const Tensor& each : all) {
        EXPECT_TRUE(at::equal(draws[i](own, share.size), share.of(each))) << i;
      }
    }
  }
}

TEST(Share, RandomNumbersHaveRowsInAnyDimension) {
  constexpr std::int64_t kRows = 10;
  const at::TensorOptions floats(at::kFloat);
  const Random whole = Stream{.seed = 8};
  const Random own = Random(Stream{.seed = 8}).of({3, 4, kRows}, 1);
  EXPECT_TRUE(at::equal(own.normal({2, 4, 5}, floats),
                        whole.normal({2, kRows, 5}, floats).narrow(1, 3, 4)));
  EXPECT_TRUE(at::equal(own.whole().gumbel({7}, floats), whole.gumbel({7}, floats)));
  const Tensor logits = at::arange(kRows * 6, at::kFloat).sin().view({kRows * 2, 3});
  EXPECT_TRUE(at::equal(own.categorical(logits.narrow(0, 6, 8), 5),
                        whole.categorical(logits, 5).narrow(1, 6, 8)));

  EXPECT_EQ(message_of<InvalidArgument>([&] {
              own.normal({2, 5}, floats);
            }),
            "shape: expected 4 rows, a share of 10, in dimension 1, got [2, 5]");
  EXPECT_THROW(own.fork(), InvalidArgument);
  EXPECT_THROW(Random(at::make_generator<at::CPUGeneratorImpl>(1)).of({3, 4, kRows}),
               InvalidArgument);
}

}  // namespace
}  // namespace partita
