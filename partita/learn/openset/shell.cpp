// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/openset/shell.hpp"

#include <ATen/ATen.h>

#include <cmath>
#include <limits>

#include "partita/base/internal/check.hpp"

namespace partita::openset {
namespace {

constexpr double kRidge = 1e-4;

/// Cholesky's factor L of a covariance LL', which may be singular.
Tensor factor(const Tensor& covariance) {
  const double ridge = kRidge * covariance.diagonal().mean().item<double>();
  const double least = std::numeric_limits<float>::epsilon();
  return at::linalg_cholesky(covariance +
                             (ridge + least) * at::eye(covariance.size(0), covariance.options()));
}

/// Squared Mahalanobis distance of each row of x to its nearest mean, [n].
Tensor distance(const Tensor& x, const Tensor& means, const Tensor& lower) {
  const auto whitened = [&](const Tensor& rows) {
    return at::linalg_solve_triangular(lower, rows.t(), /*upper=*/false).t();
  };
  return at::cdist(whitened(x), whitened(means)).square().amin(1);
}

}  // namespace

Tensor shell(const Tensor& features, const Tensor& labels, std::int64_t count, const Random& random,
             double share) {
  check_at_least("features", features.size(0), 1, "rows");
  check_at_least("count", count, 1);
  check_in("share", share, "(0, 1]");
  const at::NoGradGuard no_grad;
  const Tensor place = std::get<1>(at::_unique(labels, /*sorted=*/true, /*return_inverse=*/true));
  const std::int64_t classes = place.max().item<std::int64_t>() + 1;
  const Tensor belongs = at::one_hot(place, classes).to(features.scalar_type());  // [N, classes]
  const Tensor means = belongs.t().mm(features) / belongs.sum(0).unsqueeze(1);
  const Tensor around = features - means.index_select(0, place);
  const Tensor lower = factor(around.t().mm(around) / static_cast<double>(features.size(0)));

  const auto draws = static_cast<std::int64_t>(std::ceil(static_cast<double>(count) / share));
  const Tensor of = at::arange(draws, place.options()).remainder(classes);
  const Tensor noise = random.normal({draws, features.size(1)}, features.options());
  const Tensor x = means.index_select(0, of) + noise.mm(lower.t());
  const Tensor least_likely = std::get<1>(distance(x, means, lower).topk(count));
  return x.index_select(0, least_likely);
}

}  // namespace partita::openset
