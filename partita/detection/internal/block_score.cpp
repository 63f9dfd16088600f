// SPDX-License-Identifier: Apache-2.0
#include "partita/detection/internal/block_score.hpp"

#include <fmt/format.h>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/detection/logit_score.hpp"
#include "partita/softmax/softmax.hpp"

namespace partita {

using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;

namespace {

MutableRows rows_of(MatrixXd& columns) {
  return {columns.data(), static_cast<std::size_t>(columns.cols()),
          static_cast<std::size_t>(columns.rows())};
}

}  // namespace

Rows rows_of(const MatrixXd& columns) {
  return {columns.data(), static_cast<std::size_t>(columns.cols()),
          static_cast<std::size_t>(columns.rows())};
}

Layer::Layer(const LastLayer& layer, int threads)
    : bias(VectorXd::Zero(Index(layer.weight.rows()))) {
  if (layer.weight.rows() < 2 || layer.weight.columns() == 0) {
    throw InvalidArgument("layer", "expected the weights of 2 classes or more");
  }
  check_features("layer", layer.weight, Need::finite, {.threads = threads});
  weight = feature_columns(layer.weight, 0, layer.weight.rows()).transpose();
  if (layer.bias.empty()) return;
  check_size("layer", layer.bias.size(), layer.weight.rows(), "biases, one for each class");
  for (const double b : layer.bias) check_in("layer", b, "(-inf, inf)");
  bias = Eigen::Map<const VectorXd>(layer.bias.data(), bias.size());
}

VectorXd mean_row(const Learning& known) {
  VectorXd sum = VectorXd::Zero(Index(known.rows.columns()));
  for_each_known(known, [&](std::size_t, const MatrixXd& x) { sum += x.rowwise().sum(); });
  return sum / static_cast<double>(known.rows.rows());
}

VectorXd energies(const MatrixXd& logits) {
  // A row that is no row has its error already: here it may be anything.
  std::vector<RowError> seen;
  const auto scores = logit_scores(LogitScore::energy, rows_of(logits), 1, {.errors = &seen});
  return Eigen::Map<const VectorXd>(scores.data(), logits.cols());
}

MatrixXd probabilities(MatrixXd logits) {
  std::vector<RowError> seen;
  softmax(rows_of(std::as_const(logits)), rows_of(logits), {.errors = &seen});
  return logits;
}

Index predicted(const MatrixXd& logits, Index column) {
  Index row = 0;
  logits.col(column).maxCoeff(&row);
  return row;
}

MatrixXd means_of_right(const Learning& known, MeanOf what, std::string_view score) {
  for (std::size_t r = 0; r < known.labels.size(); ++r) {
    const std::int64_t label = known.labels[r];
    if (label < 0 || label >= known.classes()) {
      throw InvalidArgument("labels", fmt::format("row {}: expected 0..{} (classes), got {}", r,
                                                  known.classes() - 1, label));
    }
  }
  const bool of_rows = what == MeanOf::rows;
  MatrixXd means =
      MatrixXd::Zero(of_rows ? Index(known.rows.columns()) : known.classes(), known.classes());
  VectorXd counts = VectorXd::Zero(known.classes());
  for_each_right(known, [&](Index label, const auto& row, const auto& logits) {
    of_rows ? means.col(label) += row : means.col(label) += logits;
    counts[label] += 1;
  });
  for (Index c = 0; c < counts.size(); ++c) {
    if (counts[c] == 0) {
      throw InvalidArgument("labels",
                            fmt::format("no known row of class {} is classified as such, as {} "
                                        "needs",
                                        c, score));
    }
  }
  means.array().rowwise() /= counts.transpose().array();
  return means;
}

}  // namespace partita
