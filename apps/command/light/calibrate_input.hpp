// What all of `partita calibrate` reads: logits, or probabilities made into logits, with labels.
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

/// Rows of logits: those of the file where they lie, or the exact logarithms of its probabilities
/// (-inf of 0), in double. Rows of a file of logits that look like probabilities are warned of.
class LogitsInput {
 public:
  /// @throws DataError for a file that cannot be used, among them probabilities that are not of
  ///         [0, 1] or do not add up to one within 0.001, naming the row
  LogitsInput(const InputOptions& options, int threads);

  Rows rows() const;

 private:
  ArrayFile file_;
  std::vector<double> log_;  // of probabilities
};

/// Labels, one for each row of logits and of a class that they have.
/// @throws DataError naming both files, or the row
std::vector<std::int64_t> read_labels(const InputOptions& options, Rows logits);

}  // namespace partita::app
