// SPDX-License-Identifier: Apache-2.0
// Student's t distribution.
//
//   StudentT(df).log_prob(x)
//   StudentT(5, loc, scale).rsample({64}, random)
//   2 * StudentT(n - 1).log_survival(t).exp()               // the p-value of a t-test
#pragma once

#include "partita/learn/distributions/distribution.hpp"

namespace partita::distributions {

/// StudentT(df, loc, scale): loc + scale Z sqrt(df / V) for a standard normal Z and a chi-squared V
/// with df > 0 degrees of freedom; scale > 0.
///
/// Draws have the implicit gradient with respect to df too; Python's flows through V and has larger
/// variance. cdf (absent in Python) has first derivatives with respect to the value and all
/// parameters. log_prob keeps its digits for large df (Python's is off by 0.02 at df = 1e5 in
/// single precision, and by 0.9 at 1e7) and for values whose square overflows.
class StudentT : public Distribution {
 public:
  explicit StudentT(const TensorOrNumber& df, const TensorOrNumber& loc = 0.0,
                    const TensorOrNumber& scale = 1.0, bool validate_args = true);

  const Tensor& df() const { return parameter(0); }
  const Tensor& loc() const { return parameter(1); }
  const Tensor& scale() const { return parameter(2); }

  Constraint support() const override { return constraints::real(); }
  bool has_rsample() const override { return true; }
  Tensor entropy() const override;
  Tensor mean() const override;  ///< NaN where df <= 1
  Tensor mode() const override { return loc(); }
  Tensor variance() const override;  ///< +inf where df <= 2, NaN where df <= 1

 protected:
  std::shared_ptr<Distribution> clone() const override { return std::make_shared<StudentT>(*this); }
  Tensor do_rsample(IntArrayRef sample_shape, const Random& random) const override;
  Tensor do_log_prob(const Tensor& value) const override;
  Tensor do_cdf(const Tensor& value) const override;
  Tensor do_log_cdf(const Tensor& value) const override;
  Tensor do_log_survival(const Tensor& value) const override;

 private:
  /// The logit y whose sigmoid is Beta(df / 2, df / 2): value = loc + scale sqrt(df) sinh(y / 2).
  Tensor logit_of(const Tensor& value) const;
};

}  // namespace partita::distributions
