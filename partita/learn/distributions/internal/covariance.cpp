// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/internal/covariance.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <tuple>

#include "partita/base/error.hpp"
#include "partita/learn/distributions/internal/numeric.hpp"

namespace partita::distributions {

Tensor solve_lower(const Tensor& lower, const Tensor& columns) {
  return at::linalg_solve_triangular(lower, columns, /*upper=*/false);
}

void check_event(const char* distribution, const char* argument, const Tensor& tensor,
                 IntArrayRef expected) {
  const IntArrayRef sizes = tensor.sizes();
  if (sizes.size() >= expected.size() && sizes.slice(sizes.size() - expected.size()) == expected) {
    return;
  }
  throw InvalidArgument(
      argument, fmt::format("{}: expected [..., {}, got {}", distribution,
                            partita::to_string(expected).substr(1), partita::to_string(sizes)));
}

Tensor cholesky(const char* distribution, const char* argument, const Tensor& matrix) {
  const auto [lower, info] = at::linalg_cholesky_ex(matrix);
  if ((info != 0).any().item<bool>()) {
    throw InvalidArgument(argument,
                          fmt::format("{}: expected a positive-definite matrix", distribution));
  }
  return lower;
}

const char* name_of(Covariance::Form form) {
  switch (form) {
    case Covariance::Form::covariance_matrix:
      return "covariance_matrix";
    case Covariance::Form::precision_matrix:
      return "precision_matrix";
    default:
      return "scale_tril";
  }
}

Argument covariance_argument(const Covariance& covariance) {
  return {name_of(covariance.form()), covariance.value(),
          covariance.form() == Covariance::Form::scale_tril ? constraints::lower_cholesky()
                                                            : constraints::positive_definite()};
}

Tensor scale_tril_of(const char* distribution, const Covariance& covariance) {
  const Tensor matrix = widened(covariance.value());
  switch (covariance.form()) {
    case Covariance::Form::covariance_matrix:
      return cholesky(distribution, "covariance_matrix", matrix);
    case Covariance::Form::precision_matrix: {
      // With its rows and columns reversed, P = C C^T of a lower triangular C; reversed again, C is
      // an upper triangular U of P = U U^T. Hence P^-1 = L L^T of L = U^-T, which is lower.
      const Tensor reversed = cholesky(distribution, "precision_matrix", matrix.flip({-2, -1}));
      return solve_lower(reversed.flip({-2, -1}).mT(), at::eye(matrix.size(-1), matrix.options()));
    }
    default:
      return matrix;
  }
}

}  // namespace partita::distributions
