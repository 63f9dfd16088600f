// SPDX-License-Identifier: Apache-2.0
#include "apps/command/light/calibrate_input.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <type_traits>
#include <utility>

#include "apps/command/terminal.hpp"
#include "partita/base/error.hpp"
#include "partita/base/parallel.hpp"

namespace partita::app {
namespace {

std::string one_defect(Rows rows, std::size_t r) {
  return visit(rows.dtype(), [&]<Element T>(T) {
    const auto p = static_cast<double>(rows.row_data<T>(r)[0]);
    return p >= 0 && p <= 1 ? std::string() : fmt::format("expected a probability, got {:g}", p);
  });
}

/// True if all rows are distributions, or may be the probabilities of a class; the first row of
/// logits is usually neither.
bool look_like_probabilities(Rows rows) {
  const auto may_be = [&](std::size_t r) {
    if (rows.columns() > 1) return distribution_defect(rows, r).empty();
    return one_defect(rows, r).empty();
  };
  for (std::size_t r = 0; r < rows.rows(); ++r) {
    if (!may_be(r)) return false;
  }
  return true;
}

void check_probabilities(Rows rows, const std::string& name, int threads, bool one) {
  struct Nothing {};
  std::vector<RowError> errors;
  for_each_row<Nothing>(
      rows.rows(), {.threads = threads, .errors = &errors}, [&](std::size_t r, Nothing&) {
        const std::string why = one ? one_defect(rows, r) : distribution_defect(rows, r);
        if (!why.empty()) throw InvalidArgument(name, why);
      });
  if (!errors.empty()) {
    throw DataError(name, fmt::format("row {}: {}", errors.front().row, errors.front().reason));
  }
}

/// Two columns, of class 0 and 1: p as 1 - p and p, or the logit z as 0 and z.
std::vector<std::byte> two_classes(Rows one, bool probabilities) {
  std::vector<std::byte> both(2 * one.rows() * element_size(one.dtype()));
  visit(one.dtype(), [&]<Element T>(T) {
    using Arithmetic = std::conditional_t<std::same_as<T, double>, double, float>;
    auto* out = reinterpret_cast<T*>(both.data());
    for (std::size_t r = 0; r < one.rows(); ++r) {
      const auto value = static_cast<Arithmetic>(one.row_data<T>(r)[0]);
      *out++ = T(probabilities ? 1 - value : Arithmetic(0));
      *out++ = T(value);
    }
  });
  return both;
}

}  // namespace

void add_logits(CLI::App& app, InputOptions& options) {
  app.add_option("LOGITS", options.logits,
                 "logits or log-probabilities (rows, classes): .npy, .npz, .safetensors or .csv, "
                 "gzip or not; an array in a file as FILE:ARRAY; - for standard input. One column "
                 "is class 1 of two")
      ->option_text("FILE")
      ->required();
  app.add_flag("--probabilities", options.probabilities,
               "LOGITS holds probabilities: take them as they are");
}

void add_labels(CLI::App& app, InputOptions& options) {
  app.add_option("LABELS", options.labels,
                 "the right class of each row, integers from 0; formats as for LOGITS")
      ->option_text("FILE")
      ->required();
}

void add_by(CLI::App& app, InputOptions& options) {
  app.add_option("--by", options.by,
                 "binned-temperature: a number for each row, which rows are told apart by, such as "
                 "the token's position; without, their entropy")
      ->option_text("FILE");
}

std::vector<double> read_column(const std::string& path, std::string_view what) {
  const ArrayFile file(path);
  const Rows rows = file.rows();
  if (rows.columns() != 1) {
    throw DataError(path,
                    fmt::format("{} columns, expected one: {} of each row", rows.columns(), what));
  }
  std::vector<double> column;
  visit(rows.dtype(), [&]<Element T>(T) {
    for (std::size_t r = 0; r < rows.rows(); ++r) {
      column.push_back(static_cast<double>(rows.row_data<T>(r)[0]));
    }
  });
  return column;
}

PredictionsInput::PredictionsInput(const InputOptions& options, int threads, OneColumn one)
    : file_(options.logits), probabilities_(options.probabilities), threads_(threads) {
  const bool two = file_.rows().columns() == 1 && one == OneColumn::two_classes;
  if (!probabilities_ && (two || file_.rows().columns() > 1) &&
      look_like_probabilities(file_.rows())) {
    note(
        fmt::format("partita: warning: {}: {}, as probabilities do but logits do not; if these are "
                    "probabilities, pass --probabilities",
                    options.logits, two ? "every number lies in [0, 1]" : "every row sums to one"));
  }
  if (probabilities_) check_probabilities(file_.rows(), options.logits, threads, two);
  if (two) both_ = two_classes(file_.rows(), probabilities_);
  if (options.by.empty()) return;
  by_ = read_column(options.by, "the number");
  if (by_.size() != file_.rows().rows()) {
    throw DataError(options.by,
                    fmt::format("{} numbers, expected one for each of the {} rows of {}",
                                by_.size(), file_.rows().rows(), options.logits));
  }
}

Rows PredictionsInput::rows() const {
  const Rows rows = file_.rows();
  return both_.empty() ? rows : Rows(both_.data(), rows.dtype(), rows.rows(), 2, 2);
}

Predictions PredictionsInput::predictions() const {
  Predictions out = probabilities_ ? Predictions::probabilities(rows()) : Predictions(rows());
  out.by = by_;
  return out;
}

Rows PredictionsInput::logits() {
  const Rows from = rows();
  if (!probabilities_) return from;
  log_.resize(from.rows() * from.columns());
  parallel_for(from.rows(), threads_, [&](std::size_t first, std::size_t last) {
    visit(from.dtype(), [&]<Element T>(T) {
      for (std::size_t r = first; r < last; ++r) {
        for (std::size_t c = 0; c < from.columns(); ++c) {
          log_[r * from.columns() + c] = std::log(static_cast<double>(from.row_data<T>(r)[c]));
        }
      }
    });
  });
  return {log_.data(), from.rows(), from.columns()};
}

std::vector<std::int64_t> PredictionsInput::labels(const std::string& path) const {
  std::vector<std::int64_t> labels = ArrayFile(path).integers();
  if (labels.size() != rows().rows()) {
    throw DataError(path, fmt::format("{} labels, expected one for each of the {} rows of {}",
                                      labels.size(), rows().rows(), file_.name()));
  }
  for (std::size_t r = 0; r < labels.size(); ++r) {
    if (labels[r] < 0 || std::cmp_greater_equal(labels[r], rows().columns())) {
      throw DataError(path, fmt::format("row {}: label {}, expected 0..{} (the classes of {})", r,
                                        labels[r], rows().columns() - 1, file_.name()));
    }
  }
  if (std::all_of(labels.begin(), labels.end(), [&](auto y) { return y == labels[0]; })) {
    if (!both_.empty()) {
      throw DataError(path, fmt::format("every label is {}, but the one column of {} is that of "
                                        "class 1 of two: expected labels of both",
                                        labels[0], file_.name()));
    }
    note(fmt::format("partita: warning: {}: every label is {}", path, labels[0]));
  }
  return labels;
}

}  // namespace partita::app
