// SPDX-License-Identifier: Apache-2.0
// Random signs.
//
//   Rademacher().sample({8}, random)             // -1 and 1, of floating-point type
//   Rademacher({3}, z.options())                 // three of them, of z's type and device
#pragma once

#include "partita/learn/distributions/distribution.hpp"

namespace partita::distributions {

/// Rademacher(batch_shape, options): -1 and 1 with probability 1/2 each. It has no parameters, and
/// so no gradient.
class Rademacher : public Distribution {
 public:
  /// @param options a floating-point type (torch's default if it names none) and a device.
  explicit Rademacher(IntArrayRef batch_shape = {}, const at::TensorOptions& options = {},
                      bool validate_args = true);

  at::TensorOptions options() const override { return options_; }
  Constraint support() const override;
  Tensor entropy() const override;
  Tensor mean() const override;
  /// NaN: both are equally probable.
  Tensor mode() const override;
  Tensor variance() const override;
  bool has_enumerate_support() const override { return true; }
  Tensor enumerate_support(bool expand = true) const override;

 protected:
  std::shared_ptr<Distribution> clone() const override {
    return std::make_shared<Rademacher>(*this);
  }
  Tensor do_sample(IntArrayRef sample_shape, const Random& random) const override;
  Tensor do_log_prob(const Tensor& value) const override;
  Tensor do_cdf(const Tensor& value) const override;
  Tensor rounded_down(const Tensor& value) const override {
    return 2 * ((value + 1) / 2).floor() - 1;
  }
  Tensor rounded_up(const Tensor& value) const override { return -rounded_down(-value); }

 private:
  at::TensorOptions options_;
};

}  // namespace partita::distributions
