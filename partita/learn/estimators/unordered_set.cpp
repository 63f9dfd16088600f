// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/estimators/unordered_set.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <tuple>
#include <vector>

#include "partita/base/error.hpp"
#include "partita/learn/distributions/internal/numeric.hpp"
#include "partita/learn/estimators/internal/finite_support.hpp"
#include "partita/learn/estimators/leave_one_out.hpp"
#include "partita/random/fill.hpp"

namespace partita::estimators {

namespace {

/// k different outcomes of each row of a batch, in the order drawn.
struct Draw {
  Tensor outcomes;  ///< [k, batch, event]
  Tensor log_prob;  ///< [k, batch], differentiable
  Tensor log_rest;  ///< [batch], log-probability of everything not drawn
};

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// Gumbels [..., C] given that the largest along the last dimension is `maximum`, [..., 1] (Kool,
/// van Hoof, Welling 2019, "Stochastic beams and where to find them", appendix B.3).
Tensor given_maximum(const Tensor& gumbel, const Tensor& maximum) {
  const Tensor v =
      maximum - gumbel + distributions::log1mexp(gumbel - gumbel.amax(-1, /*keepdim=*/true));
  return maximum - v.clamp_min(0) - v.abs().neg().exp().log1p();
}

/// Standard Gumbels, [rows, members, values]: those of row r from a stream of its own.
/// @param longest how many numbers a row takes of its stream at a time, at most
Tensor noise(const Stream& stream, std::uint64_t first_row, std::int64_t time, std::int64_t longest,
             IntArrayRef shape) {
  Tensor out = at::empty(shape, at::kDouble);
  const std::int64_t size = shape[1] * shape[2];
  auto* const data = out.data_ptr<double>();
  at::parallel_for(0, shape[0], 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t row = first; row < last; ++row) {
      fill_gumbel(stream.child(first_row + static_cast<std::uint64_t>(row)),
                  static_cast<std::uint64_t>(time * longest),
                  {data + row * size, static_cast<std::size_t>(size)});
    }
  });
  return out;
}

/// Stochastic beam search over the variables, one after the other: a joint outcome is a path, and
/// the beam keeps the k assignments to the first variables whose best completion is the largest.
/// So nothing is enumerated. Whatever is not drawn was left behind at one of the variables, so what
/// the beam leaves there adds up to log_rest without cancellation.
/// @throws InvalidArgument if k is more than the support, or than a row's outcomes with p > 0.
Draw draw_without_replacement(const char* name, const FiniteSupport& support, std::int64_t k,
                              const Random& random) {
  if (static_cast<double>(k) > support.size()) {
    throw InvalidArgument("samples", fmt::format("{}: expected at most {} (the outcomes), got {}",
                                                 name, support.size(), k));
  }
  const std::int64_t values = support.values();
  const std::int64_t variables = support.variables();
  const Tensor each = support.log_prob()
                          .detach()
                          .reshape({values, -1, variables})
                          .permute({2, 1, 0})
                          .to(at::kCPU, at::kDouble);  // [variables, rows, values]
  const std::int64_t rows = each.size(1);
  const Stream stream = random.whole().fork();
  const std::uint64_t first_row = random.first_row(rows);

  Tensor log_prob = at::zeros({rows, 1}, at::kDouble);
  Tensor perturbed;
  Tensor log_rest = at::full({rows}, -kInfinity, at::kDouble);
  std::vector<Tensor> parents;  // for each variable, [rows, members]
  std::vector<Tensor> numbers;  // its values, likewise
  for (std::int64_t m = 0; m < variables; ++m) {
    const Tensor children =
        log_prob.unsqueeze(-1) + each[m].unsqueeze(1);  // [rows, members, values]
    Tensor gumbel = children + noise(stream, first_row, m, k * values, children.sizes());
    if (m > 0) gumbel = given_maximum(gumbel, perturbed.unsqueeze(-1));
    gumbel.masked_fill_(children == -kInfinity, -kInfinity);
    Tensor chosen;
    std::tie(perturbed, chosen) = gumbel.flatten(1).topk(std::min(k, gumbel.size(1) * values), 1);
    const Tensor flat = children.flatten(1);
    log_prob = flat.gather(1, chosen);
    log_rest = at::logaddexp(log_rest, flat.scatter(1, chosen, -kInfinity).logsumexp(1));
    parents.push_back(chosen.div(values, "floor"));
    numbers.push_back(chosen.remainder(values));
  }
  const Tensor possible = (perturbed > -kInfinity).all(1);
  if (!possible.all().item<bool>()) {
    throw InvalidArgument("samples",
                          fmt::format("{}: row {} has fewer than {} outcomes with p > 0", name,
                                      possible.to(at::kByte).argmin().item<std::int64_t>(), k));
  }
  Tensor member = at::arange(k, at::kLong).expand({rows, k});
  for (std::size_t m = numbers.size(); m-- > 0;) {
    numbers[m] = numbers[m].gather(1, member);
    member = parents[m].gather(1, member);
  }

  const IntArrayRef batch =
      support.log_prob().sizes().slice(1, static_cast<std::size_t>(support.log_prob().dim()) - 2);
  const Tensor drawn = at::stack(numbers, -1)
                           .movedim(1, 0)
                           .reshape(concatenate(concatenate({k}, batch), {variables}))
                           .to(support.log_prob().device());
  return {support.at(drawn), support.log_prob().gather(0, drawn).sum(-1),
          log_rest.reshape(batch).to(support.log_prob().options())};
}

/// sum_s weight_s (f_s - baseline_s) grad log p_s, and the gradient of f itself.
GradientEstimate weighted(const Tensor& weight, const Tensor& f, const Tensor& baseline,
                          const Tensor& log_prob) {
  const Tensor surrogate = (weight * (f + (f.detach() - baseline) * log_prob)).sum(0);
  return {surrogate, (weight * f.detach()).sum(0)};
}

}  // namespace

UnorderedSet::UnorderedSet(UnorderedSetOptions options)
    : Estimator("UnorderedSet", options.samples, options.baseline ? 2 : 1),
      baseline_(options.baseline) {}

GradientEstimate UnorderedSet::estimate(const Distribution& distribution, const Function& f,
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

GradientEstimate SumAndSample::estimate(const Distribution& distribution, const Function& f,
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
