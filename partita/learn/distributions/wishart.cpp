// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/wishart.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <numbers>
#include <tuple>

#include "partita/base/error.hpp"
#include "partita/learn/distributions/internal/covariance.hpp"
#include "partita/learn/distributions/internal/implicit.hpp"
#include "partita/learn/distributions/internal/numeric.hpp"

namespace partita::distributions {

namespace {

std::vector<Argument> arguments_of(const TensorOrNumber& df, const Covariance& covariance) {
  const Argument matrix = covariance_argument(covariance);
  const IntArrayRef sizes = covariance.value().sizes();
  if (sizes.size() < 2 || sizes[sizes.size() - 1] != sizes[sizes.size() - 2]) {
    throw InvalidArgument(matrix.name, fmt::format("Wishart: expected [..., D, D], got {}",
                                                   partita::to_string(sizes)));
  }
  const double least = static_cast<double>(sizes.back()) - 1;
  Constraint degrees = constraints::greater_than(at::scalar_tensor(least, at::kDouble), "");
  degrees.description = fmt::format("a number > D - 1 = {}", least);
  return {{"df", df, degrees}, matrix};
}

/// The matrices, with the diagonals of those raised that rounding has left without a Cholesky
/// factor, in single or in double precision.
Tensor definite(const Tensor& matrices) {
  Tensor x = matrices;
  const Tensor diagonal = x.detach().diagonal(0, -2, -1);
  double raised = 4 * static_cast<double>(x.size(-1)) * epsilon(x.scalar_type());
  const auto fails = [&](at::ScalarType type) {
    return std::get<1>(at::linalg_cholesky_ex(x.detach().to(type))) != 0;
  };
  for (int attempt = 0; attempt < 20; ++attempt, raised *= 2) {
    const Tensor singular = fails(at::kFloat).logical_or(fails(at::kDouble));
    if (!singular.any().item<bool>()) break;
    x = x + (diagonal * raised).masked_fill(singular.logical_not().unsqueeze(-1), 0).diag_embed();
  }
  return x;
}

Tensor log_det_of(const Tensor& tril) { return 2 * tril.diagonal(0, -2, -1).log().sum(-1); }

}  // namespace

Wishart::Wishart(const TensorOrNumber& df, const Covariance& covariance, bool validate_args)
    : Distribution("Wishart", arguments_of(df, covariance), {}, validate_args),
      form_(covariance.form()) {
  event_shape_ = {parameter(1).size(-1), parameter(1).size(-1)};
}

Tensor Wishart::scale_tril() const {
  const Tensor matrix = unexpanded(parameter(1), 2);
  const Covariance covariance =
      form_ == Covariance::Form::scale_tril         ? Covariance(ScaleTril(matrix))
      : form_ == Covariance::Form::precision_matrix ? Covariance(PrecisionMatrix(matrix))
                                                    : Covariance(matrix);
  return scale_tril_of("Wishart", covariance).expand(extended_shape({}));
}

Tensor Wishart::covariance_matrix() const {
  if (form_ == Covariance::Form::covariance_matrix) return parameter(1);
  const Tensor tril = scale_tril();
  return tril.matmul(tril.mT());
}

Tensor Wishart::precision_matrix() const {
  return form_ == Covariance::Form::precision_matrix ? parameter(1)
                                                     : at::cholesky_inverse(scale_tril());
}

Tensor Wishart::half_degrees() const {
  const Tensor steps = at::arange(size(), options().dtype(at::kDouble));
  return (in_double(df()).unsqueeze(-1) - steps) / 2;
}

Tensor Wishart::log_normalizer() const {
  const auto d = static_cast<double>(size());
  const Tensor half = in_double(df()) / 2;
  return half * (d * std::numbers::ln2 + log_det_of(in_double(scale_tril()))) +
         d * (d - 1) / 4 * std::log(kPi) + at::lgamma(half_degrees()).sum(-1);
}

Tensor Wishart::entropy() const {
  const auto d = static_cast<double>(size());
  const Tensor half = in_double(df()) / 2;
  // E log det(X) = D log 2 + log det(covariance) + psi_D(df / 2), and E tr(covariance^-1 X) = D df.
  const Tensor mean_log_det = d * std::numbers::ln2 + log_det_of(in_double(scale_tril())) +
                              at::digamma(half_degrees()).sum(-1);
  return (log_normalizer() - (half - (d + 1) / 2) * mean_log_det + d * half).to(df().scalar_type());
}

Tensor Wishart::mean() const { return df().unsqueeze(-1).unsqueeze(-1) * covariance_matrix(); }

Tensor Wishart::mode() const {
  const Tensor factor = df() - static_cast<double>(size() + 1);
  return factor.masked_fill(factor < 0, std::numeric_limits<double>::quiet_NaN())
             .unsqueeze(-1)
             .unsqueeze(-1) *
         covariance_matrix();
}

Tensor Wishart::variance() const {
  const Tensor covariance = covariance_matrix();
  const Tensor diagonal = covariance.diagonal(0, -2, -1);
  return df().unsqueeze(-1).unsqueeze(-1) *
         (covariance.square() + diagonal.unsqueeze(-1) * diagonal.unsqueeze(-2));
}

Tensor Wishart::do_rsample(IntArrayRef sample_shape, const Random& random) const {
  // L A A^T L^T for a lower triangular A whose squared diagonal is chi-squared with df, df - 1, ...
  // degrees of freedom, and whose other entries are standard normal.
  const Shape shape = extended_shape(sample_shape);
  const Tensor c = half_degrees().expand(IntArrayRef(shape).slice(0, shape.size() - 1));
  const Tensor log_gamma =
      implicit_draw(Family::kLogGamma, Random(random.fork()).log_standard_gamma(c.detach()), c);
  const Tensor normal = random.normal(shape, options().dtype(at::kDouble));
  const Tensor a = normal.tril(-1) + ((log_gamma + std::numbers::ln2) / 2).exp().diag_embed();
  const Tensor factor = in_double(scale_tril()).matmul(a);
  return definite(factor.matmul(factor.mT()).to(options()));
}

Tensor Wishart::narrowed(const Tensor& draws) const {
  const double largest = largest_number(df().scalar_type());
  return definite(draws.clamp(-largest, largest).to(options()));
}

Tensor Wishart::do_log_prob(const Tensor& value) const {
  const auto d = static_cast<double>(size());
  const auto [factor, info] = at::linalg_cholesky_ex(in_double(value));
  // Without validation a value may be none.
  const Tensor singular = info != 0;
  const Tensor mask = singular.unsqueeze(-1).unsqueeze(-1);
  const Tensor x = at::where(mask, at::eye(size(), factor.options()), factor);
  const Tensor trace = solve_lower(in_double(scale_tril()), x).square().sum({-2, -1});
  return ((in_double(df()) - d - 1) / 2 * log_det_of(x) - trace / 2 - log_normalizer())
      .masked_fill(singular, -kInfinity)
      .to(at::result_type(value, df()));
}

}  // namespace partita::distributions
