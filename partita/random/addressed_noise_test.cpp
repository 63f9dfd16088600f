// SPDX-License-Identifier: Apache-2.0
#include "partita/random/addressed_noise.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "partita/random/goodness_of_fit.hpp"
#include "partita/random/internal/philox.hpp"

namespace partita {
namespace {

TEST(Philox4x32, HasItsAuthorsKnownAnswers) {
  using Four = std::array<std::uint32_t, 4>;
  constexpr std::uint32_t kOnes = 0xFFFFFFFF;
  EXPECT_EQ(philox({0, 0}, Four{}), (Four{0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8}));
  EXPECT_EQ(philox({kOnes, kOnes}, {kOnes, kOnes, kOnes, kOnes}),
            (Four{0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD}));
}

TEST(AddressedNoise, GivesTheTestVectors) {
  std::ifstream file(PARTITA_NOISE_VECTORS);
  std::string line;
  std::getline(file, line);  // the names of the columns
  std::size_t count = 0;
  while (std::getline(file, line)) {
    std::istringstream cells(line);
    std::string seed, id, children, category, bits, gumbel;
    for (std::string* cell : {&seed, &id, &children, &category, &bits, &gumbel}) {
      std::getline(cells, *cell, '\t');
    }
    Stream stream{.seed = std::stoull(seed), .id = std::stoull(id)};
    std::istringstream numbers(children);
    for (std::string n; std::getline(numbers, n, '.');) stream = stream.child(std::stoull(n));
    const AddressedNoise noise(stream);
    const auto i = static_cast<std::uint32_t>(std::stoul(category));
    EXPECT_EQ(noise.bits(i), std::stoull(bits, nullptr, 16)) << line;
    EXPECT_EQ(noise.prefix(i), noise.bits(i) >> 48U) << line;
    EXPECT_NEAR(noise.gumbel(i), std::stod(gumbel), 1e-15 * std::abs(std::stod(gumbel))) << line;
    EXPECT_EQ(noise.gumbel(i), -std::log(noise.exponential(i))) << line;
    ++count;
  }
  EXPECT_EQ(count, 150U);
}

TEST(AddressedNoise, IsUniformInItsPartsAndOverAddresses) {
  constexpr std::size_t kDraws = 100'000;
  std::vector<double> over_categories;
  std::vector<double> over_addresses;
  std::vector<double> rests;
  const AddressedNoise one(Stream{.seed = 3});
  for (std::uint32_t i = 0; i < kDraws; ++i) {
    over_categories.push_back(uniform_from_bits(one.bits(i)));
    rests.push_back(uniform_from_bits(one.bits(i) << 16U));
    over_addresses.push_back(
        uniform_from_bits(AddressedNoise(Stream{.seed = 3}.child(i)).bits(17)));
  }
  const auto uniform = [](double u) { return u; };
  EXPECT_GT(ks_p_value(over_categories, uniform), kFalseAlarm);
  EXPECT_GT(ks_p_value(over_addresses, uniform), kFalseAlarm);
  EXPECT_GT(ks_p_value(rests, uniform), kFalseAlarm);
}

TEST(AddressedNoise, SharesNothingWithOtherAddressesOrTheStreamsOwnDraws) {
  std::set<std::uint64_t> seen;
  std::size_t count = 0;
  const auto add = [&](std::uint64_t bits) {
    seen.insert(bits);
    ++count;
  };
  for (std::uint64_t id = 0; id < 20; ++id) {
    for (const Stream& stream : {Stream{1, id}, Stream{1, id}.child(0), Stream{id + 2, 1}}) {
      const AddressedNoise noise(stream);
      for (std::uint32_t i = 0; i < 100; ++i) {
        add(noise.bits(i));
        add(stream.bits(i));
      }
    }
  }
  EXPECT_EQ(seen.size(), count);
}

}  // namespace
}  // namespace partita
