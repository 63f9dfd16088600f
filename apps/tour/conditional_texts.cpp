// SPDX-License-Identifier: Apache-2.0
#include "apps/tour/conditional_texts.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "apps/tour/small_texts.hpp"
#include "partita/noise/constrained.hpp"
#include "partita/noise/counterfactual.hpp"
#include "partita/random/goodness_of_fit.hpp"
#include "partita/search/ancestral.hpp"

namespace partita::app {

Finding counterfactuals(const TourContext& context) {
  const std::size_t n = context.choose(40'000U, 10'000U);
  const CallableModel model = random_model(3, 1);
  const CallableModel other(3, -1, [](std::span<const Token> prefix) {
    return std::vector<double>{0.3 * static_cast<double>(prefix.size()), 0.5, 0};
  });
  const SearchOptions three{.max_length = 3};
  const std::vector<double> expected = expected_texts(other, n);
  std::vector<double> observed(expected.size());
  double changed_by_itself = 0;
  double same = 0;
  const auto texts = ancestral_samples(model, {}, n, context.stream(0), three);
  for (std::size_t i = 0; i < n; ++i) {
    const Streams noise(context.stream(1), i);
    const auto under = [&](const SequenceModel& by) {
      return counterfactual_samples(model, {}, texts[i], by, {}, 1, noise, three, three)[0].tokens;
    };
    const Sequence text = under(other);
    ++observed[place_of(text)];
    same += text == texts[i].tokens ? 1 : 0;
    if (i < n / 10) changed_by_itself += under(model) != texts[i].tokens ? 1 : 0;
  }
  double by_chance = 0;  // two independent texts
  const std::vector<double> first = expected_texts(model, 1);
  for (std::size_t i = 0; i < first.size(); ++i) {
    by_chance += first[i] * expected[i] / static_cast<double>(n);
  }
  // One token: it may become j only if j's probability has grown more than its own.
  double without_reason = 0;
  for (std::uint64_t i = 0; i < 2000; ++i) {
    std::vector<double> z(5);
    std::vector<double> sums(5);
    for (std::uint64_t c = 0; c < 5; ++c) z[c] = context.stream(2).child(i).normal(c);
    const auto drawn = i % 5;
    const auto noise =
        noise_given_draw(row_of(z), static_cast<Token>(drawn), context.stream(3).child(i));
    std::vector<double> growth(5);
    for (std::uint64_t c = 0; c < 5; ++c) {
      growth[c] = context.stream(4).child(i).normal(c);
      sums[c] = z[c] + growth[c] + noise[c];
    }
    const auto now =
        static_cast<std::size_t>(std::max_element(sums.begin(), sums.end()) - sums.begin());
    without_reason += now != drawn && growth[now] <= growth[drawn] ? 1 : 0;
  }
  return {{equal("texts that their own model changes", changed_by_itself, 0, 0),
           not_rejected("counterfactuals over the first model's texts against the second's law, χ²",
                        chi_square_p_value(observed, expected)),
           at_least("texts that stay the same, over those of independent draws",
                    same / static_cast<double>(n) / by_chance, 2),
           equal("tokens that change without a reason", without_reason, 0, 0)}};
}

namespace {

/// The masked way: a token after which the constraint can still be met, at each step.
Sequence masked_text(const SequenceModel& model, const Constraint& constraint, std::size_t length,
                     const Stream& stream) {
  Sequence text;
  while (text.size() < length) {
    std::vector<double> row(model.vocabulary_size());
    model.next_logits({&text, 1}, nullptr, {row.data(), 1, row.size()});
    const auto drawn = allowed_draw(
        row_of(row),
        [&](Token token) {
          Sequence next = text;
          next.push_back(token);
          return constraint(next, next.size() == length);
        },
        stream.child(text.size()));
    text.push_back(drawn->token);
  }
  return text;
}

}  // namespace

Finding constrained_sampling(const TourContext& context) {
  const std::size_t n = context.choose(40'000U, 10'000U);
  // A model that likes to begin with 0 and then hardly ever comes to 2, which must come.
  const CallableModel model(3, -1, [](std::span<const Token> prefix) {
    if (prefix.empty()) return std::vector<double>{1, 0, 0};
    return prefix[0] == 0 ? std::vector<double>{1, 1, -2} : std::vector<double>{0, 0, 0.5};
  });
  constexpr std::size_t kLength = 3;
  const Constraint has_a_two = [](std::span<const Token> text, bool complete) {
    return std::find(text.begin(), text.end(), 2) != text.end() ||
           (!complete && text.size() < kLength);
  };
  std::vector<double> expected = expected_texts(model, 1);
  double mass = 0;
  for (Token code = 0; code < 27; ++code) {
    const bool meets = code / 9 == 2 || code / 3 % 3 == 2 || code % 3 == 2;
    if (!meets) expected[static_cast<std::size_t>(code)] = 0;
    mass += expected[static_cast<std::size_t>(code)];
  }
  for (double& x : expected) x *= static_cast<double>(n) / mass;
  ConstrainedSampler sampler(model, {}, has_a_two, {.max_length = kLength});
  std::vector<double> exact(27);
  std::vector<double> masked(27);
  std::vector<double> estimates;
  for (std::size_t i = 0; i < n; ++i) {
    ++exact[place_of(sampler.draw(context.stream(0).child(i)).tokens)];
    ++masked[place_of(masked_text(model, has_a_two, kLength, context.stream(1).child(i)))];
    if (i % 10 != 0) continue;
    estimates.push_back(
        std::exp(constrained_particles(model, {}, has_a_two, 5, context.stream(2).child(i),
                                       {.max_length = kLength})
                     .log_mass));
  }
  const auto begin_with_0 = [](const std::vector<double>& counts) {
    double sum = 0;
    for (std::size_t i = 0; i < 9; ++i) sum += counts[i];
    return sum;
  };
  return {
      {not_rejected("rejection that learns dead prefixes, against the conditional law, χ²",
                    chi_square_p_value(exact, expected)),
       at_most("masking, against that law, χ², p-value", chi_square_p_value(masked, expected),
               1e-6),
       at_least("texts that begin with the dead end, masked over true share",
                begin_with_0(masked) / begin_with_0(expected), 2),
       unbiased("five particles: P(constraint)", estimates, mass),
       equal("bound of P(constraint) from what was rejected", sampler.mass_bound(), mass, 1e-3)}};
}

}  // namespace partita::app
