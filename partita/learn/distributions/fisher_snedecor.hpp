// SPDX-License-Identifier: Apache-2.0
// The Fisher-Snedecor (F) distribution: that of the ratio of two mean squares.
//
//   FisherSnedecor(2, 27).log_survival(f).exp()             // the p-value of an F-test
#pragma once

#include "partita/learn/distributions/distribution.hpp"

namespace partita::distributions {

/// FisherSnedecor(df1, df2): (U / df1) / (V / df2) for independent chi-squared U and V with df1 and
/// df2 > 0 degrees of freedom. Draws have the implicit gradient; cdf (absent in Python) has first
/// derivatives with respect to the value and both parameters.
class FisherSnedecor : public Distribution {
 public:
  FisherSnedecor(const TensorOrNumber& df1, const TensorOrNumber& df2, bool validate_args = true);

  const Tensor& df1() const { return parameter(0); }
  const Tensor& df2() const { return parameter(1); }

  Constraint support() const override { return constraints::positive(); }
  bool has_rsample() const override { return true; }
  Tensor mean() const override;      ///< +inf where df2 <= 2 (Python's: NaN)
  Tensor mode() const override;      ///< NaN where df1 <= 2, as in Python
  Tensor variance() const override;  ///< +inf where df2 <= 4 (Python's: NaN), NaN where df2 <= 2

 protected:
  std::shared_ptr<Distribution> clone() const override {
    return std::make_shared<FisherSnedecor>(*this);
  }
  Tensor do_rsample(IntArrayRef sample_shape, const Random& random) const override;
  Tensor do_log_prob(const Tensor& value) const override;
  Tensor do_cdf(const Tensor& value) const override;
  Tensor do_log_cdf(const Tensor& value) const override;
  Tensor do_log_survival(const Tensor& value) const override;
};

}  // namespace partita::distributions
