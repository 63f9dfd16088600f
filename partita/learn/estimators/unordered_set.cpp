#include "partita/learn/estimators/unordered_set.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <limits>

#include "partita/base/error.hpp"
#include "partita/gumbel/gumbel_top_k.hpp"
#include "partita/learn/estimators/finite_support.hpp"
#include "partita/learn/estimators/leave_one_out.hpp"

namespace partita::estimators {

namespace {

/// k different outcomes of each row of a batch, in the order drawn.
struct Draw {
  Tensor outcomes;  ///< [k, batch, event]
  Tensor log_prob;  ///< [k, batch], differentiable
  Tensor log_rest;  ///< [batch], of all that was not drawn
};

/// @throws InvalidArgument if k is more than the support, or than a row's outcomes of p > 0.
Draw draw_without_replacement(const char* name, const FiniteSupport& support, std::int64_t k,
                              const Random& random) {
  if (k > support.size()) {
    throw InvalidArgument("samples", fmt::format("{}: expected at most {} (the outcomes), got {}",
                                                 name, support.size(), k));
  }
  const Tensor& log_prob = support.log_prob();
  const std::int64_t n = support.size();
  const Tensor rows = log_prob.detach().reshape({n, -1}).t().to(at::kCPU, at::kDouble).contiguous();
  TopKSample sample = gumbel_top_k({rows.data_ptr<double>(), static_cast<std::size_t>(rows.size(0)),
                                    static_cast<std::size_t>(n)},
                                   static_cast<std::size_t>(k), random.fork(),
                                   {.threads = at::get_num_threads(), .log_sum_exp = false});

  const Tensor numbers = at::from_blob(sample.indices.data(), {rows.size(0), k}, at::kLong)
                             .t()
                             .reshape(concatenate({k}, log_prob.sizes().slice(1)))
                             .to(log_prob.device(), at::kLong, /*non_blocking=*/false,
                                 /*copy=*/true);
  const Tensor left =
      log_prob.detach().scatter(0, numbers, -std::numeric_limits<double>::infinity());
  return {support.at(numbers), log_prob.gather(0, numbers), left.logsumexp(0)};
}

/// sum_s weight_s (f_s - baseline_s) grad log p_s, and the gradient of f itself.
Estimate weighted(const Tensor& weight, const Tensor& f, const Tensor& baseline,
                  const Tensor& log_prob) {
  const Tensor surrogate = (weight * (f + (f.detach() - baseline) * log_prob)).sum(0);
  return {surrogate, (weight * f.detach()).sum(0)};
}

}  // namespace

UnorderedSet::UnorderedSet(UnorderedSetOptions options)
    : Estimator("UnorderedSet", options.samples, options.baseline ? 2 : 1),
      baseline_(options.baseline) {}

Estimate UnorderedSet::estimate(const Distribution& distribution, const Function& f,
                                const Random& random) {
  const auto support = FiniteSupport::of(distribution);
  if (!support) does_not_fit(distribution, kFiniteSupport);
  const Draw draw = draw_without_replacement(name(), *support, samples(), random);
  const Tensor values = evaluate(f, draw.outcomes, distribution);

  const auto to_rows = [&](const Tensor& x) { return x.detach().reshape({samples(), -1}).t(); };
  const auto from_rows = [&](const Tensor& x) { return x.t().reshape(values.sizes()); };
  const auto ratios = leave_one_out_ratios(to_rows(draw.log_prob), draw.log_rest.flatten());
  const Tensor baseline =
      baseline_ ? from_rows(at::matmul(ratios.second, to_rows(values).unsqueeze(-1)).squeeze(-1))
                : at::zeros({}, values.options().requires_grad(false));
  return weighted(from_rows(ratios.first), values, baseline, draw.log_prob);
}

SumAndSample::SumAndSample(SumAndSampleOptions options)
    : Estimator("SumAndSample", options.samples) {}

Estimate SumAndSample::estimate(const Distribution& distribution, const Function& f,
                                const Random& random) {
  const auto support = FiniteSupport::of(distribution);
  if (!support) does_not_fit(distribution, kFiniteSupport);
  const Draw draw = draw_without_replacement(name(), *support, samples(), random);
  const Tensor values = evaluate(f, draw.outcomes, distribution);
  Tensor log_weight = draw.log_prob.detach().clone();
  log_weight[-1] = at::logaddexp(log_weight[-1], draw.log_rest);
  return weighted(log_weight.exp(), values, at::zeros({}, values.options().requires_grad(false)),
                  draw.log_prob);
}

}  // namespace partita::estimators
