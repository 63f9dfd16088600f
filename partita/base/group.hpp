// SPDX-License-Identifier: Apache-2.0
// Several processes, or threads, that compute one thing together: the ranks of a group.
//
//   partita::Group& group = ...;   // alone(), threads (thread_group.hpp), or processes
//   std::vector<double> sums = {loss, count};
//   group.all_reduce(sums, partita::Reduction::sum);       // the same on every rank now
//
// Every rank calls the same functions in the same order with arguments of the same sizes; a call
// returns once all have made it. If a rank fails or leaves, calls of the others throw, sooner or
// later, as whatever carries the messages finds out.
//
// What is computed must not depend on how many ranks there are. Sums therefore do not belong into
// all_reduce() where the last bit matters (its order is not said), but into all_gather(), and are
// added in an order of one's own.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace partita {

enum class Reduction { sum, max };

class Group {
 public:
  virtual ~Group() = default;

  virtual int rank() const = 0;  ///< 0 ... size() - 1
  virtual int size() const = 0;

  /// What every rank gives, [size, own.size()], in the order of ranks.
  virtual std::vector<double> all_gather(std::span<const double> own) = 0;
  /// Element by element over all ranks; the same bits on every one.
  virtual void all_reduce(std::span<double> values, Reduction reduction) = 0;
  /// The same in single precision. As long as nobody overrides it, by the double numbers.
  virtual void all_reduce(std::span<float> values, Reduction reduction);
  /// The values of rank `root`, on every rank.
  virtual void broadcast(std::span<double> values, int root) = 0;
  /// Returns once every rank has called it.
  virtual void barrier() = 0;

  /// A group of one, for code that is written for groups.
  static Group& alone();
};

// Bytes, which a group carries in the bits of numbers.

/// What every rank gives, in the order of ranks; it may be of any length on each.
std::vector<std::string> all_gather_bytes(std::string_view own, Group& group);
/// The bytes of rank `root`, on every rank.
std::string broadcast_bytes(std::string_view bytes, int root, Group& group);

/// Called by every rank, of each of which it is expected to say the same.
/// @throws InvalidArgument on every rank, naming the first that says something else.
void check_same(Group& group, const char* what, const std::string& said);

}  // namespace partita
