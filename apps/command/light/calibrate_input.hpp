// SPDX-License-Identifier: Apache-2.0
// What all of `partita calibrate` reads: logits or probabilities, with labels.
#pragma once

#include <CLI/CLI.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "partita/base/rows.hpp"
#include "partita/calibration/predictions.hpp"
#include "partita/io/array_file.hpp"

namespace partita::app {

struct InputOptions {
  std::string logits;
  std::string labels;
  bool probabilities = false;
  std::string by = {};
};

/// LOGITS, and --probabilities.
void add_logits(CLI::App& app, InputOptions& options);
/// LABELS.
void add_labels(CLI::App& app, InputOptions& options);
/// --by, of binned temperatures
void add_by(CLI::App& app, InputOptions& options);

/// The one column of a file, `what` of each row. @throws DataError if there are more, IoError
std::vector<double> read_column(const std::string& path, std::string_view what);

/// What one column of a file is: the logits or probabilities of class 1 of two, as a sigmoid gives
/// them; or a score of its own.
enum class OneColumn : std::uint8_t { two_classes, score };

/// The rows of a file: logits, or probabilities as they are. Warns if the rows of a file of logits
/// look like probabilities.
class PredictionsInput {
 public:
  /// @throws DataError for a file that cannot be used, including probabilities that are not in
  ///         [0, 1] or do not sum to one within 0.001, naming the row
  PredictionsInput(const InputOptions& options, int threads,
                   OneColumn one = OneColumn::two_classes);

  Predictions predictions() const;

  /// Logits, or the logarithms of probabilities (-inf for 0).
  Rows logits();

  /// Labels from a file, one for each row, each one of its classes.
  /// @throws DataError naming both files, or the row
  std::vector<std::int64_t> labels(const std::string& path) const;

 private:
  Rows rows() const;

  ArrayFile file_;
  bool probabilities_;
  int threads_;
  std::vector<double> by_;
  std::vector<std::byte> both_;  // two classes made of one
  std::vector<double> log_;      // logarithms of probabilities
};

}  // namespace partita::app
