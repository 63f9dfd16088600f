// SPDX-License-Identifier: Apache-2.0
// The new files that write_file() has begun: what a handler of signals removes.
#pragma once

#include <string>

namespace partita {

/// A path in a table of the process, as long as this lives; none if the table is full or the path
/// longer than it holds.
class Unfinished {
 public:
  /// To be made before the file is, so that a signal finds it at any moment.
  explicit Unfinished(const std::string& path);
  ~Unfinished();
  Unfinished(const Unfinished&) = delete;
  Unfinished& operator=(const Unfinished&) = delete;

  /// Removes the files of all that live. Neither locks nor allocates.
  static void remove_all() noexcept;

 private:
  int slot_ = -1;
};

}  // namespace partita
