// All of torch.distributions in C++; see distributions/distribution.hpp for how a Python snippet
// translates. A program that needs two of them compiles faster with their own headers.
//
//   using namespace partita::distributions;
//   partita::Random random(partita::Stream{.seed = 1});
//   Normal q(loc, scale);
//   auto z = q.rsample({64}, random);
//   auto loss = -MultivariateNormal(mean, covariance).log_prob(z) + kl_divergence(q, Normal(0, 1));
#pragma once

#include "partita/learn/distributions/bernoulli.hpp"
#include "partita/learn/distributions/beta.hpp"
#include "partita/learn/distributions/binomial.hpp"
#include "partita/learn/distributions/categorical.hpp"
#include "partita/learn/distributions/cauchy.hpp"
#include "partita/learn/distributions/constraint.hpp"
#include "partita/learn/distributions/continuous_bernoulli.hpp"
#include "partita/learn/distributions/dirichlet.hpp"
#include "partita/learn/distributions/distribution.hpp"
#include "partita/learn/distributions/exponential.hpp"
#include "partita/learn/distributions/fisher_snedecor.hpp"
#include "partita/learn/distributions/gamma.hpp"
#include "partita/learn/distributions/geometric.hpp"
#include "partita/learn/distributions/gumbel.hpp"
#include "partita/learn/distributions/half_cauchy.hpp"
#include "partita/learn/distributions/half_normal.hpp"
#include "partita/learn/distributions/independent.hpp"
#include "partita/learn/distributions/inverse_gamma.hpp"
#include "partita/learn/distributions/kl.hpp"
#include "partita/learn/distributions/kumaraswamy.hpp"
#include "partita/learn/distributions/laplace.hpp"
#include "partita/learn/distributions/log_normal.hpp"
#include "partita/learn/distributions/mixture_same_family.hpp"
#include "partita/learn/distributions/multinomial.hpp"
#include "partita/learn/distributions/multivariate_normal.hpp"
#include "partita/learn/distributions/negative_binomial.hpp"
#include "partita/learn/distributions/normal.hpp"
#include "partita/learn/distributions/one_hot_categorical.hpp"
#include "partita/learn/distributions/pareto.hpp"
#include "partita/learn/distributions/plackett_luce.hpp"
#include "partita/learn/distributions/poisson.hpp"
#include "partita/learn/distributions/rademacher.hpp"
#include "partita/learn/distributions/relaxed_bernoulli.hpp"
#include "partita/learn/distributions/relaxed_one_hot_categorical.hpp"
#include "partita/learn/distributions/student_t.hpp"
#include "partita/learn/distributions/transformed_distribution.hpp"
#include "partita/learn/distributions/transforms.hpp"
#include "partita/learn/distributions/truncated_gumbel.hpp"
#include "partita/learn/distributions/uniform.hpp"
#include "partita/learn/distributions/von_mises.hpp"
#include "partita/learn/distributions/weibull.hpp"
