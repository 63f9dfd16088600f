// SPDX-License-Identifier: Apache-2.0
// What the command says: results to standard output; progress and notes, which no program reads, to
// standard error.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "partita/base/progress.hpp"

namespace partita::app {

using Json = nlohmann::ordered_json;  // keys in the order in which they are documented

/// Writes to standard output. @throws IoError if it is closed or full.
void print(std::string_view text);

/// From now on print() writes to standard error, since standard output is a file that was asked for
/// ("-").
void print_to_standard_error();

/// From now on print(), note() and Meters say nothing: of several processes one speaks.
void be_silent();

/// The command as it was typed, quoted for a shell: what a page says of how it was made.
std::string command_line();

/// Remembers it. @param arguments of main, without the program's name
void set_command_line(const std::vector<std::string>& arguments);

/// What messages of a failure or an interruption add once there is one of these files: that `what`
/// ("the same command") goes on from it.
void remember_checkpoints(const std::vector<std::string>& paths, const std::string& what);

/// "; the same command goes on from words.checkpoint", or "". For handlers of signals, too: it
/// neither locks nor allocates.
const char* how_to_go_on() noexcept;

/// One object on one line. Numbers that are not finite become null.
void print_json(const Json& json);

/// A line to standard error.
void note(std::string_view line);

/// Shows the progress of a piece of work: on a terminal a line updated in place, with rate and time
/// left; elsewhere nothing until the end. Work that took a second or more leaves one line behind.
class Meter {
 public:
  explicit Meter(std::string_view what);
  ~Meter();
  Meter(const Meter&) = delete;
  Meter& operator=(const Meter&) = delete;

  void update(const ProgressUpdate& update);
  /// The same, in the form that the library's functions take.
  Progress progress() {
    return [this](const ProgressUpdate& at) { update(at); };
  }

 private:
  double seconds() const;
  void clear() const;

  std::string what_;
  bool moving_;
  int exceptions_;  // in flight when this was made: after a failure no line is left
  std::chrono::steady_clock::time_point start_;
  double shown_ = -1;
  std::uint64_t done_ = 0;
  std::string unit_;
  double last_ = 0;  ///< when the last update came
};

/// A Meter for each phase of an experiment (experiments/run.hpp).
std::function<Progress(std::string_view phase)> meters();

}  // namespace partita::app
