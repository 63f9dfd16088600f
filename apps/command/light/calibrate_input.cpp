#include "apps/command/light/calibrate_input.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "apps/command/terminal.hpp"
#include "partita/base/error.hpp"
#include "partita/base/parallel.hpp"

namespace partita::app {
namespace {

constexpr double kSumTolerance = 1e-3;  // what half precision leaves of a sum of 1

double element(Rows rows, std::size_t r, std::size_t c) {
  const auto at = static_cast<std::ptrdiff_t>(c) * rows.column_stride();
  return visit(rows.dtype(),
               [&]<Element T>(T) { return static_cast<double>(rows.row_data<T>(r)[at]); });
}

/// Why a row is not a distribution; empty if it is one.
std::string defect(Rows rows, std::size_t r) {
  double total = 0;
  for (std::size_t c = 0; c < rows.columns(); ++c) {
    const double p = element(rows, r, c);
    if (!(p >= 0 && p <= 1 + kSumTolerance)) {
      return fmt::format("expected a probability, got {:g} at column {}", p, c);
    }
    total += p;
  }
  if (std::abs(total - 1) <= kSumTolerance) return {};
  return fmt::format("probabilities add up to {:g}, expected 1", total);
}

/// True if all rows are distributions; the first row of logits is usually not.
bool look_like_probabilities(Rows rows) {
  for (std::size_t r = 0; r < rows.rows(); ++r) {
    if (!defect(rows, r).empty()) return false;
  }
  return rows.columns() > 1;
}

std::vector<double> logarithms(Rows rows, const std::string& name, int threads) {
  std::vector<double> out(rows.rows() * rows.columns());
  struct Nothing {};
  std::vector<RowError> errors;
  for_each_row<Nothing>(rows.rows(), {.threads = threads, .errors = &errors},
                        [&](std::size_t r, Nothing&) {
                          if (std::string why = defect(rows, r); !why.empty())
                            throw InvalidArgument(name, why);
                          for (std::size_t c = 0; c < rows.columns(); ++c) {
                            out[r * rows.columns() + c] = std::log(element(rows, r, c));
                          }
                        });
  if (!errors.empty()) {
    throw DataError(name, fmt::format("row {}: {}", errors.front().row, errors.front().reason));
  }
  return out;
}

}  // namespace

void add_logits(CLI::App& app, InputOptions& options) {
  app.add_option("LOGITS", options.logits,
                 "logits or log-probabilities (rows, classes): .npy, .npz, .safetensors or .csv; "
                 "an array in a file as FILE:ARRAY")
      ->option_text("FILE")
      ->required();
  app.add_flag("--probabilities", options.probabilities,
               "LOGITS holds probabilities: take their logarithms (minus infinity for 0)");
}

void add_labels(CLI::App& app, InputOptions& options) {
  app.add_option("LABELS", options.labels,
                 "the right class of each row, integers from 0; formats as for LOGITS")
      ->option_text("FILE")
      ->required();
}

LogitsInput::LogitsInput(const InputOptions& options, int threads) : file_(options.logits) {
  if (options.probabilities) {
    log_ = logarithms(file_.rows(), options.logits, threads);
  } else if (look_like_probabilities(file_.rows())) {
    note(
        fmt::format("partita: warning: {}: every row sums to one, as probabilities do but "
                    "logits do not; if these are probabilities, pass --probabilities",
                    options.logits));
  }
}

Rows LogitsInput::rows() const {
  const Rows rows = file_.rows();
  return log_.empty() ? rows : Rows(log_.data(), rows.rows(), rows.columns());
}

std::vector<std::int64_t> read_labels(const InputOptions& options, Rows logits) {
  std::vector<std::int64_t> labels = ArrayFile(options.labels).integers();
  if (labels.size() != logits.rows()) {
    throw DataError(options.labels,
                    fmt::format("{} labels, expected one for each of the {} rows of {}",
                                labels.size(), logits.rows(), options.logits));
  }
  for (std::size_t r = 0; r < labels.size(); ++r) {
    if (labels[r] < 0 || std::cmp_greater_equal(labels[r], logits.columns())) {
      throw DataError(options.labels,
                      fmt::format("row {}: label {}, expected 0..{} (the classes of {})", r,
                                  labels[r], logits.columns() - 1, options.logits));
    }
  }
  if (std::all_of(labels.begin(), labels.end(), [&](auto y) { return y == labels[0]; })) {
    note(fmt::format("partita: warning: {}: every label is {}", options.labels, labels[0]));
  }
  return labels;
}

}  // namespace partita::app
