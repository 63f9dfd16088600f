// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/subset.hpp"

#include <ATen/ATen.h>
#include <ATen/ExpandUtils.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "partita/gumbel/conditional_poisson.hpp"
#include "partita/learn/distributions/internal/choice.hpp"
#include "partita/learn/distributions/internal/numeric.hpp"
#include "partita/learn/distributions/internal/subset_law.hpp"
#include "partita/learn/rows.hpp"

namespace partita::distributions {

namespace {

constexpr std::int64_t kMostEnumerated = 50'000;

/// [V].
Shape event_shape_of(const Logits& logits, std::int64_t k) {
  const std::int64_t categories = categories_of(logits.value);
  check_choice("Subset", k, 0, categories);
  return {categories};
}

/// V choose k, or more than kMostEnumerated.
std::int64_t count_of_subsets(std::int64_t categories, std::int64_t k) {
  std::int64_t count = 1;
  for (std::int64_t i = 0; i < std::min(k, categories - k) && count <= kMostEnumerated; ++i) {
    count = count * (categories - i) / (i + 1);
  }
  return count;
}

}  // namespace

Subset::Subset(const Logits& logits, std::int64_t k, bool validate_args)
    : Distribution("Subset", {scores_argument(logits, k)}, event_shape_of(logits, k),
                   validate_args),
      k_(k) {}

std::string Subset::to_string() const {
  return fmt::format("{}({}, k: {})", name(), parameters_to_string(), k_);
}

SubsetLaw law_of(const Subset& subset) {
  return SubsetLaw::of(unexpanded(subset.logits(), 1), subset.k());
}

Constraint Subset::support() const {
  return {fmt::format("{} entries of 1, the others 0", k_), 1, true, [k = k_](const Tensor& x) {
            const Tensor ones = x == 1;
            return ones.logical_or(x == 0).all(-1).logical_and(ones.sum(-1) == k);
          }};
}

Tensor Subset::log_normalizer() const {
  // k c + sum log(1 + e^(z - c)) + log_chance; what exceeds c is added up on its own, which leaves
  // few c or none.
  const SubsetLaw law = law_of(*this);
  const Tensor large = law.logits > law.shift.unsqueeze(-1);
  const Tensor rest = at::where(large, law.log_heads(), law.log_tails()).sum(-1);
  const Tensor sum = law.logits.masked_fill(large.logical_not(), 0).sum(-1);
  return (sum + (k_ - large.sum(-1)) * law.shift - rest + law.log_chance)
      .expand(batch_shape())
      .to(parameter(0).scalar_type());
}

Tensor Subset::entropy() const {
  const SubsetLaw law = law_of(*this);
  const SubsetMarginals p = subset_marginals(law.logits, k_);
  const Tensor of_coins = times(p.included, law.log_heads()) + times(p.excluded, law.log_tails());
  return (law.log_chance - of_coins.sum(-1)).expand(batch_shape()).to(parameter(0).scalar_type());
}

Tensor Subset::mean() const {
  const SubsetMarginals p = subset_marginals(unexpanded(logits(), 1), k_);
  return p.included.expand(extended_shape({})).to(parameter(0).scalar_type());
}

Tensor Subset::variance() const {
  const SubsetMarginals p = subset_marginals(unexpanded(logits(), 1), k_);
  return (p.included * p.excluded).expand(extended_shape({})).to(parameter(0).scalar_type());
}

Tensor Subset::mode() const {
  const Tensor order = std::get<1>(parameter(0).sort(/*stable=*/true, -1, /*descending=*/true));
  return at::zeros(order.sizes(), options()).scatter(-1, order.narrow(-1, 0, k_), 1);
}

bool Subset::has_enumerate_support() const {
  return count_of_subsets(event_shape()[0], k_) <= kMostEnumerated;
}

Tensor Subset::enumerate_support(bool expand) const {
  if (!has_enumerate_support()) unavailable("enumerate_support", "there are too many sets");
  const std::int64_t count = count_of_subsets(event_shape()[0], k_);
  const Tensor all = at::empty({count, event_shape()[0]}, at::kDouble);
  std::vector<double> set(static_cast<std::size_t>(event_shape()[0]));
  std::fill_n(set.begin(), k_, 1);
  auto* out = all.data_ptr<double>();
  do {
    out = std::ranges::copy(set, out).out;
  } while (std::ranges::prev_permutation(set).found);
  Shape shape(batch_shape().size() + 2, 1);
  shape.front() = count;
  shape.back() = event_shape()[0];
  const Tensor values = all.to(options()).view(shape);
  return expand ? values.expand(extended_shape({count})) : values;
}

Tensor Subset::do_sample(IntArrayRef sample_shape, const Random& random) const {
  const std::int64_t categories = event_shape()[0];
  const Tensor logits =
      parameter(0).reshape({-1, categories}).to(at::kCPU, at::kDouble).contiguous();
  const Tensor sets = at::zeros(extended_shape(sample_shape), at::kDouble);
  const std::int64_t rows = logits.size(0);
  const std::int64_t draws = rows == 0 ? 0 : sets.numel() / (rows * categories);
  const Stream stream = random.fork();
  const auto k = static_cast<std::size_t>(k_);
  constexpr std::int64_t kGrain = 1 << 8;
  // The rows on several threads, or if there is one row its draws.
  at::parallel_for(0, rows, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      const ConditionalPoisson law(rows_of(logits, "logits"), k, static_cast<std::size_t>(row));
      at::parallel_for(0, draws, kGrain, [&](std::int64_t first, std::int64_t last) {
        std::vector<std::int64_t> members(k);
        for (std::int64_t draw = first; draw < last; ++draw) {
          const std::int64_t place = draw * rows + row;
          law.draw(stream.child(static_cast<std::uint64_t>(place)), members);
          auto* set = sets.data_ptr<double>() + place * categories;
          for (const std::int64_t i : members) set[i] = 1;
        }
      });
    }
  });
  return sets.to(options());
}

Tensor Subset::do_log_prob(const Tensor& value) const {
  const SubsetLaw law = law_of(*this);
  const Tensor log_odds = law.log_odds();
  const Tensor of_coins = at::log_sigmoid(at::where(value == 1, log_odds, -log_odds)).sum(-1);
  const Tensor log_p = of_coins - law.log_chance;
  // A set that is impossible has no gradient.
  return log_p.masked_fill(log_p == -kInfinity, -kInfinity)
      .expand(at::infer_size(log_p.sizes(), batch_shape()))
      .to(parameter(0).scalar_type());
}

}  // namespace partita::distributions
