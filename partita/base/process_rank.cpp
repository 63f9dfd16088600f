// SPDX-License-Identifier: Apache-2.0
#include "partita/base/process_rank.hpp"

#include <fmt/format.h>

#include <charconv>

#include "partita/base/error.hpp"
#include "partita/base/internal/environment.hpp"

namespace partita {

namespace {

int number_of(const char* name, const std::string& text, int least, int most) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < least || value > most) {
    throw InvalidArgument(
        name, fmt::format("expected a number from {} to {}, got \"{}\"", least, most, text));
  }
  return value;
}

}  // namespace

std::optional<ProcessRank> process_rank() {
  struct Names {
    const char* rank;
    const char* size;
  };
  for (const auto& [rank, size] :
       {Names{"RANK", "WORLD_SIZE"}, Names{"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"},
        Names{"SLURM_PROCID", "SLURM_STEP_NUM_TASKS"}}) {
    const auto own = environment(rank);
    const auto all = environment(size);
    if (!own && !all) continue;
    if (!own || !all) {
      throw InvalidArgument(own ? size : rank,
                            fmt::format("expected beside {}", own ? rank : size));
    }
    ProcessRank self;
    constexpr int kMost = 1 << 20;
    self.size = number_of(size, *all, 1, kMost);
    self.rank = number_of(rank, *own, 0, self.size - 1);
    if (self.size == 1) return self;  // it meets nobody
    const auto address = environment("MASTER_ADDR");
    const auto port = environment("MASTER_PORT");
    if (!address || !port) {
      throw InvalidArgument(address ? "MASTER_PORT" : "MASTER_ADDR",
                            fmt::format("expected beside {}: where rank 0 is to be met", rank));
    }
    self.address = *address;
    self.port = static_cast<std::uint16_t>(number_of("MASTER_PORT", *port, 1, 65535));
    return self;
  }
  return std::nullopt;
}

}  // namespace partita
