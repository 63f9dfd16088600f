// SPDX-License-Identifier: Apache-2.0
// Sizes far from the usual: they work, in memory that is stated, or are refused with the limit. By
// ./dev load only, as they take gigabytes and a minute.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "errors.hpp"
#include "load.hpp"
#include "partita/base/error.hpp"
#include "partita/gumbel/addressed.hpp"
#include "partita/gumbel/categorical.hpp"
#include "partita/gumbel/conditional_poisson.hpp"
#include "partita/gumbel/gumbel_top_k.hpp"
#include "partita/io/file.hpp"
#include "partita/io/npy.hpp"
#include "partita/random/fill.hpp"
#include "partita/sampler/sample.hpp"
#include "partita/softmax/divergence.hpp"
#include "partita/softmax/softmax.hpp"
#include "temporary_directory.hpp"

namespace partita {
namespace {

using ::testing::HasSubstr;
using testing::load_seconds;
using testing::message_of;
using testing::resident;

constexpr std::size_t kLongRow = 100'000'000;
constexpr std::size_t kManyRows = 10'000'000;

class Size : public ::testing::Test {
 protected:
  void SetUp() override {
    if (load_seconds() == 0) GTEST_SKIP() << "./dev load runs it";
  }
  /// f() at its time, and what memory it leaves behind.
  template <class F>
  static auto timed(const std::string& name, const F& f) {
    const auto start = std::chrono::steady_clock::now();
    auto out = f();
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
    fmt::print("{}: {:.2f} s, resident {:.0f} MiB\n", name, time.count(),
               static_cast<double>(resident()) / 0x1p20);
    return out;
  }
};

TEST_F(Size, ARowOfAHundredMillion) {
  std::vector<float> z(kLongRow);
  fill_normal({.seed = 1}, 0, std::span(z));
  z[77'777'777] = 9;
  const Rows row(z.data(), 1, kLongRow);
  const Stream stream{.seed = 2};
  // log E e^z = 1/2 for standard normals; its standard error is sqrt(e - 1) / 10^4.
  const double lse = timed("log_sum_exp, 1e8", [&] { return log_sum_exp(row)[0]; });
  EXPECT_NEAR(lse, std::log(1e8) + 0.5, 6 * std::sqrt(std::exp(1) - 1) / 1e4 + 1e-4);
  EXPECT_EQ(timed("argmax, 1e8", [&] { return argmax(row)[0]; }), 77'777'777);
  // H = lse - sum p z, and E_p z = 1.
  EXPECT_NEAR(timed("entropy, 1e8", [&] { return entropy(row)[0]; }), lse - 1, 0.02);
  const TopKSample top =
      timed("gumbel_top_k, k 10, 1e8", [&] { return gumbel_top_k(row, 10, stream); });
  EXPECT_NEAR(top.log_sum_exp[0], lse, 1e-9);
  for (const std::int64_t index : top.indices) {
    EXPECT_TRUE(index >= 0 && index < static_cast<std::int64_t>(kLongRow));
  }
  EXPECT_GE(
      timed("addressed_gumbel_max, 1e8", [&] { return addressed_gumbel_max(row, stream)[0]; }), 0);
  const Draw draw = timed("sample, top_p 0.9, 1e8", [&] {
    return sample_with_report(row, SamplerSettings{.top_p = 0.9}, stream)[0];
  });
  EXPECT_NEAR(draw.kept_mass, 0.9, 1e-6);
  EXPECT_LE(z[static_cast<std::size_t>(draw.index)], 9);
}

TEST_F(Size, TenMillionRows) {
  constexpr std::size_t kClasses = 3;
  std::vector<float> z(kManyRows * kClasses);
  fill_normal({.seed = 3}, 0, std::span(z));
  z[kClasses * 9'999'999] = std::numeric_limits<float>::quiet_NaN();
  const Rows rows(z.data(), kManyRows, kClasses);
  std::vector<RowError> errors;
  const auto drawn = timed("gumbel_max, 1e7 rows", [&] {
    return gumbel_max(rows, Stream{4}, {.threads = 2, .errors = &errors});
  });
  ASSERT_EQ(errors.size(), 1U);
  EXPECT_EQ(errors[0].row, 9'999'999U);
  EXPECT_EQ(drawn.back(), -1);
  EXPECT_EQ(std::count(drawn.begin(), drawn.end(), -1), 1);
  const auto sampled = timed("sample, top_k 2, 1e7 rows", [&] {
    return sample(rows.slice(0, kManyRows - 1), SamplerSettings{.top_k = 2}, Stream{5},
                  {.threads = 2});
  });
  EXPECT_EQ(sampled.size(), kManyRows - 1);
  // One bad row among all: the first is named, and no list of them is made.
  EXPECT_THAT(message_of<InvalidArgument>([&] { log_sum_exp(rows); }), HasSubstr("row 9999999: "));
}

TEST_F(Size, AsManyAsThereAre) {
  constexpr std::size_t kAll = 10'000'000;
  std::vector<float> z(kAll);
  fill_normal({.seed = 6}, 0, std::span(z));
  const Rows row(z.data(), 1, kAll);
  TopKSample all =
      timed("gumbel_top_k, k = V = 1e7", [&] { return gumbel_top_k(row, kAll, Stream{7}); });
  EXPECT_EQ(all.threshold[0], -std::numeric_limits<double>::infinity());
  EXPECT_TRUE(std::is_sorted(all.perturbed.rbegin(), all.perturbed.rend()));
  std::sort(all.indices.begin(), all.indices.end());
  for (std::size_t i = 0; i < kAll; ++i) ASSERT_EQ(all.indices[i], static_cast<std::int64_t>(i));
  EXPECT_THAT(message_of<InvalidArgument>([&] { gumbel_top_k(row, kAll + 1, Stream{7}); }),
              HasSubstr("k: expected 1..10000000"));
  const auto draws =
      timed("categorical, 1e7 draws of 1e7", [&] { return categorical(row, kAll, Stream{8}); });
  EXPECT_EQ(draws.size(), kAll);
  const double chance = timed("ConditionalPoisson, k 10 of 1e7",
                              [&] { return ConditionalPoisson(row, 10).log_chance(); });
  EXPECT_LT(chance, 0);
}

// A sparse file of twice the machine's memory: only what is looked at is read.
TEST_F(Size, AFileLargerThanMemory) {
  const auto memory = static_cast<std::size_t>(::sysconf(_SC_PHYS_PAGES)) *
                      static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  constexpr std::size_t kClasses = 1000;
  const std::size_t rows = 2 * memory / (kClasses * sizeof(float));
  const testing::TemporaryDirectory folder;
  std::string header = fmt::format(
      "{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {}), }}", rows, kClasses);
  header.resize(117, ' ');
  header += '\n';
  write_file(folder / "a.npy", std::string("\x93NUMPY\1\0v\0", 10) + header);
  std::filesystem::resize_file(folder / "a.npy", 128 + rows * kClasses * sizeof(float));
  const NpyFile file =
      timed("opening a file of twice the memory", [&] { return NpyFile(folder / "a.npy"); });
  ASSERT_EQ(file.rows().rows(), rows);
  const std::size_t before = resident();
  for (const std::size_t first : {std::size_t{0}, rows / 2, rows - 1000}) {
    for (const double lse : log_sum_exp(file.rows().slice(first, 1000))) {
      ASSERT_NEAR(lse, std::log(1000.0), 1e-12);
    }
    ASSERT_EQ(gumbel_max(file.rows().slice(first, 10), Stream{9}).size(), 10U);
  }
  EXPECT_LT(resident(), before + (64U << 20U));
  EXPECT_THAT(message_of<DataError>([&] {
                std::filesystem::resize_file(folder / "a.npy", 128 + rows);
                NpyFile cut(folder / "a.npy");
              }),
              HasSubstr("a.npy"));
}

}  // namespace
}  // namespace partita
