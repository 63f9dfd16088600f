// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/internal/subset_law.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <span>
#include <vector>

#include "partita/base/error.hpp"
#include "partita/gumbel/conditional_poisson.hpp"
#include "partita/learn/distributions/internal/numeric.hpp"
#include "partita/learn/rows.hpp"

namespace partita::distributions {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// As rows of doubles on the CPU.
Tensor matrix_of(const Tensor& x) {
  return x.detach().reshape({-1, x.size(-1)}).to(at::kCPU, at::kDouble).contiguous();
}

/// Calls body(law, row) with the ConditionalPoisson of each row of logits, on torch's threads.
template <class Body>
void for_each_law(const Tensor& logits, std::int64_t k, const Body& body) {
  const Rows rows = rows_of(logits, "logits");
  constexpr std::int64_t kGrain = 1 << 12;
  at::parallel_for(
      0, logits.size(0), std::max<std::int64_t>(1, kGrain / logits.size(1)),
      [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t row = begin; row < end; ++row) {
          body(ConditionalPoisson(rows, static_cast<std::size_t>(k), static_cast<std::size_t>(row)),
               row);
        }
      });
}

/// The covariances are those of marginals(), whose derivative they are; they have none themselves.
struct CovarianceTimes : torch::autograd::Function<CovarianceTimes> {
  static Tensor forward(AutogradContext* ctx, const Tensor& logits, const Tensor& v,
                        std::int64_t k) {
    ctx->save_for_backward({logits});
    ctx->saved_data["k"] = k;
    const Tensor z = matrix_of(logits);
    const Tensor direction = matrix_of(v.expand_as(logits));
    const Tensor product = at::empty_like(z);
    const std::int64_t n = z.size(1);
    for_each_law(z, k, [&](const ConditionalPoisson& law, std::int64_t row) {
      const std::span<const double> one(direction.data_ptr<double>() + row * n,
                                        static_cast<std::size_t>(n));
      std::ranges::copy(law.covariance_times(one), product.data_ptr<double>() + row * n);
    });
    return product.view(logits.sizes()).to(logits.device());
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    if (ctx->needs_input_grad(0)) {
      throw InvalidArgument(
          "logits",
          "Subset: expected at most two derivatives of log_prob, or one of mean, variance, "
          "entropy or kl_divergence; this would be one more");
    }
    const Tensor logits = ctx->get_saved_variables()[0];
    return {Tensor(), apply(logits, gradients[0], ctx->saved_data["k"].toInt()), Tensor()};
  }
};

struct OfMarginals : torch::autograd::Function<OfMarginals> {
  static variable_list forward(AutogradContext* ctx, const Tensor& logits, std::int64_t k) {
    ctx->save_for_backward({logits});
    ctx->saved_data["k"] = k;
    const Tensor z = matrix_of(logits);
    const Tensor included = at::empty_like(z);
    const Tensor excluded = at::empty_like(z);
    for_each_law(z, k, [&](const ConditionalPoisson& law, std::int64_t row) {
      const ConditionalPoisson::Marginals one = law.marginals();
      std::ranges::copy(one.included, included.data_ptr<double>() + row * z.size(1));
      std::ranges::copy(one.excluded, excluded.data_ptr<double>() + row * z.size(1));
    });
    const auto shaped = [&](const Tensor& x) { return x.view(logits.sizes()).to(logits.device()); };
    const variable_list both = {shaped(included), shaped(excluded)};
    ctx->mark_non_differentiable({both[1]});
    return both;
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    const Tensor logits = ctx->get_saved_variables()[0];
    return {CovarianceTimes::apply(logits, gradients[0], ctx->saved_data["k"].toInt()), Tensor()};
  }
};

/// log_chance and shift. The derivative is that of log e_k less that of the coins' own
/// probabilities: the marginals less the coins' means. Where one is wanted, marginals are computed
/// with the chance, from the same tree.
struct Chance : torch::autograd::Function<Chance> {
  static variable_list forward(AutogradContext* ctx, const Tensor& logits, std::int64_t k,
                               bool wants_gradient) {
    const Tensor z = matrix_of(logits);
    const Tensor log_chance = at::empty({z.size(0)}, z.options());
    const Tensor shift = at::empty_like(log_chance);
    const Tensor included = wants_gradient ? at::empty_like(z) : Tensor();
    for_each_law(z, k, [&](const ConditionalPoisson& law, std::int64_t row) {
      log_chance.data_ptr<double>()[row] = law.log_chance();
      shift.data_ptr<double>()[row] = law.shift();
      if (!included.defined()) return;
      std::ranges::copy(law.marginals().included, included.data_ptr<double>() + row * z.size(1));
    });
    const IntArrayRef batch = logits.sizes().slice(0, logits.sizes().size() - 1);
    const auto shaped = [&](const Tensor& x) { return x.view(batch).to(logits.device()); };
    const variable_list both = {shaped(log_chance), shaped(shift)};
    ctx->save_for_backward(
        {logits, both[1],
         included.defined() ? included.view(logits.sizes()).to(logits.device()) : Tensor()});
    ctx->saved_data["k"] = k;
    ctx->mark_non_differentiable({both[1]});
    return both;
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    const variable_list saved = ctx->get_saved_variables();
    const Tensor& logits = saved[0];
    const Tensor included = at::GradMode::is_enabled()
                                ? OfMarginals::apply(logits, ctx->saved_data["k"].toInt())[0]
                                : saved[2];
    const Tensor heads = (logits - saved[1].unsqueeze(-1)).sigmoid();
    return {gradients[0].unsqueeze(-1) * (included - heads), Tensor(), Tensor()};
  }
};

}  // namespace

SubsetMarginals subset_marginals(const Tensor& logits, std::int64_t k) {
  const variable_list both = OfMarginals::apply(in_double(logits), k);
  return {both[0], with_derivatives_of(1 - both[0], both[1])};
}

SubsetLaw SubsetLaw::of(const Tensor& logits, std::int64_t k) {
  const Tensor z = in_double(logits);
  const bool wants_gradient = at::GradMode::is_enabled() && z.requires_grad();
  const variable_list both = Chance::apply(z, k, wants_gradient);
  return {z, k, both[1], both[0]};
}

Tensor SubsetLaw::log_heads() const { return at::log_sigmoid(log_odds()); }
Tensor SubsetLaw::log_tails() const { return at::log_sigmoid(-log_odds()); }

Tensor SubsetLaw::covariance_times(const Tensor& v) const {
  const at::NoGradGuard no_grad;
  return CovarianceTimes::apply(logits, v, k);
}

}  // namespace partita::distributions
