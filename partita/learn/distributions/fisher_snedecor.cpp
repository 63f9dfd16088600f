// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/fisher_snedecor.hpp"

#include <ATen/ATen.h>

#include <limits>

#include "partita/learn/distributions/internal/deviance.hpp"
#include "partita/learn/distributions/internal/implicit.hpp"
#include "partita/learn/distributions/internal/numeric.hpp"

namespace partita::distributions {

namespace {

/// log(df1 / df2 x), the logit of a Beta(df1 / 2, df2 / 2).
Tensor log_odds_of(const Tensor& x, const Tensor& df1, const Tensor& df2) {
  return in_double(x).log() + in_double(df1).log() - in_double(df2).log();
}

Tensor beta_tail_of(Tail which, const Tensor& x, const Tensor& df1, const Tensor& df2) {
  return tail(Family::kLogitBeta, which, log_odds_of(x, df1, df2), df1 / 2, df2 / 2);
}

}  // namespace

FisherSnedecor::FisherSnedecor(const TensorOrNumber& df1, const TensorOrNumber& df2,
                               bool validate_args)
    : Distribution("FisherSnedecor",
                   {{"df1", df1, constraints::positive()}, {"df2", df2, constraints::positive()}},
                   {}, validate_args) {}

Tensor FisherSnedecor::mean() const {
  const Tensor infinite = df2() <= 2;
  const Tensor v = df2().masked_fill(infinite, 3);
  return (v / (v - 2)).masked_fill(infinite, kInfinity);
}

Tensor FisherSnedecor::mode() const {
  return ((df1() - 2) / df1() * (df2() / (df2() + 2))).masked_fill(df1() <= 2, kNaN);
}

Tensor FisherSnedecor::variance() const {
  const Tensor infinite = df2() <= 4;
  const Tensor v = df2().masked_fill(infinite, 5);
  return (2 * (v / (v - 2)).square() * ((df1() + v - 2) / (df1() * (v - 4))))
      .masked_fill(infinite, kInfinity)
      .masked_fill(df2() <= 2, kNaN);
}

// df1 / df2 X is the odds of a Beta(df1 / 2, df2 / 2).

Tensor FisherSnedecor::do_rsample(IntArrayRef sample_shape, const Random& random) const {
  const Shape shape = extended_shape(sample_shape);
  const Tensor a = in_double(df1().expand(shape)) / 2;
  const Tensor b = in_double(df2().expand(shape)) / 2;
  const Tensor log_odds = implicit_draw(
      Family::kLogitBeta, random.log_standard_gamma(a).sub_(random.log_standard_gamma(b)), a, b);
  return exp_draw(log_odds + b.log() - a.log(), options());
}

Tensor FisherSnedecor::do_log_prob(const Tensor& value) const {
  const Tensor a = in_double(df1()) / 2;
  const Tensor b = in_double(df2()) / 2;
  const Tensor log_x = in_double(value).log();
  const Tensor log_odds = log_x + a.log() - b.log();
  return (log_binomial_term(a, b, log_odds.sigmoid(), at::log_sigmoid(log_odds),
                            at::log_sigmoid(-log_odds)) +
          a.log() + b.log() - (a + b).log() - log_x)
      .to(at::result_type(value, df1()));
}

Tensor FisherSnedecor::do_cdf(const Tensor& value) const {
  return beta_tail_of(Tail::kCdf, value, df1(), df2());
}

Tensor FisherSnedecor::do_log_cdf(const Tensor& value) const {
  return beta_tail_of(Tail::kLogCdf, value, df1(), df2());
}

Tensor FisherSnedecor::do_log_survival(const Tensor& value) const {
  return beta_tail_of(Tail::kLogSurvival, value, df1(), df2());
}

}  // namespace partita::distributions
