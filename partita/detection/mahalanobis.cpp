// SPDX-License-Identifier: Apache-2.0
#include "partita/detection/mahalanobis.hpp"

#include <fmt/format.h>

#include <Eigen/Cholesky>
#include <algorithm>
#include <limits>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/detection/internal/features.hpp"
#include "partita/io/archive.hpp"

namespace partita {

namespace {

using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;

constexpr std::string_view kKind = "mahalanobis";
constexpr std::uint32_t kVersion = 1;

constexpr std::size_t kRowBlock = 512;

/// The class of each row as 0, 1, 2 ..., and their number.
struct Classes {
  std::vector<Index> of_row;
  Index count;
};

Classes number_classes(std::span<const std::int64_t> labels) {
  std::vector<std::int64_t> names(labels.begin(), labels.end());
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  Classes classes{{}, static_cast<Index>(names.size())};
  for (const std::int64_t label : labels) {
    classes.of_row.push_back(std::lower_bound(names.begin(), names.end(), label) - names.begin());
  }
  return classes;
}

/// [columns, classes]
MatrixXd class_means(Rows features, const Classes& classes) {
  MatrixXd sums = MatrixXd::Zero(static_cast<Index>(features.columns()), classes.count);
  VectorXd rows = VectorXd::Zero(classes.count);
  for_each_block(features.rows(), kRowBlock, 1, [&](std::size_t first, std::size_t count) {
    const MatrixXd block = feature_columns(features, first, count);
    for (std::size_t i = 0; i < count; ++i) {
      sums.col(classes.of_row[first + i]) += block.col(static_cast<Index>(i));
      rows[classes.of_row[first + i]] += 1;
    }
  });
  return sums.array().rowwise() / rows.transpose().array();
}

/// The features less their means: their covariance (its lower half), and the mean fourth power of
/// the rows' lengths.
struct Spread {
  MatrixXd covariance;
  double fourth_power = 0;
};

Spread spread(Rows features, const Classes& classes, const MatrixXd& means,
              const MahalanobisOptions& options) {
  const auto columns = static_cast<Index>(features.columns());
  Spread out{MatrixXd::Zero(columns, columns)};
  for_each_block(
      features.rows(), kRowBlock, 1,
      [&](std::size_t first, std::size_t count) {
        MatrixXd block = feature_columns(features, first, count);
        for (std::size_t i = 0; i < count; ++i) {
          block.col(static_cast<Index>(i)) -= means.col(classes.of_row[first + i]);
        }
        out.fourth_power += block.colwise().squaredNorm().array().square().sum();
        add_outer_products(block, options.threads, out.covariance);
      },
      options.progress);
  const auto rows = static_cast<double>(features.rows());
  out.covariance /= rows;
  out.fourth_power /= rows;
  return out;
}

double squared_norm(const MatrixXd& lower) {
  const double diagonal = lower.diagonal().squaredNorm();
  return 2 * lower.triangularView<Eigen::StrictlyLower>().toDenseMatrix().squaredNorm() + diagonal;
}

/// Ledoit and Wolf (2004), lemmas 3.2 to 3.5: b² / d² with d² = |S - scale I|² and b² the
/// error of S, mean |x x' - S|² / rows, at most d².
double best_shrinkage(const Spread& spread, double scale, double rows) {
  MatrixXd apart = spread.covariance;
  apart.diagonal().array() -= scale;
  const double distance = squared_norm(apart);
  const double error = (spread.fourth_power - squared_norm(spread.covariance)) / rows;
  return distance > 0 ? std::clamp(error / distance, 0.0, 1.0) : 0;
}

Eigen::LLT<MatrixXd> factorize(const MatrixXd& covariance) {
  Eigen::LLT<MatrixXd> factor(covariance);  // reads the lower half
  // The share of a column's variance that those before it do not explain, whatever its unit.
  const auto kept = factor.matrixLLT().diagonal().array().square() / covariance.diagonal().array();
  const double rounding =
      static_cast<double>(covariance.cols()) * std::numeric_limits<double>::epsilon();
  if (factor.info() != Eigen::Success || !(kept.minCoeff() > rounding)) {
    throw InvalidArgument(
        "shrinkage",
        "the covariance is singular (columns that depend linearly on others, or too few "
        "rows): use more shrinkage");
  }
  return factor;
}

void check(Rows features, std::span<const std::int64_t> labels, const MahalanobisOptions& options) {
  if (features.rows() == 0 || features.columns() == 0) {
    throw InvalidArgument(
        "features", fmt::format("empty: shape [{}, {}]", features.rows(), features.columns()));
  }
  check_size("labels", labels.size(), features.rows(), "one for each row");
  check_in("shrinkage", options.shrinkage.value_or(0), "[0, 1]");
  check_features("features", features, Need::finite, {.threads = options.threads});
}

}  // namespace

Mahalanobis Mahalanobis::fit(Rows features, std::span<const std::int64_t> labels,
                             const MahalanobisOptions& options) {
  check(features, labels, options);
  const Classes classes = number_classes(labels);
  MatrixXd means = class_means(features, classes);
  Spread left = spread(features, classes, means, options);
  const double scale = left.covariance.trace() / static_cast<double>(features.columns());
  if (!(scale > 0)) {
    throw InvalidArgument("features", "no spread: every row equals the mean of its class");
  }
  Mahalanobis out;
  out.columns_ = features.columns();
  out.shrinkage_ = options.shrinkage
                       ? *options.shrinkage
                       : best_shrinkage(left, scale, static_cast<double>(features.rows()));
  left.covariance *= 1 - out.shrinkage_;
  left.covariance.diagonal().array() += out.shrinkage_ * scale;
  const Eigen::LLT<MatrixXd> factor = factorize(left.covariance);
  const VectorXd center = means.rowwise().mean();
  means.colwise() -= center;
  factor.matrixL().solveInPlace(means);
  const MatrixXd lower = factor.matrixL();
  out.center_.assign(center.begin(), center.end());
  out.factor_.assign(lower.data(), lower.data() + lower.size());
  out.whitened_means_.assign(means.data(), means.data() + means.size());
  return out;
}

std::vector<double> Mahalanobis::scores(Rows features, const RowOptions& options,
                                        const Progress& progress) const {
  check_size("features", features.columns(), columns_, "columns, as in training");
  std::vector<double> result = check_features("features", features, Need::finite, options);
  const auto columns = static_cast<Index>(columns_);
  const Eigen::Map<const VectorXd> center(center_.data(), columns);
  const Eigen::Map<const MatrixXd> factor(factor_.data(), columns, columns);
  const Eigen::Map<const MatrixXd> means(whitened_means_.data(), columns,
                                         static_cast<Index>(classes()));
  for_each_block(
      features.rows(), kRowBlock, options.threads,
      [&](std::size_t first, std::size_t count) {
        MatrixXd block = feature_columns(features, first, count);
        block.colwise() -= center;
        factor.triangularView<Eigen::Lower>().solveInPlace(block);
        for (std::size_t i = 0; i < count; ++i) {
          const auto x = block.col(static_cast<Index>(i));
          result[first + i] -= (means.colwise() - x).colwise().squaredNorm().minCoeff();
        }
      },
      progress);
  return result;
}

std::string Mahalanobis::serialize() const {
  ArchiveWriter out(kKind, kVersion);
  out.f64(shrinkage_);
  out.array(center_);
  out.array(factor_);
  out.array(whitened_means_);
  return out.bytes();
}

Mahalanobis Mahalanobis::parse(std::string_view bytes, std::string_view name) {
  ArchiveReader in = ArchiveReader::from_bytes(std::string(name), bytes, kKind, kVersion);
  Mahalanobis out;
  out.shrinkage_ = in.f64();
  out.center_ = in.array<double>();
  out.factor_ = in.array<double>();
  out.whitened_means_ = in.array<double>();
  in.finish();
  out.columns_ = out.center_.size();
  if (out.columns_ == 0 || out.factor_.size() != out.columns_ * out.columns_ ||
      out.whitened_means_.empty() || out.whitened_means_.size() % out.columns_ != 0) {
    in.damaged("means and covariance of different sizes");
  }
  return out;
}

}  // namespace partita
