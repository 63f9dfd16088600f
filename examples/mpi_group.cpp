// SPDX-License-Identifier: Apache-2.0
// A Group over MPI, in place of the one over TCP that needs libtorch; and what it is for: ten
// categories from a vocabulary of which each process holds a part. They are the same ones for any
// number of processes:
//
//   mpirun -n 3 example_mpi_group
#include <mpi.h>

#include <cmath>
#include <cstdio>
#include <span>
#include <vector>

#include "partita/split/gumbel_top_k.hpp"

namespace {

/// What it sends at once is counted in ints: up to 2^31 - 1 numbers.
class MpiGroup : public partita::Group {
 public:
  explicit MpiGroup(MPI_Comm communicator) : communicator_(communicator) {
    MPI_Comm_rank(communicator, &rank_);
    MPI_Comm_size(communicator, &size_);
  }

  int rank() const override { return rank_; }
  int size() const override { return size_; }

  std::vector<double> all_gather(std::span<const double> own) override {
    std::vector<double> all(own.size() * static_cast<std::size_t>(size_));
    MPI_Allgather(own.data(), count(own), MPI_DOUBLE, all.data(), count(own), MPI_DOUBLE,
                  communicator_);
    return all;
  }
  void all_reduce(std::span<double> values, partita::Reduction reduction) override {
    MPI_Allreduce(MPI_IN_PLACE, values.data(), count(values), MPI_DOUBLE, operation(reduction),
                  communicator_);
  }
  void all_reduce(std::span<float> values, partita::Reduction reduction) override {
    MPI_Allreduce(MPI_IN_PLACE, values.data(), count(values), MPI_FLOAT, operation(reduction),
                  communicator_);
  }
  void broadcast(std::span<double> values, int root) override {
    MPI_Bcast(values.data(), count(values), MPI_DOUBLE, root, communicator_);
  }
  void barrier() override { MPI_Barrier(communicator_); }

 private:
  template <class T>
  static int count(std::span<T> values) {
    return static_cast<int>(values.size());
  }
  static MPI_Op operation(partita::Reduction reduction) {
    return reduction == partita::Reduction::sum ? MPI_SUM : MPI_MAX;
  }

  MPI_Comm communicator_;
  int rank_ = 0;
  int size_ = 1;
};

}  // namespace

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);  // an MPI call that fails ends all processes
  {
    MpiGroup group(MPI_COMM_WORLD);
    const partita::SplitColumns columns(1'000'000, group);
    std::vector<float> own;  // Zipf's law
    for (std::size_t i = columns.first(); i < columns.last(); ++i) {
      own.push_back(-std::log(static_cast<float>(1 + i)));
    }
    const partita::TopKSample sample =
        partita::gumbel_top_k({own.data(), 1, own.size()}, 10, partita::Stream{.seed = 1}, columns);
    if (group.rank() == 0) {
      for (std::size_t j = 0; j < sample.k; ++j) {
        std::printf("category %6lld   probability %.6f\n",
                    static_cast<long long>(sample.indices[j]), std::exp(sample.log_prob[j]));
      }
    }
  }
  MPI_Finalize();
}
