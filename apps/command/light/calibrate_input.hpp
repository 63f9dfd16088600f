// What all of `partita calibrate` reads: logits, or probabilities turned into logits, with labels.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "partita/base/rows.hpp"
#include "partita/io/array_file.hpp"

namespace partita::app {

struct InputOptions {
  std::string logits;
  std::string labels;
  bool probabilities = false;
};

/// LOGITS, and --probabilities.
void add_logits(CLI::App& app, InputOptions& options);
/// LABELS.
void add_labels(CLI::App& app, InputOptions& options);

/// Rows of logits: those of the file in place, or the exact logarithms of its probabilities (-inf
/// for 0), in double. Warns if the rows of a file of logits look like probabilities.
class LogitsInput {
 public:
  /// @throws DataError for a file that cannot be used, including probabilities that are not in
  ///         [0, 1] or do not sum to one within 0.001, naming the row
  LogitsInput(const InputOptions& options, int threads);

  Rows rows() const;

 private:
  ArrayFile file_;
  std::vector<double> log_;  // logarithms of probabilities
};

/// Labels, one for each row of logits, each one of its classes.
/// @throws DataError naming both files, or the row
std::vector<std::int64_t> read_labels(const InputOptions& options, Rows logits);

}  // namespace partita::app
