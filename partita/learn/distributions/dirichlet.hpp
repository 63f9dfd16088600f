// SPDX-License-Identifier: Apache-2.0
// The Dirichlet distribution: random probabilities.
//
//   Dirichlet(at::full({3}, 0.5)).rsample({64}, random)     // 64 rows of 3 that sum to 1
#pragma once

#include "partita/learn/distributions/distribution.hpp"

namespace partita::distributions {

/// Dirichlet(concentration), concentration [..., K] > 0: density prod x_i^(c_i - 1) / B(c) on
/// probabilities x of K classes.
///
/// Draws are made on a log scale, so that small concentrations do not underflow: no entry is 0 or
/// NaN. (With 5 concentrations of 1e-3, 3 % of Python's draws are the vector of fifths, because all
/// five gamma draws were too small for the type.) Their gradient is that of Jankowiak and Obermeyer
/// (2018), "Pathwise derivatives beyond the reparameterization trick", section 4, whose variance is
/// lower than that of the gradient through the K gamma draws.
class Dirichlet : public Distribution {
 public:
  explicit Dirichlet(const TensorOrNumber& concentration, bool validate_args = true);

  const Tensor& concentration() const { return parameter(0); }

  Constraint support() const override { return constraints::simplex(); }
  bool has_rsample() const override { return true; }
  Tensor entropy() const override;
  Tensor mean() const override;
  /// Where no concentration exceeds 1, the density peaks at the vertices: the steepest one, that of
  /// the largest concentration (Python: always the first); NaN if all are 1.
  Tensor mode() const override;
  Tensor variance() const override;

 protected:
  std::shared_ptr<Distribution> clone() const override {
    return std::make_shared<Dirichlet>(*this);
  }
  Tensor do_rsample(IntArrayRef sample_shape, const Random& random) const override;
  Tensor do_log_prob(const Tensor& value) const override;
};

}  // namespace partita::distributions
