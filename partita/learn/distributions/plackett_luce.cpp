// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/plackett_luce.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "partita/gumbel/gumbel_top_k.hpp"
#include "partita/learn/distributions/internal/choice.hpp"
#include "partita/learn/distributions/internal/numeric.hpp"

namespace partita::distributions {

namespace {

constexpr std::int64_t kMostEnumerated = 50'000;

/// The shape of a ranking, [k].
Shape event_shape_of(const ProbsOrLogits& scores, std::optional<std::int64_t> k) {
  const std::int64_t categories = categories_of(scores.value());
  check_choice("PlackettLuce", k.value_or(categories), 1, categories);
  return {k.value_or(categories)};
}

/// All ordered choices of k out of `categories`, [count, k].
Tensor rankings(std::int64_t categories, std::int64_t k) {
  Tensor all = at::empty({1, 0}, at::kLong);
  for (std::int64_t place = 0; place < k; ++place) {
    // Each of them, followed by each category that it does not have yet.
    const Tensor next = at::arange(categories, at::kLong).view({1, categories, 1});
    const Tensor longer =
        at::cat({all.unsqueeze(1).expand({-1, categories, -1}), next.expand({all.size(0), -1, -1})},
                -1)
            .flatten(0, 1);
    const Tensor last = longer.narrow(1, place, 1);
    const Tensor is_new = (longer.narrow(1, 0, place) != last).all(-1);
    all = longer.index_select(0, is_new.nonzero().squeeze(-1));
  }
  return all;
}

/// The log-probability of drawing logits [..., k] in this order before those of `rest`, [..., V],
/// where the digits of a log-sum-exp are taken by its size: each draw by the differences of what is
/// left from it. In O(k^2).
Tensor log_prob_of_large(const Tensor& chosen, const Tensor& rest) {
  const std::int64_t k = chosen.size(-1);
  const Tensor most = rest.detach().amax(-1, /*keepdim=*/true);
  const Tensor finite = most.masked_fill(most == -kInfinity, 0);
  const Tensor others = log_sum_exp(rest - finite).unsqueeze(-1) + (finite - chosen);  // [..., k]
  const Tensor later =
      (chosen.unsqueeze(-2) - chosen.unsqueeze(-1))
          .masked_fill(at::ones({k, k}, chosen.options().dtype(at::kBool)).tril(-1),
                       -kInfinity);  // [..., draw, drawn then or later]
  return -log_sum_exp(at::cat({others.unsqueeze(-1), later}, -1)).sum(-1);
}

}  // namespace

PlackettLuce::PlackettLuce(const ProbsOrLogits& scores, std::optional<std::int64_t> k,
                           bool validate_args)
    : Distribution("PlackettLuce", {scores_argument(scores, event_shape_of(scores, k)[0])},
                   event_shape_of(scores, k), validate_args),
      is_logits_(scores.is_logits()) {}

Tensor PlackettLuce::raw_logits() const {
  return is_logits_ ? parameter(0) : log_or_minus_infinity(parameter(0));
}

Constraint PlackettLuce::support() const {
  const std::int64_t categories = parameter(0).size(-1);
  return {
      fmt::format("different whole numbers in [0, {}]", categories - 1), 1, true,
      [=](const Tensor& x) {
        const Tensor sorted = std::get<0>(x.sort(-1));
        const std::int64_t k = x.size(-1);
        const Tensor differ = (sorted.narrow(-1, 1, k - 1) != sorted.narrow(-1, 0, k - 1)).all(-1);
        const Tensor whole = (x == x.to(at::kLong)).logical_and(x >= 0).logical_and(x < categories);
        return differ.logical_and(whole.all(-1));
      }};
}

bool PlackettLuce::has_enumerate_support() const {
  std::int64_t count = 1;
  for (std::int64_t place = 0; place < event_shape()[0] && count <= kMostEnumerated; ++place) {
    count *= parameter(0).size(-1) - place;
  }
  return count <= kMostEnumerated;
}

Tensor PlackettLuce::enumerate_support(bool expand) const {
  if (!has_enumerate_support()) unavailable("enumerate_support", "there are too many rankings");
  const Tensor all = rankings(parameter(0).size(-1), event_shape()[0]).to(options().device());
  Shape shape(batch_shape().size() + 2, 1);
  shape.front() = all.size(0);
  shape.back() = all.size(1);
  return expand ? all.view(shape).expand(extended_shape({all.size(0)})) : all.view(shape);
}

Tensor PlackettLuce::entropy() const {
  if (!has_enumerate_support()) unavailable("entropy", "there are too many rankings");
  const Tensor log_p = do_log_prob(enumerate_support());
  return -times(log_p.exp(), log_p).sum(0);
}

Tensor PlackettLuce::mode() const {
  const Tensor order = std::get<1>(parameter(0).sort(/*stable=*/true, -1, /*descending=*/true));
  return order.narrow(-1, 0, event_shape()[0]);
}

Tensor PlackettLuce::do_sample(IntArrayRef sample_shape, const Random& random) const {
  const std::int64_t categories = parameter(0).size(-1);
  const std::int64_t k = event_shape()[0];
  const bool is_double = parameter(0).scalar_type() == at::kDouble;
  const Tensor logits = raw_logits()
                            .reshape({-1, categories})
                            .to(at::kCPU, is_double ? at::kDouble : at::kFloat)
                            .contiguous();
  const auto width = static_cast<std::size_t>(categories);
  const Rows rows =
      is_double ? Rows(logits.data_ptr<double>(), static_cast<std::size_t>(logits.size(0)), width)
                : Rows(logits.data_ptr<float>(), static_cast<std::size_t>(logits.size(0)), width);
  const Tensor out = at::empty(extended_shape(sample_shape), at::kLong);
  const std::span<std::int64_t> indices(out.data_ptr<std::int64_t>(),
                                        static_cast<std::size_t>(out.numel()));
  const Stream stream = random.fork();
  constexpr std::int64_t kGrain = 1 << 14;
  at::parallel_for(
      0, out.numel() / k, std::max<std::int64_t>(1, kGrain / categories),
      [&](std::int64_t begin, std::int64_t end) {
        for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
          const Stream own = stream.child(i);
          const TopKSample one =
              gumbel_top_k(rows.slice(i % rows.rows(), 1), static_cast<std::size_t>(k),
                           std::span(&own, 1), {.log_sum_exp = false});
          std::ranges::copy(one.indices, indices.begin() + static_cast<std::ptrdiff_t>(i) * k);
        }
      });
  return out.to(options().device());
}

Tensor PlackettLuce::do_log_prob(const Tensor& value) const {
  const std::int64_t k = event_shape()[0];
  const Shape batch =
      at::infer_size(value.sizes().slice(0, value.sizes().size() - 1), batch_shape());
  const Tensor places = value.to(at::kLong).expand(concatenate(batch, {k}));
  const Tensor z = raw_logits().expand(concatenate(batch, {parameter(0).size(-1)}));
  const Tensor drawn = z.gather(-1, places);
  const Tensor impossible = drawn == -kInfinity;
  const Tensor chosen = drawn.masked_fill(impossible, 0);
  // What is left before each draw, as the sum from the last place to the first: first those that
  // get no place, then each drawn one. (logcumsumexp() has no second derivative.)
  const Tensor rest = z.scatter(-1, places, -kInfinity);
  constexpr double kLargest = 16;  // of which the rounding is not felt
  if (!all_at_most(chosen.abs(), kLargest)) {
    return log_prob_of_large(chosen, rest).masked_fill(impossible.any(-1), -kInfinity);
  }
  const Tensor others = log_sum_exp(rest).unsqueeze(-1);
  const Tensor most = others.detach().clamp_min(kLargest);
  const Tensor sums =
      at::cat({(others - most).exp(), (chosen.flip(-1) - most).exp()}, -1).cumsum(-1);
  const Tensor left = most + sums.narrow(-1, 1, k).log();
  return (chosen - left.flip(-1)).sum(-1).masked_fill(impossible.any(-1), -kInfinity);
}

}  // namespace partita::distributions
