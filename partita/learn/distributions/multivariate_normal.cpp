// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/multivariate_normal.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cmath>
#include <numbers>
#include <tuple>

#include "partita/base/error.hpp"
#include "partita/learn/distributions/internal/covariance.hpp"
#include "partita/learn/distributions/internal/numeric.hpp"

namespace partita::distributions {

namespace {

const double kLog2Pi = std::log(2 * std::numbers::pi);

/// op on [..., D, N], whose columns are the vectors of [sample, batch, D] that meet the same of the
/// matrices [..., K, D]; op's [..., K, N] (or [..., N]) as [sample, batch, K] ([sample, batch]). No
/// matrix is copied for each sample, which broadcasting would do.
template <class Op>
Tensor on_columns(const Tensor& matrices, const Tensor& vectors, const Op& op) {
  const IntArrayRef sizes = vectors.sizes();
  const auto samples = static_cast<std::size_t>(vectors.dim() - (matrices.dim() - 1));
  const IntArrayRef leading = sizes.slice(0, samples);
  const Shape flat = concatenate({c10::multiply_integers(leading)}, sizes.slice(samples));
  const Tensor result = op(vectors.reshape(flat).movedim(0, -1)).movedim(-1, 0);
  return result.reshape(concatenate(leading, result.sizes().slice(1)));
}

/// Each of the matrices times its vectors.
Tensor times_vectors(const Tensor& matrices, const Tensor& vectors) {
  return on_columns(matrices, vectors,
                    [&](const Tensor& columns) { return matrices.matmul(columns); });
}

/// I + m.
Tensor plus_identity(const Tensor& matrices) {
  return matrices + at::eye(matrices.size(-1), matrices.options());
}

Tensor half_log_det(const Tensor& tril) { return tril.diagonal(0, -2, -1).log().sum(-1); }

/// The size of loc's vectors.
std::int64_t event_size(const char* distribution, const Tensor& loc) {
  if (loc.dim() == 0) {
    throw InvalidArgument(
        "loc", fmt::format("{}: expected one dimension or more, got a number", distribution));
  }
  return loc.size(-1);
}

std::vector<Argument> arguments_of(const Tensor& loc, const Covariance& covariance) {
  const std::int64_t size = event_size("MultivariateNormal", loc);
  check_event("MultivariateNormal", name_of(covariance.form()), covariance.value(), {size, size});
  return {{"loc", loc, constraints::real_vector()}, covariance_argument(covariance)};
}

std::vector<Argument> arguments_of(const Tensor& loc, const Tensor& cov_factor,
                                   const Tensor& cov_diag) {
  constexpr const char* kName = "LowRankMultivariateNormal";
  const std::int64_t size = event_size(kName, loc);
  check_event(kName, "cov_diag", cov_diag, {size});
  check_event(kName, "cov_factor", cov_factor,
              {size, cov_factor.dim() == 0 ? 1 : cov_factor.size(-1)});
  return {{"loc", loc, constraints::real_vector()},
          {"cov_factor", cov_factor, constraints::independent(constraints::real(), 2)},
          {"cov_diag", cov_diag, constraints::independent(constraints::positive(), 1)}};
}

}  // namespace

MultivariateNormal::MultivariateNormal(const Tensor& loc, const Covariance& covariance,
                                       bool validate_args)
    : Distribution("MultivariateNormal", arguments_of(loc, covariance), {}, validate_args),
      form_(covariance.form()),
      scale_tril_(scale_tril_of("MultivariateNormal", covariance)) {
  event_shape_ = {loc.size(-1)};
}

Tensor MultivariateNormal::scale_tril() const {
  return scale_tril_.expand(concatenate(extended_shape({}), event_shape()));
}

Tensor MultivariateNormal::covariance_matrix() const {
  if (form_ == Covariance::Form::covariance_matrix) return parameter(1);
  return scale_tril_.matmul(scale_tril_.mT()).expand(scale_tril().sizes());
}

Tensor MultivariateNormal::precision_matrix() const {
  if (form_ == Covariance::Form::precision_matrix) return parameter(1);
  return at::cholesky_inverse(scale_tril_).expand(scale_tril().sizes());
}

Tensor MultivariateNormal::entropy() const {
  const auto size = static_cast<double>(event_shape()[0]);
  return (0.5 * size * (1 + kLog2Pi) + half_log_det(scale_tril_)).expand(batch_shape());
}

Tensor MultivariateNormal::variance() const {
  return scale_tril_.square().sum(-1).expand(extended_shape({}));
}

Tensor MultivariateNormal::do_rsample(IntArrayRef sample_shape, const Random& random) const {
  return loc() + times_vectors(scale_tril_, random.normal(extended_shape(sample_shape), options()));
}

Tensor MultivariateNormal::do_log_prob(const Tensor& value) const {
  const Tensor squares = on_columns(scale_tril_, value - loc(), [&](const Tensor& columns) {
    return solve_lower(scale_tril_, columns).square();
  });
  const auto size = static_cast<double>(event_shape()[0]);
  return -0.5 * (size * kLog2Pi + squares.sum(-1)) - half_log_det(scale_tril_);
}

LowRankMultivariateNormal::LowRankMultivariateNormal(const Tensor& loc, const Tensor& cov_factor,
                                                     const Tensor& cov_diag, bool validate_args)
    : Distribution("LowRankMultivariateNormal", arguments_of(loc, cov_factor, cov_diag), {},
                   validate_args),
      factor_(widened(cov_factor) / widened(cov_diag).sqrt().unsqueeze(-1)) {
  event_shape_ = {loc.size(-1)};
  capacitance_tril_ = cholesky("LowRankMultivariateNormal", "cov_factor",
                               plus_identity(factor_.mT().matmul(factor_)));
}

Tensor LowRankMultivariateNormal::covariance_matrix() const {
  return cov_factor().matmul(cov_factor().mT()) + at::diag_embed(cov_diag());
}

Tensor LowRankMultivariateNormal::precision_matrix() const {
  // D^-1/2 (I - A (I + A^T A)^-1 A^T) D^-1/2, D = diag(d).
  const Tensor projected = solve_lower(capacitance_tril_, factor_.mT());
  const Tensor inner = plus_identity(-projected.mT().matmul(projected));
  const Tensor scale = cov_diag().rsqrt();
  return scale.unsqueeze(-1) * inner * scale.unsqueeze(-2);
}

Tensor LowRankMultivariateNormal::scale_tril() const {
  // The eigenvalues of I + A A^T are 1 or more: its factor is well-conditioned, for any d.
  return cov_diag().sqrt().unsqueeze(-1) * cholesky("LowRankMultivariateNormal", "cov_factor",
                                                    plus_identity(factor_.matmul(factor_.mT())));
}

Tensor LowRankMultivariateNormal::log_det() const {
  return 2 * half_log_det(capacitance_tril_) + cov_diag().log().sum(-1);
}

Tensor LowRankMultivariateNormal::entropy() const {
  const auto size = static_cast<double>(event_shape()[0]);
  return 0.5 * (size * (1 + kLog2Pi) + log_det());
}

Tensor LowRankMultivariateNormal::variance() const {
  return cov_factor().square().sum(-1) + cov_diag();
}

Tensor LowRankMultivariateNormal::do_rsample(IntArrayRef sample_shape, const Random& random) const {
  // One array of noise for both parts, so that the leading draws do not depend on their number.
  const std::int64_t size = event_shape()[0];
  const std::int64_t rank = factor_.size(-1);
  const Shape rows = concatenate(sample_shape, batch_shape());
  const Tensor noise = random.normal(concatenate(rows, {size + rank}), options());
  return loc() + cov_diag().sqrt() * (times_vectors(factor_, noise.narrow(-1, size, rank)) +
                                      noise.narrow(-1, 0, size));
}

Tensor LowRankMultivariateNormal::do_log_prob(const Tensor& value) const {
  const Tensor y = (value - loc()) / cov_diag().sqrt();
  const Tensor quadratic = on_columns(factor_, y, [&](const Tensor& columns) {
    const Tensor u = at::cholesky_solve(factor_.mT().matmul(columns), capacitance_tril_);
    return (columns - factor_.matmul(u)).square().sum(-2) + u.square().sum(-2);
  });
  const auto size = static_cast<double>(event_shape()[0]);
  return -0.5 * (size * kLog2Pi + log_det() + quadratic);
}

}  // namespace partita::distributions
