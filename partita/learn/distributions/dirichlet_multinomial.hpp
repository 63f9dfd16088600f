// SPDX-License-Identifier: Apache-2.0
// How often each of V categories comes up in n draws whose probabilities are themselves drawn from
// a Dirichlet: counts that vary more than a Multinomial's.
//
//   DirichletMultinomial(100, at::full({5}, 0.5)).sample({8}, random)   // [8, 5], summing to 100
#pragma once

#include "partita/learn/distributions/distribution.hpp"

namespace partita::distributions {

/// DirichletMultinomial(total_count, concentration), concentration c [..., V] > 0 with sum C:
///   P(x) = n! / prod_i x_i! prod_i (c_i)_(x_i) / (C)_n for counts x [..., V] that sum to n,
/// (c)_k = c (c + 1) ... (c + k - 1). total_count is a whole number >= 0, or a tensor of them of
/// any type. Large concentrations, for which it approaches the multinomial distribution, cost no
/// digits.
class DirichletMultinomial : public Distribution {
 public:
  DirichletMultinomial(const TensorOrNumber& total_count, const Tensor& concentration,
                       bool validate_args = true);

  const Tensor& total_count() const { return parameter(0); }
  const Tensor& concentration() const { return parameter(1); }

  Constraint support() const override;
  /// By sums over 0 ... total_count for each category, in time and memory; off by about 1e-16 of
  /// log(total_count!).
  Tensor entropy() const override;
  Tensor mean() const override;
  /// The variance of each count.
  Tensor variance() const override;

 protected:
  std::shared_ptr<Distribution> clone() const override {
    return std::make_shared<DirichletMultinomial>(*this);
  }
  Tensor do_sample(IntArrayRef sample_shape, const Random& random) const override;
  Tensor do_log_prob(const Tensor& value) const override;

 private:
  /// concentration as shares of its sum.
  Tensor shares() const { return concentration() / concentration().sum(-1, /*keepdim=*/true); }
};

}  // namespace partita::distributions
