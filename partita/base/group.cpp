// SPDX-License-Identifier: Apache-2.0
#include "partita/base/group.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "partita/base/error.hpp"

namespace partita {

namespace {

std::size_t numbers_for(double bytes) {
  return (static_cast<std::size_t>(bytes) + sizeof(double) - 1) / sizeof(double);
}

std::vector<double> packed(std::string_view bytes, std::size_t numbers) {
  std::vector<double> out(numbers);
  if (!bytes.empty()) std::memcpy(out.data(), bytes.data(), bytes.size());
  return out;
}

std::string unpacked(const double* numbers, double bytes) {
  return {reinterpret_cast<const char*>(numbers), static_cast<std::size_t>(bytes)};
}

}  // namespace

void Group::all_reduce(std::span<float> values, Reduction reduction) {
  std::vector<double> wide(values.begin(), values.end());
  all_reduce(wide, reduction);
  std::transform(wide.begin(), wide.end(), values.begin(),
                 [](double x) { return static_cast<float>(x); });
}

Group& Group::alone() {
  class Alone final : public Group {
   public:
    int rank() const override { return 0; }
    int size() const override { return 1; }
    std::vector<double> all_gather(std::span<const double> own) override {
      return {own.begin(), own.end()};
    }
    void all_reduce(std::span<double> /*values*/, Reduction /*reduction*/) override {}
    void all_reduce(std::span<float> /*values*/, Reduction /*reduction*/) override {}
    void broadcast(std::span<double> /*values*/, int /*root*/) override {}
    void barrier() override {}
  };
  static Alone it;
  return it;
}

std::vector<std::string> all_gather_bytes(std::string_view own, Group& group) {
  const auto size = static_cast<double>(own.size());
  const std::vector<double> sizes = group.all_gather({&size, 1});
  const std::size_t most = numbers_for(*std::max_element(sizes.begin(), sizes.end()));
  const std::vector<double> all = group.all_gather(packed(own, most));
  std::vector<std::string> out;
  for (std::size_t rank = 0; rank < sizes.size(); ++rank) {
    out.push_back(unpacked(all.data() + rank * most, sizes[rank]));
  }
  return out;
}

std::string broadcast_bytes(std::string_view bytes, int root, Group& group) {
  if (group.size() == 1) return std::string(bytes);
  auto size = static_cast<double>(bytes.size());
  group.broadcast({&size, 1}, root);
  std::vector<double> numbers = group.rank() == root ? packed(bytes, numbers_for(size))
                                                     : std::vector<double>(numbers_for(size));
  group.broadcast(numbers, root);
  return unpacked(numbers.data(), size);
}

void check_same(Group& group, const char* what, const std::string& said) {
  const std::vector<std::string> all = all_gather_bytes(said, group);
  for (std::size_t rank = 1; rank < all.size(); ++rank) {
    if (all[rank] == all[0]) continue;
    throw InvalidArgument(what, fmt::format("expected the same on every rank, got {} on rank 0 and "
                                            "{} on rank {}",
                                            all[0], all[rank], rank));
  }
}

}  // namespace partita
