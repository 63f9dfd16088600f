// SPDX-License-Identifier: Apache-2.0
// Examples of the unknown without any being given: the outskirts of the known classes. Each class
// is taken for a Gaussian, and of many draws the least likely are kept. Du, Wang, Cai, Li (2022),
// "VOS: learning what you don't know by virtual outlier synthesis" (arXiv 2202.01197).
//
//   Tensor unknown = openset::shell(points, labels, 2000, stream);      // 1 % of 200,000 draws
//   model.confidence_step(points, labels, unknown);
#pragma once

#include "partita/learn/random.hpp"
#include "partita/learn/tensor.hpp"

namespace partita::openset {

/// The `count` least likely of count / share draws from the Gaussians of the classes, which have
/// the mean of their examples and one covariance, that around the means (plus 1e-4 of its mean
/// variance on the diagonal). A draw is as likely as the nearest class makes it, in Mahalanobis'
/// distance, so that one from the outskirts of a class that lies within another is not kept. (The
/// paper asks only the class it came from.)
/// @param features [N, d] @param labels int64 [N]; classes without examples are left out
/// @param share of the draws that are kept, in (0, 1]. In d = 2 all that is kept lies beyond
///        sqrt(-2 log share) standard deviations: 3.0 for 1 %, 3.7 for 0.1 %.
/// @return [count, d], the least likely first; no gradient flows through it.
/// @throws InvalidArgument if an argument is out of its range or N = 0.
Tensor shell(const Tensor& features, const Tensor& labels, std::int64_t count, const Random& random,
             double share = 0.01);

}  // namespace partita::openset
