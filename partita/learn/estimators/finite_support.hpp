// The outcomes of a distribution of finite support, numbered. Internal to estimators/.
#pragma once

#include <optional>

#include "partita/learn/distributions/distribution.hpp"
#include "partita/learn/tensor.hpp"

namespace partita::estimators {

using distributions::Distribution;

inline constexpr const char* kFiniteSupport = "a distribution that enumerates its support";

/// The N outcomes of a distribution; those of an Independent of M variables with C values each are
/// all C^M combinations, numbered with the last variable fastest.
class FiniteSupport {
 public:
  /// Nothing if the distribution has no enumerate_support.
  /// @throws InvalidArgument if there are more than 2^20 combinations.
  static std::optional<FiniteSupport> of(const Distribution& distribution);

  std::int64_t size() const { return log_prob_.size(0); }
  /// [N, batch], differentiable.
  const Tensor& log_prob() const { return log_prob_; }
  /// Outcomes by number: int64 [k, batch] -> [k, batch, event].
  Tensor at(const Tensor& numbers) const;
  /// All of them, [N, batch, event].
  Tensor all() const;

 private:
  FiniteSupport() = default;

  Tensor log_prob_;
  Shape event_shape_;
  std::int64_t variables_ = 1;  ///< M
  std::int64_t values_ = 0;     ///< C
  Tensor table_;                ///< [C, event of a variable]; undefined for one-hot vectors
  at::TensorOptions options_;
};

}  // namespace partita::estimators
