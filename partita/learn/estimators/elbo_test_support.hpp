// SPDX-License-Identifier: Apache-2.0
// A model whose evidence and posterior are known, for the tests of bounds.
#pragma once

#include <cmath>

#include "partita/learn/distributions/normal.hpp"
#include "partita/learn/estimators/elbo.hpp"
#include "partita/learn/estimators/test_support.hpp"

namespace partita::estimators::testing {

using distributions::Normal;

/// z ~ N(0, 1), x | z ~ N(w z, s): evidence N(x; 0, sqrt(w^2 + s^2)), posterior
/// N(w x / (w^2 + s^2), s / sqrt(w^2 + s^2)).
struct LinearGaussian {
  double w = 1.5;
  double s = 0.7;
  Tensor x = numbers({0.4, -2});

  Normal prior() const { return {numbers({0, 0}), 1}; }
  double total() const { return w * w + s * s; }
  Tensor log_evidence() const { return Normal(at::zeros_like(x), std::sqrt(total())).log_prob(x); }
  Normal posterior() const { return {w * x / total(), s / std::sqrt(total())}; }
  Function log_likelihood() const {
    return [*this](const Tensor& z) { return Normal(w * z, s).log_prob(x.expand_as(z)); };
  }
};

/// q of batch [x, k].
inline Normal copies(const Tensor& loc, const Tensor& scale, std::int64_t k) {
  return {loc.unsqueeze(-1).expand({loc.size(0), k}), scale.unsqueeze(-1).expand({loc.size(0), k})};
}

}  // namespace partita::estimators::testing
