// SPDX-License-Identifier: Apache-2.0
// softmax(z + c) = softmax(z), so every function of logits gives for z + c what it gives for z,
// also where c is so large that z - log_sum_exp(z + c) would have no digits left. Walked here for
// all that normalize: logits are multiples of what a number of the shift's size can hold.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "partita/calibration/calibration_metrics.hpp"
#include "partita/calibration/temperature.hpp"
#include "partita/detection/logit_score.hpp"
#include "partita/gumbel/categorical.hpp"
#include "partita/gumbel/gumbel_top_k.hpp"
#include "partita/sampler/filter.hpp"
#include "partita/sampler/sample.hpp"
#include "partita/search/ancestral.hpp"
#include "partita/search/beam.hpp"
#include "partita/search/conditional_poisson_beam.hpp"
#include "partita/search/score.hpp"
#include "partita/search/stochastic_beam.hpp"
#include "partita/search/unique.hpp"
#include "partita/softmax/divergence.hpp"
#include "partita/softmax/softmax.hpp"

namespace partita {
namespace {

constexpr std::size_t kRows = 6;
constexpr std::size_t kCategories = 700;  // more than one block

/// Small logits that are multiples of 2, and the same shifted.
template <class T>
std::vector<T> logits_shifted_by(double shift) {
  std::vector<T> z(kRows * kCategories);
  for (std::size_t i = 0; i < z.size(); ++i) {
    z[i] = static_cast<T>(2 * std::round(1.5 * Stream{.seed = 71}.normal(i)) + shift);
  }
  return z;
}

/// Next tokens by logits that depend on the length of the prefix alone; the last one ends.
template <class T>
class ShiftedModel : public SequenceModel {
 public:
  explicit ShiftedModel(double shift) : z_(logits_shifted_by<T>(shift)) {}
  std::size_t vocabulary_size() const override { return 5; }
  Token end_token() const override { return 4; }
  DType logits_dtype() const override { return dtype_of<T>; }
  void next_logits(std::span<const Sequence> prefixes, DecodingState* /*state*/,
                   MutableRows out) const override {
    for (std::size_t i = 0; i < prefixes.size(); ++i) {
      std::copy_n(&z_[prefixes[i].size() * 5], 5, out.row_data<T>(i));
    }
  }

 private:
  std::vector<T> z_;
};

using Numbers = std::vector<double>;

void append(Numbers& out, const Hypothesis& h) {
  out.insert(out.end(), h.tokens.begin(), h.tokens.end());
  out.push_back(h.log_prob);
}

/// Each function by its name, with all numbers that it gives for logits shifted by c; but not the
/// logits themselves, nor the log-sum-exp, which move by c.
template <class T>
std::vector<std::pair<std::string, std::function<Numbers(double)>>> functions() {
  const auto on_rows = [](std::function<Numbers(Rows)> f) {
    return [f = std::move(f)](double c) {
      const std::vector<T> z = logits_shifted_by<T>(c);
      return f(Rows(z.data(), kRows, kCategories));
    };
  };
  const auto on_model = [](std::function<Numbers(const SequenceModel&)> f) {
    return [f = std::move(f)](double c) { return f(ShiftedModel<T>(c)); };
  };
  static const std::vector<std::int64_t> labels = {3, 1, 4, 1, 5, 9};
  const SearchOptions short_ones{.max_length = 6};
  std::vector<std::pair<std::string, std::function<Numbers(double)>>> all;
  all.emplace_back("softmax", on_rows([](Rows z) {
                     std::vector<T> p(kRows * kCategories);
                     softmax(z, {p.data(), kRows, kCategories});
                     return Numbers(p.begin(), p.end());
                   }));
  all.emplace_back("log_softmax", on_rows([](Rows z) {
                     std::vector<T> p(kRows * kCategories);
                     log_softmax(z, {p.data(), kRows, kCategories});
                     return Numbers(p.begin(), p.end());
                   }));
  all.emplace_back("normalizers", on_rows([](Rows z) {
                     Numbers out;
                     for (const Normalizer& n : normalizers(z)) out.push_back(n.log_sum);
                     return out;
                   }));
  all.emplace_back("entropy", on_rows([](Rows z) { return entropy(z); }));
  all.emplace_back("kl_divergence", on_rows([](Rows z) {
                     const std::vector<T> q(kRows * kCategories, T{0});
                     return kl_divergence(z, {q.data(), kRows, kCategories});
                   }));
  all.emplace_back("cross_entropy", on_rows([](Rows z) {
                     const std::vector<T> q(kRows * kCategories, T{0});
                     return cross_entropy({q.data(), kRows, kCategories}, z);
                   }));
  all.emplace_back("gumbel_top_k", on_rows([](Rows z) {
                     const TopKSample s = gumbel_top_k(z, 40, Stream{.seed = 1});
                     Numbers out(s.indices.begin(), s.indices.end());
                     for (const auto* more : {&s.perturbed, &s.log_prob, &s.threshold}) {
                       out.insert(out.end(), more->begin(), more->end());
                     }
                     return out;
                   }));
  all.emplace_back("gumbel_max", on_rows([](Rows z) {
                     const auto drawn = gumbel_max(z, Stream{.seed = 2});
                     return Numbers(drawn.begin(), drawn.end());
                   }));
  for (const SamplerSettings& settings :
       {SamplerSettings{}, SamplerSettings{.temperature = 0.5, .top_k = 40, .top_p = 0.9},
        SamplerSettings{.min_p = 0.01, .typical_p = 0.8},
        SamplerSettings{.epsilon_cutoff = 3e-3}}) {
    const std::string name = "sampler " + std::to_string(all.size());
    all.emplace_back(
        name + " with_report", on_rows([settings](Rows z) {
          Numbers out;
          for (const Draw& d : sample_with_report(z, settings, Stream{.seed = 3}, {.top = 3})) {
            out.insert(out.end(), {static_cast<double>(d.index), d.log_prob, d.raw_log_prob,
                                   static_cast<double>(d.kept_count), d.kept_mass, d.entropy});
          }
          return out;
        }));
    all.emplace_back(name + " without_replacement", on_rows([settings](Rows z) {
                       const TopKSample s =
                           sample_without_replacement(z, 1, settings, Stream{.seed = 4});
                       Numbers out(s.indices.begin(), s.indices.end());
                       for (const auto* more : {&s.perturbed, &s.log_prob, &s.threshold}) {
                         out.insert(out.end(), more->begin(), more->end());
                       }
                       return out;
                     }));
    all.emplace_back(name + " replay", on_rows([settings](Rows z) {
                       return replay_log_prob(z, labels, settings, Stream{.seed = 5});
                     }));
  }
  for (const LogitScore score : {LogitScore::msp, LogitScore::entropy}) {
    all.emplace_back("logit_scores", on_rows([score](Rows z) { return logit_scores(score, z); }));
  }
  all.emplace_back("fit_temperature", on_rows([](Rows z) {
                     const TemperatureFit fit = fit_temperature(z, labels);
                     return Numbers{fit.temperature, fit.nll};
                   }));
  all.emplace_back("evaluate_calibration", on_rows([](Rows z) {
                     const auto m = evaluate_calibration(z, labels).metrics;
                     return Numbers{m.ece, m.nll, m.brier, m.accuracy};
                   }));
  all.emplace_back("beam_search", on_model([=](const SequenceModel& model) {
                     Numbers out;
                     for (const auto& h : beam_search(model, {}, 7, short_ones)) append(out, h);
                     return out;
                   }));
  all.emplace_back("stochastic_beam_search", on_model([=](const SequenceModel& model) {
                     const StochasticBeam beam =
                         stochastic_beam_search(model, {}, 7, {.seed = 6}, short_ones);
                     Numbers out = beam.weights;
                     out.push_back(beam.threshold);
                     for (const auto& h : beam.sequences) {
                       append(out, h);
                       out.push_back(h.perturbed);
                     }
                     return out;
                   }));
  all.emplace_back("conditional_poisson_beam_search", on_model([=](const SequenceModel& model) {
                     const ConditionalPoissonBeam beam = conditional_poisson_beam_search(
                         model, {}, 7, {.seed = 6}, short_ones, {.hindsight_samples = 1});
                     Numbers out = beam.weights;
                     for (const auto& h : beam.sequences) append(out, h);
                     return out;
                   }));
  all.emplace_back("UniqueSampler", on_model([=](const SequenceModel& model) {
                     UniqueSampler sampler(model, {}, {.seed = 7}, short_ones);
                     Numbers out;
                     for (int i = 0; i < 7; ++i) append(out, *sampler.next());
                     return out;
                   }));
  all.emplace_back("ancestral_samples", on_model([=](const SequenceModel& model) {
                     Numbers out;
                     for (const auto& h :
                          ancestral_samples(model, Sequence{}, 7, Stream{.seed = 8}, short_ones)) {
                       append(out, h);
                     }
                     return out;
                   }));
  all.emplace_back("score_sequences", on_model([=](const SequenceModel& model) {
                     const std::vector<Sequence> sequences = {{0, 1, 2}, {3, 3}};
                     Numbers out;
                     for (const auto& sequence : score_sequences(model, sequences)) {
                       for (const TokenScore& token : sequence) {
                         out.insert(out.end(), {token.log_prob, token.confidence});
                       }
                     }
                     return out;
                   }));
  return all;
}

template <class T>
void expect_same(std::initializer_list<double> shifts) {
  for (const auto& [name, function] : functions<T>()) {
    const Numbers expected = function(0);
    for (const double shift : shifts) {
      const Numbers found = function(shift);
      ASSERT_EQ(found.size(), expected.size()) << name;
      for (std::size_t i = 0; i < found.size(); ++i) {
        const double tolerance = 1e-12 * std::max(1.0, std::abs(expected[i]));
        ASSERT_TRUE(found[i] == expected[i] || std::abs(found[i] - expected[i]) <= tolerance)
            << name << ", shift " << shift << ", " << i << ": " << found[i] << " for "
            << expected[i];
      }
    }
  }
}

TEST(ShiftedLogits, ChangeNothingInDouble) { expect_same<double>({1e6, 1e16, -1e16}); }
TEST(ShiftedLogits, ChangeNothingInFloat) { expect_same<float>({1e6, 0x1p24, -0x1p24}); }

/// At 1e30 no two different logits are near each other: equal ones stay equally likely.
TEST(ShiftedLogits, EqualOnesAreEquallyLikelyAtAnySize) {
  const std::vector<double> z(4, 1e30);
  const Rows logits(z.data(), 1, 4);
  const TopKSample s = gumbel_top_k(logits, 4, Stream{.seed = 9});
  for (const double log_prob : s.log_prob) EXPECT_NEAR(log_prob, -std::log(4), 1e-15);
  const auto draw = sample_with_report(logits, SamplerSettings{}, Stream{.seed = 9}).front();
  EXPECT_NEAR(draw.log_prob, -std::log(4), 1e-15);
  EXPECT_NEAR(entropy(logits).front(), std::log(4), 1e-15);
}

}  // namespace
}  // namespace partita
