// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/kl.hpp"

#include <fmt/format.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>
#include <optional>
#include <shared_mutex>

#include "partita/base/error.hpp"
#include "partita/learn/distributions/internal/kl_pairs.hpp"
#include "partita/learn/distributions/not_available.hpp"

namespace partita::distributions {

namespace internal {

namespace {

const std::vector<KlPair>& library_pairs() {
  static const std::vector<KlPair> pairs = [] {
    std::vector<KlPair> all;
    append(all, bounded_kl_pairs());
    append(all, discrete_kl_pairs());
    append(all, multivariate_kl_pairs());
    append(all, positive_kl_pairs());
    append(all, real_kl_pairs());
    append(all, student_t_kl_pairs());
    return all;
  }();
  return pairs;
}

/// The caller's pairs.
struct Registry {
  std::shared_mutex mutex;
  std::vector<KlPair> pairs;
};

Registry& registry() {
  static Registry registry;
  return registry;
}

template <class Matches>
std::optional<KlPair> latest(const Matches& matches) {
  Registry& own = registry();
  {
    const std::shared_lock lock(own.mutex);
    const auto found = std::find_if(own.pairs.rbegin(), own.pairs.rend(), matches);
    if (found != own.pairs.rend()) return *found;
  }
  const auto& pairs = library_pairs();
  const auto found = std::find_if(pairs.rbegin(), pairs.rend(), matches);
  if (found != pairs.rend()) return *found;
  return std::nullopt;
}

}  // namespace

void add_kl_pair(KlPair pair) {
  Registry& own = registry();
  const std::unique_lock lock(own.mutex);
  own.pairs.push_back(std::move(pair));
}

void append(std::vector<KlPair>& pairs, std::vector<KlPair> more) {
  std::move(more.begin(), more.end(), std::back_inserter(pairs));
}

Tensor infinite_unless(const Tensor& finite, const Tensor& divergence) {
  return at::where(finite, divergence,
                   at::full({}, std::numeric_limits<double>::infinity(), divergence.options()));
}

Tensor infinite(const Distribution& p, const Distribution& /*q*/) {
  return at::full({}, std::numeric_limits<double>::infinity(), p.options());
}

Tensor normal_cross_entropy(const Tensor& mean, const Tensor& variance, const Tensor& loc,
                            const Tensor& scale) {
  return 0.5 * ((variance.sqrt() / scale).square() + ((mean - loc) / scale).square()) +
         scale.log() + 0.5 * std::log(2 * std::numbers::pi);
}

Tensor normal_kl(const Tensor& loc_p, const Tensor& scale_p, const Tensor& loc_q,
                 const Tensor& scale_q) {
  // (r^2 - 1) / 2 - log r = (r - 1)^2 / 2 + (r - 1 - log r)
  return ratio_gap(scale_p, scale_q) + 0.5 * ((scale_p - scale_q) / scale_q).square() +
         0.5 * ((loc_p - loc_q) / scale_q).square();
}

Tensor cauchy_kl(const Tensor& loc_p, const Tensor& scale_p, const Tensor& loc_q,
                 const Tensor& scale_q) {
  const Tensor scale = scale_p - scale_q;
  const Tensor loc = loc_p - loc_q;
  return at::log1p(0.25 *
                   ((scale / scale_p) * (scale / scale_q) + (loc / scale_p) * (loc / scale_q)));
}

Tensor gamma_cross_entropy(const Tensor& mean, const Tensor& mean_log, const Tensor& concentration,
                           const Tensor& rate) {
  return at::lgamma(concentration) - concentration * rate.log() - (concentration - 1) * mean_log +
         rate * mean;
}

Tensor gumbel_cross_entropy(const Tensor& mean, const Tensor& log_laplace, const Tensor& loc,
                            const Tensor& scale) {
  return scale.log() + (mean - loc) / scale + (log_laplace + loc / scale).exp();
}

}  // namespace internal

Tensor kl_divergence(const Distribution& p, const Distribution& q) {
  const IntArrayRef a = p.batch_shape();
  const IntArrayRef b = q.batch_shape();
  Shape batch(std::max(a.size(), b.size()), 1);
  bool fits = p.event_shape() == q.event_shape();
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const std::int64_t left = i < a.size() ? a[a.size() - 1 - i] : 1;
    const std::int64_t right = i < b.size() ? b[b.size() - 1 - i] : 1;
    fits = fits && (left == right || left == 1 || right == 1);
    batch[batch.size() - 1 - i] = left == 1 ? right : left;
  }
  if (!fits) {
    throw InvalidArgument(
        "p, q",
        fmt::format("kl_divergence: expected batch shapes that broadcast and equal event "
                    "shapes, got {} (batch {}, event {}) and {} (batch {}, event {})",
                    p.to_string(), partita::to_string(a), partita::to_string(p.event_shape()),
                    q.to_string(), partita::to_string(b), partita::to_string(q.event_shape())));
  }
  const std::type_index type_p = typeid(p);
  const std::type_index type_q = typeid(q);
  auto pair = internal::latest(
      [&](const internal::KlPair& each) { return each.p == type_p && each.q == type_q; });
  if (!pair) {
    pair = internal::latest([&](const internal::KlPair& each) { return each.derived(p, q); });
  }
  if (!pair) {
    throw NotAvailable(
        "p, q",
        fmt::format(
            "kl_divergence: {} and {} have no closed form here; register_kl() adds one, and "
            "the mean of p.log_prob(x) - q.log_prob(x) over draws x of p estimates it",
            p.to_string(), q.to_string()));
  }
  // In double, where what cancels leaves all digits of single precision. No divergence is negative.
  const auto type_p_values = p.parameter_type();
  const auto type_q_values = q.parameter_type();
  if (!type_p_values || !type_q_values) return pair->divergence(p, q).clamp_min(0).expand(batch);
  const auto wide = [](const Distribution& d) {
    return *d.parameter_type() == at::kDouble ? DistributionPtr(DistributionPtr(), &d)
                                              : d.with_type(at::kDouble);
  };
  return pair->divergence(*wide(p), *wide(q))
      .clamp_min(0)
      .to(at::promote_types(*type_p_values, *type_q_values))
      .expand(batch);
}

}  // namespace partita::distributions
