// SPDX-License-Identifier: Apache-2.0
#include "partita/base/group.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "partita/base/error.hpp"

namespace partita {

Group& Group::alone() {
  class Alone final : public Group {
   public:
    int rank() const override { return 0; }
    int size() const override { return 1; }
    std::vector<double> all_gather(std::span<const double> own) override {
      return {own.begin(), own.end()};
    }
    void all_reduce(std::span<double> /*values*/, Reduction /*reduction*/) override {}
    void broadcast(std::span<double> /*values*/, int /*root*/) override {}
    void barrier() override {}
  };
  static Alone it;
  return it;
}

void check_same(Group& group, const char* what, const std::string& said) {
  const std::vector<double> own_size = {static_cast<double>(said.size())};
  const std::vector<double> sizes = group.all_gather(own_size);
  const auto longest = static_cast<std::size_t>(*std::max_element(sizes.begin(), sizes.end()));
  std::vector<double> own(said.begin(), said.end());
  own.resize(longest);
  const std::vector<double> all = group.all_gather(own);
  const auto said_by = [&](std::size_t rank) {
    const auto first = all.begin() + static_cast<std::ptrdiff_t>(rank * longest);
    return std::string(first, first + static_cast<std::ptrdiff_t>(sizes[rank]));
  };
  for (std::size_t rank = 1; rank < sizes.size(); ++rank) {
    if (said_by(rank) == said_by(0)) continue;
    throw InvalidArgument(what, fmt::format("expected the same on every rank, got {} on rank 0 and "
                                            "{} on rank {}",
                                            said_by(0), said_by(rank), rank));
  }
}

}  // namespace partita
