// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/dirichlet.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <array>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>

#include "partita/learn/distributions/internal/deviance.hpp"
#include "partita/learn/distributions/internal/implicit.hpp"
#include "partita/learn/distributions/internal/numeric.hpp"
#include "partita/learn/distributions/internal/special.hpp"

namespace partita::distributions {

namespace {

Argument argument_of(const TensorOrNumber& concentration) {
  return {"concentration",
          concentration,
          {constraints::positive().description, 1, false,
           [](const Tensor& x) { return x.size(-1) == 0 ? (x > 0).all(-1) : x.amin(-1) > 0; }}};
}

IntArrayRef last_dimension(const Tensor& concentration) {
  return concentration.sizes().slice(concentration.dim() == 0 ? 0 : concentration.dim() - 1);
}

/// x.sum(-1), which makes a copy in double first.
Tensor sum_in_double(const Tensor& x) {
  const bool has_gradient = at::GradMode::is_enabled() && x.requires_grad();
  if (has_gradient || !x.is_cpu() || !x.is_contiguous() || x.scalar_type() != at::kFloat) {
    return x.sum(-1, /*keepdim=*/false, at::kDouble);
  }
  const std::int64_t n = x.size(-1);
  Tensor sums = at::empty(x.sizes().slice(0, static_cast<std::size_t>(x.dim() - 1)), at::kDouble);
  const auto* from = x.data_ptr<float>();
  auto* to = sums.data_ptr<double>();
  at::parallel_for(
      0, sums.numel(), 1 + 10'000 / (n + 1), [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t row = begin; row < end; ++row) {
          std::array<double, 8> lanes{};
          const auto step = static_cast<std::int64_t>(lanes.size());
          const float* const entries = from + row * n;
          std::int64_t i = 0;
          for (; i + step <= n; i += step) {
            for (std::int64_t j = 0; j < step; ++j) {
              lanes[static_cast<std::size_t>(j)] += static_cast<double>(entries[i + j]);
            }
          }
          double sum = std::accumulate(lanes.begin(), lanes.end(), 0.0);
          for (; i < n; ++i) sum += static_cast<double>(entries[i]);
          to[row] = sum;
        }
      });
  return sums;
}

/// The logarithm of sum_of_others(), for probabilities.
Tensor log_sum_of_others(const Tensor& log_x) {
  const Tensor mask = is_largest(log_x);
  const Tensor rest =
      log_x.masked_fill(mask, -std::numeric_limits<double>::infinity()).logsumexp(-1, true);
  return at::where(mask, rest, at::log1p(-log_x.exp()));
}

}  // namespace

Dirichlet::Dirichlet(const TensorOrNumber& concentration, bool validate_args)
    : Distribution("Dirichlet", {argument_of(concentration)},
                   last_dimension(concentration.tensor()), validate_args) {}

Tensor Dirichlet::entropy() const {
  const Tensor c = in_double(concentration());
  const Tensor total = c.sum(-1);
  const auto classes = static_cast<double>(c.size(-1));
  // sum_i (log Gamma(c_i) - (c_i - 1) digamma(c_i)) - log Gamma(n) + (n - K) digamma(n)
  return ((0.5 * c.log() + stirling(c) - (c - 1) * digamma_less_log(c)).sum(-1) +
          0.5 * (classes - 1) * std::log(2 * std::numbers::pi) - stirling(total) +
          (0.5 - classes) * total.log() + (total - classes) * digamma_less_log(total))
      .to(concentration().scalar_type());
}

Tensor Dirichlet::mean() const { return concentration() / concentration().sum(-1, true); }

Tensor Dirichlet::mode() const {
  const Tensor& c = concentration();
  const Tensor excess = (c - 1).clamp_min(0);
  const Tensor at_vertex = (c <= 1).all(-1, true).logical_and((c == 1).all(-1, true).logical_not());
  return at::where(at_vertex, is_largest(c).to(c.scalar_type()), excess / excess.sum(-1, true));
}

Tensor Dirichlet::variance() const {
  const Tensor total = concentration().sum(-1, true);
  return mean() * (sum_of_others(concentration()) / total) / (total + 1);
}

Tensor Dirichlet::do_rsample(IntArrayRef sample_shape, const Random& random) const {
  const Tensor c = in_double(unexpanded(concentration(), 1)).expand(extended_shape(sample_shape));
  Tensor logs = random.log_standard_gamma(c);
  if (at::GradMode::is_enabled() && c.requires_grad() && c.size(-1) > 1) {
    // x_i is Beta(c_i, total - c_i): with the rest of the concentrations held, and what x_i gives
    // or takes shared by the others in proportion, d logit(x_i) / d c_i is that of the beta, and x
    // = softmax(logs) has just the derivatives d x_j / d logs_i that this takes.
    logs = logs.log_softmax(-1);
    const Tensor logit = logs - log_sum_of_others(logs);
    logs = logs + (implicit_draw(Family::kLogitBeta, logit, c, sum_of_others(c.detach())) - logit);
  }
  return positive_draw(logs.softmax(-1), options());
}

Tensor Dirichlet::do_log_prob(const Tensor& value) const {
  const Tensor own = unexpanded(concentration(), 1);
  const at::ScalarType type =
      value.scalar_type() == at::kFloat ? log_gamma_type({own}) : at::kDouble;
  const Tensor c = own.to(type);
  const Tensor x = expanded_with(value, concentration()).to(type);
  if (type == at::kDouble && all_at_least(x, smallest_normal(type))) {
    const Tensor log_x = x.log();
    return (log_multinomial_term(c, x, log_x) + (c.log() - log_x).sum(-1) - c.sum(-1).log())
        .to(at::result_type(value, concentration()));
  }
  const Tensor log_normalizer = sum_in_double(at::lgamma(c)) - at::lgamma(sum_in_double(c));
  const Tensor terms = all_at_least(x, smallest_normal(type))
                           ? (c - 1) * x.log()
                           : times(c - 1, log_or_minus_infinity(x));
  return (sum_in_double(terms) - log_normalizer).to(at::result_type(value, concentration()));
}

}  // namespace partita::distributions
