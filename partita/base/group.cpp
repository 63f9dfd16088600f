// SPDX-License-Identifier: Apache-2.0
#include "partita/base/group.hpp"

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

}  // namespace partita
