// SPDX-License-Identifier: Apache-2.0
#include "partita/base/process_rank.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <utility>

#include "errors.hpp"
#include "partita/base/error.hpp"

namespace partita {
namespace {

using testing::message_of;

TEST(ProcessRank, NamesWhatIsMissing) {
  const auto set = [](const char* rank, const char* size, const char* address, const char* port) {
    const std::pair<const char*, const char*> all[] = {
        {"RANK", rank}, {"WORLD_SIZE", size}, {"MASTER_ADDR", address}, {"MASTER_PORT", port}};
    for (const auto& [name, value] : all) {
      value == nullptr ? ::unsetenv(name) : ::setenv(name, value, 1);
    }
  };
  const auto refusal = [] { return message_of<InvalidArgument>([] { (void)process_rank(); }); };
  set(nullptr, nullptr, nullptr, nullptr);
  EXPECT_FALSE(process_rank());
  set("0", nullptr, nullptr, nullptr);
  EXPECT_EQ(refusal(), "WORLD_SIZE: expected beside RANK");
  set("2", "2", "localhost", "29500");
  EXPECT_EQ(refusal(), "RANK: expected a number from 0 to 1, got \"2\"");
  set("0", "two", "localhost", "29500");
  EXPECT_EQ(refusal(), "WORLD_SIZE: expected a number from 1 to 1048576, got \"two\"");
  set("0", "2", nullptr, "29500");
  EXPECT_EQ(refusal(), "MASTER_ADDR: expected beside RANK: where rank 0 is to be met");
  set("0", "2", "localhost", "99999");
  EXPECT_EQ(refusal(), "MASTER_PORT: expected a number from 1 to 65535, got \"99999\"");
  set("1", "2", "node7", "29500");
  const auto self = process_rank();
  ASSERT_TRUE(self);
  EXPECT_EQ(self->rank, 1);
  EXPECT_EQ(self->size, 2);
  EXPECT_EQ(self->address, "node7");
  EXPECT_EQ(self->port, 29500);
  set(nullptr, nullptr, nullptr, nullptr);
}

}  // namespace
}  // namespace partita
