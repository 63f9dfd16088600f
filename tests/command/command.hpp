// SPDX-License-Identifier: Apache-2.0
// Runs the built `partita` as a user does, and looks at what comes back.
#pragma once

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "temporary_directory.hpp"

namespace partita::testing {

using Json = nlohmann::ordered_json;

struct Outcome {
  int status = -1;  ///< exit status; 128 + the signal's number if one ended it
  std::string out;
  std::string err;
};

/// Runs a program (no shell): its path and arguments.
Outcome run_program(const std::vector<std::string>& words);

/// Runs partita (no shell) with these arguments until it ends.
Outcome run_partita(const std::vector<std::string>& arguments);

/// Starts a program, or partita, with output to /dev/null, and returns its process number.
int start_program(const std::vector<std::string>& words);
int start_partita(const std::vector<std::string>& arguments);

/// Tests with a directory of their own and a small word list and model in it.
class CommandTest : public ::testing::Test {
 protected:
  /// Path of a file with these bytes.
  std::string file(const std::string& name, const std::string& bytes) const;
  std::string path(const std::string& name) const { return directory_ / name; }
  std::string word_list() const;
  /// Trained from word_list().
  std::string model() const;
  /// .npy of [rows, columns] float32, element (r, c) = 0.1 * ((r + 3 c) % 17).
  std::string logits(std::size_t rows, std::size_t columns) const;

  /// The object that a command with --json printed: all of standard output, on one line.
  static Json json_of(std::vector<std::string> arguments);
  static std::vector<std::string> keys(const Json& object);

  /// Status 1 or 2, nothing on standard output, and one line on standard error: "partita: ...".
  /// Returns the line without "partita: " and the line end.
  static std::string refusal(const std::vector<std::string>& arguments, int status);

 private:
  TemporaryDirectory directory_;
};

}  // namespace partita::testing
