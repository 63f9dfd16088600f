#include "partita/learn/distributions/log_probability.hpp"

#include <ATen/ATen.h>

#include <limits>

namespace partita::distributions {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

}  // namespace

Tensor log_of_probability(const Tensor& p) {
  const Tensor impossible = p == 0;
  return p.masked_fill(impossible, 1).log().masked_fill(impossible, -kInfinity);
}

Tensor log_of_complement(const Tensor& p) {
  const Tensor impossible = p == 1;
  return at::log1p(-p.masked_fill(impossible, 0)).masked_fill(impossible, -kInfinity);
}

Tensor times(const Tensor& weight, const Tensor& log_prob) {
  const Tensor never = (weight == 0).logical_and(log_prob == -kInfinity);
  return weight * at::where(never, at::zeros({}, log_prob.options()), log_prob);
}

Tensor in_double(const Tensor& x) { return x.to(at::kDouble); }

}  // namespace partita::distributions
